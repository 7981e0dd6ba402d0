"""Ask a Live model, which delegates the question to a backend model that calls Python functions.

    python examples/live/backend.py

The question is a WAV file; both sides are recorded in live.wav.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where
from realtime_kit.recorder import Recorder
from realtime_simulator import call_tool, sequence

from realtime_ext import APITimeoutError, LiveSessionBuilder, RealtimeClient
from realtime_ext.connection import LiveConnection

SESSION = (
    LiveSessionBuilder("gpt-live-1")
    .instructions("You answer for the front desk of a small hotel.")
    .delegate_to("gpt-5.6-sol", instructions="Look things up. Answer briefly.")
)


def breakfast_time(weekend: bool = False) -> str:
    """Look up when breakfast starts."""
    return "8:00" if weekend else "7:00"


def listen(connection: LiveConnection) -> None:
    """Wait until the model has been silent for five seconds."""
    with contextlib.suppress(APITimeoutError):
        while True:
            connection.wait_for("session.output_transcript.delta", timeout=5)


def main() -> None:
    options = where.parser(__doc__).parse_args()
    with where.api(options.live) as simulator, RealtimeClient() as client, Recorder("live.wav") as recorder:
        if simulator is not None:
            simulator.on_speech(lambda heard: "What time does breakfast start?" if heard.finished else None)
            looks_up = call_tool("breakfast_time", {"weekend": True})
            simulator.on_response(sequence(["One moment.", looks_up], "At eight on Sundays."))
        with client.live.connect(SESSION, tools=[breakfast_time], observer=recorder) as connection:
            connection.send_audio(where.QUESTION)
            listen(connection)
            for line in connection.transcript:
                print(f"{line.start_ms / 1000:.1f} s {line.speaker}: {line.text}")
        print(f"{connection.usage.seconds:.0f} s of session")


if __name__ == "__main__":
    main()
