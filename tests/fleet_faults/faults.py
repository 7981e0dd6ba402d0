"""What strikes a fleet: faults of processes, the database, the network, the API, and several at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.fleet_faults.scenario import Run

WORKERS = 4
TIME_TO_LIVE = 4.0  # seconds, that of the fleet
# In a database on a full disk, rows that fit into their pages can still be changed: owners renew and can do
# nothing else. Other errors strike any statement, and are over when it is repeated.
BREAKING = """
create function realtime_fleet.broken() returns trigger language plpgsql as $$ begin
    if random() < {share} then raise exception using errcode = '{code}', message = 'a fault'; end if;
    return null;
end $$;
"""
BROKEN = (
    "create trigger broken before {events} on realtime_fleet.{table}"
    " for each statement execute function realtime_fleet.broken()"
)
REPAIR = "drop trigger broken on realtime_fleet.{table}"
GROWING = ("calls", "ended_calls", "effects", "functions", "procrastinate_jobs")


# Processes


async def kill(run: Run) -> None:
    """Kill the busiest worker."""
    victim = run.busiest()
    run.strike("kill -9", victim)
    victim.kill()
    run.start_worker()


async def kill_two(run: Run) -> None:
    """Kill two workers at once, as the loss of their machine does."""
    first = run.busiest()
    run.strike("machine lost", first)
    others = [worker for worker in run.living() if worker is not first]
    for victim in (first, run.chance.choice(others)):
        victim.kill()
        run.start_worker()


async def suspend(run: Run) -> None:
    """Suspend the busiest worker for longer than it may act, or for not quite so long."""
    victim = run.busiest()
    seconds = run.chance.choice((1.5, 3.2, 5.0, 9.0))
    run.strike("suspended", victim if seconds > TIME_TO_LIVE else None)  # otherwise it may keep its calls
    with suspended(victim):
        await asyncio.sleep(seconds)


async def suspend_all(run: Run) -> None:
    """Suspend all workers, one after the other, as an overloaded machine does."""
    run.strike("all suspended", None)
    with contextlib.ExitStack() as stack:
        for worker in run.living():
            stack.enter_context(suspended(worker))
            await asyncio.sleep(run.chance.uniform(0.0, 1.5))
        await asyncio.sleep(run.chance.choice((1.0, 4.0, 8.0)))


@contextlib.contextmanager
def suspended(worker: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process while the block runs."""
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGCONT)


async def end(run: Run) -> None:
    """End a worker as a deploy does."""
    victim = run.busiest()
    run.strike("SIGTERM", victim)
    run.start_worker()
    victim.terminate()


async def deploy(run: Run) -> None:
    """Replace all workers by a new generation."""
    run.strike("deploy", None)
    await replace(run)


async def replace(run: Run) -> None:
    """Start workers of the next generation, and end the others."""
    old = run.living()
    run.generation += 1
    for _ in range(WORKERS):
        run.start_worker()
    await asyncio.sleep(4)
    for worker in old:
        worker.terminate()
        await asyncio.sleep(0.5)


async def kill_web(run: Run) -> None:
    """Kill the web node, and start it again after a while: webhooks come again."""
    run.strike("web node killed", None)
    run.web.kill()
    await asyncio.sleep(run.chance.choice((0.0, 3.0)))
    run.start_web()


# The database


async def crash(run: Run) -> None:
    """Crash the database, and start it again after a while."""
    run.strike("database crash", None)
    await asyncio.to_thread(run.cluster.crash)
    await asyncio.sleep(run.chance.choice((0.0, 2.0, 6.0)))
    await asyncio.to_thread(run.cluster.start)


async def restart(run: Run) -> None:
    """Shut the database down in order, as its upgrade does, and start it again."""
    run.strike("database restart", None)
    await asyncio.to_thread(run.cluster.stop)
    await asyncio.sleep(run.chance.choice((0.0, 1.0, 3.0)))
    await asyncio.to_thread(run.cluster.start)


async def freeze(run: Run) -> None:
    """Stop all processes of the database for a while."""
    run.strike("database stall", None)
    run.cluster.freeze()
    await asyncio.sleep(run.chance.choice((1.0, 2.3, 4.0, 7.0)))
    run.cluster.thaw()


async def refuse(run: Run) -> None:
    """Have the database refuse all writes for a while, as one that became a replica does."""
    run.strike("read-only", None)
    for value in ("on", "off"):
        async with await psycopg.AsyncConnection.connect(run.cluster.dsn(), autocommit=True) as db:
            await db.execute(f"alter system set default_transaction_read_only = {value}".encode())
            await db.execute("select pg_reload_conf()")
        if value == "on":
            await asyncio.sleep(run.chance.choice((1.0, 3.5, 7.0)))


