"""The audio within events.

This module must not keep state: what was played and what is left is the connection's business.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

__all__ = ["decode"]

_SUFFIX = "audio.delta"  # response.output_audio.delta, session.output_audio.delta, and a later API's
_ENVELOPE = "data"  # where an UnknownEvent has the event as it came


def decode(event: Any) -> bytes:
    """Give the audio of an audio delta.

    Args:
        event: A `response.output_audio.delta`, or a translation session's `session.output_audio.delta`:
            generated class, `UnknownEvent` or plain dict.

    Returns:
        Raw mono audio in the session's output format.

    Raises:
        TypeError: The event is not an audio delta.
        ValueError: Its `delta` is not base64.
    """
    fields = event if isinstance(event, Mapping) else getattr(event, _ENVELOPE, None)
    if isinstance(fields, Mapping):
        kind, delta = fields.get("type"), fields.get("delta")
    else:
        kind, delta = getattr(event, "type", None), getattr(event, "delta", None)
    if not isinstance(kind, str) or not kind.endswith(_SUFFIX):
        what = repr(kind) if isinstance(kind, str) else type(event).__name__
        raise TypeError(f"event: expected an audio delta such as 'response.output_audio.delta', got {what}")
    if not isinstance(delta, str):
        raise ValueError(f"{kind}: delta: expected base64 text, got {type(delta).__name__}")
    try:
        return binascii.a2b_base64(delta, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"{kind}: delta: expected base64 text: {error}") from error
