"""Replay recorded sessions: clients receive the recorded answers, and must send the recorded requests.

Messages are compared by type and content, in the order of the tape. Values that clients create each time,
their event and item ids, may differ; the client's ids replace those of the tape from then on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_simulator._core.clock import Clock, sleep
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._core.schema import dotted, value_at
from realtime_simulator._recordings.tape import Message, RecordedSession, message_value
from realtime_simulator._server import handshake, thread as server
from realtime_simulator._server.connection import short_reason
from realtime_simulator._server.credentials import Credentials
from realtime_simulator.scrub import Scrubber

logger: logging.Logger = logging.getLogger("realtime_simulator")
DIFFERENT = 1008
"""The close code for a client that sends something else."""
_OWN_IDS = (("event_id",), ("item", "id"))
# Metadata belongs to the client, but only ids in it are new each time.
MADE_UP = re.compile(r"[a-z]*_?(?=\w*\d)[0-9a-f]{8,}[\w\-]*")
_LIVE_ID = re.compile(r"(?<=/live/sessions/)[^/]+")


class Player:
    """The WebSocket routes of a simulator that replays.

    Args:
        sessions: The recorded sessions; after all were played, they start over.
        credentials: The accepted keys.
        clock: The clock.
        ids: The source of error events' ids.
        differs: Called with each difference.
        speed: The pace relative to the recording; 0 is at once.
    """

    def __init__(
        self,
        sessions: Sequence[RecordedSession],
        credentials: Credentials,
        clock: Clock,
        ids: Ids,
        differs: Callable[[str], None],
        speed: float = 0.0,
    ) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._clock = clock
        self._ids = ids
        self._differs = differs
        self._speed = speed
        self._played: set[int] = set()
        self._scrubber = Scrubber()

    async def realtime(self, websocket: WebSocket) -> None:
        """Replay a conversation, a transcription session or a sideband."""
        await self._serve(websocket, translation=False)

    async def translations(self, websocket: WebSocket) -> None:
        """Replay a translation session."""
        await self._serve(websocket, translation=True)

    async def session(self, websocket: WebSocket) -> None:
        """Replay a session of the Live API, a sideband of one, or its continuation."""
        await self._serve(websocket, translation=False, live=True)

    attach = fork = session

    async def _serve(self, websocket: WebSocket, *, translation: bool, live: bool = False) -> None:
        subprotocol: str | None = None
        try:
            if live:
                self._credentials.require_project_key(websocket.headers)
            else:
                subprotocol = handshake.read(
                    websocket.headers,
                    websocket.query_params,
                    websocket.scope["subprotocols"],
                    self._credentials,
                    check_model=lambda model: None,  # recorded sessions may name any model
                    translation=translation,
                ).subprotocol
            session = self._choose(websocket.scope["path"], dict(websocket.query_params))
        except ApiProblem as problem:
            recorded = self._recorded_refusal(websocket)
            if recorded is None:
                await handshake.refuse(websocket, problem)
                return
            session, subprotocol = recorded, handshake.answered(websocket.scope["subprotocols"])
        if session.refused is not None:
            await websocket.send_denial_response(_recorded(session.refused))
            return
        await websocket.accept(subprotocol)
        logger.info("replaying session %s", session.number)
        with contextlib.suppress(WebSocketDisconnect):
            await self._play(websocket, session)

    def _recorded_refusal(self, websocket: WebSocket) -> RecordedSession | None:
        """Return the next recorded session if it was refused, at its handshake or right after."""
        try:
            session = self._choose(websocket.scope["path"], dict(websocket.query_params))
        except ApiProblem:
            return None
        closed = None if session.close is None else session.close.code
        if session.refused is None and closed not in handshake.REFUSED:
            self._played.discard(session.number)
            return None
        return session

    def _choose(self, path: str, query: Mapping[str, str]) -> RecordedSession:
        """Return the next recorded session with this address."""
        fitting = [
            session
            for session in self._sessions
            if _place(session.path) == _place(path) and _key(session.query) == _key(query)
        ]
        if not fitting:
            there = "; ".join(
                dict.fromkeys(f"{session.path} {_key(session.query)}" for session in self._sessions)
            )
            message = f"No session was recorded at {path} {_key(query)}; there are: {there}."
            self._differs(message)
            raise ApiProblem(message, code="replay_mismatch")
        fresh = [session for session in fitting if session.number not in self._played]
        if not fresh:
            self._played -= {session.number for session in fitting}
            fresh = fitting
        self._played.add(fresh[0].number)
        return fresh[0]

    async def _play(self, websocket: WebSocket, session: RecordedSession) -> None:
        renamed: dict[str, str] = {}
        begun = self._clock.monotonic()
        for number, message in enumerate(session.messages, 1):
            if message.side == "client":
                found = await self._heard(websocket, session, number, message, renamed)
                if found is not None:
                    await self._stop(websocket, found)
                    return
                continue
            if self._speed:
                due = begun + message.at / self._speed
                await sleep(self._clock, max(0.0, due - self._clock.monotonic()))
            await websocket.send_text(_text(_renamed(message.value, renamed)))
        await self._end(websocket, session)

    async def _heard(
        self,
        websocket: WebSocket,
        session: RecordedSession,
        number: int,
        message: Message,
        renamed: dict[str, str],
    ) -> str | None:
        """Wait for the client's next message; returns how it differs."""
        where = f"session {session.number}, message {number}"
        got = await _receive(websocket)
        if got is None:
            found = f"{where}: the client closed, expected was {_short(message.value)}"
            self._differs(found)
            raise WebSocketDisconnect
        renamed.update(_own_ids(message.value, got))
        difference = next(differences(_renamed(message.value, renamed), self._scrubber.value(got)), None)
        return None if difference is None else f"{where}: {difference}"

    async def _end(self, websocket: WebSocket, session: RecordedSession) -> None:
        """End the connection as recorded."""
        close = session.close
        if close is not None and close.by == "server":
            if close.code == 1006:
                server.reset(websocket.scope)
            else:
                await websocket.close(1000 if close.code == 1005 else close.code, close.reason)
            return
        got = await _receive(websocket)
        if got is not None:
            await self._stop(
                websocket, f"session {session.number}: nothing more was expected, got {_short(got)}"
            )

    async def _stop(self, websocket: WebSocket, found: str) -> None:
        """Send the difference, and close."""
        self._differs(found)
        problem = ApiProblem(found, code="replay_mismatch")
        await websocket.send_text(_text({"event_id": self._ids.new("event"), **problem.event()}))
        await websocket.close(DIFFERENT, short_reason(found))


