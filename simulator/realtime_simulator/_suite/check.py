"""A check of a server, and the registry of all checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs

from realtime_simulator._suite.target import Target

Run = Callable[[Target], Awaitable[None]]
PRICES = {
    "text": 0.001,
    "audio": 0.01,
    "tool": 0.002,
    "cancel": 0.002,
    "limit": 0.001,
    "aside": 0.001,
    "turn": 0.005,
    "transcription": 0.001,
    "translation": 0.01,
    "call": 0.01,
    "phone": 0.001,
    "live": 0.01,
    "live call": 0.02,
}
"""An upper estimate in US dollars of what the exchanges cost that several checks share."""
CAPABILITIES = {
    "current": "the profile does not use the API's current names",
    "conversation": "the profile has names of its own for the conversation's events",
    "names": "the profile has names of its own",
    "late": "the profile refuses handshakes in its own way",
    "secrets": "the profile has no client secrets",
    "webrtc": "the profile has no WebRTC calls",
    "translation": "the profile has no translation",
    "live": "the profile has no Live API",
    "ring": "no command makes the server ring; see --ring",
}
"""Requirement of a check → the reason to skip it where that is missing."""
TESTED: dict[str, frozenset[str]] = {
    "openai": frozenset(CAPABILITIES) - {"ring"},
    "azure": frozenset({"current", "conversation", "secrets", "webrtc"}),
    "xai": frozenset({"conversation"}),
}
"""Profile → the capabilities that are tested of it; of others, only what every service has."""


@attrs.frozen
class Check:
    """One check.

    Args:
        id: Its number within its area, such as `E07`.
        area: The area of the API.
        title: What the server does if it conforms.
        source: Where the service was seen or described to do so.
        run: Raises `Failed` if the server does otherwise.
        needs: The capabilities without which it is skipped.
        uses: The paid exchanges that it looks at; each takes place once.
        last: Whether it judges what the other checks received.
    """

    id: str
    area: str
    title: str
    source: str
    run: Run
    needs: Sequence[str] = ("current",)
    uses: Sequence[str] = ()
    last: bool = False


CHECKS: dict[str, Check] = {}
"""All checks by their numbers, once their modules are imported."""


def add(one: Check) -> None:
    """Register a check.

    Raises:
        ValueError: Its number is taken.
    """
    if one.id in CHECKS:
        raise ValueError(f"id: {one.id!r} is taken")
    CHECKS[one.id] = one


def check(
    id: str,
    area: str,
    title: str,
    source: str,
    needs: Sequence[str] = ("current",),
    uses: Sequence[str] = (),
    last: bool = False,
) -> Callable[[Run], Run]:
    """Return a decorator that registers a function as a check; the arguments are those of `Check`."""

    def register(run: Run) -> Run:
        add(Check(id, area, title, source, run, needs, uses, last))
        return run

    return register
