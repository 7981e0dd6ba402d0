"""The faults that can be asked for, and the settings that each of them takes. Nothing happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs


@attrs.frozen
class Number:
    """A setting that is a number.

    Args:
        default: What it is unless told.
        low: The smallest that is allowed.
        high: The largest.
    """

    default: float | None
    low: float = 0.0
    high: float = 86_400.0

    @property
    def allowed(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def takes(self, value: object) -> bool:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        )

    def read(self, text: str) -> float:
        """Return a number that was written as text."""
        value = float(text)
        return int(value) if value.is_integer() else value


@attrs.frozen
class Word:
    """A setting that is a text.

    Args:
        default: What it is unless told.
        choices: What is allowed; anything if empty.
    """

    default: str | None
    choices: Sequence[str] = ()

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(map(repr, self.choices)) if self.choices else "a text"

    def takes(self, value: object) -> bool:
        return isinstance(value, str) and value.isprintable() and (not self.choices or value in self.choices)

    def read(self, text: str) -> str:
        return text


@attrs.frozen
class Kind:
    """One kind of fault.

    Args:
        doc: What happens.
        settings: What can be told about it.
    """

    doc: str
    settings: Mapping[str, Number | Word] = attrs.field(factory=dict)


FAULTS: Mapping[str, Kind] = {
    # Before the request is looked at; on HTTP and on WebSocket handshakes alike.
    "rate_limit": Kind(
        "429 with the envelope, Retry-After and x-ratelimit headers",
        {"retry_after": Number(1.0), "retry_after_form": Word("seconds", ("seconds", "date", "none"))},
    ),
    "server_error": Kind(
        "a gateway's 5xx with a page of HTML",
        {"status": Number(503, 500, 599), "body": Word("html", ("html", "json", "empty"))},
    ),
    "gateway_520": Kind("status 520 with nothing in it"),
    "slow": Kind("the answer takes its time", {"seconds": Number(1.0)}),
    "stall": Kind("the request is taken and never answered", {"seconds": Number(None)}),
    "connection_reset": Kind("the connection is reset before an answer"),
    # In place of a good answer.
    "reset_mid_body": Kind("the connection is reset after half of the answer's body"),
    "no_location": Kind("a call is answered without Location"),
    "json_not_sdp": Kind("a call is answered 201 with JSON", {"content_type": Word("application/json")}),
    "ice_failure": Kind("a call is answered with SDP by which nothing connects"),
    # What becomes of calls.
    "accept_then_fail": Kind(
        "accept answers 200 whatever it was sent, then the call fails", {"seconds": Number(0.0)}
    ),
    "peer_hangup": Kind("the other side hangs up", {"seconds": Number(1.0)}),
    "sideband_404": Kind("sidebands on a call are answered 404 at first", {"milliseconds": Number(100.0)}),
    # In a session.
    "socket_drop": Kind("the WebSocket is cut without a close frame", {"after": Word(None)}),
    "session_expired": Kind(
        "the session ends with the error `session_expired` and close code 1001", {"after": Word(None)}
    ),
    "unknown_event": Kind(
        "events of a type that nobody knows come in between", {"type": Word("response.telepathy.delta")}
    ),
    "beta_events": Kind("events carry the names that they had in the beta"),
    "nulls": Kind("fields that were left out come as null"),
    # Webhooks.
    "duplicate_webhook": Kind(
        "webhooks come again after they were acknowledged", {"times": Number(1, 1, 100)}
    ),
    "late_webhook": Kind("webhooks come late", {"seconds": Number(1.0)}),
}


def check_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fault's settings, the unsaid ones included.

    Args:
        name: The fault.
        given: Settings that were told.

    Raises:
        ValueError: There is no such fault or setting, or a value is not allowed.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f"name: there is no fault {name!r}; there are {', '.join(FAULTS)}")
    for key, value in given.items():
        setting = kind.settings.get(key)
        if setting is None:
            known = ", ".join(kind.settings) or "none"
            raise ValueError(f"{key}: the fault {name!r} has no such setting; it has {known}")
        if not setting.takes(value):
            raise ValueError(f"{key}: allowed is {setting.allowed}, got {value!r}")
    return {key: given.get(key, setting.default) for key, setting in kind.settings.items()}


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Read a fault as a header or a command line writes it: `rate_limit; retry_after=2`.

    Args:
        text: A name, and settings after semicolons.

    Returns:
        The name and all its settings.

    Raises:
        ValueError: There is no such fault or setting, or a value is not allowed.
    """
    name, *pairs = (part.strip() for part in text.split(";"))
    given: dict[str, Any] = {}
    for pair in filter(None, pairs):
        key, _, value = (part.strip() for part in pair.partition("="))
        setting = FAULTS[name].settings.get(key) if name in FAULTS else None
        try:
            given[key] = value if setting is None else setting.read(value)
        except ValueError:
            given[key] = value
    return name, check_settings(name, given)
