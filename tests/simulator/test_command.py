from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import httpx
import pytest
from realtime_simulator import Pacing, __version__
from realtime_simulator._engine.turn import REAL, chosen_pacing
from realtime_simulator.cli import _recordings, _serve, arguments, main
from websockets.sync.client import connect

from tests.simulator.receiver import receiving
from tests.simulator.test_server import command, environment
from tests.support.rows import each
from tests.support.waiting import PATIENCE


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends in this process: most of what one of its own does is importing."""
    with (
        mock.patch.dict(os.environ, {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", **more}),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        status = main_status(*words)
    assert isinstance(status, int)
    return subprocess.CompletedProcess(words, status, out.getvalue(), errors.getvalue())


@pytest.fixture(scope="module")
def serving(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    scenario = tmp_path_factory.mktemp("scenario") / "play.yaml"
    scenario.write_text("faults: [{name: gateway_520, on: sessions.create}]\n")
    options = ("--port", "0", "--json", "--scenario", str(scenario), "--webhook-secret", "whsec_bWluZQ==")
    options += ("--key", "acme=sk-of-acme")
    with command(*options) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def lines_until(process: subprocess.Popen[str], event: str) -> list[dict[str, Any]]:
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    while not lines or event not in lines[-1]["event"]:
        lines.append(json.loads(process.stdout.readline()))
    return lines


#: The command, to which a signal comes in the moment in which it begins to wait for one.
SIGNALLED_WHILE_IT_BEGINS_TO_WAIT = """
import builtins, signal, sys, threading
from realtime_simulator.cli import main
def printed(*words, **options):
    show(*words, **options)
    sys.setprofile(watch)
def watch(frame, event, called):
    if frame.f_code is threading.Condition.wait.__code__ or "method get of _queue.SimpleQueue" in str(called):
        sys.setprofile(None)
        signal.raise_signal(signal.SIGTERM)
