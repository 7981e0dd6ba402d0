"""The sessions that WebSockets open; they live as long as their connection."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from realtime_simulator.engine.config import SessionConfig
from realtime_simulator.engine.core import Core
from realtime_simulator.engine.ids import Ids
from realtime_simulator.engine.session import Session
from realtime_simulator.engine.translation import TranslationSession
from realtime_simulator.engine.translation_config import TranslationConfig
from realtime_simulator.live import LiveSession, Studio
from realtime_simulator.session_record import SessionRecord
from realtime_simulator.settings import Settings
from realtime_simulator.ws.handshake import Handshake

logger = logging.getLogger("realtime_simulator")


class Sessions:
    """Opens sessions for WebSockets.

    Args:
        settings: The simulator's settings.
        studio: What sessions share.
        ids: Where session ids come from.
    """

    def __init__(self, settings: Settings, studio: Studio, ids: Ids) -> None:
        self._settings = settings
        self._studio = studio
        self._ids = ids

    def open(self, asked: Handshake) -> LiveSession:
        """Return a new conversation or transcription session.

        Args:
            asked: The handshake; the session of its client secret comes first, then its model.
        """
        initial: Mapping[str, Any] | None = asked.secret.session if asked.secret is not None else None
        if initial is None and asked.transcription:
            initial = {"type": "transcription"}
            if asked.model is not None:
                initial = {**initial, "audio": {"input": {"transcription": {"model": asked.model}}}}
        config = SessionConfig(self._ids.new("sess"), self._expires_at(), initial, model=asked.model)
        session = Session(config, self._ids, self._studio.clock.monotonic(), **self._pace())
        return self._live(session, config.session_id, config.kind)

    def open_translation(self, asked: Handshake) -> LiveSession:
        """Return a new translation session.

        Args:
            asked: The handshake; the session of its client secret comes first, then its model.
        """
        initial = asked.secret.session if asked.secret is not None else None
        config = TranslationConfig(self._ids.new("sess"), self._expires_at(), initial, model=asked.model)
        session = TranslationSession(config, self._ids, self._studio.clock.monotonic(), **self._pace())
        return self._live(session, config.session_id, config.kind)

    def _expires_at(self) -> int:
        return int(self._studio.clock.unix() + self._settings.session_seconds)

    def _pace(self) -> dict[str, Any]:
        return {"lifetime": self._settings.session_seconds, "pacing": self._settings.pacing}

    def _live(self, session: Core, session_id: str, kind: str) -> LiveSession:
        record = SessionRecord(id=session_id, transport="websocket")
        live = LiveSession(session, record, self._studio, on_end=_ended(session_id))
        self._studio.records.add(record)
        logger.info("session %s: begun (%s)", session_id, kind)
        return live


def _ended(session_id: str) -> Any:
    def ended(code: int, reason: str) -> None:
        logger.info("session %s: ended (%s)", session_id, reason)

    return ended
