"""Recorded Live sessions, self-written ones, played to the client: over a socket, and to its state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_ext.connection import Reconnect, Reconnected
from realtime_ext.errors import APIStatusError
from realtime_ext.tools import Toolbox
from tests.ext.connection.clocks import ToldClock
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.simulator.live_recordings import RECORDINGS, Lines, load, write
from tests.support.live_replay import differences, main, messages
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

NAMES = [make.__name__ for make in RECORDINGS]


@each("name", NAMES)
def test_the_client_understands_a_recording(name: str) -> None:
    assert differences(load(name)) == []


def test_differences_are_found_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = load("tool_round")
    nested = [line["data"] for line in lines if line["data"].get("type") == "response.event"]
    call = next(one for one in nested if one["event"]["type"] == "response.output_item.done")
    call["event"]["item"]["status"] = "in_progress"
    broken = next(line["data"] for line in lines if line["data"].get("type") == "session.started")
    broken["type"] = "session.new"
    usage = next(one for one in nested if one["event"]["type"] == "response.completed")
    usage["event"]["response"]["usage"]["input_tokens"] = 7
    assert differences(lines) != []
    assert (
        main([str(write(tmp_path / "one.jsonl", lines)), str(write(tmp_path / "two.jsonl", load("fork")))])
        == 1
    )
    out = capsys.readouterr().out
    assert "event 0 (session.new) has no class" in out
    assert "two.jsonl: 21 messages of the service, 0 differences" in out


def scripts(lines: Lines) -> list[Callable[[Peer], None]]:
    """Return what a server does on each connection of a recording."""
    links: list[Lines] = []
    for line in lines:
        if line["data" if "data" in line else "close"].get("type") == "session.start" or not links:
            links.append([])
        if line.get("connection") is None:
            links[-1].append(line)
    return [lambda peer, own=own: _play(peer, own) for own in links]


def _play(peer: Peer, lines: Lines) -> None:
    unawaited = ("audio", "response.create")  # the latter comes once the response before is completed
    for line in lines:
        if "close" in line:
            peer.close(line["close"]["code"])
            return
        kind = line["data"].get("type", "audio")
        if line["dir"] == "c2s" and not any(one in kind for one in unawaited):
            peer.expect(kind)
        for content in messages([line]):
            peer.raw(json.dumps(content))
    if not any(line["data"].get("type") == "session.closed" for line in lines if "data" in line):
        peer.expect("session.close")
    peer.close(1000)


def act(connection: Any, recorded: dict[str, Any]) -> None:
    """Do what the program of a recording did."""
    kind = recorded["type"]
    if kind not in ("session.start", "session.close") and "audio" not in kind:
        connection.send({name: value for name, value in recorded.items() if name != "event_id"})


@each("name", ["client_delegation", "web_search", "refusals", "tool_round"])
def test_a_program_of_a_recording_runs_on_a_socket(runner: Runner, name: str) -> None:
    lines = load(name)
    theirs = list(messages(lines, "c2s"))
    session = theirs[0]["session"]
    with ScriptedServer(*scripts(lines)) as server:
        client = ToldClock().on(runner.client(base_url=server.base_url, validate=False))
        with Driven(client.live.connect(session, idle_audio=False), runner) as connection:
            if name == "tool_round":
                toolbox = Toolbox()
                toolbox.add(session["delegation"]["responses"]["tools"][0], lambda day="": "8 to 12")
                connection.run_tools(toolbox)
            else:
                for one in theirs:
                    act(connection, one)
            if name == "tool_round":
                while not server.of("response.create"):
                    runner.run(asyncio.sleep(0.001)) if runner.is_async else server.wait_for(
                        "response.create"
                    )
                [output] = server.of("response.item.create")
                assert output["item"]["output"] == '"8 to 12"'
            closing = connection.close()
            events = list(connection)
    types = [event.type for event in events if event.type != "realtime_ext.session_expiring"]
    assert len(types) == len(events) - 1  # its time was up long ago
    sent = [one["type"] for one in messages(lines)]
    assert types == sent
    assert closing.usage.seconds == {"client_delegation": 4.0}.get(name, 0.0)


@async_only
def test_a_refused_start_is_raised(runner: Runner) -> None:
    lines = load("refused_start")
    with ScriptedServer(*scripts(lines)) as server:
        client = ToldClock().on(runner.client(base_url=server.base_url))
        with pytest.raises(APIStatusError, match="No credit") as caught:
            Driven(client.live.connect({"model": "gpt-live-1"}), runner).__enter__()
    assert caught.value.code == "credit_balance_exhausted"


@async_only
def test_a_recorded_loss_is_continued_by_a_fork(runner: Runner) -> None:
    lines = load("fork")
    with ScriptedServer(*scripts(lines)) as server:
        client = ToldClock().on(runner.client(base_url=server.base_url))
        session = next(messages(lines, "c2s"))["session"]
        again = Reconnect(replay=True, first_delay=0.0)
        with Driven(client.live.connect(session, reconnect=again, idle_audio=False), runner) as connection:
            event = connection.wait_for(Reconnected, timeout=PATIENCE)
            assert server.requests[-1].path.endswith("/fork")
            assert event.session_id == connection.session_id == "live_u3_" + "Cd4" * 11
            assert server.of("session.start")[-1]["session"] == {}
