"""The conversation of `realtime talk --live`: both sides may speak at any time, and nothing marks a turn."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from realtime_ext import audio
from realtime_ext.connection import AsyncLiveConnection, Utterances

from ..recorder import Recorder
from ._conversation import Conversation, lines, on_interrupt, open_wav, talking_client
from ._options import SPEAKER
from ._output import paint, print_line, write

_NAMES = {"user": "you", "assistant": "model"}
_STYLES = {"user": "bold", "assistant": "cyan"}
_ANSWER_S = 10.0  # until the model begins to answer
_PAUSE_S = 2.0  # without a word, after which an answer is over
_LOOK_S = 0.1


class View:
    """Shows what both sides say as it is transcribed, or an utterance a line as JSON.

    Args:
        as_json: Whether to print JSON.

    Attributes:
        answered_at: When the model's latest words came, of the event loop's clock; None before.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._speaker: str | None = None  # of the line that is being written
        self._utterances = Utterances()
        self.answered_at: float | None = None

    def observe(self, direction: str, event: Any, _: int) -> None:
        """Show an event; an observer of the connection."""
        match event.type:
            case "session.input_transcript.delta" | "session.output_transcript.delta":
                self._words(event)
            case "response.event" if getattr(event.event, "type", None) == "response.output_item.done":
                item = event.event.item
                if getattr(item, "type", None) == "function_call":
                    self._line("tool", f"{item.name}({item.arguments})", name=item.name)
            case "response.item.create" if getattr(event.item, "type", None) == "function_call_output":
                self._line("tool", str(event.item.output))
            case "error":
                self._line("error", event.error.message)
            case "session.closed":
                self.end()

    def end(self) -> None:
        """Show what is not shown yet."""
        self._show_ended(float("inf"))
        self._end_line()

    def _words(self, event: Any) -> None:
        self._show_ended(event.start_ms)
        said = self._utterances.add(event.type, event.delta, event.start_ms, event.end_ms)
        if said is None:
            return
        utterance, is_new = said
        if utterance.speaker == "assistant":
            self.answered_at = asyncio.get_running_loop().time()
        if self._as_json:
            return
        if is_new or self._speaker != utterance.speaker:
            self._end_line()
            self._speaker = utterance.speaker
            write(paint(f"{_NAMES[utterance.speaker]}: ", _STYLES[utterance.speaker]), end="")
            write(event.delta.lstrip(), end="")
        else:
            write(event.delta, end="")

    def _show_ended(self, position_ms: float) -> None:
        for one in self._utterances.ended(position_ms):
            if self._as_json:
                times = {"start_ms": one.start_ms, "end_ms": one.end_ms}
                print_line({"role": one.speaker, "text": one.text, **times})

    def _end_line(self) -> None:
        if self._speaker is not None:
            write()
            self._speaker = None

    def _line(self, role: str, text: str, **more: Any) -> None:
        if self._as_json:
            print_line({"role": role, "text": text, **more})
            return
        self._end_line()
        write(paint(f"{role}:", "red" if role == "error" else "dim"), f" {text}")


class LiveConversation(Conversation):
    """A conversation with a Live model, which hears audio alone and says `messages` in its own words."""

    async def run(self) -> None:
        """Talk until the last input is answered, Ctrl-D or Ctrl-C.

        Raises:
            RealtimeError: It can't be done, or the connection was lost.
            OSError: A file can't be written.
        """
        view = View(as_json=self.as_json)
        async with contextlib.AsyncExitStack() as open_now:
            client = await open_now.enter_async_context(talking_client(self.simulated, None))
            observers: list[Any] = []
            if self.record is not None:
                observers.append(open_now.enter_context(Recorder(self.record)))
            connecting = client.live.connect(
                self.session,  # type: ignore[arg-type]
                tools=self.tools,
                observer=[*observers, view.observe],
            )
            open_now.callback(view.end)
            connection = await open_now.enter_async_context(connecting)
            if self.audio_out is not None and self.audio_out != SPEAKER:
                sink = open_now.enter_context(open_wav(self.audio_out))
                connection.on("session.output_audio.delta", lambda e: sink.writeframes(audio.decode(e)))
            await self._headset(open_now, connection)
            open_now.enter_context(on_interrupt(self._end))
            await self._until_first(connection.run(), self._say(view, connection))

    async def _say(self, view: View, connection: AsyncLiveConnection) -> None:
        for text in self.messages:
            await self._typed(view, connection, text)
        for pcm in self._spoken:
            await connection.send_audio(pcm)
            view.answered_at = None  # the answer to what was said so far is not the one to wait for
            await self._pause(view)
        if not self.messages and not self._spoken and not self.has_microphone:
            async for line in lines():
                if line.strip():
                    await self._typed(view, connection, line.strip())
        if self.has_microphone:
            await self._stop.wait()

    async def _typed(self, view: View, connection: AsyncLiveConnection, text: str) -> None:
        view.answered_at = None
        await connection.say(text)
        await self._pause(view)

    async def _pause(self, view: View) -> None:
        """Wait until the model has answered and paused."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() < (begun + _ANSWER_S if view.answered_at is None else view.answered_at + _PAUSE_S):
            await asyncio.sleep(_LOOK_S)

    async def _end(self) -> None:
        self._stop.set()
