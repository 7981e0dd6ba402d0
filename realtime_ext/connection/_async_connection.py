"""The async connection of the Realtime API.

Events are interpreted in `_state`; `_io` sends and receives.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .._core.arguments import check_seconds
from .._core.time_limit import TimeLimit
from ..errors import RealtimeError
from ..events import parse_event
from ..tools import Toolbox
from ._async_parts import AsyncPlayback, AsyncStream
from ._io import ConnectionIO, run_to_completion
from ._lifetime import AsyncLifetime
from ._state.client_events import create_item, create_response, text_item
from ._state.conversation import TranscriptLine, read_item
from ._state.latency import Latencies
from ._state.playback import Interruption
from ._state.reconnect import OF_PARENT, CloseInfo
from ._turn import Turn

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
    from ..events import ServerEvent  # noqa: F401  (of the base class)
    from ..session import SessionChanges
    from ..usage import Usage

logger: logging.Logger = logging.getLogger("realtime_ext")

_LAST_WORDS = 3.0  # seconds for a translation session to finish


class AsyncConnection(AsyncLifetime["ServerEvent", "ClientEventLike"]):
    """A realtime session, or a view of one, made by `connect`, `answer` or `dial`, for one event loop.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers first.

    Methods that send return the `event_id` of the sent event. Events that a kind of session does not support
    raise `RealtimeError` before anything is sent. If the connection has ended, they raise
    `ConnectionClosedError`, with the unsent events in `unsent`. During a reconnect they wait until it
    succeeds or fails, as configured by `Reconnect`. Methods with a `timeout` stop then, and nothing is sent
    later.

    Attributes:
        playback: Counts the audio that was played, for interruptions.
    """

    def __init__(
        self,
        io: ConnectionIO,
        *,
        call: Call | None = None,
        call_id: str | None = None,
        hang_up: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        super().__init__(io)
        self._hang_up = hang_up
        self._call = call
        self._call_id = call_id if call is None else call.id
        self.playback: AsyncPlayback = AsyncPlayback(self)
        self._is_made = True

    def __repr__(self) -> str:
        about = f" call_id={self._call_id!r}" if self._call_id else ""
        return f"<{type(self).__name__} {self._state.role.kind}{about}{' closed' if self.is_closed else ''}>"

    # State

    @property
    def call(self) -> Call | None:
        """The WebRTC call that `dial` made; None for other connections."""
        return self._call

    @property
    def call_id(self) -> str | None:
        """The id of the call; None if the connection belongs to none."""
        return self._call_id

    @property
    def session(self) -> RealtimeSessionUnion | RealtimeTranslationSession | dict[str, Any] | None:
        """The session as last reported by the server, a generated session; None before that."""
        content = self._state.session.content
        if content is None:
            return None
        kind = "session.updated"
        event = parse_event({"type": kind, "event_id": "", "session": content})
        return getattr(event, "session", None)

    @property
    def items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """The conversation's items in order, without their audio."""
        return [read_item(item) for item in self._state.conversation.items]

    def replay_items(self) -> list[RealtimeConversationItem | dict[str, Any]]:
        """Return the conversation as items for a new session.

        Speech becomes text: `input_text` of the user, `output_text` of the assistant. Of an interrupted
        answer, the part that was probably heard is kept. Function calls are followed by
        their outputs.

        Returns:
            Generated items without ids, for `create_item`, in order.
        """
        return [read_item(item) for item in self._state.conversation.replay_items()]

    @property
    def transcript(self) -> list[TranscriptLine]:
        """The words of the conversation so far, in order.

        The user's speech is included once it is transcribed, if the session has `transcribe`.
        """
        return self._state.conversation.transcript()

    @property
    def usage(self) -> Usage:
        """The tokens that the connection's responses used so far, by modality."""
        return self._state.meter.usage

    @property
    def latency(self) -> Latencies:
        """How long the connection's responses took, and percentiles of that."""
        return self._state.watch.latencies

    # Sending

    async def update_session(
        self, session: SessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the server's acknowledgement.
            timeout: Seconds to wait at most, for a lost link too; None for no limit.

        Returns:
            The event's `event_id`.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it, all of it.
            TypeError, ValueError: `timeout` is not a time limit.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        return await self._update(session, wait, timeout)

    async def append_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio.

        Args:
            data: Audio in the session's input format, of any length; or base64 text, which is sent unchanged.

        Returns:
            The `event_id` of the last event sent.

        Raises:
            TypeError, ValueError: It is neither.
            RealtimeError: In a WebRTC call audio flows on the track.
            ConnectionClosedError: The connection has ended; `unsent` has what wasn't sent.
        """
        return await self._io.send_audio(self._state.client_events.audio(data))

    async def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        self._state.role.require_conversation("commit_audio")
        return await self._send_own({"type": "input_audio_buffer.commit"})

    async def clear_audio(self) -> str:
        """Discard the audio so far."""
        self._state.role.require_conversation("clear_audio")
        return await self._send_own({"type": "input_audio_buffer.clear"})

    async def create_item(self, item: ItemLike, *, previous_item_id: str | None = None) -> str:
        """Add an item to the conversation.

        Args:
            item: A generated item or a dict.
            previous_item_id: The item to insert it after, `root` for the beginning; None for the end.
        """
        self._state.role.require_conversation("create_item")
        event: Any = create_item(item, previous_item_id)
        return await self.send(event)

    async def send_text(self, text: str) -> str:
        """Add the user's text to the conversation; `create_response` requests an answer."""
        self._state.role.require_conversation("send_text")
        return await self._send_own(text_item(text))

    async def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation."""
        self._state.role.require_conversation("delete_item")
        return await self.send({"type": "conversation.item.delete", "item_id": item_id})

    async def retrieve_item(self, item_id: str) -> str:
        """Retrieve an item completely; it arrives as `conversation.item.retrieved`."""
        self._state.role.require_conversation("retrieve_item")
        return await self.send({"type": "conversation.item.retrieve", "item_id": item_id})

    async def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Truncate a model's item where the user stopped hearing it.

        Args:
            item_id: The item.
            played_ms: Milliseconds that were heard; limited to the received audio that is not yet truncated.

        Returns:
            The `event_id`; None if there was nothing to cut: no audio, none heard, no more of it left, or the
            API plays it.
        """
        event = self._state.playback.truncation(item_id, played_ms)
        return None if event is None else await self._send_own(event)

    async def create_response(
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
        """Request a response; waits while another one is active.

        Args:
            instructions: For this response only.
            output_modalities: `["audio"]` or `["text"]`.
            audio: The output's `format` and `voice`.
            tools: For this response only.
            tool_choice: `auto`, `none`, `required`, or one tool.
            parallel_tool_calls: Whether a response may have several calls; reasoning models only.
            reasoning: Its effort; reasoning models only.
            max_output_tokens: 1–4096, or `inf`.
            conversation: `none` keeps the response out of the conversation, and waits for nothing.
            metadata: Up to 16 pairs, which are returned with the response.
            prompt: A stored prompt.
            input: Items in place of the conversation, or references to its items: `{"type": "item_reference",
                "id": …}`.
            timeout: Seconds to wait at most until it can be sent; None for no limit.

        Returns:
            The event's `event_id`, once it was sent.

        Raises:
            ValueError: The API would refuse it.
            APITimeoutError: The previous response was not done in time, or there was no link.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        self._state.role.require_responses("create_response")
        deadline = self._io.deadline(check_seconds("timeout", timeout))
        out = self._state.client_events.prepare(create_response(given))
        if conversation == "none":
            await self._io.send(out, deadline=deadline)
        else:
            await self._io.send_in_turn(out, deadline=deadline)
        return out.event_id

    async def cancel_response(self, response_id: str | None = None) -> str:
        """Cancel a response; not an error if there is none.

        Args:
            response_id: Which; None for the one in the conversation.
        """
        self._state.role.require_conversation("cancel_response")
        event = {"type": "response.cancel"}
        return await self._send_own(event if response_id is None else {**event, "response_id": response_id})

    async def interrupt(self) -> Interruption | None:
        """Stop the model, whether the API detects turns or not, and wherever its audio is played.

        Cancels the response, clears the audio that the API has not played yet (WebRTC and SIP), and truncates
        the item in the conversation where the user stopped hearing it, as counted by `playback`; an item of
        which nothing was heard is deleted.

        Returns:
            The audio to flush in the loudspeaker; None if there is none.

        Raises:
            RealtimeError: The session has no responses.
            ConnectionClosedError: The connection has ended.
        """
        found, events = self._state.interrupt()
        for event in events:
            await self._send_own(event)
        return found

    async def clear_output_audio(self) -> str:
        """Clear the audio that the API has not played yet (WebRTC and SIP)."""
        self._state.role.require_conversation("clear_output_audio")
        return await self._send_own({"type": "output_audio_buffer.clear"})

    # Turns and tools

    def stream(self, text: str | None = None, *, response: ResponseLike | None = None) -> AsyncStream:
        """Ask the model, and follow its events through tool calls to the final message.

        Args:
            text: What the user says; None to answer the existing conversation.
            response: `RealtimeResponseCreateParams` or a dict, for this response only.

        Returns:
            A context manager that iterates over the turn's events and has `turn`. Leaving it early sends
            `response.cancel`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response; nothing was sent.
        """
        self._state.role.require_responses("stream")
        return AsyncStream(self, text, response)

    async def ask(
        self, text: str | None = None, *, timeout: float | None = 60.0, response: ResponseLike | None = None
    ) -> Turn:
        """Ask the model, and wait for the whole turn; as `stream`.

        Args:
            text: What the user says; None to answer the existing conversation.
            timeout: Seconds for the whole turn; None for no limit.
            response: For this response only.

        Returns:
            The turn; check its `status`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The API would refuse the response (nothing was sent), or `timeout` is invalid.
            APITimeoutError: The turn took too long and was cancelled, or nothing was sent.
            APIStatusError: The server refused the request.
            ConnectionClosedError: The connection ended before the turn did; `TurnLost` if it reconnects: ask
                again.
        """
        stream = self._asking(text, timeout=timeout, response=response)
        limit = TimeLimit(timeout, is_real=True)
        try:
            async with limit, stream:
                async for _ in stream:
                    pass
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            raise stream._too_late() from error
        return stream.turn

    async def say_goodbye(self, text: str, *, timeout: float = 30.0) -> Turn:
        """Speak a last sentence in a phone or WebRTC call, wait until it has been heard, and hang up.

        An active response is finished first. The call is always hung up: also if the sentence
        takes too long, if the caller interrupts it, or if this is cancelled.

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
        if self._hang_up is None:
            raise RealtimeError("say_goodbye: the connection belongs to no call that could be hung up")
        if not isinstance(text, str):
            raise TypeError(f"text: expected a str, got {type(text).__name__}")
        if not text.strip():
            raise ValueError("text: expected what to say, got an empty text")
        self._state.role.require_responses("say_goodbye")
        check_seconds("timeout", timeout)
        try:
            return await self._say_last(text, timeout)
        finally:
            await self.hang_up()

    async def hang_up(self) -> None:
        """Hang up the call, within 5 seconds; a failure is logged. The API then ends the connection.

        Raises:
            RealtimeError: The connection belongs to no call.
        """
        if self._hang_up is None:
            raise RealtimeError("hang_up: the connection belongs to no call that could be hung up")
        self._state.is_hung_up = True
        await run_to_completion(self._hang_up())

    async def _say_last(self, text: str, timeout: float) -> Turn:
        """Ask the model to say a text, and wait until the API has played it."""
        stream = self._asking(None, timeout=timeout, response=_saying(text))
        ended = self.expect(
            ("output_audio_buffer.stopped", "output_audio_buffer.cleared"),
            where=lambda event: stream._stream is not None and stream._stream.has_response(event.response_id),
        )
        limit = TimeLimit(timeout, is_real=True)
        try:
            with ended:
                async with limit, stream:
                    async for _ in stream:
                        pass
                    if stream.turn.first_audio_ms is not None and not self._state.role.plays:
                        await ended.wait(None)
        except TimeoutError as error:
            if not limit.expired():
                raise  # a handler's own
            if stream._stream is None or not stream._stream.is_over:
                raise stream._too_late() from error
            logger.info("the last sentence was not heard completely within %g s", timeout)
        return stream.turn

    def _asking(self, text: str | None, *, timeout: float | None, response: Any) -> AsyncStream:
        """Check the arguments of `ask`, and return the turn to follow."""
        if self._is_forked:
            raise RealtimeError(OF_PARENT)  # its event loop is not running here
        self._state.role.require_responses("ask")
        check_seconds("timeout", timeout)
        if self._tools is None:
            self._state.session.warn_of_tools(set())
        return AsyncStream(self, text, response, timeout)

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[RealtimeMCPApprovalRequest], bool | Awaitable[bool]] | None = None,
    ) -> None:
        """Answer the model's function calls from now on, in its own task; returns at once.

        Each call is run once, in order; when all calls of a response have their outputs, one further
        response is requested, unless all outputs are silent.

        Args:
            toolbox: The tools, or functions to create them from. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `RealtimeMCPApprovalRequest`; only True allows the call. None refuses
                all.

        Raises:
            RealtimeError: Tools are registered already.
            TypeError, ValueError: As `Toolbox`; or `timeout` is not a time limit.
        """
        self._state.role.require_responses("run_tools")
        checked = self._check_tools(toolbox, timeout)
        self._state.session.warn_of_tools({str(tool.name) for tool in checked.definitions})
        self._run_tools(self._state.turns, checked, timeout, approve, read_item)

    # The end

    @property
    def _farewell(self) -> float | None:
        return _LAST_WORDS if self._state.role.kind == "translation" else None

    async def close(self) -> None:
        """End the connection, within a few seconds. It may be called again, and from anywhere.

        Events that came before can still be read, and then iteration ends. In a process that was forked
        after the connection was opened this does nothing: the connection is its parent's.
        """
        await self._end(CloseInfo.by_user())


def _saying(text: str) -> dict[str, Any]:
    """Return the response by which the model says a text."""
    return {
        "instructions": f"Say exactly the following sentence, and nothing else: {text}",
        "output_modalities": ["audio"],
        "tool_choice": "none",
    }
