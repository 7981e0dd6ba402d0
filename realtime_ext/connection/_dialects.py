"""Other dialects of the wire: servers that speak the beta's names (Qwen, speaches), and xAI's.

The rest of the package knows the names of today. A `DialectLink` renames what goes out and what comes in, and
adds what such servers lack. It must not decide anything.

Sources: the beta's events in the API's changelog, https://www.alibabacloud.com/help/en/model-studio/client-events
and https://docs.x.ai/docs/guides/voice/agent.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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
# Where the beta's flat fields are today, within `audio`.
_PLACES = {
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
_INDEXED = ("response.output_", "response.content_part.", "response.function_call_arguments.")


class DialectLink:
    """A link whose messages are translated.

    Args:
        link: The link.
        dialect: Which dialect the server speaks.
    """

    def __init__(self, link: Link, dialect: Dialect) -> None:
        self._link = link
        self._send, self._receive = _DIALECTS[dialect]
        self._numbers = itertools.count(1)

    async def send(self, text: str) -> None:
        """Send a message in the server's dialect."""
        await self._link.send(_json.encode(self._send(_json.decode(text)), plain=True))

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Call a function with each message, translated, and another with the link's end."""

        def translate(data: Message) -> None:
            for message in self._translated(data):
                on_message(message)

        self._link.receive(translate, on_end)

    def _translated(self, data: Message) -> list[Message]:
        """Return a message as today's; what is no JSON object, or no event of the dialect, as it came."""
        try:
            event = _json.decode(data)
        except ValueError:
            return [data]
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            return [data]
        kind = event["type"]
        try:
            return [self._text(one) for one in self._receive(event)]
        except Exception as error:  # its shape is not the dialect's; the connection goes on all the same
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
    """Return a link that speaks today's names, whatever the server speaks."""
    return link if dialect is None else DialectLink(link, dialect)


# The beta's names


def _to_beta(event: JSON) -> JSON:
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


def _from_beta(event: JSON) -> Iterator[JSON]:
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
    if kind.startswith(_INDEXED):
        event.setdefault("output_index", 0)
        if "output_item" not in kind:
            event.setdefault("content_index", 0)
    if kind == "conversation.item.created":
        yield {**event, "type": "conversation.item.added"}
        if isinstance(event.get("item"), dict) and event["item"].get("status") != "in_progress":
            yield _without_id({**event, "type": "conversation.item.done"})
        return
    if kind == "response.output_item.done":
        yield _without_id({"type": "conversation.item.done", "item": event.get("item")})
    yield event


def _flat(given: Mapping[str, Any]) -> JSON:
    """Return a session, or the parameters of a response, as the beta had it."""
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
    """Return a session, or a response, of the beta as it is today."""
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
    """Return a format as today's object; Qwen's `pcm`, `pcm16` and `pcm24` are PCM, too."""
    if not isinstance(name, str):
        return name
    kind = _FORMATS.get(name, "audio/pcm" if name.startswith("pcm") else name)
    return {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}


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


# xAI: today's names, but for two fields that are in the session itself, and for text


def _to_xai(event: JSON) -> JSON:
    if event.get("type") != "session.update" or not isinstance(event.get("session"), dict):
        return event
    session = dict(event["session"])
    audio = session.get("audio") or {}
    for name in ("turn_detection", "voice"):
        side, field = _PLACES[name]
        if field in (audio.get(side) or {}):
            session[name] = audio[side][field]
    return {**event, "session": session}


def _from_xai(event: JSON) -> Iterator[JSON]:
    event["type"] = _EVENTS.get(event["type"], event["type"])
    session = event.get("session")
    if isinstance(session, dict):
        audio = {**(session.get("audio") or {})}
        for name in ("turn_detection", "voice"):
            side, field = _PLACES[name]
            if name in session:
                audio[side] = {**(audio.get(side) or {}), field: session.pop(name)}
        session.setdefault("type", "realtime")
        session["audio"] = audio
    yield event


_DIALECTS: Mapping[str, tuple[Callable[[JSON], JSON], Callable[[JSON], Iterator[JSON]]]] = {
    "beta": (_to_beta, _from_beta),
    "xai": (_to_xai, _from_xai),
}
