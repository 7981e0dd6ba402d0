"""Dialects: servers that use the beta's names (Qwen, speaches), Azure Voice Live, and xAI.

The rest of the package uses the current names. A `DialectLink` renames in both directions, and adds the data
that such servers omit. It must not decide anything.

Sources: the beta's events in the API's changelog, recorded sessions of xAI and Voice Live,
https://www.alibabacloud.com/help/en/model-studio/client-events, https://docs.x.ai/docs/guides/voice/agent and
https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-how-to.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from .._core import json as _json
from .._http.settings import Dialect
from ._link import Link, OnEnd, OnMessage
from ._state.messages import Message

logger: logging.Logger = logging.getLogger("realtime_ext")

JSON = dict[str, Any]

_EVENTS = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}
_PARTS = {"text": "output_text", "audio": "output_audio"}
_BETA_PARTS = {new: old for old, new in _PARTS.items()}
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_FORMATS = {new: old for old, new in _FORMATS.items()}
# The current places, within `audio`, of the beta's flat fields.
_PLACES = {
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
_REPEATED = ("input_audio_format", "output_audio_format", "input_audio_transcription")
_INDEXED = ("response.output_", "response.content_part.", "response.function_call_arguments.")
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_TRANSCRIPT_DONE = "response.output_audio_transcript.done"
_TEXT_DONE = "response.output_text.done"


class Translator(Protocol):
    """One connection's translation between a server's events and the current ones."""

    def to_server(self, event: JSON) -> JSON:
        """Return the server's form of an event that is sent."""

    def from_server(self, event: JSON) -> Iterator[JSON]:
        """Yield the current forms of a received event."""


class DialectLink:
    """A link whose messages are translated.

    Args:
        link: The link.
        dialect: Which dialect the server speaks.
    """

    def __init__(self, link: Link, dialect: Dialect) -> None:
        self._link = link
        self._translator = _TRANSLATORS[dialect]()
        self._numbers = itertools.count(1)

    async def send(self, text: str) -> None:
        """Send a message in the server's dialect."""
        await self._link.send(_json.encode(self._translator.to_server(_json.decode(text)), plain=True))

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message, translated, and another with the link's end."""

        def translate(data: Message) -> None:
            for message in self._translated(data):
                on_message(message)

        self._link.receive(translate, on_end)

    def _translated(self, data: Message) -> list[Message]:
        """Return the current form of a message; unchanged if it is not an event of the dialect."""
        try:
            event = _json.decode(data)
        except ValueError:
            return [data]
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            return [data]
        kind = event["type"]
        try:
            return [self._text(one) for one in self._translator.from_server(event)]
        except Exception as error:  # its shape is not the dialect's; the connection continues
            logger.warning("%s has an unexpected shape (%s)", kind, type(error).__name__)
            return [data]

    def _text(self, event: JSON) -> str:
        event.setdefault("event_id", f"event_of_link_{next(self._numbers)}")
        return _json.encode(event, plain=True)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it."""
        await self._link.close(code, reason)

    def forget(self) -> None:
        """Release its descriptor."""
        self._link.forget()


def translated(link: Link, dialect: Dialect | None) -> Link:
    """Return a link with the current names."""
    return link if dialect is None else DialectLink(link, dialect)


# The beta's names


class Beta:
    """Servers with the beta's names."""

    def to_server(self, event: JSON) -> JSON:
        match event.get("type"):
            case "session.update":
                return {**event, "session": _flat(event.get("session") or {})}
            case "response.create" if isinstance(event.get("response"), dict):
                response = _flat(event["response"])
                if "input" in response:
                    response["input"] = [_item(item, _BETA_PARTS) for item in response["input"]]
                return {**event, "response": response}
            case "conversation.item.create":
                return {**event, "item": _item(event.get("item"), _BETA_PARTS)}
        return event

    def from_server(self, event: JSON) -> Iterator[JSON]:
        kind = _EVENTS.get(str(event["type"]), str(event["type"]))
        event["type"] = kind
        if isinstance(event.get("session"), dict):
            event["session"] = _nested(event["session"], {"type": "realtime"})
        if isinstance(event.get("response"), dict):
            response = _nested(event["response"], {})
            response["output"] = [_item(item, _PARTS) for item in response.get("output") or []]
            event["response"] = response
        if "item" in event:
            event["item"] = _item(event["item"], _PARTS)
        if isinstance(event.get("part"), dict):
            event["part"] = _part(event["part"], _PARTS)
        if kind == _TRANSCRIPTION + "completed":
            event.setdefault("usage", None)
        _add_indexes(event)
        if kind == "conversation.item.created":
            yield {**event, "type": "conversation.item.added"}
            if isinstance(event.get("item"), dict) and event["item"].get("status") != "in_progress":
                yield _without_id({**event, "type": "conversation.item.done"})
            return
        if kind == "response.output_item.done":
            yield _without_id({"type": "conversation.item.done", "item": event.get("item")})
        yield event


