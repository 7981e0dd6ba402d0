"""xAI's service: most of the current names, fields in other places, UUIDs, and no ends of items.

Source: recorded sessions of July 2026, and https://docs.x.ai/docs/guides/voice/agent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._faults.alterations import BETA_NAMES
from realtime_simulator._server.dialects import JSON, PART_NAMES, with_parts

_TEXT_NAMES = {new: old for new, old in BETA_NAMES.items() if "text" in new and "transcript" not in new}
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_ID = re.compile(r"(?:event|item|resp|conv|sess|call)_[A-Za-z0-9]{16,21}")
_SETTINGS = (
    "audio",
    "input_audio_transcription",
    "instructions",
    "max_output_tokens",
    "modalities",
    "model",
    "output_modalities",
    "tool_choice",
    "tools",
    "turn_detection",
    "type",
    "voice",
)
"""The settings that are known; others, such as `reasoning`, are kept and shown as they come."""
_VOICE = "ara"
_LATENCY = "0.50"
_BYTES_PER_MS = 48
_BYTES_OF_SECOND = 48_000


class Xai:
    """The dialect of one connection to xAI.

    Args:
        ids: The source of identifiers.
        clock: The clock of timestamps.
    """

    def __init__(self, ids: Ids, clock: Clock) -> None:
        self._ids = ids
        self._clock = clock
        self._sent: JSON = {}
        self._names: dict[str, str] = {}  # the engine's ids by xAI's
        self._heard: set[str] = set()  # items that were shown when the user began to speak
        self._last: str | None = None
        self._audio_done: JSON | None = None
        self._spoken_bytes: dict[str, int] = {}  # by item, since the response began

    def outgoing(self, event: Mapping[str, Any]) -> Iterator[JSON]:
        """Return the events to send for an event."""
        for one in self._events({**event, "type": _TEXT_NAMES.get(event["type"], event["type"])}):
            if one["type"] != "session.created":
                one.setdefault("previous_item_id", None)
            yield self._translated(one)

    def incoming(self, event: JSON) -> JSON:
        """Return the equivalent current event; fields in other places are ignored, as xAI does."""
        event = self._with_own_ids(event)
        if event.get("type") != "session.update" or not isinstance(event.get("session"), dict):
            return event
        session = dict(event["session"])
        if "turn_detection" not in self._sent:
            session.setdefault("turn_detection", None)  # its default
        self._sent |= session
        session = {name: value for name, value in session.items() if name in _SETTINGS}
        audio = _elsewhere(session.get("audio") or {})
        for name, side in (("voice", "output"), ("turn_detection", "input")):
            if name in session:
                value = session.pop(name)
                unset = isinstance(value, dict) and value.get("type") is None
                audio.setdefault(side, {})[name] = None if unset else value
        return {**event, "session": {**session, "type": "realtime", "audio": audio}}

    def _events(self, event: JSON) -> Iterator[JSON]:
        kind = event["type"]
        if kind in ("rate_limits.updated", "conversation.item.done"):
            return
        if kind.startswith(_TRANSCRIPTION):
            yield from self._transcription(event)
        elif kind == "session.created":
            yield {**event, "session": self._first_session(event["session"])}
            conversation = {"id": self._ids.new("conv"), "object": "realtime.conversation"}
            yield self._own("conversation.created", conversation=conversation)
            yield self._own("ping", timestamp=self._milliseconds())
        elif kind == "session.updated":
            yield {**event, "session": self._session(event["session"])}
        elif kind == "input_audio_buffer.speech_started":
            yield event
            self._heard.add(event["item_id"])
            content = [{"type": "input_audio", "transcript": ""}]
            item = {"type": "message", "status": "in_progress", "role": "user", "content": content}
            yield self._added({**item, "id": event["item_id"]})
        elif kind == "input_audio_buffer.committed":
            yield {**event, "previous_item_id": None}
        elif kind == "conversation.item.added":
            if event["item"]["id"] not in self._heard:
                yield {**event, **self._added(event["item"]), "event_id": event["event_id"]}
        elif kind.startswith("response."):
            yield from self._response(event)
        else:
            yield event

    def _own(self, kind: str, **fields: Any) -> JSON:
        return {"type": kind, "event_id": self._ids.new("event"), **fields}

    def _added(self, item: JSON) -> JSON:
        tool = item["type"] != "message"
        before, self._last = None if tool else self._last, item["id"]
        shown = {
            **_item(item),
            **({"role": "tool", "status": item.get("status", "completed")} if tool else {}),
        }
        return self._own("conversation.item.added", item=shown, previous_item_id=before)

    # Sessions

    def _first_session(self, session: JSON) -> JSON:
        return {
            "id": session["id"],
            "object": "realtime.session",
            "instructions": "",
            "voice": _VOICE,
            "modalities": ["audio"],
            "turn_detection": {"type": None},
            "tools": [],
            "model": session["model"],
        }

    def _session(self, session: JSON) -> JSON:
        own = {"transport": "json"}
        audio = {side: {**value, **own} for side, value in _elsewhere(session["audio"]).items()}
        for name in ("noise_reduction", "speed"):
            for side in audio.values():
                side.pop(name, None)
        asked = audio["input"].pop("transcription", None) or {}
        transcription = {name: value for name, value in asked.items() if value is not None}
        if transcription:
            audio["input"]["transcription"] = transcription
        nested = [
            {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
            for tool in session["tools"]
            if tool["type"] == "function"
        ]
        return {
            "instructions": self._sent.get("instructions", ""),
            **({"voice": self._sent["voice"]} if "voice" in self._sent else {}),
            "enable_noise_suppression": True,
            "turn_detection": self._sent.get("turn_detection") or {"type": None},
            "model": session["model"],
            **({"tools": nested} if nested else {}),
            "keep_context": False,
            "enable_phonetic_spelling": False,
            **({"input_audio_transcription": transcription} if transcription else {}),
            "modalities": ["audio"] if "audio" in session["output_modalities"] else ["text"],
            "input_audio_format": "not specified",
            "output_audio_format": "not specified",
            "tool_choice": session["tool_choice"],
            "temperature": -1.0,
            "max_response_output_tokens": session["max_output_tokens"],
            "audio": audio,
            **{name: value for name, value in self._sent.items() if name not in _SETTINGS},
        }

    # Speech

    def _transcription(self, event: JSON) -> Iterator[JSON]:
        """Yield the words of the user: in progress as far as they are known, and finally all of them."""
        place = {"item_id": event["item_id"], "content_index": event["content_index"]}
        if event["type"] == _TRANSCRIPTION + "completed":
            words = {**place, "transcript": event["transcript"]}
            yield self._own(_TRANSCRIPTION + "updated", **words)
            yield self._own(_TRANSCRIPTION + "completed", **words, status="in_progress")
            yield {**words, "type": event["type"], "event_id": event["event_id"], "status": "completed"}
        elif event["type"] != _TRANSCRIPTION + "delta":
            yield event

    # Responses

    def _response(self, event: JSON) -> Iterator[JSON]:
        kind = event["type"]
        own = {name: value for name, value in event.items() if name != "obfuscation"}
        if "item" in own:
            shown = {**_item(own["item"]), **({"role": "user"} if own["item"]["type"] != "message" else {})}
            shown.pop("content", None)
            own |= {"item": shown, "output_index": 0}
        if kind == "response.created":
            self._spoken_bytes.clear()
            own["response"] = _response(own["response"])
        elif kind == "response.done":
            own["usage"] = self._usage(own["response"])
            own["response_id"] = own["response"]["id"]
            own["response"] = _response(own["response"])
        elif kind == "response.content_part.added":
            own["previous_item_id"] = "0"
        elif kind == "response.content_part.done":
            own.pop("part")
        elif kind.startswith("response.function_call_arguments."):
            own["output_index"] = 0
            if kind.endswith("delta"):
                own.pop("output_index")
        elif kind == "response.output_audio.delta":
            own |= self._timing(event)
        elif kind == "response.output_audio_transcript.delta":
            spoken = self._spoken_bytes.get(event["item_id"], 0)
            own |= {"rid": event["event_id"], "start_time": spoken / _BYTES_OF_SECOND}
        if kind == "response.output_audio.done":
            self._audio_done = own  # the part's end comes before it
            return
        yield own
        if kind == "response.content_part.done" and self._audio_done is not None:
            yield self._audio_done
            self._audio_done = None

    def _timing(self, event: JSON) -> JSON:
        size = len(event["delta"]) * 3 // 4
        before = self._spoken_bytes.setdefault(event["item_id"], 0)
        self._spoken_bytes[event["item_id"]] = before + size
        first = {} if before else {"latency": _LATENCY}
        duration = size // _BYTES_PER_MS
        return {"rid": event["event_id"], **first, "audio_duration_ms": duration, "ts": self._milliseconds()}

    def _usage(self, response: JSON) -> JSON:
        usage = response.get("usage") or {}
        seconds = sum(self._spoken_bytes.values()) / _BYTES_OF_SECOND
        counts = {name: usage.get(name, 0) for name in ("input_tokens", "output_tokens", "total_tokens")}
        for side in ("input", "output"):
            details = usage.get(f"{side}_token_details") or {}
            shown = {name: details.get(name, 0) for name in ("text_tokens", "audio_tokens")}
            counts[f"{side}_token_details"] = {**shown, "grok_tokens": 0}
        return {**counts, "output_audio_seconds": seconds, "billable_audio_seconds": round(seconds)}

    def _milliseconds(self) -> int:
        return int(self._clock.unix() * 1000)

    # Identifiers

    def _translated(self, value: Any) -> Any:
        """Return a value with xAI's identifiers in place of the engine's."""
        if isinstance(value, Mapping):
            return {name: self._translated(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._translated(inner) for inner in value]
        if not isinstance(value, str) or _ID.fullmatch(value) is None:
            return value
        own = uuid.uuid5(uuid.NAMESPACE_OID, value)
        kind = value.partition("_")[0]
        shown = own.hex if kind == "sess" else f"call-{own}-0" if kind == "call" else str(own)
        if kind in ("item", "resp", "call"):
            self._names[shown] = value
        return shown

    def _with_own_ids(self, value: Any) -> Any:
        """Return a value with the engine's identifiers in place of xAI's."""
        if isinstance(value, dict):
            return {name: self._with_own_ids(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._with_own_ids(inner) for inner in value]
        return self._names.get(value, value) if isinstance(value, str) else value


def _item(item: JSON) -> JSON:
    own = {name: value for name, value in item.items() if name != "phase"}
    return {"object": "realtime.item", **own}


def _response(response: JSON) -> JSON:
    output = [with_parts(_item(item), PART_NAMES) for item in response["output"]]
    for item in output:
        if item["type"] != "message":
            item["role"] = "user"
    return {
        "id": response["id"],
        "object": response["object"],
        "output": output,
        "status": response["status"],
        "status_details": "unimplemented",
        "usage": {},
    }


def _elsewhere(audio: JSON) -> JSON:
    """Return `audio` without the fields that xAI has in the session itself."""
    moved = ("voice", "turn_detection")
    return {
        side: {name: value for name, value in given.items() if name not in moved}
        for side, given in audio.items()
        if isinstance(given, dict)
    }
