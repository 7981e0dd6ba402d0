"""The Live API for the player of recordings.

Both sides run on the simulator's clock, which is advanced as the recording's time passes, and stands still
otherwise: how fast the machine is changes nothing. A call alone runs in real time. The client's audio
is sent when it was recorded; other messages are sent then, too, but not before the events have come that
were received before them.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._conformance.live_comparison import USAGE_EVERY, Side, compare
from realtime_simulator._conformance.play import Connection, Play, Steps, grouped
from realtime_simulator._engine.turn import REAL, Action, Heard, Transcript
from realtime_simulator._links import Link, LivePhone
from realtime_simulator._recordings.lines import APPEND, is_marker
from realtime_simulator._recordings.steps import Close, Exchange, Gap, Message, Open, Recording
from realtime_simulator._scenario import live_audio, live_script as scripts
from realtime_simulator._simulator.simulator import Simulator

_CLOCK = 1_790_000_000
_PATIENCE = 8.0
"""Seconds, on the simulator's clock, to wait for an event that was recorded."""
_STEP = 0.1
_AHEAD = 0.15
"""Seconds by which the simulator is ahead, as events were recorded later than they were sent: between two of
the timeline's steps, so that no rounding decides."""
_LOOK_SECONDS = 0.02
_FILLED_MESSAGES = 10
_REPEATED_SECONDS = 3.5
"""A sideband receives what was sent in the 3 s before."""
_OF_LIVE = (
    "session.start",
    "session.started",
    "session.input_audio.append",
    "session.delegation.created",
    "session.usage.updated",
    "response.event",
    *(
        f"session.{what}.append{ed}"
        for what in ("instructions", "thinking", "commentary")
        for ed in ("", "ed")
    ),
)
"""The events that only the Live API has."""
_WORDS = (scripts.INPUT_WORDS, scripts.OUTPUT_WORDS)
_OF_VIEW = ("model", "instructions", "audio", "delegation", "input", "store", "client")


def is_live(recording: Recording) -> bool:
    """Return whether a recording is of the Live API."""
    for step in recording.steps:
        if isinstance(step, Message):
            if step.type in _OF_LIVE or (step.type in _WORDS and "start_ms" in step.data):
                return True
        elif isinstance(step, Open | Exchange) and "/live/sessions" in step.path:
            return True
    return False


@attrs.define(kw_only=True)
class _Session(Connection):
    """One connection of the recording, and its counterpart.

    Args:
        kind: The primary connection, a sideband or a fork.
        script: What is said in it; a sideband's session has the script of its primary connection.
        told: The messages that tell of the session: its own, or those of all sidebands.
        audio: The audio that the client sends, with its time: what is due next comes first.
        filled: Whether audio was missing from the recording.
        waited: Seconds for which its events were waited for, the last time.
    """

    kind: str
    script: scripts.LiveScript
    told: Sequence[Message]
    audio: deque[live_audio.Piece]
    filled: bool = False
    waited: float = 0.0


