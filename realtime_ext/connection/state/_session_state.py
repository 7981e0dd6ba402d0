"""What is known of the session: its configuration, its updates on the way, its end.

It must not send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from itertools import takewhile
from typing import Any

from ... import _json
from ...secrets import mask
from ...session import merge
from ._acknowledgement import Acknowledgement, Answer, answer_to

__all__ = ["SessionState"]

JSON = dict[str, Any]

LIFETIME = 3600.0  # seconds that a session lasts
WARNING_BEFORE = 300.0  # seconds before the end
_SENTENCE = 300  # characters of it that are kept
_REFUSABLE = 16  # updates that are taken back if a refusal names them after all


class SessionState:
    """One session.

    Args:
        kind: `realtime`, `transcription` or `translation`.
        is_shared: Whether others may change it too, whose updates the server describes here as well.

    Attributes:
        seen: How often the server has described it.
        expiry: What the server said of its time being up, in words; None if it did not.
    """

    __slots__ = (
        "_before",
        "_configuration",
        "_ends_at",
        "_is_shared",
        "_is_warned",
        "_last",
        "_numbers",
        "_taken",
        "_text",
        "_updates",
        "expiry",
        "kind",
        "seen",
    )

    def __init__(self, kind: str, *, is_shared: bool = False) -> None:
        self.kind = kind
        self._is_shared = is_shared
        self.seen = 0
        self._text: str | None = None  # JSON, which takes a fraction of what the object would
        self.expiry: str | None = None
        self._before: str | None = None  # the description before that
        self._configuration: JSON = {}
        self._taken: list[tuple[str, JSON]] = []  # what was acknowledged last, by the ids of the updates
        self._last: tuple[object, str | None] | None = None  # id and text of the last description
        self._numbers = False  # whether the server was seen to give its events different ids
        self._updates: list[Acknowledgement] = []
        self._ends_at: float | None = None  # unix seconds
        self._is_warned = False

    @property
    def content(self) -> JSON | None:
        """The session as the server last described it; None before that."""
        return None if self._text is None else dict(_json.decode(self._text))

    @property
    def output_format(self) -> Any:
        """The format of the model's audio, as the server describes it."""
        found: Any = self.content
        for name in ("audio", "output", "format"):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    @property
    def configuration(self) -> JSON:
        """All that the client has set and the server taken."""
        return reduce(merge, (session for _, session in self._taken), self._configuration)

    def saw(self, session: Any) -> None:
        """Take the server's description."""
        if isinstance(session, Mapping):
            self.seen += 1
            if self._is_shared:
                self._before = self._text
            self._text = _json.encode(session, plain=True)
            expires_at = session.get("expires_at")
            if isinstance(expires_at, int | float) and expires_at > 0:
                self._ends_at = float(expires_at)

    def sent(self, event_id: str, session: Any) -> Acknowledgement:
        """Note an update that is about to go out; what is given is filled by its acknowledgement."""
        update = Acknowledgement(event_id, session)
        self._updates.append(update)
        return update

    def created(self, event_id: object = None) -> None:
        """Take the server's first description."""
        self._is_repeated(event_id)

    def updated(self, event_id: object = None) -> None:
        """Take an acknowledgement. Updates are answered in order; one that nobody here sent is another's.

        Args:
            event_id: Its id; one that comes again with the same description acknowledges nothing more.
        """
        if self._is_repeated(event_id) or not self._updates:
            return
        if not self._is_shared:
            lost = sum(1 for _ in takewhile(lambda update: update.is_given_up, self._updates))
            waited = self._updates[lost] if 0 < lost < len(self._updates) else None
            if waited is not None and answer_to(waited.session, self.content or {}, None) is Answer.SHOWN:
                del self._updates[:lost]  # an answer to them never came
            self._take(1)
            return
        before = None if self._before is None else _json.decode(self._before)
        shown = self.content or {}
        doubtful: Acknowledgement | None = None
        is_next = True  # what is looked at is the oldest update without an answer
        for number, update in enumerate(self._updates, 1):
            answer = answer_to(update.session, shown, before)
            if answer is Answer.SHOWN or (answer is Answer.UNTOLD and is_next):
                self._take(number)  # those before it were answered before, in whatever form
                return
            if not update.sign.done:
                if answer is Answer.DOUBTFUL and is_next:
                    doubtful = update
                is_next = False
        if doubtful is not None:
            doubtful.sign.resolve(None)

    def trust(self, update: Acknowledgement) -> None:
        """Take a doubtful answer for an acknowledgement, now that no refusal has come."""
        if update in self._updates:
            self._take(self._updates.index(update) + 1)

    def _take(self, count: int) -> None:
        """Note that the oldest updates are in force."""
        taken, self._updates = self._updates[:count], self._updates[count:]
        for update in taken:
            if isinstance(update.session, Mapping):
                self._taken.append((update.event_id, dict(update.session)))
                if len(self._taken) > _REFUSABLE:
                    self._configuration = merge(self._configuration, self._taken.pop(0)[1])
            update.resolve(None)

    def _is_repeated(self, event_id: object) -> bool:
        before, self._last = self._last, (event_id, self._text)
        self._numbers |= before is not None and before[0] != event_id
        # A server that gives all its events one id, as some do that are made for tests, repeats nothing.
        return self._numbers and event_id is not None and before == self._last

    def refused(self, event_id: str | None, error: Exception, *, param: Any = None) -> None:
        """Take a refusal: of the update that it names, or of the oldest if it names a session's field."""
        for update in self._updates:
            anonymous = event_id is None and isinstance(param, str) and param.startswith("session")
            if update.event_id == event_id or anonymous:
                self._updates.remove(update)
                update.fail(error)
                return
        if event_id is not None:  # what seemed to acknowledge it was another's
            self._taken = [taken for taken in self._taken if taken[0] != event_id]

    def fail(self, error: Callable[[], Exception]) -> None:
        """Tell everybody who waits that no acknowledgement will come."""
        while self._updates:
            self._updates.pop(0).fail(error())

    def expired(self, message: Any) -> None:
        """Note that its time is up, and the server's sentence on that."""
        self.expiry = mask(message[:_SENTENCE]) if isinstance(message, str) else ""

    def began(self, now: float) -> None:
        """Note when the session began, in unix seconds; what the server says of its end counts for more."""
        self._ends_at = now + LIFETIME

    def warns_at(self) -> float | None:
        """When `expiring` is due, in unix seconds; None if it isn't known, or was."""
        return None if self._ends_at is None or self._is_warned else self._ends_at - WARNING_BEFORE

    def expiring(self, now: float) -> float | None:
        """Give the seconds that are left, once, when it is time for a warning."""
        due = self.warns_at()
        if due is None or now < due or self._ends_at is None:
            return None
        self._is_warned = True
        return max(0.0, self._ends_at - now)

    def restart(self) -> JSON | None:
        """Begin anew: give the update that configures the new session like the old one."""
        self._text, self._before, self._last, self.expiry = None, None, None, None
        self._ends_at, self._is_warned = None, False
        self._configuration, self._taken = self.configuration, []
        if not self._configuration:
            return None
        return {"type": "session.update", "session": self._configuration}
