"""The state that the parts of a Live session share, and the queue that their effects go to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._engine import messages
from realtime_simulator._engine.agenda import Agenda
from realtime_simulator._engine.effects import Effect
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._live.config import LiveConfig
from realtime_simulator._live.context import Context
from realtime_simulator._live.timeline import FRAME, Timeline, milliseconds


@attrs.define(kw_only=True)
class Shared:
    """The state that the parts of a session share.

    Args:
        ids: The source of identifiers.
        settings: Its settings.
        agenda: What is due at a time.
        timeline: Its timeline.
        context: Its history.
        now: Returns the time.
        unix: Returns the time of day in unix seconds.
        draw: Decides whether a fault happens now, given its name; returns its settings, or None.
        emit: Queues a server event, given its fields without the id; returns it with its id.
        effect: Queues an effect.
        started: Its configuration; None until it has started.
    """

    ids: Ids
    settings: SessionSettings
    agenda: Agenda
    timeline: Timeline
    context: Context = attrs.field(factory=Context)
    now: Callable[[], float]
    unix: Callable[[], float]
    draw: Callable[[str], Mapping[str, Any] | None]
    emit: Callable[[dict[str, Any]], dict[str, Any]]
    effect: Callable[[Effect], None]
    started: LiveConfig | None = None

    @property
    def config(self) -> LiveConfig:
        """The configuration of a session that has started."""
        assert self.started is not None
        return self.started

    @property
    def in_real_time(self) -> bool:
        """Whether things take their time; otherwise everything comes at once."""
        return bool(self.settings.pacing.speed)

    def emit_at(self, kind: str, start: int, **fields: Any) -> dict[str, Any]:
        """Queue an event about a frame of the timeline, and return it.

        Args:
            kind: Its type.
            start: The frame's first sample.
            fields: Its other fields, of which those that are None are left out.
        """
        at = {"start_ms": milliseconds(start), "end_ms": milliseconds(start + FRAME)}
        given = {key: value for key, value in fields.items() if value is not None}
        return self.emit({"type": kind, **at, **given})

    def reply(self, event: Mapping[str, Any] | None, kind: str, /, **fields: Any) -> None:
        """Queue an event that answers a client's, or happens without one."""
        client_event_id = None if event is None else messages.event_id(event)
        answered = {} if client_event_id is None else {"client_event_id": client_event_id}
        self.emit({"type": kind, **fields, **answered})
