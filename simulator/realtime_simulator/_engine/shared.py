"""The state that the parts of a conversation session share, and the queue that their effects go to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._engine.config import SessionConfig
from realtime_simulator._engine.conversation import Conversation
from realtime_simulator._engine.effects import Effect
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.turn import Pacing


@attrs.frozen(kw_only=True)
class Shared:
    """The state that the parts of a session share.

    Args:
        config: The session's configuration.
        conversation: Its items.
        ids: The source of identifiers.
        settings: Its settings.
        audio_in_events: Whether the model's audio goes out in events, not on a track.
        emit: Queues a server event, given its fields without the id.
        effect: Queues an effect.
    """

    config: SessionConfig
    conversation: Conversation
    ids: Ids
    settings: SessionSettings
    audio_in_events: bool
    emit: Callable[[dict[str, Any]], object]
    effect: Callable[[Effect], None]
    chance: random.Random = attrs.field(
        init=False, default=attrs.Factory(lambda self: random.Random(self.config.session_id), takes_self=True)
    )

    @property
    def pacing(self) -> Pacing:
        return self.settings.pacing

    def vary(self, seconds: float) -> float:
        """Return a time of the pacing, varied by its spread; the same for the same session id."""
        spread = self.pacing.spread
        if not (seconds and spread):
            return seconds
        return seconds * min(
            max(self.chance.lognormvariate(0.0, spread), 1 / (1 + 2 * spread)), 1 + 2 * spread
        )
