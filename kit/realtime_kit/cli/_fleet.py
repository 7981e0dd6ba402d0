"""`realtime fleet …`: a fleet's tables, calls and workers (extra `fleet`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from ._failures import NO_ANSWER, CommandError
from ._options import Json, group
from ._output import print_fields, print_rows, working, write

if TYPE_CHECKING:
    from ..fleet import Fleet

fleet: typer.Typer = group("List a fleet's calls, drain workers, migrate tables.")

# Of workers and calls; a cell that only the other kind has is empty.
_COLUMNS = ("kind", "id", "state", "calls", "slots", "name", "generation", "api", "epoch", "owner", "tenant")

ResultT = TypeVar("ResultT")
Dsn = Annotated[
    str, typer.Option("--dsn", envvar="FLEET_DSN", help="The database, such as postgresql://host/name.")
]
Schema = Annotated[
    str, typer.Option("--schema", envvar="FLEET_SCHEMA", help="The schema of the fleet's tables.")
]
SCHEMA = "realtime_fleet"


@fleet.command()
def ls(
    dsn: Dsn,
    ended: Annotated[bool, typer.Option("--ended", help="Also list ended calls.")] = False,
    schema: Schema = SCHEMA,
    as_json: Json = False,
) -> None:
    """List workers and current calls."""
    workers, calls = run(dsn, schema, lambda fleet: both(fleet, ended))
    rows = [*map(worker_row, workers), *map(call_row, calls)]
    print_rows(rows, as_json=as_json)


def worker_row(worker: Any) -> dict[str, Any]:
    """Return a worker's row of the list."""
    state = "draining" if worker.is_draining else "working"
    return {
        **dict.fromkeys(_COLUMNS),
        "kind": "worker",
        "id": worker.id,
        "state": state,
        "calls": worker.held,
        "slots": worker.slots,
        "name": worker.name,
        "generation": worker.generation,
    }


def call_row(call: Any) -> dict[str, Any]:
    """Return a call's row of the list."""
    return {
        **dict.fromkeys(_COLUMNS),
        "kind": "call",
        "id": call.id,
        "state": call.outcome or ("held_back" if call.is_held_back else call.state),
        "api": call.api,
        "epoch": call.epoch,
        "owner": call.owner,
        "tenant": call.tenant,
    }


@fleet.command()
def show(
    call: Annotated[str, typer.Argument(help="The call's id.")],
    dsn: Dsn,
    schema: Schema = SCHEMA,
    as_json: Json = False,
) -> None:
    """Print a call's record, with its headers and saved data."""
    import attrs

    record = run(dsn, schema, lambda fleet: fleet.find(call))
    if record is None:
        raise CommandError(f"there is no call {call}", "`realtime fleet ls --ended` also lists ended calls")
    fields = attrs.asdict(record)
    print_fields({name: value for name, value in fields.items() if value is not None}, as_json=as_json)


@fleet.command()
def drain(
    worker: Annotated[int, typer.Argument(min=1, help="The worker's number, from ls.")],
    dsn: Dsn,
    schema: Schema = SCHEMA,
    all_older: Annotated[
        bool,
        typer.Option("--all-older", help="Drain all workers that started before this one, but not this one."),
    ] = False,
) -> None:
    """Ask a worker to hand over its calls and stop."""
    if all_older:
        count = run(dsn, schema, lambda fleet: fleet.ask_older_to_drain(worker))
        write(f"{count} workers are handing over their calls and stopping")
        return
    if not run(dsn, schema, lambda fleet: fleet.ask_to_drain(worker)):
        raise CommandError(f"there is no worker {worker}", "`realtime fleet ls` lists them")
    write(f"worker {worker} is handing over its calls and stopping")


@fleet.command()
def failed(dsn: Dsn, schema: Schema = SCHEMA, as_json: Json = False) -> None:
    """List the calls that were closed after too many failures."""
    calls = run(dsn, schema, lambda fleet: fleet.failed())
    rows = [
        {"id": call.id, "failures": call.failures, "ended": call.ended, "error": call.error} for call in calls
    ]
    print_rows(rows, as_json=as_json)


@fleet.command()
def retry(
    call: Annotated[str, typer.Argument(help="The call's id, from failed.")],
    dsn: Dsn,
    schema: Schema = SCHEMA,
) -> None:
    """Give a failed call that was not hung up to a worker again."""
    if not run(dsn, schema, lambda fleet: fleet.retry(call)):
        raise CommandError(f"there is no failed call {call}", "`realtime fleet failed` lists them")
    write(f"{call} is waiting for a worker")


@fleet.command()
def migrate(
    dsn: Dsn,
    schema: Schema = SCHEMA,
    phase: Annotated[
        Literal["all", "pre", "post"],
        typer.Option("--phase", help="pre: before new programs start; post: once old ones have stopped."),
    ] = "all",
) -> None:
    """Create or update the fleet's tables."""
    run(dsn, schema, lambda fleet: fleet.migrate(phase))
    write(f"the tables in {schema} are up to date")


async def both(fleet: Fleet, ended: bool) -> tuple[list[Any], list[Any]]:
    """Return workers and calls."""
    return await fleet.workers(), await fleet.calls(ended=ended)


def run(dsn: str, schema: str, work: Callable[[Fleet], Awaitable[ResultT]]) -> ResultT:
    """Do something with a fleet.

    Raises:
        CommandError: Its database does not answer.
        FleetError: It can't be done.
    """
    import asyncio

    from psycopg_pool import PoolTimeout

    from ..fleet import Fleet, FleetError

    # The pool logs each attempt to connect, which is said once, below.
    logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())

    async def do() -> ResultT:
        async with Fleet(dsn, schema=schema, connections=1) as fleet:
            return await work(fleet)

    try:
        with working("Asking the database"):
            return asyncio.run(do())
    except FleetError as error:
        if not isinstance(error.__cause__, TimeoutError | PoolTimeout):
            raise
        raise CommandError(str(error), "check --dsn or FLEET_DSN", NO_ANSWER) from error
