"""The examples run against their own simulators; those that serve do so in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import httpx
import pytest
from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import RealtimeClient, audio
from tests.support.chromium import chromium
from tests.support.examples import check_each
from tests.support.media_phone import media_call
from tests.support.paths import QUESTION, ROOT
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "where.py")
OFFER = (ROOT / "tests/samples/sdp/offer-chromium-audio-datachannel.sdp").read_bytes()


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            map(str, (ROOT, ROOT / "generated", ROOT / "tests" / "support" / "sound_card"))
        ),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def run(name: str, *arguments: str, cwd: Path, said: str = "") -> str:
    """Run a program to its end in this process: most of what one of its own does is importing."""
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", [name, *arguments]),
        mock.patch.object(sys, "path", [str((EXAMPLES / name).parent), *sys.path]),
        mock.patch.object(sys, "stdin", io.StringIO(said)),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as errors,
        contextlib.chdir(cwd),
    ):
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert errors.getvalue() == ""
    return out.getvalue()


@pytest.mark.programs
def test_talk_answers_what_its_arguments_say(tmp_path: Path) -> None:
    lines = run("talk.py", "Hello", "And you?", cwd=tmp_path).splitlines()
    assert lines[:4] == ["> Hello", "You said: Hello", "> And you?", "You said: And you?"]
    assert re.fullmatch(r"[1-9]\d* tokens", lines[4])


@pytest.mark.programs
def test_talk_reads_lines(tmp_path: Path) -> None:
    assert run("talk.py", cwd=tmp_path, said="Hello\n").startswith("> Hello\nYou said: Hello\n")


@pytest.mark.programs
def test_talk_asks_a_file_and_writes_the_answer(tmp_path: Path) -> None:
    out = run("talk.py", "--audio-in", str(QUESTION), "--audio-out", "answer.wav", cwd=tmp_path)
    pcm = audio.read_wav(tmp_path / "answer.wav")
    seconds = audio.duration_ms(pcm) / 1000
    assert out.startswith(f"Breakfast starts at seven. ({seconds:.1f} s in answer.wav)\n")
    assert seconds > 1
    assert any(pcm)


@pytest.mark.programs
def test_talk_hears_the_microphone_and_plays_the_answer(tmp_path: Path) -> None:
    card = {"SOUND_CARD_IN": str(QUESTION), "SOUND_CARD_OUT": str(tmp_path / "played.pcm")}
    with serving("talk.py", "--microphone", cwd=tmp_path, **card) as process:
        assert line(process) == "> What time does breakfast start?"
        assert line(process) == "Breakfast starts at seven."
    assert (tmp_path / "played.pcm").stat().st_size > 0


@pytest.mark.programs
def test_function_calling_corrects_the_mistake_and_books_once(tmp_path: Path) -> None:
    first, second, answer, bookings = run("function_calling.py", cwd=tmp_path).splitlines()
    assert '"nights": 30' in first
    assert "invalid_argument" in first
    assert second.endswith('-> {"room":"Elm","price":270}')
    assert answer == "Elm is yours for three nights. That is 270."
    assert bookings == "bookings: [('Elm', 3)]"


@pytest.mark.programs
def test_auditor_keeps_a_folder(tmp_path: Path) -> None:
    said, latency, call, cost, files = run("auditor.py", "--folder", "a", cwd=tmp_path).splitlines()
    assert said == 'breakfast_time answered: "7:00"'
    assert re.fullmatch(r"\{'completed': 2\}, first audio after \d+ ms", latency)
    assert call.startswith("breakfast_time({") and re.fullmatch(r"cost: 0\.\d+ USD", cost)
    assert files == "files: call.wav, report.json, transcript.jsonl"


@pytest.mark.programs
def test_budget_warns_and_ends_the_conversation(tmp_path: Path) -> None:
    out = run("budget.py", "--usd", "0.02", cwd=tmp_path)
    warned, ended, spent = out.splitlines()
    assert re.fullmatch(r"\d+% of the budget is spent", warned)
    assert re.fullmatch(r"the budget is spent: 0\.\d+ of 0\.02 USD", ended)
    assert re.fullmatch(r"\d+ responses, 0\.0\d+ USD", spent)


@pytest.mark.programs
def test_goodbye_is_heard_before_the_call_ends(tmp_path: Path) -> None:
    assert run("goodbye.py", cwd=tmp_path).splitlines() == [
        "said: We close at ten. Goodbye.",
        "ended by: hangup",
    ]


@pytest.mark.programs
def test_transcribe_prints_the_words(tmp_path: Path) -> None:
    assert run("transcribe.py", cwd=tmp_path) == "What time does breakfast start?\n"


@pytest.mark.programs
def test_translate_prints_and_speaks(tmp_path: Path) -> None:
    words, length = run("translate.py", "--to", "es", cwd=tmp_path).splitlines()
    assert words == "¿A qué hora empieza el desayuno?"
    seconds = audio.duration_ms(audio.read_wav(tmp_path / "translated.wav")) / 1000
    assert seconds > 1
    assert length == f"{seconds:.1f} s in translated.wav"


@pytest.mark.programs
def test_webrtc_call_talks_both_ways(tmp_path: Path) -> None:
    lines = run("webrtc_call.py", cwd=tmp_path).splitlines()
    assert lines[:5] == [f"done: {step}" for step in ("offer", "call", "ice", "dtls", "data channel")]
    assert re.fullmatch(r"call rtc_u1_\w+", lines[5])
    assert lines[6:8] == ["the API hears speech", "Breakfast starts at seven."]
    pcm = audio.read_wav(tmp_path / "reply.wav")
    assert any(pcm)
    assert lines[8].endswith(" s in reply.wav")


def test_live_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def check(name: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, "--live"])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        assert ended.value.code == "--live needs OPENAI_API_KEY"

    check_each(subtests, PROGRAMS, check)


# Programs that serve


@contextlib.contextmanager
def serving(name: str, *arguments: str, cwd: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the block ends; then stop it, as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def line(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a program prints; a program that prints none for a long time is killed."""
    assert process.stdout is not None
    hanging = threading.Timer(100, process.kill)
    hanging.start()
    try:
        text = process.stdout.readline()
    finally:
        hanging.cancel()
    assert text, "the program has ended"
    return text.strip()


