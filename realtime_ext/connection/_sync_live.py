"""The sync connection of the Live API: a façade over `AsyncLiveConnection`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .._core.threads import in_thread, run_in_thread
from ..tools import Toolbox
from ._delegation import check_handler
from ._live_connection import AsyncLiveConnection
from ._sync_events import Events, ToolsInThreads, check_sync

if TYPE_CHECKING:
    from realtime_api.models import LiveSessionResource, MCPApprovalRequest

    from .._core.argument_types import LiveClientEventLike  # noqa: F401  (of the base class)
    from .._core.call import LiveCall
    from .._core.utterances import Utterance
    from ..events import LiveEvent  # noqa: F401  (of the base class)
    from ..session import LiveSessionChanges
    from ._delegation import AsyncDelegation
    from ._live_opening import AsyncLiveCallConnection
    from ._live_playback import LivePlayback
    from ._state.handover import Handover
    from ._state.live import LiveUsage

HandlerT = TypeVar("HandlerT", bound=Callable[[str, "Delegation"], Any])


class LiveConnection(Events["LiveEvent", "LiveClientEventLike"]):
    """A Live session, or a sideband of one. Made by `connect`, `fork` and `attach`; threads may share it.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers first.
    The session's time advances with its input audio: while none is sent, silence is, unless that is off.
    A program that reads no events finds the latest 1,000 when it begins to.
    """

    _inner: AsyncLiveConnection

    @property
    def session_id(self) -> str:
        """The session's id; it changes when the connection continues in another session."""
        return self._inner.session_id

    @property
    def session(self) -> LiveSessionResource | None:
        """The session as last reported by the server; None if unknown to a sideband."""
        return self._call(lambda: self._inner.session)

    @property
    def expires_at(self) -> float | None:
        """The latest end of the session, in unix seconds; None if unknown to a sideband."""
        return self._call(lambda: self._inner.expires_at)

    @property
    def transcript(self) -> list[Utterance]:
        """What both sides have said so far, split at pauses, in the order of their beginnings."""
        return self._call(lambda: self._inner.transcript)

    @property
    def usage(self) -> LiveUsage:
        """What the session has used so far: seconds, and tokens of its backend."""
        return self._inner.usage

    @property
    def playback(self) -> LivePlayback:
        """The model's sound for a program that plays it, as `AsyncLiveConnection.playback`."""
        return self._inner.playback

    def send_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio, as `AsyncLiveConnection.send_audio`; a failure may come with the next call."""
        inner = self._inner
        duration = inner._duration(data)
        if inner._takes_time(duration):
            return self._send(inner.send_audio, data)
        self._check()
        last = self._audio.append(data)
        inner._sounds(duration)
        return last

    def say(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Have the model say something, in its own words, as `AsyncLiveConnection.say`."""
        self._send(self._inner.say, text, timeout=timeout)

    def say_goodbye(self, text: str, *, timeout: float = 30.0) -> LiveUsage:
        """Have the model say last words, and end the session, as `AsyncLiveConnection.say_goodbye`."""
        return self._send_within(timeout, self._inner.say_goodbye, text)

    def instruct(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Send instructions, which may interrupt the model; arguments and result are those of `say`."""
        self._send(self._inner.instruct, text, timeout=timeout)

    def think(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Add something that the model should know, without speaking; as `say`."""
        self._send(self._inner.think, text, timeout=timeout)

    def mute(self) -> str:
        """Make the session ignore its input audio."""
        return self._send(self._inner.mute)

    def unmute(self) -> str:
        """Make the session accept its input audio again."""
        return self._send(self._inner.unmute)

    def delegate(self, handler: HandlerT) -> HandlerT:
        """Have a function do the work that the model delegates, as `AsyncLiveConnection.delegate`.

        Args:
            handler: Called in its own thread with the user's words so far, and a `Delegation`. What it
                returns, if that is text, is said.

        Raises:
            TypeError: It can't be called with the words and the task, or is async.
            RealtimeError: There is a handler already, or the session delegates to a model.
        """
        check_handler(handler)
        check_sync("handler", handler)
        connection = weakref.ref(self)

        async def work(words: str, task: AsyncDelegation) -> Any:
            if (own := connection()) is None:
                return None
            return await run_in_thread(
                partial(handler, words, Delegation(own, task)), name="realtime_ext delegation"
            )

        self._call(self._inner.delegate, work)
        return handler

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[MCPApprovalRequest], bool] | None = None,
        max_rounds: int = 10,
    ) -> None:
        """Answer the function calls of the model that the session delegates to, in worker threads.

        Each call is run once, in order, as with `AsyncLiveConnection.run_tools`.

        Args:
            toolbox: The tools, or functions to create them from. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `MCPApprovalRequest`; only True allows the call. None refuses all.
            max_rounds: How many responses to one request may call functions.

        Raises:
            RealtimeError: Tools are registered already, or the session delegates to the program.
            TypeError, ValueError: As `AsyncLiveConnection.run_tools`; or `approve` is async.
        """
        check_sync("approve", approve)
        tools = ToolsInThreads(toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox), self)
        decide = None if approve is None else in_thread(approve, "realtime_ext approve")
        self._call(self._inner.run_tools, tools, timeout=timeout, approve=decide, max_rounds=max_rounds)

    def take_over(self, handover: Handover) -> None:
        """Finish what another program began, as `AsyncLiveConnection.take_over`."""
        self._call(self._inner.take_over, handover)

    def update_session(
        self, session: LiveSessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the settings of the session's backend, or its triggers; nothing else can be changed.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the acknowledgement.
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        return self._send_within(timeout, self._inner.update_session, session, wait=wait)

    def close(self) -> LiveUsage:
        """End the session, wait for its end, and return its usage; a sideband only leaves.

        Events received before can still be read, and then iteration ends. It may be called again.
        """
        self._end()
        return self.usage


class LiveCallConnection(LiveConnection):
    """A connection over the data channel of a session over WebRTC; audio flows on the track."""

    _inner: AsyncLiveCallConnection

    @property
    def call(self) -> LiveCall:
        """The call that `dial` made."""
        return self._inner.call

    @property
    def sent_ms(self) -> int:
        """How much of `audio_in` has been sent, in milliseconds; silence doesn't count."""
        return self._inner.sent_ms

    @property
    def received_ms(self) -> int:
        """How much audio has been received, in milliseconds; silence does count."""
        return self._inner.received_ms

    def finished_speaking(self) -> None:
        """Wait until all of `audio_in` has been sent, or the call has ended."""
        self._run(self._inner.finished_speaking)


class Delegation:
    """A task that the model has delegated, for its handler; the sync form of `AsyncDelegation`."""

    def __init__(self, connection: LiveConnection, inner: AsyncDelegation) -> None:
        self._connection = connection
        self._inner = inner

    def __repr__(self) -> str:
        return repr(self._inner).replace("Async", "", 1)

    @property
    def id(self) -> str:
        """The delegation's id."""
        return self._inner.id

    @property
    def words(self) -> str:
        """The user's request as far as it is transcribed: the model may delegate in mid-sentence."""
        return self._inner.words

    def finished(self) -> str:
        """Wait until the user has said nothing for a second, and return all of the task's words."""
        return self._connection._run(self._inner.finished)

    def say(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Have the model say something about the task, as `LiveConnection.say`."""
        self._connection._send(self._inner.say, text, timeout=timeout)

    def think(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Add something about the task that the model knows from now on, without a word; as `say`."""
        self._connection._send(self._inner.think, text, timeout=timeout)
