"""The session: its configuration, updates of it on their way, and its end.

`session.updated` names no update. Where several parties may change one session, as beside a call, it may be
the answer to another connection's. It must not send.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Set
from functools import reduce
from itertools import takewhile
from typing import Any

from ..._core import json as _json
from ..._core.secrets import mask
from ..._core.warnings import warn
from ...errors import SessionConfigWarning
from ...session import merge
from .messages import JSON
from .waiters import Waiter

logger: logging.Logger = logging.getLogger("realtime_ext")

UNCLEAR_FOR = 1.0  # seconds in which a refusal still counts after an answer that shows neither yes nor no

LIFETIME = 3600.0  # seconds that a session lasts
WARNING_BEFORE = 300.0  # seconds before the end
_LATEST_TIME = 1e11  # unix seconds; larger numbers are invalid
_SENTENCE = 300  # characters of the server's words on the end that are kept
_REFUSABLE = 16  # updates that are undone if a refusal names them after all

# What servers rename, keep to themselves, or put into another form.
_SHOWS_NOTHING = frozenset({"model", "prompt", "tracing"})
_CUT = 64  # characters that two texts have in common by no chance


def output_format(session: Any) -> Any:
    """Return the format of the model's audio in a session as the server describes it; None if it has none."""
    return _json.value_at(session, "audio", "output", "format")


class Acknowledgement(Waiter[None]):
    """Waits for the answer to an update.

    Args:
        event_id: The update's id.
        session: The fields that it sets.

    Attributes:
        sign: Filled when there is an answer, also an unclear one.
        is_given_up: Whether its sender has stopped waiting.
    """

    __slots__ = ("event_id", "is_given_up", "session", "sign")

    def __init__(self, event_id: str, session: Any) -> None:
        super().__init__()
        self.event_id: str = event_id
        self.session: Any = session
        self.sign: Waiter[None] = Waiter()
        self.is_given_up: bool = False

    def _finish(self) -> None:
        super()._finish()
        self.sign.resolve(None)