@pytest.fixture
def web_voice(tmp_path: Path) -> Iterator[str]:
    with serving("web_voice/web_voice.py", "--port", "0", cwd=tmp_path) as process:
        yield line(process)


@pytest.mark.slow
def test_web_voice_makes_calls_for_pages(web_voice: str) -> None:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
        page = http.get(web_voice)
        secret = http.post(f"{web_voice}realtime/secret").json()
        headers = {"content-type": "application/sdp"}
        call = http.post(f"{web_voice}realtime/offer", content=OFFER, headers=headers)
        foreign = {**headers, "sec-fetch-site": "cross-site"}
        assert http.post(f"{web_voice}realtime/offer", content=OFFER, headers=foreign).status_code == 403
    assert page.text == (EXAMPLES / "web_voice" / "index.html").read_text(encoding="utf-8")
    assert (call.status_code, call.text[:3]) == (201, "v=0")
    assert set(secret) == {"value", "expires_at", "calls_url"}
    base_url, found, _ = secret["calls_url"].partition("/realtime/calls")
    assert found
    with RealtimeClient(base_url=base_url) as client:
        assert client.calls.create_with_secret(OFFER, secret["value"]).id.startswith("rtc_")


@contextlib.contextmanager
def browsing(url: str, folder: Path) -> Iterator[Page]:
    """Open a page in a browser whose microphone hears nothing."""
    silence = folder / "silence.wav"  # the browser's own microphone beeps, which interrupts
    audio.write_wav(silence, bytes(48_000))
    with chromium(f"--use-file-for-fake-audio-capture={silence}") as browser:
        page = browser.new_page()
        page.goto(url)
        yield page


def until(page: Page, said: str) -> None:
    page.wait_for_function(
        "said => document.getElementById('words').textContent.endsWith(said)",
        arg=said,
        timeout=PATIENCE * 1000,
    )


