"""`realtime fleet …`: look at a fleet's calls and workers, and ask a worker to drain (extra `fleet`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ._failures import NO_ANSWER, CommandError
from ._options import Json, group
from ._output import print_fields, print_rows, working, write

if TYPE_CHECKING:
    from ..integrations.fleet import Fleet

fleet: typer.Typer = group("Look at a fleet's calls and workers, and drain a worker.")

# Of workers and calls; a cell that only the other kind has is empty.
_COLUMNS = ("kind", "id", "state", "calls", "slots", "name", "epoch", "owner")

ResultT = TypeVar("ResultT")
Dsn = Annotated[
    str, typer.Option("--dsn", envvar="FLEET_DSN", help="The database, such as postgresql://host/name.")
]


@fleet.command()
def ls(
    dsn: Dsn,
    ended: Annotated[bool, typer.Option("--ended", help="List ended calls too.")] = False,
    as_json: Json = False,
) -> None:
    """List the workers, and the calls that are not over."""
    workers, calls = run(dsn, lambda fleet: both(fleet, ended))
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
    }


def call_row(call: Any) -> dict[str, Any]:
    """Return a call's row of the list."""
    return {
        **dict.fromkeys(_COLUMNS),
        "kind": "call",
        "id": call.id,
        "state": call.outcome or call.state,
        "epoch": call.epoch,
        "owner": call.owner,
    }


@fleet.command()
def show(
    call: Annotated[str, typer.Argument(help="The call's id.")], dsn: Dsn, as_json: Json = False
) -> None:
    """Print a call's record, with its headers and what its handler saved."""
    import attrs

    record = run(dsn, lambda fleet: fleet.find(call))
    if record is None:
        raise CommandError(
            f"there is no call {call}", "`realtime fleet ls --ended` lists those that are kept"
        )
    fields = attrs.asdict(record)
    print_fields({name: value for name, value in fields.items() if value is not None}, as_json=as_json)


@fleet.command()
def drain(
    worker: Annotated[int, typer.Argument(min=1, help="The worker's number, from ls.")], dsn: Dsn
) -> None:
    """Ask a worker to hand its calls on and end."""
    if not run(dsn, lambda fleet: fleet.ask_to_drain(worker)):
        raise CommandError(f"there is no worker {worker}", "`realtime fleet ls` lists them")
    write(f"worker {worker} hands its calls on and ends")


async def both(fleet: Fleet, ended: bool) -> tuple[list[Any], list[Any]]:
    """Return workers and calls."""
    return await fleet.workers(), await fleet.calls(ended=ended)


def run(dsn: str, work: Callable[[Fleet], Awaitable[ResultT]]) -> ResultT:
    """Do something with a fleet.

    Raises:
        CommandError: Its database does not answer.
        FleetError: It can't be done.
    """
    from ..integrations.fleet import Fleet, FleetError

    # The pool logs each attempt to connect, which is said once, below.
    logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())

    async def do() -> ResultT:
        async with Fleet(dsn) as fleet:
            return await work(fleet)

    try:
        with working("Asking the database"):
            return asyncio.run(do())
    except FleetError as error:
        if not isinstance(error.__cause__, TimeoutError):
            raise
        raise CommandError("the database does not answer", "check --dsn or FLEET_DSN", NO_ANSWER) from error
