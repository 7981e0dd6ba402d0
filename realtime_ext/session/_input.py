"""The builders' methods for the audio that the user sends: format, transcript, noise filter, turns.

Conversation and transcription sessions share them. This module must not know what a session answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs
from realtime_api.types import UNSET, Unset

from ._builder import Builder, present
from ._format import AudioFormat, audio_format

if TYPE_CHECKING:
    from typing import Self

__all__ = ["InputBuilder"]

_INPUT = "audio.input"
_LOGPROBS = "item.input_audio_transcription.logprobs"


@attrs.frozen(init=False, repr=False)
class InputBuilder(Builder):
    """A builder whose session listens."""

    def input_format(self, audio: AudioFormat) -> Self:
        """Set the encoding of the audio that is sent.

        Args:
            audio: `pcm` (16 bit, 24 kHz, mono), `pcmu` or `pcma` (8 kHz), or the API's own object.
        """
        return self._with(f"{_INPUT}.format", audio_format(audio))

    def transcribe(
        self,
        model: str | Unset | None = UNSET,
        *,
        language: str | None = None,
        languages: Sequence[str] | None = None,
        keywords: Sequence[str] | None = None,
        prompt: str | None = None,
        delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None,
    ) -> Self:
        """Have the input written down. What is left out stays as an earlier call set it.

        Args:
            model: A transcription model, such as `gpt-4o-transcribe`; None turns transcription off.
            language: The language spoken, as ISO 639-1 code.
            languages: The languages that may be spoken, for the models that take several.
            keywords: Terms that are likely to be heard, for the models that take them.
            prompt: A hint, in words or keywords as the model wants it.
            delay: How long the model may wait for accuracy, for the models that can.
        """
        path = f"{_INPUT}.transcription"
        if model is None:
            return self._with(path, None)
        return self._with_fields(
            path,
            model=None if isinstance(model, Unset) else model,
            language=language,
            languages=languages,
            keywords=keywords,
            prompt=prompt,
            delay=delay,
        )

    def noise_reduction(self, type: Literal["near_field", "far_field"] | None) -> Self:
        """Set the noise filter.

        Args:
            type: `near_field` for a headset, `far_field` for a laptop or a room; None turns it off.
        """
        return self._with(f"{_INPUT}.noise_reduction", None if type is None else {"type": type})

    def server_vad(
        self,
        *,
        threshold: float | None = None,
        prefix_padding_ms: int | None = None,
        silence_duration_ms: int | None = None,
        idle_timeout_ms: int | None = None,
        create_response: bool | None = None,
        interrupt_response: bool | None = None,
    ) -> Self:
        """Let loudness tell when the user speaks. The last call about turns wins, as a whole.

        Args:
            threshold: How loud speech is, 0 to 1.
            prefix_padding_ms: Milliseconds of audio kept from before speech.
            silence_duration_ms: Milliseconds of silence that end a turn.
            idle_timeout_ms: Milliseconds of silence after which the model speaks up by itself, 5000 to 30000.
            create_response: Whether the end of a turn starts a response.
            interrupt_response: Whether speech stops the response that is being given.
        """
        return self._turns(
            "server_vad",
            threshold=threshold,
            prefix_padding_ms=prefix_padding_ms,
            silence_duration_ms=silence_duration_ms,
            idle_timeout_ms=idle_timeout_ms,
            create_response=create_response,
            interrupt_response=interrupt_response,
        )

    def semantic_vad(
        self,
        *,
        eagerness: Literal["low", "medium", "high", "auto"] | None = None,
        create_response: bool | None = None,
        interrupt_response: bool | None = None,
    ) -> Self:
        """Let a model tell when the user has finished. The last call about turns wins, as a whole.

        Args:
            eagerness: How soon to answer.
            create_response: Whether the end of a turn starts a response.
            interrupt_response: Whether speech stops the response that is being given.
        """
        return self._turns(
            "semantic_vad",
            eagerness=eagerness,
            create_response=create_response,
            interrupt_response=interrupt_response,
        )

    def push_to_talk(self) -> Self:
        """Leave turns to the app, which commits the audio itself. The last call about turns wins."""
        return self._with(f"{_INPUT}.turn_detection", None)

    def include_logprobs(self, include: bool = True) -> Self:
        """Ask for the log probabilities of transcripts.

        Args:
            include: False writes an empty list, which asks for none.
        """
        return self._with("include", [_LOGPROBS] if include else [])

    def _turns(self, type: str, **settings: Any) -> Self:
        return self._with(f"{_INPUT}.turn_detection", {"type": type, **present(**settings)})