@pytest.mark.slow
@pytest.mark.browser
def test_web_voice_talks_and_books_in_a_browser(web_voice: str, tmp_path: Path) -> None:
    with browsing(web_voice, tmp_path) as page:
        page.click("#talk")
        until(page, "Good morning. How can I help you?\n")
        page.fill("#text", "Please book Elm for two nights.")
        page.click("#send")
        until(page, "Elm is yours for 180.\n")
        page.click("#end")
        page.wait_for_function("!document.getElementById('talk').disabled", timeout=PATIENCE * 1000)
        page.click("#talk")  # and once more
        until(page, "Good morning. How can I help you?\n")


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.browser
def test_web_voice_answers_typed_text_while_it_talks(web_voice: str, tmp_path: Path) -> None:
    with browsing(web_voice, tmp_path) as page:
        page.click("#talk")
        until(page, "Good morning. How can I help you?\n")
        page.fill("#text", "and so on " * 200)
        page.click("#send")
        page.wait_for_function(
            "document.getElementById('words').textContent.includes('You said: and')", timeout=PATIENCE * 1000
        )
        page.fill("#text", "Please book Elm for two nights.")
        page.click("#send")
        until(page, "Elm is yours for 180.\n")
        assert "active response" not in page.inner_text("#words")


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.browser
def test_web_voice_talks_with_a_client_secret_in_a_browser(web_voice: str, tmp_path: Path) -> None:
    with browsing(f"{web_voice}secret.html", tmp_path) as page:
        page.click("#talk")
        until(page, "Good morning. How can I help you?\n")


