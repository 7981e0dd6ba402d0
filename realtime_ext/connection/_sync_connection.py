"""The sync connection: a façade over `AsyncConnection`, which runs on an event loop in a thread.

All sync connections of a process share that thread (`_portal`). Handlers run in the thread that reads an
event, tools in worker threads. This module must not decide anything: the async connection does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar

from .._core.threads import in_thread
from ..tools import Toolbox
from ._async_connection import AsyncConnection
from ._portal import Hold, Portal
from ._sync_events import Events, ToolsInThreads, check_sync, within

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeConversationItem,
        RealtimeMCPApprovalRequest,
        RealtimeSessionUnion,
        RealtimeTranslationSession,
    )

    from .._core.argument_types import (
        AudioOutputLike,
        ClientEventLike,  # noqa: F401  (of the base class)
        InputItemLike,
        ItemLike,
        PromptLike,
        ReasoningLike,
        ResponseLike,
        ToolChoiceLike,
        ToolLike,
    )
    from .._core.call import Call
    from ..events import ServerEvent
    from ..session import SessionChanges
    from ..usage import Usage
    from ._async_connection import AsyncPlayback, AsyncStream
    from ._dialing import AsyncCallConnection
    from ._state.conversation import TranscriptLine
    from ._state.latency import Latencies
    from ._state.playback import Interruption, Position
    from ._state.turns import Turn

P = ParamSpec("P")
T = TypeVar("T")
EventT = TypeVar("EventT")


class Connection(Events["ServerEvent", "ClientEventLike"]):
    """A realtime session, or a view of one. Made by `connect`, `answer` and `dial`; threads may share it.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers
    first. Every method that waits can be interrupted by Ctrl-C, and the connection be used afterwards.

    Methods that send return the `event_id` of the sent event. What a kind of session doesn't have is refused
    with `RealtimeError`, before anything is sent; if the connection has ended they raise
    `ConnectionClosedError`, with what wasn't sent in `unsent`. While it reconnects, they wait.

    Attributes:
        playback: Counts the audio that was played, for interruptions.
    """

    _inner: AsyncConnection

    def __init__(self, inner: AsyncConnection, portal: Portal, hold: Hold) -> None:
        super().__init__(inner, portal, hold)
        self.playback: Playback = Playback(self)

    # Events out

    def update_session(
        self, session: SessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session, and wait for the server's acknowledgement, as `AsyncConnection.update_session`.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the acknowledgement.
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it, all of it.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        return self._send_within(timeout, self._inner.update_session, session, wait=wait)

    def append_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio; returns once it is queued, and a failure comes with the next call that sends.

        Args:
            data: Audio in the session's input format, of any length; or base64 text, which is sent unchanged.

        Raises:
            TypeError, ValueError: It is neither.
            RealtimeError: In a WebRTC call audio flows on the track.
            ConnectionClosedError: The connection has ended; `unsent` has all audio that was queued.
        """
        self._check()
        return self._audio.append(data)

    def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        return self._send(self._inner.commit_audio)

    def clear_audio(self) -> str:
        """Discard the audio so far."""
        return self._send(self._inner.clear_audio)

    def create_item(self, item: ItemLike, *, previous_item_id: str | None = None) -> str:
        """Add an item to the conversation: behind another, at the beginning (`root`), or at the end."""
        return self._send(self._inner.create_item, item, previous_item_id=previous_item_id)

    def send_text(self, text: str) -> str:
        """Add the user's text to the conversation; `create_response` requests an answer."""
        return self._send(self._inner.send_text, text)

    def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation."""
        return self._send(self._inner.delete_item, item_id)

    def retrieve_item(self, item_id: str) -> str:
        """Retrieve an item completely; it arrives as `conversation.item.retrieved`."""
        return self._send(self._inner.retrieve_item, item_id)

    def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Truncate a model's item where the user stopped hearing it; None if there was nothing to cut."""
        return self._send(self._inner.truncate, item_id, played_ms)

    def create_response(
        self,
        *,
        instructions: str | None = None,
        output_modalities: list[Literal["text", "audio"]] | None = None,
        audio: AudioOutputLike | None = None,
        tools: Sequence[ToolLike] | None = None,
        tool_choice: ToolChoiceLike | None = None,
        parallel_tool_calls: bool | None = None,
        reasoning: ReasoningLike | None = None,
        max_output_tokens: int | Literal["inf"] | None = None,
        conversation: Literal["auto", "none"] | str | None = None,
        metadata: Mapping[str, str] | None = None,
        prompt: PromptLike | None = None,
        input: Sequence[InputItemLike] | None = None,
        timeout: float | None = 60.0,
    ) -> str:
        """Ask the model for a response; the arguments are those of `AsyncConnection.create_response`.

        Waits while a response is active, for `timeout` seconds at most.

        Raises:
            ValueError: The API would refuse it.
            APITimeoutError: The previous response was not done in time, or there was no link.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        return self._send_within(timeout, self._inner.create_response, **given)

    def cancel_response(self, response_id: str | None = None) -> str:
        """Cancel a response, or the one in the conversation; not an error if there is none."""
        return self._send(self._inner.cancel_response, response_id)

    def interrupt(self) -> Interruption | None:
        """Stop the model, as `AsyncConnection.interrupt`."""
        return self._send(self._inner.interrupt)

    def clear_output_audio(self) -> str:
        """Clear the audio that the API has not played yet (WebRTC and SIP)."""
        return self._send(self._inner.clear_output_audio)

    # Turns and tools

    def stream(self, text: str | None = None, *, response: ResponseLike | None = None) -> Stream:
        """Ask the model, and follow its events through tool calls to the final message.

        Args:
            text: The user's message; None to answer the conversation so far.
            response: `RealtimeResponseCreateParams` or a dict, for this response only.

        Returns:
            A context manager that iterates over the turn's events and has `turn`. Leaving it early sends
            `response.cancel`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response; nothing was sent.
        """
        return Stream(self, self._inner.stream(text, response=response), None)

    def ask(
        self, text: str | None = None, *, timeout: float | None = 60.0, response: ResponseLike | None = None
    ) -> Turn:
        """Ask the model, and wait for the whole turn; as `stream`.

        Args:
            text: The user's message; None to answer the conversation so far.
            timeout: Seconds for the whole turn; None for no limit.
            response: For this response only.

        Returns:
            The turn; check its `status`.

        Raises:
            APITimeoutError: The turn took too long and was cancelled, or nothing was sent.
            APIStatusError: The server refused the request.
            ConnectionClosedError: The connection ended before the turn did; `TurnLost` if it reconnects: ask
                again.
        """
        asking = self._inner._asking(text, timeout=timeout, response=response)
        with Stream(self, asking, timeout) as stream:
            for _ in stream:
                pass
        return stream.turn

    def say_goodbye(self, text: str, *, timeout: float = 30.0) -> Turn:
        """Speak a last sentence in a phone or WebRTC call, wait until it has been heard, and hang up.

        A response that is active is finished first. The call is hung up whatever happens: if the sentence
        takes too long, or if the caller interrupts it.

        Args:
            text: What the model says, word for word.
            timeout: Seconds until the call is hung up at the latest.

        Returns:
            The turn in which it was said.

        Raises:
            TypeError, ValueError: `text` is not a str or is empty, or `timeout` is not a time limit.
            RealtimeError: The connection belongs to no call.
            APITimeoutError, APIStatusError, ConnectionClosedError: As with `ask`; the call is hung up.
        """
        return self._run(partial(self._inner.say_goodbye, text, timeout=timeout))

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[RealtimeMCPApprovalRequest], bool] | None = None,
    ) -> None:
        """Answer the model's function calls from now on, in worker threads; returns at once.

        Each call is run once, in order, as with `AsyncConnection.run_tools`.

        Args:
            toolbox: The tools, or functions to create them from. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `RealtimeMCPApprovalRequest`; only True allows the call. None refuses
                all.

        Raises:
            RealtimeError: Tools are registered already.
            TypeError, ValueError: As `Toolbox`; `timeout` is not a time limit; or `approve` is async.
        """
        check_sync("approve", approve)
        tools = ToolsInThreads(toolbox if isinstance(toolbox, Toolbox) else Toolbox(toolbox), self)
        decide = None if approve is None else in_thread(approve, "realtime_ext approve")
        self._call(self._inner.run_tools, tools, timeout=timeout, approve=decide)

    # State

    @property
    def call(self) -> Call | None:
        """The WebRTC call that `dial` made; None for other connections."""
        return self._inner.call

    @property
    def call_id(self) -> str | None:
        """The id of the call; None if the connection belongs to none."""
        return self._inner.call_id

    @property
    def session(self) -> RealtimeSessionUnion | RealtimeTranslationSession | dict[str, Any] | None:
        """The session as last reported by the server, a generated session; None before that."""
        return self._call(lambda: self._inner.session)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        return self._call(lambda: self._inner.items)

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Return the conversation as items for a new session, as `AsyncConnection.replay_items`."""
        return self._call(self._inner.replay_items)

    @property
    def transcript(self) -> list[TranscriptLine]:
        """The transcript so far, as `AsyncConnection.transcript`."""
        return self._call(lambda: self._inner.transcript)

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses used so far, by modality."""
        return self._call(lambda: self._inner.usage)

    @property
    def latency(self) -> Latencies:
        """How long the connection's responses took, and percentiles of that."""
        return self._call(lambda: self._inner.latency)

    def close(self) -> None:
        """End the connection, within some seconds. May be called again, and from any thread.

        Events that came before can still be read, and then iteration ends. In a process that was forked
        after the connection was opened this does nothing: the connection is its parent's.
        """
        self._end()


