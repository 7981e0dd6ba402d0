"""The configuration of a translation session. Absent means unchanged; null turns off."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

TRANSLATION = "translation"
DEFAULT_MODEL = "gpt-realtime-translate"
DEFAULT_LANGUAGE = "en"


class TranslationConfig:
    """The configuration of one translation session.

    Args:
        session_id: The session's id.
        expires_at: When it ends, in unix seconds.
        initial: The `session` object that it begins with; already checked against its schema.
        model: The model of the connection's address; the session's own wins.
    """

    kind = TRANSLATION

    def __init__(
        self,
        session_id: str,
        expires_at: int,
        initial: Mapping[str, Any] | None = None,
        *,
        model: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.expires_at = expires_at
        self.model = str((initial or {}).get("model") or model or DEFAULT_MODEL)
        self._input: dict[str, Any] = {"transcription": None, "noise_reduction": None}
        self._language = DEFAULT_LANGUAGE
        self.update(initial or {})

    @property
    def language(self) -> str:
        """The language that is translated to."""
        return self._language

    @property
    def transcribes(self) -> bool:
        """Whether the client wants to read what was said in the source language."""
        return self._input["transcription"] is not None

    def update(self, fields: Mapping[str, Any]) -> None:
        """Apply an update.

        Args:
            fields: The `session` object of `session.update`; already checked against its schema.
        """
        audio = fields.get("audio") or {}
        self._input |= copy.deepcopy(dict(audio.get("input") or {}))
        output = audio.get("output") or {}
        if "language" in output:
            self._language = output["language"] or DEFAULT_LANGUAGE

    def view(self) -> dict[str, Any]:
        """Return the session as events show it."""
        return {
            "id": self.session_id,
            "type": TRANSLATION,
            "expires_at": self.expires_at,
            "model": self.model,
            "audio": {"input": copy.deepcopy(self._input), "output": {"language": self._language}},
        }
