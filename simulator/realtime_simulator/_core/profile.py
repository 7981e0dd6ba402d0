"""The services that are simulated, and the points in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

ProfileName = Literal["openai", "azure", "azure-voice-live", "xai", "beta"]


@attrs.frozen(kw_only=True)
class Profile:
    """A service that is simulated.

    Args:
        name: Its name.
        is_strict: Whether its sessions refuse what the table of refusals says.
        lists_names: Whether it accepts only the names of models and voices that it lists.
        refuses_keys_early: Whether it refuses keys at the handshake, not afterwards.
        names_parts_twice: Whether its events about parts of messages have the part twice.
        reports_limits: Whether a response is followed by the rate limits.
        only_conversations: Whether it has neither transcription nor translation sessions.
        takes_beta: Whether it takes handshakes of the API's beta.
    """

    name: ProfileName
    is_strict: bool = False
    lists_names: bool = False
    refuses_keys_early: bool = False
    names_parts_twice: bool = False
    reports_limits: bool = True
    only_conversations: bool = False
    takes_beta: bool = False


OPENAI = Profile(name="openai", is_strict=True, lists_names=True)
AZURE = Profile(
    name="azure", is_strict=True, refuses_keys_early=True, names_parts_twice=True, reports_limits=False
)
PROFILES: Mapping[str, Profile] = {
    one.name: one
    for one in (
        OPENAI,
        AZURE,
        Profile(name="azure-voice-live"),
        Profile(name="xai", only_conversations=True),
        Profile(name="beta", takes_beta=True),
    )
}