class LivePlay(Play[_Session]):
    """A recording of the Live API, and the simulator that it is played to.

    Args:
        recording: The recording.
    """

    def __init__(self, recording: Recording) -> None:
        times = [step.at for step in recording.steps if isinstance(step, Message) and step.at is not None]
        self._has_times = bool(times)
        recording = live_audio.timed(recording)
        simulator = Simulator(espeak=False, pacing=REAL, clock=_CLOCK)
        super().__init__(recording, simulator, list(_sessions(recording)))
        self._live_id: str | None = None
        self._now = next((at for at in times if at), 0.0)
        self._script: scripts.LiveScript | None = None

    def _actions(self, number: int) -> Sequence[Action] | None:
        assert self._script is not None
        return self._script.answers[number] if number < len(self._script.answers) else None

    def _hear(self, heard: Heard) -> Transcript:
        words = self._script.said.words if self._script is not None else ()
        number, self._heard = self._heard, self._heard + 1
        return Transcript(words[number] if number < len(words) else "")

    def _is_scheduled(self, message: Message) -> bool:
        return message.type == APPEND

    def _outgoing(self, message: Message) -> Any:
        sent = scripts.completed(super()._outgoing(message))
        if message.data.get("delegation_id") is not None and is_marker(message.data["delegation_id"]):
            sent["delegation_id"] = None
        return sent

    # Time

    async def _reach(self, step: Message | Close) -> None:
        await self._until(step.at or self._now)

    async def _until(self, at: float) -> None:
        """Let the time of the recording pass, and send the audio that is due."""
        while True:
            due = [session.audio[0].at for session in self._connections if session.audio and session.link]
            first = min([at, *due])
            if first > self._now:
                await self._pass(first - self._now)
            for session in self._connections:
                while session.audio and session.link is not None and session.audio[0].at <= self._now:
                    piece, format = session.audio.popleft(), live_audio.format_of(session.messages)
                    data = live_audio.encoded(piece, session.script.said.voices, format)
                    await session.link.send(json.dumps({"type": APPEND, "audio": data}))
            if self._now >= at:
                break
        await self._settle()

    async def _pass(self, seconds: float) -> None:
        await self._settle()
        if isinstance(self._phone, LivePhone):
            await self._speak(self._phone, seconds)
        else:
            await asyncio.to_thread(self._simulator.advance, seconds)
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

    async def _caused(self, connection: _Session) -> None:
        link, begun = connection.link, self._now
        assert link is not None
        there = [one.event for one in connection.expected]
        while not _has_all(there, link.events) and self._now - begun < _PATIENCE and link.closed is None:
            await self._until(self._now + _STEP)
        connection.waited = self._now - begun
        expected, came = _by_key(there), _by_key(link.events)
        for key, events in expected.items():
            if not key[-1].endswith(".delta"):
                for one, other in zip(events, came.get(key, ()), strict=False):
                    self._bindings.learn(one, other)

    # Opening and closing

    async def _open(self, connection: _Session) -> Link:
        self._prepare(connection)
        if self._phone is None:
            self._simulator.run_at(0)
        if connection.kind == "attach" and self._live_id is None:
            await self._stand_in(connection)
        elif connection.kind == "attach" and not any(
            message.type == "session.started" for message in connection.messages
        ):
            self._simulator.fault("live_no_replay", times=1)  # or what began the session would be repeated
        path = "" if connection.kind == "primary" else f"/{self._live_id}/{connection.kind}"
        link = await self._dial("/live/sessions" + path)
        await asyncio.to_thread(self._simulator.advance, _AHEAD)
        if connection.kind != "attach":
            self._live_id = self._simulator.sessions[-1].id
        return link

    async def _stand_in(self, sideband: _Session) -> None:
        """Open a session for a sideband whose own connection was not recorded, over a WebSocket."""
        views = [view for one in sideband.messages if isinstance(view := one.data.get("session"), dict)]
        shown = views[0] if views else {}
        fields = {key: shown[key] for key in _OF_VIEW if shown.get(key)}
        audio = deque(live_audio.stand_in(sideband.told))
        now = self._now
        self._now -= _age(sideband.told, now - audio[0].at if audio else 0.0)
        link = await self._dial("/live/sessions")
        own = _Session(
            steps=[], kind="primary", script=sideband.script, told=sideband.told, audio=audio, link=link
        )
        self._connections.append(own)
        self._live_id = self._simulator.sessions[-1].id
        start = {"type": "session.start", "session": {"model": "gpt-live-1", **fields}}
        await link.send(json.dumps(start))
        await self._wait(lambda: bool(link.events))
        for view in views:
            if isinstance(view.get("audio"), dict):
                view["audio"].setdefault("format", {"$of_websocket": True})  # calls have none
        await self._until(now)

    def _prepare(self, session: _Session) -> None:
        """Tell the simulator what the recorded session says."""
        if session.kind == "attach" and self._script is not None:
            return
        self._script, self._answered, self._heard = session.script, 0, 0
        self._simulator.on_timeline(session.script.timeline)
        if session.script.refusal is not None:
            error = session.script.refusal
            fields: dict[str, Any] = {
                key: str(error[key]) for key in ("code", "message", "type") if error.get(key)
            }
            self._simulator.fault("live_refusal", times=1, **fields)

    async def _closes(self, connection: _Session, close: Close) -> bool:
        ended = any(one.type == "session.closed" for one in connection.expected)
        if ended:
            await self._caused(connection)
        return ended

    def _compare_close(self, close: Close, code: int | None, reason: str | None) -> None:
        plain = (1000, 1001, 1005, 1006)
        if code is None or (close.code not in plain and close.code != code):
            self._comparison.value("close", close.pointer, {"code": close.code}, {"code": code})

    async def _request(self, recorded: Exchange, path: str) -> tuple[int, Mapping[str, str], str]:
        body = json.loads(recorded.body) if recorded.body else None
        transport = body.get("transport") if isinstance(body, dict) else None
        if (
            not isinstance(body, dict)
            or not isinstance(transport, dict)
            or transport.get("type") != "webrtc"
            or recorded.status != 201
        ):
            return await super()._request(recorded, path)
        session = next((one for one in self._connections if one.kind != "fork"), None)
        if session is not None:
            self._prepare(session)
        self._simulator.run_at(1)  # media pass in real time
        self._phone = phone = LivePhone(self._http)
        answer = await phone.create(path.removeprefix("/v1"), scripts.completed(body))
        if answer.status_code == 201:
            self._live_id = str(answer.json()["session"]["id"])
        return answer.status_code, answer.headers, answer.text

    # Comparing

    async def _judge(self, connection: _Session, events: Sequence[Mapping[str, Any]]) -> None:
        session_id = self._live_id
        if connection.kind != "attach" and session_id is not None:
            # A fork needs its source to be stored.
            await self._wait(lambda: self._simulator.session(session_id).ended is not None)
        side = Side(
            connection.expected,
            connection.messages,
            primary=connection.kind != "attach",
            timed=self._has_times,
            gaps=self._gaps(connection),
            partial=connection.filled or connection.waited > 1,
        )
        compare(self._comparison, side, events, connection.sent)
        for what in self._bindings.twice():
            self._comparison.add("/", what)

    def _gaps(self, connection: _Session) -> list[int]:
        """Return the numbers of a connection's events before which something was not recorded."""
        received = {id(one.event) for one in connection.expected}
        gaps, number = [], 0
        for step in self._recording.steps:
            if isinstance(step, Gap):
                gaps.append(number)
            elif isinstance(step, Message) and step.direction == "received":
                number += id(step.data) in received
        return gaps


