"""Recordings of the service: the messages of a connection, its close, and HTTP exchanges.

A recording is YAML with a list of `interactions`, in the shape in which several projects record the service:

    version: 1
    interactions:
    - kind: open                    # optional: the address; otherwise derived from the messages received
      path: /v1/realtime
      query: {model: gpt-realtime-2.1}
    - kind: message
      direction: received           # or sent
      data: {type: session.created, …}
    - kind: close
      code: 1001
      reason: …
    - request: {method: POST, uri: …, headers: …, body: …}
      response: {status: {code: 201}, headers: …, body: {string: …}}

An exchange's status may be a number, and its body `{type: none | text | json | base64, content: …}`.

Audio may be shortened. The tapes of the simulator (`tape`) are read as recordings, one for each session; so
are recordings as JSON lines (`lines`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import yaml

from realtime_simulator._recordings import lines, tape
from realtime_simulator._recordings.files import replace
from realtime_simulator._recordings.steps import (
    Close,
    Exchange,
    Message,
    Open,
    Recording,
    RecordingError,
    Step,
    exchange,
)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
VERSION = 1
AUDIO_CHARACTERS = 44
"""The characters that are kept of base64 audio: 32 bytes, enough to recognize it."""


def read(path: str | os.PathLike[str]) -> Sequence[Recording]:
    """Read a recording, or the recordings of a tape.

    Args:
        path: The file.

    Raises:
        OSError: It can't be read.
        RecordingError: It is not a recording.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
        if text.startswith('{"tape"'):
            return [_of_tape(name, session) for session in tape.read(path)]
        if lines.matches(text):
            return [lines.read(name, text)]
        content = yaml.load(text, _Loader)
    except (ValueError, yaml.YAMLError) as error:
        raise RecordingError(f"{name}: {error}") from error
    interactions = content.get("interactions") if isinstance(content, Mapping) else None
    if not isinstance(interactions, list):
        raise RecordingError(f"{name}: a recording is an object with a list of 'interactions'")
    if content.get("version", VERSION) != VERSION:
        raise RecordingError(
            f"{name}: version {content['version']!r} is unknown; only {VERSION} is supported"
        )
    steps = []
    for number, fields in enumerate(interactions):
        try:
            steps.append(_step(fields, f"/interactions/{number}"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise RecordingError(f"{name}: /interactions/{number} is not an interaction: {what}") from error
    return [_until_closes(Recording(name=name, steps=steps))]


class Writer:
    """Writes a recording: HTTP exchanges and sessions in the order in which they began, without most of the
    audio. The file is written whenever one of them has ended.

    Args:
        path: The file; an existing one is replaced.

    Raises:
        OSError: It can't be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._parts: list[list[str]] = []
        """The interactions of each, as the file has them."""
        self._opened: dict[int, tuple[str, Mapping[str, str]]] = {}
        self._write()

    def begin(self, path: str, query: Mapping[str, str]) -> int:
        """Begin a session and return its number."""
        self._parts.append([_dumped({"kind": "open", "path": path, "query": dict(query)})])
        session = len(self._parts)
        self._opened[session] = path, query
        return session

    def refused(self, session: int, status: int, body: Any) -> None:
        """The handshake was refused."""
        path, query = self._opened[session]
        request = {"method": "GET", "uri": f"{path}?{urlencode(query)}"}
        content = {"parsed_body": body} if isinstance(body, Mapping) else {"body": {"string": body}}
        response = {"status": {"code": status}, **content}
        self._parts[session - 1] = [_dumped({"request": request, "response": response})]
        self._write()

    def message(self, session: int, at: float, side: tape.Side, value: Any) -> None:
        """One side sent something."""
        direction = "sent" if side == "client" else "received"
        part = {"kind": "message", "direction": direction, "at": round(at, 3), "data": shortened(value)}
        self._parts[session - 1].append(_dumped(part))

    def close(self, session: int, at: float, code: int, reason: str, by: tape.Side) -> None:
        """A session has ended."""
        part = {"kind": "close", "at": round(at, 3), "code": code, "reason": reason, "by": by}
        self._parts[session - 1].append(_dumped(part))
        self._write()

    def exchange(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """An HTTP request was answered.

        Args:
            request: `method`, `uri`, `headers` and `body`, without secrets.
            response: `status`, `headers` and `body`, without secrets.
        """
        self._parts.append([_dumped({"request": dict(request), "response": dict(response)})])
        self._write()

    def end(self) -> None:
        """Write the rest."""
        self._write()

    def _write(self) -> None:
        replace(self._path, _file_of(text for part in self._parts for text in part))


def text_of(interactions: Sequence[Mapping[str, Any]]) -> str:
    """Return a recording's file.

    Args:
        interactions: Its interactions, as the file has them.
    """
    return _file_of(map(_dumped, interactions))


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Dumps interactions one by one, so without anchors, whose names would repeat.

    Lone surrogates, which JSON can hold and YAML can't, become backslash escapes.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, text: str) -> Any:
        return super().represent_str(text.encode("utf-8", "backslashreplace").decode())


_Dumper.add_representer(str, _Dumper.represent_str)


def _dumped(interaction: Mapping[str, Any]) -> str:
    """Return an interaction as the file has it."""
    text: str = yaml.dump([interaction], Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _file_of(interactions: Iterable[str]) -> str:
    """Return the file of interactions that are dumped: as YAML has it, they follow each other."""
    listed = "".join(interactions)
    return f"version: {VERSION}\ninteractions:" + (f"\n{listed}" if listed else " []\n")


def shortened(data: Any) -> Any:
    """Return an event without most of its audio."""
    if isinstance(data, list):
        return [shortened(value) for value in data]
    if not isinstance(data, Mapping):
        return data
    if data.get("type") == "session.input_audio.append" and isinstance(data.get("audio"), str):
        return {**data, "audio": {"$audio_bytes": len(data["audio"]) // 4 * 3}}  # it makes a timeline advance
    cut = {"audio", "delta"} if str(data.get("type")).endswith("audio.delta") else {"audio"}
    return {
        key: value[:AUDIO_CHARACTERS] if key in cut and isinstance(value, str) else shortened(value)
        for key, value in data.items()
    }


def _step(fields: Mapping[str, Any], pointer: str) -> Step:
    if "request" in fields:
        return exchange(fields["request"], fields["response"], f"{pointer}/response")
    kind = fields.get("kind", "message")
    if kind == "open":
        return Open(pointer=pointer, path=str(fields["path"]), query=dict(fields.get("query", {})))
    if kind == "close":
        code, reason = int(fields["code"]), str(fields.get("reason") or "")
        return Close(pointer=pointer, code=code, reason=reason, by=fields.get("by"), at=fields.get("at"))
    if kind != "message" or fields["direction"] not in ("sent", "received"):
        raise ValueError(f"kind {kind!r}, direction {fields.get('direction')!r}")
    data, at = fields["data"], fields.get("at")
    return Message(pointer=f"{pointer}/data", direction=fields["direction"], data=data, at=at)


def _until_closes(recording: Recording) -> Recording:
    """Return a recording without the messages after its connection was closed: nobody has received them.

    Where a connection has an `open`, so has the next one.
    """
    steps: list[Step] = []
    late: dict[str, list[Step]] = {}
    closed: Step | None = None
    is_open = False
    for step in recording.steps:
        if isinstance(step, Message) and closed is not None:
            late.setdefault(closed.pointer, []).append(step)
            continue
        if isinstance(step, Open):
            is_open, closed = True, None
        elif isinstance(step, Close) and is_open:
            closed = step
        steps.append(step)
    unread = [_left_out(found[0].pointer, len(found)) for found in late.values()]
    return attrs.evolve(recording, steps=steps, unread=[*recording.unread, *unread])


def _left_out(pointer: str, count: int) -> str:
    messages = "1 message" if count == 1 else f"{count} messages"
    return f"{pointer}: {messages} left out, under way when the connection closed"


def _of_tape(name: str, session: tape.RecordedSession) -> Recording:
    pointer = f"/{session.number}"
    if session.refused is not None:
        status, answer = session.refused
        refused = Exchange(
            pointer=pointer,
            method="GET",
            path=session.path,
            query=session.query,
            headers={},
            body=b"",
            status=status,
            answer_headers={},
            answer=answer,
        )
        return Recording(name=f"{name}, session {session.number}", steps=[refused])
    steps: list[Step] = [Open(pointer=pointer, path=session.path, query=session.query)]
    for number, message in enumerate(session.messages):
        steps.append(
            Message(
                pointer=f"{pointer}/{number}",
                direction="sent" if message.side == "client" else "received",
                data=message.value,
                at=message.at,
            )
        )
    if session.close is not None:
        close = session.close
        steps.append(
            Close(pointer=f"{pointer}/close", code=close.code, reason=close.reason, by=close.by, at=close.at)
        )
    unread = [_left_out(f"{pointer}/close", session.late)] if session.late else []
    return Recording(name=f"{name}, session {session.number}", steps=steps, unread=unread)
