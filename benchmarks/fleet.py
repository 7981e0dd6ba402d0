"""A fleet on PostgreSQL: its calls through a kill, a stop, a crash and a drain; latency; database work."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from realtime_kit.fleet import Fleet
from realtime_kit.fleet._sweeper import Sweeper
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, webhooks
from tests.kit.fleet.cluster import Cluster, running_cluster

from .harness import ROOT, WORKERS, Target, environment

__all__ = ["run"]

CALLS, RATE, SECONDS = 300, 50, 45.0  # how many, offered a second, each working for so long
WORKER_COUNT, SLOTS = 4, 150
SECRET = "whsec_YmVuY2htYXJrYmVuY2htYXJr"
HELD = (1_000, 2_500, 5_000, 10_000)
WATCH = 10.0  # seconds for which the database's work is measured
Row = dict[str, Any]


def run(console: Console) -> list[Target]:
    """Measure, print tables, and return the targets."""
    workers: list[subprocess.Popen[bytes]] = []
    with running_cluster() as cluster:
        try:
            figures = asyncio.run(chaos(cluster, cluster.database("bench"), console, workers))
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        load = asyncio.run(held(cluster, console))
    table = Table("figure", "measured", "target")
    limits = {
        "calls lost": (0.0, "calls"),
        "calls with two owners acting": (0.0, "calls"),
        "tools run twice": (0.0, "tools"),
        "takeover after kill -9, slowest": (5.0, "s"),
        "gap without an owner at SIGTERM, longest": (0.6, "s"),
        "from webhook to accepted, p99": (0.5, "s"),
    }
    targets = []
    for name, (limit, unit) in limits.items():
        table.add_row(name, f"{figures[name]:.2f} {unit}", f"≤ {limit:g} {unit}")
        targets.append(Target(name, figures[name], limit, at_least=False, unit=unit))
    console.print(table)
    targets.append(Target(f"database work of {HELD[-1]} held calls", load, 0.5, at_least=False, unit="cores"))
    return targets


async def chaos(
    cluster: Cluster, dsn: str, console: Console, workers: list[subprocess.Popen[bytes]]
) -> dict[str, float]:
    """Run workers that hold calls while they are killed, stopped and ended, and the database crashes."""
    log = Path(tempfile.mkdtemp(prefix="fleet-bench-")) / "log.jsonl"
    log.touch()
    log.chmod(0o666)

    def start() -> None:
        workers.append(
            subprocess.Popen(
                [sys.executable, str(WORKERS / "fleet_calls.py"), dsn, str(log), str(SLOTS), str(SECONDS)],
                env={**environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
            )
        )

    async with Fleet(dsn) as fleet, AsyncRealtimeClient(api_key="k", webhook_secret=SECRET) as client:
        await fleet.migrate()
        for _ in range(WORKER_COUNT):
            start()
        while len(await fleet.workers()) < WORKER_COUNT:
            await asyncio.sleep(0.2)
        web = Starlette(routes=[Route("/webhook", fleet.webhook(client), methods=["POST"])])
        offered: dict[str, float] = {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://web") as http:
            began = time.monotonic()
            offers = [
                asyncio.create_task(offer(http, f"rtc_{number}", began + number / RATE, offered))
                for number in range(CALLS)
            ]
            await asyncio.gather(*offers)
        console.print(f"{CALLS} calls offered in {time.monotonic() - began:.1f} s")
        await asyncio.sleep(5)
        killed = busiest(log, workers)
        killed_at = time.time()
        killed.kill()
        start()
        await asyncio.sleep(8)
        stopped = busiest(log, workers)
        stopped.send_signal(signal.SIGSTOP)
        await asyncio.sleep(8)
        stopped.send_signal(signal.SIGCONT)
        await asyncio.sleep(5)
        cluster.crash()
        await asyncio.to_thread(cluster.start)
        await asyncio.sleep(8)
        drained = busiest(log, workers)
        drained_at = time.time()
        drained.terminate()
        deadline = time.monotonic() + 4 * SECONDS
        while time.monotonic() < deadline:
            if len({row["call"] for row in rows(log) if row["kind"] == "done"}) == CALLS:
                break
            await asyncio.sleep(1)
        await asyncio.sleep(2)
    return judge(rows(log), offered, (killed.pid, killed_at), (drained.pid, drained_at))


async def offer(http: httpx.AsyncClient, call_id: str, at: float, offered: dict[str, float]) -> None:
    """Deliver a call's webhook until it is acknowledged, and note when; the database may be unavailable."""
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    event = {
        "object": "event",
        "id": f"evt_{call_id}",
        "type": "realtime.call.incoming",
        "created_at": 1,
        "data": {"call_id": call_id, "sip_headers": []},
    }
    body = json.dumps(event)
    acknowledged = 0
    while acknowledged < 2:  # everything comes twice, and what is not acknowledged again
        answer = await http.post("/webhook", content=body, headers=webhooks.sign(body, SECRET))
        if answer.is_success:
            acknowledged += 1
            offered.setdefault(call_id, time.time())
        else:
            await asyncio.sleep(1)


def rows(log: Path) -> list[Row]:
    """Read the log, in order of time."""
    read = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return sorted(read, key=lambda row: float(row["at"]))


