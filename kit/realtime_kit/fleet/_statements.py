"""The SQL of `postgres_store`.

Each change is one statement, or one of a transaction that locks the rows it depends on.
"""

from __future__ import annotations

STATE = "case when outcome is null then state else 'closing' end as state"
COLUMNS = (
    f"id, api, epoch, {STATE}, outcome, owner, failures, error, tenant,"
    " held_back as is_held_back, headers, data,"
    " offered, accepted, seen, null::timestamptz as ended"
)
ENDED = (
    "id, api, epoch, 'ended' as state, outcome, null::bigint as owner, failures, error,"
    " tenant, false as is_held_back, coalesce(headers, '[]') as headers, data,"
    " offered, accepted, ended as seen, ended"
)
# Its worker's row is locked, so that it can't be presumed dead meanwhile.
ME = """
select array(
    select 1 from procrastinate_jobs where status = 'todo' and queue_name = %(queue)s
    and (scheduled_at is null or scheduled_at <= now()) limit %(most)s) as due
from workers me where me.id = %(worker)s and not me.draining and not exists (
    select from workers newer where newer.generation > me.generation and not newer.draining
    and newer.slots > (select count(*) from calls where calls.owner = newer.id))
for key share of me
"""
CLAIM = f"""
with given as (delete from procrastinate_jobs where id = any(%(jobs)s))
update calls set epoch = epoch + 1, owner = worker_id, attempt = %(attempt)s, beat = me.beat,
    seen = clock_timestamp()
from (select id as worker_id, beat from workers where id = %(worker)s) me
where calls.id = any(%(calls)s) and owner is null and outcome is null
returning {COLUMNS}
"""
REGISTER = """
with known as (select id from workers where token = %(token)s),
engine as (
    select worker_id from procrastinate_register_worker_v1() where not exists (select from known)),
added as (
    insert into workers (id, token, name, slots, generation)
    select worker_id, %(token)s, %(name)s, %(slots)s, %(generation)s from engine returning id)
select id from known union all select id from added
"""
BEAT = """
with alive as (
    update workers set beat = beat + 1, seen = clock_timestamp() where id = %(worker)s
    returning id, draining)
select alive.draining, calls.id, calls.epoch, calls.attempt
from alive left join calls on calls.owner = alive.id
"""
WRITE = """
update calls set seen = clock_timestamp(), state = coalesce(%(state)s, state),
    accepted = case when %(state)s::text = 'accepted' then clock_timestamp() else accepted end,
    data = coalesce(%(data)s, data)
where id = %(call)s and epoch = %(epoch)s
"""
RELEASE = """
update calls set epoch = epoch + 1, owner = null, attempt = null, seen = clock_timestamp(),
    failures = case when %(healthy)s then 0 else failures end + %(failures)s,
    attempts = case when %(healthy)s then 0 else attempts end + %(attempts)s,
    error = coalesce(%(error)s, error),
    outcome = case when %(failures)s > 0
        and case when %(healthy)s then 0 else failures end + %(failures)s >= %(most)s
        then coalesce(outcome, 'failed') else outcome end
from unnest(%(ids)s::text[], %(epochs)s::bigint[]) as given (call_id, number)
where id = call_id and epoch = number returning id, outcome, attempts
"""
DEAD = """
select id from workers join unnest(%s::bigint[], %s::bigint[]) as given (number, count)
on id = number and beat = count for update of workers skip locked
"""
# How long the worker had a call is known by its renewals since. If it was long, the call is not to blame.
BEREAVED = f"""
update calls set epoch = epoch + 1, owner = null, attempt = null, seen = clock_timestamp(), failures = now,
    error = 'its worker died',
    outcome = case when now >= %(most)s then coalesce(outcome, 'failed') else outcome end
from (select calls.id as call_id,
    case when lived >= %(healthy)s then 0 when lived >= %(soon)s then failures else failures + 1 end as now
    from calls join workers on workers.id = owner,
    lateral (select (workers.beat - calls.beat) * %(renewal)s as lived) as had
    where owner = any(%(dead)s)) as counted
where id = call_id returning {COLUMNS}
"""
END = """
with over as (delete from calls where id = %(call)s and epoch = %(epoch)s returning *),
kept as (
    insert into ended_calls
        (id, api, epoch, state, outcome, failures, offered, accepted, ended, error, tenant, headers, data)
    select id, api, epoch, state, given, failures, offered, accepted, clock_timestamp(),
        case when given = 'failed' then error end, case when given = 'failed' then tenant end,
        case when given = 'failed' then headers end, case when given = 'failed' then data end
    from over, (select %(outcome)s::text as given) as how on conflict do nothing)
select 1 from over
"""
SURVEY = """
select coalesce((select jsonb_object_agg(id, beat) from workers), '{}') as beats,
    array(select id from calls where owner is null and outcome is null and state = 'offered'
        and not held_back order by offered limit %(most)s) as unanswered,
    (select coalesce(sum(slots), 0) from workers where not draining)
        - (select count(*) from calls where owner is not null) as free,
    exists (select from calls where owner is null and outcome is not null) as closing,
    coalesce((select jsonb_agg(jsonb_build_array(tenant, active, waiting)) from (
        select tenant, array_agg(id order by offered) as waiting,
            (select count(*) from calls c where c.tenant = held.tenant and not c.held_back) as active
        from calls held where tenant is not null and held_back and outcome is null group by tenant
    ) as each_tenant), '[]') as tenants
"""
OFFER = """
insert into calls (id, api, headers, tenant, held_back)
select %(call)s, %(api)s, %(headers)s, %(tenant)s, coalesce(%(most)s::int <= count(*), false)
from calls where tenant = %(tenant)s and (not held_back or outcome is null)
on conflict do nothing returning id, held_back
"""
# By the tenant's lock: what it reads does not change until it is committed.
ADMIT = """
update calls set held_back = false where id = any(array(
    select id from calls where tenant = %(tenant)s and held_back and outcome is null order by offered
    limit case when %(most)s::int is not null then greatest(0, %(most)s - (
        select count(*) from calls where tenant = %(tenant)s and not held_back)) end))
returning id
"""
# `for share`: a take-over waits for this, so that nothing is begun under an epoch that is over.
EFFECT = """
with mine as (select id from calls where id = %(call)s and epoch = %(epoch)s for share),
added as (
    insert into effects (call, key, attempt) select id, %(key)s, %(attempt)s from mine
    on conflict do nothing returning key)
select (select count(*) from mine) as mine, (select count(*) from added) as added, known.*
from (select) as one left join (
    select done, result, attempt from effects where call = %(call)s and key = %(key)s) as known on true
"""
FORGET = """
with gone as (
    delete from effects where call = %(call)s and key = %(key)s and attempt = %(attempt)s and not done)
select not exists (select from calls where id = %(call)s and epoch = %(epoch)s) as is_over
"""
BEGIN_FUNCTION = """
with mine as (select id from calls where id = %(call)s and epoch = %(epoch)s for share),
added as (
    insert into functions (call, id, key, name, arguments, response, repeat)
    select id, %(id)s, %(key)s, %(name)s, %(arguments)s, %(response)s, %(repeat)s from mine
    on conflict (call, id) do update set arguments = excluded.arguments where functions.output is null)
select 1 from mine
"""
FINISH_FUNCTION = """
with mine as (select id from calls where id = %(call)s and epoch = %(epoch)s for share),
done as (
    update functions set output = %(output)s, silent = %(silent)s
    where call in (select id from mine) and id = %(id)s and output is null)
select 1 from mine
"""
ANSWER_FUNCTIONS = """
with mine as (select id from calls where id = %(call)s and epoch = %(epoch)s for share),
answered as (
    update functions set sent = true, over = over or id = any(%(over)s::text[])
    where call in (select id from mine) and id = any(%(sent)s::text[] || %(over)s::text[]))
select 1 from mine
"""
PURGE = """
delete from ended_calls where ctid = any(array(
    select ctid from ended_calls where ended < now() - make_interval(secs => %(keep)s)
    order by ended limit %(most)s))
"""
RETRY = f"""
with back as (delete from ended_calls where id = %(call)s and outcome = 'failed' returning *)
insert into calls (id, api, epoch, state, tenant, headers, data, offered, accepted)
select id, api, epoch + 1, state, tenant, coalesce(headers, '[]'), data, offered, accepted from back
returning {COLUMNS}
"""
