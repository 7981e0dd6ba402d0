"""Draw a call: what was said, the events, what was heard, over one clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .demo_call import Moment, Recording
from .sound import RATE, samples

INK, FAINT, GRID = "#24292f", "#8b949e", "#e6e9ed"
SAID, HEARD = "#8250df", "#0969da"
# By the first words of an event's type; the first that fits counts.
FAMILIES = (
    ("error", "#cf222e"),
    ("session.", "#57606a"),
    ("input_audio_buffer.", SAID),
    ("conversation.", "#bc4c00"),
    ("response.", HEARD),
    ("output_audio_buffer.", "#1a7f37"),
)
COLUMNS_PER_S = 200


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
    with mpl.rc_context({"font.size": 9, "axes.edgecolor": GRID, "text.color": INK}):
        figure = Figure(figsize=(13, 4.6 + 0.26 * len(lanes)), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        heights = [1.5, 0.26 * len(lanes) + 0.2, 1.5]
        said, events, heard = figure.subplots(3, 1, sharex=True, height_ratios=heights)
        said_for = len(recording.sent) / 2 / RATE
        heard_for = len(recording.received) / 2 / RATE
        title = f"A realtime call over WebRTC: {said_for:.1f} s said, {heard_for:.1f} s listened"
        figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold")
        _wave(said, "said", recording.sent, recording.sent_at, SAID)
        _wave(heard, "heard", bytes(recording.received), recording.received_at, HEARD)
        if recording.text:
            heard.set_title(f"“{recording.text}”", loc="left", fontsize=9, style="italic", color=INK, pad=4)
        end = max([m.at for m in moments] + [recording.received_at + heard_for])
        _events(events, lanes, moments, end)
        heard.set_xlim(0, end * 1.01)
        heard.set_xlabel("seconds since the demo began", color=INK)
        figure.savefig(path, dpi=130)


def _wave(axes: Axes, label: str, pcm: bytes, start: float, color: str) -> None:
    """Fill between the lowest and the highest sample of each column of the picture."""
    wave = samples(pcm)
    step = RATE // COLUMNS_PER_S
    columns = wave[: len(wave) // step * step].reshape(-1, step)
    at = start + (np.arange(len(columns)) + 0.5) / COLUMNS_PER_S
    axes.axhline(0, color=GRID, linewidth=0.8, zorder=0)
    if len(columns):
        low, high = columns.min(axis=1), columns.max(axis=1)
        axes.fill_between(at, low - 0.002, high + 0.002, color=color, linewidth=0)
    most = max(0.1, float(np.abs(wave).max(initial=0.0)) * 1.15)
    axes.set_ylim(-most, most)
    axes.set_ylabel(label, rotation=0, ha="right", va="center", color=color, fontsize=11, fontweight="bold")
    _frame(axes)
    axes.set_yticks([])


def _events(axes: Axes, lanes: Sequence[str], moments: Sequence[Moment], end: float) -> None:
    """Assign each type a lane, from the top in the order of appearance; what was sent is hollow."""
    for row, lane in enumerate(lanes):
        color = next((color for start, color in FAMILIES if lane.startswith(start)), FAINT)
        mine = [moment for moment in moments if moment.type == lane]
        axes.plot([mine[0].at, mine[-1].at], [row, row], color=color, linewidth=1, alpha=0.35)
        for direction, face in (("received", color), ("sent", "white")):
            at = [moment.at for moment in mine if moment.direction == direction]
            axes.scatter(at, [row] * len(at), s=26, facecolor=face, edgecolor=color, linewidth=1.2, zorder=3)
        many = f"{lane}  ×{len(mine)}" if len(mine) > 1 else lane
        late = mine[-1].at > 0.8 * end
        axes.annotate(
            many,
            (mine[0 if late else -1].at, row),
            xytext=(-7 if late else 7, 0),
            textcoords="offset points",
            ha="right" if late else "left",
            va="center",
            fontsize=8,
        )
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_ylabel("events\n(hollow: sent)", rotation=0, ha="right", va="center", color=INK, fontsize=9)
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