class VoiceLive(Beta):
    """Azure Voice Live: the beta's names, voices as objects, and an end of its own for spoken items."""

    def to_server(self, event: JSON) -> JSON:
        event = super().to_server(event)
        for name in ("session", "response"):
            given = event.get(name)
            if isinstance(given, dict) and isinstance(given.get("voice"), str):
                # Azure's voices begin with a locale: en-US-Ava:DragonHDLatestNeural.
                kind = "azure-standard" if "-" in given["voice"] else "openai"
                event[name] = {**given, "voice": {"type": kind, "name": given["voice"]}}
        return event

    def from_server(self, event: JSON) -> Iterator[JSON]:
        if event["type"] == "conversation.item.done":
            return  # it follows conversation.item.created, from which it was derived
        for name in ("session", "response"):
            given = event.get(name)
            if isinstance(given, dict) and isinstance(given.get("voice"), dict):
                given["voice"] = given["voice"].get("name")
            if name == "session" and isinstance(given, dict) and given.get("output_audio_format") is None:
                given["output_audio_format"] = "pcm16"  # its default
        yield from super().from_server(event)


def _flat(given: Mapping[str, Any]) -> JSON:
    """Return the beta's form of a session, or of a response's parameters."""
    flat = {name: value for name, value in given.items() if name not in ("type", "audio", "model")}
    audio = given.get("audio") or {}
    for name, (side, field) in _PLACES.items():
        if field in (audio.get(side) or {}):
            value = audio[side][field]
            flat[name] = _BETA_FORMATS.get(value.get("type"), value) if field == "format" and value else value
    if "output_modalities" in flat:
        modalities = flat.pop("output_modalities")
        flat["modalities"] = ["text", "audio"] if "audio" in modalities else modalities
    if "max_output_tokens" in flat:
        flat["max_response_output_tokens"] = flat.pop("max_output_tokens")
    return flat


def _nested(given: Mapping[str, Any], added: Mapping[str, Any]) -> JSON:
    """Return the current form of a beta session or response."""
    made: JSON = {**added, **{name: value for name, value in given.items() if name not in _PLACES}}
    audio: dict[str, JSON] = {}
    for name, (side, field) in _PLACES.items():
        if name in given:
            value = given[name]
            audio.setdefault(side, {})[field] = _format(value) if field == "format" else value
    if audio:
        made["audio"] = audio
    if "modalities" in made:
        modalities = made.pop("modalities") or []
        made["output_modalities"] = ["audio"] if "audio" in modalities else modalities
    if "max_response_output_tokens" in made:
        made["max_output_tokens"] = made.pop("max_response_output_tokens")
    return made


def _format(name: Any) -> Any:
    """Return the current object for a format; Qwen's `pcm`, `pcm16` and `pcm24` are PCM, too."""
    if not isinstance(name, str):
        return name
    kind = _FORMATS.get(name, "audio/pcm" if name.startswith("pcm") else name)
    return {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}


def _add_indexes(event: JSON) -> None:
    """Add the indexes that servers with one output and one part omit."""
    kind = event["type"]
    if kind.startswith(_INDEXED):
        event.setdefault("output_index", 0)
        if "output_item" not in kind:
            event.setdefault("content_index", 0)


def _item(item: Any, parts: Mapping[str, str]) -> Any:
    if not isinstance(item, dict) or item.get("role") != "assistant" or not item.get("content"):
        return item
    return {**item, "content": [_part(part, parts) for part in item["content"]]}


def _part(part: Any, parts: Mapping[str, str]) -> Any:
    if not isinstance(part, dict):
        return part
    return {**part, "type": parts.get(str(part.get("type")), part.get("type"))}


def _without_id(event: JSON) -> JSON:
    """Return an event that the server did not send, so that it gets an id of its own."""
    return {name: value for name, value in event.items() if name != "event_id"}


# xAI: most of the current names, with fields in other places and without the ends of items


