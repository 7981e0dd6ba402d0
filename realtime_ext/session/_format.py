"""Audio formats under the short names that builders take.

This module must not check anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ._forms import place
from ._given import SupportsToDict

__all__ = ["AudioFormat", "audio_format"]

AudioFormat = Literal["pcm", "pcmu", "pcma"] | Mapping[str, Any] | SupportsToDict

_SHORT = frozenset({"pcm", "pcmu", "pcma"})


def audio_format(given: AudioFormat | str) -> Any:
    """Return the API's object for a format.

    Args:
        given: A short name, the object's own type such as `audio/pcm`, or the object itself.

    Returns:
        The object, with the rate where the API knows a single one; any other text as the `type`, for the
        check to refuse.
    """
    if not isinstance(given, str):
        return given
    name = f"audio/{given}" if given in _SHORT else given
    for form in place("RealtimeAudioFormats").forms:
        if form.tag == name:
            rate = form.properties.get("rate")
            values = rate.forms[0].values if rate is not None else None
            return {"type": name, **({"rate": values[0]} if values else {})}
    return {"type": name}
