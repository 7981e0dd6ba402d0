from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from realtime_simulator import Simulator
from realtime_simulator._conformance.conform import conform
from realtime_simulator._recordings import recording
from realtime_simulator._recordings.tape import TapeError, Writer, read
from realtime_simulator._server.player import differences
from realtime_simulator._server.recorder import Recorder
from realtime_simulator.cli import main
from realtime_simulator.scrub import Scrubber
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.simulator.checking import fits, types
from tests.simulator.test_server import command
from tests.support.rows import each
from tests.support.waiting import PATIENCE

QUERY = "model=gpt-realtime"


@contextmanager
def dial(
    sim: Simulator, query: str = QUERY, key: str | None = None, path: str = "/realtime"
) -> Iterator[ClientConnection]:
    url = f"ws{sim.base_url.removeprefix('http')}{path}?{query}"
    headers = {"authorization": f"Bearer {key or sim.api_key}"}
    with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        yield socket


def talk(
    socket: ClientConnection, voice: str = "marin", item_id: str = "item_mine", text: str = "Hello"
) -> list[dict[str, Any]]:
    """A session: an update, a message, a spoken answer; returns what came."""
    events = [json.loads(socket.recv(10))]

    def send(type: str, until: str, **fields: Any) -> None:
        socket.send(json.dumps({"type": type, **fields}))
        while events[-1]["type"] != until:
            events.append(json.loads(socket.recv(10)))

    tools = [{"type": "mcp", "server_label": "s", "server_url": "https://s", "authorization": "hush-hush"}]
    audio = {"output": {"voice": voice}}
    send("session.update", "session.updated", session={"type": "realtime", "audio": audio, "tools": tools})
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    send("conversation.item.create", "conversation.item.done", event_id=f"for_{item_id}", item=item)
    send("response.create", "response.done")
    return events


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape.jsonl"


