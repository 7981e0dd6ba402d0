"""The settings of a session, which its parts read."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from realtime_simulator._core.profile import OPENAI, Profile
from realtime_simulator._engine.turn import AT_ONCE, Cue, Pacing


@attrs.frozen(kw_only=True)
class SessionSettings:
    """The settings of a session, beside the configuration that its client sees.

    Args:
        lifetime: Seconds until it expires.
        pacing: How fast the model answers.
        profile: The service that is simulated.
        speech: Where the user speaks, from and to, in ms of the input; None for detection.
        cues: What the model of a Live session does along the timeline, and then it speaks only as these say;
            None for a model that answers.
    """

    lifetime: float = 3600.0
    pacing: Pacing = AT_ONCE
    profile: Profile = OPENAI
    speech: Sequence[tuple[int, int]] | None = None
    cues: Sequence[Cue] | None = None
