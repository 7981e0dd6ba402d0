"""The examples run, each as its readers run it: as a program of its own, against its own simulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from realtime_ext import RealtimeClient, audio
from tests.support.chromium import chromium
from tests.support.examples import check_each
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "where.py")
OFFER = (ROOT / "tests/samples/sdp/offer-chromium-audio-datachannel.sdp").read_bytes()


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def run(name: str, *arguments: str, cwd: Path, said: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env=environment(),
        input=said or "",
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_text_chat_says_what_its_arguments_say(tmp_path: Path) -> None:
    lines = run("text_chat.py", "Hello", "And you?", cwd=tmp_path).splitlines()
    assert lines[:4] == ["> Hello", "You said: Hello", "> And you?", "You said: And you?"]
    assert re.fullmatch(r"[1-9]\d* tokens", lines[4])


def test_text_chat_reads_lines(tmp_path: Path) -> None:
    assert run("text_chat.py", cwd=tmp_path, said="Hello\n").startswith("> Hello\nYou said: Hello\n")


def test_voice_question_writes_the_answer(tmp_path: Path) -> None:
    out = run("voice_question.py", cwd=tmp_path)
    pcm = audio.read_wav(tmp_path / "answer.wav")
    seconds = audio.duration_ms(pcm) / 1000
    assert out == f"Breakfast starts at seven. ({seconds:.1f} s in answer.wav)\n"
    assert seconds > 1
    assert any(pcm)


def test_function_calling_mends_the_mistake_and_books_once(tmp_path: Path) -> None:
    first, second, answer, bookings = run("function_calling.py", cwd=tmp_path).splitlines()
    assert '"nights": 30' in first
    assert "invalid_argument" in first
    assert second.endswith('-> {"room":"Elm","price":270}')
    assert answer == "Elm is yours for three nights. That is 270."
    assert bookings == "bookings: [('Elm', 3)]"


def test_transcribe_prints_the_words(tmp_path: Path) -> None:
    assert run("transcribe.py", cwd=tmp_path) == "What time does breakfast start?\n"


def test_translate_prints_and_speaks(tmp_path: Path) -> None:
    words, length = run("translate.py", "--to", "es", cwd=tmp_path).splitlines()
    assert words == "¿A qué hora empieza el desayuno?"
    seconds = audio.duration_ms(audio.read_wav(tmp_path / "translated.wav")) / 1000
    assert seconds > 1
    assert length == f"{seconds:.1f} s in translated.wav"


def test_webrtc_call_talks_both_ways(tmp_path: Path) -> None:
    lines = run("webrtc_call.py", cwd=tmp_path).splitlines()
    assert lines[:5] == [f"done: {step}" for step in ("offer", "call", "ice", "dtls", "data channel")]
    assert re.fullmatch(r"call rtc_u1_\w+", lines[5])
    assert lines[6:8] == ["the API hears speech", "Breakfast starts at seven."]
    pcm = audio.read_wav(tmp_path / "reply.wav")
    assert any(pcm)
    assert lines[8].endswith(" s in reply.wav")


def test_sip_call_is_answered_and_ends(tmp_path: Path) -> None:
    assert run("sip_call.py", cwd=tmp_path).splitlines() == [
        "+14155550100 calls",
        "desk: Front desk, good morning.",
        "caller: What time does breakfast start?",
        "desk: Breakfast starts at seven.",
        "the call is over",
    ]


def test_live_without_a_key_is_refused(tmp_path: Path) -> None:
    running = {
        name: subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), "--live"],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in PROGRAMS
    }

    def check(name: str) -> None:
        _, error = running[name].communicate(timeout=60)
        assert (running[name].returncode, error) == (1, "--live needs OPENAI_API_KEY\n")

    check_each(running, check)


@pytest.fixture
def browser_server(tmp_path: Path) -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "browser_call" / "server.py"), "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_browser_call_serves_the_page_and_secrets_that_make_calls(browser_server: str) -> None:
    with httpx.Client(trust_env=False) as http:
        page = http.get(browser_server)
        secret = http.post(f"{browser_server}secret").json()
    assert page.text == (EXAMPLES / "browser_call" / "index.html").read_text(encoding="utf-8")
    assert set(secret) == {"value", "expires_at", "calls_url"}
    base_url, found, _ = secret["calls_url"].partition("/realtime/calls")
    assert found
    with RealtimeClient(base_url=base_url) as client:
        assert client.calls.create_with_secret(OFFER, secret["value"]).id.startswith("rtc_")


@pytest.mark.slow
@pytest.mark.browser
def test_browser_call_works_in_a_browser(browser_server: str, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"  # the browser's own microphone beeps, which interrupts
    audio.write_wav(silence, bytes(48_000))
    with chromium(f"--use-file-for-fake-audio-capture={silence}") as browser:
        page = browser.new_page()
        page.goto(browser_server)
        page.click("#talk")
        page.wait_for_function("document.getElementById('words').textContent.endsWith('\\n')")
        assert page.text_content("#words") == "Hello, this is the simulator speaking. How can I help you?\n"


def test_every_example_is_listed_and_run() -> None:
    listed = set(re.findall(r"^\| `(\S+)` \|", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.M))
    assert listed == {*PROGRAMS, "browser_call/", "fleet/"}
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'run("{name}"' in tested for name in PROGRAMS)
