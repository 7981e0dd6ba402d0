"""The methods that send, awaited. What an event looks like is decided in `_protocol`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .. import _json
from ..arguments import check_seconds
from ..errors import APITimeoutError
from ._deadline import Deadline
from .state import _shortcuts as shortcuts
from .state._acknowledgement import DOUBT, Acknowledgement
from .state._core import Protocol
from .state._outbox import Outgoing, append_messages, given_back
from .state._waiters import Waiter

if TYPE_CHECKING:
    from ..events import ClientEvent
    from ..session import SessionLike
    from .state._turn import TurnStream

__all__ = ["AsyncSending"]


class AsyncSending:
    """What a connection can be told. Methods return the `event_id` of what they sent.

    What a kind of session doesn't have is refused with `RealtimeError`, before anything is sent.

    They raise `ConnectionClosedError`, with what wasn't sent in `unsent`, if the connection has ended.

    While the link is being mended, they wait until it is, or is given up: how long that takes at most is
    `Reconnect`'s to say. Those that have a `timeout` stop at that, and then nothing is sent later.
    """

    _core: Protocol
    _observer: Any

    async def send(self, event: ClientEvent | Mapping[str, Any]) -> str:
        """Send an event.

        Args:
            event: A generated client event or a dict; without an `event_id` it gets one.

        Returns:
            Its `event_id`.

        Raises:
            TypeError: It is neither.
            ValueError: The API would refuse it. A type that nobody knows is sent.
            ConnectionClosedError: The connection has ended.
        """
        out = self._core.prepare(event)
        await self._send(out)
        return out.event_id

    async def update_session(
        self, session: SessionLike, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the session.

        Args:
            session: What changes: a builder, a generated model or a dict; what is absent stays.
            wait: Whether to wait for the server's acknowledgement.
            timeout: Seconds to wait at most, for a lost link too; None for no limit.

        Returns:
            The event's `event_id`.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it, all of it.
            TypeError, ValueError: `timeout` is no time limit.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        deadline = Deadline(check_seconds("timeout", timeout))
        out = self._core.write(self._core.session_update(session))
        acknowledged = await self._send(out, deadline=deadline)
        if wait and acknowledged is not None:
            await self._acknowledged(acknowledged, deadline, "session.updated")
        return out.event_id

    async def append_audio(self, data: bytes | bytearray | memoryview | str) -> str:
        """Send audio.

        Args:
            data: Audio in the session's input format, of any length; or base64 text, which goes out as it is.

        Returns:
            The `event_id` of the last event that it took.

        Raises:
            TypeError, ValueError: It is neither.
            RealtimeError: In a WebRTC call audio flows on the track.
            ConnectionClosedError: The connection has ended.
        """
        return await self.send_audio(self.audio_messages(data))

    def audio_messages(self, data: bytes | bytearray | memoryview | str) -> Iterator[tuple[str, str]]:
        """Write audio as messages, each with its `event_id`; raises as `append_audio`, on iterating.

        For the blocking connection, which writes them in the thread that has the audio.
        """
        return append_messages(data, self._core.append_type, self._core.ids)

    async def send_audio(self, messages: Iterator[tuple[str, str]]) -> str:
        """Send what `audio_messages` wrote; if that fails, `unsent` has all that was left of it.

        Returns:
            The `event_id` of the last message.
        """
        last = ""
        for event_id, text in messages:
            if self._observer is not None:
                self._observe("out", _json.decode(text))
            await self._send_text(text, messages)
            last = event_id
        return last

    async def commit_audio(self) -> str:
        """Make the audio so far the user's message."""
        self._core.only_conversation("commit_audio")
        return await self._send_own({"type": "input_audio_buffer.commit"})

    async def clear_audio(self) -> str:
        """Throw the audio so far away."""
        self._core.only_conversation("clear_audio")
        return await self._send_own({"type": "input_audio_buffer.clear"})

    async def create_item(self, item: Any, *, previous_item_id: str | None = None) -> str:
        """Put an item into the conversation.

        Args:
            item: A generated item or a dict.
            previous_item_id: The item that it goes behind, `root` for the beginning; None for the end.
        """
        self._core.only_conversation("create_item")
        return await self.send(shortcuts.create_item(item, previous_item_id))

    async def send_text(self, text: str) -> str:
        """Put what the user writes into the conversation; `create_response` has it answered."""
        self._core.only_conversation("send_text")
        return await self._send_own(shortcuts.text_item(text))

    async def delete_item(self, item_id: str) -> str:
        """Take an item out of the conversation."""
        self._core.only_conversation("delete_item")
        return await self.send(shortcuts.delete_item(item_id))

    async def retrieve_item(self, item_id: str) -> str:
        """Have the server send an item with all that it has, as `conversation.item.retrieved`."""
        self._core.only_conversation("retrieve_item")
        return await self.send(shortcuts.retrieve_item(item_id))

    async def truncate(self, item_id: str, played_ms: float) -> str | None:
        """Cut an item of the model where the user stopped hearing it.

        Args:
            item_id: The item.
            played_ms: Milliseconds that were heard; limited to the audio that came and wasn't cut already.

        Returns:
            The `event_id`; None if there was nothing to cut: no audio, none heard, no more of it left, or the
            API plays it.
        """
        event = self._core.truncate(item_id, played_ms)
        return None if event is None else await self._send_own(event)

    async def create_response(
        self,
        *,
        instructions: str | None = None,
        output_modalities: list[Literal["text", "audio"]] | None = None,
        audio: Any = None,
        tools: list[Any] | None = None,
        tool_choice: Any = None,
        parallel_tool_calls: bool | None = None,
        reasoning: Any = None,
        max_output_tokens: int | Literal["inf"] | None = None,
        conversation: Literal["auto", "none"] | str | None = None,
        metadata: Mapping[str, str] | None = None,
        prompt: Any = None,
        input: list[Any] | None = None,
        timeout: float | None = 60.0,
    ) -> str:
        """Have the model answer. While a response is active, this waits until that is done.

        Args:
            instructions: For this response alone.
            output_modalities: `["audio"]` or `["text"]`.
            audio: The output's `format` and `voice`.
            tools: For this response alone.
            tool_choice: `auto`, `none`, `required`, or one tool.
            parallel_tool_calls: Whether several calls may come at once; reasoning models only.
            reasoning: Its effort; reasoning models only.
            max_output_tokens: 1–4096, or `inf`.
            conversation: `none` keeps the response out of the conversation, and waits for nothing.
            metadata: Up to 16 pairs, which come back with the response.
            prompt: A stored prompt.
            input: Items in place of the conversation.
            timeout: Seconds to wait at most until it can be sent; None for no limit.

        Returns:
            The event's `event_id`, once it was sent.

        Raises:
            ValueError: The API would refuse it.
            APITimeoutError: The response before was not over in time, or there was no link; nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "timeout")}
        self._core.only_responding("create_response")
        deadline = Deadline(check_seconds("timeout", timeout))
        out = self._core.prepare(shortcuts.create_response(given))
        if conversation == "none":
            await self._send(out, deadline=deadline)
        else:
            await self._send_in_turn(out, deadline=deadline)
        return out.event_id

    async def cancel_response(self, response_id: str | None = None) -> str:
        """Stop a response; that there is none is no failure.

        Args:
            response_id: Which; None for the one in the conversation.
        """
        self._core.only_conversation("cancel_response")
        return await self._send_own(shortcuts.cancel_response(response_id))

    async def clear_output_audio(self) -> str:
        """Have the API stop playing (WebRTC and SIP)."""
        self._core.only_conversation("clear_output_audio")
        return await self._send_own({"type": "output_audio_buffer.clear"})

    async def _send_own(self, event: Mapping[str, Any]) -> str:
        out = self._core.write(event)
        await self._send(out)
        return out.event_id

    async def _acknowledged(
        self, update: Acknowledgement, timeout: Deadline | float | None, what: str
    ) -> None:
        """Wait for the answer to an update, and a little longer where it may be somebody else's."""
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        try:
            await self._wait(update.sign, deadline, what)
        except BaseException:
            update.is_given_up = True
            raise
        left = deadline.left()
        try:
            await self._wait(update, DOUBT if left is None else min(DOUBT, left), what)
        except APITimeoutError:
            self._core.effects.session.trust(update)
        update.result()

    async def _send_in_turn(
        self, *outgoing: Outgoing, deadline: Deadline | None = None, stream: TurnStream | None = None
    ) -> None:
        """Send events, together, once no response is active."""
        ticket = self._core.wait_turn(partial(given_back, outgoing))
        try:
            await self._wait(ticket, deadline, "nothing was sent: the end of the response before")
            if stream is None or not stream.is_over:  # its response may have gone with the link
                await self._send(*outgoing, deadline=deadline, stream=stream)
        finally:
            self._core.leave(ticket)

    if TYPE_CHECKING:  # what the connection adds

        async def _send(
            self, *outgoing: Outgoing, deadline: Deadline | None = None, stream: TurnStream | None = None
        ) -> Acknowledgement | None: ...

        async def _send_text(self, text: str, rest: Iterator[tuple[str, str]]) -> None: ...

        async def _wait(self, waiter: Waiter[Any], timeout: Deadline | float | None, what: str) -> Any: ...

        def _observe(self, direction: str, event: Any) -> None: ...
