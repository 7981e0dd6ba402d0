"""The connect plan: address, role and first update of a connection, and the retries of its handshake.

Derived from the arguments of `connect`, which are checked against each other. It must not connect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import unquote, urlencode, urlsplit

import attrs

from ..._core.arguments import QueryValue
from ..._core.call import check_call_id
from ..._core.network import certificate_hint
from ..._core.secrets import mask
from ..._http.operation import lacks_version, status_error
from ..._http.retry import Failure, Outcome, decide, parse_retry_after
from ..._http.settings import RequestOptions, Settings
from ...errors import APIConnectionError, APIStatusError, APITimeoutError, NotFoundError, RealtimeError
from ...session import SessionInput, TranslationSessionBuilder, resolve, resolve_update

logger: logging.Logger = logging.getLogger("realtime_ext")

# A call is often not ready some 100 ms after it was made or accepted; together these are 4.5 s.
_NOT_READY = (0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
_CAUSES = (
    "the call to attach to was not found: it isn't ready yet, has ended, belongs to another project, was "
    "made with a client secret, or is one of the Live API (client.live.attach)"
)
_LIVE_CAUSES = (
    "the session to attach to was not found: it isn't ready yet, has ended, belongs to another project, or "
    "is a call of the Realtime API (client.connect)"
)


@attrs.frozen(kw_only=True)
class Role:
    """The kind of a connection.

    Args:
        kind: `realtime`, `transcription`, `translation` or `live`.
        is_sideband: Whether it attaches to a call, whose session outlives it.
        plays: Whether the application plays the model's audio; else the API does.
        carries_audio: Whether audio is sent by events; else it flows on a track.
        model: The session's model, where it is known from the start.
    """

    kind: str = "realtime"
    is_sideband: bool = False
    plays: bool = True
    carries_audio: bool = True
    model: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether other connections may change the session too, as with a call."""
        return self.is_sideband or not self.carries_audio

    def require_conversation(self, method: str) -> None:
        """Raise RealtimeError if the session has no conversation."""
        if self.kind == "translation":
            raise RealtimeError(f"{method}: a translation session accepts only audio and session updates")

    def require_responses(self, method: str) -> None:
        """Raise RealtimeError if the session has no responses."""
        self.require_conversation(method)
        if self.kind == "transcription":
            raise RealtimeError(f"{method}: a transcription session has no responses")


@attrs.frozen(kw_only=True)
class Plan:
    """Where a connection goes, and what it sends first.

    Args:
        role: The kind of connection.
        path: The path below the base URL.
        query: Query parameters: the model, the call or the intent.
        update: The first `session.update`; None for none.
    """

    role: Role
    path: str
    query: Mapping[str, str]
    update: Mapping[str, Any] | None = attrs.field(repr=False)

    def uri(self, settings: Settings, options: RequestOptions) -> str:
        """Return the address; the caller's query wins over the client's."""
        query = {**settings.query, **options.query, **self.query}
        return (
            f"{settings.websocket_base_url}{self.path}?{urlencode({k: _text(v) for k, v in query.items()})}"
        )

    @property
    def subject(self) -> str:
        """The path and query, for logs; no part of it is secret."""
        return " ".join([self.path, *(f"{name}={value}" for name, value in self.query.items())])


