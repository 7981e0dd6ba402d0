"""Check the simulator's Live API against a recording: replay it, and compare the results with the recording.

Both sides run on the simulator's clock, which is advanced as the recording's time passes. The client's audio
is sent when it was recorded; other messages are sent then, too, but not before the events have come that
were received before them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from realtime_simulator._conformance.comparison import Comparison, Expected
from realtime_simulator._conformance.live_comparison import Side, compare
from realtime_simulator._conformance.report import Report
from realtime_simulator._conformance.sdp_facts import facts
from realtime_simulator._core import event_loop
from realtime_simulator._core.outgoing import SILENT, unlogged
from realtime_simulator._engine.turn import REAL, Action, Heard, Transcript, Turn
from realtime_simulator._links import Link, LivePhone, WebSocketLink
from realtime_simulator._recordings.bindings import Bindings
from realtime_simulator._recordings.lines import APPEND, is_marker
from realtime_simulator._recordings.steps import (
    Close,
    Exchange,
    Gap,
    Message,
    Open,
    Recording,
    RecordingError,
)
from realtime_simulator._scenario import live_audio, live_script as scripts
from realtime_simulator._simulator.simulator import Simulator

_CLOCK = 1_790_000_000
_PATIENCE = 8.0
"""Seconds, on the simulator's clock, to wait for an event that was recorded."""
_STEP = 0.1
_LOOK_SECONDS = 0.02
_REAL_PATIENCE = 5.0
_FILLED_MESSAGES = 10
_HEADERS = ("content-type", "location")
_OF_VIEW = ("model", "instructions", "audio", "delegation", "input", "store", "client")
_SESSION = re.compile(r"/live/sessions/([^/]+)")


def is_live(recording: Recording) -> bool:
    """Return whether a recording is of the Live API."""
    for step in recording.steps:
        if isinstance(step, Message):
            if step.type in ("session.start", "session.started"):
                return True
        elif isinstance(step, Open | Exchange) and "/live/sessions" in step.path:
            return True
    return False


def check(recording: Recording) -> Report:
    """Check the simulator against a recording of the Live API.

    Args:
        recording: The recording.

    Raises:
        RecordingError: An event in it is broken.
    """
    try:
        play = _Play(recording)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{recording.name}: an event has an unexpected shape: {error!r}") from error
    return event_loop.run(play.run())


@attrs.define
class _Session:
    """One connection of the recording, and its counterpart.

    Args:
        name: Its name in the recording.
        kind: The primary connection, a sideband or a fork.
        messages: All its messages.
        script: What is said in it; a sideband's session has the script of its primary connection.
        audio: The audio that the client sends, with its time: what is due next comes first.
        link: The open connection.
        expected: The events that were recorded so far.
        sent: How many messages that are not audio were sent.
        refused: Whether the simulator refused it.
        filled: Whether audio was missing from the recording.
    """

    name: str
    kind: str
    messages: list[Message]
    script: scripts.LiveScript
    audio: deque[live_audio.Piece]
    link: Link | None = None
    expected: list[Expected] = attrs.field(factory=list)
    sent: list[tuple[int, Message]] = attrs.field(factory=list)
    refused: bool = False
    filled: bool = False


