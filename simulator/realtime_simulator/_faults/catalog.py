"""The catalog of faults with their settings, and the faults that are requested at the moment.

Any thread may add and remove faults; the simulator's thread draws them. Drawing decides only whether a fault
happens; other modules carry it out.
"""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import attrs

from realtime_simulator._core import schema
from realtime_simulator._core.operations import FAULT_TARGETS
from realtime_simulator._core.problem import did_you_mean

HEADER = "x-simulator-fault"
"""A request can request faults for itself with this header."""


@attrs.frozen
class Number:
    """A setting that is a number.

    Args:
        default: Its value by default.
        low: The smallest that is allowed.
        high: The largest.
    """

    default: float | None
    low: float = 0.0
    high: float = 86_400.0

    @property
    def allowed(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def _accepts(self, value: object) -> bool:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        )

    def _read(self, text: str) -> float:
        """Return a number that was written as text."""
        value = float(text)
        return int(value) if value.is_integer() else value


@attrs.frozen
class Word:
    """A setting that is a text.

    Args:
        default: Its value by default.
        choices: The allowed values; any if empty.
    """

    default: str | None
    choices: Sequence[str] = ()

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(map(repr, self.choices)) if self.choices else "a text"

    def _accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.isprintable() and (not self.choices or value in self.choices)

    def _read(self, text: str) -> str:
        return text


@attrs.frozen
class EventType:
    """A setting that is a server event's type, of any kind of session; every event if omitted."""

    default: None = None

    @property
    def allowed(self) -> str:
        return "the type of a server event"

    def _accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in _server_events()

    def _read(self, text: str) -> str:
        return text


Setting = Number | Word | EventType


def describe(setting: Setting) -> str:
    """Return the allowed values of a setting, and its default."""
    otherwise = "" if setting.default is None else f"; {setting.default!r} if left out"
    return f"{setting.allowed}{otherwise}"


@functools.cache
def _server_events() -> frozenset[str]:
    unions = ("RealtimeServerEvent", "RealtimeTranslationServerEvent", "LiveSidebandServerEvent")
    return frozenset(name for union in unions for name in schema.event_schemas(union))


@attrs.frozen
class Kind:
    """One kind of fault.

    Args:
        doc: Its effect.
        settings: Its settings.
    """

    doc: str
    settings: Mapping[str, Setting] = attrs.field(factory=dict)