def _text(value: QueryValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def make_plan(
    *,
    model: str | None,
    session: SessionInput | None,
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
        raise ValueError(f"model: expected a name such as 'gpt-realtime-2.1', got {model!r}")
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
    if model is not None and session is None and validate:
        resolve({"type": "realtime", "model": model}, validate=True)
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
    """Return the plan for a call just accepted: an update that changes nothing confirms its session."""
    return _sideband_plan(check_call_id(call_id), {"type": session_type}, validate=False)


def call_id_in(location: str | None) -> str | None:
    """Return the id of the call that a `Location` header names, in an otherwise unusable answer.

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


class Handshake:
    """One handshake, with its retries.

    Args:
        uri: The address; only its host is shown in messages.
        proxy: Returns the proxy's host and port without its password, for messages; None for no proxy.
        is_sideband: Whether a 404 may mean that a call is not ready yet.
        waits_for_call: Whether to wait for that.
        max_retries: Retries where the API did nothing: no connection, 429, 503.
        now: Returns unix seconds, for a Retry-After that is a date.
        random: Returns numbers in [0, 1).
    """

    def __init__(
        self,
        uri: str,
        *,
        proxy: Callable[[], str | None] = lambda: None,
        is_sideband: bool,
        waits_for_call: bool,
        max_retries: int,
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._uri = uri
        self._host = urlsplit(uri).netloc
        self._proxy = proxy
        self._is_sideband = is_sideband
        self._waits = list(_NOT_READY) if is_sideband and waits_for_call else []
        self._max_retries = max_retries
        self._retries = 0
        self._now = now
        self._random = random

    def refused(
        self, status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]
    ) -> float | APIStatusError:
        """Decide on a refusal.

        Args:
            status: The HTTP status that stood in place of 101.
            headers: The answer's headers.
            body: The answer's body.
            secrets: What was sent as authorization.

        Returns:
            Seconds until the next attempt, or the error to raise.
        """
        if status == 404 and self._waits:
            return self._waits.pop(0)
        retry_after = parse_retry_after(headers.get("retry-after"), self._now)
        pause = self._decide(Failure(Outcome.ANSWERED, status, retry_after), f"status {status}")
        if pause is not None:
            return pause
        error = status_error(status, headers, body, url=self._uri, now=self._now, secrets=secrets)
        is_about_call = error.code is not None or not lacks_version(self._uri)
        if isinstance(error, NotFoundError) and self._is_sideband and is_about_call:
            causes = _LIVE_CAUSES if "/live/sessions/" in self._uri else _CAUSES
            error.message = f"{causes} ({error.message})"
            error.args = (error.message,)
        return error

    def failed(self, error: BaseException, secrets: Iterable[str]) -> float | APIConnectionError:
        """Decide on a failure without an answer: seconds until the next attempt, or the error to raise."""
        text = mask(str(error), secrets) or type(error).__name__
        pause = self._decide(Failure(Outcome.NOT_CONNECTED), text)
        if pause is not None:
            return pause
        return APIConnectionError(
            f"connect: no connection to {self._host}{self._through}: {text}{certificate_hint(error)}"
        )

    def timed_out(self, seconds: float | None) -> APITimeoutError:
        """Return the error for an opening that exceeded its time limit."""
        return APITimeoutError(
            f"connect: {self._host} did not accept the connection{self._through} within {seconds:g} s"
        )

    @property
    def _through(self) -> str:
        proxy = self._proxy()
        return "" if proxy is None else f" through the proxy {proxy}"

    def _decide(self, failure: Failure, text: str) -> float | None:
        pause = decide(
            failure,
            idempotent=False,
            retries=self._retries,
            max_retries=self._max_retries,
            random=self._random,
        )
        if pause is not None:
            self._retries += 1
            logger.info("connect: %s; retry %d of %d", text, self._retries, self._max_retries)
        return pause


def _model_plan(model: str | None, body: dict[str, Any] | None) -> Plan:
    own = None if body is None else body.get("model")
    if model is not None and own is not None and model != own:
        raise ValueError(f"model: {model!r} was given, but the session has {own!r}")
    name = model or own
    if not isinstance(name, str) or not name:
        raise ValueError("connect: the session has no model, and no model was given")
    return Plan(role=Role(model=name), path="/realtime", query={"model": name}, update=_update(body))


def _sideband_plan(call_id: str, session: SessionInput | None, validate: bool) -> Plan:
    body = None
    if session is not None:
        if isinstance(session, Mapping) and "type" not in session:
            session = {"type": "realtime", **session}
        body = resolve_update(session, validate=validate, kinds=("realtime",))
    role = Role(is_sideband=True, plays=False)
    return Plan(role=role, path="/realtime", query={"call_id": call_id}, update=_update(body))


def _translation_plan(model: str | None, session: SessionInput, other: str | None, validate: bool) -> Plan:
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


def _is_translation(session: SessionInput) -> bool:
    if isinstance(session, Mapping):
        return session.get("type") == "translation"
    return isinstance(session, TranslationSessionBuilder) or "Translation" in type(session).__name__


def _update(body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if body is None else {"type": "session.update", "session": body}
