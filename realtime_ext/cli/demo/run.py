"""The demo from start to finish: simulator or real API, call, checks, recording, picture, exit status."""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path

from realtime_simulator import Simulator, speech
from rich.console import Console

from ... import audio
from ...client import AsyncRealtimeClient
from ...errors import MissingApiKeyError, RealtimeError
from ..failures import explain
from .demo_call import SPEECH_S, DemoError, Recording, Steps, make_call
from .sound import RATE, difference, loudness

__all__ = ["run"]

QUESTION = "Hello! Can you hear me well?"
LEAST_REPLY_S = 0.3


def run(*, live: bool, out: Path, model: str, as_json: bool = False) -> int:
    """Run the demo.

    Args:
        live: Call the API that the environment names (OPENAI_API_KEY, OPENAI_BASE_URL), not the simulator.
        out: Folder for ``reply.wav`` and ``call.png``; made if it is missing.
        model: The model to talk to.
        as_json: Print each step as a JSON object in a line of its own.

    Returns:
        The exit status: 0; 1 if a step failed, which is then printed.

    Raises:
        MissingApiKeyError: There is no key to go live with.
        ImportError: A package is missing; the message or the name says which.
    """
    # A missing package is an error now, though it is loaded last.
    if find_spec("matplotlib") is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    from ...connection import peer as aio_webrtc  # noqa: F401

    console = Console()
    if live and not os.environ.get("OPENAI_API_KEY"):
        raise MissingApiKeyError
    steps = Steps(console, as_json=as_json)
    where = "OpenAI's Realtime API" if live else "the simulator on this machine"
    steps.title(where)
    try:
        asyncio.run(_run(steps, live=live, out=out, model=model))
    except (DemoError, RealtimeError, OSError, ValueError) as exc:
        steps.failed(explain(exc).message if isinstance(exc, OSError) else str(exc) or type(exc).__name__)
        return 1
    return 0


async def _run(steps: Steps, *, live: bool, out: Path, model: str) -> None:
    with steps.step("files"):
        out.mkdir(parents=True, exist_ok=True)
    speech = _speech()
    if live:
        async with AsyncRealtimeClient() as client:
            recording = await make_call(steps, client, model=model, speech=speech)
        with steps.step("audio"):
            _check_reply(steps, recording)
    else:
        with steps.step("simulator"):
            simulator = Simulator(keep_audio=True, pacing="none")
        async with simulator, AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            steps.done("simulator", simulator.base_url)
            recording = await make_call(steps, client, model=model, speech=speech)
            call = simulator.calls[-1]
        with steps.step("audio"):
            _check_reply(steps, recording)
            _check_way(steps, "simulator heard", "what was said here", speech, call.received_audio)
            _check_way(steps, "heard here", "what it said", call.sent_audio, bytes(recording.received))
    with steps.step("files"):
        await asyncio.to_thread(_keep, steps, recording, out)
    steps.summary()


def _speech() -> bytes:
    """Return three seconds of speech, or of something like it where no voice is installed."""
    size = int(SPEECH_S * RATE) * 2
    return speech(QUESTION)[:size].ljust(size, b"\0")


def _check_reply(steps: Steps, recording: Recording) -> None:
    heard = loudness(bytes(recording.received))
    if heard.seconds < LEAST_REPLY_S:
        raise DemoError(f"only {heard.seconds:.2f} s of audible reply, at least {LEAST_REPLY_S} s expected")
    size = len(recording.received)
    steps.done(
        "audio received",
        f"{size / 2 / RATE:.2f} s, {size:,} bytes; the reply {heard.seconds:.2f} s at {heard.dbfs:.1f} dBFS",
    )


def _check_way(steps: Steps, name: str, what: str, sent: bytes, arrived: bytes) -> None:
    wrong = difference(sent, arrived)
    if wrong is not None:
        raise DemoError(f"{name}: {wrong}")
    steps.done(name, f"{what}: {loudness(arrived).seconds:.2f} s at {loudness(arrived).dbfs:.1f} dBFS")


def _keep(steps: Steps, recording: Recording, out: Path) -> None:
    from .picture import draw  # matplotlib loads slowly, and the call need not wait for it

    wav, picture = out / "reply.wav", out / "call.png"
    audio.write_wav(wav, bytes(recording.received))
    draw(recording, steps.events, picture)
    steps.done("files", f"{wav}, {picture}")
