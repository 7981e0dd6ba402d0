"""Events of the Realtime API: from the wire to generated classes, and back.

The job: choose the class of an event by one table look-up, and return whatever has no class, or does not fit
its class, as an `UnknownEvent`. Nothing that a server sends raises here, so that no event ends the loop that
reads it; and nothing that it sends is lost or changed.

Source: https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, cast, overload

import attrs

from ._core import json as _json, schema
from ._core.secrets import mask

if TYPE_CHECKING:
    from realtime_api import events
    from realtime_api.models import (
        LiveClientEvent,
        LiveForkClientEvent,
        LiveSidebandClientEvent,
        LiveSidebandServerEvent,
        RealtimeClientEvent,
        RealtimeServerEvent,
        RealtimeTranslationClientEvent,
        RealtimeTranslationServerEvent,
    )

__all__ = [
    "ClientEvent",
    "Event",
    "LiveEvent",
    "Reconnected",
    "ServerEvent",
    "SessionExpiring",
    "TalkedOver",
    "UnknownEvent",
    "encode_event",
    "parse_event",
]


def __dir__() -> list[str]:
    return __all__


# A tuple is built once; a union in isinstance() would be built for every event.
_TEXT = (str, bytes, bytearray, memoryview)
_LOCAL_TYPES = "realtime_ext."  # what the types of the connection's own events begin with


@attrs.frozen(init=False)
class UnknownEvent:
    """An event without a generated class: its type is not known to this version, or it doesn't fit its class.

    Its `type` is never that of a class: `event.type == "response.done"` finds a
    `RealtimeServerEventResponseDone` and nothing else, not an event that misses a field of the
    class. `event_type` always has the type that the server sent. Type checkers see `type` as
    `Literal[""]`, which lets them narrow a union by it; compare `event_type` with a type that is newer than
    this version.

    Its repr shows the names of its fields, not their values, since those may be secrets. Fields can be
    read as attributes, too: `event.delta` is `event.data["delta"]`.

    Args:
        type: The event's type, where this version has no class for it; empty where it has one that the event
            doesn't fit, and where no event was received at all.
        data: The whole event as it came. What was not a JSON object is under the key `raw`.
        reason: Why a known type has no class here; None for a type that is simply unknown.
    """

    type: Literal[""]
    data: Mapping[str, Any] = attrs.field(hash=False, repr=lambda data: f"<{', '.join(map(str, data))}>")
    reason: str | None = None

    def __init__(self, type: str, data: Mapping[str, Any], reason: str | None = None) -> None:
        self.__attrs_init__(cast(Literal[""], type), data, reason)

    @property
    def event_type(self) -> str:
        """The type as the server wrote it; empty where there is none."""
        written = self.data.get("type", self.type)
        return written if isinstance(written, str) else ""

    @property
    def event_id(self) -> str | None:
        """The event's id, where it has one."""
        event_id = self.data.get("event_id")
        return event_id if isinstance(event_id, str) else None

    def __getattr__(self, name: str) -> Any:
        # `data` itself is asked for here while a copy is still empty.
        if name != "data" and not name.startswith("__") and name in self.data:
            return self.data[name]
        raise AttributeError(
            f"{type(self).__name__!r} has no attribute or field {name!r}", name=name, obj=self
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the event as it came."""
        return dict(self.data)


@attrs.frozen(kw_only=True)
class Reconnected:
    """The link was lost and was reconnected; what was sent in between is not known.

    The connection itself puts this event into the stream.

    Attributes:
        type: Always `realtime_ext.reconnected`.
        event_id: None, because no server sent it.
        attempts: How many attempts it took.
        replayed: How many items, or messages of a Live session, the new session was given; 0 for a sideband,
            whose session went on, and for a fork, which remembers all.
        unfinished: The ids of the responses that were active when the link was lost. Function calls that a
            sideband saw begin in them are retrieved and run; others stay without an output, because the
            items of a call can't be listed.
        session_id: The id of the Live session that continues, a new one unless this is a sideband; None for
            the Realtime API.
        lost: The ids of what a Live session lost: events that added to its context and were not
            acknowledged, and, if the session itself was lost, its unfinished delegations.
    """

    type: Literal["realtime_ext.reconnected"] = attrs.field(default="realtime_ext.reconnected", init=False)
    attempts: int
    replayed: int
    unfinished: tuple[str, ...] = ()
    session_id: str | None = None
    lost: tuple[str, ...] = ()

    event_id = None

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a JSON object."""
        return attrs.asdict(self)


@attrs.frozen(kw_only=True)
class SessionExpiring:
    """The session will reach its time limit soon, and cannot be resumed after that.

    The connection itself puts this event into the stream.

    Attributes:
        type: Always `realtime_ext.session_expiring`.
        event_id: None, because no server sent it.
        seconds_left: About how many seconds are left.
    """

    type: Literal["realtime_ext.session_expiring"] = attrs.field(
        default="realtime_ext.session_expiring", init=False
    )
    seconds_left: float

    event_id = None

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a JSON object."""
        return attrs.asdict(self)


@attrs.frozen(kw_only=True)
class TalkedOver:
    """The user talks over a Live model; the program should drop the audio that it has not played yet.

    The API has no such event: the connection recognizes it by the user's words, about a second after they
    were said, and puts this event into the stream behind the first of them, once for each utterance of
    either side.

    Attributes:
        type: Always `realtime_ext.talked_over`.
        event_id: None, because no server sent it.
        start_ms: Where these words begin on the session's timeline, in milliseconds.
    """

    type: Literal["realtime_ext.talked_over"] = attrs.field(default="realtime_ext.talked_over", init=False)
    start_ms: int

    event_id = None

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a JSON object."""
        return attrs.asdict(self)


if TYPE_CHECKING:
    ServerEvent: TypeAlias = (
        RealtimeServerEvent | RealtimeTranslationServerEvent | UnknownEvent | Reconnected | SessionExpiring
    )
    """An event that comes in on a connection of the Realtime API."""
    LiveEvent: TypeAlias = LiveSidebandServerEvent | UnknownEvent | Reconnected | SessionExpiring | TalkedOver
    """An event that comes in on a connection of the Live API."""
    ClientEvent: TypeAlias = RealtimeClientEvent | RealtimeTranslationClientEvent
    """An event that is sent."""
    _LiveEvent: TypeAlias = (
        LiveSidebandServerEvent | LiveClientEvent | LiveForkClientEvent | LiveSidebandClientEvent
    )
    Event: TypeAlias = ServerEvent | TalkedOver | ClientEvent | _LiveEvent
    """An event of either direction, of the Realtime API or the Live API."""
else:
    _SERVER = ("RealtimeServerEvent", "RealtimeTranslationServerEvent")
    _LOCAL = (UnknownEvent, Reconnected, SessionExpiring)
    _CLIENT = ("RealtimeClientEvent", "RealtimeTranslationClientEvent")
    _LIVE = ("LiveSidebandServerEvent", "LiveClientEvent", "LiveForkClientEvent", "LiveSidebandClientEvent")
    _UNIONS = {
        "ServerEvent": (*_SERVER, *_LOCAL),
        "LiveEvent": ("LiveSidebandServerEvent", *_LOCAL, TalkedOver),
        "ClientEvent": _CLIENT,
        "Event": (*_SERVER, *_LOCAL, TalkedOver, *_CLIENT, *_LIVE),
    }

    def __getattr__(name: str) -> Any:
        # They name every model, and models load on first use: a union is made when it is first asked for.
        members = _UNIONS.get(name)
        if members is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from realtime_api import models

        kinds = [getattr(models, member) if isinstance(member, str) else member for member in members]
        return globals().setdefault(name, Union[tuple(kinds)])  # noqa: UP007


@overload
def parse_event(data: str | bytes | Mapping[str, Any], *, live: Literal[False] = False) -> Event: ...
@overload
def parse_event(
    data: str | bytes | Mapping[str, Any], *, live: Literal[True]
) -> _LiveEvent | UnknownEvent: ...
def parse_event(data: str | bytes | Mapping[str, Any], *, live: bool = False) -> Event:
    """Read one event, whichever side sent it.

    Where sessions of several kinds share a type, the event's fields decide the class, those of the session
    inside above all. An event that fits several (`response.create`, `session.close`, most errors, an empty
    `session.update`) is a conversation's; if not, a translation's; and only then a Live session's.

    Args:
        data: One message of the connection: JSON text or its bytes in UTF-8; or the object, already decoded.
        live: Whether it is from a Live session: no class of the Realtime API is chosen then.

    Returns:
        The generated class of the event's type, also if it holds nulls, enum values or parts that this
        version doesn't know. Otherwise an `UnknownEvent`: of a type that this version doesn't know; or with
        an empty `type` and a `reason`, if the event misses a field of its class (its type is then in
        `event_type`) or if the data is not a JSON object with a type (`data["raw"]` is then what came).

    Raises:
        TypeError: `data` is none of these Python types.

    Example:
        ```python
        event = events.parse_event(message)
        if isinstance(event, types.ResponseAudioDeltaEvent):
            speaker.write(audio.decode(event))
        ```
    """
    content: Any = data
    if type(data) is str:
        # The cheapest test for `{"type":"response.output_…`, which deltas begin with, and little else.
        if len(data) > 24 and data[24] == "_" and not live and (delta := _read_delta(data)) is not None:
            return delta
    elif type(data) is not dict and not isinstance(data, _TEXT):
        if not isinstance(data, Mapping):
            raise TypeError(f"data: expected str, bytes or a mapping, not {type(data).__name__}")
        content = dict(data)
    if type(content) is not dict:
        try:
            content = _json.decode(data)  # type: ignore[arg-type]
        except ValueError as error:
            return UnknownEvent("", {"raw": data}, str(error))
        if not isinstance(content, dict):
            return UnknownEvent("", {"raw": content}, "not a JSON object")
    try:
        return (_live_readers if live else _readers)[content["type"]](content)
    except Exception:  # a type that comes for the first time, or something odd
        return _event_of(content, live)


def _event_of(content: dict[str, Any], live: bool) -> Event:
    content = dict(content)  # an UnknownEvent keeps it
    kind = content.get("type")
    if not isinstance(kind, str):
        return UnknownEvent("", content, "no type" if kind is None else "its type is not a string")
    if live:
        read = _live_readers.get(kind) or _find_live_reader(kind)
    else:
        read = _readers.get(kind) or _find_reader(kind)
    if read is None:
        if kind.startswith(_LOCAL_TYPES):
            return UnknownEvent("", content, "a type that the connection's own events have")
        return UnknownEvent(kind, content)
    try:
        return read(content)
    except Exception as error:
        # Whatever fails in a generated model, the event itself is delivered.
        return UnknownEvent("", content, mask(str(error) or type(error).__name__))


# Nine of ten events are deltas, and those of these types have the same fields: they are read without a dict
# between text and class. What is not written as the service writes them is read like any other event.
_DELTA_TYPES = (
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
)
_DeltaReader: TypeAlias = "Callable[[str], Event | None]"


def _make_delta_reader() -> _DeltaReader:
    import msgspec
    from realtime_api import events

    class Delta(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, gc=False):
        event_id: Any
        response_id: Any
        item_id: Any
        output_index: Any
        content_index: Any
        delta: Any
        obfuscation: Any = msgspec.UNSET  # all have it but audio, and no description names it

    fields = {*Delta.__struct_fields__, "type", "additional_properties", "missing"} - {"obfuscation"}
    models: dict[str, Any] = {kind: events.SERVER_EVENTS[kind] for kind in _DELTA_TYPES}
    if any(set(attrs.fields_dict(model)) != fields for model in models.values()):
        return lambda text: None  # a newer realtime_api: none of them is read here
    kinds = {  # with the type's own string, so that thousands of events share one
        msgspec.defstruct(model.__name__, (), bases=(Delta,), tag=kind): (kind, model)
        for kind, model in models.items()
    }
    decode, new, unset = msgspec.json.Decoder(Union[tuple(kinds)]).decode, object.__new__, msgspec.UNSET  # noqa: UP007

    def read(text: str) -> Any:
        try:
            delta: Any = decode(text)
            kind, model = kinds[type(delta)]
        except Exception:  # other fields, or invalid JSON
            return None
        event: Any = new(model)
        event.event_id = delta.event_id
        event.type = kind
        event.response_id = delta.response_id
        event.item_id = delta.item_id
        event.output_index = delta.output_index
        event.content_index = delta.content_index
        event.delta = delta.delta
        event.missing = ()
        if delta.obfuscation is not unset:
            event.additional_properties = {"obfuscation": delta.obfuscation}
        return event

    return read


def _read_first_delta(text: str) -> Event | None:
    global _read_delta
    _read_delta = _make_delta_reader()
    return _read_delta(text)


_read_delta: _DeltaReader = _read_first_delta


def encode_event(event: Event | Mapping[str, Any]) -> str:
    """Write an event as compact JSON.

    Args:
        event: A generated event, an `UnknownEvent`, or a mapping with a `type`; generated models within a
            mapping are written as the API wants them, and bytes as base64.

    Returns:
        The JSON text, on one line.

    Raises:
        TypeError: `event` is none of these.
        ValueError: It has no type, or something in it has no JSON form.
    """
    if isinstance(event, Mapping):
        content = event
    else:
        to_dict = getattr(event, "to_dict", None)
        if not callable(to_dict):
            raise TypeError(
                f"event: expected a generated event, UnknownEvent or dict, not {type(event).__name__}"
            )
        try:
            content = to_dict()
        except RecursionError as error:
            raise ValueError("event: nested too deeply, or contains itself: not writable as JSON") from error
    kind = content.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError(f"event: its type is {kind!r}, and must be a non-empty string")
    try:
        return _json.encode(content, plain=not isinstance(event, Mapping))
    except ValueError as error:
        raise ValueError(f"event {kind!r}: {error}") from error


_Reader: TypeAlias = Callable[[dict[str, Any]], "Event"]

# The classes' decoders, filled as events come in, by types that realtime_api knows alone: so it stays small.
_readers: dict[str, _Reader] = {}
_live_readers: dict[str, _Reader] = {}


def _find_reader(kind: str) -> _Reader | None:
    from realtime_api import events

    def find(*tables: events.EventTable) -> _Reader | None:
        return next((table.decoder(kind) for table in tables if kind in table), None)

    conversation = find(events.SERVER_EVENTS, events.CLIENT_EVENTS)
    translations = (events.TRANSLATION_SERVER_EVENTS, events.TRANSLATION_CLIENT_EVENTS)
    translation = find(*translations)
    reader = conversation or translation
    if conversation and translation and conversation is not translation:
        name = next(table[kind].__name__ for table in translations if kind in table)
        reader = _choose_by_session(conversation, translation, name)
    found = reader or _find_live_reader(kind)
    if reader and any(kind in table for table in _live_tables()):
        found = _choose_by_api(kind, reader)
    return _readers.setdefault(kind, found) if found else None


def _live_tables() -> tuple[events.EventTable, ...]:
    from realtime_api import events

    return (
        *(events.LIVE_SIDEBAND_SERVER_EVENTS, events.LIVE_CLIENT_EVENTS),
        *(events.LIVE_FORK_CLIENT_EVENTS, events.LIVE_SIDEBAND_CLIENT_EVENTS),
    )


def _find_live_reader(kind: str) -> _Reader | None:
    decoders: list[_Reader] = [table.decoder(kind) for table in _live_tables() if kind in table]
    found = list(dict.fromkeys(decoders))
    if not found:
        return None
    first, second = found[0], found[-1]
    if first is second:
        return _live_readers.setdefault(kind, first)

    def read(content: dict[str, Any]) -> Event:
        if kind == "session.start":  # of a primary connection, or of a fork, which has the source's model
            is_first = "model" in (content.get("session") or ())
        else:  # of the server, whose copies of audio have no id and whose keys have one; or of the client
            is_first = ("event_id" in content) == (kind == "transport.dtmf.send")
        return (first if is_first else second)(content)

    return _live_readers.setdefault(kind, read)


def _choose_by_api(kind: str, realtime: _Reader) -> _Reader:
    def read(content: dict[str, Any]) -> Event:
        # Live's classes are only loaded for a Live event.
        live = _is_live(kind, content) and (_live_readers.get(kind) or _find_live_reader(kind))
        return (live or realtime)(content)

    return read


def _is_live(kind: str, content: dict[str, Any]) -> bool:
    # Fields that the other API's event of the type does not have, or lacks where this one needs it.
    if not content.keys().isdisjoint(("client_event_id", "start_ms")):
        return True
    if kind == "session.output_audio.delta":
        return "event_id" not in content
    session, error = content.get("session"), content.get("error")
    if isinstance(session, dict):
        return "type" not in session and not session.keys().isdisjoint(_LIVE_SESSION)
    return isinstance(error, dict) and "client_event_id" in error


_LIVE_SESSION = ("delegation", "status", "triggers")


def _choose_by_session(conversation: _Reader, translation: _Reader, name: str) -> _Reader:
    def read(content: dict[str, Any]) -> Event:
        return (translation if _is_translation(name, content.get("session")) else conversation)(content)

    return read


def _is_translation(name: str, session: Any) -> bool:
    # Conversation and transcription sessions always have their type, updates of translation sessions never:
    # a session without one is a translation's if it has what that needs and nothing beside it.
    if not isinstance(session, dict) or not session:
        return False
    if session.get("type") is not None:
        return bool(session["type"] == "translation")
    violations = schema.check(schema.place(name).fields["session"], dict(session), with_notes=True)
    # A value that is not among those listed may be newer than this version.
    return all(one.kind == "wrong" and isinstance(one.allowed, tuple) for one in violations)
