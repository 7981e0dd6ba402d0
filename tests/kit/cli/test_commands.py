"""The commands that do one thing: against a simulator, in pipes, on a terminal, and most in this process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from realtime_simulator import Simulator

from realtime_ext import __version__, webhooks
from realtime_ext.models import TRANSCRIPTION_MODEL
from realtime_ext.testing import sample_offer
from tests.support.command import environment, realtime, realtime_here, terminal
from tests.support.paths import QUESTION
from tests.support.rows import each
from tests.support.waiting import PATIENCE


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def offer(tmp_path: Path) -> Path:
    path = tmp_path / "offer.sdp"
    path.write_bytes(sample_offer().encode())
    return path


@pytest.fixture
def ringing(simulator: Simulator) -> Iterator[str]:
    class App(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield simulator.incoming_call(to=f"http://127.0.0.1:{server.server_port}/", wait=True).id
        server.shutdown()


@pytest.mark.programs
def test_the_version_is_printed() -> None:
    assert realtime("--version").out == f"realtime {__version__}\n"


def test_help_loads_nothing_that_is_slow() -> None:
    code = "import sys; from realtime_kit.cli import main; sys.argv = ['realtime', '--help']\n"
    code += "try: main()\nfinally: print(sorted({n.partition('.')[0] for n in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(None), capture_output=True, text=True, timeout=PATIENCE
    )
    slow = ("attrs", "httpx", "websockets", "realtime_api", "realtime_simulator", "rich", "numpy", "msgspec")
    slow += ("asyncio", "http", "ssl")
    assert "transcribe" in done.stdout
    assert [name for name in slow if f"'{name}'" in done.stderr] == []


def test_without_a_command_there_is_help() -> None:
    done = realtime_here()
    assert (done.status, done.err) == (0, "")
    assert "webhook" in done.out


@each(
    "arguments, status, message, hint",
    [
        (["call", "crate"], 2, "No such command 'crate'", "realtime call --help"),
        (["call", "accept"], 2, "Missing argument", "realtime call accept --help"),
        (["secret", "create"], 4, "there is no API key", "OPENAI_API_KEY"),
        (["session", "check", "gone.json"], 1, "gone.json: No such file", ""),
        (["webhook", "sign", "-"], 2, "no webhook secret", "OPENAI_WEBHOOK_SECRET"),
    ],
)
def test_an_error_is_one_line_and_a_hint(
    arguments: list[str], status: int, message: str, hint: str, tmp_path: Path
) -> None:
    done = realtime_here(*arguments, cwd=tmp_path)
    assert (done.status, done.out) == (status, "")
    lines = done.err.splitlines()
    assert lines[0].startswith("realtime: ")
    assert message in lines[0]
    assert (lines[1:] == []) if not hint else (len(lines) == 2 and hint in lines[1])


@each(
    "arguments, option, allowed",
    [
        (["listen", "--port=99999"], "--port", "99999 is not in the range 0<=x<=65535"),
        (["listen", "--port=-1"], "--port", "-1 is not in the range 0<=x<=65535"),
        (["listen", "--port=http"], "--port", "'http' is not a valid int"),
        (["listen", "--tolerance=nan"], "--tolerance", "expected seconds, 0 or more, got nan"),
        (["webhook", "verify", "x", "--tolerance=-1"], "--tolerance", "expected seconds, 0 or more, got -1"),
        (["webhook", "sign", "x", "--timestamp=-1"], "--timestamp", "-1 is not in the range x>=0"),
        (["call", "reject", "rtc_1", "--status=0"], "--status", "0 is not in the range 300<=x<=699"),
        (["secret", "create", "--expires-after=0"], "--expires-after", "0 is not in the range 10<=x<=7200"),
        (["tail", "rtc_1", "--count=0"], "--count", "0 is not in the range x>=1"),
        (["fleet", "drain", "0", "--dsn=x"], "worker", "0 is not in the range x>=1"),
    ],
)
def test_a_number_outside_of_its_range_is_wrong_use(arguments: list[str], option: str, allowed: str) -> None:
    done = realtime_here(*arguments)
    message, hint = done.err.splitlines()
    assert (done.status, done.out) == (2, "")
    assert message.startswith("realtime: Invalid value for ") and allowed in message
    assert option in message.lower()
    assert "--help" in hint


@each("group", ["call", "secret", "session", "sdp", "webhook", "fleet"])
def test_a_group_alone_lists_its_commands(group: str) -> None:
    alone = realtime_here(group)
    assert (alone.status, alone.err) == (0, "")
    assert alone.out == realtime_here(group, "--help").out
    assert "Commands:" in alone.out


def test_the_list_of_commands_says_all_of_what_each_does() -> None:
    for command in ((), ("call",), ("sdp",), ("session",), ("webhook",), ("fleet",)):
        listed = realtime_here(*command, "-h", COLUMNS="80").out.partition("Commands:")[2]
        assert listed and "..." not in listed


def test_standard_input_stands_for_one_file(simulator: Simulator) -> None:
    done = realtime_here("call", "create", "-", "--session", "-", stdin="{}", simulator=simulator)
    assert (done.status, done.out) == (2, "")
    assert "- is used twice" in done.err


def test_the_simulator_reads_all_words_itself(simulator: Simulator, tmp_path: Path) -> None:
    words = [
        str(tmp_path / "a.yaml"),
        "--upstream",
        simulator.base_url,
        "--",
        sys.executable,
        "-c",
        "exit(7)",
    ]
    done = realtime_here("simulator", "record", *words, simulator=simulator)
    assert done.status == 7, done.err


@each(
    "words, shown",
    [
        (("simulator",), "usage: realtime simulator [-h]"),
        (("simulator", "fault"), "usage: realtime simulator fault [-h]"),
        (("rehearse",), "usage: realtime rehearse [-h]"),
        (("step",), "usage: realtime step [-h]"),
    ],
)
def test_the_simulator_prints_its_own_help(words: tuple[str, ...], shown: str) -> None:
    done = realtime_here(*words, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(shown)


@pytest.mark.slow
def test_a_missing_database_is_one_line_and_a_hint() -> None:
    done = realtime_here("fleet", "ls", "--dsn", "postgresql://127.0.0.1:1/calls")
    assert (done.status, done.out) == (3, "")
    message, hint = done.err.splitlines()
    assert message.startswith("realtime: the database failed: connection failed: ")
    assert hint == "  hint: check --dsn or FLEET_DSN"


@pytest.mark.programs
def test_a_warning_is_one_line(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text('{"type": "realtime", "model": "gpt-realtime", "colour": 1}')
    done = realtime("secret", "create", "--session", "session.json", simulator=simulator, cwd=tmp_path)
    assert done.err.splitlines()[0].startswith("realtime: warning: colour: not a known field")


def test_a_made_calls_id_is_shown_also_where_its_answer_cant_be_written(
    simulator: Simulator, offer: Path
) -> None:
    done = realtime_here("call", "create", offer, "--answer", "/gone/answer.sdp", simulator=simulator)
    assert done.status == 1
    assert f"call_id\t{simulator.calls[-1].id}" in done.out


def test_an_invalid_offer_gets_a_hint_about_what_to_send(simulator: Simulator) -> None:
    done = realtime_here("call", "create", "-", stdin="{}", simulator=simulator)
    message, hint = done.err.splitlines()
    assert "Send" not in message
    assert hint.startswith("  hint: send the value")


@each(
    "session, problem",
    [
        ({"model": "gpt-live-1", "audio": {"format": {"type": "audio/pcmu", "rate": 8000}}}, None),
        ({"model": "gpt-live-1.1", "idle_timeout_s": 30}, None),
        ({"model": "gpt-live-1", "tools": []}, "tools"),
        (
            {
                "model": "gpt-live-1",
                "audio": {"format": {"type": "audio/pcmu", "rate": 8000}},
                "idle_timeout_s": 30,
            },
            "idle_timeout_s",
        ),
    ],
)
def test_a_live_session_is_checked(session: dict[str, object], problem: str | None) -> None:
    done = realtime_here("session", "check", "-", "--live", "--json", stdin=json.dumps(session))
    assert done.status == (0 if problem is None else 1)
    assert [row["field"] for row in json.loads(done.out)] == ([] if problem is None else [problem])


def test_a_translations_session_is_checked_and_gets_its_secret(simulator: Simulator) -> None:
    session = json.dumps({"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}})
    assert realtime_here("session", "check", "-", stdin=session).status == 0
    made = realtime_here("secret", "create", "--session", "-", "--json", stdin=session, simulator=simulator)
    assert (made.status, made.json["value"]) == (0, "ek_***")


def test_a_session_without_type_is_asked_for_it() -> None:
    done = realtime_here("session", "check", "-", "--json", stdin='{"model": "gpt-realtime"}')
    assert (done.status, done.json[0]["field"]) == (1, "type")


@pytest.mark.programs
def test_no_answer_and_a_refused_key_have_their_statuses(simulator: Simulator) -> None:
    assert realtime("secret", "create", simulator=simulator, OPENAI_API_KEY="sk-of-nobody").status == 4
    url = "http://127.0.0.1:9/v1"
    done = realtime("call", "hangup", "rtc_1", simulator=simulator, OPENAI_BASE_URL=url)
    assert done.status == 3
    assert "OPENAI_BASE_URL" in done.err


@pytest.mark.slow
def test_a_failing_proxy_is_in_the_hint() -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    url = {"OPENAI_BASE_URL": "http://api.example.com/v1", "OPENAI_API_KEY": "sk-1"}
    for command in (("secret", "create"), ("tail", "rtc_1")):
        done = realtime_here(*command, **url, **proxy, NO_PROXY="", no_proxy="")
        message, hint = done.err.splitlines()
        assert "no connection to api.example.com through the proxy 127.0.0.1:9: " in message
        assert (done.status, hint.startswith("  hint: check the network and the proxy; ")) == (3, True)


def test_a_call_that_is_over_and_a_wrong_base_url_have_other_hints(simulator: Simulator) -> None:
    over = realtime_here("call", "hangup", "rtc_1", simulator=simulator)
    assert over.err.endswith("  hint: ended calls and sessions no longer exist at the API\n")
    url = simulator.base_url.removesuffix("/v1")
    wrong = realtime_here("call", "hangup", "rtc_1", simulator=simulator, OPENAI_BASE_URL=url)
    assert "the base URL has no /v1" in wrong.err and "hint:" not in wrong.err


def test_commands_and_options_are_completed() -> None:
    done = realtime(_REALTIME_COMPLETE="complete_bash", COMP_WORDS="realtime web", COMP_CWORD="1")
    assert done.out.split() == ["webhook"]


@pytest.mark.parametrize("dialect", ["beta", "xai", "azure-voice-live"])
def test_a_dialect_is_chosen(dialect: str) -> None:
    done = realtime_here("talk", "--simulator", "--dialect", dialect, "Hello")
    assert "You said: Hello" in done.out
    assert dialect in "".join(realtime_here("talk", "--help").out.split())  # names are broken at hyphens


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    done = realtime_here("transcribe", "--dialect", "ga", str(QUESTION))
    assert done.status == 2
    assert "expected one of beta, xai, azure-voice-live, got 'ga'" in done.err


def test_a_call_is_made_and_hung_up(simulator: Simulator, offer: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.sdp"
    made = realtime_here(
        "call", "create", offer, "--voice=cedar", "--answer", answer, "--json", simulator=simulator
    )
    call = simulator.calls[-1]
    assert (made.status, made.json["call_id"], made.err) == (0, call.id, "")
    assert "a=ice-pwd:***" in made.json["sdp_answer"]
    assert "a=ice-pwd:***" not in answer.read_text()
    assert call.session.config["audio"]["output"]["voice"] == "cedar"
    done = realtime_here("call", "hangup", call.id, simulator=simulator)
    assert (done.status, done.out) == (0, f"call_id\t{call.id}\nstatus\thung up\n")


@pytest.mark.programs
def test_the_offer_comes_and_the_answer_goes_through_pipes(simulator: Simulator) -> None:
    done = realtime("call", "create", "-", "--answer=-", simulator=simulator, stdin=sample_offer())
    assert done.status == 0
    assert done.out.startswith("v=0\r\n")
    assert simulator.calls[-1].id in done.err


def test_a_phone_call_is_accepted_referred_and_rejected(simulator: Simulator, ringing: str) -> None:
    done = realtime_here("call", "accept", ringing, "--instructions=Be brief.", "--json", simulator=simulator)
    assert done.json == {"call_id": ringing, "status": "accepted"}
    assert realtime_here("call", "refer", ringing, "tel:+14155550123", simulator=simulator).status == 0
    done = realtime_here("call", "reject", "rtc_gone", "--status=486", simulator=simulator)
    assert done.status == 1
    assert "hint: " in done.err


def test_a_secret_is_masked_unless_it_is_asked_for(simulator: Simulator) -> None:
    assert realtime_here("secret", "create", "--json", simulator=simulator).json["value"] == "ek_***"
    session = json.dumps(
        {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    )
    done = realtime_here(
        "secret", "create", "--reveal", "--json", "--session=-", simulator=simulator, stdin=session
    )
    assert done.json["value"].startswith("ek_")
    assert "***" not in done.json["value"]
    assert isinstance(done.json["expires_at"], int)


def test_all_problems_of_a_session_are_listed() -> None:
    session = json.dumps(
        {"type": "realtime", "modalities": ["text"], "audio": {"output": {"speed": 9}}, "bogus": 1}
    )
    done = realtime_here("session", "check", "-", "--json", stdin=session)
    assert done.status == 1
    assert [row["field"] for row in done.json] == ["modalities", "audio.output.speed", "bogus"]
    assert [row["severity"] for row in done.json] == ["error", "error", "warning"]
    assert done.json[1]["problem"].startswith("expected a number from 0.25 to 1.5")
    text = realtime_here("session", "check", "-", stdin=session).out
    assert text.count("audio.output.speed") == 1
    session = '{"type": "realtime", "model": "gpt-realtime"}'
    right = realtime_here("session", "check", "-", "--json", stdin=session)
    assert (right.status, right.json) == (0, [])


def test_an_unknown_field_of_a_session_is_a_warning() -> None:
    session = '{"type": "realtime", "model": "gpt-realtime", "instrctions": "Be brief."}'
    done = realtime_here("session", "check", "-", stdin=session)
    assert done.status == 0
    assert done.out.startswith("warning\tinstrctions\tnot a known field")
    assert done.out.count("instrctions") == 1
    assert realtime_here("session", "check", "-", "--strict", stdin=session).status == 1


def test_an_offer_is_checked_and_repaired(tmp_path: Path) -> None:
    broken = tmp_path / "offer.sdp"
    broken.write_bytes(sample_offer().replace("\r\n", "\n").strip().encode())
    done = realtime_here("sdp", "check", broken, "--json")
    assert done.status == 1
    assert [row["code"] for row in done.json] == ["lf_line_ends", "no_final_crlf"]
    assert realtime_here("sdp", "repair", broken).out == sample_offer()
    assert realtime_here("sdp", "repair", "--in-place", broken).err.endswith("repaired\n")
    assert broken.read_bytes() == sample_offer().encode()
    assert realtime_here("sdp", "check", "-", stdin=broken.read_bytes()).status == 0


@pytest.mark.programs
def test_a_terminal_gets_a_table_and_colour_unless_it_wants_none(tmp_path: Path) -> None:
    broken = tmp_path / "offer.sdp"
    broken.write_bytes(b"v=0\r\n")
    with terminal("sdp", "check", broken) as shown:
        assert shown.wait() == 1
    assert "problem" in shown.shown  # the head of a table
    assert "\x1b[" in shown.shown
    with terminal("sdp", "check", broken, NO_COLOR="1") as shown:
        assert shown.wait() == 1
    assert "\x1b[3" not in shown.shown
    assert "\t" not in shown.shown


def test_a_webhook_is_signed_and_verified(simulator: Simulator, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"type": "realtime.call.incoming", "data": {"call_id": "rtc_1"}}')
    signed = realtime_here("webhook", "sign", body, "--id=wh_1", simulator=simulator)
    headers = tmp_path / "headers"
    headers.write_text(signed.out)
    done = realtime_here("webhook", "verify", body, "--headers", headers, "--json", simulator=simulator)
    assert done.status == 0
    assert (done.json["genuine"], done.json["call_id"]) == (True, "rtc_1")
    body.write_text("{}")
    done = realtime_here("webhook", "verify", body, "--headers", headers, simulator=simulator)
    assert done.status == 1
    assert "no webhook signature matches" in done.err


def test_a_made_up_webhook_is_sent_and_genuine(simulator: Simulator) -> None:
    came: list[object] = []

    class App(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append(webhooks.unwrap(body, self.headers, simulator.webhook_secret))
            self.send_response(200 if len(came) == 1 else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        done = realtime_here("webhook", "send", url, "--call-id=rtc_7", "--json", simulator=simulator)
        assert (done.status, done.json["status"]) == (0, 200)
        assert came[0].data.call_id == "rtc_7"  # type: ignore[attr-defined]
        assert realtime_here("webhook", "send", url, simulator=simulator).status == 1
        server.shutdown()
    assert realtime_here("webhook", "send", url, simulator=simulator).status == 3


@pytest.mark.programs
def test_ctrl_c_ends_a_command_with_its_status_and_no_traceback(simulator: Simulator) -> None:
    came, over = threading.Event(), threading.Event()

    class App(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.set()
            over.wait(PATIENCE)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with terminal(
            "webhook", "send", f"http://127.0.0.1:{server.server_port}/", simulator=simulator
        ) as shown:
            assert came.wait(PATIENCE)
            shown.type("\x03")
            assert shown.wait() == 130
        over.set()
        server.shutdown()
    assert "Traceback" not in shown.shown


@pytest.mark.programs
def test_transcripts_appear_as_they_come_on_a_terminal(simulator: Simulator) -> None:
    simulator.on_speech(lambda heard: "When is breakfast?")
    with terminal("transcribe", QUESTION, simulator=simulator) as shown:
        shown.wait_for("When is breakfast?\r\n")
        assert shown.wait() == 0


def test_speech_is_written_down(simulator: Simulator) -> None:
    simulator.on_speech(lambda heard: f"{heard.seconds:.0f} seconds about breakfast")
    done = realtime_here("transcribe", QUESTION, simulator=simulator)
    assert (done.status, done.out, done.err) == (0, "2 seconds about breakfast\n", "")
    both = ("transcribe", QUESTION, "-", "--json")
    done = realtime_here(*both, simulator=simulator, stdin=QUESTION.read_bytes())
    assert [line["file"] for line in done.lines] == [str(QUESTION), "-"]
    assert {line["text"] for line in done.lines} == {"2 seconds about breakfast"}
    assert realtime_here("transcribe", "-", simulator=simulator, stdin=b"RIFF").status == 1


def test_the_default_model_transcribes_and_an_unknown_one_is_refused(simulator: Simulator) -> None:
    assert realtime_here("transcribe", QUESTION, simulator=simulator).status == 0
    config = simulator.sessions[-1].config
    assert config["audio"]["input"]["transcription"]["model"] == TRANSCRIPTION_MODEL
    done = realtime_here("transcribe", "--model", "nova-3", QUESTION, simulator=simulator)
    assert done.status == 1
    assert "'nova-3'" in done.err and "Supported values are: 'whisper-1'" in done.err


def test_speech_is_written_down_without_a_key() -> None:
    assert "seconds of speech" in realtime_here("transcribe", "--simulator", QUESTION).out


@pytest.mark.programs
def test_the_shell_completes_commands_and_options() -> None:
    asked = {"_REALTIME_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    assert set(realtime(COMP_WORDS="realtime webhook s", **asked).out.split()) == {"sign", "send"}
    assert "--json" in realtime(COMP_WORDS="realtime doctor --", **asked).out.split()
    asked["COMP_CWORD"] = "3"
    assert realtime(COMP_WORDS="realtime talk --dialect x", **asked).out.split() == ["xai"]
