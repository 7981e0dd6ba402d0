"""What a server, a model or a caller wrote reaches a terminal as text that it doesn't obey."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from realtime_kit import cli
from realtime_kit.cli import _output as output, _tail as tail
from realtime_simulator import Simulator, call_tool

from tests.support.command import realtime_here, terminal
from tests.support.loopback import Loopback, answer
from tests.support.rows import each

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202edone\x7f\u061c\u200e\u200f\u2028\u2029."
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202edone\x7f\u061c\u200e\u200f\u2028\u2029."
FORBIDDEN = {
    *map(chr, range(9)),
    *map(chr, range(11, 32)),
    *map(chr, range(127, 160)),
    *"\u061c\u200e\u200f\u2028\u2029\u202e",
}

PRINTERS = {
    *("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write"),
    *("typer.echo", "typer.secho", "click.echo", "click.secho", "rich.print"),
}
NO_OUTPUT = [  # files, an HTTP response, and questions whether there is a terminal
    "_call_commands.py: file.write",
    "_conversation.py: sys.stdout",
    "_receiver.py: file.write",
    "_receiver.py: self.wfile.write",
    "_transcription.py: sys.stdout",
    "_translation.py: sys.stdout",
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none") as running:
        yield running


def assert_inert(text: str) -> None:
    assert SHOWN in text
    assert not FORBIDDEN & set(text)


def test_a_talk_shows_words_and_tools_without_obeying_them(simulator: Simulator) -> None:
    simulator.on_response(call_tool(HOSTILE, {"x": HOSTILE}), match="trick")
    simulator.on_response(HOSTILE, match="say")
    done = realtime_here("talk", "trick me", "say it", simulator=simulator)
    assert_inert(done.out)
    assert f"model: {SHOWN}" in done.out.splitlines()
    assert f"tool: {SHOWN}(" in done.out


def test_json_of_a_talk_is_inert_and_means_the_same(simulator: Simulator) -> None:
    simulator.on_response(HOSTILE, match="say")
    done = realtime_here("talk", "--json", "say it", simulator=simulator)
    assert not FORBIDDEN & set(done.out)
    assert done.lines[-1]["text"] == HOSTILE


@each("value", [HOSTILE, "\ud800", "Ärger, žluťoučký, 日本, 😀\ttab"])
def test_json_escapes_control_characters_only(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.print_line({value: [value]})
    output.print_json({value: [value]})
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == json.loads(second) == {value: [value]}
    assert ("\\u" in first) == (value[0] in HOSTILE or value == "\ud800")


@each(
    "event",
    [
        {"type": "response.output_text.delta", "delta": HOSTILE},
        {"type": HOSTILE},
        {"type": "error", "error": {"message": HOSTILE}},
        {"type": "conversation.item.added", "item": {"type": "function_call", "name": HOSTILE}},
        {"type": ["x"], "delta": HOSTILE},
    ],
    ids=["words", "type", "error", "name", "no event"],
)
def test_a_watched_calls_events_are_lines_of_text(
    event: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tail.show(event, 1.0)
    shown = capsys.readouterr().out
    assert not FORBIDDEN & set(shown)
    assert r"\x1b[2J\x9b31m" in shown
    assert shown.count("\n") == 1


def test_a_caller_can_not_inject_a_line_into_the_list_of_webhooks(simulator: Simulator) -> None:
    caller = f"<sip:x@y>\n12:00:00  ✓  200  realtime.call.incoming  {HOSTILE}"
    data = {"call_id": "rtc_1", "sip_headers": [{"name": "From", "value": caller}]}
    body = json.dumps({"type": "realtime.call.incoming", "id": "evt_1", "data": data})
    kept = json.dumps({"webhook_id": "wh_1", "received_at": 1, "body": body})
    with Loopback(answer(200)) as app:
        done = realtime_here(
            "listen", "--replay=-", "--forward-to", app.base_url, simulator=simulator, stdin=kept
        )
    assert len(done.out.splitlines()) == 1
    assert r"\x1b[2J\x9b31m" in done.out
    assert not FORBIDDEN & set(done.out)


def test_a_servers_failure_message_is_one_line_of_text() -> None:
    body = json.dumps({"error": {"message": f"no\nsuch call {HOSTILE}", "type": "x", "code": "x"}}).encode()
    with Loopback(answer(404, body, content_type="application/json")) as server:
        done = realtime_here(
            "call", "hangup", "rtc_1", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-0123456789"
        )
    assert done.status == 1
    assert r"\x1b[2J\x9b31m" in done.err
    assert not FORBIDDEN & set(done.err)


def test_log_messages_of_a_server_are_inert(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("realtime_ext.alone")  # without parents, as in a program that set up nothing
    with output.inert_log():
        logger.warning("%s was refused", HOSTILE)
    assert_inert(capsys.readouterr().err)
    logger.warning("%s", HOSTILE)
    assert "\x1b" in capsys.readouterr().err


@pytest.mark.programs
def test_a_table_on_a_terminal_is_inert(tmp_path: Path) -> None:
    """The problems of a session that someone else wrote."""
    path = tmp_path / "session.json"
    path.write_text(json.dumps({"type": "realtime", HOSTILE: HOSTILE, "output_modalities": [HOSTILE]}))
    with terminal("session", "check", path) as shown:
        shown.wait_for("output_modalities")
        shown.wait()
    assert "\x1b]0" not in shown.shown and "\x1b[2J" not in shown.shown and "\x9b" not in shown.shown


@pytest.mark.programs
def test_a_repaired_offer_is_escaped_on_a_terminal_and_unchanged_elsewhere(tmp_path: Path) -> None:
    offer = f"v=0\ns={HOSTILE}\n".encode().replace(b"\r", b"")
    path = tmp_path / "offer.sdp"
    path.write_bytes(offer)
    with terminal("sdp", "repair", path) as shown:
        shown.wait_for("200f")
        shown.wait()
    assert "\x1b" not in shown.shown
    assert r"\x1b]0;owned\x07\x1b[2J" in shown.shown
    done = realtime_here("sdp", "repair", path)
    assert done.out.encode() == offer.replace(b"\n", b"\r\n")


def test_a_traceback_for_debugging_is_inert(tmp_path: Path) -> None:
    done = realtime_here("sdp", "check", str(tmp_path / "\x1b[2J"), REALTIME_DEBUG="1")
    assert "Traceback" in done.err
    assert r"\x1b[2J" in done.err
    assert not FORBIDDEN & set(done.err)


def test_only_the_writer_prints() -> None:
    """Everything that a command prints goes through `_output`, where it is escaped."""
    found = []
    for path in sorted(Path(cli.__path__[0]).glob("*.py")):
        if path.name == "_output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Name("print" | "Console"):
                    found.append(f"{path.name}: {node.id}")
                case ast.Attribute(ast.Name(owner), name) if f"{owner}.{name}" in PRINTERS:
                    found.append(f"{path.name}: {owner}.{name}")
                case ast.Attribute(_, "write" | "writelines" | "print" | "print_exc" | "excepthook"):
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert sorted(found) == NO_OUTPUT


def test_the_writer_escapes_all_text_but_colours(capsys: pytest.CaptureFixture[str]) -> None:
    output.write(HOSTILE, output.Painted("\x1b[1mbold\x1b[0m"), HOSTILE, end="|")
    assert capsys.readouterr().out == f"{SHOWN}\x1b[1mbold\x1b[0m{SHOWN}|"
