"""Events that state usage, as the API sends them."""

from __future__ import annotations

from typing import Any


def response_done(identity: str = "resp_1", status: str = "completed", **changed: Any) -> dict[str, Any]:
    details = {
        "text_tokens": 120,
        "audio_tokens": 300,
        "image_tokens": 80,
        "cached_tokens": 250,
        "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 150, "image_tokens": 0},
    }
    counted = {
        "total_tokens": 600,
        "input_tokens": 500,
        "output_tokens": 100,
        "input_token_details": details,
        "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
    }
    response = {
        "object": "realtime.response",
        "id": identity,
        "status": status,
        "output": [],
        "usage": {**counted, **changed},
    }
    return {"type": "response.done", "event_id": "event_1", "response": response}


def transcribed(item: str = "item_1", **counted: Any) -> dict[str, Any]:
    tokens = {
        "type": "tokens",
        "input_tokens": 60,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 50},
        "output_tokens": 20,
        "total_tokens": 80,
    }
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "event_2",
        "item_id": item,
        "content_index": 0,
        "transcript": "Hello",
        "usage": counted or tokens,
    }


def session_event(
    kind: str = "session.created", model: str | None = "voice-1", writer: Any = None
) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
    session |= {"model": model} if model else {}
    session |= {"audio": {"input": {"transcription": writer}}}
    return {"type": kind, "event_id": "event_0", "session": session}
