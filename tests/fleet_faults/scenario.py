"""One run: a simulator with calls, a web node, workers, a database behind a proxy, and faults by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from realtime_kit.fleet import Fleet, FleetError
from realtime_simulator import Simulator, call_tool, say

from tests.fleet_faults.faults import FAULTS, WORKERS
from tests.fleet_faults.judge import Row, judge, read
from tests.kit.fleet.cluster import Cluster, free_port, running_cluster
from tests.support.paths import ROOT

ROUNDS = 4  # in which each call's user asks for something, once it was answered
ROUND = 60.0  # seconds
ARRIVING = 0.4  # of the rounds, within which calls come
QUIET = 3.0  # seconds between faults at least
CALM = 30.0  # seconds for all calls to have an owner again, before the next fault
SETTLE = 60.0  # seconds without progress at the end, after which what is not answered is lost
AGAIN = ("call it again", "delegate it again")  # in the fleet's notes to the model


def answer(turn: Any) -> Any:
    """Call the function for all that the user asked for, and go on once it has its outputs."""
    asked = [word for item in turn.items if item.get("role") == "user" for word in said(item).split()[1:]]
    outputs = {item["call_id"]: item for item in turn.items if item["type"] == "function_call_output"}
    again = {call_id for call_id, item in outputs.items() if "out_of_reach" in str(item["output"])}
    called = {
        item["call_id"]: arguments(item)
        for item in turn.items
        if item["type"] == "function_call" and item["call_id"] not in again
    }
    answered = {called[call_id] for call_id in outputs if call_id in called}
    waiting: set[str] = set()
    if noted := [n for n, item in enumerate(turn.items) if is_note(item)]:
        before = turn.items[: noted[-1]]
        waiting = {arguments(item) for item in before if item["type"] == "function_call"} - answered
    wanted = [what for what in asked if what in waiting or what not in called.values()]
    return [call_tool("charge", {"what": what}) for what in wanted] or say("charged")


def said(item: Any) -> str:
    """The words of an item."""
    return " ".join(str(part.get("text") or "") for part in item["content"])


async def attack(calls: int, seed: int, live: float = 0.0) -> list[Row]:
    """Run once; return the faults and what went wrong after each.

    Args:
        calls: How many.
        seed: What decides on the order of faults.
        live: The share of calls of the Live API.
    """
    folder = Path(tempfile.mkdtemp(prefix="fleet-faults-"))
    with running_cluster() as cluster, Simulator(pacing="none") as simulator:
        simulator.on_response(answer)
        run = Run(cluster, simulator, folder, seed, live)
        try:
            return await run.all(calls)
        finally:
            await run.close()


class Caller:
    """A telephone call, with the id that its owner knows.

    Args:
        call: The simulator's call.
        is_live: Whether it is answered by the Live API.
    """

    def __init__(self, call: Any, *, is_live: bool) -> None:
        self._call = call
        self.is_live = is_live
        self.id: str = call.live_session_id if is_live else call.id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class Run:
    """One run's processes and calls."""

    def __init__(self, cluster: Cluster, simulator: Simulator, folder: Path, seed: int, live: float) -> None:
        self.cluster = cluster
        self.simulator = simulator
        self._seed = seed
        self._share = live
        self.chance = random.Random(seed)
        self._log = folder / "log.jsonl"
        self._errors = (folder / "errors.txt").open("wb")
        self.direct = cluster.database("faults")
        self._environment: dict[str, str] = {}
        self._processes: list[subprocess.Popen[Any]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self._proxy: subprocess.Popen[str]
        self.web: subprocess.Popen[bytes]
        self._port = free_port()
        self.generation = 0
        self._calls: list[Any] = []
        self._asked: dict[tuple[str, str], float] = {}
        self._rows: list[Row] = []
        self.slots = 0

    async def all(self, count: int) -> list[Row]:
        """Make calls, ask in them, strike, and judge."""
        self.slots = count
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
            "FLEET_DSN": self.direct.replace(f":{self.cluster.port}/", f":{self._start_proxy()}/"),
            "FLEET_LOG": str(self._log),
            "OPENAI_BASE_URL": self.simulator.base_url,
            "OPENAI_API_KEY": self.simulator.api_key,
            "OPENAI_WEBHOOK_SECRET": self.simulator.webhook_secret,
        }
        async with Fleet(self.direct) as fleet:
            await fleet.migrate()
            self.start_web()
            for _ in range(WORKERS):
                self.start_worker()
            await until(lambda: working(fleet, WORKERS), 60)
            url = f"http://127.0.0.1:{self._port}"
            self.strike("none", None)
            asking = asyncio.create_task(self._ask(count, url))
            faults = [*FAULTS]
            self.chance.shuffle(faults)
            pause = (ROUNDS + 1) * ROUND / len(faults)
            await asyncio.sleep(pause)
            for fault in faults:
                began = time.monotonic()
                await fault(self)
                await asyncio.sleep(max(QUIET, pause - (time.monotonic() - began)))
                with contextlib.suppress(TimeoutError):
                    await until(lambda: owned(fleet), CALM)
            await asking
            lost = await self._settle()
            for call_id in [call_id for call_id in lost if await fleet.find(call_id) is None]:
                print(f"{call_id}: no webhook was acknowledged before the caller hung up", flush=True)
                del lost[call_id]
        wrong = judge(self._rows, read(self._log), self._asked, lost)
        for call in self._calls:
            if call.id in wrong:
                self._explain(call)
        return self._rows

    async def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._errors.close()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        program = str(Path(__file__).with_name("worker.py"))
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", program, *arguments],
            env=self._environment,
            stdout=self._errors,
            stderr=self._errors,
        )
        self._processes.append(process)
        return process

    def _start_proxy(self) -> int:
        program = [sys.executable, "-m", "tests.fleet_faults.proxy", str(self.cluster.port), str(self._seed)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._proxy = subprocess.Popen(program, cwd=ROOT, text=True, **pipes)
        self._processes.append(self._proxy)
        assert self._proxy.stdout is not None
        return int(self._proxy.stdout.readline())

    def network(self, command: str) -> None:
        """Have the proxy between workers and database do something."""
        assert self._proxy.stdin is not None
        self._proxy.stdin.write(command + "\n")
        self._proxy.stdin.flush()

    def start_web(self) -> None:
        """Start the web node, again on the same port."""
        self.web = self._start("web", str(self._port))

    def start_worker(self) -> None:
        """Start a worker of the current generation."""
        self._workers.append(self._start("worker", str(self.slots), str(self.generation)))

    # The callers

    async def _ask(self, count: int, url: str) -> None:
        """Let calls in, a few at a time, and let each one's user ask for something now and then."""
        began = time.monotonic()

        async def one(number: int) -> None:
            await asyncio.sleep(number / count * ARRIVING * ROUNDS * ROUND)
            is_live = random.Random(f"{self._seed} {number}").random() < self._share
            event: Any = "live.transport.incoming" if is_live else "realtime.call.incoming"
            ring = lambda: self.simulator.incoming_call(  # noqa: E731
                f"{url}/{'live' if is_live else 'realtime'}",
                events=event,
                duplicates=1,
                attempts=20,
                ring_seconds=120,
                wait=False,
            )
            call = Caller(await asyncio.to_thread(ring), is_live=is_live)
            self._calls.append(call)
            for turn in range(ROUNDS):
                at = (turn + 1) * ROUND + random.Random(f"{self._seed} {number} {turn}").uniform(0, ROUND)
                if (left := began + at - time.monotonic()) < 0:
                    continue
                await asyncio.sleep(left)
                names = [f"{turn}{letter}" for letter in "ab"[: 1 + (number + turn) % 2]]
                await self._say(call, names)

        await asyncio.gather(*(one(number) for number in range(count)))

    async def _say(self, call: Any, names: list[str]) -> None:
        """Have the user ask for something, once a worker is attached for the first time."""
        content = [{"type": "input_text", "text": f"charge {' '.join(names)}"}]
        item = {"type": "message", "role": "user", "content": content}
        kind = "response.item.create" if call.is_live else "conversation.item.create"
        while call.ended is None:
            try:
                for event in (
                    {"type": kind, "item": item},
                    {"type": "response.create"},
                ):
                    await asyncio.to_thread(self.simulator.inject, call.session, event)
            except (LookupError, AttributeError):
                await asyncio.sleep(0.5)
            else:
                self._asked.update({(call.id, name): time.time() for name in names})
                return

    async def _settle(self) -> dict[str, float]:
        """Wait until all is answered; return the calls that are lost."""
        spoke: set[str] = set()
        before: list[str] = []
        progressed = time.monotonic()
        while True:
            lost = await asyncio.to_thread(self._unanswered)
            if [*lost] != before:
                before, progressed = [*lost], time.monotonic()
            if not lost or time.monotonic() >= progressed + SETTLE:
                break
            await asyncio.sleep(6)
            for call in self._calls:
                if call.id in lost and call.ended is None and await asyncio.to_thread(has_to_speak, call):
                    spoke.add(call.id)
                    event = {"type": "response.create"}
                    with contextlib.suppress(LookupError):
                        await asyncio.to_thread(self.simulator.inject, call.session, event)
        print(f"seed {self._seed}: {len(spoke)} users spoke again", flush=True)
        return lost

    def _unanswered(self) -> dict[str, float]:
        return {call.id: time.time() for call in self._calls if not self._is_answered(call)}

    def _is_answered(self, call: Any) -> bool:
        if call.session is None or call.ended is not None:
            return False
        items = call.session.items
        names = {item["call_id"]: arguments(item) for item in items if item["type"] == "function_call"}
        answered = {names[item["call_id"]] for item in items if item["type"] == "function_call_output"}
        said_last = next((item for item in reversed(items) if not is_note(item)), {})
        is_over = said_last.get("role") == "assistant"
        return is_over and answered == {*names.values()} and not unmade(call)

    def _explain(self, call: Any) -> None:
        """Print what is known of a call, as its workers and the simulator saw it."""
        print(f"wrong: {call.id} {call.state} {call.ended} {call.reject_code}", flush=True)
        for line in read(self._log):
            if line["call"] == call.id:
                at = time.strftime("%T", time.localtime(line["at"]))
                print("   ", at, line["pid"], line["kind"], line["epoch"], line["what"], flush=True)
        for item in [] if call.session is None else call.session.items:
            shown = item.get("content") or item.get("output") or item.get("arguments")
            facts = (item["type"], item.get("role", ""), item.get("call_id", ""), item.get("status", ""))
            print("   ", item.get("id"), *facts, shown, flush=True)

    # What faults need

    def strike(self, fault: str, victim: subprocess.Popen[bytes] | None) -> None:
        """Record that a fault begins, and which worker it takes the calls from."""
        row = Row(seed=self._seed, fault=fault, at=time.time(), victim=None if victim is None else victim.pid)
        self._rows.append(row)
        print(f"{time.strftime('%T')} seed {self._seed}: {fault}", flush=True)

    def busiest(self) -> subprocess.Popen[bytes]:
        """The worker that has most calls, as far as the log tells."""
        owners = {line["call"]: line["pid"] for line in read(self._log) if line["kind"] == "attached"}
        pids = list(owners.values())
        return max(self.living(), key=lambda worker: pids.count(worker.pid))

    def living(self) -> list[subprocess.Popen[bytes]]:
        """The workers that run."""
        return [worker for worker in self._workers if worker.poll() is None]


def is_note(item: Any) -> bool:
    """Whether an item is a note of the fleet to the model."""
    return any(again in json.dumps(item) for again in AGAIN)


def unmade(call: Any) -> set[str]:
    """What a call's user asked for, and its model has not called the function for."""
    items = call.session.items
    asked = {word for item in items if item.get("role") == "user" for word in said(item).split()[1:]}
    return asked - {arguments(item) for item in items if item["type"] == "function_call"}


def has_to_speak(call: Any) -> bool:
    """Whether the model waits for the user: it was asked amid another response, or told by a note."""
    return call.session is not None and (bool(unmade(call)) or any(map(is_note, call.session.items)))


def arguments(item: Any) -> str:
    """What a function call is to charge for."""
    what: str = json.loads(item["arguments"])["what"]
    return what


async def working(fleet: Fleet, count: int) -> bool:
    """Whether so many workers work."""
    try:
        return len(await fleet.workers()) >= count
    except FleetError:
        return False


async def owned(fleet: Fleet) -> bool:
    """Whether each call has an owner."""
    try:
        return all(call.owner is not None for call in await fleet.calls())
    except FleetError:
        return False


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.2)
