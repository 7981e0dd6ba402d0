"""Tapes: recorded sessions as JSON lines, one for each event, readable and safe to commit.

The first line identifies the format; the lines of all sessions follow in chronological order:

    {"tape": 1, "upstream": "wss://api.openai.com/v1"}
    {"session": 1, "at": 0.0, "open": "/v1/realtime", "query": {"model": "gpt-realtime-2.1"}}
    {"session": 1, "at": 0.21, "server": {"type": "session.created", …}}
    {"session": 1, "at": 0.22, "client": {"type": "session.update", …}}
    {"session": 1, "at": 9.8, "close": 1000, "reason": "", "by": "client"}

`at` is in seconds from the session's start. A message that is not a JSON object is kept as text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

import attrs

from realtime_simulator._recordings.files import private_opener

VERSION = 1
Side = Literal["server", "client"]


class TapeError(ValueError):
    """A tape that can't be replayed; the message has the file and the line."""


@attrs.frozen(kw_only=True)
class Message:
    """Something that one side sent.

    Args:
        side: The sender.
        at: When, in seconds from the session's start.
        value: An event, or the text of a message that is not an event.
    """

    side: Side
    at: float
    value: Any = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Close:
    """The end of a session.

    Args:
        at: When, in seconds from its start.
        code: The close code; 1006 for a connection that was cut.
        reason: The close frame's reason.
        by: The side that closed first.
    """

    at: float
    code: int
    reason: str
    by: Side


@attrs.define(kw_only=True)
class RecordedSession:
    """One recorded session.

    Args:
        number: Its number on the tape, from 1.
        path: The address without its query.
        query: The query, a value a name.
        messages: All messages until it closed, in order.
        late: How many more were under way then.
        close: How it ended; None if the tape ends before.
        refused: The status and the body of a handshake that was refused.
    """

    number: int
    path: str
    query: Mapping[str, str]
    messages: list[Message] = attrs.field(factory=list)
    late: int = 0
    close: Close | None = None
    refused: tuple[int, Any] | None = None


class Writer:
    """Writes a tape line by line, so that the recording survives when the process is killed.

    Only its owner can read the file (mode 0600), since it has what people said.

    Args:
        path: The file; an existing one is replaced.
        upstream: The address that is recorded, without key or query.

    Raises:
        OSError: It can't be written.
    """

    def __init__(self, path: str | os.PathLike[str], upstream: str) -> None:
        self._file: TextIO = open(path, "w", encoding="utf-8", newline="\n", opener=private_opener)  # noqa: SIM115
        self._sessions = 0
        self._write({"tape": VERSION, "upstream": upstream})

    def begin(self, path: str, query: Mapping[str, str]) -> int:
        """Begin a session and return its number."""
        self._sessions += 1
        self._write({"session": self._sessions, "at": 0.0, "open": path, "query": dict(query)})
        return self._sessions

    def refused(self, session: int, status: int, body: Any) -> None:
        """The handshake was refused."""
        self._write({"session": session, "at": 0.0, "refused": status, "body": body})

    def message(self, session: int, at: float, side: Side, value: Any) -> None:
        """One side sent something."""
        self._write({"session": session, "at": round(at, 3), side: value})

    def close(self, session: int, at: float, code: int, reason: str, by: Side) -> None:
        """A session has ended."""
        self._write({"session": session, "at": round(at, 3), "close": code, "reason": reason, "by": by})

    def exchange(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """An HTTP request was answered; tapes have sessions only."""

    def end(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if not self._file.closed:
            text = json.dumps(line, ensure_ascii=False)
            try:
                text.encode()
            except UnicodeEncodeError:  # lone surrogates, which JSON can hold escaped
                text = json.dumps(line)
            self._file.write(text + "\n")
            self._file.flush()


def read(path: str | os.PathLike[str]) -> Sequence[RecordedSession]:
    """Read a tape.

    Args:
        path: The file.

    Raises:
        OSError: It can't be read.
        TapeError: It is not a tape; the message names the line.
    """
    name = Path(path).name
    sessions: dict[int, RecordedSession] = {}
    with Path(path).open(encoding="utf-8") as file:
        try:
            for number, text in enumerate(file, 1):
                try:
                    _add_line(json.loads(text), number, sessions)
                except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
                    what = f"{error} is missing" if isinstance(error, KeyError) else error
                    raise TapeError(f"{name}, line {number}: this is not a line of a tape: {what}") from error
        except UnicodeDecodeError as error:
            raise TapeError(f"{name}: it is not UTF-8") from error
    if not sessions:
        raise TapeError(f"{name}: it has no session")
    return list(sessions.values())


def _add_line(line: Mapping[str, Any], number: int, sessions: dict[int, RecordedSession]) -> None:
    if number == 1:
        if line["tape"] != VERSION:
            raise ValueError(f"version {line['tape']!r} is unknown; only {VERSION} is supported")
        return
    if "open" in line:
        sessions[line["session"]] = RecordedSession(
            number=line["session"], path=str(line["open"]), query=dict(line.get("query", {}))
        )
        return
    recorded, at = sessions[line["session"]], float(line["at"])
    side: Side
    if "refused" in line:
        recorded.refused = (int(line["refused"]), line.get("body"))
    elif "close" in line:
        side = "client" if line.get("by") == "client" else "server"
        recorded.close = Close(at=at, code=int(line["close"]), reason=str(line.get("reason", "")), by=side)
    else:
        side = "server" if "server" in line else "client"
        message = Message(side=side, at=at, value=line[side])
        if recorded.close is None:
            recorded.messages.append(message)
        else:
            recorded.late += 1


def message_value(content: str | bytes) -> Any:
    """Return a message as the tape has it: JSON objects as such, everything else as text."""
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
