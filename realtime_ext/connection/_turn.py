"""What a turn amounts to, for programs and notebooks."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

import attrs

from .._core.secrets import mask
from ..audio import AudioFormat, audio_format, pcma_to_pcm16, pcmu_to_pcm16, write_wav

if TYPE_CHECKING:
    from realtime_api.models import RealtimeConversationItem, RealtimeResponseStatus, RealtimeResponseUsage

_LONGEST_SHOWN = 200  # characters of arguments or output in a repr


def _shown(text: str | None) -> str:
    if text is None:
        return "None"
    masked = mask(text)
    return repr(masked if len(masked) <= _LONGEST_SHOWN else f"{masked[:_LONGEST_SHOWN]}…")


@attrs.frozen(kw_only=True)
class ToolCall:
    """A function call of the model; its repr masks what looks like a key or a password.

    Args:
        call_id: The function call's id, `call_…`.
        name: The function.
        arguments: JSON, as the model wrote it.
        output: The output that registered tools sent; None if they sent none.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=_shown)
    output: str | None = attrs.field(default=None, repr=_shown)


@attrs.frozen(kw_only=True)
class Turn:
    """The model's part of a turn.

    Args:
        text: The words, written or spoken.
        transcript: The words of its speech; empty if it wrote.
        audio: Its speech in the session's output format; empty if the API plays it, or if it wrote.
        items: The output items of its responses, in order: messages, function calls and others.
        tool_calls: Its function calls, in order.
        status: `completed`, `cancelled`, `incomplete` or `failed`; of the last response, where there were
            several.
        status_details: Why it isn't `completed`: `type`, `reason` and `error`; None if it is.
        usage: The tokens of all its responses; None if the API reported none.
        response_ids: The ids of its responses.
        first_event_ms: Milliseconds from the request to the begin of the first response; None if it didn't
            begin.
        first_audio_ms: Milliseconds from the request to the first audio; on WebRTC to
            `output_audio_buffer.started`.
        done_ms: Milliseconds from the request to the end of the last response.
        after_speech_ms: Milliseconds from the end of the user's speech to the first audio; None if the user
            wrote.
        audio_format: The format of `audio`.
    """

    text: str = ""
    transcript: str = ""
    audio: bytes = attrs.field(default=b"", repr=lambda audio: f"<{len(audio)} bytes>")
    items: tuple[RealtimeConversationItem | dict[str, Any], ...] = attrs.field(default=(), repr=False)
    tool_calls: tuple[ToolCall, ...] = ()
    status: str | None = None
    status_details: RealtimeResponseStatus | None = None
    usage: RealtimeResponseUsage | None = None
    response_ids: tuple[str, ...] = ()
    first_event_ms: float | None = None
    first_audio_ms: float | None = None
    done_ms: float | None = None
    after_speech_ms: float | None = None
    audio_format: AudioFormat = attrs.field(factory=audio_format, repr=False)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the words, a player of the speech, and the tool calls."""
        parts = [f"<p>{html.escape(self.text)}</p>"] if self.text else []
        if self.audio:
            source = base64.b64encode(self._wav()).decode()
            parts.append(f'<audio controls src="data:audio/wav;base64,{source}"></audio>')
        parts += [f"<pre>{html.escape(mask(repr(call)))}</pre>" for call in self.tool_calls]
        figures = {"first audio": self.first_audio_ms, "done": self.done_ms}
        told = [f"{name} {value:.0f} ms" for name, value in figures.items() if value is not None]
        parts.append(f"<small>{html.escape(', '.join([str(self.status), *told]))}</small>")
        return f"<div>{''.join(parts)}</div>"

    def _wav(self) -> bytes:
        form, pcm = self.audio_format, self.audio
        if form.name != "pcm":
            pcm = (pcmu_to_pcm16 if form.name == "pcmu" else pcma_to_pcm16)(pcm)
        file = io.BytesIO()
        write_wav(file, pcm[: len(pcm) // 2 * 2], form.rate)
        return file.getvalue()