class _Play:
    """One recording, and the simulator that it is played to."""

    def __init__(self, recording: Recording) -> None:
        self._has_times = any(isinstance(step, Message) and step.at is not None for step in recording.steps)
        self._recording = live_audio.timed(recording)
        self._unread = list(recording.unread)
        self._bindings = Bindings(given=set(_given(recording)))
        self._comparison = Comparison(self._bindings, "openai")
        self._simulator = Simulator(espeak=False, pacing=REAL, clock=_CLOCK)
        self._parts = list(_connections(self._recording))
        self._running: list[_Session] = []
        self._live_id: str | None = None
        self._phone: LivePhone | None = None
        self._now = self._begun = 0.0
        self._compared = self._answered = self._spoken = 0
        self._script: scripts.LiveScript | None = None

    async def run(self) -> Report:
        """Play it, and return the report."""
        simulator = self._simulator
        simulator.on_response(self._answer)
        simulator.on_speech(self._hear)
        async with simulator:
            headers = {"authorization": f"Bearer {simulator.api_key}"}
            with unlogged():
                async with httpx.AsyncClient(
                    base_url=simulator.base_url, headers=headers, trust_env=False, verify=False, timeout=30
                ) as http:
                    self._http = http
                    try:
                        await self._play()
                    finally:
                        for session in self._running:
                            if session.link is not None:
                                await session.link.close()
                        if self._phone is not None:
                            await self._phone.close()
        return Report(
            name=self._recording.name,
            compared=self._compared,
            differences=self._comparison.differences,
            known=self._comparison.known,
            unread=self._unread,
        )

    # The words of the model and the user; these methods run in the simulator's thread

    async def _answer(self, turn: Turn) -> list[Action]:
        assert self._script is not None
        number, self._answered = self._answered, self._answered + 1
        if number >= len(self._script.answers):
            await asyncio.Event().wait()
        return list(self._script.answers[number])

    def _hear(self, heard: Heard) -> Transcript:
        words = self._script.said.words if self._script is not None else ()
        number, self._spoken = self._spoken, self._spoken + 1
        return Transcript(words[number] if number < len(words) else "")

    # Playing

    async def _play(self) -> None:
        steps = list(self._recording.steps)
        self._begun = next((step.at for step in steps if isinstance(step, Message) and step.at), 0.0)
        self._now = self._begun
        done: set[int] = set()
        for step in steps:
            if isinstance(step, Exchange):
                await self._exchange(step)
            elif isinstance(step, Message | Close):
                await self._until(step.at or self._now)
                await self._one(step, done)
        for session in self._running:
            await self._end(session)

    async def _one(self, step: Message | Close, done: set[int]) -> None:
        session = self._of(step)
        if session is None or session.refused:
            return
        if session.link is None and id(session) not in done:
            done.add(id(session))
            if not await self._open(session):
                return
        if isinstance(step, Close):
            await self._close(session, step)
        elif step.direction == "received":
            session.expected.append(Expected(pointer=step.pointer, event=step.data))
        elif step.type != APPEND:
            await self._caused(session)
            if session.link is not None:
                session.sent.append((len(session.link.events), step))
                await session.link.send(json.dumps(self._outgoing(step.data)))

    def _outgoing(self, event: Any) -> Any:
        sent = scripts.completed(self._bindings.translated(event))
        if event.get("delegation_id") is not None and is_marker(event["delegation_id"]):
            sent["delegation_id"] = None
        return sent

    def _of(self, step: Message | Close) -> _Session | None:
        """Return the connection that a step belongs to."""
        for session in self._parts:
            if any(one is step for one in session.messages):
                return session
        named = [session for session in self._running if session.name == step.connection]
        return named[-1] if named else None

    async def _until(self, at: float) -> None:
        """Let the time of the recording pass, and send the audio that is due."""
        while True:
            due = [session.audio[0].at for session in self._running if session.audio and session.link]
            first = min([at, *due])
            if first > self._now:
                await self._pass(first - self._now)
            for session in self._running:
                while session.audio and session.link is not None and session.audio[0].at <= self._now:
                    piece, format = session.audio.popleft(), live_audio.format_of(session.messages)
                    data = live_audio.encoded(piece, session.script.said.voices, format)
                    await session.link.send(json.dumps({"type": APPEND, "audio": data}))
            if self._now >= at:
                break
        await self._settle()

    async def _pass(self, seconds: float) -> None:
        await self._settle()
        if self._phone is None:
            await asyncio.to_thread(self._simulator.advance, seconds)
        else:
            await self._speak(self._phone, seconds)
        self._now += seconds

    async def _speak(self, phone: LivePhone, seconds: float) -> None:
        """Let real time pass, as the media of a call do, and hum where the user speaks."""
        assert self._script is not None
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            at = (loop.time() - phone.begun) * 1000
            phone.speak(any(start <= at < end for start, end in self._script.said.voices))
            await asyncio.sleep(min(_LOOK_SECONDS, max(0.0, until - loop.time())))

    async def _settle(self) -> None:
        """Wait until the simulator has processed what was sent."""
        for session in self._running:
            if session.link is not None:
                await session.link.settle()

    async def _caused(self, session: _Session) -> None:
        """Wait for the events that were received before, and learn the ids in them."""
        begun = self._now
        while not self._complete(session) and self._now - begun < _PATIENCE and not session.refused:
            if session.link is None or session.link.closed is not None:
                break
            await self._until(self._now + _STEP)
        self._learn(session)

    def _complete(self, session: _Session) -> bool:
        assert session.link is not None
        wanted, came = (_counted(events) for events in self._both(session))
        return all(came.get(key, 0) >= number for key, number in wanted.items())

    async def _quiet(self, link: Link) -> None:
        """Wait until everything that was sent has come."""
        before = -1
        while before < len(link.events):
            before = len(link.events)
            await link.settle()

    def _both(self, session: _Session) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
        came = list(session.link.events) if session.link is not None else []
        return [one.event for one in session.expected], came

    def _learn(self, session: _Session) -> None:
        """Bind the ids of the events that have come, each with its counterpart by kind and number."""
        there, here = (_by_key(events) for events in self._both(session))
        for key, events in there.items():
            if not key[-1].endswith(".delta"):
                for one, other in zip(events, here.get(key, ()), strict=False):
                    self._bindings.learn(one, other)

    async def _close(self, session: _Session, step: Close) -> None:
        """Close as it was recorded, or wait until the simulator does."""
        ended = any(one.type == "session.closed" for one in session.expected)
        if session.link is None:
            return
        if ended:
            await self._caused(session)
            await self._really(lambda: session.link is None or session.link.closed is not None)
            self._compared += 1
            code = session.link.closed[0] if session.link.closed is not None else None
            plain = (1000, 1001, 1005, 1006)
            if code is None or (step.code not in plain and step.code != code):
                self._comparison.value("close", step.pointer, {"code": step.code}, {"code": code})
        await self._end(session)

    async def _end(self, session: _Session) -> None:
        """Wait for what is missing on a connection, close it, and compare its events."""
        if session.link is None:
            return
        if not session.messages:  # it stands in for one that was not recorded
            return
        until = self._now
        await self._caused(session)
        link, session.link = session.link, None
        await self._quiet(link)
        events = list(link.events)
        await link.close()
        session_id = self._live_id
        if session.kind != "attach" and session_id is not None:
            # A fork needs its source to be stored.
            await self._really(lambda: self._simulator.session(session_id).ended is not None)
        self._compared += len(session.expected)
        compare(
            self._comparison,
            Side(
                session.expected,
                session.messages,
                primary=session.kind != "attach",
                timed=self._has_times,
                gaps=self._gaps(session),
                partial=session.filled or self._now - until > 1,
            ),
            events,
            session.sent,
        )
        for what in self._bindings.twice():
            self._comparison.add("/", what)

    def _gaps(self, session: _Session) -> list[int]:
        """Return the numbers of a connection's events before which something was not recorded."""
        received = {id(one.event) for one in session.expected}
        gaps, number = [], 0
        for step in self._recording.steps:
            if isinstance(step, Gap):
                gaps.append(number)
            elif isinstance(step, Message) and step.direction == "received":
                number += id(step.data) in received
        return gaps

    async def _really(self, condition: Any) -> None:
        """Wait in real time until a condition holds."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not condition() and loop.time() - begun < _REAL_PATIENCE:
            await asyncio.sleep(0.01)

    # Opening

    async def _open(self, session: _Session) -> bool:
        """Open the counterpart of a recorded connection; return whether that succeeded."""
        self._prepare(session)
        path = {"primary": "", "attach": f"/{self._live_id}/attach", "fork": f"/{self._live_id}/fork"}
        try:
            if session.kind == "attach" and self._live_id is None:
                await self._stand_in(session)
                path["attach"] = f"/{self._live_id}/attach"
            session.link = await self._dial("/live/sessions" + path[session.kind])
        except (OSError, WebSocketException) as error:
            session.refused = True
            where = session.messages[0].pointer
            self._comparison.add(where, f"a connection was recorded, the simulator refuses: {error}")
            return False
        self._running.append(session)
        if session.kind != "attach":
            self._live_id = self._simulator.sessions[-1].id
        return True

    async def _stand_in(self, sideband: _Session) -> None:
        """Open a session for a sideband whose own connection was not recorded, over a WebSocket."""
        views = [view for one in sideband.messages if isinstance(view := one.data.get("session"), dict)]
        shown = views[0] if views else {}
        fields = {key: shown[key] for key in _OF_VIEW if shown.get(key)}
        own = _Session(
            "",
            "primary",
            [],
            sideband.script,
            deque(live_audio.stand_in(sideband.messages)),
        )
        own.link = await self._dial("/live/sessions")
        self._running.append(own)
        self._live_id = self._simulator.sessions[-1].id
        start = {"type": "session.start", "session": {"model": "gpt-live-1", **fields}}
        await own.link.send(json.dumps(start))
        link = own.link
        await self._really(lambda: bool(link.events))
        for view in views:
            if isinstance(view.get("audio"), dict):
                view["audio"].setdefault("format", {"$of_websocket": True})  # calls have none

    def _prepare(self, session: _Session) -> None:
        """Tell the simulator what the recorded session says."""
        if session.kind == "attach" and self._script is not None:
            return
        self._script, self._answered, self._spoken = session.script, 0, 0
        self._simulator.on_timeline(session.script.timeline)
        if session.script.refusal is not None:
            error = session.script.refusal
            fields: dict[str, Any] = {
                key: str(error[key]) for key in ("code", "message", "type") if error.get(key)
            }
            self._simulator.fault("live_refusal", times=1, **fields)

    async def _dial(self, path: str, query: str = "") -> WebSocketLink:
        address = self._simulator.base_url.replace("http", "ws", 1) + path + query
        sent = {"authorization": f"Bearer {self._simulator.api_key}"}
        websocket = await connect(
            address, additional_headers=sent, max_size=None, logger=SILENT, proxy=None, ping_interval=None
        )
        return WebSocketLink(websocket)

    # HTTP

    async def _exchange(self, recorded: Exchange) -> None:
        """Make a recorded request, and compare the answer."""
        path = _SESSION.sub(lambda found: f"/live/sessions/{self._id(found[1])}", recorded.path)
        kind = f"{recorded.method} {path}"
        pointer = f"{recorded.pointer}/data"
        body = json.loads(recorded.body) if recorded.body else None
        self._compared += 1
        try:
            status, headers, content = await self._request(recorded, path, body)
        except InvalidStatus as refused:
            response = refused.response
            status, headers = response.status_code, dict(response.headers)
            content = bytes(response.body or b"").decode()
        except (httpx.HTTPError, OSError) as error:
            self._comparison.add(pointer, f"{kind} was recorded, the simulator fails: {error!r}")
            return
        comparison = self._comparison
        comparison.value(kind, f"{pointer}/status", recorded.status, status, ("status",))
        for name in _HEADERS:
            if name in recorded.answer_headers:
                there, here = recorded.answer_headers[name], headers.get(name)
                comparison.header(kind, f"{pointer}/headers/{name}", name, there, here)
        try:
            answer = json.loads(content or "null")
        except ValueError:
            answer = content
        answered, answer = _without_sdp(recorded.answer), _without_sdp(answer)
        self._bindings.learn(answered, answer)
        comparison.value(kind, f"{pointer}/body", answered, answer, ("body",))

    async def _request(self, recorded: Exchange, path: str, body: Any) -> tuple[int, Mapping[str, str], str]:
        transport = body.get("transport") if isinstance(body, Mapping) else None
        if isinstance(transport, Mapping) and transport.get("type") == "webrtc" and recorded.status == 201:
            session = next((one for one in self._parts if one.kind != "fork"), None)
            if session is not None:
                self._prepare(session)
            self._phone = LivePhone(self._http)
            answer = await self._phone.create(path.removeprefix("/v1"), scripts.completed(dict(body)))
            if answer.status_code == 201:
                self._live_id = str(answer.json()["session"]["id"])
        elif recorded.method == "GET" and path.endswith(("/attach", "/fork", "/live/sessions")):
            link = await self._dial(path.removeprefix("/v1"))
            await link.close()
            return 101, {}, ""
        else:
            answer = await self._http.request(
                recorded.method,
                path.removeprefix("/v1"),
                params=dict(recorded.query),
                headers={name: recorded.headers[name] for name in ("accept",) if name in recorded.headers},
                **({} if body is None else {"json": scripts.completed(body)}),
            )
        return answer.status_code, answer.headers, answer.text

    def _id(self, recorded: str) -> str:
        return self._bindings.ids.get(recorded, recorded)


def _without_sdp(answer: Any) -> Any:
    """Return an answer with what its SDP offers in place of the SDP."""
    transport = answer.get("transport") if isinstance(answer, Mapping) else None
    if not isinstance(transport, Mapping) or not str(transport.get("sdp")).startswith("v=0"):
        return answer
    return {**answer, "transport": {**transport, "sdp": facts(transport["sdp"])}}


def _counted(events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], int]:
    """Return how much there is of each kind of event."""
    counts: dict[tuple[str, ...], int] = {}
    for event in events:
        scripts.count(event, counts)
    return counts


def _by_key(events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for event in events:
        found.setdefault(scripts.key_of(event), []).append(event)
    return found


def _given(recording: Recording) -> Iterator[str]:
    """Yield the values that the client created: those that it sent before it received them."""
    seen: set[str] = set()
    for step in recording.steps:
        if isinstance(step, Message):
            texts = set(_texts(step.data))
            if step.direction == "sent":
                yield from texts - seen
            seen |= texts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


# The recording's connections


def _connections(recording: Recording) -> Iterator[_Session]:
    """Yield the connections of a recording, with their messages."""
    groups: list[tuple[str, str, list[Message]]] = []
    current: dict[str, int] = {}
    path = ""
    for step in recording.steps:
        if isinstance(step, Open):
            path, name = step.path, ""
            current.pop(name, None)
        elif isinstance(step, Close):
            current.pop(step.connection, None)
        elif isinstance(step, Message):
            name = step.connection
            if name not in current or (
                step.type == "session.start" and _starts_anew(groups[current[name]][2], step)
            ):
                current[name] = len(groups)
                groups.append((name, _kind(step, path, bool(groups)), []))
                path = ""
            groups[current[name]][2].append(step)
    for name, kind, messages in groups:
        script = scripts.read(messages)
        audio = deque(live_audio.of_client(messages))
        recorded = sum(map(live_audio.is_append, messages))
        filled = len(audio) > recorded + _FILLED_MESSAGES
        yield _Session(name, kind, messages, script, audio, filled=filled)


def _starts_anew(messages: Sequence[Message], start: Message) -> bool:
    """Return whether a start is that of another session: without a model it forks the one before."""
    begun = any(message.type == "session.started" for message in messages)
    session = start.data.get("session")
    return begun and isinstance(session, Mapping) and "model" not in session


def _kind(first: Message, path: str, later: bool) -> str:
    for kind in ("attach", "fork"):
        if path.endswith(f"/{kind}") or kind in first.connection:
            return kind
    if first.direction == "received":
        return "attach"
    session = first.data.get("session")
    forks = first.type == "session.start" and isinstance(session, Mapping) and "model" not in session
    return "fork" if forks and later else "primary"
