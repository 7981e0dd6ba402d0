"""Secrets: values that are passed on and never shown.

The job: hold a key so that no repr, log or traceback prints it, and mask keys in text that came from
elsewhere before it goes into a message. It treats only the shapes listed here as secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar, final

T = TypeVar("T")

MASK = "***"

# What may stand in an error body, an SDP or a URL: bearer tokens, API keys, client secrets, webhook secrets,
# ICE passwords, query parameters that carry tokens, and passwords in URLs and connection strings. API keys
# only from eight characters on, so that one which the API has masked itself ("sk-proj-****abcd") stays as
# it is.
_SHAPES = re.compile(
    r"(?P<keep>\bBearer\s+|\ba=ice-pwd:|[?&](?:api[-_]?key|key|token|access_token|client_secret|signature)="
    r"|\b(?:password|passwd|pwd)=)"
    r"[^\s\"'&<>]+"
    r"|(?<=://)[^\s/@:\"'<>]*:[^\s/@\"'<>]+(?=@)"
    r"|\b(?:ek_|whsec_)[A-Za-z0-9_\-+/]+={0,2}"
    r"|(?:\bsk-|sk-(?:proj|svcacct|admin)-)[A-Za-z0-9_\-]{8,}",
    re.IGNORECASE,
)


@final
class Secret:
    """A text that only `reveal` returns.

    Args:
        value: The text itself.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled or copied into another process")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def hidden(value: Any) -> Any:
    """Return a text as a Secret, several too, and anything else as it is: for arguments that locals show."""
    if isinstance(value, list | tuple):
        return tuple(map(hidden, value))
    return Secret(value) if isinstance(value, str) else value


class MaskedDict(dict[str, T]):
    """A dict whose repr has no values: tracebacks with locals show the arguments of each frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, MASK))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace each of these exact secrets by asterisks.

    Args:
        text: Text from elsewhere, such as an error body that quotes the key it was sent.
        secrets: The values to mask; empty ones are skipped.

    Returns:
        The text without them.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return text


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace these secrets, and everything that has the shape of one, by asterisks.

    Args:
        text: Text from elsewhere that is about to be shown.
        secrets: Exact values to mask too.

    Returns:
        The text that may be shown.
    """
    return _SHAPES.sub(lambda found: (found["keep"] or "") + MASK, redact(text, secrets))
