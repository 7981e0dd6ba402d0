"""The output of a response, item by item, and the playback of its audio.

Methods that are generators are parts of a plan: code between two yields runs at once, and each
yielded number is a pause in seconds. They may be interrupted at any pause; open items are closed then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from realtime_simulator._engine.conversation import WITH_STATUS, Item
from realtime_simulator._engine.effects import Play
from realtime_simulator._engine.messages import encode_audio
from realtime_simulator._engine.plan import Answer, Plan, audio_pause, pieces, speech_of
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.turn import CallMcp, CallTool, Say
from realtime_simulator._engine.usage import Tokens, output_audio_tokens, text_tokens
from realtime_simulator._media.speech import RATE

CHUNK_SAMPLES = RATE // 5
"""Audio of one delta: 200 ms, a whole number of Opus packets."""
_TOKENS = re.compile(r"\w+|\W+")


class Output:
    """The output of one response.

    Args:
        shared: The session's shared state.
        play: Sends a stretch of speech to the peer.
        response_id: The response.
        out_of_band: Whether its items stay out of the conversation.
        modalities: `["audio"]` or `["text"]`.
        format: The `type` of the format in which audio goes out in events.
        limit: How many tokens it may have, or `inf`.
        reasons: Whether the model reasons: its messages have a phase then, and its items end together.
    """

    def __init__(
        self,
        shared: Shared,
        play: Callable[[Play], None],
        response_id: str,
        *,
        out_of_band: bool,
        modalities: Sequence[str],
        format: str,
        limit: int | str,
        reasons: bool,
    ) -> None:
        self.items: list[Item] = []
        self.made: Tokens = Tokens()
        self._shared = shared
        self._play = play
        self._response_id = response_id
        self._out_of_band = out_of_band
        self._modalities = modalities
        self._format = format
        self._limit = limit
        self._reasons = reasons
        self._endings: list[Callable[[], None]] = []

    def used_up(self) -> bool:
        """Whether the limit of tokens is reached."""
        return isinstance(self._limit, int) and self.made.total >= self._limit

    def think(self, tokens: int) -> None:
        """Count reasoning."""
        self.made += Tokens(text=tokens, reasoning=tokens)

    def finish(self) -> None:
        """End the items that are still open, in their order."""
        endings, self._endings = self._endings, []
        for ending in endings:
            ending()

    def _end(self, ending: Callable[[], None]) -> None:
        """End an item: at once, or, where the model reasons, together with the response's other items."""
        self._endings.append(ending)
        if not self._reasons:
            self.finish()

    def _part(self, what: str, item: Item, part: dict[str, Any]) -> None:
        """Send that a part of a message begins or ends; Azure's service has it twice."""
        twice = {"content": part} if self._shared.settings.profile.names_parts_twice else {}
        self._emit(f"response.content_part.{what}", item, content_index=0, part=part, **twice)

    def _open(self, data: dict[str, Any]) -> Item:
        item = Item({"id": self._shared.ids.new("item"), **data})
        if data["type"] in WITH_STATUS:
            item.data["status"] = "in_progress"
        self.items.append(item)
        self._emit_item("response.output_item.added", item)
        if not self._out_of_band:
            previous = self._shared.conversation.insert(item)
            self._shared.emit(
                {"type": "conversation.item.added", "previous_item_id": previous, "item": item.view()}
            )
        return item

    def _close(self, item: Item, *, whole: bool) -> None:
        if item.data["type"] in WITH_STATUS:
            item.data["status"] = "completed" if whole else "incomplete"
        # A client may have deleted the item meanwhile.
        if not self._out_of_band and self._shared.conversation.find(item.id) is item:
            previous = self._shared.conversation.previous_when_done(item)
            self._shared.emit(
                {"type": "conversation.item.done", "previous_item_id": previous, "item": item.view()}
            )
        self._emit_item("response.output_item.done", item)

    def _emit_item(self, type: str, item: Item) -> None:
        self._shared.emit(
            {
                "type": type,
                "response_id": self._response_id,
                "output_index": self.items.index(item),
                "item": item.view(),
            }
        )

    def _emit(self, type: str, item: Item, **fields: Any) -> None:
        self._shared.emit(
            {
                "type": type,
                "response_id": self._response_id,
                "item_id": item.id,
                "output_index": self.items.index(item),
                **fields,
            }
        )

    def _emit_delta(self, type: str, item: Item, delta: str, **fields: Any) -> None:
        obfuscation = self._shared.ids.obfuscation(delta)
        self._emit(type, item, **fields, delta=delta, obfuscation=obfuscation)

    def message(self, action: Say, answer: Answer) -> Plan:
        """Send a message as speech or as text.

        Args:
            action: Its first part.
            answer: The source of its further parts.
        """
        data: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
        phase = action.phase or (answer.phase if self._reasons else None)
        if phase is not None:
            data["phase"] = phase
        item = self._open(data)
        if "audio" in self._modalities and speech_of(action) is not None:
            yield from self._spoken(item, action, answer)
        else:
            yield from self._written(item, action, answer)

    def _written(self, item: Item, say: Say | None, answer: Answer) -> Plan:
        self._part("added", item, {"type": "text", "text": ""})
        said, whole = "", False
        try:
            while say is not None:
                for piece in pieces(say.text):
                    if self.used_up():
                        return
                    said += piece
                    self.made += Tokens(text=text_tokens(piece))
                    self._emit_delta("response.output_text.delta", item, piece, content_index=0)
                    if self._shared.pacing.speed:
                        yield len(piece) / 60 / self._shared.pacing.speed
                say = yield from answer.joining()
            whole = not answer.breaks_off
        finally:
            self._end(lambda: self._end_written(item, said, whole=whole))

    def _end_written(self, item: Item, said: str, *, whole: bool) -> None:
        item.data["content"] = [{"type": "output_text", "text": said}]
        self._emit("response.output_text.done", item, content_index=0, text=said)
        self._part("done", item, {"type": "text", "text": said})
        self._close(item, whole=whole)

    def _spoken(self, item: Item, say: Say | None, answer: Answer) -> Plan:
        self._part("added", item, {"type": "audio", "transcript": ""})
        said, whole, sound = "", False, bytearray()
        try:
            while say is not None and (speech := speech_of(say)) is not None:
                before, words, made, spoken_words = len(sound) // 2, pieces(speech.text), 0, 0
                while made < speech.samples:
                    if self.used_up():
                        return
                    start, made = made, min(made + CHUNK_SAMPLES, speech.samples)
                    # The words are about a second ahead of their sound.
                    due = -(-len(words) * min(made + RATE, speech.samples) // speech.samples)
                    pause = 0.0 if sound else self._shared.vary(self._shared.pacing.audio_after_words)
                    if not pause:
                        self._play(Play(self._response_id, item.id, speech, start, made, before))
                    for word in words[spoken_words:due]:
                        said += word
                        self.made += Tokens(text=text_tokens(word))
                        self._emit_delta(
                            "response.output_audio_transcript.delta", item, word, content_index=0
                        )
                    spoken_words = due
                    if pause:
                        yield pause
                        self._play(Play(self._response_id, item.id, speech, start, made, before))
                    sound += speech.pcm[start * 2 : made * 2]
                    # The same utterance is not kept twice.
                    item.audio = speech.pcm if len(sound) == len(speech.pcm) else sound
                    self.made += Tokens(audio=output_audio_tokens((made - start) * 1000 / RATE))
                    if self._shared.audio_in_events:
                        stretch = speech.stretch(start, made, self._format)
                        delta = encode_audio(stretch)
                        self._emit("response.output_audio.delta", item, content_index=0, delta=delta)
                    if self._shared.pacing.speed:
                        yield audio_pause(self._shared.pacing, made - start)
                say = yield from answer.joining()
            whole = not answer.breaks_off
        finally:
            self._end(lambda: self._end_spoken(item, said, whole=whole))

    def _end_spoken(self, item: Item, said: str, *, whole: bool) -> None:
        item.data["content"] = [{"type": "output_audio", "transcript": said}]
        self._emit("response.output_audio.done", item, content_index=0)
        self._emit("response.output_audio_transcript.done", item, content_index=0, transcript=said)
        self._part("done", item, {"type": "audio", "transcript": said})
        self._close(item, whole=whole)

    def call(self, action: CallTool) -> Plan:
        """Call a function of the session's."""
        call_id = self._shared.ids.new("call", 16)
        item = self._open({"type": "function_call", "name": action.name, "call_id": call_id, "arguments": ""})
        said = ""
        try:
            for piece in _TOKENS.findall(action.arguments):
                said += piece
                self.made += Tokens(text=text_tokens(piece))
                self._emit_delta("response.function_call_arguments.delta", item, piece, call_id=call_id)
                if self._shared.pacing.speed:
                    yield len(piece) / 60 / self._shared.pacing.speed
        finally:
            self._end(lambda: self._end_call(item, said, whole=said == action.arguments))

    def _end_call(self, item: Item, said: str, *, whole: bool) -> None:
        item.data["arguments"] = said
        fields = {key: item.data[key] for key in ("call_id", "name", "arguments")}
        self._emit("response.function_call_arguments.done", item, **fields)
        self._close(item, whole=whole)

    def ask_approval(self, action: CallMcp) -> str:
        """Request the client's approval of a call; return the request's id."""
        data = {"type": "mcp_approval_request", "server_label": action.server_label, "name": action.name}
        item = self._open({**data, "arguments": action.arguments})
        self._close(item, whole=True)
        return item.id

    def call_mcp(self, action: CallMcp) -> Plan:
        """Call a tool of an MCP server's."""
        data = {"type": "mcp_call", "server_label": action.server_label, "name": action.name, "arguments": ""}
        if action.approval_request_id is not None:
            data["approval_request_id"] = action.approval_request_id
        item = self._open(data)
        outcome = "failed"
        try:
            self.made += Tokens(text=text_tokens(action.arguments))
            self._emit_delta("response.mcp_call_arguments.delta", item, action.arguments)
            item.data["arguments"] = action.arguments
            self._emit("response.mcp_call_arguments.done", item, arguments=action.arguments)
            self._emit_progress("in_progress", item)
            if self._shared.pacing.speed:
                yield 0.2 / self._shared.pacing.speed
            if action.error is None:
                item.data["output"] = action.output
                outcome = "completed"
            else:
                item.data["error"] = {"type": "tool_execution_error", "message": action.error}
        finally:
            self._emit_progress(outcome, item)
            self._close(item, whole=True)

    def _emit_progress(self, what: str, item: Item) -> None:
        place = self.items.index(item)
        self._shared.emit({"type": f"response.mcp_call.{what}", "item_id": item.id, "output_index": place})


class Playback:
    """The output audio buffer of one session.

    Args:
        emit: Called with an event's fields.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], object]) -> None:
        self._emit = emit
        self._queue: list[str] = []
        self._done: set[str] = set()
        self._drained: set[str] = set()
        self._last_item: dict[str, str] = {}
        self._interrupted = False

    @property
    def playing(self) -> str | None:
        """The id of the response that is playing, or None."""
        return self._queue[0] if self._queue else None

    def add(self, response_id: str, item_id: str) -> None:
        """Process that audio of a response's item was queued."""
        self._last_item[response_id] = item_id
        self._drained.discard(response_id)
        if response_id not in self._queue:
            self._queue.append(response_id)
            if len(self._queue) == 1:
                self._say("started", response_id)

    def done(self, response_id: str) -> None:
        """Process that a response will queue no more audio."""
        if response_id in self._queue:
            self._done.add(response_id)
            self._advance()

    def drained(self, response_id: str) -> None:
        """Process that all queued audio of a response has been played."""
        if response_id in self._queue:
            self._drained.add(response_id)
            self._advance()

    def interrupt(self) -> bool:
        """Prepare for the queue to be dropped: no response stops by itself until `clear`.

        Returns:
            Whether there is anything to drop.
        """
        self._interrupted = bool(self._queue)
        return self._interrupted

    def clear(self) -> str | None:
        """Process that the queue was dropped; return the last item of the response that was playing."""
        heard = self.playing
        item_id = None
        if heard is not None:
            self._say("cleared", heard)
            item_id = self._last_item[heard]
        self._last_item.clear()
        self._interrupted = False
        self._queue.clear()
        self._done.clear()
        self._drained.clear()
        return item_id

    def _advance(self) -> None:
        while not self._interrupted and self._queue and self._queue[0] in self._done & self._drained:
            finished = self._queue.pop(0)
            self._done.discard(finished)
            self._drained.discard(finished)
            del self._last_item[finished]
            self._say("stopped", finished)
            if self._queue:
                self._say("started", self._queue[0])

    def _say(self, what: str, response_id: str) -> None:
        self._emit({"type": f"output_audio_buffer.{what}", "response_id": response_id})
