"""One response of the model: its events in the API's order, as a plan that waits between them.

`Response.perform` is a generator: what stands between two yields happens at once, and each yielded number is
a pause in seconds. A session drives it and may interrupt it at any pause.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

from realtime_ext.simulator.engine.config import SessionConfig
from realtime_ext.simulator.engine.conversation import WITH_STATUS, Conversation, Item
from realtime_ext.simulator.engine.ids import Ids
from realtime_ext.simulator.engine.mcp import Mcp
from realtime_ext.simulator.engine.pacing import Pacing, pieces
from realtime_ext.simulator.engine.turn import Action, CallMcp, CallTool, Fail, Say
from realtime_ext.simulator.engine.usage import Tokens, output_audio_tokens, text_tokens, usage
from realtime_ext.simulator.media.speech import RATE, Speech

CHUNK_SAMPLES = RATE // 5
"""Audio of one delta: 200 ms, a whole number of Opus packets."""
Plan = Generator[float, None, None]


class Interrupted(Exception):
    """Thrown into a running plan: the response ends here.

    Args:
        reason: `client_cancelled` or `turn_detected`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Host(Protocol):
    """What a response needs of its session."""

    config: SessionConfig
    conversation: Conversation
    pacing: Pacing
    ids: Ids
    audio_in_events: bool
    mcp: Mcp

    def emit(self, event: dict[str, Any]) -> None: ...
    def play(self, response_id: str, item_id: str, speech: Speech, start: int, end: int) -> None: ...


