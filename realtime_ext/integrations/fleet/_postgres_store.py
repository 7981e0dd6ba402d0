"""Calls in PostgreSQL, and their jobs in procrastinate's queue (extra `fleet`).

All lies in a schema of its own, `realtime_fleet`, procrastinate's tables too. Of procrastinate this uses the
queue: what fetches, defers, notifies and registers workers. Its `Worker` is not used: it cancels the jobs
that it runs when the database is unavailable for a moment, and calls outlive that.

Each change is one statement, or one transaction that locks the rows it depends on. Time is the database's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..._core.extras import install
from ...errors import FleetError
from ._store import Beat, CallRecord, CallState, Delivery, Effect, Limits, Outcome, WorkerRecord

if TYPE_CHECKING:
    from procrastinate import App
    from psycopg import AsyncConnection
    from psycopg.types.json import Jsonb

SCHEMA = "realtime_fleet"
QUEUE = "calls"
TASK = "realtime_call"
SWEEPS = 12  # in a time to live at most, however many workers there are
LOCK = 0x5245414C  # of the sweep and of migrations, within this database
# In JSON: NUL and half characters, which a caller may have put into a header; the first part is all other
# escapes, so that a backslash before `u0000` stays one.
_NOT_STORED = re.compile(r"(\\(?!u0000).)|\\u0000|[\ud800-\udfff]")

TABLES = """
create table if not exists calls (
    id text primary key,
    epoch bigint not null default 0,
    state text not null default 'offered',
    outcome text,
    owner bigint,
    job bigint,
    failures integer not null default 0,
    headers jsonb not null,
    data jsonb,
    offered timestamptz not null default clock_timestamp(),
    accepted timestamptz,
    seen timestamptz not null default clock_timestamp(),
    ended timestamptz
);
create index if not exists calls_owner on calls (owner) where ended is null;
create index if not exists calls_ended on calls (ended) where ended is not null;
create table if not exists workers (
    id bigint primary key references procrastinate_workers on delete cascade,
    name text not null,
    slots integer not null,
    draining boolean not null default false,
    seen timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create table if not exists effects (
    call text not null references calls on delete cascade,
    key text not null,
    epoch bigint not null,
    done boolean not null default false,
    result jsonb,
    primary key (call, key)
);
create table if not exists sweeps (id integer primary key, at timestamptz not null);
insert into sweeps values (1, clock_timestamp()) on conflict do nothing;
create table if not exists migrations (name text primary key);
"""
COLUMNS = "id, epoch, state, outcome, owner, failures, headers, data, offered, accepted, seen, ended"
# A worker's row is locked by the sweep that declares it dead, so that it can't renew its ownership meanwhile.
CLAIM = f"""
with mine as (
    select w.id as worker_id from workers w where w.id = %(worker)s
    and exists (select from procrastinate_jobs j
        where j.id = %(job)s and j.status = 'doing' and j.worker_id = w.id)
    for key share of w)
update calls set epoch = epoch + 1, owner = worker_id, seen = clock_timestamp() from mine
where id = %(call)s and job = %(job)s and owner is null and state not in ('closing', 'ended')
returning {COLUMNS}
"""
BEAT = """
with alive as (
    update workers set seen = clock_timestamp() where id = %(worker)s returning id, draining),
engine as (
    update procrastinate_workers set last_heartbeat = now() where id in (select id from alive))
select alive.draining, calls.id, calls.epoch
from alive left join calls on calls.owner = alive.id and calls.ended is null
"""
WRITE = """
update calls set seen = clock_timestamp(), state = coalesce(%(state)s, state),
    accepted = case when %(state)s::text = 'accepted' then clock_timestamp() else accepted end,
    data = coalesce(%(data)s, data)
where id = %(call)s and epoch = %(epoch)s and ended is null
"""
END = """
with over as (
    update calls set state = 'ended', outcome = %(outcome)s, owner = null, seen = clock_timestamp(),
        ended = clock_timestamp()
    where id = %(call)s and epoch = %(epoch)s and ended is null returning job),
gone as (delete from procrastinate_jobs where id in (select job from over))
select 1 from over
"""
EFFECT = """
with mine as (
    select id from calls where id = %(call)s and epoch = %(epoch)s and ended is null for key share),
added as (
    insert into effects (call, key, epoch) select id, %(key)s, %(epoch)s from mine
    on conflict do nothing returning key)
select (select count(*) from mine) as mine, (select count(*) from added) as added,
    (select done from effects where call = %(call)s and key = %(key)s) as done,
    (select result from effects where call = %(call)s and key = %(key)s) as result
"""
# Calls without an owner that acts: of dead workers, or without a worker's or a waiting job.
LOST = """
select id, epoch, owner is not null as failed, state from calls
where ended is null and (owner is null or not exists (select from workers where workers.id = owner))
and (owner is not null or state = 'closing' or not exists (
    select from procrastinate_jobs j where j.id = calls.job and (j.status = 'todo'
    or j.status = 'doing' and exists (select from workers where workers.id = j.worker_id))))
for update of calls skip locked
"""
HAND_ON = f"""
update calls set epoch = epoch + 1, owner = null, seen = clock_timestamp(),
    failures = failures + has_failed::int, job = new_job,
    state = case when is_over then 'closing' else state end,
    outcome = case when is_over then 'failed' else outcome end
from unnest(%(ids)s::text[], %(failed)s::bool[], %(jobs)s::bigint[], %(over)s::bool[])
    as moved (call_id, has_failed, new_job, is_over)
where id = call_id returning {COLUMNS}
"""


class PostgresStore:
    """A store in a PostgreSQL database.

    Args:
        dsn: Where it is, as libpq has it: `postgresql://…` or `host=… dbname=…`.
        limits: Its time limits and counts.
    """

    def __init__(self, dsn: str, limits: Limits) -> None:
        self.limits: Limits = limits
        self._dsn = dsn
        self._patience = max(2.0, limits.time_to_live / 2)  # seconds that one change may take
        self._app: App | None = None
        self._opening = asyncio.Lock()

    async def migrate(self) -> None:
        """Make the schema and its tables, or bring them up to date; safe to run again."""
        from pathlib import Path

        from procrastinate.schema import SchemaManager

        files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
        async with self._connection(30.0) as db, db.transaction():
            await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            await db.execute(f"create schema if not exists {SCHEMA}")
            done = (
                {row["name"] for row in await _rows(db, "select name from migrations")}
                if (await _rows(db, "select 1 where to_regclass(%s) is not null", (f"{SCHEMA}.migrations",)))
                else None
            )
            if done is None:
                await db.execute(SchemaManager.get_schema())
                await db.execute(TABLES)
            for file in files:
                if done is not None and file.name not in done:
                    await db.execute(file.read_text(encoding="utf-8"))
            await db.cursor().executemany(
                "insert into migrations values (%s) on conflict do nothing", [(file.name,) for file in files]
            )

    async def aclose(self) -> None:
        """Close all connections; may be called again."""
        async with self._opening:
            if self._app is not None:
                app, self._app = self._app, None
                await app.close_async()

    async def offer(self, call_id: str, headers: Sequence[Mapping[str, str]]) -> bool:
        """Record a call and its job in one transaction; return whether it was new."""
        async with self._connection() as db, db.transaction():
            new = await _rows(
                db,
                "insert into calls (id, headers) values (%s, %s) on conflict do nothing returning id",
                (call_id, _jsonb([dict(header) for header in headers])),
            )
            if new:
                (job,) = await self._defer(db, [call_id])
                await db.execute("update calls set job = %s where id = %s", (job, call_id))
        return bool(new)

    async def register(self, name: str, slots: int) -> int:
        """Record a worker; return its number."""
        async with self._errors():
            number = await (await self._open()).job_manager.register_worker()
        async with self._connection() as db:
            await db.execute(
                "insert into workers (id, name, slots) values (%s, %s, %s)", (number, name, slots)
            )
        return number

    async def unregister(self, worker: int) -> None:
        """Remove a worker."""
        async with self._errors():
            await (await self._open()).job_manager.unregister_worker(worker)

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead."""
        rows = await self._query(BEAT, worker=worker)
        if not rows:
            return None
        return Beat(
            {row["id"]: row["epoch"] for row in rows if row["id"] is not None}, bool(rows[0]["draining"])
        )

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled or the database is gone."""

        async def heard(**_: Any) -> None:
            on_job()

        async with self._errors(None):
            manager = (await self._open()).job_manager
            await manager.listen_for_jobs(on_notification=heard, queues=[QUEUE])

    async def fetch(self, worker: int) -> Delivery | None:
        """Fetch a job; None if there is none."""
        async with self._errors():
            job = await (await self._open()).job_manager.fetch_job([QUEUE], worker)
        if job is None or job.id is None:
            return None
        return Delivery(job.id, str(job.task_kwargs["call_id"]))

    async def claim(self, delivery: Delivery, worker: int) -> CallRecord | None:
        """Become a call's owner and raise its epoch, while the job is this worker's."""
        rows = await self._query(CLAIM, worker=worker, job=delivery.job, call=delivery.call_id)
        return CallRecord(**rows[0]) if rows else None

    async def write(
        self, call_id: str, epoch: int, *, state: CallState | None = None, data: Any = None
    ) -> bool:
        """Write to a call; return whether it was still that epoch's."""
        stored = None if data is None else _jsonb(data)
        async with self._connection() as db:
            arguments = {"call": call_id, "epoch": epoch, "state": state, "data": stored}
            return (await db.execute(WRITE, arguments)).rowcount > 0

    async def release(self, call_id: str, epoch: int, *, failed: bool) -> bool:
        """Hand a call on at once, or have it closed if it failed too often."""
        async with self._connection() as db, db.transaction():
            own = await _rows(
                db,
                "select id, state from calls where id = %s and epoch = %s and ended is null for update",
                (call_id, epoch),
            )
            await self._hand_on(db, [(row["id"], failed, row["state"]) for row in own])
        return bool(own)

    async def release_all(self, epochs: Mapping[str, int]) -> set[str]:
        """Hand calls on in one transaction, without a failure; return which were one's own."""
        async with self._connection() as db, db.transaction():
            own = await _rows(
                db,
                "select id, state from calls join unnest(%s::text[], %s::bigint[]) as given (call, number)"
                " on id = call and epoch = number where ended is null order by id for update of calls",
                (list(epochs), list(epochs.values())),
            )
            await self._hand_on(db, [(row["id"], False, row["state"]) for row in own])
        return {row["id"] for row in own}

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call and remove its job."""
        return bool(await self._query(END, call=call_id, epoch=epoch, outcome=outcome))

    async def sweep(self, worker: int) -> tuple[list[CallRecord], list[CallRecord]]:
        """Hand on the calls of dead workers and those without a job, and drop calls that ended long ago."""
        limits = self.limits
        async with self._connection() as db, db.transaction():
            rows = await _rows(
                db,
                "select pg_try_advisory_xact_lock(%s) and exists (select from workers where id = %s"
                " and seen > clock_timestamp() - make_interval(secs => %s)) and"
                " pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %s) and exists"
                " (select from sweeps where at < clock_timestamp() - make_interval(secs => %s)) as may",
                (LOCK, worker, limits.time_to_live, limits.time_to_live, limits.time_to_live / SWEEPS),
            )
            if not rows[0]["may"]:
                return [], []
            await db.execute("update sweeps set at = clock_timestamp()")
            await db.execute(
                "with dead as (select id from workers"
                " where seen < clock_timestamp() - make_interval(secs => %s) for update skip locked)"
                " delete from procrastinate_workers where id in (select id from dead)",
                (limits.time_to_live,),
            )
            await db.execute(
                "with late as (update calls set state = 'closing', outcome = 'rejected'"
                " where state = 'offered' and owner is null and ended is null"
                " and offered < clock_timestamp() - make_interval(secs => %s) returning job)"
                " delete from procrastinate_jobs where id in (select job from late)",
                (limits.max_wait,),
            )
            lost = await _rows(db, LOST)
            to_move = [(row["id"], row["failed"], row["state"]) for row in lost if row["state"] != "closing"]
            moved = [call for call in await self._hand_on(db, to_move) if call.state != "closing"]
            closing = await _rows(
                db,
                "update calls set epoch = epoch + 1, owner = %s, seen = clock_timestamp()"
                " where state = 'closing' and (owner is null or id = any(%s))"
                f" returning {COLUMNS}",
                (worker, [row["id"] for row in lost if row["state"] == "closing"]),
            )
            await db.execute(
                "delete from calls where ended < clock_timestamp() - make_interval(secs => %s)",
                (limits.keep,),
            )
        return moved, [CallRecord(**row) for row in closing]

    async def begin_effect(self, call_id: str, epoch: int, key: str) -> Effect:
        """Record that an effect is about to happen, unless it was begun before."""
        (row,) = await self._query(EFFECT, call=call_id, epoch=epoch, key=key)
        if not row["mine"]:
            return Effect("lost")
        if row["added"]:
            return Effect("new")
        return Effect("done", row["result"]) if row["done"] else Effect("unknown")

    async def finish_effect(self, call_id: str, epoch: int, key: str, result: Any) -> None:
        """Record what an effect returned."""
        await self._do(
            "update effects set done = true, result = %(result)s"
            " where call = %(call)s and key = %(key)s and epoch = %(epoch)s",
            result=_jsonb(result),
            call=call_id,
            key=key,
            epoch=epoch,
        )

    async def forget_effect(self, call_id: str, epoch: int, key: str) -> None:
        """Remove the record of an effect that did not happen."""
        await self._do(
            "delete from effects where call = %(call)s and key = %(key)s and epoch = %(epoch)s and not done",
            call=call_id,
            key=key,
            epoch=epoch,
        )

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or all that are kept, oldest first."""
        query = f"select {COLUMNS} from calls where %(ended)s or ended is null order by offered, id"
        return [CallRecord(**row) for row in await self._query(query, ended=ended)]

    async def count(self) -> tuple[int, int]:
        """Return how many calls are not over, and how many of them have no owner."""
        query = (
            "select count(*) as calls, count(*) filter (where owner is null) as waiting"
            " from calls where ended is null"
        )
        (row,) = await self._query(query)
        return row["calls"], row["waiting"]

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        query = (
            "select id, name, slots, draining as is_draining, seen, (select count(*) from calls"
            " where owner = workers.id and ended is null) as held from workers order by id"
        )
        return [WorkerRecord(**row) for row in await self._query(query)]

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""
        rows = await self._query(f"select {COLUMNS} from calls where id = %(call)s", call=call_id)
        return CallRecord(**rows[0]) if rows else None

    async def ask_to_drain(self, worker: int) -> bool:
        """Ask a worker to hand its calls on and end."""
        query = "update workers set draining = true where id = %(worker)s returning id"
        return bool(await self._query(query, worker=worker))

    async def _hand_on(
        self, db: AsyncConnection[Any], calls: Sequence[tuple[str, bool, str]]
    ) -> list[CallRecord]:
        """Replace the jobs of calls whose rows are locked; close those that failed too often."""
        if not calls:
            return []
        ids = [call_id for call_id, _, _ in calls]
        await db.execute(
            "delete from procrastinate_jobs where id in (select job from calls where id = any(%s))", (ids,)
        )
        failures = {
            row["id"]: row["failures"]
            for row in await _rows(db, "select id, failures from calls where id = any(%s)", (ids,))
        }
        is_over = {
            call_id: failed and failures[call_id] + 1 >= self.limits.max_failures
            for call_id, failed, _ in calls
        }
        waiting = [call_id for call_id in ids if not is_over[call_id]]
        jobs = dict(zip(waiting, await self._defer(db, waiting), strict=True))
        rows = await _rows(
            db,
            HAND_ON,
            {
                "ids": ids,
                "failed": [failed for _, failed, _ in calls],
                "jobs": [jobs.get(call_id) for call_id in ids],
                "over": [is_over[call_id] for call_id in ids],
            },
        )
        return [CallRecord(**row) for row in rows]

    async def _defer(self, db: AsyncConnection[Any], call_ids: Sequence[str]) -> list[int]:
        """Make a job for each call, in the transaction that is going on."""
        if not call_ids:
            return []
        deferrer = (await self._open()).configure_task(TASK, queue=QUEUE, connection=db)
        arguments: list[dict[str, Any]] = [{"call_id": call_id} for call_id in call_ids]
        return await deferrer.batch_defer_async(*arguments)

    async def _query(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        async with self._connection() as db:
            return await _rows(db, query, arguments)

    async def _do(self, query: str, **arguments: Any) -> None:
        async with self._connection() as db:
            await db.execute(query, arguments)

    async def _open(self) -> App:
        try:
            from procrastinate import App, PsycopgConnector
            from psycopg_pool import AsyncConnectionPool
        except ImportError as error:
            raise ImportError(f"fleet: {install('fleet')}") from error
        async with self._opening:
            if self._app is None:
                app = App(
                    connector=PsycopgConnector(
                        conninfo=self._dsn,
                        min_size=1,
                        max_size=6,
                        timeout=self._patience,
                        configure=self._configure,
                        kwargs={
                            "connect_timeout": round(self._patience),
                            "tcp_user_timeout": round(1000 * self._patience),
                        },
                        # Else the pool waits longer and longer, also once the database is back.
                        reconnect_timeout=1.0,
                        # Unchecked: a connection that broke raises once, and everything here is retried.
                        pool_factory=lambda **given: AsyncConnectionPool(**{**given, "check": None}),
                    )
                )
                try:
                    await app.open_async()
                except BaseException:
                    await app.close_async()
                    raise
                self._app = app
            return self._app

    async def _configure(self, db: AsyncConnection[Any]) -> None:
        await db.set_autocommit(True)
        await db.execute(f"set search_path to {SCHEMA}")
        # Else the locks of a worker that is stopped amid a sweep would keep all others from sweeping.
        await db.execute(f"set idle_in_transaction_session_timeout to {round(1000 * self._patience)}")

    @contextlib.asynccontextmanager
    async def _errors(self, seconds: float | None = 0.0) -> AsyncIterator[None]:
        """Raise the database's errors as FleetError, and limit the time; 0 for the usual limit."""
        from procrastinate.exceptions import ConnectorException
        from psycopg import Error
        from psycopg.errors import UndefinedTable
        from psycopg_pool import PoolClosed, PoolTimeout

        limit = self._patience if seconds == 0 else seconds
        try:
            async with asyncio.timeout(limit):
                yield
        except UndefinedTable as error:
            raise FleetError("the database has no tables for a fleet; run fleet.migrate() first") from error
        except (Error, ConnectorException, PoolClosed, PoolTimeout, TimeoutError, OSError) as error:
            raise FleetError(f"the database failed: {type(error).__name__}: {error}".rstrip()) from error

    @contextlib.asynccontextmanager
    async def _connection(self, seconds: float = 0.0) -> AsyncIterator[AsyncConnection[Any]]:
        from procrastinate import PsycopgConnector

        async with self._errors(seconds):
            connector = (await self._open()).connector
            assert isinstance(connector, PsycopgConnector)
            async with connector.pool.connection() as db:
                yield db


def _jsonb(value: Any) -> Jsonb:
    """Return a value for a column of JSON, with U+FFFD for what PostgreSQL's text can't hold."""
    from psycopg.types.json import Jsonb

    def dumps(content: Any) -> str:
        text = json.dumps(content, ensure_ascii=False)
        return _NOT_STORED.sub(lambda found: found[1] or "\ufffd", text)

    return Jsonb(value, dumps=dumps)


async def _rows(db: AsyncConnection[Any], query: str, arguments: Any = ()) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, arguments)
        return await cursor.fetchall()