FAULTS: Mapping[str, Kind] = {
    # Before the request is processed; on HTTP and on WebSocket handshakes alike.
    "rate_limit": Kind(
        "429 with the envelope, Retry-After and x-ratelimit headers",
        {"retry_after": Number(1.0), "retry_after_form": Word("seconds", ("seconds", "date", "none"))},
    ),
    "quota": Kind("429 with the code insufficient_quota, as for a project without credit; nothing to retry"),
    "refused": Kind(
        "an error of the API in place of an answer, as a project that lacks access gets it",
        {
            "status": Number(403, 400, 599),
            "code": Word("forbidden"),
            "message": Word("You are not allowed to use this resource."),
            "type": Word("invalid_request_error"),
            "param": Word(""),
        },
    ),
    "server_error": Kind(
        "a gateway's 5xx with an HTML page",
        {"status": Number(503, 500, 599), "body": Word("html", ("html", "json", "empty"))},
    ),
    "gateway_520": Kind("status 520 with an empty body"),
    "slow": Kind("the response is late", {"seconds": Number(1.0)}),
    "stall": Kind("the request is accepted and never answered", {"seconds": Number(None)}),
    "connection_reset": Kind("the connection is reset before a response"),
    # In place of a successful answer.
    "reset_mid_body": Kind("the connection is reset in the middle of the response's body"),
    "no_location": Kind("the response to a created call lacks Location"),
    "json_not_sdp": Kind(
        "a created call gets a 201 with JSON instead of SDP", {"content_type": Word("application/json")}
    ),
    "ice_failure": Kind("a created call gets an SDP answer that cannot connect"),
    # Calls that end or can't be reached.
    "accept_then_fail": Kind(
        "accept returns 200 for any session, then the call fails", {"seconds": Number(0.0)}
    ),
    "peer_hangup": Kind("the other side hangs up", {"seconds": Number(1.0)}),
    "sideband_404": Kind("sidebands of a call get a 404 at first", {"milliseconds": Number(100.0)}),
    # In a session.
    "socket_drop": Kind("the WebSocket is cut without a close frame", {"after": EventType()}),
    "session_expired": Kind(
        "the session ends with the error `session_expired` and close code 1001", {"after": EventType()}
    ),
    "unknown_event": Kind(
        "events of an unknown type are sent in between", {"type": Word("response.telepathy.delta")}
    ),
    "beta_events": Kind("events have their beta names"),
    "nulls": Kind("absent fields are sent as null"),
    # In a session of the Live API.
    "live_stall": Kind(
        "the timeline stops: no audio, words or acknowledgements are sent",
        {"at": Number(1.0), "seconds": Number(None)},
    ),
    "live_injection": Kind(
        "appends are never injected; each causes an error `context_injection_incomplete` at the close"
    ),
    "live_lost": Kind(
        "the WebSocket closes with code 1011, without `session.closed`", {"after": EventType()}
    ),
    "live_replacement": Kind(
        "the context window is full and another engine takes over, which remembers the end of the history",
        {"at": Number(0.0)},
    ),
    "live_refusal": Kind(
        "`session.start` is answered with an error, as when the credit is spent",
        {
            "code": Word("credit_balance_exhausted"),
            "message": Word("You have no credits remaining."),
            "type": Word("invalid_request_error"),
        },
    ),
    "live_storage": Kind(
        "a session with `store` is not stored; `session_storage_failed` comes before `session.closed`"
    ),
    "live_no_replay": Kind("a sideband gets none of the events that were sent before it was attached"),
    "live_silence": Kind("the timeline of a WebRTC call runs on, in silence, while its peer sends no audio"),
    "live_not_enabled": Kind(
        "a session that calls a number is refused with 403, as when outbound calls are not enabled",
        {
            "code": Word("outbound_sip_not_enabled"),
            "message": Word("Outbound SIP is not enabled for this organization."),
        },
    ),
    "live_unanswered": Kind(
        "a session's call to a number fails with `transport.failed`, and the session ends",
        {
            "code": Word("provider_invite_failed"),
            "message": Word("The provider did not connect the call."),
        },
    ),
    # Webhooks.
    "duplicate_webhook": Kind(
        "webhooks are delivered again after they were acknowledged", {"copies": Number(1, 1, 100)}
    ),
    "late_webhook": Kind("webhooks are delivered late", {"seconds": Number(1.0)}),
}


def check_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fault's settings, with defaults.

    Args:
        name: The fault.
        given: Settings that were requested.

    Raises:
        ValueError: The fault or a setting is unknown, or a value is not allowed.
    """
    kind = FAULTS.get(name)
    if kind is None:
        near = did_you_mean(name, FAULTS)
        raise ValueError(f"name: unknown fault {name!r}; known are {', '.join(FAULTS)}{near}")
    for key, value in given.items():
        setting = kind.settings.get(key)
        if setting is None:
            known = "; ".join(f"{one}: {describe(other)}" for one, other in kind.settings.items()) or "none"
            near = did_you_mean(key, kind.settings)
            raise ValueError(f"{key}: unknown setting of the fault {name!r}; its settings are {known}{near}")
        if not setting._accepts(value):
            near = did_you_mean(value, _server_events()) if isinstance(setting, EventType) else ""
            raise ValueError(f"{key}: allowed is {setting.allowed}, got {value!r}{near}")
    return {key: given.get(key, setting.default) for key, setting in kind.settings.items()}


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Parse a fault as a header or a command line writes it: `rate_limit; retry_after=2`.

    Args:
        text: A name, and settings after semicolons.

    Returns:
        The name and all its settings.

    Raises:
        ValueError: The fault or a setting is unknown, or a value is not allowed.
    """
    name, *pairs = (part.strip() for part in text.split(";"))
    given: dict[str, Any] = {}
    for pair in filter(None, pairs):
        key, _, value = (part.strip() for part in pair.partition("="))
        setting = FAULTS[name].settings.get(key) if name in FAULTS else None
        try:
            given[key] = value if setting is None else setting._read(value)
        except ValueError:
            given[key] = value
    return name, check_settings(name, given)


