"""The intended differences between the simulator and the service, each with its reason.

`realtime-simulator conform` ignores and counts them. A new entry states why the service's behaviour can't or
shouldn't be followed; an entry is removed once the simulator follows the service.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs


@attrs.frozen(kw_only=True)
class Known:
    """One intended difference.

    Args:
        kind: The event's type or the HTTP operation, as a regular expression.
        path: Its place there, keys joined by dots, as a regular expression.
        reason: The reason.
        profiles: The profiles that have it.
        what: The text of the difference, as a regular expression; any if empty.
    """

    kind: str
    path: str
    reason: str
    profiles: Sequence[str] = ("openai", "azure", "azure-voice-live")
    what: str = ""

    def covers(self, kind: str, path: Sequence[str], profile: str, what: str) -> bool:
        """Return whether a difference is this one."""
        return (
            profile in self.profiles
            and re.fullmatch(self.kind, kind) is not None
            and re.fullmatch(self.path, ".".join(path)) is not None
            and re.search(self.what, what) is not None
        )


_SETTINGS = (
    "id|model|modalities|instructions|voice|turn_detection|tools|tool_choice|audio|temperature|"
    "(input|output)_audio_format|input_audio_transcription|max_response_output_tokens"
)
"""The settings that the simulator shows for every service."""

KNOWN: tuple[Known, ...] = (
    Known(
        kind=r"session\.(created|updated)|POST .*",
        path=r"(body\.)?session\.instructions",
        reason="the service's default instructions are long and its own; a short text stands for them",
        what="the simulator sends 'You are a friendly voice assistant",
    ),
    Known(
        kind=r"conversation\.item\.(added|done)",
        path=r"item\.content\.text",
        reason="the service's words to its model when the user is silent are its own; ours stand for them",
        what="the simulator sends 'The user has been silent",
    ),
    Known(
        kind=r"session\.(created|updated)",
        path=rf"session\.(?!({_SETTINGS})$)\w+(\.\w+)*",
        reason="these services show more settings with each release",
        profiles=("azure-voice-live", "xai"),
        what="^recorded .*, the simulator has no such key",
    ),
    Known(
        kind=r"session\.(created|updated)",
        path=r"session(\.\w+)+",
        reason="these services do not show all settings that are off with each model",
        profiles=("azure-voice-live", "xai"),
        what="^no such key was recorded, the simulator has (null|false|''|\"\")",
    ),
    Known(
        kind="error",
        path=r"error\.message",
        reason="a refused key is shown by its ends, and how much of them is shown changes",
        what="recorded 'Incorrect API key provided: .*the simulator sends 'Incorrect API key provided: ",
    ),
    Known(
        kind=r"response\.event .*",
        path=r"event\.response\.access_programs",
        reason="the programs that an account takes part in are its own",
        profiles=("openai",),
    ),
    Known(
        kind="POST .*/(realtime/calls|live/sessions)",
        path=r"(body\.transport\.)?sdp\.session\.ice-lite",
        reason="aiortc is a full ICE agent",
    ),
    Known(
        kind="POST .*/(realtime/calls|live/sessions)",
        path=r"(body\.transport\.)?sdp\.media\.candidates\.tcp",
        reason="aioice has no TCP candidates",
    ),
    Known(
        kind="POST .*/(realtime/calls|live/sessions)",
        path=r"(body\.transport\.)?sdp\.media\.extmap",
        reason="aiortc agrees on header extensions; who doesn't use them ignores them",
    ),
    Known(
        kind="POST .*/(realtime/calls|live/sessions)",
        path=r"(body\.transport\.)?sdp\.media\.end-of-candidates",
        reason="all candidates are in the answer, as in OpenAI's; only Azure's says so",
        profiles=("azure",),
    ),
)
