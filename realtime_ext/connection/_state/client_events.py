"""Client events: made from a method's arguments, checked, given an id, and encoded.

Audio takes a shorter path, since most sent events are audio and need no checks. It must not send.
"""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..._core import json as _json
from ...errors import RealtimeError, SessionConfigError, SessionProblem
from ...session import SessionInput, check_response, resolve_update
from .connect_plan import Role
from .event_kinds import server_types, warn_if_unknown
from .session_state import SessionState

JSON = dict[str, Any]

MARK = "realtime_ext_turn"  # the key in a response's metadata by which a turn recognises its own responses

LARGEST_EVENT = 15 * 2**20  # bytes of JSON
_LONGEST_ID = 512  # characters
_ENVELOPE = 1024  # more than an append event takes besides its audio
# Whole groups of three bytes need no padding, and whole samples may be cut between: six is both.
_LARGEST_AUDIO = (LARGEST_EVENT - _ENVELOPE) * 3 // 4 // 6 * 6
_SAMPLES = frozenset({"B", "b", "c", "h", "H", "@h", "@H"})  # as `struct` names them
_APPEND = "input_audio_buffer.append"
_APPENDS = {"translation": "session.input_audio_buffer.append", "live": "session.input_audio.append"}
_RIFF = b"RIFF"  # what WAV files begin with, and samples may


@attrs.frozen
class Outgoing:
    """An encoded event.

    Args:
        event_id: Its id.
        text: Its JSON.
        content: Its JSON object.
    """

    event_id: str
    text: str = attrs.field(repr=False)
    content: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def type(self) -> str:
        """The event's type."""
        return str(self.content["type"])


class ClientEvents:
    """Writes one connection's client events.

    Args:
        role: The kind of connection.
        session: Its session, against which updates are checked.
        id_prefix: The start of the events' ids, which tells them from another connection's.
        validate: Whether events are checked against the API's schemas.
    """

    __slots__ = ("_count", "_id_prefix", "_role", "_session", "_validate")

    def __init__(self, role: Role, session: SessionState, id_prefix: str, *, validate: bool) -> None:
        self._role = role
        self._session = session
        self._id_prefix = id_prefix
        self._validate = validate
        self._count = itertools.count(1)  # several threads may write audio

    def next_id(self) -> str:
        """Return a new event id."""
        return f"evt_{self._id_prefix}_{next(self._count)}"

    def write(self, content: Mapping[str, Any]) -> Outgoing:
        """Encode an event, with a new id unless it has one.

        Raises:
            ValueError: It has no JSON form, or is larger than the API accepts.
        """
        event_id = content.get("event_id") or self.next_id()
        content = {"event_id": event_id, **content}
        content["event_id"] = event_id
        try:
            text = _json.encode(content)
        except ValueError as error:
            raise ValueError(f"event {content['type']!r}: {error}") from error
        if len(text) > LARGEST_EVENT // 4 and len(text.encode()) > LARGEST_EVENT:
            raise ValueError(
                f"event {content['type']!r}: expected at most {LARGEST_EVENT} bytes of JSON, got more "
                "(append_audio splits larger audio)"
            )
        return Outgoing(event_id, text, content)

    def prepare(self, event: Any) -> Outgoing:
        """Check and write an event of the program.

        Raises:
            TypeError: It is neither a generated event nor a dict.
            ValueError: The API would refuse it.
        """
        content = checked_content(event, validate=self._validate, is_live=self._role.kind == "live")
        if self._validate and content["type"] == "session.update":
            content["session"] = self._checked_session(content["session"])
        return self.write(content)

    @property
    def audio_type(self) -> str:
        """The type of the events that carry audio."""
        return _APPENDS.get(self._role.kind, _APPEND)

    def audio(self, data: Any, most: int | None = None) -> Iterator[tuple[str, str]]:
        """Write audio as events: yield their ids and JSON texts.

        Args:
            data: The audio.
            most: Bytes of audio in each event at most, a multiple of 6; None for as many as the API accepts.

        Raises:
            RealtimeError: Audio isn't sent by events on this connection.
            TypeError, ValueError: It is neither bytes nor base64 text.
        """
        is_live = self._role.kind == "live"
        name = "send_audio" if is_live else "append_audio"
        if is_live and self._role.is_sideband:
            raise RealtimeError(f"{name}: a sideband sends no audio")
        if not self._role.carries_audio:
            raise RealtimeError(
                f"{name}: in a WebRTC call audio flows on the track; pass it to dial(audio_in=…)"
            )
        return append_messages(data, self.audio_type, self.next_id, name=name, most=most)

    def session_update(self, session: SessionInput) -> Outgoing:
        """Check and write a `session.update`.

        Raises:
            SessionConfigError: The API would refuse it.
            TypeError: It is neither a builder, a generated model nor a dict.
        """
        is_typed = self._role.kind not in ("translation", "live")
        if is_typed and isinstance(session, Mapping) and "type" not in session:
            session = {"type": self._role.kind, **session}
        current = self._session.content or None
        body = resolve_update(session, current, validate=self._validate, kinds=self._kinds)
        return self.write({"type": "session.update", "session": body})

    def check_response(self, response: Any) -> None:
        """Check the parameters of a turn's response.

        Raises:
            TypeError: They are neither `RealtimeResponseCreateParams` nor a dict.
            ValueError: The API would refuse them.
        """
        content = response_content(response)
        if content and self._validate:
            checked_content({"type": "response.create", "response": content}, validate=True)
            try:
                checked_content(marked_response(content, ""), validate=True)
            except ValueError as error:
                raise ValueError(f"{error} (the turn itself adds one pair)") from error

    @property
    def _kinds(self) -> tuple[str, ...]:
        kind = self._role.kind
        return (kind,) if kind in ("translation", "live") else ("realtime", "transcription")

    def _checked_session(self, session: Any) -> dict[str, Any]:
        """Check the session of a `session.update` event; problems name the field within the event."""
        try:
            return resolve_update(session, self._session.content, validate=True, kinds=self._kinds)
        except SessionConfigError as error:
            raise SessionConfigError(
                SessionProblem(f"session.{p.field}", p.value, p.allowed, f"session.{p.message}")
                for p in error.problems
            ) from error