@pytest.mark.slow
def test_a_phone_line_transfers_and_survives_its_restart(tmp_path: Path) -> None:
    with Simulator(pacing="none") as simulator:
        simulator.on_speech(lambda heard: "The kitchen, please.")
        simulator.on_refer(200)  # the transferred call is answered
        simulator.on_response(call_tool("transfer", {"department": "kitchen"}), match="kitchen")
        simulator.on_response("Front desk, good morning.", match="^$")
        service = {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": simulator.api_key,
            "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
        }
        arguments = ("phone_line/phone_line.py", "--port", "0")
        with serving(*arguments, cwd=tmp_path, **service) as process:
            call = simulator.incoming_call(line(process), duplicates=1)
            assert line(process) == "+14155550100 calls"
            assert line(process) == "desk: Front desk, good morning."
            process.kill()
        assert call.ended is None
        assert [file.name for file in (tmp_path / "calls").iterdir()] == [call.id]
        with serving(*arguments, cwd=tmp_path, **service) as process:
            line(process)
            assert line(process) == "a call goes on"
            simulator.caller_says(call, str(QUESTION))
            assert line(process) == "caller: The kitchen, please."
            assert line(process) == "the call is over"
        assert call.refers == ["tel:+14155550111"]
        assert call.ended == "referred"
        assert list((tmp_path / "calls").iterdir()) == []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answering(port: int) -> None:
    """Wait until a program serves."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=20), trust_env=False, timeout=PATIENCE) as http:
        http.get(f"http://127.0.0.1:{port}/")


@pytest.mark.slow
def test_a_live_model_has_its_backend_call_a_function(tmp_path: Path) -> None:
    *said, usage = run("live/backend.py", cwd=tmp_path).splitlines()
    words = [line.partition(" s ")[2] for line in said]
    assert words[0] == "user: What time does breakfast start?"
    # A pause that is long enough begins a line of its own.
    assert "".join(words[1:]).replace("assistant: ", "") == "One moment.At eight on Sundays."
    assert re.fullmatch(r"\d+ s of session", usage)
    assert any(audio.read_wav(tmp_path / "live.wav"))


@pytest.mark.slow
def test_a_live_model_delegates_to_the_program(tmp_path: Path) -> None:
    lines = run("live/assistant.py", cwd=tmp_path).splitlines()
    said = ["assistant: One moment.", "assistant: The hours of breakfast are seven to ten."]
    assert [line for line in lines if line.startswith("assistant")] == said
    assert lines.index("delegated: What time does breakfast start?") < lines.index(said[-1])
    assert lines.index("user: What time does breakfast start?") < lines.index(said[0])
    assert len(lines) == 4


@pytest.mark.slow
def test_a_live_phone_line_answers_and_transfers(tmp_path: Path) -> None:
    port = free_port()
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "The kitchen, please." if heard.finished else None)
        simulator.on_refer(200)

        def has_greeted() -> bool:
            sent = [event for session in simulator.sessions for event in session.sent]
            return any("Hotel" in event.get("delta", "") for event in sent)

        transfer = call_tool("transfer", {"department": "kitchen"})
        simulator.on_response(sequence(["One moment.", transfer], "You are being transferred."))
        service = {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": simulator.api_key,
            "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
            "PORT": str(port),
        }
        with serving("live/live_phone.py", cwd=tmp_path, **service) as process:
            answering(port)
            url = f"http://127.0.0.1:{port}/webhook"
            call = simulator.incoming_call(url, events=["live.transport.incoming"])
            simulator.wait_for(has_greeted)
            simulator.caller_says(call, str(QUESTION))
            assert line(process) == "assistant: Good morning, this is the Harbour Hotel."
            assert line(process) == "user: The kitchen, please."
            assert line(process).startswith("assistant: One moment.")
        assert call.refers == ["tel:+14155550111"]


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.browser
def test_a_live_page_greets_in_a_browser(tmp_path: Path) -> None:
    port = free_port()
    with serving("live/browser.py", "--port", str(port), cwd=tmp_path) as process:
        url = line(process)
        answering(port)
        with browsing(url, tmp_path) as page:
            page.click("#talk")
            until(page, "Good morning. How can I help you?")
            page.click("#end")
            page.wait_for_function("!document.getElementById('talk').disabled", timeout=PATIENCE * 1000)


def test_live_examples_are_short() -> None:
    assert all(len(path.read_text().splitlines()) < 60 for path in (EXAMPLES / "live").iterdir())


@pytest.mark.slow
def test_a_twilio_stream_is_answered(tmp_path: Path) -> None:
    with serving("twilio_stream/twilio_stream.py", "--port", "0", cwd=tmp_path) as process:
        voice = line(process)
        asked = httpx.post(voice, data={"From": "+14155550100", "CallSid": "CA1"}, trust_env=False)
        url = voice.replace("http", "ws").replace("/voice", "/media")
        assert asked.headers["content-type"] == "application/xml"
        assert f'<Stream url="{url}"><Parameter name="caller" value="+14155550100"/></Stream>' in asked.text

        async def call() -> None:
            async with media_call(url, caller="+14155550100") as phone:
                assert await asyncio.to_thread(line, process) == "+14155550100 calls"
                assert await asyncio.to_thread(line, process) == "desk: Front desk, good morning."
                await phone.send("dtmf", dtmf={"digit": "5"})
                assert await asyncio.to_thread(line, process) == "key 5"
                await phone.hang_up()

        asyncio.run(call())
        assert line(process) == "the call is over"


@pytest.mark.programs
@pytest.mark.parametrize("server", ["azure", "xai", "beta", "localai"])
def test_compatible_servers_have_the_same_conversation(server: str, tmp_path: Path) -> None:
    first, second = run("compatible/servers.py", server, cwd=tmp_path).splitlines()
    assert re.fullmatch(r"\[room_temperature\] It is 21 degrees\. \(\d{4,} bytes of audio\)", first)
    assert re.fullmatch(r"You are welcome\. \(\d{4,} bytes of audio\)", second)


@pytest.mark.programs
@pytest.mark.weekly
def test_the_app_with_tests_passes_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "testing")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.alone
def test_the_rehearsed_app_passes_and_its_mistakes_are_found() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "rehearsal")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout


def test_every_example_is_listed_and_run() -> None:
    listed = set(re.findall(r"^\| `(\S+)` \|", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.M))
    folders = {f"{path.name}/" for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert listed == {*PROGRAMS, *folders}
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'run("{name}"' in tested for name in PROGRAMS)
