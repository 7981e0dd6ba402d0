"""SIP calls: they ring until they are accepted or rejected, and then are sessions on a line.

A Live session may call a number, too; no provider is behind it, and a fault decides whether the call fails.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._calls.line import Line, LineHandlers, Phone
from realtime_simulator._calls.registry import CallRegistry, session_id_of
from realtime_simulator._calls.webhooks import Announcer, Plan
from realtime_simulator._core.clock import Timer
from realtime_simulator._core.problem import CUT, ApiProblem, no_call
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._faults.catalog import Drawing
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Call, Delivery, end_of
from realtime_simulator._scenario.callers import CallerAct, Referral
from realtime_simulator._sessions.driver import SessionDriver
from realtime_simulator._sessions.services import Services

logger: logging.Logger = logging.getLogger("realtime_simulator")
HeadersLike = Mapping[str, str] | Iterable[tuple[str, str]]
MAX_HEADERS = 64
MAX_VALUE = 8192
CALLER = "sip:+14155550100@sip.example.com"
CALLEE = "sip:proj_simulator@sip.api.openai.com;transport=tls"
# RFC 3261 §25.1 "token".
_MOST_PIECES = 1500  # half a minute of a call's sound, for each listener
_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,128}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
DECLINE = 603
_RINGING_SECONDS = 0.2
"""How long a number that a session calls rings."""


def build_headers(headers: HeadersLike | None, call_id: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of an INVITE.

    Args:
        headers: Headers by name, or pairs where names repeat; they come after those that every INVITE has,
            and replace those with the same name.
        call_id: The SIP Call-ID, which is not the API's call id.

    Raises:
        ValueError: A name is not a SIP token, a value has control characters, or there are too many headers.
        TypeError: A name or a value isn't a str.

    Source: RFC 3261 §8.1.1 and §25.1
    """
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    if len(pairs) > MAX_HEADERS:
        raise ValueError(f"headers: at most {MAX_HEADERS} are allowed, got {len(pairs)}")
    for name, value in pairs:
        _check(name, value)
    own = {name.lower() for name, _ in pairs}
    usual = (
        ("From", f"<{CALLER}>;tag={call_id[-8:]}"),
        ("To", f"<{CALLEE}>"),
        ("Call-ID", call_id),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
        ("Contact", f"<{CALLER}>"),
    )
    return (*((name, value) for name, value in usual if name.lower() not in own), *pairs)


