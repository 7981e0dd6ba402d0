"""Blocking connections and the process that they are in: its forks and its end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.programs

BEGIN = """
import os, sys, threading
from realtime_ext import RealtimeClient, RealtimeError

client = RealtimeClient("key", base_url=sys.argv[1])
"""
FORK = """
with client.connect("gpt-realtime-2.1") as connection:
    assert connection.ask("One").text == "answer 1"
    if (child := os.fork()) == 0:
        try:
            connection.ask("Two")
        except RealtimeError as error:
            print(error, flush=True)
        connection.close()
        with client.connect("gpt-realtime-2.1") as own:
            print("the child's:", own.ask("Hello").text, flush=True)
    else:
        assert os.waitpid(child, 0)[1] == 0
        print("the parent's:", connection.ask("Two").text, flush=True)
"""
ASYNC_FORK = """
import asyncio, os, sys
from realtime_ext import AsyncRealtimeClient, RealtimeError

def sockets():
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).startswith("socket") for link in links if os.path.exists(link))

async def main():
    before = sockets()
    client = AsyncRealtimeClient("key", base_url=sys.argv[1])
    async with client.connect("gpt-realtime-2.1") as connection:
        assert (await connection.ask("One")).text == "answer 1"
        later = connection.expect("session.updated")
        if (child := os.fork()) == 0:
            for act in (connection.send_text("x"), connection.ask("x"), later.wait(), connection.run()):
                try:
                    await act
                except RealtimeError as error:
                    print(error, flush=True)
            await connection.close()
            print("sockets of the child:", sockets() - before, flush=True)
        else:
            assert os.waitpid(child, 0)[1] == 0
            print("the parent's:", (await connection.ask("Two")).text, flush=True)
            return
    print("the child left the block", flush=True)
    os._exit(0)

asyncio.run(main())
"""
ENDS = {
    "idle": "connection.recv()",
    "amid waiting": """
for waits in (connection.run, connection.run, lambda: connection.wait_for("session.closed")):
    threading.Thread(target=waits, daemon=True).start()
connection.ask("One")
""",
    "with audio on its way": "[connection.append_audio(bytes(960)) for _ in range(100)]",
    "with a tool that hangs": """
begun = threading.Event()

def hang() -> str:
    begun.set()
    threading.Event().wait()
    return ""

connection.run_tools([hang])
connection.create_response()
begun.wait()
""",
    "by SystemExit within the block": """
with client.connect("gpt-realtime-2.1") as inner:
    sys.exit()
""",
}


def run(program: str, server: ScriptedServer) -> subprocess.CompletedProcess[str]:
    warnings = ["-W", "error", "-W", "ignore:.*fork:DeprecationWarning"]
    return subprocess.run(
        [sys.executable, *warnings, "-c", program, server.base_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_leaves_its_parents_connections_alone_and_opens_its_own() -> None:
    with ScriptedServer(Model(speaks=False), Model(speaks=False)) as server:
        done = run(BEGIN + FORK, server)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "the connection belongs to the parent of this forked process; open one here",
        "the child's: answer 1",
        "the parent's: answer 2",
    ]
    assert done.returncode == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="this system does not list descriptors")
def test_a_fork_in_a_coroutine_leaves_the_parents_connection_alone() -> None:
    with ScriptedServer(Model(speaks=False)) as server:
        done = run(ASYNC_FORK, server)
    assert done.stderr == ""
    *refusals, sockets, left, parent = done.stdout.splitlines()
    assert len(refusals) == 4 and all("the parent of this forked process" in one for one in refusals)
    assert [sockets, left, parent] == [
        "sockets of the child: 0",
        "the child left the block",
        "the parent's: answer 2",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize("name", ENDS)
def test_a_program_ends_quietly_with_connections_open(name: str) -> None:
    calls = [{"name": "hang", "call_id": "call_1", "arguments": "{}"}]
    answer = calls if "tool" in name else "Hello."
    program = BEGIN + 'connection = client.connect("gpt-realtime-2.1").__enter__()\n' + ENDS[name]
    with ScriptedServer(Model(lambda number: answer, speaks=False)) as server:
        done = run(program, server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