class SessionState:
    """One session.

    Args:
        kind: `realtime`, `transcription` or `translation`.
        is_shared: Whether others may change it too, whose updates the server describes here as well.

    Attributes:
        expiry: The server's words on its time being up; None while it isn't.
    """

    __slots__ = (
        "_before",
        "_configuration",
        "_ends_at",
        "_has_warned_of_tools",
        "_in_force",
        "_is_shared",
        "_is_warned",
        "_text",
        "_updates",
        "expiry",
        "kind",
    )

    def __init__(self, kind: str, *, is_shared: bool = False) -> None:
        self.kind: str = kind
        self._is_shared = is_shared
        self._text: str | None = None  # JSON, which uses a fraction of what the object would
        self.expiry: str | None = None
        self._before: str | None = None  # the description before that
        self._configuration: JSON = {}
        self._in_force: list[tuple[str, JSON]] = []  # the latest acknowledged updates, by id
        self._updates: list[Acknowledgement] = []
        self._ends_at: float | None = None  # unix seconds
        self._is_warned = False
        self._has_warned_of_tools = False

    @property
    def is_described(self) -> bool:
        """Whether the server has described the session."""
        return self._text is not None

    @property
    def content(self) -> dict[str, Any] | None:
        """The session as the server last described it; None before that."""
        return None if self._text is None else dict(_json.decode(self._text))

    @property
    def configuration(self) -> JSON:
        """All that the client has set and the server acknowledged."""
        return reduce(merge, (session for _, session in self._in_force), self._configuration)

    def described(self, session: Any) -> None:
        """Record the server's description."""
        if not isinstance(session, Mapping):
            return
        if self._is_shared:
            self._before = self._text
        try:
            self._text = _json.encode(session, plain=True)
        except (
            ValueError
        ) as error:  # it has a value without JSON form; it acknowledges an update all the same
            logger.warning("the session can't be kept: %s", error)
        expires_at = session.get("expires_at")
        if isinstance(expires_at, int | float) and 0 < expires_at < _LATEST_TIME:
            self._ends_at = float(expires_at)

    def began_with(self, session: JSON) -> None:
        """Record what the client has set in a new session."""
        self._configuration, self._in_force = session, []

    def sent(self, event_id: str, session: Any) -> Acknowledgement:
        """Record an update that is about to be sent; the returned waiter is filled by its acknowledgement."""
        update = Acknowledgement(event_id, session)
        self._updates.append(update)
        return update

    def updated(self, event_id: str | None = None) -> None:
        """Record an acknowledgement. Updates are answered in order; others are of other connections.

        Args:
            event_id: The update that it names; None if it names none.
        """
        if not self._updates:
            return
        if event_id is not None:
            ids = [update.event_id for update in self._updates]
            self._acknowledge(ids.index(event_id) + 1 if event_id in ids else 0)
            return
        if not self._is_shared:
            lost = sum(1 for _ in takewhile(lambda update: update.is_given_up, self._updates))
            waited = self._updates[lost] if 0 < lost < len(self._updates) else None
            if waited is not None and answer_to(waited.session, self.content or {}, None) is Answer.SHOWN:
                del self._updates[:lost]  # an answer to them never came
            self._acknowledge(1)
            return
        before = None if self._before is None else _json.decode(self._before)
        shown = self.content or {}
        unclear: Acknowledgement | None = None
        is_next = True  # the oldest update without an answer
        for number, update in enumerate(self._updates, 1):
            answer = answer_to(update.session, shown, before)
            if answer is Answer.SHOWN or (answer is Answer.EMPTY and is_next):
                self._acknowledge(number)  # those before it were answered before, in whatever form
                return
            if not update.sign.done:
                if answer is Answer.UNCLEAR and is_next:
                    unclear = update
                is_next = False
        if unclear is not None:
            unclear.sign.resolve(None)

    def confirm(self, update: Acknowledgement) -> None:
        """Count an unclear answer as an acknowledgement, now that no refusal has come."""
        if update in self._updates:
            self._acknowledge(self._updates.index(update) + 1)

    def refused(self, event_id: str | None, error: Callable[[], Exception], *, param: Any = None) -> None:
        """Record a refusal: of the update that it names, or of the oldest if it names a session's field."""
        for update in self._updates:
            anonymous = event_id is None and isinstance(param, str) and param.startswith("session")
            if update.event_id == event_id or anonymous:
                self._updates.remove(update)
                update.fail(error())
                return
        if event_id is not None:  # what seemed to acknowledge it was another's
            self._in_force = [update for update in self._in_force if update[0] != event_id]

    def fail(self, error: Callable[[], Exception]) -> None:
        """Fail all waiters: no acknowledgement will come."""
        updates, self._updates = self._updates, []
        for update in updates:
            update.fail(error())

    def expired(self, message: Any) -> None:
        """Record that the session expired, and the server's message."""
        self.expiry = mask(message[:_SENTENCE]) if isinstance(message, str) else ""

    def warn_of_tools(self, run: Set[str]) -> None:
        """Warn once if tools are run that the session doesn't declare, or declared ones are not run.

        Args:
            run: The names of the tools that are run.
        """
        tools = self._declared
        if self._has_warned_of_tools or not isinstance(tools, list):
            return
        declared = {t.get("name") for t in tools if isinstance(t, Mapping) and t.get("type") == "function"}
        for names, problem in (
            (
                run - declared,
                "the model does not know them: declare them in the session, or use connect(tools=…)",
            ),
            (declared - run, "they are never run: register them with run_tools, or use connect(tools=…)"),
        ):
            if names:
                self._has_warned_of_tools = True
                warn(f"tools {', '.join(sorted(map(str, names)))}: {problem}", SessionConfigWarning)

    def warn_of_loops(self) -> None:
        """Warn if the backend of a Live session must call a function in each response, and so without end."""
        choice = self._backend.get("tool_choice")
        if choice == "required" or isinstance(choice, Mapping):
            warn(
                f"tool_choice: {_json.encode(choice)} applies to every response to a request, so that the "
                "backend never answers; it is stopped after some rounds. Use 'auto'",
                SessionConfigWarning,
            )

    @property
    def _backend(self) -> JSON:
        found = _json.value_at(self.content, "delegation", "responses")
        return found if isinstance(found, Mapping) else {}

    @property
    def _declared(self) -> Any:
        source = self._backend if self.kind == "live" else self.content or {}
        return source.get("tools")

    def began(self, now: float, lifetime: float = LIFETIME) -> None:
        """Record when the session began; an end that the server names takes precedence.

        Args:
            now: Unix seconds.
            lifetime: How long it lasts, in seconds.
        """
        self._ends_at = now + lifetime

    def warns_at(self) -> float | None:
        """Return when `expiring` is due, in unix seconds; None if that isn't known, or is over."""
        return None if self._ends_at is None or self._is_warned else self._ends_at - WARNING_BEFORE

    def expiring(self, now: float) -> float | None:
        """Return the seconds that are left, once, when it is time for a warning."""
        due = self.warns_at()
        if due is None or now < due or self._ends_at is None:
            return None
        self._is_warned = True
        return max(0.0, self._ends_at - now)

    def restart(self) -> JSON | None:
        """Begin anew; return the update that configures the new session like the old one."""
        self._text = self._before = self.expiry = None
        self._ends_at, self._is_warned = None, False
        self._configuration, self._in_force = self.configuration, []
        if not self._configuration:
            return None
        return {"type": "session.update", "session": self._configuration}

    def _acknowledge(self, count: int) -> None:
        """Record that the oldest updates are in force."""
        answered, self._updates = self._updates[:count], self._updates[count:]
        for update in answered:
            if isinstance(update.session, Mapping):
                self._in_force.append((update.event_id, dict(update.session)))
                if len(self._in_force) > _REFUSABLE:
                    self._configuration = merge(self._configuration, self._in_force.pop(0)[1])
            update.resolve(None)


