"""Calls in PostgreSQL, and their jobs in procrastinate's queue (extra `fleet`).

All lies in a schema of its own, `realtime_fleet`, procrastinate's tables too. Of procrastinate this uses the
queue: what fetches, defers, notifies and registers workers. Its `Worker` is not used: it cancels the jobs
that it runs when the database is unavailable for a moment, and calls outlive that.

Each change is one statement, or one transaction that locks the rows it depends on. No decision depends on the
database's clock, but for pauses after failures and for how long ended calls are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from realtime_ext.tasks import TimeLimit
from realtime_ext.webhooks import Api

from .._core.extras import install
from . import _schema
from ._errors import FleetError
from ._statements import (
    ADMIT,
    ANSWER_FUNCTIONS,
    BEAT,
    BEGIN_FUNCTION,
    BEREAVED,
    CLAIM,
    COLUMNS,
    DEAD,
    EFFECT,
    END,
    ENDED,
    FINISH_FUNCTION,
    FORGET,
    ME,
    OFFER,
    PURGE,
    REGISTER,
    RELEASE,
    RETRY,
    SURVEY,
    WRITE,
)
from ._store import (
    HEALTHY,
    SOON,
    Beat,
    CallRecord,
    CallState,
    Effect,
    FunctionRecord,
    Limits,
    Outcome,
    Phase,
    SetupError,
    Survey,
    Tenant,
    Tenure,
    WorkerRecord,
)

if TYPE_CHECKING:
    from procrastinate import App
    from psycopg import AsyncConnection
    from psycopg.types.json import Jsonb
    from psycopg_pool import AsyncConnectionPool

QUEUE = "calls"
TASK = "realtime_call"
MOST_UNANSWERED = 10_000  # in a survey
MOST_LISTED = 10_000  # ended calls in a list
MOST_PURGED = 1_000  # in a statement
# In JSON: NUL and half characters, which a caller may have put into a header; the first part is all other
# escapes, so that a backslash before `u0000` stays one.
_NOT_STORED = re.compile(r"(\\(?!u0000).)|\\u0000|[\ud800-\udfff]")

# In refusals of a server that has no connection left.
_FULL = ("too many clients", "too many connections", "remaining connection slots")
_MORE = "raise its max_connections, or lower Fleet(connections=…)"

# In refusals that are the same however long one waits.
_LASTING = ("does not exist", "authentication failed", "no pg_hba.conf entry", "permission denied")


class PostgresStore:
    """A store in a PostgreSQL database.

    Args:
        dsn: Where it is, as libpq has it: `postgresql://…` or `host=… dbname=…`.
        limits: Its time limits and counts.
        schema: The schema of its tables.
        connections: How many connections a process has at most, besides those of a worker: one for renewals,
            and one that is notified.
    """

    def __init__(
        self, dsn: str, limits: Limits, *, schema: str = "realtime_fleet", connections: int = 6
    ) -> None:
        self.limits: Limits = limits
        self._dsn = dsn
        self._schema = schema
        self._connections = connections
        self._patience = max(2.0, limits.time_to_live / 2)  # seconds that one change may take
        self._app: App | None = None
        self._pool: AsyncConnectionPool | None = None
        self._vital: AsyncConnectionPool | None = None
        self._is_checked = False  # the version of the tables
        self._opening = asyncio.Lock()

    async def migrate(self, phase: Phase) -> None:
        """Make the schema and its tables, or bring them up to date; safe to run again."""
        async with self._connection(60.0, check=False) as db, db.transaction():
            await db.execute("set local statement_timeout = 0")
            await _schema.migrate(db, self._schema, phase)

    async def aclose(self) -> None:
        """Close all connections; may be called again."""
        async with self._opening:
            pools = [pool for pool in (self._pool, self._vital) if pool is not None]
            self._app, self._pool, self._vital = None, None, None
            for pool in pools:
                await pool.close()

    async def offer(
        self,
        call_id: str,
        headers: Sequence[Mapping[str, str]],
        *,
        api: Api = "realtime",
        tenant: str | None = None,
    ) -> bool:
        """Record a call and its job in one transaction; return whether it was new."""
        from psycopg import Rollback

        arguments: dict[str, Any] = {
            "call": call_id,
            "api": api,
            "headers": _jsonb([dict(header) for header in headers]),
            "tenant": None if tenant is None else _text(tenant),
            "most": self.limits.max_per_tenant,
        }
        async with self._connection() as db, db.transaction():
            await self._lock(db, arguments["tenant"])
            new = await _rows(db, OFFER, arguments)
            # Only now, by a statement of its own: it sees a call that ended before the row was free.
            if new and await _rows(db, "select 1 from ended_calls where id = %s", (call_id,)):
                new = []
                raise Rollback
            if new and not new[0]["held_back"]:
                await self._defer(db, {call_id: 0.0})
        return bool(new)

    async def admit(self, tenant: str) -> list[str]:
        """Make jobs for calls of a tenant that were held back, as many as its limit allows; return them."""
        async with self._connection() as db, db.transaction():
            await self._lock(db, tenant)
            arguments = {"tenant": tenant, "most": self.limits.max_per_tenant}
            admitted = [row["id"] for row in await _rows(db, ADMIT, arguments)]
            await self._defer(db, dict.fromkeys(admitted, 0.0))
        return admitted

    async def register(self, name: str, slots: int, *, token: str, generation: int = 0) -> int:
        """Record a worker; return its number."""
        (row,) = await self._query(
            REGISTER, token=token, name=_text(name), slots=slots, generation=generation
        )
        number: int = row["id"]
        return number

    async def unregister(self, worker: int) -> None:
        """Remove a worker, and hand on calls that it still has."""
        async with self._connection() as db, db.transaction():
            await db.execute("select from workers where id = %s for update", (worker,))
            rows = await _rows(db, "select id, epoch from calls where owner = %s", (worker,))
            await self._release(db, {row["id"]: row["epoch"] for row in rows})
            await db.execute("delete from procrastinate_workers where id = %s", (worker,))

    async def beat(self, worker: int) -> Beat | None:
        """Renew a worker's ownership of all its calls; None if it was presumed dead."""
        async with self._connection(self.limits.time_to_live * 3 / 8, vital=True) as db:
            rows = await _rows(db, BEAT, {"worker": worker})
        if not rows:
            return None
        held = {row["id"]: Tenure(row["epoch"], row["attempt"]) for row in rows if row["id"] is not None}
        return Beat(held, bool(rows[0]["draining"]))

    async def listen(self, on_job: Callable[[], None]) -> None:
        """Call a function whenever there may be a job, until cancelled or the database is gone."""

        async def heard(**_: Any) -> None:
            on_job()

        async with self._errors(None):
            manager = (await self._open()).job_manager
            await manager.listen_for_jobs(on_notification=heard, queues=[QUEUE])

    async def claim(self, worker: int, attempt: str, limit: int) -> list[CallRecord]:
        """Become the owner of calls that wait for one, and raise their epochs."""
        from procrastinate import sql
        from psycopg.rows import dict_row

        async with self._connection() as db, db.transaction():
            me = await _rows(db, ME, {"worker": worker, "queue": QUEUE, "most": limit})
            if not me or not me[0]["due"]:
                return []
            # All at once: one after the other would take too long where each reply is late.
            arguments = [{"queues": [QUEUE], "worker_id": worker} for _ in me[0]["due"]]
            async with db.cursor(row_factory=dict_row) as cursor:
                await cursor.executemany(sql.queries["fetch_job"], arguments, returning=True)
                found = [await result.fetchone() async for result in cursor.results()]
            jobs = [job for job in found if job is not None and job["id"] is not None]
            if not jobs:
                return []
            # By a statement of its own, which sees all calls whose jobs were there to be fetched.
            rows = await _rows(
                db,
                CLAIM,
                {
                    "worker": worker,
                    "attempt": attempt,
                    "jobs": [job["id"] for job in jobs],
                    "calls": [job["args"]["call_id"] for job in jobs],
                },
            )
        return _records(rows)

    async def write(
        self, call_id: str, epoch: int, *, state: CallState | None = None, data: Any = None
    ) -> bool:
        """Write to a call; return whether it was still that epoch's."""
        stored = None if data is None else _jsonb(data)
        async with self._connection() as db:
            arguments = {"call": call_id, "epoch": epoch, "state": state, "data": stored}
            return (await db.execute(WRITE, arguments)).rowcount > 0

    async def release(
        self,
        epochs: Mapping[str, int],
        *,
        error: str | None = None,
        is_healthy: bool = False,
        is_failure: bool = True,
    ) -> set[str]:
        """Hand calls on in one transaction; return which were one's own."""
        async with self._connection() as db, db.transaction():
            return await self._release(db, epochs, error=error, is_healthy=is_healthy, is_failure=is_failure)

    async def end(self, call_id: str, epoch: int, outcome: Outcome) -> bool:
        """End a call; only its id, times and outcome are kept."""
        return bool(await self._query(END, call=call_id, epoch=epoch, outcome=outcome))

    async def survey(self) -> Survey:
        """Return what a sweep has to know."""
        (row,) = await self._query(SURVEY, most=MOST_UNANSWERED)
        beats = {int(number): int(beat) for number, beat in row["beats"].items()}
        tenants = [Tenant(*each) for each in row["tenants"]]
        return Survey(beats, row["unanswered"], int(row["free"]), row["closing"], tenants)

    async def presume_dead(self, workers: Mapping[int, int]) -> list[CallRecord]:
        """Remove workers and hand their calls on, if they have not renewed their ownership since."""
        async with self._connection() as db, db.transaction():
            rows = await _rows(db, DEAD, (list(workers), list(workers.values())))
            dead = [row["id"] for row in rows]
            renewal = self.limits.time_to_live / 4
            arguments = {"dead": dead, "most": self.limits.max_failures, "renewal": renewal}
            arguments |= {"healthy": HEALTHY, "soon": SOON}
            moved = _records(await _rows(db, BEREAVED, arguments)) if dead else []
            await db.execute("delete from procrastinate_workers where id = any(%s)", (dead,))
            await self._defer(db, {call.id: 0.0 for call in moved if call.outcome is None})
        return moved

    async def reject(self, call_ids: Sequence[str]) -> None:
        """Mark calls to be rejected that still wait for their first owner."""
        await self._query(
            "update calls set outcome = 'rejected', seen = clock_timestamp() where id = any(%(ids)s)"
            " and owner is null and outcome is null and state = 'offered' returning id",
            ids=list(call_ids),
        )

    async def take_closing(self, worker: int, attempt: str) -> list[CallRecord]:
        """Become the owner of all calls that are to be closed."""
        rows = await self._query(
            "update calls set epoch = epoch + 1, owner = %(worker)s, attempt = %(attempt)s,"
            " seen = clock_timestamp() where id in (select id from calls where owner is null"
            " and outcome is not null for update skip locked)"
            " and exists (select from workers where id = %(worker)s)"
            f" returning {COLUMNS}",
            worker=worker,
            attempt=attempt,
        )
        return _records(rows)

    async def purge(self) -> int:
        """Drop some of the calls that ended long ago; return how many."""
        keep = min(self.limits.keep, _FOR_EVER)
        async with self._connection() as db:
            return (await db.execute(PURGE, {"keep": keep, "most": MOST_PURGED})).rowcount

    async def begin_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> Effect:
        """Record that an attempt is about to run an effect, unless another one began it before."""
        arguments = {"call": call_id, "epoch": epoch, "key": _text(key), "attempt": attempt}
        (row,) = await self._query(EFFECT, **arguments)
        if not row["mine"]:
            return Effect("lost")
        if row["done"]:
            return Effect("done", row["result"])
        return Effect("new" if row["added"] or row["attempt"] == attempt else "unknown")

    async def finish_effect(self, call_id: str, key: str, attempt: str, result: Any) -> None:
        """Record what an effect returned."""
        await self._query(
            "update effects set done = true, result = %(result)s"
            " where call = %(call)s and key = %(key)s and attempt = %(attempt)s returning key",
            result=_jsonb(result),
            call=call_id,
            key=_text(key),
            attempt=attempt,
        )

    async def forget_effect(self, call_id: str, epoch: int, key: str, attempt: str) -> bool:
        """Remove the record of an effect that did not happen; return whether the epoch is over."""
        (row,) = await self._query(FORGET, call=call_id, epoch=epoch, key=_text(key), attempt=attempt)
        return bool(row["is_over"])

    async def functions(self, call_id: str) -> list[FunctionRecord]:
        """Return the call's function calls, oldest first."""
        query = (
            "select id, key, name, arguments, response as response_id, output, silent as is_silent,"
            " repeat as is_repeat,"
            " sent as is_sent, over as is_over from functions where call = %(call)s order by number"
        )
        return [FunctionRecord(**row) for row in await self._query(query, call=call_id)]

    async def begin_function(self, call_id: str, epoch: int, function: FunctionRecord) -> bool:
        """Record a function call, or its arguments anew while it has no output."""
        rows = await self._query(
            BEGIN_FUNCTION,
            call=call_id,
            epoch=epoch,
            id=_text(function.id),
            key=_text(function.key),
            name=_text(function.name),
            arguments=_text(function.arguments),
            response=_text(function.response_id),
            repeat=function.is_repeat,
        )
        return bool(rows)

    async def finish_function(
        self, call_id: str, epoch: int, function_id: str, output: str, *, is_silent: bool
    ) -> bool:
        """Record a function's output; return whether the call is still that epoch's."""
        rows = await self._query(
            FINISH_FUNCTION,
            call=call_id,
            epoch=epoch,
            id=_text(function_id),
            output=_text(output),
            silent=is_silent,
        )
        return bool(rows)

    async def answer_functions(
        self, call_id: str, epoch: int, *, sent: Sequence[str] = (), over: Sequence[str] = ()
    ) -> bool:
        """Record which outputs are in the conversation, and which calls the model went on from."""
        ids = {"sent": [*map(_text, sent)], "over": [*map(_text, over)]}
        return bool(await self._query(ANSWER_FUNCTIONS, call=call_id, epoch=epoch, **ids))

    async def calls(self, *, ended: bool = False) -> list[CallRecord]:
        """Return the calls that are not over, or the newest that are kept too, oldest first."""
        query = f"select {COLUMNS} from calls"
        if ended:
            newest = f"(select {ENDED} from ended_calls order by ended desc limit {MOST_LISTED})"
            query = f"select * from ({query} union all {newest}) as every_call"
        return _records(await self._query(f"{query} order by offered, id"))

    async def count(self) -> tuple[int, int, int]:
        """Return how many calls are not over, wait for an owner, and are held back."""
        query = (
            "select count(*) as calls, count(*) filter (where owner is null and not held_back) as waiting,"
            " count(*) filter (where held_back) as held_back from calls"
        )
        (row,) = await self._query(query)
        return row["calls"], row["waiting"], row["held_back"]

    async def workers(self) -> list[WorkerRecord]:
        """Return the workers, oldest first."""
        query = (
            "select id, name, slots, generation, draining as is_draining, seen,"
            " (select count(*) from calls where owner = workers.id) as held from workers order by id"
        )
        return [WorkerRecord(**row) for row in await self._query(query)]

    async def find(self, call_id: str) -> CallRecord | None:
        """Return a call; None if it is unknown."""
        query = (
            f"select {COLUMNS} from calls where id = %(call)s"
            f" union all select {ENDED} from ended_calls where id = %(call)s"
        )
        rows = await self._query(query, call=call_id)
        return CallRecord(**rows[0]) if rows else None

    async def failed(self) -> list[CallRecord]:
        """Return the kept calls that failed too often, with headers and data, oldest first."""
        newest = f"select {ENDED} from ended_calls where outcome = 'failed' order by ended desc limit"
        return _records(reversed(await self._query(f"{newest} {MOST_LISTED}")))

    async def retry(self, call_id: str) -> bool:
        """Hand on a call that failed too often, with no failures; return whether there is such a call."""
        async with self._connection() as db, db.transaction():
            rows = await _rows(db, RETRY, {"call": call_id})
            await self._defer(db, {row["id"]: 0.0 for row in rows})
        return bool(rows)

    async def ask_to_drain(self, worker: int, *, older: bool = False) -> int:
        """Ask a worker, or all that are older, to hand over their calls and end; return how many."""
        which = "id < %(worker)s" if older else "id = %(worker)s"
        query = f"update workers set draining = true where {which} and not draining returning id"
        if not older:
            query = query.replace(" and not draining", "")
        return len(await self._query(query, worker=worker))

    async def _release(
        self,
        db: AsyncConnection[Any],
        epochs: Mapping[str, int],
        *,
        error: str | None = None,
        is_healthy: bool = False,
        is_failure: bool = True,
    ) -> set[str]:
        arguments = {
            "ids": list(epochs),
            "epochs": list(epochs.values()),
            "error": None if error is None else _text(error),
            "healthy": is_healthy,
            "failures": int(error is not None and is_failure),
            "attempts": int(error is not None),
            "most": self.limits.max_failures,
        }
        moved = await _rows(db, RELEASE, arguments) if epochs else []
        pauses = {
            call["id"]: 0.0 if error is None else self.limits.pause_after(call["attempts"])
            for call in moved
            if call["outcome"] is None
        }
        await self._defer(db, pauses)
        return {call["id"] for call in moved}

    async def _defer(self, db: AsyncConnection[Any], pauses: Mapping[str, float]) -> None:
        """Make a job for each call, which is due in so many seconds, in the current transaction."""
        if not pauses:
            return
        deferrer = (await self._open()).configure_task(TASK, queue=QUEUE, connection=db)
        arguments: list[dict[str, Any]] = [{"call_id": call_id} for call_id in pauses]
        jobs = await deferrer.batch_defer_async(*arguments)
        late = {job: pause for job, pause in zip(jobs, pauses.values(), strict=True) if pause > 0}
        if late:
            await db.execute(
                "update procrastinate_jobs"
                " set scheduled_at = clock_timestamp() + make_interval(secs => pause)"
                " from unnest(%s::bigint[], %s::float8[]) as late (job, pause) where id = job",
                (list(late), list(late.values())),
            )

    async def _lock(self, db: AsyncConnection[Any], tenant: str | None) -> None:
        """Let nothing else count a tenant's calls until the current transaction ends."""
        if tenant is not None:
            name = f"{self._schema} {tenant}"
            await db.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))

    async def _query(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        async with self._connection() as db:
            return await _rows(db, query, arguments)

    async def _open(self) -> App:
        try:
            from procrastinate import App, PsycopgConnector
        except ImportError as error:
            raise ImportError(f"fleet: {install('fleet')}") from error
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        try:
            conninfo_to_dict(self._dsn)
        except ProgrammingError:  # whose text has the string, and so the password
            form = "postgresql://user@host/name or host=… dbname=…"
            raise SetupError(f"dsn: expected a connection string such as {form}") from None
        async with self._opening:
            if self._app is None:
                pool = self._pool_of(self._connections)
                # Not waiting for a first connection: what needs one waits for it, and gets its error.
                await pool.open(wait=False)
                app = App(connector=PsycopgConnector(configure=self._configure))
                await app.open_async(pool)
                self._app, self._pool = app, pool
            return self._app

    async def _open_vital(self) -> AsyncConnectionPool:
        """Return the pool of the one connection for renewals, which must not wait for other statements."""
        async with self._opening:
            if self._vital is None:
                pool = self._pool_of(1)
                await pool.open(wait=False)
                self._vital = pool
            return self._vital

    def _pool_of(self, size: int) -> AsyncConnectionPool:
        from psycopg_pool import AsyncConnectionPool

        return AsyncConnectionPool(
            self._dsn,
            open=False,
            min_size=1 if size == 1 else 0,
            max_size=size,
            # One that was idle so long is closed, and then the next: others may lack them.
            max_idle=2.0,
            timeout=0.8 * self._patience,  # before the whole statement's, so that its error says why
            configure=self._configure,
            kwargs={
                "connect_timeout": max(2, round(self._patience)),
                "tcp_user_timeout": round(1000 * self._patience),
                "client_encoding": "UTF8",  # the database's own may be one without it
            },
            # Else the pool waits longer and longer, also once the database is back.
            reconnect_timeout=1.0,
            # Unchecked: a connection that broke raises once, and everything here is retried.
            check=None,
        )

    async def _refusal(self) -> str | None:
        """Return why no connection can be opened, which the pool keeps to itself; None if one can."""
        from psycopg import AsyncConnection, Error

        try:
            async with await AsyncConnection.connect(self._dsn, connect_timeout=2):
                return None
        except Error as error:
            text = " ".join(str(error).split())
            return f"{text}; {_MORE}" if any(sign in text for sign in _FULL) else text

    async def _configure(self, db: AsyncConnection[Any]) -> None:
        from psycopg import sql

        await db.set_autocommit(True)
        await db.execute(sql.SQL("set search_path to {}").format(sql.Identifier(self._schema)))
        await db.execute("set default_transaction_isolation to 'read committed'")
        # Otherwise the locks of a worker that is stopped during a transaction would block all others.
        limit = round(1000 * self._patience)
        await db.execute(f"set idle_in_transaction_session_timeout to {limit}")
        await db.execute(f"set statement_timeout to {limit}")

    @contextlib.asynccontextmanager
    async def _errors(self, seconds: float | None) -> AsyncIterator[None]:
        """Raise the database's errors as FleetError, and limit the time."""
        from procrastinate.exceptions import ConnectorException
        from psycopg import DataError, Error
        from psycopg.errors import UndefinedTable
        from psycopg_pool import PoolClosed, PoolTimeout

        try:
            async with TimeLimit(seconds):
                yield
        except UndefinedTable as error:
            raise SetupError(_schema.NO_TABLES) from error
        except (PoolTimeout, TimeoutError) as error:
            why = None if self._is_checked else await self._refusal()
            kind = SetupError if why is not None and any(text in why for text in _LASTING) else FleetError
            raise kind(f"the database failed: {why or f'{type(error).__name__}: {error}'}") from error
        except DataError as error:  # a retry would fail as well
            raise ValueError(f"the database refuses a value: {error}") from error
        except (Error, ConnectorException, PoolClosed, OSError) as error:
            raise FleetError(f"the database failed: {type(error).__name__}: {error}".rstrip()) from error

    @contextlib.asynccontextmanager
    async def _connection(
        self, seconds: float | None = None, *, vital: bool = False, check: bool = True
    ) -> AsyncIterator[AsyncConnection[Any]]:
        async with self._errors(self._patience if seconds is None else seconds):
            await self._open()
            pool = await self._open_vital() if vital else self._pool
            assert pool is not None
            async with pool.connection() as db:
                if check and not self._is_checked:
                    await _schema.check(db, self._schema)
                    self._is_checked = True
                yield db


_FOR_EVER = 1e9  # seconds; PostgreSQL's times don't go back much further


def _records(rows: Iterable[Mapping[str, Any]]) -> list[CallRecord]:
    return [CallRecord(**row) for row in rows]


def _text(value: str) -> str:
    """Return a text for a column, with U+FFFD for what PostgreSQL's text can't hold."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", value)


def _jsonb(value: Any) -> Jsonb:
    """Return a value for a column of JSON, with U+FFFD for what PostgreSQL's text can't hold."""
    from psycopg.types.json import Jsonb

    def dumps(content: Any) -> str:
        text = json.dumps(content, ensure_ascii=False)
        return _NOT_STORED.sub(lambda found: found[1] or "\ufffd", text)

    return Jsonb(value, dumps=dumps)


async def _rows(db: AsyncConnection[Any], query: Any, arguments: Any = ()) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, arguments)
        return await cursor.fetchall()