show, builtins.print = builtins.print, printed
sys.exit(main(["--port", "0", "--json"]))
"""


@pytest.mark.programs
def test_a_signal_ends_it_whenever_it_comes() -> None:
    line = [sys.executable, "-c", SIGNALLED_WHILE_IT_BEGINS_TO_WAIT]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            assert process.wait(timeout=PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.programs
def test_calls_come_in_from_another_process_and_each_step_is_a_line(serving: Any) -> None:
    process, facts = serving
    key = {"OPENAI_API_KEY": facts["api_key"], "OPENAI_BASE_URL": facts["base_url"]}
    with receiving() as receiver:
        words = ("incoming", "--to", receiver.url, "--header", "X-Pin: 4711", "--event", "live.call.incoming")
        shown = json.loads(run(*words, "--json", **key).stdout)
        lines_until(process, "webhook live.call.incoming: 200")
    assert facts["webhook_secret"] == "whsec_bWluZQ=="
    [delivered] = receiver.deliveries
    assert delivered.event(facts["webhook_secret"]).data.session_id == shown["live_session_id"]
    assert b"4711" in delivered.body
    headers = {"authorization": f"Bearer {facts['api_key']}"}
    accept = f"{facts['base_url']}/realtime/calls/{shown['id']}/accept"
    assert httpx.post(accept, json={"type": "realtime"}, headers=headers).status_code == 200
    said = run("hang-up", shown["id"], "--simulator", facts["base_url"], "--api-key", facts["api_key"])
    assert (said.returncode, said.stdout) == (0, "done\n")
    lines = lines_until(process, "ended (peer)")
    assert all(line["call_id"] == shown["id"] for line in lines if "call " in line["event"])
    assert any("connected" in line["event"] for line in lines)
    assert run("hang-up", shown["id"], **{**key, "OPENAI_API_KEY": "sk-of-nobody"}).returncode == 4
    again = run("hang-up", shown["id"], **key)
    assert again.returncode == 1 and "No session found" in again.stderr
    done = run("incoming", "--to", "http://127.0.0.1:1/", **key)
    assert done.stdout.startswith("call rtc_") and done.stdout.endswith(": ringing\n")
    assert "the webhook realtime.call.incoming got no answer: ConnectError" in done.stderr
    assert done.returncode == 1


@pytest.mark.programs
def test_an_incoming_call_can_ring_in_a_further_project(serving: Any) -> None:
    _, facts = serving
    address = ("--api-key", facts["api_key"], "--simulator", facts["base_url"])
    with receiving() as receiver:
        done = run("incoming", "--to", receiver.url, "--project", "acme", "--json", *address)
    assert done.returncode == 0, done.stderr
    accept = f"{facts['base_url']}/realtime/calls/{json.loads(done.stdout)['id']}/accept"
    statuses = [
        httpx.post(accept, json={"type": "realtime"}, headers={"authorization": f"Bearer {key}"}).status_code
        for key in (facts["api_key"], "sk-of-acme")
    ]
    assert statuses == [404, 200]


@pytest.mark.programs
def test_the_answer_to_an_incoming_calls_webhook_is_reported(serving: Any) -> None:
    _, facts = serving
    address = ("--api-key", facts["api_key"], "--simulator", facts["base_url"])
    with receiving(lambda delivered: 404) as receiver:
        refused = run("incoming", "--to", receiver.url, *address)
        as_json = run("incoming", "--to", receiver.url, "--json", *address)
        later = run("incoming", "--to", receiver.url, "--delay", "60", *address)
    assert refused.returncode == 1 and refused.stdout.endswith(": ringing\n")
    assert "the webhook realtime.call.incoming was answered with 404" in refused.stderr
    assert [one["status"] for one in json.loads(as_json.stdout)["deliveries"]] == [404]
    assert (later.returncode, later.stderr) == (0, "")
    live = run("incoming", "--to", receiver.url, "--event", "live.transport.incoming", *address).stdout
    assert re.fullmatch(r"call rtc_(\w+), live_\1: ringing\n", live)


@pytest.mark.programs
def test_faults_and_scenarios_from_another_process(serving: Any, tmp_path: Path) -> None:
    _, facts = serving
    key = {"OPENAI_API_KEY": facts["api_key"], "OPENAI_BASE_URL": facts["base_url"]}
    headers = {"authorization": f"Bearer {facts['api_key']}"}

    def status(what: str) -> int:
        return httpx.post(f"{facts['base_url']}/realtime/{what}", json={}, headers=headers).status_code

    assert status("sessions") == 520  # the scenario's own
    said = run("fault", "rate_limit; retry_after=2", "--on", "client_secrets.create", "--times", "1", **key)
    assert "name=rate_limit" in said.stdout and "retry_after=2" in said.stdout
    assert [status("client_secrets") for _ in range(2)] == [429, 200]
    assert run("fault", "none", **key).stdout == "done\n"
    assert status("sessions") == 200
    path = tmp_path / "x.yaml"
    path.write_text("responses: [{sai: x}]")
    refused = run("scenario", str(path), **key)
    assert refused.returncode == 1 and "x.yaml, line 1: responses[0].sai" in refused.stderr
    path.write_text("responses: [{say: x}]")
    assert run("scenario", str(path), **key).returncode == 0


@each(
    "words, status, message",
    [
        (("--port", "70000"), 2, "a port is 0 to 65535"),
        (("--speed", "-1"), 2, "at least 0"),
        (("--record", "x"), 2, "--record and --upstream go together"),
        (("--record", "x", "--replay", "y"), 2, "not allowed with"),
        (
            ("incoming", "--to", "http://x/", "--duplicates", "-1"),
            2,
            "a whole number of at least 0 is needed",
        ),
        (("fault", "slow", "--times", "many"), 2, "a whole number of at least 0 is needed, got many"),
        (("fault", "slow", "--rate", "nan"), 2, "a number from 0 to 1 is needed, got nan"),
        (("--scenario", "/none.yaml"), 2, "none.yaml"),
        (("--webhook-secret", "whsec_!"), 2, "webhook secret is malformed"),
        (("incoming",), 2, "--to"),
        (("--port", "http"), 2, "a port is 0 to 65535"),
        (("incoming", "--to", "http://x/"), 4, "OPENAI_API_KEY"),
        (("incoming", "--to", "http://x/", "--header", "x", "--api-key", "k"), 2, "Name: value"),
        (("fault", "flood", "--api-key", "k"), 2, "unknown fault 'flood'"),
        (("prss",), 2, "unrecognized arguments: prss; did you mean press?"),
        (("--prt", "1"), 2, "did you mean --port?"),
        (("--profile", "azur"), 2, "did you mean azure?"),
        (("fault", "socket_drop; after=response.dome", "--api-key", "k"), 2, "did you mean 'response.done'"),
        (("scenario", "/none.yaml", "--api-key", "k"), 2, "none.yaml"),
        (("--brain", "http://127.0.0.1:1/v1"), 2, "--brain and --brain-model go together"),
        (("--ears-model", "x"), 2, "--ears-model needs --ears"),
        (("--voice-model", "x"), 2, "--voice-model needs --voice"),
        (("--replay", "x", "--mcp", "shop"), 2, "--mcp has no effect with --replay"),
        (
            ("--record", "x", "--upstream", "http://x/v1", "--scenario", "y"),
            2,
            "--scenario has no effect with --record",
        ),
        (("--ears", "nonsense"), 2, "ears: expected an http or https URL"),
        (("--latency", "slow", "--pacing", "none"), 2, "not allowed with"),
        (("--host", "192.0.2.1"), 1, "cannot listen on 192.0.2.1:8765: Cannot assign requested address\n"),
        (("--clock", "noon"), 2, "clock: 'noon' is not a time"),
        (("--key", "sk-alone"), 2, "--key: expected NAME=KEY"),
        (("--key", "a=sk-1", "--key", "a=sk-2"), 2, "--key: the project 'a' comes twice"),
        (("--key", "a b=sk-1"), 2, "keys: allowed as a project's name"),
        (
            ("hang-up", "x", "--api-key", "k", "--simulator", "http://127.0.0.1:1/v1"),
            3,
            "no simulator answers",
        ),
        (("hang-up", "x", "--api-key", "k", "--simulator", "nonsense"), 2, "is not a URL"),
    ],
)
def test_wrong_arguments_are_explained(
    words: tuple[str, ...], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_status(*words) == status
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert said.startswith("realtime-simulator") and len(said.splitlines()) <= 2


@each(
    "words, pacing",
    [
        ((), Pacing(first_audio=2, speed=5)),
        (("--speed", "3"), Pacing(first_audio=2, speed=3)),
        (("--pacing", "none"), chosen_pacing("none")),
        (("--pacing", "real", "--first-audio", "1"), attrs.evolve(REAL, first_audio=1)),
        (("--latency", "slow"), chosen_pacing("slow")),
    ],
)
def test_options_outweigh_the_pace_of_a_scenario(
    words: tuple[str, ...], pacing: Pacing, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("pacing: {first_audio: 2, speed: 5}")
    options = _serve.arguments("realtime-simulator").parse_args(["--scenario", str(path), *words])
    assert _serve._simulator(options).pacing == pacing


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_status("--version") == 0
    assert capsys.readouterr().out == f"realtime-simulator {__version__}\n"


def main_status(*words: str) -> int | str | None:
    """Run the command in this process, for calls that end before they serve or send anything."""
    try:
        return main([*words])
    except SystemExit as end:
        return end.code


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signal handlers and the log are after the test as they were before it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    logger = logging.getLogger("realtime_simulator")
    before = [*map(signal.getsignal, numbers), logger.handlers[:], logger.level, logger.propagate]
    yield
    assert [*map(signal.getsignal, numbers), logger.handlers, logger.level, logger.propagate] == before


@pytest.mark.usefixtures("handlers")
@each(
    "words, status",
    [
        (("--port", "x"), 2),
        (("--webhook-secret", "whsec_%"), 2),
        (("--replay", "no/such/tape.jsonl"), 1),
        (("--host", "192.0.2.1"), 1),
        (("--help",), 0),
    ],
)
def test_a_command_that_fails_leaves_the_signal_handlers(words: tuple[str, ...], status: int) -> None:
    assert main_status(*words) == status


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_served_restores_the_signal_handlers(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_serve, "_print_addresses", lambda simulator, options: signal.raise_signal(number))
    assert main(["--port", "0"]) == 0


@pytest.mark.usefixtures("handlers")
def test_a_recording_that_ended_restores_the_signal_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setattr(_recordings, "print_export", lambda *values: signal.raise_signal(signal.SIGINT))
    assert main(["record", str(tmp_path / "one.yaml")]) == 0


def test_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("--scenario", "--record", "--replay", "--upstream", "incoming", "fault"):
        assert word in done.stdout
    assert main_status("incoming", "--help") == 0
    assert "--header" in capsys.readouterr().out
    assert main_status("fault", "--help") == 0
    faults = capsys.readouterr().out
    assert (
        "  slow: the response is late\n      seconds: a number from 0 to 86400; 1.0 if left out\n" in faults
    )


@each("words, seconds", [((), 300), (("--keep-audio", "0"), 0), (("--keep-audio", "9"), 9)])
def test_audio_is_kept_for_the_console_by_default(words: tuple[str, ...], seconds: float) -> None:
    simulator = _serve._simulator(arguments().parse_args(words))
    assert simulator._settings.keep_audio == seconds


def test_no_more_audio_is_kept_than_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--keep-audio", "601"]) == 2
    assert "keep_audio: allowed is 0 to 600, got 601" in capsys.readouterr().err


@pytest.mark.programs
@pytest.mark.parametrize("more", [(), ("--verbose",)])
def test_verbose_shows_a_line_for_each_event(more: tuple[str, ...]) -> None:
    with command("--port", "0", "--json", *more) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        address = facts["base_url"].replace("http", "ws", 1) + "/realtime?model=gpt-realtime-2.1"
        headers = {"authorization": f"Bearer {facts['api_key']}"}
        with connect(address, additional_headers=headers) as socket:
            session = json.loads(socket.recv())["session"]["id"]
            socket.send('{"type": "session.update", "session": {"type": "realtime", "voice": "cedar"}}')
            message = json.loads(socket.recv())["error"]["message"]
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
    lines = [json.loads(line) for line in out.splitlines()]
    assert all(line["session_id"] == session for line in lines)
    shown = [line["event"].removeprefix(f"session {session}: ") for line in lines]
    events = [
        'sent session.created "gpt-realtime-2.1"',
        "received session.update",
        f"sent error {json.dumps(message[:80])}",
    ]
    assert [line for line in shown if line.startswith(("sent", "received"))] == (events if more else [])


@pytest.mark.programs
def test_a_call_under_way_does_not_hold_up_the_end() -> None:
    with command("--port", "0", "--json") as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        key = {"OPENAI_API_KEY": facts["api_key"], "OPENAI_BASE_URL": facts["base_url"]}
        call = json.loads(run("incoming", "--to", "http://127.0.0.1:1/", "--json", **key).stdout)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=PATIENCE)
    assert (process.returncode, error) == (0, "")
    ended = [json.loads(line) for line in out.splitlines() if "ended" in line]
    assert ended[-1]["call_id"] == call["id"] and "shutdown" in ended[-1]["event"]


@each("words", [["--log-level", "debug"], ["--log-level", "debug", "--json"]])
def test_the_log_has_no_active_characters(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = arguments().parse_args(words)
    hostile = "\x1b[2J\x9b\u061c\u200e\u200f\u2028\u2029\u202e\x7f\ud800\r\n12:00 forged"
    with _serve._logging(options):
        logging.getLogger("realtime_simulator").debug("the client sent %s", hostile)
        try:
            raise ValueError(hostile)
        except ValueError:
            logging.getLogger("realtime_simulator").exception("it failed")
    shown = capsys.readouterr().out
    assert not set(hostile) - set("[2J12:00 forged\n") & set(shown)
    assert r"\u001b[2J" in shown
    if "--json" in words:
        assert json.loads(shown.splitlines()[0])["event"] == f"the client sent {hostile}"
    else:
        assert r"\u2028" in shown.splitlines()[0] and "forged" in shown.splitlines()[0]