@attrs.define(eq=False)
class Fault:
    """A requested fault; as a context manager it ends with its block.

    Args:
        name: Its name in the catalog.
        on: The operation or the call's id that it is for; None for all.
        rate: How often it happens, 0 to 1.
        times: How often it may still happen; None for any number.
        settings: All its settings.
        hits: How often it has happened.
    """

    name: str
    on: str | None
    rate: float
    times: int | None
    settings: Mapping[str, Any]
    _owner: Faults = attrs.field(repr=False)
    hits: int = 0

    def remove(self) -> None:
        """Remove the fault; a second call does nothing."""
        self._owner.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Faults:
    """The faults of one simulator.

    Args:
        seed: Makes rates repeatable; None for random ones.
        projects: The names of the projects that faults can be for.
    """

    def __init__(self, seed: int | None = None, projects: Iterable[str] = ()) -> None:
        self._random = random.Random(seed)
        self._targets = (*FAULT_TARGETS, *projects)
        self._lock = threading.Lock()
        self._active: tuple[Fault, ...] = ()

    def reseed(self, seed: int) -> None:
        """Make rates repeatable from now on."""
        self._random = random.Random(seed)

    @property
    def active(self) -> Sequence[Fault]:
        """The requested faults, oldest first."""
        return self._active

    def add(
        self,
        name: str,
        *,
        on: str | None = None,
        rate: float = 1.0,
        times: int | None = None,
        settings: Mapping[str, Any],
    ) -> Fault:
        """Request a fault.

        Args:
            name: Its name in the catalog.
            on: An operation such as `calls.create`, the id of a call or Live session, or a project; None
                for all.
            rate: How often it happens, 0 to 1.
            times: How often it may happen; None for any number.
            settings: Its settings.

        Raises:
            ValueError: An argument is not allowed; the message names it.
        """
        checked = check_settings(name, settings)
        if on is not None and not (
            isinstance(on, str) and (on in self._targets or on.startswith(("rtc_", "live_")))
        ):
            known = ", ".join(self._targets)
            raise ValueError(
                f"on: allowed is a call's id or one of {known}, or a Live session's id; got {on!r}"
            )
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"rate: allowed is a number from 0 to 1, got {rate!r}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError(f"times: allowed is a whole number from 1, or None, got {times!r}")
        fault = Fault(name, on, rate, times, checked, self)
        with self._lock:
            self._active = (*self._active, fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove a fault."""
        with self._lock:
            self._active = tuple(one for one in self._active if one is not fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._active = ()

    def draw(
        self, name: str, labels: Iterable[str], when: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> Mapping[str, Any] | None:
        """Decide whether a fault happens now.

        Args:
            name: Its name.
            labels: The current operation and the call's id.
            when: Returns whether its settings apply now; they always do if None.

        Returns:
            Its settings, or None if it doesn't happen.
        """
        if not self._active:
            return None
        for fault in self._active:
            if fault.name != name or (fault.on is not None and fault.on not in labels):
                continue
            if when is not None and not when(fault.settings):
                continue
            with self._lock:
                if fault.times == 0 or self._random.random() >= fault.rate:
                    continue
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
            if fault.times == 0:
                self.remove(fault)
            return fault.settings
        return None


def _listed(labels: Iterable[str]) -> list[str]:
    return list(labels)


@attrs.frozen
class Drawing:
    """The faults of one request, one connection or one call.

    Args:
        faults: Those that were requested for the simulator.
        labels: The operation, and the id of the call or of the Live session where there is one.
        own: The faults that the request requests for itself, by name.
    """

    faults: Faults
    labels: list[str] = attrs.field(converter=_listed)
    own: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    def begun(self, session_id: str) -> None:
        """Let the faults of a session count too, whose id is known now."""
        self.labels.append(session_id)

    def draw(
        self, name: str, when: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> Mapping[str, Any] | None:
        """Decide whether a fault happens now.

        Args:
            name: Its name.
            when: Returns whether its settings apply now; they always do if None.

        Returns:
            Its settings, or None if it doesn't happen.
        """
        settings = self.own.get(name)
        if settings is not None and (when is None or when(settings)):
            return settings
        return self.faults.draw(name, self.labels, when)


def parse_header(value: str) -> dict[str, dict[str, Any]]:
    """Parse the faults that a request requests for itself.

    Args:
        value: The syntax of `parse`; several faults are separated by commas.

    Raises:
        ValueError: A fault or setting is unknown, or a value is not allowed.
    """
    return dict(parse(part) for part in value.split(",") if part.strip())
