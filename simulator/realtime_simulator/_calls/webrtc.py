"""A WebRTC call: a session, a peer connection and their record, tied to each other."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from realtime_simulator._calls.missing_audio import MissingAudio
from realtime_simulator._calls.peer import Peer, PeerHandlers, Playout
from realtime_simulator._core.problem import CUT, INTERNAL_ERROR
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._faults.alterations import Cut, EventFaults
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Call, end_of
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.services import Services

logger: logging.Logger = logging.getLogger("realtime_simulator")
MAX_HELD_BYTES = 1024 * 1024
"""The bytes of events that wait for a data channel to open."""


class WebRtcCall:
    """One call.

    Args:
        record: Its record.
        log: The log of its session.
        engine: Its session.
        services: The services that sessions share.
        on_end: Called with this call and the reason when it ends by itself; `end` follows.
    """

    def __init__(
        self,
        record: Call,
        log: SessionLog,
        engine: BaseSession,
        services: Services,
        on_end: Callable[[WebRtcCall, str], None],
    ) -> None:
        self.record = record
        self._records = services.records
        self._on_end = on_end
        self._drawing = Drawing(services.faults, ("webrtc", record.id))
        self._faults = EventFaults(self._drawing, engine.ids)
        self._held: list[Mapping[str, Any]] | None = []
        self._held_bytes = 0
        playout = Playout(self._played, self._drained)
        self.driver: SessionDriver = SessionDriver(
            engine, log, services, on_end=self._session_ended, plays=playout.plays
        )
        self._audio = MissingAudio(services.clock, self.driver.hear, counts=self._counts_silence)
        handlers = PeerHandlers(
            on_connected=self._connected,
            on_open=self._opened,
            on_message=self._received,
            on_audio=self._audio.heard,
            on_closed=self._closed,
        )
        self._peer = Peer(
            playout,
            handlers,
            addresses=services.settings.rtc_addresses,
            loopback_only=services.settings.rtc_loopback_only,
        )

    async def answer(self, text: str) -> None:
        """Answer an offer. What the session sends before the data channel opens is delivered then.

        Args:
            text: The offer, checked by `offer.check`.

        Raises:
            ApiProblem: 400 `invalid_offer`.
        """
        try:
            self.record.answer = await self._peer.answer(text)
        except BaseException:
            await self._peer.close()
            self.driver.end(INTERNAL_ERROR, "failed")
            raise
        if self._peer.has_data:
            self._begin()

    async def end(self, reason: str) -> None:
        """End session and connection at once.

        Args:
            reason: For the record.
        """
        self.record.state = "ended"
        self.record.ended = reason
        self._records.changed()
        logger.info("call %s: ended (%s)", self.record.id, reason)
        self._audio.stop()
        self.driver.end(CUT if reason in ("lost", "failed") else 1000, reason)
        await self._peer.flush()
        await self._peer.close()

    def _connected(self) -> None:
        if self.record.state == "connecting":
            self.record.state = "connected"
            self._records.changed()
            logger.info("call %s: connected", self.record.id)

    def _begin(self) -> None:
        self.driver.attach(self._send, greet=True)

    def _opened(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            self._send(event)

    def _received(self, message: str | bytes) -> None:
        self.driver.receive(message)

    def _send(self, event: Mapping[str, Any]) -> None:
        if self._held is not None:
            self._hold(self._held, event)
            return
        try:
            self._faults.apply(event, lambda one: self._peer.send(json.dumps(one, ensure_ascii=False)))
        except Cut as cut:
            self._on_end(self, "peer" if cut.close is None else "expired")

    def _hold(self, held: list[Mapping[str, Any]], event: Mapping[str, Any]) -> None:
        """Keep an event for a data channel that is not open yet; a peer need not open it at all."""
        self._held_bytes += len(json.dumps(event))
        if self._held_bytes <= MAX_HELD_BYTES:
            held.append(event)
        elif held:
            logger.warning("call %s: no data channel was opened, and its events are dropped", self.record.id)
            held.clear()

    def _counts_silence(self) -> bool:
        """Whether time passes for the session while the peer sends no audio."""
        return True

    def _played(self, pcm: bytes) -> None:
        self.driver.played(pcm)

    def _drained(self, response_id: str) -> None:
        self.driver.drained(response_id)

    def _closed(self, reason: str) -> None:
        self._on_end(self, reason)

    def _session_ended(self, code: int, reason: str) -> None:
        self._on_end(self, end_of(code, reason))