class Answer(enum.Enum):
    """What a description is to an update."""

    SHOWN = enum.auto()
    """It shows the sent values."""
    EMPTY = enum.auto()
    """Nothing was sent that it could show."""
    UNCLEAR = enum.auto()
    """It lacks something that was sent, or has it in another form, or has only some of it."""
    OTHERS = enum.auto()
    """It has something else: whatever this answers, it is not this update."""


def answer_to(sent: Any, shown: JSON, before: JSON | None) -> Answer:
    """Return what a description is to an update.

    Only texts, numbers and truth values are compared: lists and cleared fields come back in other forms.

    Args:
        sent: The session's fields that the update sets.
        shown: The session as the server describes it now.
        before: The same before; None if that isn't known.
    """
    answer = Answer.EMPTY
    is_unchanged = is_ours = False
    for path, value in _leaves(sent, ()):
        is_shown = _is_shown(value, _json.value_at(shown, *path))
        if is_shown is False:
            is_unchanged |= before is None or _json.value_at(before, *path) == _json.value_at(shown, *path)
            answer = Answer.UNCLEAR  # if it did change, perhaps to what the server makes of it
        elif is_shown is None:
            answer = Answer.UNCLEAR
        else:
            is_ours |= before is not None and _is_shown(value, _json.value_at(before, *path)) is not True
            answer = Answer.SHOWN if answer is Answer.EMPTY else answer
    # If one field has the sent value and another is unchanged, the server ignored the other.
    return Answer.OTHERS if is_unchanged and not is_ours else answer


def _leaves(sent: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(sent, Mapping):
        for name, value in sent.items():
            if name not in _SHOWS_NOTHING and (path or name != "type"):
                yield from _leaves(value, (*path, name))
    elif isinstance(sent, str | int | float) and sent != "":
        yield path, sent


def _is_shown(sent: str | float, shown: Any) -> bool | None:
    """Return whether a value is the one that was sent; None if that isn't clear."""
    if isinstance(sent, bool) or isinstance(shown, bool):
        return sent is shown if isinstance(sent, bool) and isinstance(shown, bool) else None
    if isinstance(sent, str) and isinstance(shown, str):
        short, long = sorted((sent.strip().casefold(), shown.strip().casefold()), key=len)
        if not long.startswith(short):
            return False
        rest = long[len(short) :]  # what a text that was cut short lacks, or what is more exact: en-us
        return len(short) >= _CUT or rest == "" or (short != "" and rest[0] == "-")
    if isinstance(sent, int | float) and isinstance(shown, int | float):
        return math.isclose(sent, shown, rel_tol=1e-3, abs_tol=1e-6)
    return None
