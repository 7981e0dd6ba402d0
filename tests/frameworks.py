"""Frameworks for voice agents against the simulator: `make frameworks`, `python -m tests.frameworks pipecat`.

They are too large for every run of the tests (390, 210 and 50 MB), so a maintainer runs this by hand;
`build/` gets a virtual environment for each. On Realtime they ask with a tool, speak, interrupt the answer,
and hear another one; on Live they speak, run a tool for the backend, hear its answer, speak again, and close.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from realtime_simulator import Simulator, call_tool, sequence
from realtime_simulator._media import voice

from tests.support.paths import ROOT

SCRIPTS = ROOT / "tests" / "support" / "frameworks"
PACKAGES = {
    "pipecat": ("pipecat-ai[openai]==1.14.0",),
    "livekit": ("livekit-agents==1.8.9", "livekit-plugins-openai==1.8.9"),
    "pydantic-ai": ("pydantic-ai-slim[openai-realtime]==2.68.0",),
}
QUESTION, ANSWER, LAST = "What is the weather like?", "It is sunny in Paris.", "Goodbye then."
LONG = "It was sunny yesterday, it is sunny today, and it will be sunny tomorrow, as it always was."
TRANSCRIPTION = "gpt-4o-mini-transcribe"
WORDS = ("And how was it before?", "Stop, please.")
LIVE_WORDS = (QUESTION, "Thanks, goodbye.")


def environment(name: str) -> str:
    """Return the Python of a framework's environment, which is made if it is missing."""
    folder = ROOT / "build" / name
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"Setting up build/{name}; this happens once.", flush=True)
        uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES[name]], check=True)
        (folder / ".installed").touch()
    return str(python)


def script_of(name: str) -> str:
    """Return how the names of a framework's scripts begin."""
    return name.replace("-", "_")


def run(script: str, framework: str, simulator: Simulator, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a script in a framework's environment against a simulator; return its facts, and what is wrong."""
    done = subprocess.run(
        [environment(framework), SCRIPTS / script],
        input=json.dumps(given),
        env={**os.environ, "OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": simulator.api_key},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    facts = json.loads(done.stdout.strip().rpartition("\n")[2] or "{}")
    print(f"{script} ({', '.join(PACKAGES[framework])}): {json.dumps(facts)}")
    refused = [e["error"] for s in simulator.sessions for e in s.sent if e["type"] == "error"]
    checks = {
        "it ended without an exception": done.returncode == 0,
        "its tool was called once": facts.get("called") == ["Paris"],
        "it reported no error": facts.get("errors") == [],
        "nothing that it sent was refused": not refused,
    }
    wrong = [what for what, holds in checks.items() if not holds]
    if wrong:
        print(done.stderr[-3000:], *map(json.dumps, refused), sep="\n")
    return facts, wrong


def talk_realtime(name: str) -> list[str]:
    """Run a framework's agent on a Realtime session, and return what is wrong."""
    words = iter(WORDS)
    with Simulator(espeak=False) as simulator:
        simulator.on_response(LONG, match="before")
        simulator.on_response(LAST, match="Stop")
        simulator.on_response(sequence(call_tool("get_weather", {"city": "Paris"}), ANSWER), match="weather")
        simulator.on_speech(lambda heard: next(words))
        sound = voice.synthesize("Good morning, is anybody there?") + bytes(48_000)
        given = {"question": QUESTION, "answer": ANSWER, "last": LAST, "sound": sound.hex()}
        facts, wrong = run(f"{script_of(name)}_talk.py", name, simulator, **given)
        sent = simulator.sessions[-1].sent if simulator.sessions else []
        config: dict[str, Any] = simulator.sessions[-1].config if simulator.sessions else {}
    heard = config.get("audio", {}).get("input", {})
    cuts = [event["audio_end_ms"] for event in sent if event["type"] == "conversation.item.truncated"]
    cut = cuts[-1] if cuts else 0
    checks = {
        "it understood the answers": {ANSWER, LAST} <= set(facts.get("said", [])),
        "it understood the transcripts": facts.get("heard") == list(WORDS),
        "it truncated what was interrupted, soon": 0 < cut < 3000,
        "its settings arrived": config.get("instructions") == "Be brief."
        and heard.get("transcription", {}).get("model") == TRANSCRIPTION
        and heard.get("turn_detection", {}).get("silence_duration_ms") == 300,
    }
    return wrong + [what for what, holds in checks.items() if not holds]


def talk_live(name: str) -> list[str]:
    """Run a framework's agent on a Live session, and return what is wrong."""
    words = iter(LIVE_WORDS)
    with Simulator(espeak=False) as simulator:
        simulator.on_response(sequence(call_tool("get_weather", {"city": "Paris"}), ANSWER), match="weather")
        simulator.on_response(LAST, match="goodbye")
        simulator.on_speech(lambda heard: next(words) if heard.finished else None)
        sounds = [voice.synthesize(text).hex() for text in LIVE_WORDS]
        facts, wrong = run(
            f"{script_of(name)}_live.py", name, simulator, sounds=sounds, answers=[ANSWER, LAST]
        )
        sent = simulator.sessions[-1].sent if simulator.sessions else []
        config: dict[str, Any] = simulator.sessions[-1].config if simulator.sessions else {}
    checks = {
        "it understood the answers": all(
            any(x in said for said in facts.get("said", [])) for x in (ANSWER, LAST)
        ),
        "it understood the transcripts": facts.get("heard") == list(LIVE_WORDS),
        "it closed the session": [e["reason"] for e in sent if e["type"] == "session.closed"]
        == ["close_requested"],
        "its settings arrived": config.get("instructions") == "Be brief."
        and config.get("audio", {}).get("output") == {"voice": "cedar"}
        and config.get("delegation", {}).get("responses", {}).get("model") == "gpt-5.6-sol",
    }
    return wrong + [what for what, holds in checks.items() if not holds]


def main() -> int:
    names = sys.argv[1:] or list(PACKAGES)
    wrong = []
    for name in names:
        wrong += [f"{name}, Realtime: not so: {what}" for what in talk_realtime(name)]
        wrong += [f"{name}, Live: not so: {what}" for what in talk_live(name)]
    print(*(wrong or ["all is well"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
