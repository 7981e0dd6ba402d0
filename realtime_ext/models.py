"""The models that are used by default, and those that end.

It must not send anything. The dates are data of the generated package.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_api.shutdowns import Shutdown

__all__ = [
    "DELEGATION_MARKS",
    "LIVE_MODEL",
    "MODEL",
    "TRANSCRIPTION_MODEL",
    "TRANSLATION_MODEL",
    "ending",
    "today",
    "with_end",
]


def __dir__() -> list[str]:
    return __all__


MODEL = "gpt-realtime-2.1"
"""The model of conversations unless another is named."""
LIVE_MODEL = "gpt-live-1"
"""The model of Live sessions unless another is named."""
TRANSCRIPTION_MODEL = "gpt-realtime-whisper"
"""The model of transcriptions unless another is named."""
TRANSLATION_MODEL = "gpt-realtime-translate"
"""The model of translations unless another is named."""

DELEGATION_MARKS: Mapping[str, str] = MappingProxyType({"gpt-live-1": "<|SpawnThinking|>"})
"""Live model → what its instructions have to name for it to delegate; later models understand plain words."""

_NOTICE = datetime.timedelta(days=90)
_MODEL_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*[A-Za-z0-9]")


def _shutdown(model: str) -> Shutdown | None:
    from realtime_api.shutdowns import MODEL_SHUTDOWNS  # a client is made without it

    return MODEL_SHUTDOWNS.get(model)


def today() -> datetime.date:
    """Return the date in UTC, in which shutdowns are announced."""
    return datetime.datetime.now(datetime.UTC).date()


def ending(model: str) -> str | None:
    """Return when a model ends and what replaces it, from 90 days before; None for others."""
    shutdown = _shutdown(model)
    if shutdown is None or today() < shutdown.date - _NOTICE:
        return None
    verb = "ends" if today() < shutdown.date else "ended"
    return f"{model} {verb} on {shutdown.date.isoformat()}; use {shutdown.successor}"


def with_end(message: str) -> str:
    """Return the message of a refusal, with the end of the model that it names if that has ended."""
    for name in _MODEL_NAME.findall(message[:1000]):
        shutdown = _shutdown(name)
        if shutdown is not None and shutdown.date <= today():
            return f"{message} [{ending(name)}]"
    return message
