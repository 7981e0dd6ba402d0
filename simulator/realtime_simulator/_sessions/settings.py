"""The settings of a simulator."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import attrs

from realtime_simulator._core.operations import FAULT_TARGETS
from realtime_simulator._core.profile import PROFILES, ProfileName
from realtime_simulator._engine.turn import Pacing

LOOPBACK = "127.0.0.1"
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@attrs.define(kw_only=True, on_setattr=attrs.setters.frozen)
class Settings:
    """A simulator's settings.

    Args:
        host: The address that it listens on.
        port: The port; 0 chooses a free one.
        api_key: The project key that it accepts.
        keys: The keys of further projects, by the projects' names.
        webhook_secret: The secret that signs webhooks, `whsec_…`.
        pacing: How fast the model answers; it may change, for the sessions to come.
        session_seconds: How long a session lasts; one of the Live API lasts twice as long.
        rtc_addresses: The addresses on which calls receive audio and data.
        rtc_loopback_only: Whether calls use an offer's loopback candidates only.
        espeak: Whether espeak-ng speaks where it is installed.
        kept: How many requests, sessions and calls are remembered.
        keep_audio: How many seconds of sound are kept of each direction of a session.
        seed: Makes ids repeatable; None for random ones. It may change.
        clock: The fixed time of day in unix seconds; None for the real one. It may change.
        models: Names of models that are known beside those of the API description.
        profile: The service that is simulated: `openai`; `azure`, which refuses keys at the handshake;
            `azure-voice-live`, `xai`, and `beta` for servers with the beta's names, whose events differ over
            WebSockets. All but `openai` know any model's name.
        record: The file to which sessions with `upstream` are written.
        upstream: The base URL of the API that is recorded.
        upstream_key: Its key, which replaces `api_key` in forwarded requests.
        replay: The file whose sessions are replayed.
        tls: The PEM file of the certificate and key with which it speaks TLS; None for plain HTTP.
    """

    host: str = LOOPBACK
    port: int = 0
    api_key: str = attrs.field(repr=False)
    keys: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    webhook_secret: str = attrs.field(repr=False)
    pacing: Pacing = attrs.field(factory=Pacing, on_setattr=attrs.setters.NO_OP)
    session_seconds: float = 3600.0
    rtc_addresses: Sequence[str] = (LOOPBACK,)
    rtc_loopback_only: bool = True
    espeak: bool = True
    kept: int = 256
    keep_audio: float = 0.0
    seed: int | None = attrs.field(default=None, on_setattr=attrs.setters.NO_OP)
    clock: float | None = attrs.field(default=None, on_setattr=attrs.setters.NO_OP)
    models: Sequence[str] = ()
    profile: ProfileName = "openai"
    record: str | os.PathLike[str] | None = None
    upstream: str | None = None
    upstream_key: str | None = attrs.field(default=None, repr=False)
    replay: str | os.PathLike[str] | None = None
    tls: str | os.PathLike[str] | None = None


def check_modes(settings: Settings) -> None:
    """Refuse settings that don't go together.

    Raises:
        ValueError: Nothing is kept, recording without an upstream address, recording and replaying at once,
            an unknown profile, or projects without a proper name or a key of their own.
    """
    if settings.profile not in PROFILES:
        allowed = ", ".join(map(repr, PROFILES))
        raise ValueError(f"profile: allowed is one of {allowed}, got {settings.profile!r}")
    if settings.kept < 1:
        raise ValueError(f"kept: at least 1 is needed, got {settings.kept!r}")
    if settings.keys and (settings.record is not None or settings.replay is not None):
        raise ValueError("keys of further projects exclude record and replay")
    for name, key in settings.keys.items():
        if not _PROJECT.fullmatch(name) or name in FAULT_TARGETS or name.startswith(("rtc_", "live_")):
            raise ValueError(
                f"keys: allowed as a project's name are letters, digits, - and _, and no target of faults; "
                f"got {name[:80]!r}"
            )
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(f"keys: the key of {name!r} is empty, or not printable ASCII without spaces")
    if len({settings.api_key, *settings.keys.values()}) <= len(settings.keys):
        raise ValueError("keys: each project needs a key of its own")
    if (settings.record is None) != (settings.upstream is None):
        raise ValueError("record and upstream go together: the file, and the API whose sessions are recorded")
    if settings.record is not None and settings.replay is not None:
        raise ValueError("record and replay exclude each other")
    if settings.upstream is not None:
        parts = urlsplit(settings.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError("upstream: allowed is an http or https URL without key and query")