def checked_content(event: Any, *, validate: bool, is_live: bool = False) -> JSON:
    """Return an event of the program as a JSON object, checked.

    Args:
        event: A generated client event, or a dict of its shape.
        validate: Whether to check it against the API's schema, except for a session in it; unknown types
            pass.
        is_live: Whether it goes to the Live API, some of whose events have the names of others.

    Returns:
        The object, new.

    Raises:
        TypeError: It is neither.
        ValueError: It has no type, a server's type, a bad event id, or parts that the API would refuse.
    """
    if isinstance(event, Mapping):
        content = dict(event)
    elif callable(to_dict := getattr(event, "to_dict", None)):
        content = to_dict()
    else:
        raise TypeError(f"event: expected a generated client event or a dict, got {type(event).__name__}")
    kind = content.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError(f"event: its type is {kind!r}; expected one such as 'response.create'")
    event_id = content.get("event_id")
    if event_id is not None and not (isinstance(event_id, str) and 0 < len(event_id) <= _LONGEST_ID):
        raise ValueError(f"event_id: expected 1 to {_LONGEST_ID} characters, got {_short(event_id)}")
    if validate:
        _check(kind, content, is_live)
    return content


def append_messages(
    data: Any,
    kind: str,
    next_id: Callable[[], str],
    *,
    name: str = "append_audio",
    most: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Write audio as events, as many as it takes.

    Args:
        data: Bytes-like audio in the session's input format, or base64 text, which goes out as it is.
        kind: The type of the event.
        next_id: Returns ids for them.
        name: The method, for messages.
        most: Bytes of audio in each event at most, a multiple of 6; None for as many as the API accepts.

    Returns:
        An iterator of event ids and JSON texts; one at least.

    Raises:
        TypeError: `data` is neither, its items are neither bytes nor of 16 bits, or it has more than one
            dimension.
        ValueError: The text is not base64, or the audio is a whole WAV file.
    """
    most = most or _LARGEST_AUDIO
    if type(data) is bytes and len(data) <= most and data[:4] != _RIFF:
        # Audio of a microphone, fifty times a second: one message, without checks.
        return iter((_append(kind, next_id(), _base64(data)),))
    return _pieces(data, kind, next_id, name, most)


def _pieces(
    data: Any, kind: str, next_id: Callable[[], str], name: str, most: int
) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        if not (
            (data.isascii() and data.replace("+", "").replace("/", "").rstrip("=").isalnum()) or not data
        ):
            raise ValueError(f"{name}: expected base64 text, got something else")
        if len(data) >= 16:
            _refuse_wav(binascii.a2b_base64(data[:16]), name)
        size = most // 3 * 4
        for start in range(0, max(len(data), 1), size):
            yield _append(kind, next_id(), data[start : start + size])
        return
    try:
        view = memoryview(data)
        code = view.format
        if view.ndim != 1:
            raise TypeError(f"it has the shape {view.shape}; pass one channel, such as data[:, 0].copy()")
        if code != "B" or not view.c_contiguous:  # bytes are sent as they are
            view = view.cast("B")
    except TypeError as error:
        raise TypeError(
            f"{name}: expected bytes or base64 text, got {type(data).__name__}: {error}"
        ) from error
    if code not in _SAMPLES:
        raise TypeError(
            f"{name}: expected bytes or 16-bit integers, got items of format {code!r} "
            "(floats from -1 to 1: (data * 32767).astype('<i2'))"
        )
    _refuse_wav(view[:12], name)
    for start in range(0, max(len(view), 1), most):
        yield _append(kind, next_id(), _base64(view[start : start + most]))


def _base64(audio: bytes | memoryview) -> str:
    return binascii.b2a_base64(audio, newline=False).decode("ascii")


def _refuse_wav(start: memoryview | bytes, name: str) -> None:
    if start[:4] == _RIFF and start[8:12] == b"WAVE":
        raise ValueError(
            f"{name}: expected the samples alone, got a whole WAV file; convert it by "
            "realtime_ext.audio.read_wav(path, rate=24000)"
        )


def appended(text: str, messages: Iterable[tuple[str, str]]) -> list[JSON]:
    """Return the events of audio that could not be sent, as `send` accepts them.

    Args:
        text: The message that failed.
        messages: Those that were to follow.
    """
    return [_json.decode(message) for message in (text, *(text for _, text in messages))]


def contents_of(outgoing: Iterable[Outgoing]) -> list[JSON]:
    """Return events that could not be sent, as `send` accepts them."""
    return [dict(out.content) for out in outgoing]


def create_item(item: Any, previous_item_id: str | None) -> JSON:
    """Return `conversation.item.create`.

    Args:
        item: A generated item, or a dict of its shape.
        previous_item_id: The item to insert it after, `root` for the beginning; None for the end.

    Raises:
        TypeError: The item is neither.
    """
    if not isinstance(item, Mapping) and not callable(getattr(item, "to_dict", None)):
        raise TypeError(f"item: expected a generated item or a dict, got {type(item).__name__}")
    event: JSON = {"type": "conversation.item.create", "item": item}
    if previous_item_id is not None:
        event["previous_item_id"] = previous_item_id
    return event


def text_item(text: str) -> JSON:
    """Return the event for what the user writes.

    Raises:
        TypeError: It is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    content = [{"type": "input_text", "text": text}]
    return create_item({"type": "message", "role": "user", "content": content}, None)


def create_response(given: Mapping[str, Any]) -> JSON:
    """Return `response.create`; arguments that are None are left out."""
    response = {name: value for name, value in given.items() if value is not None}
    return {"type": "response.create", "response": response} if response else {"type": "response.create"}


def response_content(response: Any) -> JSON:
    """Return a response's parameters as a new dict.

    Args:
        response: `RealtimeResponseCreateParams`, a dict of its shape, or None.

    Raises:
        TypeError: It is something else.
    """
    if response is None:
        return {}
    if isinstance(response, Mapping):
        return dict(response)
    if callable(to_dict := getattr(response, "to_dict", None)):
        return dict(to_dict())
    raise TypeError(
        f"response: expected RealtimeResponseCreateParams or a dict, got {type(response).__name__}"
    )


def marked_response(response: Any, mark: str) -> JSON:
    """Return the `response.create` of a turn, with the mark by which it recognises its responses.

    Args:
        response: As `response_content` accepts it.
        mark: The mark.

    Raises:
        TypeError: The response is something else.
    """
    content = response_content(response)
    content["metadata"] = {**(content.get("metadata") or {}), MARK: mark}
    return {"type": "response.create", "response": content}


def _append(kind: str, event_id: str, audio: str) -> tuple[str, str]:
    # Nothing in here has to be escaped, so that the audio is written once and copied once.
    return event_id, f'{{"event_id":"{event_id}","type":"{kind}","audio":"{audio}"}}'


def _check(kind: str, content: JSON, is_live: bool) -> None:
    from realtime_api import events

    from ..._core.schema import check, place

    realtime = (events.CLIENT_EVENTS, events.TRANSLATION_CLIENT_EVENTS)
    live = (events.LIVE_CLIENT_EVENTS, events.LIVE_FORK_CLIENT_EVENTS, events.LIVE_SIDEBAND_CLIENT_EVENTS)
    tables = live if is_live else realtime
    known = [table[kind] for table in tables if kind in table]
    if not known:
        if kind in server_types():
            raise ValueError(f"event: {kind!r} is sent by the server; a client can't send it")
        warn_if_unknown(kind, {name for table in tables for name in table})
        return
    plain = _json.decode(_json.encode({name: value for name, value in content.items() if name != "session"}))
    for model in known:
        problems = [
            problem.message
            for problem in check(place(model.__name__), plain)
            if problem.path != "session" or "session" not in content  # sessions have checks of their own
        ]
        if not problems:
            break
    if kind == "response.create" and not is_live and isinstance(response := plain.get("response"), dict):
        problems += [problem.message for problem in check_response(response)]
    if problems:
        raise ValueError(f"event {kind!r}: {'; '.join(problems)}")


def _short(value: Any) -> str:
    return f"{len(value)} characters" if isinstance(value, str) else repr(value)
