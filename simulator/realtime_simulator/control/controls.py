"""The methods of `Simulator` that act on it while it runs; any thread may call them.

They only hand over to the simulator's thread and wait for its answer.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

import attrs

from realtime_simulator.calls import Calls
from realtime_simulator.clock import AdvancingClock
from realtime_simulator.faults.faults import Fault, Faults
from realtime_simulator.problem import ApiProblem
from realtime_simulator.records import Call
from realtime_simulator.server import ServerThread
from realtime_simulator.settings import Settings
from realtime_simulator.sip.announcement import EVENT_TYPES, EventType, Plan, check_target
from realtime_simulator.sip.desk import Desk, Incoming
from realtime_simulator.sip.headers import HeadersGiven, build_headers
from realtime_simulator.sip.recording import AudioGiven, read_audio

T = TypeVar("T")
_FIRST_ATTEMPT_SECONDS = 20.0


@attrs.frozen
class Parts:
    """The parts of a running simulator that can be acted on.

    Args:
        calls: All its calls.
        desk: Where incoming calls arrive.
        clock: Its time.
    """

    calls: Calls
    desk: Desk
    clock: AdvancingClock


class Controls:
    """What can be done to a simulator while it runs.

    Args:
        settings: Its settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: ServerThread | None = None
        self._parts: Parts | None = None
        self._faults = Faults(settings.seed)

    def incoming_call(
        self,
        to: str,
        headers: HeadersGiven | None = None,
        *,
        audio: AudioGiven | None = None,
        events: Sequence[EventType] | EventType = "realtime.call.incoming",
        duplicates: int = 0,
        delay: float = 0.0,
        age: float = 0.0,
        attempts: int = 5,
        ring_seconds: float = 60.0,
        line_speed: float = 1.0,
        wait: bool | None = None,
    ) -> Call:
        """Let a SIP call come in and announce it by webhook.

        The webhook is signed with `webhook_secret`. What is not answered with 200 is delivered again,
        with the same `webhook-id`.

        Args:
            to: The receiver's URL.
            headers: Headers of the INVITE, by name or as pairs; they replace the usual ones of the same name.
            audio: What the caller says once the call is accepted: a WAV file's path, or PCM16 mono at 24 kHz.
            events: `realtime.call.incoming`, `live.call.incoming`, or both.
            duplicates: How often each webhook comes again after it was acknowledged.
            delay: Seconds from the call to its webhook, for one that comes late.
            age: By how many seconds the webhook pretends to be older than it is.
            attempts: How often each webhook is tried at most.
            ring_seconds: How long the caller waits for an answer before hanging up.
            line_speed: How fast the line's time goes, 1 is real time; up to 100.
            wait: Whether to return only when the webhook was attempted once. Unless told, that is so
                wherever no event loop runs in the caller's thread, for it might be the receiver's.

        Returns:
            The call: it rings, and changes as others act on it.

        Raises:
            ValueError: An argument is out of range; the message names it.
            TypeError: An argument has the wrong type.
            OSError: The audio file can't be read.
            RuntimeError: The simulator doesn't run.
        """
        pairs = None if headers is None else _repeatable(headers)
        build_headers(pairs, "check")  # what is wrong is said before anything rings
        incoming = Incoming(
            plan=Plan(
                to=check_target(to),
                events=_checked_events(events),
                duplicates=int(_checked("duplicates", duplicates, 0, 100)),
                delay=_checked("delay", delay, 0, 3600),
                age=_checked("age", age, -86400, 10 * 86400),
                attempts=int(_checked("attempts", attempts, 1, 100)),
                secret=self._settings.webhook_secret,
            ),
            headers=functools.partial(build_headers, pairs),
            audio=b"" if audio is None else read_audio(audio),
            line_speed=_checked("line_speed", line_speed, 0.01, 100),
            ring_seconds=_checked("ring_seconds", ring_seconds, 0, 86400),
        )
        parts = self._running()
        attempted: Future[None] = Future()

        def ring() -> Call:
            call, first = parts.desk.ring(incoming)
            first.add_done_callback(lambda _: attempted.set_result(None))
            return call

        call = self._inside(ring)
        if wait or (wait is None and not _in_event_loop()):
            attempted.result(_FIRST_ATTEMPT_SECONDS + incoming.plan.delay)
        return call

    def caller_says(self, call: Call | str, audio: AudioGiven) -> None:
        """Let the caller of a SIP call say something, after what is still to be said.

        Args:
            call: The call or its id.
            audio: As for `incoming_call`.

        Raises:
            LookupError: There is no such call under way.
            ValueError, OSError: The audio can't be read.
        """
        pcm = read_audio(audio)
        parts, call_id = self._running(), _id(call)
        self._inside(_looked_up(lambda: parts.desk.say(call_id, pcm)))

    def hang_up(self, call: Call | str) -> None:
        """Let the other side of a call hang up: a SIP call's caller, answered or not, or a WebRTC peer.

        Args:
            call: The call or its id.

        Raises:
            LookupError: There is no such call under way.
        """
        parts, call_id = self._running(), _id(call)
        self._inside(_looked_up(lambda: parts.calls.end_soon(parts.calls.find(call_id), "peer")))
        # A task ends it; that task's turn comes before this one's.
        self._inside(lambda: None)

    def fault(
        self,
        name: str,
        *,
        on: str | None = None,
        rate: float = 1.0,
        times: int | None = None,
        **settings: float | str,
    ) -> Fault:
        """Ask for a fault, also before the simulator runs.

            with sim.fault("rate_limit", on="calls.create", times=1, retry_after=2):
                ...

        Which faults there are, and their settings: `realtime_simulator.FAULTS`. A single request can ask
        for its own with the header `x-simulator-fault: rate_limit; retry_after=2`.

        Args:
            name: The fault's name.
            on: The operation (`calls.create`, `client_secrets.create`, `connect`, `sideband`, …) or the id
                of the call that it is for; None for all.
            rate: How often it happens, 0 to 1.
            times: How often it happens at most; None for ever.
            settings: The fault's own settings.

        Returns:
            The fault; it counts its `hits`, and `remove()` or the end of its block ends it.

        Raises:
            ValueError: The name, `on`, `rate`, `times` or a setting is not allowed; the message says what is.
        """
        return self._faults.add(name, on=on, rate=rate, times=times, settings=settings)

    def clear_faults(self) -> None:
        """Let everything go well again."""
        self._faults.clear()

    def advance(self, seconds: float) -> None:
        """Put the simulator's time forward: what falls due on the way happens, in its order, at once.

        Expiry of sessions and secrets, timeouts, pauses between deliveries and the pacing of answers all go
        by this time. It doesn't move by itself any faster than real time.

        Args:
            seconds: How far, 0 or more.

        Raises:
            ValueError: It is negative.
        """
        _checked("seconds", seconds, 0, float("inf"))
        parts = self._running()
        if self._thread is not None and self._thread.inside:
            raise RuntimeError("advance cannot be called from the simulator's own thread")
        asyncio.run_coroutine_threadsafe(parts.clock.advance(seconds), self._loop()).result()

    def _running(self) -> Parts:
        if self._parts is None or self._thread is None:
            raise RuntimeError("the simulator is not running; enter it with `with` first")
        return self._parts

    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._thread is not None
        return self._thread.loop

    def _inside(self, function: Callable[[], T]) -> T:
        """Call a function in the simulator's thread and return what it returns."""
        if self._thread is not None and self._thread.inside:
            return function()
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop().call_soon_threadsafe(call)
        return done.result()


def _looked_up(function: Callable[[], T]) -> Callable[[], T]:
    """Let a refusal that speaks HTTP be a LookupError."""

    def call() -> T:
        try:
            return function()
        except ApiProblem as problem:
            raise LookupError(problem.message) from problem

    return call


def _id(call: Call | str) -> str:
    return call if isinstance(call, str) else call.id


def _repeatable(headers: HeadersGiven) -> Sequence[tuple[str, str]]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _checked(name: str, value: float, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}: allowed is {low:g} to {high:g}, got {value:g}")
    return value


def _checked_events(events: Sequence[EventType] | EventType) -> tuple[EventType, ...]:
    given = (events,) if isinstance(events, str) else tuple(events)
    wrong = [event for event in given if event not in EVENT_TYPES]
    if wrong or not given or len(set(given)) < len(given):
        raise ValueError(f"events: allowed is one or both of {', '.join(EVENT_TYPES)}, got {events!r}")
    return given