def _check(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(
            f"headers: names and values are str, got {type(name).__name__}: {type(value).__name__}"
        )
    if not _NAME.fullmatch(name):
        raise ValueError(f"headers: {name[:80]!r} is not the name of a SIP header")
    if _CONTROL.search(value):
        raise ValueError(f"headers: control characters are not allowed in the value of {name!r}")
    if len(value) > MAX_VALUE:
        raise ValueError(
            f"headers: the value of {name!r} has {len(value)} characters, allowed are {MAX_VALUE}"
        )


class SipCall:
    """One incoming call.

    Args:
        record: Its record; it rings.
        log: The log of its session, of the Realtime API if it is incoming.
        services: The services that sessions share.
        line_speed: How fast the line's time passes; 1 is real time.
        on_end: Called with this call and the reason when it ends by itself; `end` follows.
        phone: What the caller holds; None if the call's sound is queued.
    """

    def __init__(
        self,
        record: Call,
        log: SessionLog,
        services: Services,
        line_speed: float,
        on_end: Callable[[SipCall, str], None],
        phone: Phone | None = None,
    ) -> None:
        self.record = record
        self._phone = phone
        self.log = log
        self._services = services
        self._on_end = on_end
        self._driver: SessionDriver | None = None
        self._timers: list[Timer] = []
        self._listeners: set[asyncio.Queue[bytes]] = set()
        handlers = LineHandlers(on_heard=self._heard, on_played=self._played, on_drained=self._drained)
        self.line: Line = Line(services.clock, line_speed, handlers, phone)

    @property
    def driver(self) -> SessionDriver:
        """The driver of its session.

        Raises:
            ApiProblem: 404: it still rings.
        """
        if self._driver is None:
            raise no_call()
        return self._driver

    def ring(self, seconds: float, rang_out: Callable[[], None]) -> None:
        """Call a function when the call has rung for this long."""
        self._later(seconds, rang_out)

    def accept(self, engine: BaseSession, log: SessionLog) -> SessionDriver:
        """Begin the session of a call that rings.

        Args:
            engine: The session.
            log: Its log.

        Returns:
            Its driver.
        """
        driver = self._drive(engine, log)
        self._connect()
        return driver

    def dial(self, engine: BaseSession, failure: Mapping[str, Any] | None) -> SessionDriver:
        """Begin the session, and call a number for it.

        Args:
            engine: The session.
            failure: Why the call fails, with `code` and `message`; None if it is answered.

        Returns:
            The session's driver.
        """
        driver = self._drive(engine, self.log)

        def tell(kind: str, **fields: Any) -> None:
            event = {"type": kind, "session_id": self.log.id, **fields}
            driver.act(lambda session: session.emit(event))

        def answered() -> None:
            self._connect()
            tell("transport.answered")

        def failed(error: Mapping[str, Any]) -> None:
            tell("transport.failed", error={"type": "call_error", **error})
            self._on_end(self, "failed")

        tell("transport.ringing")
        self._later(_RINGING_SECONDS, answered if failure is None else lambda: failed(failure))
        return driver

    def _drive(self, engine: BaseSession, log: SessionLog) -> SessionDriver:
        self.record.session = log.record
        self._driver = SessionDriver(
            engine, log, self._services, on_end=self._session_ended, plays=self.line.plays
        )
        self._services.records.add(log)
        return self._driver

    def _connect(self) -> None:
        self.record.begun = self._services.clock.monotonic()
        self._become("connected")
        if self._phone is not None:
            self._phone.answered(SessionLog.of(self.record.session))
        self.line.begin()
        self._act(iter(self._services.behavior.caller))

    def reject(self, status_code: int) -> None:
        """Reject it; its end must follow.

        Args:
            status_code: The SIP status for the caller.

        Raises:
            ApiProblem: 409: it was accepted before.
        """
        self.require_ringing("rejected")
        self.record.reject_code = status_code

    def refer(self, target_uri: str) -> None:
        """Refer the caller; the outcome is up to the caller's side.

        Args:
            target_uri: The Refer-To.

        Raises:
            ApiProblem: 409: it still rings.
        """
        if self.record.state != "connected":
            raise ApiProblem(
                f"The call '{self.record.id}' has not been accepted, and only then can be referred.",
                status=409,
                code="call_not_accepted",
            )
        self.record.refers.append(target_uri)
        self._services.records.changed()
        logger.info("call %s: referred", self.record.id)
        if (referral := self._services.behavior.refer) is not None:
            self._later(referral.delay, lambda: self._referred(referral))

    def press(self, keys: str) -> None:
        """Press keys of the caller's telephone.

        Raises:
            ApiProblem: 404: it still rings.
        """
        self.driver.press(keys)

    async def end(self, reason: str) -> None:
        """End line and session at once.

        Args:
            reason: For the record.
        """
        self.line.end()
        self.record.ended = reason
        self._become("ended", f" ({reason})")
        self._hand(b"")
        if self._driver is not None:
            # The service sends no close frame when a telephone call ends.
            self._driver.end(CUT, reason)
        if self._phone is not None:
            self._phone.ended(reason)

    def require_ringing(self, what: str) -> None:
        """Refuse an action that only a ringing call allows.

        Raises:
            ApiProblem: 409: it was accepted before.
        """
        if self.record.state != "ringing":
            raise ApiProblem(
                f"The call '{self.record.id}' was accepted before and cannot be {what} any more.",
                status=409,
                code="call_already_accepted",
            )

    def _become(self, state: Any, detail: str = "") -> None:
        for timer in self._timers:
            timer.cancel()  # which would keep the call in memory until they are due
        self._timers.clear()
        self.record.state = state
        self._services.records.changed()
        logger.info("call %s: %s%s", self.record.id, state, detail)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        """Call a function after a while, unless the call's state has changed by then."""
        clock = self._services.clock
        self._timers.append(clock.call_at(clock.monotonic() + seconds, do))

    def _act(self, acts: Iterator[CallerAct]) -> None:
        """Perform the caller's next act, and then the others."""
        act = next(acts, None)
        if act is None:
            return

        def do() -> None:
            if act.keys:
                self.press(act.keys)
            if act.sound:
                self.line.say(act.sound)
            if act.hangs_up:
                self._on_end(self, "peer")
            else:
                self._act(acts)

        self._later(act.delay, do)

    def _referred(self, referral: Referral) -> None:
        """Record the outcome of referring the caller; a caller who was transferred leaves the call."""
        self.record.refer_status = referral.status
        self._services.records.changed()
        logger.info("call %s: the referral ended with %s", self.record.id, referral.status)
        if referral.succeeds:
            self._on_end(self, "referred")

    def _heard(self, pcm: bytes) -> None:
        if self._driver is not None:
            self._driver.hear(pcm)

    def playing(self) -> AsyncIterator[bytes]:
        """Return the sound that the caller hears from now on, piece by piece, until the call ends."""
        pieces: asyncio.Queue[bytes] = asyncio.Queue(_MOST_PIECES)
        self._listeners.add(pieces)
        return self._taken(pieces)

    async def _taken(self, pieces: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
        try:
            while self.record.state != "ended" and (piece := await pieces.get()):
                yield piece
        finally:
            self._listeners.discard(pieces)

    def _hand(self, piece: bytes) -> None:
        for pieces in self._listeners:
            if not pieces.full():  # a listener that is too slow misses some
                pieces.put_nowait(piece)

    def _played(self, pcm: bytes) -> None:
        self._hand(pcm)
        if self._driver is not None:
            self._driver.played(pcm)

    def _drained(self, response_id: str) -> None:
        if self._driver is not None:
            self._driver.drained(response_id)

    def _session_ended(self, code: int, reason: str) -> None:
        self._on_end(self, end_of(code, reason))


@attrs.frozen(kw_only=True)
class Incoming:
    """A call to be simulated; everything in it has been checked.

    Args:
        plan: How it is announced.
        headers: The INVITE's headers, made with the SIP Call-ID.
        audio: The caller's sound once the call is accepted, PCM16 mono at 24 kHz.
        line_speed: How fast the line's time passes; 1 is real time.
        ring_seconds: How long the caller waits for an answer.
        phone: What the caller holds; None if their sound is `audio`.
    """

    plan: Plan
    headers: Callable[[str], Sequence[tuple[str, str]]]
    audio: bytes = attrs.field(default=b"", repr=False)
    line_speed: float = 1.0
    ring_seconds: float = 60.0
    phone: Phone | None = None


class IncomingCalls:
    """The incoming calls of a simulator.

    Args:
        calls: The registry of calls.
        services: The services that sessions share.
    """

    def __init__(self, calls: CallRegistry, services: Services) -> None:
        self._calls = calls
        self._services = services
        self._announcer = Announcer(services.clock, services.ids)
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, incoming: Incoming) -> tuple[Call, asyncio.Future[None]]:
        """Start a call.

        Args:
            incoming: The call.

        Returns:
            Its record, and a future that is done when each webhook was attempted once, or never will be.
        """
        plan = self._with_faults(incoming.plan)
        call_id = self._services.ids.new("rtc_u1", 32)
        log = SessionLog(session_id_of(call_id), "sip")
        record = Call(
            id=call_id,
            kind="sip",
            session=log.record,
            state="ringing",
            sip_headers=incoming.headers(self._services.ids.new("sip", 24)),
        )
        call = SipCall(record, log, self._services, incoming.line_speed, self._ended, incoming.phone)
        call.line.say(incoming.audio)
        self._calls.add(call)
        logger.info("call %s: ringing", record.id)
        if incoming.phone is not None:
            incoming.phone.rings()
        call.ring(incoming.ring_seconds, lambda: self._rang_out(call))
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = set(plan.events)

        def delivered(delivery: Delivery) -> None:
            record.deliveries.append(delivery)
            self._services.records.changed()
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
        """Accept a call.

        Raises:
            ApiProblem: 404: the call does not exist, or the caller has hung up; 409: it was accepted before.
        """
        call = self.ringing(call_id, "accepted")
        call.accept(self._services.new_session(call.log.id, session, plays_audio=True), call.log)

    def ringing(self, call_id: str, what: str) -> SipCall:
        """Return a call that rings.

        Args:
            call_id: The call.
            what: What is to be done with it.

        Raises:
            ApiProblem: As for `accept`.
        """
        call = self.find(call_id)
        call.require_ringing(what)
        return call

    def rejected(self, call_id: str) -> bool:
        """Return whether a call was rejected."""
        return any(one.id == call_id and one.reject_code for one in self._services.records.calls)

    def dial(
        self, call_id: str, engine: BaseSession, log: SessionLog, failure: Mapping[str, Any] | None
    ) -> SessionDriver:
        """Call a number for a session.

        Args:
            call_id: The call's id.
            engine: The session.
            log: Its log.
            failure: As for `SipCall.dial`.

        Returns:
            The session's driver.
        """
        record = Call(id=call_id, kind="sip", session=log.record, state="ringing")
        call = SipCall(record, log, self._services, 1.0, self._ended)
        self._calls.add(call)
        return call.dial(engine, failure)

    async def reject(self, call_id: str, status_code: int | None) -> None:
        """Reject a call.

        Args:
            call_id: The call.
            status_code: The SIP status for the caller; 603 if None.

        Raises:
            ApiProblem: As for `accept`.
        """
        self.find(call_id).reject(DECLINE if status_code is None else status_code)
        await self._calls.end(call_id, "rejected")

    def fails(self, call_id: str, drawing: Drawing) -> bool:
        """Pretend to accept a call that ends as failed later, if that fault happens; return whether it does.

        Raises:
            ApiProblem: As for `accept`.
        """
        failure = drawing.draw("accept_then_fail")
        if failure is not None:
            self.find(call_id).require_ringing("accepted")
            self._calls.end_later(call_id, failure["seconds"], "failed")
        return failure is not None

    async def close(self) -> None:
        """Stop all deliveries."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._announcer.aclose()

    def _with_faults(self, plan: Plan) -> Plan:
        """Return a plan with the faults that are due."""
        drawing = Drawing(self._services.faults, ("webhook",))
        if (more := drawing.draw("duplicate_webhook")) is not None:
            plan = attrs.evolve(plan, duplicates=plan.duplicates + int(more["copies"]))
        if (late := drawing.draw("late_webhook")) is not None:
            plan = attrs.evolve(plan, delay=plan.delay + late["seconds"])
        return plan

    def find(self, call_id: str) -> SipCall:
        """Return a call that is in progress.

        Raises:
            ApiProblem: 404: the call does not exist; 400: it did not come over SIP.
        """
        call = self._calls.find(call_id)
        if not isinstance(call, SipCall):
            raise ApiProblem(
                f"The call '{call_id}' did not come over SIP; it can only be hung up.",
                code="invalid_call_type",
            )
        return call

    def _rang_out(self, call: SipCall) -> None:
        if call.record.state == "ringing":
            self._ended(call, "peer")

    def _ended(self, call: SipCall, reason: str) -> None:
        self._calls.end_soon(call, reason)
