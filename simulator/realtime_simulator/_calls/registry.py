"""All calls of a simulator: create, find and end them."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from realtime_simulator._calls.sdp_offer import check
from realtime_simulator._core.problem import ApiProblem, no_call
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.config import TRANSLATION
from realtime_simulator._faults.alterations import without_connectivity
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Call
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.services import Services

if TYPE_CHECKING:
    from realtime_simulator._calls.webrtc import WebRtcCall

logger: logging.Logger = logging.getLogger("realtime_simulator")


def session_id_of(call_id: str) -> str:
    """Return the id of a call's session, which ends as the call's does."""
    return call_id.replace("rtc_", "sess_", 1)


class OpenCall(Protocol):
    """A call that is in progress, over any transport."""

    record: Call

    @property
    def driver(self) -> SessionDriver:
        """The driver of its session.

        Raises:
            ApiProblem: 404: it has none yet.
        """
        ...

    async def end(self, reason: str) -> None:
        """End it, and return when its sockets are closed."""
        ...


class CallRegistry:
    """All calls of a simulator.

    Args:
        services: The services that sessions share.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: dict[str, OpenCall] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    async def create(
        self, offer: bytes, session: Mapping[str, Any] | None, model: str | None, drawing: Drawing
    ) -> Call:
        """Create a call from an offer.

        Args:
            offer: The SDP offer, byte for byte.
            session: The checked session object, or None.
            model: The model, if the request named one outside the session.
            drawing: The faults of the request.

        Returns:
            The call's record, with the answer.

        Raises:
            ApiProblem: The offer can't be used.
        """
        check(offer)
        services = self._services
        call_id = services.ids.new("rtc_u1", 32)
        translates = session is not None and session.get("type") == TRANSLATION
        engine = services.new_session(
            session_id_of(call_id), session, model=model, plays_audio=True, translates=translates
        )
        log = SessionLog(engine.config.session_id, "webrtc")
        return await self.answer(call_id, offer, engine, log, drawing)

    async def answer(
        self,
        call_id: str,
        offer: bytes,
        engine: BaseSession,
        log: SessionLog,
        drawing: Drawing,
        begun: Callable[[SessionDriver], object] | None = None,
    ) -> Call:
        """Answer an offer with a session.

        Args:
            call_id: The call's id.
            offer: The SDP offer, byte for byte.
            engine: The session.
            log: Its log.
            drawing: The faults of the request.
            begun: Called with the driver of a session of the Live API; None for Realtime's.

        Returns:
            The call's record, with the answer.

        Raises:
            ApiProblem: The offer can't be used.
        """
        text = check(offer)
        make = await self._webrtc("webrtc.WebRtcCall" if begun is None else "live_webrtc.LiveWebRtcCall")
        services = self._services
        record = Call(
            id=call_id,
            kind="webrtc",
            session=log.record,
            offer=offer,
            begun=services.clock.monotonic(),
        )
        call = make(record, log, engine, services, self._end)
        if begun is not None:
            begun(call.driver)
        await call.answer(text)
        if self._closed:
            await call.end("shutdown")
            raise ApiProblem("The simulator is stopping.", status=503, type="server_error")
        self._services.records.add(log)
        self.add(call)
        logger.info("call %s: answered", record.id)
        self.draw_hangup(call_id, drawing)
        if drawing.draw("ice_failure") is not None:
            record.answer = without_connectivity(record.answer)
        return record

    def add(self, call: OpenCall) -> None:
        """Register and record a call."""
        self._open[call.record.id] = call
        self._services.records.add(call.record)

    def find(self, call_id: str) -> OpenCall:
        """Return a call that is in progress.

        Raises:
            ApiProblem: 404: the call does not exist, or has ended.
        """
        call = self._open.get(call_id)
        if call is None:
            raise no_call()
        return call

    def has(self, call_id: str) -> bool:
        """Whether a call is in progress."""
        return call_id in self._open

    def find_realtime(self, call_id: str) -> OpenCall:
        """Return a call of the Realtime API that is in progress.

        Raises:
            ApiProblem: As for `find`; also for a session of the Live API, which has operations of its own.
        """
        call = self.find(call_id)
        if call_id.startswith("live_"):
            raise no_call()
        return call

    def id_of(self, driver: SessionDriver) -> str | None:
        """Return the id of the call in progress whose session a driver runs; None if there is none."""
        record = driver.log.record
        return next((id for id, call in self._open.items() if call.record.session is record), None)

    async def end(self, call_id: str, reason: str) -> None:
        """End a call, and return when its sockets are closed.

        Raises:
            ApiProblem: 404: the call does not exist.
        """
        self._end(self.find(call_id), reason)
        await asyncio.shield(self._ending[call_id])

    def end_soon(self, call: OpenCall, reason: str) -> None:
        """End a call without waiting; nothing happens if it has ended."""
        self._end(call, reason)

    def end_later(self, call_id: str, seconds: float, reason: str) -> None:
        """End a call after a while, unless it has ended by then."""

        def end() -> None:
            call = self._open.get(call_id)
            if call is not None:
                self._end(call, reason)

        clock = self._services.clock
        clock.call_at(clock.monotonic() + seconds, end)

    def draw_hangup(self, call_id: str, drawing: Drawing) -> None:
        """Schedule a hang-up by the other side, if that fault happens."""
        if (hangup := drawing.draw("peer_hangup")) is not None:
            self.end_later(call_id, hangup["seconds"], "peer")

    async def close(self) -> None:
        """End all calls, because the simulator stops."""
        self._closed = True
        for call in list(self._open.values()):
            self._end(call, "shutdown")
        if self._ending:
            await asyncio.wait(list(self._ending.values()))

    def _end(self, call: OpenCall, reason: str) -> None:
        """End a call, once; its peer connection closes in the background."""
        call_id = call.record.id
        if self._open.pop(call_id, None) is None:
            return
        task = asyncio.get_running_loop().create_task(call.end(reason))
        self._ending[call_id] = task
        task.add_done_callback(lambda _: self._ending.pop(call_id, None))

    async def _webrtc(self, name: str) -> type[WebRtcCall]:
        # Importing aiortc takes half a second: it is imported when it is needed, and not in the event loop.
        place, _, what = name.partition(".")
        module = await asyncio.get_running_loop().run_in_executor(
            self._services.workers, importlib.import_module, f"realtime_simulator._calls.{place}"
        )
        made: type[WebRtcCall] = getattr(module, what)
        return made
