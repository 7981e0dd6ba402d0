"""Draw a call on one time axis: sent speech, events, received speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .call import Moment, Recording
from .sound import RATE, samples

_SAID, _HEARD = "tab:purple", "tab:blue"
# The colours of events, by how their types begin.
_FAMILIES = {
    "error": "tab:red",
    "session.": "tab:gray",
    "input_audio_buffer.": _SAID,
    "conversation.": "tab:orange",
    "response.": _HEARD,
    "output_audio_buffer.": "tab:green",
}


def draw(recording: Recording, moments: Sequence[Moment], path: Path) -> None:
    """Write the picture of a call as a PNG.

    Args:
        recording: Both sides' audio.
        moments: The events, oldest first.
        path: The file to write.

    Raises:
        OSError: The file can't be written.
    """
    lanes = list(dict.fromkeys(moment.type for moment in moments))
    height = 0.26 * len(lanes) + 0.2
    figure = Figure(figsize=(13, height + 4.4), layout="constrained")
    said, events, heard = figure.subplots(3, 1, sharex=True, height_ratios=[1.5, height, 1.5])
    seconds = len(recording.sent) / 2 / RATE, len(recording.received) / 2 / RATE
    figure.suptitle(f"A realtime call over WebRTC: {seconds[0]:.1f} s said, {seconds[1]:.1f} s listened")
    _draw_wave(said, "said", recording.sent, recording.sent_at, _SAID)
    _draw_events(events, lanes, moments)
    _draw_wave(heard, "heard", bytes(recording.received), recording.received_at, _HEARD)
    heard.set_title(f"“{recording.text}”" if recording.text else "", loc="left", fontsize=9, style="italic")
    heard.set_xlabel("seconds since the demo began")
    for axes in (said, events, heard):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _draw_wave(axes: Axes, label: str, pcm: bytes, start: float, color: str) -> None:
    wave = samples(pcm)
    axes.plot(start + np.arange(len(wave)) / RATE, wave, color=color, linewidth=0.4)
    axes.set_yticks([], [])
    axes.set_ylabel(label, rotation=0, ha="right", va="center", color=color, fontsize=11)


def _draw_events(axes: Axes, lanes: Sequence[str], moments: Sequence[Moment]) -> None:
    """Assign each type a lane, from the top in the order of appearance; sent events are hollow."""
    for row, lane in enumerate(lanes):
        color = next((color for start, color in _FAMILIES.items() if lane.startswith(start)), "black")
        for direction, face in (("received", color), ("sent", "white")):
            at = [moment.at for moment in moments if (moment.type, moment.direction) == (lane, direction)]
            axes.scatter(at, [row] * len(at), s=26, facecolor=face, edgecolor=color)
    counts = [sum(moment.type == lane for moment in moments) for lane in lanes]
    names = [f"{lane}  ×{count}" if count > 1 else lane for lane, count in zip(lanes, counts, strict=True)]
    axes.set_yticks(range(len(lanes)), names, fontsize=8)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_title("events (hollow: sent)", loc="left", fontsize=9)