def _recorded(refused: tuple[int, Any]) -> Response:
    status, content = refused
    text = content if isinstance(content, str) else json.dumps(content)
    return Response(text, status, media_type="application/json")


def differences(expected: Any, got: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Yield the differences between a message and the recorded one, the most telling first.

    Args:
        expected: The recorded value.
        got: What came, without its secrets.
        path: Where in the message.
    """
    if not path and isinstance(expected, dict) and isinstance(got, dict):
        kinds = expected.get("type"), got.get("type")
        if kinds[0] != kinds[1]:
            yield f"expected {_short(kinds[0])}, got {_short(kinds[1])}"
            return
    where = f"{dotted(path)}: " if path else ""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in dict.fromkeys([*expected, *got]):
            here = (*path, key)
            if key not in got:
                yield f"{dotted(here)}: expected {_short(expected[key])}, got nothing"
            elif key not in expected:
                yield f"{dotted(here)}: expected nothing, got {_short(got[key])}"
            else:
                yield from differences(expected[key], got[key], here)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(one, other, (*path, index))
    elif (type(expected) is not type(got) and not _both_numbers(expected, got)) or expected != got:
        yield f"{where}expected {_short(expected)}, got {_short(got)}"


def _both_numbers(one: Any, other: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))


def _own_ids(expected: Any, got: Any) -> Iterator[tuple[str, str]]:
    """The ids that the client created, in the recording and now."""
    for path in _OWN_IDS:
        was, now = value_at(expected, *path), value_at(got, *path)
        if isinstance(was, str) and isinstance(now, str) and was != now:
            yield was, now
    before, after = (value_at(one, "response", "metadata") for one in (expected, got))
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() & after.keys():
            was, now = str(before[key]), str(after[key])
            if was != now and MADE_UP.fullmatch(was) and MADE_UP.fullmatch(now):
                yield was, now


def _renamed(value: Any, renamed: Mapping[str, str]) -> Any:
    """A value with the tape's ids replaced by the client's."""
    if not renamed:
        return value
    if isinstance(value, dict):
        return {key: _renamed(inner, renamed) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, renamed) for inner in value]
    return renamed.get(value, value) if isinstance(value, str) else value


def _place(path: str) -> str:
    """Return a path without the id of a Live session, which is new each time."""
    return _LIVE_ID.sub("…", path)


def _key(query: Mapping[str, str]) -> dict[str, str]:
    """Return the part of a query that identifies a session; calls have new ids each time."""
    return {name: "…" if name == "call_id" else query[name] for name in sorted(query)}


async def _receive(websocket: WebSocket) -> Any:
    """The client's next message; None when it has closed."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    return message_value(message["bytes"] if message.get("text") is None else message["text"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."
