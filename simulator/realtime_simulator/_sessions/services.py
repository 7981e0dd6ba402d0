"""The services that the sessions of a simulator share."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import attrs

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.profile import PROFILES, Profile
from realtime_simulator._engine.config import SessionConfig, TranslationConfig
from realtime_simulator._engine.session import Session
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.translation import TranslationSession
from realtime_simulator._faults.catalog import Faults
from realtime_simulator._media.voice import Speaker
from realtime_simulator._records.store import Records
from realtime_simulator._scenario.rules import Behavior
from realtime_simulator._sessions.settings import Settings


@attrs.frozen(kw_only=True)
class Services:
    """The services that all sessions of a simulator share.

    Args:
        settings: The simulator's settings.
        ids: Where ids come from.
        clock: The clock.
        speaker: The voice.
        workers: The threads for slow work.
        records: The records of sessions and calls.
        behavior: The behavior of the model and the users; read at each use.
        faults: The requested faults.
    """

    settings: Settings
    ids: Ids
    clock: Clock
    speaker: Speaker
    workers: Executor
    records: Records
    behavior: Behavior
    faults: Faults

    @property
    def expires_at(self) -> int:
        """When a session that begins now ends, in unix seconds."""
        return int(self.clock.unix() + self.settings.session_seconds)

    @property
    def profile(self) -> Profile:
        """The service that is simulated."""
        return PROFILES[self.settings.profile]

    def session_settings(self) -> SessionSettings:
        """Return the settings of a session that begins now."""
        return SessionSettings(
            lifetime=self.settings.session_seconds,
            pacing=self.settings.pacing,
            profile=self.profile,
            speech=self.behavior.speech,
            cues=self.behavior.cues,
        )

    def new_session(
        self,
        session_id: str,
        initial: Mapping[str, Any] | None,
        *,
        model: str | None = None,
        plays_audio: bool = False,
        translates: bool = False,
    ) -> Session | TranslationSession:
        """Return a new session of the Realtime API.

        Args:
            session_id: Its id.
            initial: The checked session object that it begins with, or None.
            model: The model, if the request named one outside the session.
            plays_audio: As for `Session`.
            translates: Whether it is a translation session.
        """
        common = self.ids, self.clock.monotonic(), self.session_settings()
        if translates:
            translation = TranslationConfig(session_id, self.expires_at, initial, model=model)
            return TranslationSession(translation, *common, plays_audio=plays_audio)
        config = SessionConfig(session_id, self.expires_at, initial, model=model)
        return Session(config, *common, plays_audio=plays_audio)
