"""The builder of translation sessions, which speak on in another language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from ._builder import Builder

if TYPE_CHECKING:
    from typing import Self

    from realtime_api.models import (
        RealtimeTranslationSessionCreateRequest,
        RealtimeTranslationSessionUpdateRequest,
    )

__all__ = ["TranslationSessionBuilder"]


@attrs.frozen(init=False, repr=False)
class TranslationSessionBuilder(Builder):
    """Puts a translation session together, which speaks on in another language.

        session = TranslationSessionBuilder("gpt-realtime-translate").to_language("es").build()

    Every method returns a new builder; all problems come at once, with `build` or when it is sent. The API
    describes no `type` for this kind, so none is written.

    Args:
        model: The translation model; left out for updates, since it never changes.

    Source: https://platform.openai.com/docs/guides/realtime-translation
    """

    _kind = "translation"

    def __init__(self, model: str | None = None) -> None:
        super().__init__()
        if model is not None:
            self._body["model"] = model

    def build(
        self, *, validate: bool = True
    ) -> RealtimeTranslationSessionCreateRequest | RealtimeTranslationSessionUpdateRequest:
        """Make the generated model: of a new session, or without a model, of an update.

        Args:
            validate: Whether to check it.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known.
        """
        from realtime_api import models

        if self._is_partial:
            return self._build(models.RealtimeTranslationSessionUpdateRequest, validate=validate)
        return self._build(models.RealtimeTranslationSessionCreateRequest, validate=validate)

    def to_language(self, language: str) -> Self:
        """Set the language into which speech is translated, as a code such as `es`."""
        return self._with("audio.output.language", language)

    def transcribe(self, model: str | None) -> Self:
        """Have the source speech written down by a model; None for no source text."""
        return self._with("audio.input.transcription", None if model is None else {"model": model})

    def noise_reduction(self, type: Literal["near_field", "far_field"] | None) -> Self:
        """Set the noise filter: `near_field` for a headset, `far_field` for a room; None turns it off."""
        return self._with("audio.input.noise_reduction", None if type is None else {"type": type})

    @property
    def _is_partial(self) -> bool:
        return "model" not in self._body