def busiest(log: Path, workers: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the worker that acted most in the last two seconds."""
    lately = collections.Counter(
        row["pid"] for row in rows(log) if row["kind"] == "acted" and row["at"] > time.time() - 2
    )
    return max((one for one in workers if one.poll() is None), key=lambda one: lately[one.pid])


def judge(
    log: list[Row], offered: dict[str, float], killed: tuple[int, float], drained: tuple[int, float]
) -> dict[str, float]:
    """Turn what workers wrote into figures."""
    done = {row["call"] for row in log if row["kind"] == "done"}
    tools = collections.Counter(row["call"] for row in log if row["kind"] == "tool")
    accepted: dict[str, float] = {}
    tenures: dict[str, dict[int, list[Row]]] = collections.defaultdict(dict)
    for row in log:
        if row["kind"] == "accepted":
            accepted.setdefault(row["call"], row["at"])
        elif row["epoch"]:
            tenures[row["call"]].setdefault(row["epoch"], []).append(row)
    overlapping, takeovers, gaps = set(), [], []
    for call, by_epoch in tenures.items():
        in_order = [by_epoch[epoch] for epoch in sorted(by_epoch)]
        for before, after in itertools.pairwise(in_order):
            acted = [row["at"] for row in before if row["kind"] in ("owned", "acted", "tool")]
            if acted and acted[-1] > after[0]["at"]:
                overlapping.add(call)
            last = before[-1]
            if before[0]["pid"] == killed[0] and after[0]["at"] > killed[1]:
                takeovers.append(after[0]["at"] - killed[1])
            elif before[0]["pid"] == drained[0] and last["kind"] == "let go" and last["at"] > drained[1]:
                gaps.append(after[0]["at"] - last["at"])
    waits = sorted(at - offered[call] for call, at in accepted.items())
    return {
        "calls lost": float(len(set(offered) - done)),
        "calls with two owners acting": float(len(overlapping)),
        "tools run twice": float(sum(count > 1 for count in tools.values())),
        "takeover after kill -9, slowest": max(takeovers, default=float("inf")),
        "gap without an owner at SIGTERM, longest": max(gaps, default=float("inf")),
        "from webhook to accepted, p99": statistics.quantiles(waits, n=100)[98],
    }


async def held(cluster: Cluster, console: Console) -> float:
    """Measure the cores that PostgreSQL uses while workers hold calls, and draw them."""
    measured = {}
    for count in HELD:
        dsn = cluster.database(f"held_{count}")
        async with Fleet(dsn) as fleet:
            await fleet.migrate()
            workers = [
                await fleet._store.register(f"worker {n}", 100, token=str(n)) for n in range(count // 100)
            ]
            sweepers = [Sweeper(fleet._store, time.monotonic) for _ in workers]
            with psycopg.connect(dsn, autocommit=True) as db:
                db.execute(
                    "insert into realtime_fleet.calls (id, epoch, state, owner, headers)"
                    " select 'rtc_' || n, 1, 'attached', (%s::bigint[])[1 + n / 100], '[]'"
                    " from generate_series(0, %s) n",
                    (workers, count - 1),
                )
                db.execute("analyze realtime_fleet.calls")
            until = time.monotonic() + WATCH

            async def hold(worker: int, number: int, fleet: Fleet = fleet, until: float = until) -> None:
                await every(1.0, number / 100, until, lambda: fleet._store.beat(worker))

            async def sweep(
                worker: int, number: int, sweepers: list[Sweeper] = sweepers, until: float = until
            ) -> None:
                await every(1 / 3, number / 300, until, lambda: sweepers[number].sweep(worker))

            async def save(number: int, fleet: Fleet = fleet, until: float = until) -> None:
                ids = itertools.cycle(range(number * 100, number * 100 + 100))
                await every(
                    0.1,
                    number / 1000,
                    until,
                    lambda: fleet._store.write(f"rtc_{next(ids)}", 1, data={"step": 3}),
                )

            before = cpu(cluster)
            await asyncio.gather(
                *(hold(worker, number) for number, worker in enumerate(workers)),
                *(sweep(worker, number) for number, worker in enumerate(workers)),
                *(save(number) for number in range(len(workers))),
            )
            measured[count] = (cpu(cluster) - before) / WATCH
            assert all([(await fleet._store.beat(worker)) is not None for worker in workers])
    table = Table("held calls", "workers", "database, cores", "")
    for count, cores in measured.items():
        table.add_row(f"{count}", f"{count // 100}", f"{cores:.3f}", "█" * max(1, round(cores * 80)))
    console.print(table)
    console.print("each worker renews once a second and sweeps, each call saves every 10 s")
    return measured[HELD[-1]]


async def every(seconds: float, first: float, until: float, work: Callable[[], Any]) -> None:
    """Do something again and again."""
    await asyncio.sleep(first)
    while time.monotonic() < until:
        began = time.monotonic()
        await work()
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))


def cpu(cluster: Cluster) -> float:
    """Return the seconds of CPU that the server and its processes have used."""
    total, tick = 0, os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid, parent = int(stat.parent.name), int(fields[1])
        if pid == cluster.pid:
            total += sum(map(int, fields[11:15]))  # with the children that have ended
        elif parent == cluster.pid:
            total += sum(map(int, fields[11:13]))
    return total / tick
