"""Reading events: `parse_event`, the official package's own way, and bare JSON decoders; writing audio."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, Target, Worker, medians, ratio_target, take_turns, time_text

__all__ = ["run"]

SAMPLES = ROOT / "tests" / "samples" / "events" / "conversation.jsonl"
AUDIO_BYTES = 4096
SESSION_BYTES = 1600
ROUNDS = 21
HELD = 10_000  # events in memory at once
# Repetitions a turn, so that a turn of the slowest takes some 50 ms.
CASES = {
    "response.output_audio.delta": 500,
    "response.output_audio_transcript.delta": 500,
    "session.created": 100,
    "response.done": 100,
}
MOST = {"response.output_audio.delta": 1.7, "session.created": 3.5, "response.done": 3.5}  # of a plain dict
LEAST = {  # that the official package takes
    "response.output_audio.delta": 25.0,
    "response.output_audio_transcript.delta": 30.0,
    "session.created": 10.0,
    "response.done": 9.0,
}
MOST_MEMORY = 0.7
CHUNK_BYTES = 960  # 20 ms of PCM16 at 24 kHz
MOST_APPEND = 1.5


def event(kind: str, samples: Path = SAMPLES) -> str:
    """Return a typical event: the first of its type in the samples, with audio and text of usual length."""
    found = next(
        loaded
        for line in samples.read_text(encoding="utf-8").splitlines()
        if (loaded := json.loads(line))["type"] == kind
    )
    if kind == "response.output_audio.delta":
        sound = bytes(n * 7919 % 256 for n in range(AUDIO_BYTES * 3 // 4))
        found["delta"] = base64.b64encode(sound).decode()
    if kind == "session.created":
        text = "You answer for the front desk of a hotel, in one or two sentences. " * 20
        found["session"]["instructions"] = text[
            : SESSION_BYTES - len(json.dumps(found, separators=(",", ":")))
        ]
    return json.dumps(found, separators=(",", ":"))


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    table = Table(title="decoding one event (median)", title_justify="left", title_style="bold")
    for column in (
        "event",
        "bytes",
        "parse_event",
        "official",
        "msgspec",
        "orjson",
        "of msgspec",
        "official / ours",
    ):
        table.add_column(column, justify="left" if column == "event" else "right")
    targets = []
    append: dict[str, Callable[[], float]] = {}
    with Worker("ours.py") as ours, Worker("bare.py") as bare, Worker("official.py", PEERS) as official:
        for kind, repeat in CASES.items():
            text = event(kind)
            contenders = {
                "ours": (ours, "decode"),
                "official": (official, "decode"),
                "msgspec": (bare, "msgspec"),
                "orjson": (bare, "orjson"),
            }
            results = take_turns(
                {
                    name: lambda worker=worker, task=task, text=text, repeat=repeat: worker(
                        {"task": task, "event": text, "repeat": repeat, "clock": "processor"}
                    )
                    for name, (worker, task) in contenders.items()
                },
                ROUNDS,
            )
            times = medians(results)
            table.add_row(
                kind,
                str(len(text)),
                *(time_text(times[name]) for name in contenders),
                f"{times['ours'] / times['msgspec']:.2f} ×",
                f"{times['official'] / times['ours']:.1f} ×",
            )
            if kind in MOST:
                what = f"decoding {kind} / msgspec to a dict"
                targets.append(ratio_target(what, results["ours"], results["msgspec"], MOST[kind]))
            what = f"decoding {kind}, official / ours"
            targets.append(
                ratio_target(what, results["official"], results["ours"], LEAST[kind], at_least=True)
            )
        for name, worker in (("ours", ours), ("bare", bare)):
            append[name] = lambda worker=worker: worker(
                {"task": "append", "size": CHUNK_BYTES, "repeat": 5000, "clock": "processor"}
            )
        results = take_turns(append, ROUNDS)
        what = f"append_audio of {CHUNK_BYTES} bytes / base64 and concatenation"
        targets.append(ratio_target(what, results["ours"], results["bare"], MOST_APPEND))
        task = {"task": "memory", "event": event("response.done"), "count": HELD, "repeat": 1}
        memory, plain = ours(task), bare(task)
        what = f"memory of {HELD} decoded response.done / dicts"
        targets.append(Target(what, memory / plain, MOST_MEMORY, at_least=False))
    console.print()
    console.print(table)
    return targets
