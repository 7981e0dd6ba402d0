"""What the model of a Live session is to do: the cues of its script, or the answers that come for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs

from realtime_simulator._engine.conversation import words_of
from realtime_simulator._engine.effects import AnswerDropped, AnswerNeeded, SpeechNeeded
from realtime_simulator._engine.plan import speech_of
from realtime_simulator._engine.turn import Action, Cue, Say, Turn
from realtime_simulator._live.shared import Shared
from realtime_simulator._live.timeline import milliseconds


@attrs.define
class _Request:
    """A request to the backend model or the voice.

    Args:
        use: Takes the answer once it is whole; returns what the model says about it, if anything. None if
            the model does what the answer says.
        actions: The answer so far.
        whole: Whether no more comes.
    """

    use: Callable[[Sequence[Action]], Say | None] | None = None
    actions: list[Action] = attrs.field(factory=list)
    whole: bool = False


class Answers:
    """What the model of one session is to do.

    Args:
        shared: The session's shared state.

    Attributes:
        todo: What it does next, as soon as it can.
    """

    def __init__(self, shared: Shared) -> None:
        self.todo: deque[Action] = deque()
        self._shared = shared
        self._cues: deque[Cue] | None = None
        self.follow(shared.settings.cues)
        self._asked: str | None = None
        self._requests: dict[str, _Request] = {}

    @property
    def scripted(self) -> bool:
        """Whether the model does what cues say, and answers nobody."""
        return self._cues is not None

    @property
    def requested(self) -> bool:
        """Whether an answer or a sound was requested that is not whole."""
        return bool(self._asked or self._requests)

    def follow(self, cues: Sequence[Cue] | None) -> None:
        """Replace the cues; those of the past are left out."""
        position = milliseconds(self._shared.timeline.position)
        self._cues = None if cues is None else deque(cue for cue in cues if cue.at_ms >= position)

    def cue(self, start: int) -> None:
        """Take over the cues that are due when a frame starts."""
        while self._cues and self._cues[0].at_ms <= milliseconds(start):
            for action in self._cues.popleft().actions:
                if isinstance(action, Say) and speech_of(action) is None:
                    self.voice(action)
                else:
                    self.todo.append(action)

    def ask(self) -> None:
        """Request what the model says next, in place of what was requested before."""
        self._drop_asked()
        self._asked = self._shared.ids.new("turn")
        self._shared.effect(AnswerNeeded(self._asked, self._turn()))

    def ask_backend(
        self,
        response_id: str,
        use: Callable[[Sequence[Action]], Say | None],
        known: Sequence[Action] = (),
    ) -> None:
        """Request the backend's answer to a response.

        Args:
            response_id: The response.
            use: Takes the whole answer; returns the message to speak, if there is one.
            known: The answer, if it need not be requested.
        """
        self._requests[response_id] = _Request(use)
        if known:
            self.take(response_id, known, whole=True)
        else:
            self._shared.effect(AnswerNeeded(response_id, self._turn(backend=True)))

    def speak(self, text: str) -> None:
        """Say a text as soon as it has its sound, after what is being said; nothing in a script."""
        if not self.scripted:
            self.voice(Say(text))

    def voice(self, said: Say) -> None:
        """Say something once it has its sound."""
        speech_id = self._shared.ids.new("speech")
        self._requests[speech_id] = _Request()
        self._shared.effect(SpeechNeeded(speech_id, said, self._turn()))

    def drop(self) -> None:
        """Drop what the model was about to do."""
        self._drop_asked()
        self.todo.clear()

    def take(self, request_id: str, actions: Sequence[Action], *, whole: bool) -> None:
        """Process an answer, or a part of it; those to the backend and the voice count in the order of their
        requests."""
        if request_id == self._asked:
            if whole:
                self._asked = None
            self.todo.extend(actions)
        elif request_id in self._requests:
            self._requests[request_id].actions.extend(actions)
            self._requests[request_id].whole = whole
            while self._requests and next(iter(self._requests.values())).whole:
                self._use(self._requests.pop(next(iter(self._requests))))

    def ahead(self, request_id: str) -> int:
        """Return how many actions of an answer the model has not come to yet."""
        return len(self.todo) if request_id == self._asked else 0

    def _use(self, request: _Request) -> None:
        if request.use is None:
            self.todo.extend(request.actions)
        elif (said := request.use(request.actions)) is not None and not self.scripted:
            self.todo.append(said)

    def _drop_asked(self) -> None:
        if self._asked is not None:
            self._shared.effect(AnswerDropped(self._asked))
            self._asked = None

    def _turn(self, *, backend: bool = False) -> Turn:
        config, items = self._shared.config, list(self._shared.context.items)
        users = [item for item in items if item.get("role") == "user"]
        return Turn(
            text=" ".join(words_of(users[-1])) if users else "",
            items=items,
            session=config.view(),
            response={"tool_choice": config.backend.get("tool_choice", "auto")} if backend else {},
            tools=config.backend.get("tools", ()),
            format=config.format[0],
            voice=config.voice,
        )
