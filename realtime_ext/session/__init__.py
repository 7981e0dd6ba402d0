"""Sessions: what every operation that takes one makes of a builder, a generated model or a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import SessionConfigError, SessionProblem

__all__ = ["SessionLike", "SupportsBuild", "SupportsToDict", "resolve"]


class SupportsToDict(Protocol):
    """A generated model."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that the model stands for."""


class SupportsBuild(Protocol):
    """A builder."""

    def build(self) -> SupportsToDict:
        """Return the generated model that was built."""


SessionLike = SupportsBuild | SupportsToDict | Mapping[str, Any]


def resolve(
    session: SessionLike, *, validate: bool, kinds: tuple[str, ...] = ("realtime", "transcription")
) -> dict[str, Any]:
    """Turn a session into the JSON object that is sent.

    Args:
        session: A builder, a generated model or a dict.
        validate: Whether to check it.
        kinds: The kinds that the operation takes: `realtime`, `transcription`, `translation`, and
            `realtime_older` or `transcription_older` for the forms without `type`.

    Returns:
        The object, new.

    Raises:
        SessionConfigError: The API would refuse it.
        TypeError: It is none of the three.
    """
    value: Any = session
    if hasattr(value, "build"):
        value = value.build()
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        raise TypeError(
            f"session: expected a builder, a generated model or a dict, got {type(session).__name__}"
        )
    body = dict(value)
    if validate and "type" not in body and kinds[-1] in ("realtime", "transcription"):
        message = f"type: expected {' or '.join(map(repr, kinds))}, got nothing"
        raise SessionConfigError([SessionProblem("type", None, kinds, message)])
    return body
