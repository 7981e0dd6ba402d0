"""`realtime demo`: a call to a simulator or to the API, shown step by step, checked, kept and drawn."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from realtime_simulator import Simulator, speech as speak

from realtime_ext import audio
from realtime_ext.client import AsyncRealtimeClient
from realtime_ext.errors import MissingApiKeyError, RealtimeError

from .._demo.call import DemoError, Moment, Progress, Recording, make_call
from .._demo.sound import RATE, difference, loudness
from ._failures import explain
from ._output import paint, print_line, print_table, write
from ._profiles import server

_QUESTION = "Hello! Can you hear me well?"
_SPEECH = 3 * RATE * 2  # bytes
_LEAST_REPLY = 0.3  # seconds
_ARROWS = {"sent": ("→", "magenta"), "received": ("←", "cyan")}


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
    # Report a missing package before the call is made.
    for name in ("matplotlib", "aiortc", "rich"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    if live and not os.environ.get("OPENAI_API_KEY"):
        raise MissingApiKeyError
    where = "OpenAI's Realtime API" if live else "the simulator on this machine"
    if not as_json:
        write("\n", paint(f"A WebRTC call to {where}", "bold"), "\n")
    progress = Progress(print_line if as_json else _show)
    try:
        asyncio.run(_run(progress, live=live, out=out, model=model))
    except (DemoError, RealtimeError, OSError, ValueError) as error:
        progress.failed(explain(error).message if isinstance(error, OSError) else str(error))
        return 1
    if not as_json:
        write()
        print_table(_summary(progress.events))
        write()
    return 0


async def _run(progress: Progress, *, live: bool, out: Path, model: str) -> None:
    progress.step = "files"
    out.mkdir(parents=True, exist_ok=True)
    # Three seconds of speech, or of something like it where no voice is installed.
    speech = speak(_QUESTION)[:_SPEECH].ljust(_SPEECH, b"\0")
    if live:
        async with AsyncRealtimeClient(**server()) as client:
            recording = await make_call(progress, client, model=model, speech=speech)
        progress.step = "audio"
        _check_reply(progress, recording)
    else:
        progress.step = "simulator"
        async with (
            Simulator(keep_audio=True, pacing="none") as simulator,
            AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
        ):
            progress.done("simulator", simulator.base_url)
            recording = await make_call(progress, client, model=model, speech=speech)
            call = simulator.calls[-1]
        progress.step = "audio"
        _check_reply(progress, recording)
        _check_way(progress, "simulator heard", "what was said here", speech, call.received_audio)
        _check_way(progress, "heard here", "what it said", call.sent_audio, bytes(recording.received))
    progress.step = "files"
    await asyncio.to_thread(_keep, progress, recording, out)


def _check_reply(progress: Progress, recording: Recording) -> None:
    reply, size = loudness(bytes(recording.received)), len(recording.received)
    if reply.seconds < _LEAST_REPLY:
        raise DemoError(f"only {reply.seconds:.2f} s of audible reply, at least {_LEAST_REPLY} s expected")
    listened = f"{size / 2 / RATE:.2f} s, {size:,} bytes"
    progress.done("audio received", f"{listened}; the reply {reply.seconds:.2f} s at {reply.dbfs:.1f} dBFS")


def _check_way(progress: Progress, name: str, what: str, sent: bytes, arrived: bytes) -> None:
    if (wrong := difference(sent, arrived)) is not None:
        raise DemoError(f"{name}: {wrong}")
    progress.done(name, f"{what}: {loudness(arrived).seconds:.2f} s at {loudness(arrived).dbfs:.1f} dBFS")


def _keep(progress: Progress, recording: Recording, out: Path) -> None:
    from .._demo.picture import draw  # matplotlib loads slowly, and the call need not wait for it

    wav, picture = out / "reply.wav", out / "call.png"
    audio.write_wav(wav, bytes(recording.received))
    draw(recording, progress.events, picture)
    progress.done("files", f"{wav}, {picture}")


def _show(line: dict[str, Any]) -> None:
    words = {name: str(value) for name, value in line.items()}
    match words:
        case {"event": kind, "direction": direction}:
            arrow, colour = _ARROWS[direction]
            parts = [paint(arrow, colour), " ", paint(kind, "dim")]
        case {"step": step, "error": reason}:
            parts = [paint(f"✗ {step}", "red"), f": {reason}"]
        case _:
            parts = [paint("✓", "green"), " ", paint(f"{words['step']:<16}", "bold"), f" {words['result']}"]
    write(paint(f"{line['at']:7.3f} s", "dim"), "  ", *parts)


def _summary(events: list[Moment]) -> list[dict[str, Any]]:
    """Count the events by type, in the order of their first appearance."""
    first: dict[tuple[str, str], float] = {}
    for event in events:
        first.setdefault((event.direction, event.type), event.at)
    counts: Counter[tuple[str, str]] = Counter((event.direction, event.type) for event in events)
    return [
        {"first": f"{at:.3f} s", "times": counts[direction, kind], "event": f"{_ARROWS[direction][0]} {kind}"}
        for (direction, kind), at in first.items()
    ]
