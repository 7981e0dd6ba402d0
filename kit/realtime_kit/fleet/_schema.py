"""The tables of a fleet in PostgreSQL, procrastinate's among them, and their versions.

A change of the tables has two phases, as procrastinate's have: `pre` adds what new programs need and leaves
old ones working, and runs before new programs start; `post` removes what only old programs needed, and runs
once they have ended. `versions` records what was applied, and the oldest program that can still work with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ._errors import FleetError
from ._store import Phase, SetupError

if TYPE_CHECKING:
    from psycopg import AsyncConnection

NO_TABLES = "the database has no tables for a fleet; run fleet.migrate() or `realtime fleet migrate` first"
LOCK = 0x5245414C  # of migrations, within this database

TABLES = """
create table workers (
    id bigint primary key references procrastinate_workers on delete cascade,
    token text not null unique,
    name text not null,
    slots integer not null,
    generation bigint not null,
    beat bigint not null default 0,
    draining boolean not null default false,
    seen timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
create table calls (
    id text primary key,
    api text not null default 'realtime',
    epoch bigint not null default 0,
    state text not null default 'offered',
    outcome text,
    owner bigint references workers,
    attempt text,
    beat bigint not null default 0,
    failures integer not null default 0,
    attempts integer not null default 0,
    error text,
    tenant text,
    held_back boolean not null default false,
    headers jsonb not null,
    data jsonb,
    offered timestamptz not null default clock_timestamp(),
    accepted timestamptz,
    seen timestamptz not null default clock_timestamp()
);
create index calls_owner on calls (owner) where owner is not null;
create index calls_waiting on calls (offered) where owner is null;
create index calls_tenant on calls (tenant, held_back, offered) where tenant is not null;
create table ended_calls (
    id text primary key,
    api text not null default 'realtime',
    epoch bigint not null,
    state text not null,
    outcome text not null,
    failures integer not null,
    error text,
    tenant text,
    headers jsonb,
    data jsonb,
    offered timestamptz not null,
    accepted timestamptz,
    ended timestamptz not null
);
create index ended_calls_ended on ended_calls (ended);
create index ended_calls_failed on ended_calls (ended) where outcome = 'failed';
create table effects (
    call text not null references calls on delete cascade,
    key text not null,
    attempt text not null,
    done boolean not null default false,
    result jsonb,
    primary key (call, key)
);
create table functions (
    call text not null references calls on delete cascade,
    id text not null,
    number bigint not null generated always as identity,
    key text not null,
    name text not null,
    arguments text not null,
    response text not null default '',
    output text,
    silent boolean not null default false,
    repeat boolean not null default false,
    sent boolean not null default false,
    over boolean not null default false,
    primary key (call, id)
);
create table versions (version integer not null, oldest integer not null);
create table migrations (name text primary key);
"""


@attrs.frozen
class Migration:
    """A change of the tables.

    Args:
        version: The version of programs that needs it.
        phase: Before these programs start, or after older ones have ended.
        sql: The statements.
    """

    version: int
    phase: Phase
    sql: str


MIGRATIONS: tuple[Migration, ...] = ()  # of `TABLES` as they were released, oldest first
VERSION = 1  # of this program


async def migrate(db: AsyncConnection[Any], schema: str, phase: Phase) -> None:
    """Make the tables, or bring them up to date, within a transaction.

    Args:
        db: A connection within a transaction, whose search path is the schema.
        schema: The schema, which is made.
        phase: Which changes to apply.

    Raises:
        FleetError: The tables are newer than this program.
    """
    from psycopg import sql

    await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    await db.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    applied = await _versions(db, schema)
    if applied is None:
        await _create(db)
        return
    version, oldest = applied
    if version > VERSION:
        raise FleetError(_too_new(version))
    if phase == "post" and version < VERSION:
        raise FleetError("migrate: apply the phase 'pre' first, and 'post' once old programs have ended")
    done = {name for (name,) in await (await db.execute("select name from migrations")).fetchall()}
    for file in _files():
        is_post = "_post_" in file.name
        if file.name not in done and phase in ("all", "post" if is_post else "pre"):
            await _run(db, file.read_text(encoding="utf-8"))
            await db.execute("insert into migrations values (%s)", (file.name,))
    for one in MIGRATIONS:
        if phase in ("all", one.phase) and one.version > (oldest if one.phase == "post" else version):
            await _run(db, one.sql)
    new = (VERSION if phase in ("all", "pre") else version, VERSION if phase in ("all", "post") else oldest)
    await db.execute("update versions set version = %s, oldest = %s", new)


async def check(db: AsyncConnection[Any], schema: str) -> None:
    """Raise SetupError unless this program can work with the tables."""
    applied = await _versions(db, schema)
    if applied is None:
        raise SetupError(NO_TABLES)
    version, oldest = applied
    if version < VERSION:
        raise SetupError(
            f"the database's tables have version {version}, and this program needs {VERSION}; run "
            "fleet.migrate() or `realtime fleet migrate` first"
        )
    if oldest > VERSION:
        raise SetupError(_too_new(oldest))


def _too_new(version: int) -> str:
    return (
        f"the database's tables have version {version}, and this program has {VERSION}; upgrade realtime-ext"
    )


async def _versions(db: AsyncConnection[Any], schema: str) -> tuple[int, int] | None:
    """Return the version of the tables, and the oldest program that can work with them."""
    from psycopg import sql

    table = sql.Identifier(schema, "versions").as_string(None)
    found = await (await db.execute("select to_regclass(%s)", (table,))).fetchone()
    if found is None or found[0] is None:
        return None
    row = await (await db.execute("select version, oldest from versions")).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


async def _create(db: AsyncConnection[Any]) -> None:
    from procrastinate.schema import SchemaManager

    await _run(db, SchemaManager.get_schema())
    await _run(db, TABLES)
    await db.execute("insert into versions values (%s, %s)", (VERSION, VERSION))
    names = [(file.name,) for file in _files()]
    await db.cursor().executemany("insert into migrations values (%s)", names)


def _files() -> list[Path]:
    """Return procrastinate's migrations, in their order."""
    from procrastinate.schema import SchemaManager

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


async def _run(db: AsyncConnection[Any], statements: str) -> None:
    await db.execute(statements.encode())  # as bytes: a text would have to be a literal
