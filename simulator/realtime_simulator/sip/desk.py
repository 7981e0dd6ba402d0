"""Where incoming calls arrive: announces them, and finds them to be accepted, rejected and referred."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator.calls import Calls
from realtime_simulator.engine.ids import Ids
from realtime_simulator.faults.faults import Drawing
from realtime_simulator.live import Studio
from realtime_simulator.problem import ApiProblem
from realtime_simulator.records import Call, Delivery
from realtime_simulator.session_record import SessionRecord
from realtime_simulator.settings import Settings
from realtime_simulator.sip.announcement import Announcer, Plan
from realtime_simulator.sip.call import SipCall

logger = logging.getLogger("realtime_simulator")
DECLINE = 603


@attrs.frozen(kw_only=True)
class Incoming:
    """A call to be made up; everything in it has been checked.

    Args:
        plan: How it is announced.
        headers: The INVITE's headers, made with the SIP Call-ID.
        audio: What the caller says once the call is answered, PCM16 mono at 24 kHz.
        line_speed: How fast the line's time goes; 1 is real time.
        ring_seconds: How long the caller waits for an answer.
    """

    plan: Plan
    headers: Callable[[str], Sequence[tuple[str, str]]]
    audio: bytes = attrs.field(default=b"", repr=False)
    line_speed: float = 1.0
    ring_seconds: float = 60.0


class Desk:
    """The incoming calls of a simulator.

    Args:
        calls: Where they are kept.
        studio: What sessions share.
        settings: The simulator's settings.
        ids: Where ids come from.
    """

    def __init__(self, calls: Calls, studio: Studio, settings: Settings, ids: Ids) -> None:
        self._calls = calls
        self._studio = studio
        self._settings = settings
        self._ids = ids
        self._announcer = Announcer(studio.clock, ids)
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, incoming: Incoming) -> tuple[Call, asyncio.Future[None]]:
        """Let a call come in.

        Args:
            incoming: The call.

        Returns:
            Its record, and what is done when each webhook was attempted once, or never will be.
        """
        plan = self._spoiled(incoming.plan)
        record = Call(
            id=self._ids.new("rtc_u1", 32),
            kind="sip",
            session=SessionRecord(id=self._ids.new("sess"), transport="sip"),
            state="ringing",
            sip_headers=incoming.headers(self._ids.new("sip", 24)),
        )
        call = SipCall(record, self._studio, self._settings, self._ids, incoming.line_speed, self._ended)
        call.line.say(incoming.audio)
        self._calls.add(call)
        logger.info("call %s: ringing", record.id)
        clock = self._studio.clock
        clock.call_at(clock.monotonic() + incoming.ring_seconds, lambda: self._gave_up(call))
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = set(plan.events)

        def delivered(delivery: Delivery) -> None:
            record.deliveries.append(delivery)
            self._studio.records.changed()
            logger.info(
                "call %s: webhook %s: %s", record.id, delivery.type, delivery.status or delivery.error
            )
            waiting.discard(delivery.type)
            if not waiting and not first.done():
                first.set_result(None)

        task = asyncio.get_running_loop().create_task(
            self._announcer.announce(plan, record.id, record.sip_headers, delivered)
        )
        self._tasks.add(task)

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not first.done():
                first.set_result(None)
            if not task.cancelled() and task.exception() is not None:
                logger.error("call %s: the webhook failed", record.id, exc_info=task.exception())

        task.add_done_callback(over)
        return record, first

    def accept(self, call_id: str, session: Mapping[str, Any]) -> None:
        """Answer a call.

        Raises:
            ApiProblem: 404: there is no such call, or the caller has hung up; 409: it was accepted before.
        """
        self._find(call_id).accept(session)

    async def reject(self, call_id: str, status_code: int | None) -> None:
        """Turn a call down.

        Args:
            call_id: The call.
            status_code: The SIP status for the caller; 603 if None.

        Raises:
            ApiProblem: As for `accept`.
        """
        self._find(call_id).reject(DECLINE if status_code is None else status_code)
        await self._calls.end(call_id, "rejected")

    def refer(self, call_id: str, target_uri: str) -> None:
        """Pass a caller on.

        Raises:
            ApiProblem: 404: there is no such call; 409: it still rings.
        """
        self._find(call_id).refer(target_uri)

    def fail_later(self, call_id: str, seconds: float) -> None:
        """Pretend to answer a call, and let it fail after a while.

        Raises:
            ApiProblem: As for `accept`.
        """
        self._find(call_id).require_ringing("accepted")
        self._calls.end_later(call_id, seconds, "failed")

    def hang_up_later(self, call_id: str, seconds: float) -> None:
        """Let the caller hang up after a while."""
        self._calls.end_later(call_id, seconds, "peer")

    def say(self, call_id: str, pcm: bytes) -> None:
        """Let the caller say something more.

        Raises:
            ApiProblem: 404: there is no such call.
        """
        self._find(call_id).line.say(pcm)

    async def close(self) -> None:
        """Stop all deliveries."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._announcer.aclose()

    def _spoiled(self, plan: Plan) -> Plan:
        """What faults make of a plan."""
        drawing = Drawing(self._studio.faults, ("webhook",))
        if (more := drawing.draw("duplicate_webhook")) is not None:
            plan = attrs.evolve(plan, duplicates=plan.duplicates + int(more["times"]))
        if (late := drawing.draw("late_webhook")) is not None:
            plan = attrs.evolve(plan, delay=plan.delay + late["seconds"])
        return plan

    def _find(self, call_id: str) -> SipCall:
        call = self._calls.find(call_id)
        if not isinstance(call, SipCall):
            raise ApiProblem(
                f"The call '{call_id}' did not come over SIP; it can only be hung up.",
                code="invalid_call_type",
            )
        return call

    def _gave_up(self, call: SipCall) -> None:
        if call.record.state == "ringing":
            self._ended(call, "peer")

    def _ended(self, call: SipCall, reason: str) -> None:
        self._calls.end_soon(call, reason)