class Response:
    """One response.

    Args:
        host: The session.
        params: The `response` object of `response.create`; already checked.
        given: The tokens of its input.
        cached: The tokens of the previous response's input.
    """

    def __init__(self, host: Host, params: Mapping[str, Any], given: Tokens, cached: Tokens) -> None:
        self._host = host
        self.params = params
        self.id = host.ids.new("resp")
        self.out_of_band = params.get("conversation") == "none"
        self._given, self._cached, self._made = given, cached, Tokens()
        self._output: list[Item] = []
        self._status, self._details = "in_progress", dict[str, Any]()
        self.modalities = list(params.get("output_modalities") or host.config["output_modalities"])
        limit = params.get("max_output_tokens") or host.config["max_output_tokens"]
        self._limit: int | str = limit
        audio = params.get("audio", {}).get("output", {})
        voice = audio.get("voice") or host.config.output["voice"]
        self.voice = str(voice["id"] if isinstance(voice, Mapping) else voice)
        self.format: Mapping[str, Any] = audio.get("format") or host.config.output["format"]

    @property
    def finished(self) -> bool:
        return self._status != "in_progress"

    @property
    def audio_seconds(self) -> float:
        """How long what was said takes to hear."""
        return sum(len(item.audio) for item in self._output) / 2 / RATE

    @property
    def output_tokens(self) -> int:
        return self._made.total

    def view(self) -> dict[str, Any]:
        """Return the response as `response.created` and `response.done` show it."""
        shown: dict[str, Any] = {
            "id": self.id,
            "object": "realtime.response",
            "status": self._status,
            "output": [item.view() for item in self._output],
            "output_modalities": self.modalities,
            "max_output_tokens": self._limit,
            "audio": {"output": {"format": self.format, "voice": self.voice}},
        }
        if not self.out_of_band:
            shown["conversation_id"] = "conv_" + self._host.config.session_id.removeprefix("sess_")
        if self.params.get("metadata") is not None:
            shown["metadata"] = self.params["metadata"]
        if self._details:
            shown["status_details"] = self._details
        if self.finished:
            shown["usage"] = usage(self._given, self._cached, self._made)
        return shown

    def begin(self) -> None:
        self._host.emit({"type": "response.created", "response": self.view()})

    def end(self, status: str, **details: Any) -> None:
        """Finish the response.

        Args:
            status: `completed`, `cancelled`, `failed` or `incomplete`.
            details: Further fields of `status_details`.
        """
        self._status = status
        self._details = {"type": status, **details} if status != "completed" else {}
        self._host.emit({"type": "response.done", "response": self.view()})

    def perform(self, actions: Sequence[Action]) -> Plan:
        """Make the output, event by event.

        Args:
            actions: What the model answers, in order; speech already synthesized.
        """
        try:
            for number, action in enumerate(actions):
                if isinstance(action, Fail):
                    error = {"type": "server_error", "code": action.code, "message": action.message}
                    self.end("failed", error=error)
                    return
                if self._used_up():
                    break
                if isinstance(action, CallTool):
                    yield from self._call(action)
                elif isinstance(action, CallMcp):
                    if self._host.mcp.needs_approval(action):
                        self._host.mcp.hold(self._ask_approval(action), actions[number:])
                        break
                    yield from self._call_mcp(action)
                else:
                    yield from self._message(action)
        except Interrupted as stop:
            self.end("cancelled", reason=stop.reason)
            return
        if self._used_up():
            self.end("incomplete", reason="max_output_tokens")
        else:
            self.end("completed")

    def _used_up(self) -> bool:
        return isinstance(self._limit, int) and self._made.total >= self._limit

    # Items

    def _open(self, data: dict[str, Any]) -> Item:
        item = Item({"id": self._host.ids.new("item"), **data})
        if data["type"] in WITH_STATUS:
            item.data |= {"object": "realtime.item", "status": "in_progress"}
        self._output.append(item)
        self._emit_item("response.output_item.added", item)
        if not self.out_of_band:
            previous = self._host.conversation.insert(item)
            self._host.emit(
                {"type": "conversation.item.added", "previous_item_id": previous, "item": item.view()}
            )
        return item

    def _close(self, item: Item, *, whole: bool) -> None:
        if item.data["type"] in WITH_STATUS:
            item.data["status"] = "completed" if whole else "incomplete"
        # A client may have deleted the item meanwhile.
        if not self.out_of_band and self._host.conversation.find(item.id) is item:
            previous = self._host.conversation.previous_id(item)
            self._host.emit(
                {"type": "conversation.item.done", "previous_item_id": previous, "item": item.view()}
            )
        self._emit_item("response.output_item.done", item)

    def _emit_item(self, type: str, item: Item) -> None:
        self._host.emit(
            {
                "type": type,
                "response_id": self.id,
                "output_index": self._output.index(item),
                "item": item.view(),
            }
        )

    def _emit(self, type: str, item: Item, **fields: Any) -> None:
        self._host.emit(
            {
                "type": type,
                "response_id": self.id,
                "item_id": item.id,
                "output_index": self._output.index(item),
                **fields,
            }
        )

    def _message(self, action: Say) -> Plan:
        item = self._open({"type": "message", "role": "assistant", "content": []})
        whole = False
        try:
            if "audio" in self.modalities and action.speech is not None:
                whole = yield from self._spoken(item, action.speech)
            else:
                whole = yield from self._written(item, action.text)
        finally:
            self._close(item, whole=whole)

    def _written(self, item: Item, text: str) -> Generator[float, None, bool]:
        part = {"type": "text", "text": ""}
        self._emit("response.content_part.added", item, content_index=0, part=part)
        said = ""
        try:
            for piece in pieces(text):
                if self._used_up():
                    break
                said += piece
                self._made += Tokens(text=text_tokens(piece))
                self._emit("response.output_text.delta", item, content_index=0, delta=piece)
                if self._host.pacing.speed:
                    yield len(piece) / 60 / self._host.pacing.speed
        finally:
            item.data["content"] = [{"type": "output_text", "text": said}]
            self._emit("response.output_text.done", item, content_index=0, text=said)
            part = {"type": "text", "text": said}
            self._emit("response.content_part.done", item, content_index=0, part=part)
        return said == text

    def _spoken(self, item: Item, speech: Speech) -> Generator[float, None, bool]:
        part = {"type": "audio", "transcript": ""}
        self._emit("response.content_part.added", item, content_index=0, part=part)
        words, said, made = pieces(speech.text), "", 0
        spoken_words = 0
        try:
            while made < speech.samples and not self._used_up():
                start, made = made, min(made + CHUNK_SAMPLES, speech.samples)
                due = -(-len(words) * made // speech.samples)
                self._host.play(self.id, item.id, speech, start, made)
                for word in words[spoken_words:due]:
                    said += word
                    self._made += Tokens(text=text_tokens(word))
                    self._emit("response.output_audio_transcript.delta", item, content_index=0, delta=word)
                spoken_words = due
                item.audio = speech.pcm[: made * 2]
                self._made += Tokens(audio=output_audio_tokens((made - start) * 1000 / RATE))
                if self._host.audio_in_events:
                    sound = speech.stretch(start, made, self.format["type"])
                    delta = base64.b64encode(sound).decode("ascii")
                    self._emit("response.output_audio.delta", item, content_index=0, delta=delta)
                if self._host.pacing.speed:
                    yield self._host.pacing.pause(made - start)
        finally:
            item.data["content"] = [{"type": "output_audio", "transcript": said}]
            self._emit("response.output_audio.done", item, content_index=0)
            self._emit("response.output_audio_transcript.done", item, content_index=0, transcript=said)
            part = {"type": "audio", "transcript": said}
            self._emit("response.content_part.done", item, content_index=0, part=part)
        return made >= speech.samples

    def _call(self, action: CallTool) -> Plan:
        call_id = self._host.ids.new("call", 16)
        item = self._open({"type": "function_call", "name": action.name, "call_id": call_id, "arguments": ""})
        said = ""
        try:
            for start in range(0, len(action.arguments), 24):
                piece = action.arguments[start : start + 24]
                said += piece
                self._made += Tokens(text=text_tokens(piece))
                self._emit("response.function_call_arguments.delta", item, call_id=call_id, delta=piece)
                if self._host.pacing.speed:
                    yield len(piece) / 60 / self._host.pacing.speed
        finally:
            item.data["arguments"] = said
            self._emit(
                "response.function_call_arguments.done",
                item,
                call_id=call_id,
                name=action.name,
                arguments=said,
            )
            self._close(item, whole=said == action.arguments)

    def _ask_approval(self, action: CallMcp) -> str:
        """Ask the client whether a call may be made; returns the request's id."""
        data = {"type": "mcp_approval_request", "server_label": action.server_label, "name": action.name}
        item = self._open({**data, "arguments": action.arguments})
        self._close(item, whole=True)
        return item.id

    def _call_mcp(self, action: CallMcp) -> Plan:
        data = {"type": "mcp_call", "server_label": action.server_label, "name": action.name, "arguments": ""}
        if action.approval_request_id is not None:
            data["approval_request_id"] = action.approval_request_id
        item = self._open(data)
        outcome = "failed"
        try:
            self._made += Tokens(text=text_tokens(action.arguments))
            self._emit("response.mcp_call_arguments.delta", item, delta=action.arguments)
            item.data["arguments"] = action.arguments
            self._emit("response.mcp_call_arguments.done", item, arguments=action.arguments)
            self._emit_progress("in_progress", item)
            if self._host.pacing.speed:
                yield 0.2 / self._host.pacing.speed
            if action.error is None:
                item.data["output"] = action.output
                outcome = "completed"
            else:
                item.data["error"] = {"type": "tool_execution_error", "message": action.error}
        finally:
            self._emit_progress(outcome, item)
            self._close(item, whole=True)

    def _emit_progress(self, what: str, item: Item) -> None:
        place = self._output.index(item)
        self._host.emit({"type": f"response.mcp_call.{what}", "item_id": item.id, "output_index": place})