class CallConnection(Connection):
    """A connection over a WebRTC call's data channel; audio flows on the call's track."""

    _inner: AsyncCallConnection

    @property
    def call(self) -> Call:
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


class Stream:
    """A turn: its events while it goes on, then `turn`.

        with connection.stream("What time is it?") as stream:
            for event in stream: ...
        print(stream.turn.transcript)

    Leaving the block before the turn is over cancels it.
    """

    def __init__(self, connection: Connection, inner: AsyncStream, timeout: float | None) -> None:
        self._connection = connection
        self._inner = inner
        self._deadline = connection._inner._io.deadline(timeout)
        self._events: deque[tuple[ServerEvent, int]] = deque()
        self._is_entered = False

    @property
    def turn(self) -> Turn:
        """What the model did; complete once the events have come to their end.

        Raises:
            RuntimeError: The block was not entered.
        """
        self._check_entered()
        return self._connection._call(lambda: self._inner.turn)

    def __enter__(self) -> Self:
        self._connection._run(self._enter)
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection._run(self._inner.__aexit__, kind, error, trace)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerEvent:
        self._check_entered()
        if not self._events and not self._connection._run(self._fetch):
            raise StopIteration
        event, number = self._events.popleft()
        self._inner._state.queue.given(number)
        if self._inner._calls_handlers:
            self._connection._call_handlers(event)
        return event

    async def _enter(self) -> None:
        late = "ask: nothing was sent within {:g} s: the audio before it is still being sent"
        await self._connection._audio.sent_within(self._deadline, late)
        await within(self._deadline, self._inner.__aenter__, self._inner._too_late)

    async def _fetch(self) -> bool:
        await within(self._deadline, partial(self._inner._fetch, self._events), self._inner._too_late)
        return bool(self._events)

    def _check_entered(self) -> None:
        if not self._is_entered:
            raise RuntimeError("stream: use it as `with connection.stream(…) as stream`")


class Playback:
    """Counts played audio, as `AsyncPlayback`: an interruption cuts where the user stopped hearing.

    connection.playback.played_bytes(len(chunk))           # after each chunk, oldest audio first
    ...
    case RealtimeServerEventInputAudioBufferSpeechStarted():
        speaker.flush()
        connection.playback.interrupt()
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inner: AsyncPlayback = connection._inner.playback

    def played_bytes(self, count: int) -> None:
        """Count bytes that were played, in the session's output format."""
        self._connection._call(self._inner.played_bytes, count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played."""
        self._connection._call(self._inner.played_ms, ms)

    @property
    def position(self) -> Position | None:
        """The playback position; None if there is no audio to play or to come."""
        return self._connection._call(lambda: self._inner.position)

    @property
    def to_flush(self) -> Interruption | None:
        """The audio to drop when the user last began to speak; None for nothing."""
        return self._connection._call(lambda: self._inner.to_flush)

    def interrupt(self) -> Interruption | None:
        """Stop the model, as `connection.interrupt`."""
        return self._connection.interrupt()