async def fill(run: Run) -> None:
    """Have the database refuse new rows for a while, as one on a full disk does."""
    run.strike("disk full", None)
    await broken(run, dict.fromkeys(GROWING, "insert"), "53100", 1.0, run.chance.choice((2.0, 6.0, 10.0)))


async def reject(run: Run) -> None:
    """Have a third of all writes fail, with what a busy database may raise."""
    run.strike("writes rejected", None)
    code = run.chance.choice(("40P01", "40001", "23514", "XX000"))
    await broken(run, dict.fromkeys((*GROWING, "workers"), "insert or update or delete"), code, 0.33, 8.0)


async def broken(run: Run, events: dict[str, str], code: str, share: float, seconds: float) -> None:
    """Have some statements fail for a while."""
    async with await psycopg.AsyncConnection.connect(run.direct, autocommit=True) as db:
        await db.execute(BREAKING.format(share=share, code=code).encode())
        for table, which in events.items():
            await db.execute(BROKEN.format(events=which, table=table).encode())
        await asyncio.sleep(seconds)
        for table in events:  # one lock at a time: two could be a deadlock
            await db.execute(REPAIR.format(table=table).encode())
        await db.execute("drop function realtime_fleet.broken")


async def starve(run: Run) -> None:
    """Take all connections that the database has, and end those that its programs had."""
    run.strike("no connections", None)
    taken = []
    with contextlib.suppress(psycopg.OperationalError):
        for turn in range(1000):
            if turn == 50:
                run.network("cut")
            taken.append(await psycopg.AsyncConnection.connect(run.direct))
    await asyncio.sleep(run.chance.choice((2.0, 6.0)))
    for db in taken:
        await db.close()


# The network


async def cut(run: Run) -> None:
    """Cut all connections to the database."""
    run.strike("connections cut", None)
    for _ in range(5):
        run.network("cut")
        await asyncio.sleep(0.5)


async def lose(run: Run) -> None:
    """Lose one reply of the database in eight, and cut its connection."""
    run.strike("lost replies", None)
    run.network("losing 0.125")
    await asyncio.sleep(6.0)
    run.network("losing 0.0")


async def vanish(run: Run) -> None:
    """Let nothing through to the database and back, and cut no connection."""
    run.strike("network gone", None)
    run.network("pass nothing")
    await asyncio.sleep(run.chance.choice((1.5, 3.0, 6.0)))
    run.network("pass on")


async def slow(run: Run) -> None:
    """Let each reply of the database take a while."""
    run.strike("slow network", None)
    run.network(f"delay {run.chance.choice((0.05, 0.15, 0.3))}")
    await asyncio.sleep(8.0)
    run.network("delay 0.0")


# The API


async def drop(run: Run) -> None:
    """Cut the connections of calls to the API, and refuse some of the next ones."""
    run.strike("API unreachable", None)
    with (
        run.simulator.fault("socket_drop", rate=0.3),
        run.simulator.fault("server_error", rate=0.3),
    ):
        await asyncio.sleep(6.0)


# Several


async def kill_in_stall(run: Run) -> None:
    """Kill the busiest worker while the database stalls."""
    victim = run.busiest()
    run.strike("kill in a stall", None)
    run.cluster.freeze()
    await asyncio.sleep(1.0)
    victim.kill()
    run.start_worker()
    await asyncio.sleep(run.chance.choice((0.5, 3.0)))
    run.cluster.thaw()


async def suspend_in_crash(run: Run) -> None:
    """Crash the database while a worker is suspended, which resumes before or after it is back."""
    run.strike("suspended in a crash", None)
    with suspended(run.busiest()):
        await asyncio.to_thread(run.cluster.crash)
        await asyncio.sleep(run.chance.choice((1.0, 5.0)))
        if is_back := run.chance.random() < 0.5:
            await asyncio.to_thread(run.cluster.start)
            await asyncio.sleep(1.0)
    if not is_back:
        await asyncio.to_thread(run.cluster.start)


async def deploy_with_losses(run: Run) -> None:
    """Replace all workers while replies of the database are lost."""
    run.strike("deploy, lost replies", None)
    run.network("losing 0.08")
    await replace(run)
    run.network("losing 0.0")


Fault = Callable[["Run"], Awaitable[None]]
FAULTS: tuple[Fault, ...] = (
    *(kill, kill, kill_two, suspend, suspend, suspend_all, end, deploy, kill_web),
    *(crash, restart, freeze, refuse, fill, reject, starve),
    *(cut, lose, lose, vanish, slow),
    drop,
    *(kill_in_stall, suspend_in_crash, deploy_with_losses),
)