def _age(messages: Sequence[Message], heard: float) -> float:
    """Return how old a session is, in seconds, when its sideband is attached: too old for the events of its
    start to be repeated, unless they were recorded, and so old that its usage is updated when it was.

    Args:
        messages: The messages of the sideband.
        heard: Seconds of audio before.
    """
    if any(message.type == "session.started" for message in messages):
        return 0.0
    least = max(heard, _REPEATED_SECONDS)
    updated = next((one.at for one in messages if one.type == "session.usage.updated"), None)
    if updated is None or messages[0].at is None:
        return least
    until = updated - messages[0].at
    return math.ceil((until + least) / USAGE_EVERY) * USAGE_EVERY - until


def _has_all(there: Sequence[Mapping[str, Any]], here: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether of each kind of event as much has come as was recorded."""
    wanted: dict[tuple[str, ...], int] = {}
    came: dict[tuple[str, ...], int] = {}
    for events, counts in ((there, wanted), (here, came)):
        for event in events:
            scripts.count(event, counts)
    return all(came.get(key, 0) >= number for key, number in wanted.items())


def _by_key(events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for event in events:
        found.setdefault(scripts.key_of(event), []).append(event)
    return found


# The recording's connections


def _sessions(recording: Recording) -> Iterator[_Session]:
    """Yield the connections of a recording."""
    is_later = False
    groups = list(grouped(recording, _starts_anew))
    of_sidebands = list(_of_sidebands(recording, groups))
    for steps in groups:
        messages = [step for step in steps if isinstance(step, Message)]
        if not messages:
            continue
        path = steps[0].path if isinstance(steps[0], Open) else ""
        audio = deque(live_audio.of_client(messages))
        filled = len(audio) > sum(map(live_audio.is_append, messages)) + _FILLED_MESSAGES
        kind = _kind(messages[0], path, is_later)
        told = of_sidebands if kind == "attach" else messages
        script = scripts.read(told)
        yield _Session(steps=steps, kind=kind, script=script, told=told, audio=audio, filled=filled)
        is_later = True


def _of_sidebands(recording: Recording, groups: Sequence[Steps]) -> Iterator[Message]:
    """Yield the messages of a session's sidebands, in order; an event that several received comes once."""
    attached: set[int] = set()
    for steps in groups:
        messages = [step for step in steps if isinstance(step, Message)]
        path = steps[0].path if isinstance(steps[0], Open) else ""
        if messages and _kind(messages[0], path, False) == "attach":
            attached |= set(map(id, messages))
    seen: set[str] = set()
    for step in recording.steps:
        if isinstance(step, Message) and id(step) in attached:
            event_id = str(step.data.get("event_id")) if step.direction == "received" else ""
            if event_id not in seen:
                yield step
            seen |= {event_id} - {"", "None"}


def _starts_anew(steps: Steps, message: Message) -> bool:
    """Return whether a message starts another session: without a model it forks the one before."""
    begun = any(isinstance(step, Message) and step.type == "session.started" for step in steps)
    session = message.data.get("session") if message.type == "session.start" else None
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
