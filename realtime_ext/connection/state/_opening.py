"""Where a connection goes, and with what.

The job: turn `connect`'s arguments into an address, a role and the update that is confirmed before the block
starts, and refuse what contradicts itself. It must not connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote, urlencode, urlsplit

import attrs

from ...arguments import QueryValue
from ...call import check_call_id
from ...http.settings import RequestOptions, Settings
from ...session import SessionLike, TranslationSessionBuilder, resolve, resolve_update
from ._role import Role

__all__ = ["Plan", "call_id_in", "check_reconnect", "confirming_plan", "make_plan"]


@attrs.frozen(kw_only=True)
class Plan:
    """What a connection is to be.

    Args:
        role: What kind it is.
        path: Below the base URL.
        query: The parameters that say what it is about.
        update: The first `session.update`; None if there is none.
    """

    role: Role
    path: str
    query: Mapping[str, str]
    update: Mapping[str, Any] | None = attrs.field(repr=False)

    def uri(self, settings: Settings, options: RequestOptions) -> str:
        """Put the address together; the caller's query wins over the client's."""
        query = {**settings.query, **options.query, **self.query}
        return (
            f"{settings.websocket_base_url}{self.path}?{urlencode({k: _text(v) for k, v in query.items()})}"
        )

    @property
    def subject(self) -> str:
        """What it is about, for logs; no part of it is secret."""
        return " ".join([self.path, *(f"{name}={value}" for name, value in self.query.items())])


def _text(value: QueryValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def make_plan(
    *,
    model: str | None,
    session: SessionLike | None,
    call_id: str | None,
    intent: Literal["transcription"] | None,
    validate: bool,
) -> Plan:
    """Decide where a connection goes.

    Args:
        model: The model of a new session.
        session: Its configuration, or an update for a call's session.
        call_id: The call to attach to.
        intent: `transcription`, for a session that transcribes alone.
        validate: Whether to check the session.

    Returns:
        The plan.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: Not exactly one of model (or a session that has one), call_id and intent is given.
        SessionConfigError: The API would refuse the session.
    """
    given = {"model": model, "call_id": call_id, "intent": intent}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"connect: expected one of model, call_id and intent, got {' and '.join(named)}")
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise ValueError(f"model: expected a name such as 'gpt-realtime', got {model!r}")
    if intent not in (None, "transcription"):
        raise ValueError(f"intent: expected 'transcription', got {intent!r}")
    if session is None and not named:
        raise ValueError(
            "connect: expected a model, a session that has one, a call_id or an intent; got none"
        )
    if session is not None and _is_translation(session):
        return _translation_plan(model, session, call_id or intent, validate)
    if call_id is not None:
        return _sideband_plan(check_call_id(call_id), session, validate)
    body = None if session is None else resolve(session, validate=validate, model=model)
    is_transcription = body is not None and body.get("type") == "transcription"
    if intent is None and not is_transcription:
        return _model_plan(model, body)
    if model is not None:
        raise ValueError(f"model: a transcription session names its model itself; got {model!r} beside it")
    if body is not None and not is_transcription:
        raise ValueError(
            f"session: intent='transcription' needs a transcription session, got {body.get('type')!r}"
        )
    query = {"intent": "transcription"}
    role = Role(kind="transcription", plays=False)
    return Plan(role=role, path="/realtime", query=query, update=_update(body))


def confirming_plan(call_id: str, session_type: str) -> Plan:
    """Make the plan for a call just accepted: an update that changes nothing confirms its session."""
    return _sideband_plan(check_call_id(call_id), {"type": session_type}, validate=False)


def call_id_in(location: str | None) -> str | None:
    """Find the call that a `Location` header names, in an answer that is of no other use.

    Args:
        location: The header; None if there is none.

    Returns:
        The id; None if it names no call.
    """
    *_, kind, last = ["", *urlsplit(location or "").path.rstrip("/").split("/")]
    try:
        return check_call_id(unquote(last)) if kind == "calls" else None
    except ValueError:
        return None


def check_reconnect(reconnect: Any, role: Role) -> Any:
    """Check what a user wants done when the link is lost.

    Args:
        reconnect: A `Reconnect`, None for the default, or False for nothing.
        role: The connection's role.

    Returns:
        The policy, or None.

    Raises:
        TypeError: It is something else.
        ValueError: A session that ends with its link is to go on without a replay.
    """
    from ._reconnect import Reconnect

    if reconnect is None or reconnect is False:
        return Reconnect() if role.is_sideband and reconnect is None else None
    if not isinstance(reconnect, Reconnect):
        raise TypeError(f"reconnect: expected a Reconnect, False or None, got {type(reconnect).__name__}")
    if not role.is_sideband and not reconnect.replay:
        raise ValueError(
            "reconnect: a model's session ends with its link; only Reconnect(replay=True) goes on anew"
        )
    return reconnect


def _model_plan(model: str | None, body: dict[str, Any] | None) -> Plan:
    own = None if body is None else body.get("model")
    if model is not None and own is not None and model != own:
        raise ValueError(f"model: {model!r} was given, but the session has {own!r}")
    name = model or own
    if not isinstance(name, str) or not name:
        raise ValueError("connect: the session has no model, and no model was given")
    return Plan(role=Role(model=name), path="/realtime", query={"model": name}, update=_update(body))


def _sideband_plan(call_id: str, session: SessionLike | None, validate: bool) -> Plan:
    body = None
    if session is not None:
        if isinstance(session, Mapping) and "type" not in session:
            session = {"type": "realtime", **session}
        body = resolve_update(session, validate=validate, kinds=("realtime",))
    role = Role(is_sideband=True, plays=False)
    return Plan(role=role, path="/realtime", query={"call_id": call_id}, update=_update(body))


def _translation_plan(model: str | None, session: SessionLike, other: str | None, validate: bool) -> Plan:
    if other is not None:
        raise ValueError("connect: a translation session goes neither with call_id nor with intent")
    if isinstance(session, Mapping):
        session = {name: value for name, value in session.items() if name != "type"}
        if model is not None:
            session = {"model": model, **session}
    body = resolve(session, validate=validate, kinds=("translation",))
    name = body.pop("model", None)
    if model is not None and name not in (None, model):
        raise ValueError(f"model: {model!r} was given, but the session has {name!r}")
    if not (model or name):
        raise ValueError("connect: the translation session has no model, and no model was given")
    return Plan(
        role=Role(kind="translation", plays=False, model=str(model or name)),
        path="/realtime/translations",
        query={"model": str(model or name)},
        update=_update(body or None),
    )


def _is_translation(session: SessionLike) -> bool:
    if isinstance(session, Mapping):
        return session.get("type") == "translation"
    return isinstance(session, TranslationSessionBuilder) or "Translation" in type(session).__name__


def _update(body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if body is None else {"type": "session.update", "session": body}
