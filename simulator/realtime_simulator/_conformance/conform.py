"""Check the simulator against a recording: replay it, and compare the results with the recording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from realtime_simulator._conformance.live import LivePlay, is_live
from realtime_simulator._conformance.play import Report
from realtime_simulator._conformance.realtime import RealtimePlay
from realtime_simulator._core import event_loop
from realtime_simulator._core.profile import ProfileName
from realtime_simulator._recordings import recording as recordings
from realtime_simulator._recordings.steps import Recording, RecordingError


def conform(
    path: str | os.PathLike[str],
    profile: ProfileName = "openai",
    *,
    sound: bytes | Literal["recorded"] | None = None,
) -> Sequence[Report]:
    """Check the simulator against a recording, or against each session of a tape.

    Args:
        path: The file.
        profile: The service that was recorded.
        sound: What the user said, PCM16 mono at 24 kHz, or `recorded` for the audio of the recording itself:
            then the edges of speech are compared, too. None for sound that is made to have them.

    Returns:
        A report for each session.

    Raises:
        OSError: It can't be read.
        RecordingError: It is not a recording, or an event in it is broken.
    """
    return [check(recording, profile, sound=sound) for recording in recordings.read(path)]


def check(
    recording: Recording, profile: ProfileName = "openai", *, sound: bytes | Literal["recorded"] | None = None
) -> Report:
    """Check the simulator against one recording.

    Args:
        recording: The recording.
        profile: As for `conform`.
        sound: As for `conform`.

    Raises:
        RecordingError: An event in it is broken, or it has no sound to be played.
    """
    live = is_live(recording)
    if live and sound is not None:
        raise RecordingError(f"{recording.name}: a Live session tells no edges of speech to compare")
    try:
        play = LivePlay(recording) if live else RealtimePlay(recording, profile, sound)
    except RecordingError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{recording.name}: an event has an unexpected shape: {error!r}") from error
    return event_loop.run(play.run())