def test_a_lone_surrogate_is_recorded_and_cuts_nothing(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as sim, dial(sim) as socket:
        assert json.loads(socket.recv(10))["type"] == "session.created"
        content = [{"type": "input_text", "text": "lone \ud800 surrogate"}]
        item = {"type": "message", "role": "user", "content": content}
        socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        assert json.loads(socket.recv(10))["type"]  # it goes on, as it does without a tape
    assert "lone \ud800 surrogate" in [
        message.value["item"]["content"][0]["text"]
        for message in read(tape)[0].messages
        if message.side == "client"
    ]


def record(upstream: Simulator, tape: Path, **options: Any) -> Simulator:
    return Simulator(record=tape, upstream=upstream.base_url, upstream_key=upstream.api_key, **options)


def test_a_session_is_passed_through_and_played_again(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as recorder, dial(recorder) as socket:
        recorded = talk(socket)
    for event in recorded:
        fits(event)
    assert upstream.sessions[-1].types_sent()[: len(recorded)] == types(recorded)
    with Simulator(replay=tape) as sim:
        for item_id in ("item_mine", "item_other"):
            with dial(sim) as socket:
                played = talk(socket, item_id=item_id)
            assert types(played) == types(recorded)
            for event in played:
                fits(event)
            assert json.loads(json.dumps(recorded).replace("item_mine", item_id)) == played
        assert list(sim.differences) == []
    sound = b"".join(
        base64.b64decode(e["delta"]) for e in recorded if e["type"] == "response.output_audio.delta"
    )
    assert len(sound) > 24000


@pytest.mark.slow
def test_a_tape_is_readable_lines_without_secrets(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as recorder:
        own, theirs = recorder.api_key, upstream.api_key
        with dial(recorder) as socket:
            talk(socket, text=f"my key is {theirs}")
        with dial(recorder, key=theirs) as socket:
            socket.recv(10)
        with dial(recorder, key="sk-wrong-wrong") as socket:
            assert json.loads(socket.recv(10))["error"]["code"] == "invalid_api_key"
            with pytest.raises(ConnectionClosed):
                socket.recv(10)
    text = tape.read_text()
    for secret in (own, theirs, "hush-hush", "sk-wrong-wrong", "ek_"):
        assert secret not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0] == {"tape": 1, "upstream": upstream.base_url}
    assert lines[1] == {"session": 1, "at": 0.0, "open": "/v1/realtime", "query": {"model": "gpt-realtime"}}
    assert lines[2]["server"]["type"] == "session.created"
    assert lines[3]["client"]["type"] == "session.update"
    assert [line["at"] for line in lines[1:3]] == sorted(line["at"] for line in lines[1:3])
    closes = [line for line in lines if "close" in line]
    assert [(line["close"], line["by"]) for line in closes] == [(1000, "client")] * 2 + [(3000, "server")]
    first, second, third = read(tape)
    assert third.refused is None and third.close is not None
    assert first.close is not None and len(second.messages) == len(third.messages) == 1


def test_a_refused_handshake_and_a_close_by_the_server_are_played(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as recorder:
        with pytest.raises(InvalidStatus) as before, dial(recorder, "call_id=rtc_none"):
            pass
        with upstream.fault("session_expired", after="session.updated"), dial(recorder) as socket:
            closed_before = until_closed(socket)
        with upstream.fault("socket_drop"), dial(recorder) as socket, pytest.raises(ConnectionClosed) as cut:
            while True:
                socket.recv(10)
        assert cut.value.rcvd is None
    with Simulator(replay=tape) as sim:
        with pytest.raises(InvalidStatus), dial(sim, "call_id=rtc_none"):
            pass
        with dial(sim) as socket:
            assert until_closed(socket) == closed_before == (1001, "session_expired")
        with dial(sim) as socket, pytest.raises(ConnectionClosed) as cut:
            while True:
                socket.recv(10)
        assert cut.value.rcvd is None
    assert before.value.response.status_code == 404


def test_the_close_of_a_client_is_recorded_that_leaves_while_the_api_sends(
    upstream: Simulator, tape: Path
) -> None:
    recorder = Recorder(upstream.base_url, "sk-own", upstream.api_key, Writer(tape, upstream.base_url))
    left = asyncio.Event()
    received = iter(("websocket.connect", "websocket.disconnect"))

    async def receive() -> dict[str, Any]:
        type = next(received)
        if type == "websocket.disconnect":
            await left.wait()
        return {"type": type, "code": 1001, "reason": "bye"}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            left.set()
            raise OSError("the client is gone")

    headers = [(b"authorization", b"Bearer sk-own")]
    path, query = "/v1/realtime", QUERY.encode()
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": query}
    asyncio.run(recorder({**scope, "headers": headers, "subprotocols": []}, receive, send))
    recorder.close()
    [session] = read(tape)
    assert session.close is not None
    assert (session.close.code, session.close.reason, session.close.by) == (1001, "bye", "client")


def until_closed(socket: ClientConnection) -> tuple[int, str]:
    socket.send('{"type": "session.update", "session": {"type": "realtime"}}')
    codes = []
    try:
        while True:
            event = json.loads(socket.recv(10))
            codes += [event["error"]["code"]] if event["type"] == "error" else []
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code, codes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voice": "cedar"}, 'message 2: session.audio.output.voice: expected "marin", got "cedar"'),
        ({"text": "Bye"}, 'item.content[0].text: expected "Hello", got "Bye"'),
    ],
)
def test_the_first_difference_is_named(upstream: Simulator, tape: Path, change: Any, message: str) -> None:
    with record(upstream, tape) as recorder, dial(recorder) as socket:
        talk(socket)
    with Simulator(replay=tape) as sim:
        with dial(sim) as socket, pytest.raises(ConnectionClosed) as closed:
            talk(socket, **change)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        [difference] = sim.differences
        assert difference.startswith("session 1, ") and message in difference
        with dial(sim) as socket:  # what was not played to its end is played again
            socket.recv(10)
            socket.send('{"type": "response.create"}')
            error = json.loads(socket.recv(10))
            fits(error)
            assert error["error"]["code"] == "replay_mismatch"
            assert 'expected "session.update", got "response.create"' in error["error"]["message"]
        with dial(sim) as socket:
            pass
        sim.wait_for(lambda: "the client closed" in sim.differences[-1])
        with pytest.raises(InvalidStatus) as refused, dial(sim, "model=other"):
            pass
        assert b"No session was recorded at /v1/realtime {'model': 'other'}" in refused.value.response.body
        with pytest.raises(InvalidStatus) as refused, dial(sim, key="sk-other"):
            pass
        assert refused.value.response.status_code == 401


def test_more_than_was_recorded_is_a_difference(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as recorder, dial(recorder) as socket:
        talk(socket)
    with Simulator(replay=tape) as sim, dial(sim) as socket:
        talk(socket)
        while True:
            try:
                socket.recv(0.2)
            except TimeoutError:
                break
        socket.send('{"type": "response.create"}')
        assert "nothing more was expected" in json.loads(socket.recv(10))["error"]["message"]


def test_http_is_passed_on_while_recording(upstream: Simulator, tape: Path) -> None:
    with record(upstream, tape) as recorder:
        url = f"{recorder.base_url}/realtime/client_secrets"
        answer = httpx.post(url, json={}, headers={"authorization": f"Bearer {recorder.api_key}"})
        assert answer.status_code == 200
        with dial(recorder, key=answer.json()["value"]) as socket:
            assert json.loads(socket.recv(10))["type"] == "session.created"
        refused = httpx.post(url, json={"x": 1}, headers={"authorization": f"Bearer {recorder.api_key}"})
        assert refused.status_code == 400 and refused.json()["error"]["param"] == "x"
        assert recorder.requests[0].status == 200
    assert answer.json()["value"] not in tape.read_text()


def test_an_unreachable_upstream_is_502(tape: Path) -> None:
    with Simulator(record=tape, upstream="http://127.0.0.1:1/v1") as sim:
        answer = httpx.post(f"{sim.base_url}/realtime/client_secrets", json={})
        assert answer.status_code == 502 and "cannot be reached" in answer.json()["error"]["message"]
        with pytest.raises(InvalidStatus) as refused, dial(sim):
            pass
        assert refused.value.response.status_code == 502


def test_a_tape_may_be_replayed_at_its_pace(tape: Path) -> None:
    tape.write_text(
        '{"tape": 1, "upstream": "x"}\n'
        '{"session": 1, "at": 0, "open": "/v1/realtime", "query": {"model": "gpt-realtime"}}\n'
        '{"session": 1, "at": 500, "server": {"type": "session.created"}}\n'
    )
    from realtime_simulator import Pacing

    with Simulator(replay=tape, pacing=Pacing(speed=2)) as sim, dial(sim) as socket:
        with pytest.raises(TimeoutError):
            socket.recv(0.2)
        sim.advance(251)
        assert json.loads(socket.recv(10))["type"] == "session.created"


@each(
    "content, message",
    [
        ("", "no session"),
        ("{}\n", "line 1: .*'tape' is missing"),
        ('{"tape": 9}\n', "version 9"),
        ('{"tape": 1}\n{"session": 1, "at": 0, "server": {}}\n', "line 2"),
        ('{"tape": 1}\n[]\n', "line 2"),
        ('{"tape": 1}\nnonsense\n', "line 2"),
        ('{"tape": 1}\n{"session": 1, "open": ""}\n{"session": 1, "at": 0, "close": Infinity}\n', "line 3"),
        ('{"tape": 1}\n', "no session"),
    ],
)
def test_a_faulty_tape_is_refused_with_its_line(tape: Path, content: str, message: str) -> None:
    tape.write_text(content)
    with pytest.raises(TapeError, match=message), Simulator(replay=tape):
        pass


@each(
    "options, message",
    [
        ({"kept": 0}, "kept: at least 1 is needed, got 0"),
        ({"record": "x"}, "go together"),
        ({"upstream": "https://x/v1"}, "go together"),
        ({"record": "x", "upstream": "https://x/v1", "replay": "y"}, "exclude"),
        ({"record": "x", "upstream": "ftp://x"}, "upstream: allowed"),
        ({"record": "x", "upstream": "https://x/v1?key=1"}, "upstream: allowed"),
    ],
)
def test_modes_that_do_not_go_together(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**options)


def test_scrubbing_knows_fields_shapes_and_values() -> None:
    value = {
        "client_secret": {"value": "ek_123456789"},
        "tools": [{"headers": {"X-Key": "v"}, "authorization": "t"}],
        "text": "sk-abcdefghijk and mine-and-only",
        "audio": "A" * 5000,
    }
    assert Scrubber(["mine-and-only"]).value(value) == {
        "client_secret": {"value": "ek_***"},
        "tools": [{"headers": {"X-Key": "***"}, "authorization": "***"}],
        "text": "sk-*** and ***",
        "audio": "A" * 5000,
    }


def test_differences_name_paths_and_compare_numbers_by_value() -> None:
    assert list(differences({"a": 1, "b": [1, 2]}, {"a": 1.0, "b": [1, 3], "c": 0})) == [
        "b[1]: expected 2, got 3",
        "c: expected nothing, got 0",
    ]
    assert list(differences({"a": True}, {"a": 1})) == ["a: expected true, got 1"]
    assert list(differences({"a": [1]}, {"a": [1, 2]})) == ["a: expected [1], got [1, 2]"]
    assert list(differences("x", {"type": "y"})) == ['expected "x", got {"type": "y"}']


@pytest.mark.programs
def test_the_command_records_and_replays(
    upstream: Simulator, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", upstream.api_key)
    options = ("--record", str(tape), "--upstream", upstream.base_url)
    for words in (options, ("--replay", str(tape))):
        with command("--port", "0", "--json", *words) as process:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            url = f"ws{facts['base_url'].removeprefix('http')}/realtime?{QUERY}"
            headers = {"authorization": f"Bearer {facts['api_key']}"}
            with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
                assert types(talk(socket))[-1] == "response.done"
            process.send_signal(signal.SIGTERM)
            out, error = process.communicate(timeout=PATIENCE)
            assert (process.returncode, error) == (0, "") and "expected" not in out
    assert upstream.api_key not in tape.read_text()


# Recordings, for the comparison with the service

CLIENT = """
import os
from realtime_ext import RealtimeClient, SessionBuilder
from realtime_ext.testing import sample_offer
with RealtimeClient() as client:
    session = SessionBuilder("gpt-realtime").output("text").instructions("Be brief.").build()
    secret = client.client_secrets.create(session)
    call = client.calls.create_with_secret(sample_offer(), secret)
    client.calls.hangup(call)
    with client.connect(session=session) as connection:
        print(connection.ask("Good morning").text)
"""


@pytest.mark.slow
def test_the_command_records_another_command(
    tmp_path: Path, upstream: Simulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", upstream.api_key)
    path = tmp_path / "session.yaml"
    words = ["record", str(path), "--upstream", upstream.base_url, "--", sys.executable, "-c", CLIENT]
    assert main(words) == 0
    assert "You said: Good morning" in capfd.readouterr().out
    text = path.read_text()
    assert upstream.api_key not in text and "ek_***" in text
    assert not re.search(r"ice-pwd:(?!redacted)|candidate.* 127\.", text)
    (report,) = conform(path)
    assert list(map(str, report.differences)) == [] and report.compared > 15
    kinds = [type(step).__name__ for step in recording.read(path)[0].steps]
    assert kinds[:4] == ["Exchange", "Exchange", "Exchange", "Open"] and kinds[-1] == "Close"


@pytest.mark.programs
def test_the_command_prints_the_address_of_the_recorder(tmp_path: Path, upstream: Simulator) -> None:
    words = ("record", str(tmp_path / "session.yaml"), "--upstream", upstream.base_url)
    with command(*words, OPENAI_API_KEY=upstream.api_key) as process:
        assert process.stdout is not None
        shown = [process.stdout.readline() for _ in range(7)]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert re.fullmatch(
        r"export OPENAI_BASE_URL=http://127\.0\.0\.1:\d+/v1 OPENAI_API_KEY=sk-sim-\w+\n", shown[4]
    )
    assert "Ctrl-C" in shown[6]


def test_a_refused_handshake_is_recorded(tmp_path: Path, upstream: Simulator) -> None:
    path = tmp_path / "refused.yaml"
    address, key = upstream.base_url, upstream.api_key
    with (
        Simulator(record=path, upstream=address, upstream_key=key) as recorder,
        pytest.raises(InvalidStatus),
        dial(recorder, "call_id=rtc_u1_aaaaaaaaaaaaaaaaaaaaa"),
    ):
        pass
    (report,) = conform(path)
    assert list(map(str, report.differences)) == [] and report.compared == 1


@each("path", ["", "/v1", "/v1/", "/v1beta/models", "/realtime?call_id=rtc_none"])
def test_a_recording_has_requests_at_any_path(tmp_path: Path, upstream: Simulator, path: str) -> None:
    file = tmp_path / "session.yaml"
    with record(upstream, file) as recorder:
        address = recorder.base_url.removesuffix("/v1") + path
        key = {"authorization": f"Bearer {recorder.api_key}"}
        assert httpx.delete(address, headers=key).status_code in (404, 405)
        with pytest.raises(InvalidStatus):
            connect(address.replace("http", "ws", 1), additional_headers=key, proxy=None)
    [whole] = recording.read(file)
    assert [type(step).__name__ for step in whole.steps] == ["Exchange", "Exchange"]


@each("is_tape", [True, False], ids=["tape", "recording"])
def test_events_that_come_behind_the_close_are_kept_but_not_demanded(tape: Path, is_tape: bool) -> None:
    path = tape if is_tape else tape.with_suffix(".yaml")
    writer = Writer(path, "wss://api.openai.com/v1") if is_tape else recording.Writer(path)
    for _ in range(2):
        session = writer.begin("/v1/realtime", {"model": "gpt-realtime"})
        writer.close(session, 0.2, 1000, "", "client")
        writer.message(session, 0.2, "server", {"type": "response.output_text.delta", "delta": "Hello"})
    writer.end()
    assert path.read_text().count("Hello") == 2
    reports = conform(path)
    assert [str(one) for report in reports for one in report.differences] == []
    unread = [what for report in reports for what in report.unread]
    assert len(unread) == 2 and all("1 message left out" in what for what in unread)


def test_a_lone_surrogate_is_escaped_in_a_recording(tmp_path: Path) -> None:
    writer = recording.Writer(tmp_path / "session.yaml")
    for text in ("first", "lone \ud83d surrogate", "last"):
        session = writer.begin("/v1/realtime", {"model": text})
        writer.message(session, 0.1, "server", {"type": "response.output_text.delta", "delta": {text: text}})
        writer.close(session, 0.2, 1000, text, "client")
    [whole] = recording.read(tmp_path / "session.yaml")
    texts = ["first", "lone \\ud83d surrogate", "last"]
    assert [close.reason for close in whole.closes] == texts
    assert [message.data["delta"] for message in whole.messages("received")] == [{one: one} for one in texts]


def test_a_recording_is_whole_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "link.yaml"
    path.symlink_to("session.yaml")
    writer = recording.Writer(path)
    for number in range(3):
        before = path.read_text()
        with open(path) as reader:
            session = writer.begin("/v1/realtime", {"model": str(number)})
            writer.close(session, 0.2, 1000, "", "client")
            assert reader.read() == before
    assert len(recording.read(path)[0].closes) == 3
    assert path.is_symlink() and {file.name for file in tmp_path.iterdir()} == {"link.yaml", "session.yaml"}


def test_no_part_of_a_recording_is_dumped_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump, dumped = yaml.dump, list[str]()

    def counting(*given: Any, **options: Any) -> str:
        dumped.append(dump(*given, **options))
        return dumped[-1]

    monkeypatch.setattr(yaml, "dump", counting)
    path = tmp_path / "session.yaml"
    writer = recording.Writer(path)
    session = writer.begin("/v1/realtime", {"model": "gpt-realtime"})
    for number in range(5):
        writer.message(session, number, "server", {"type": "response.output_text.delta", "delta": "Hello"})
        writer.exchange(
            {"method": "POST", "uri": "/v1/realtime/calls"}, {"status": 201, "body": {"type": "none"}}
        )
    assert len(recording.read(path)[0].steps) == 11
    assert len("".join(dumped)) <= len(path.read_text())


def test_audio_is_shortened_in_recordings(tmp_path: Path, upstream: Simulator) -> None:
    path = tmp_path / "spoken.yaml"
    address, key = upstream.base_url, upstream.api_key
    with Simulator(record=path, upstream=address, upstream_key=key) as recorder, dial(recorder) as socket:
        talk(socket)
    deltas = [
        message.data["delta"]
        for message in recording.read(path)[0].messages("received")
        if message.type == "response.output_audio.delta"
    ]
    assert deltas and {len(delta) for delta in deltas} == {recording.AUDIO_CHARACTERS}


@pytest.mark.parametrize(
    ("words", "key", "status", "said"),
    [
        (["x.yaml"], None, 4, "OPENAI_API_KEY"),
        (["x.jsonl"], "sk-x", 2, "ends with .yaml"),
        (["none/x.yaml"], "sk-x", 2, "none/x.yaml"),
    ],
)
def test_a_command_that_cannot_record_explains_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    key: str | None,
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    assert main(["record", *words]) == status
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
@each("is_tape", [True, False], ids=["tape", "recording"])
def test_only_its_owner_can_read_what_is_recorded(tape: Path, is_tape: bool) -> None:
    tape.touch()
    tape.chmod(0o644)
    written = Writer(tape, "wss://api.openai.com/v1") if is_tape else recording.Writer(tape)
    written.end()
    assert tape.stat().st_mode & 0o777 == 0o600