class Xai:
    """xAI's servers."""

    def __init__(self) -> None:
        self._said: dict[str, JSON] = {}  # by item: the content of the model's message, until it ends
        self._heard: dict[str, str] = {}  # by item: the words of the user so far
        self._recording: dict[str, JSON] = {}  # the items of the user's speech, until they are committed

    def to_server(self, event: JSON) -> JSON:
        if event.get("type") != "session.update" or not isinstance(event.get("session"), dict):
            return event
        session = dict(event["session"])
        audio = session.get("audio") or {}
        for name in ("turn_detection", "voice"):
            side, field = _PLACES[name]
            if field in (audio.get(side) or {}):
                session[name] = audio[side][field]
        return {**event, "session": session}

    def from_server(self, event: JSON) -> Iterator[JSON]:
        kind = event["type"] = _EVENTS.get(str(event["type"]), str(event["type"]))
        if kind == "ping":
            return  # a keep-alive, which asks for no answer
        if kind.startswith(_TRANSCRIPTION):
            yield from self._transcription(event)
            return
        if isinstance(event.get("session"), dict):
            event["session"] = _xai_session(event["session"])
        if isinstance(event.get("response"), dict):
            event["response"] = _xai_response(event["response"], event.pop("usage", None))
        if isinstance(event.get("item"), dict):
            event["item"] = self._item(kind, event["item"])
        if kind == _TRANSCRIPT_DONE:
            self._said[str(event.get("item_id"))] = {"type": "audio", "transcript": event.get("transcript")}
        elif kind == _TEXT_DONE:
            self._said[str(event.get("item_id"))] = {"type": "text", "text": event.get("text")}
        elif kind == "response.content_part.done":
            event.setdefault("part", self._said.get(str(event.get("item_id")), {"type": "audio"}))
        _add_indexes(event)
        yield event
        if kind == "response.output_item.done":
            yield _item_done(event["item"])
        elif kind == "conversation.item.added":
            if event["item"].get("status") == "completed":
                yield _item_done(event["item"], previous_item_id=event.get("previous_item_id"))
            elif event["item"].get("role") == "user":
                self._recording[event["item"]["id"]] = event["item"]
        elif kind == "input_audio_buffer.committed" and event.get("item_id") in self._recording:
            yield _item_done({**self._recording.pop(event["item_id"]), "status": "completed"})

    def _item(self, kind: str, item: JSON) -> JSON:
        """Return an item with the content that the end of a response's item lacks."""
        if kind == "response.output_item.done" and item.get("type") == "message":
            said = self._said.pop(str(item.get("id")), None)
            if said is not None and not item.get("content"):
                item = {**item, "content": [said]}
        return {"content": [], **_item(item, _PARTS)} if item.get("type") == "message" else item

    def _transcription(self, event: JSON) -> Iterator[JSON]:
        """Yield the words of the user: what is added to them as deltas, and all of them once, at the end.

        Words that a later transcript revises are not sent as a delta.
        """
        words, item = str(event.get("transcript") or ""), str(event.get("item_id"))
        completed = event["type"] == _TRANSCRIPTION + "completed"
        if completed and event.get("status") != "in_progress":
            self._heard.pop(item, None)
            event.setdefault("usage", None)
            yield event
        elif completed or event["type"] == _TRANSCRIPTION + "updated":
            before = self._heard.get(item, "")
            if len(words) > len(before) and words.startswith(before):
                self._heard[item] = words
                added = {name: value for name, value in event.items() if name not in ("transcript", "status")}
                yield {**added, "type": _TRANSCRIPTION + "delta", "delta": words.removeprefix(before)}
        else:
            yield event


def _item_done(item: JSON, **more: Any) -> JSON:
    return {"type": "conversation.item.done", "item": item, **more}


def _xai_session(given: JSON) -> JSON:
    audio = given.get("audio") or {}
    detection = given.get("turn_detection")
    if isinstance(detection, dict) and detection.get("type") is None:
        given["turn_detection"] = None
    # Its formats and its transcription also stand in `audio`.
    shown = {name: value for name, value in given.items() if name not in ("audio", *_REPEATED)}
    session = _nested(shown, {"type": "realtime"})
    nested = session.get("audio") or {}
    session["audio"] = {
        side: {**(audio.get(side) or {}), **nested.get(side, {})} for side in {**audio, **nested}
    }
    if session.get("tools"):
        session["tools"] = [_flat_tool(tool) for tool in session["tools"]]
    return session


def _xai_response(given: JSON, usage: Any) -> JSON:
    output = [_item(item, _PARTS) for item in given.get("output") or []]
    details = given.get("status_details")
    return {
        **given,
        "output": output,
        "status_details": details if isinstance(details, dict) else None,
        "usage": given.get("usage") or usage,
    }


def _flat_tool(tool: Any) -> Any:
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        return {"type": "function", **tool["function"]}
    return tool


_TRANSLATORS: Mapping[str, Callable[[], Translator]] = {
    "beta": Beta,
    "azure-voice-live": VoiceLive,
    "xai": Xai,
}
