"""The builder of transcription sessions, which write speech down and never answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._input import InputBuilder

if TYPE_CHECKING:
    from realtime_api.models import RealtimeTranscriptionSessionCreateRequestGA

__all__ = ["TranscriptionSessionBuilder"]


@attrs.frozen(init=False, repr=False)
class TranscriptionSessionBuilder(InputBuilder):
    """Puts a transcription session together, which writes speech down and never answers.

        session = TranscriptionSessionBuilder("gpt-4o-transcribe").noise_reduction("near_field").build()

    Every method returns a new builder; all problems come at once, with `build` or when it is sent.

    Args:
        model: The transcription model; left out for updates.

    Source: https://platform.openai.com/docs/guides/realtime-transcription
    """

    _kind = "transcription"

    def __init__(self, model: str | None = None) -> None:
        super().__init__()
        if model is not None:
            self._body["audio"] = {"input": {"transcription": {"model": model}}}

    def build(self, *, validate: bool = True) -> RealtimeTranscriptionSessionCreateRequestGA:
        """Make the generated model.

        Args:
            validate: Whether to check it.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known.
        """
        from realtime_api.models import RealtimeTranscriptionSessionCreateRequestGA

        return self._build(RealtimeTranscriptionSessionCreateRequestGA, validate=validate)
