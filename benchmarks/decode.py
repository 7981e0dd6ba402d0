"""Reading events: `parse_event`, the official package's own way, and bare JSON decoders."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .harness import PEERS, ROOT, Target, Worker, medians, take_turns, time_text

__all__ = ["run"]

SAMPLES = ROOT / "tests" / "samples" / "events" / "conversation.jsonl"
AUDIO_BYTES = 4096
ROUNDS = 15
# Repetitions a turn, so that a turn of the slowest takes some 50 ms.
CASES = {
    "response.output_audio.delta": 500,
    "response.output_audio_transcript.delta": 500,
    "session.created": 100,
    "response.done": 100,
}
LEAST = {"response.output_audio.delta": 12.0, "response.done": 5.0}


def event(kind: str, samples: Path = SAMPLES) -> str:
    """Return a typical event: the first of its type in the samples; audio as long as the API sends it."""
    found = next(
        loaded
        for line in samples.read_text(encoding="utf-8").splitlines()
        if (loaded := json.loads(line))["type"] == kind
    )
    if kind == "response.output_audio.delta":
        sound = bytes(n * 7919 % 256 for n in range(AUDIO_BYTES * 3 // 4))
        found["delta"] = base64.b64encode(sound).decode()
    return json.dumps(found, separators=(",", ":"))


def run(console: Console) -> list[Target]:
    """Measure and print; return the targets."""
    table = Table(title="decoding one event (median)", title_justify="left", title_style="bold")
    for column in ("event", "bytes", "parse_event", "official", "msgspec", "orjson", "official / ours"):
        table.add_column(column, justify="left" if column == "event" else "right")
    targets = []
    with Worker("ours.py") as ours, Worker("bare.py") as bare, Worker("official.py", PEERS) as official:
        for kind, repeat in CASES.items():
            text = event(kind)
            contenders = {
                "ours": (ours, "decode"),
                "official": (official, "decode"),
                "msgspec": (bare, "msgspec"),
                "orjson": (bare, "orjson"),
            }
            times = medians(
                take_turns(
                    {
                        name: lambda worker=worker, task=task, text=text, repeat=repeat: worker(
                            {"task": task, "event": text, "repeat": repeat}
                        )
                        for name, (worker, task) in contenders.items()
                    },
                    ROUNDS,
                )
            )
            ratio = times["official"] / times["ours"]
            table.add_row(
                kind, str(len(text)), *(time_text(times[name]) for name in contenders), f"{ratio:.1f} ×"
            )
            if kind in LEAST:
                targets.append(Target(f"decoding {kind}, official / ours", ratio, LEAST[kind], True))
    console.print()
    console.print(table)
    return targets
