"""Check the simulator against a recording: replay it, and compare the results with the recording.

The simulator runs in this process, with nothing but sockets between it and the recording. The client's
messages are sent again, each one once the events received before it have come; the model says and calls the
same as in the recording, and so does the user.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import attrs
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from realtime_simulator._conformance import live, script as scripts
from realtime_simulator._conformance.comparison import Comparison, Expected
from realtime_simulator._conformance.consistency import faults
from realtime_simulator._conformance.report import Report
from realtime_simulator._conformance.sdp_facts import facts
from realtime_simulator._core import event_loop
from realtime_simulator._core.outgoing import SILENT, unlogged
from realtime_simulator._engine.config import DEFAULT_MODEL
from realtime_simulator._engine.messages import without_nulls
from realtime_simulator._engine.turn import Action, Heard, Pacing, Transcript, Turn
from realtime_simulator._links import Link, Phone, WebSocketLink
from realtime_simulator._recordings import recording as recordings
from realtime_simulator._recordings.bindings import Bindings
from realtime_simulator._recordings.steps import (
    Close,
    Exchange,
    Gap,
    Message,
    Open,
    Recording,
    RecordingError,
)
from realtime_simulator._sessions.settings import Profile
from realtime_simulator._simulator.simulator import Simulator

PATIENCE = 5.0
"""Seconds to wait for an event that was recorded; each one that is missing halves them for the others.

They are counted in looks, before each of which the simulator has answered: a busy machine is given more time.
"""
_LEAST_PATIENCE = 0.3
_PLAYING_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_FEWEST_BYTES_PER_MS = 8  # G.711
_EDGE_MS = 250
"""How far apart the edges of speech may be."""
_SLOW = Pacing(first_audio=0.0, speed=0.02)
_SESSION_SECONDS = 3600.0
_STEP_SECONDS = 5.0
_PLACEHOLDER = re.compile(r"<client-id-\d+>")
_OWN_ID = re.compile(r"[0-9a-f]{24}")
_CALL = re.compile(r"sess_u\d+_.+")
_WRONG_KEY = "sk-wrong-key-of-a-recording-AAAA"
_REFUSED = {
    "missing_model": {},
    "invalid_api_key": {"model": DEFAULT_MODEL},
    "beta_api_shape_disabled": {"model": DEFAULT_MODEL},
    None: {"model": DEFAULT_MODEL},
}
_MODEL_IN_TEXT = re.compile(r'Model "([^"]+)"')
_HEADERS = ("content-type", "location", "access-control-allow-origin", "access-control-expose-headers")
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_OF_VIEW = (
    "type",
    "model",
    "output_modalities",
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "tracing",
    "truncation",
    "audio",
)


def conform(
    path: str | os.PathLike[str],
    profile: Profile = "openai",
    *,
    sound: bytes | Literal["recorded"] | None = None,
) -> Sequence[Report]:
    """Check the simulator against a recording, or against each session of a tape.

    Args:
        path: The file.
        profile: The service that was recorded.
        sound: What the user said, PCM16 mono at 24 kHz, or `recorded` for the audio of the recording itself:
            then the edges of speech are compared, too. None for sound that is made to have them.

    Returns:
        A report for each session.

    Raises:
        OSError: It can't be read.
        RecordingError: It is not a recording, or an event in it is broken.
    """
    return [check(recording, profile, sound=sound) for recording in recordings.read(path)]


def check(
    recording: Recording, profile: Profile = "openai", *, sound: bytes | Literal["recorded"] | None = None
) -> Report:
    """Check the simulator against a recording that has been read; see `conform`.

    Raises:
        RecordingError: An event in it is broken, or it has no sound to be played.
    """
    if not live.is_live(recording):
        return event_loop.run(_Play(recording, profile, sound).run())
    if sound is not None:
        raise RecordingError(f"{recording.name}: a Live session tells no edges of speech to compare")
    return live.check(recording)


class _Play:
    """One recording, and the simulator that it is played to."""

    def __init__(
        self, recording: Recording, profile: Profile, sound: bytes | Literal["recorded"] | None
    ) -> None:
        self._recording = recording = _with_own_ids(recording)
        self._profile, self._is_real = profile, sound is not None
        try:
            self._script = scripts.read(recording)
            if sound is None:
                self._audio = scripts.appended(recording)
            else:
                self._audio = scripts.real_sound(recording, None if sound == "recorded" else sound)
        except RecordingError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordingError(f"{recording.name}: an event has an unexpected shape: {error!r}") from error
        self._bindings = Bindings(given=set(_given(recording)))
        self._comparison = Comparison(self._bindings, profile)
        self._simulator = Simulator(
            espeak=False,
            pacing=_SLOW if self._script.slow else "none",
            # The slow pace, and advancing the clock, must not end a session that did not end.
            session_seconds=_SESSION_SECONDS * (1 if _expires(recording) else 1000),
            profile=profile,
            models=list(_models(recording)),
        )
        self._answered = self._heard = self._compared = 0
        self._patience = PATIENCE
        self._secret: str | None = None
        self._phone: Phone | None = None

    async def run(self) -> Report:
        """Play it, and return the report."""
        simulator = self._simulator
        simulator.on_response(self._answer)
        simulator.on_speech(self._hear)
        simulator.on_translation(lambda words, language: self._script.translated)
        for label, tools in self._script.tools.items():
            simulator.mcp_server(label, tools)
        async with simulator:
            headers = {"authorization": f"Bearer {simulator.api_key}"}
            with unlogged():
                # On loopback without TLS: no proxy of the environment, and no certificates read for nothing.
                async with httpx.AsyncClient(
                    base_url=simulator.base_url, headers=headers, trust_env=False, verify=False, timeout=30
                ) as http:
                    self._http = http
                    for part in _parts(self._recording):
                        if isinstance(part, Exchange):
                            await self._exchange(part)
                        else:
                            await self._connection(part)
            if self._phone is not None:
                await self._phone.close()
        return Report(
            name=self._recording.name,
            compared=self._compared,
            differences=self._comparison.differences,
            known=self._comparison.known,
        )

    # The words of the model and the user; these methods run in the simulator's thread

    async def _answer(self, turn: Turn) -> list[Action]:
        number, self._answered = self._answered, self._answered + 1
        if number >= len(self._script.answers):
            return []
        answer = self._script.answers[number]
        if answer.cancelled and not answer.actions:
            await asyncio.Event().wait()  # it was cancelled before it said anything
        return list(answer.actions)

    def _hear(self, heard: Heard) -> Transcript:
        if heard.session.get("type") == "translation":
            return Transcript(self._script.spoken)
        number, self._heard = self._heard, self._heard + 1
        words = self._script.words[number] if number < len(self._script.words) else Transcript()
        return words

    # One connection

    async def _connection(self, steps: Sequence[Open | Message | Close]) -> None:
        """Play what happened on one connection, from its first message to its close."""
        expected: list[Expected] = []
        begun = time.time()
        try:
            link = await self._open(steps)
        except (OSError, WebSocketException) as error:
            self._comparison.add(
                steps[0].pointer, f"a connection was recorded, the simulator refuses: {error}"
            )
            return
        try:
            for step in steps:
                if isinstance(step, Close):
                    await self._close(link, step)
                elif isinstance(step, Message) and step.direction == "sent":
                    await link.send(self._outgoing(step))
                elif isinstance(step, Message):
                    expected.append(Expected(pointer=step.pointer, event=step.data))
                    await self._await(link, expected)
        finally:
            await link.close()
        self._compared += len(expected)
        self._comparison.events(expected, link.events)
        if self._is_real:
            self._compare_edges(expected, link.events)
        for number, what in faults(link.events, now=begun, sent_ms=self._sent_ms(steps)):
            self._comparison.add(
                steps[0].pointer, f"{link.events[number].get('type')} ({number + 1}.) has {what}"
            )

    def _compare_edges(self, expected: Sequence[Expected], actual: Sequence[Mapping[str, Any]]) -> None:
        """Compare where speech begins and ends; missing and further edges are differences of the order."""
        if self._profile == "xai":
            return  # its service counts from elsewhere
        for kind, name in scripts.EDGES.items():
            there = [one for one in expected if one.type == kind]
            here = [event for event in actual if event.get("type") == kind]
            for one, event in zip(there, here, strict=False):
                was, now = one.event[name], event[name]
                if abs(was - now) > _EDGE_MS:
                    self._comparison.add(
                        f"{one.pointer}/{name}", f"recorded {was} ms, the simulator hears it at {now} ms"
                    )

    def _sent_ms(self, steps: Sequence[Open | Message | Close]) -> float | None:
        """Return how much audio the client sends on a connection, at most; None where it goes another way."""
        if self._phone is not None:
            return None
        audio = [base64.b64decode(self._audio[step.pointer]) for step in steps if step.pointer in self._audio]
        return sum(map(len, audio)) / _FEWEST_BYTES_PER_MS if audio else None

    def _outgoing(self, step: Message) -> str | bytes:
        if not step.type:
            data: str | bytes = step.data
            return data
        event = self._bindings.translated(step.data)
        if step.pointer in self._audio:
            event["audio"] = self._audio[step.pointer]
        return json.dumps(event)

    async def _await(self, link: Link, expected: Sequence[Expected]) -> None:
        """Wait for the counterpart of the last of the expected events, and cause it where that is needed."""
        one = expected[-1]
        kind = one.type
        interim = _interim(one.event)

        def alike(event: Mapping[str, Any]) -> bool:
            return event.get("type") == kind and _interim(event) == interim

        number = sum(alike(other.event) for other in expected)
        needed = 1 if interim else number
        if self._phone is not None and kind.startswith("input_audio_buffer.speech_"):
            self._phone.speak(kind.endswith("started"))
        plays = kind.startswith("output_audio_buffer.")
        looks = 0
        patience = max(self._patience, _PLAYING_SECONDS if plays and self._patience == PATIENCE else 0)
        while sum(map(alike, link.events)) < needed:
            if looks * _LOOK_SECONDS > patience or link.closed is not None:
                self._patience = max(_LEAST_PATIENCE, self._patience / 2)
                return
            link.news.clear()
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await link.news.wait()
            except TimeoutError:
                looks += 1
                await self._pass_time(one, expected, looks * _LOOK_SECONDS)
                await link.settle()
        if not interim:
            came = [event for event in link.events if alike(event)]
            self._bindings.learn(one.event, came[number - 1])

    async def _pass_time(self, one: Expected, expected: Sequence[Expected], waited: float) -> None:
        """Advance the simulator's clock where the expected event depends on time."""
        seconds = 0.0
        if one.type == "error" and one.event["error"].get("code") == "session_expired":
            seconds = _SESSION_SECONDS
        elif one.type == "input_audio_buffer.timeout_triggered":
            seconds = 1.0
        elif self._script.slow:
            begun = sum(other.type == "response.created" for other in expected)
            cancelled = begun > 0 and self._script.answers[begun - 1].cancelled
            # A response that was cancelled continues slowly: it must not end by itself.
            if not cancelled or waited > _LEAST_PATIENCE:
                seconds = _STEP_SECONDS * (1 if cancelled else 100)
        if seconds:
            await asyncio.to_thread(self._simulator.advance, seconds)

    async def _close(self, link: Link, step: Close) -> None:
        """Close as it was recorded, or wait until the simulator does."""
        in_call = self._phone is not None
        # A connection that the client closed, that was cut, or that ended with its call: recordings
        # don't distinguish these.
        plain = step.code in (1000, 1005, 1006) and not step.reason
        if step.by == "client" or (plain and step.by is None and not in_call):
            await link.close()
            return
        if in_call and link.closed is None:
            await self._end_call()
        looks = 0
        while link.closed is None and looks * _LOOK_SECONDS < self._patience:
            await asyncio.sleep(_LOOK_SECONDS)
            await link.settle()
            looks += 1
        code, reason = link.closed or (None, None)
        self._compared += 1
        if in_call and plain and code in (1000, 1006):
            return
        wanted = {"code": step.code, "reason": step.reason}
        self._comparison.value("close", step.pointer, wanted, {"code": code, "reason": reason})

    async def _end_call(self) -> None:
        assert self._phone is not None
        await self._http.post(f"/realtime/calls/{self._phone.call_id}/hangup")

    # Opening one

    async def _open(self, steps: Sequence[Open | Message | Close]) -> Link:
        """Open the connection on which a recorded one's events come."""
        first: Mapping[str, Any] = next(
            (step.data for step in steps if isinstance(step, Message) and step.direction == "received"), {}
        )
        opened = next((step for step in steps if isinstance(step, Open)), None)
        kind = first.get("type")
        view = first.get("session") or {}
        if opened is not None and "call_id" not in opened.query:
            path = opened.path.removeprefix("/v1")
            return await self._dial(path, opened.query, *_refusal(first))
        if kind == "error":
            found = _MODEL_IN_TEXT.search(str(first["error"].get("message")))
            query = (
                {"model": found[1]}
                if found
                else _REFUSED.get(first["error"].get("code"), {"model": DEFAULT_MODEL})
            )
            return await self._dial("/realtime", query, *_refusal(first))
        if kind == "session.created" and _CALL.fullmatch(str(view.get("id"))):
            return await self._call(view)
        if kind == "session.created" and view.get("type") == "translation":
            return await self._dial("/realtime/translations", {"model": str(view.get("model"))})
        if kind == "session.created" and view.get("type") == "transcription":
            return await self._dial("/realtime", {"intent": "transcription"})
        if kind == "session.created" or not kind:
            return await self._dial("/realtime", {"model": str(view.get("model") or DEFAULT_MODEL)})
        # A sideband does not receive the beginning of its session.
        views = (
            step.data.get("session")
            for step in steps
            if isinstance(step, Message) and step.direction == "received"
        )
        phone = await self._call(next((view for view in views if view), {}))
        return await self._dial("/realtime", {"call_id": phone.call_id})

    async def _call(self, view: Mapping[str, Any]) -> Phone:
        """Create a call whose session begins as a view shows it."""
        if self._phone is None:
            session = without_nulls({key: value for key, value in view.items() if key in _OF_VIEW})
            self._phone = Phone(self._http)
            await self._phone.call({"type": "realtime", "model": DEFAULT_MODEL, **session})
        return self._phone

    async def _dial(
        self,
        path: str,
        query: Mapping[str, str],
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> WebSocketLink:
        sent = dict(headers or {})
        if key is not None:
            sent["authorization"] = f"Bearer {key or self._simulator.api_key}"
        address = self._simulator.base_url.replace("http", "ws", 1) + path
        websocket = await connect(
            f"{address}?{urlencode(query)}", additional_headers=sent, max_size=None, logger=SILENT, proxy=None
        )
        return WebSocketLink(websocket)

    # HTTP

    async def _exchange(self, recorded: Exchange) -> None:
        """Make a recorded request, and compare the answer."""
        path = self._bindings.inside(recorded.path)
        kind = f"{recorded.method} {path}"
        status, headers, content = await self._request(recorded, path)
        self._compared += 1
        comparison, pointer = self._comparison, f"{recorded.pointer}/response"
        comparison.value(kind, f"{pointer}/status/code", recorded.status, status, ("status",))
        for name in _HEADERS:
            if name in recorded.answer_headers:
                comparison.header(
                    kind, f"{pointer}/headers/{name}", name, recorded.answer_headers[name], headers.get(name)
                )
        place = f"{pointer}/body"
        if isinstance(recorded.answer, str) and recorded.answer.startswith("v=0"):
            comparison.value(kind, place, facts(recorded.answer), facts(content), ("sdp",))
            return
        try:
            answer = json.loads(content or "null")
        except ValueError:
            answer = content
        if isinstance(answer, Mapping) and str(answer.get("value")).startswith("ek_"):
            self._secret = answer["value"]
        comparison.value(kind, place, recorded.answer, answer, ("body",))

    async def _request(self, recorded: Exchange, path: str) -> tuple[int, Mapping[str, str], str]:
        rest = path.removeprefix("/v1")
        headers = {
            name: recorded.headers[name] for name in ("content-type", "accept") if name in recorded.headers
        }
        raw = headers.get("content-type") == "application/sdp"
        if recorded.status == 401:
            headers["authorization"] = f"Bearer {_WRONG_KEY}"
        elif raw and self._secret is not None:
            headers["authorization"] = f"Bearer {self._secret}"
        if recorded.method == "GET":
            try:
                link = await self._dial(rest, recorded.query, _WRONG_KEY if recorded.status == 401 else "")
            except InvalidStatus as refused:
                response = refused.response
                return response.status_code, dict(response.headers), bytes(response.body or b"").decode()
            await link.close()
            return 101, {}, ""
        answer = await self._http.request(
            recorded.method, rest, params=dict(recorded.query), headers=headers, content=recorded.body
        )
        return answer.status_code, answer.headers, answer.text


def _parts(recording: Recording) -> Iterator[Exchange | Sequence[Open | Message | Close]]:
    """Yield HTTP exchanges, and the steps of each connection."""
    steps: list[Open | Message | Close] = []
    for step in recording.steps:
        if isinstance(step, Exchange):
            yield step
            continue
        if isinstance(step, Gap):
            continue
        if isinstance(step, Open) and steps:
            yield steps
            steps = []
        steps.append(step)
        if isinstance(step, Close):
            yield steps
            steps = []
    if steps:
        yield steps


def _refusal(first: Mapping[str, Any]) -> tuple[str | None, Mapping[str, str]]:
    """Return the key and the headers for which a WebSocket was refused."""
    error = first.get("error") or {}
    if error.get("code") == "invalid_api_key":
        return _WRONG_KEY, {}
    if error.get("code") == "beta_api_shape_disabled":
        return "", {"openai-beta": "realtime=v1"}
    if "Missing bearer" in str(error.get("message")):
        return None, {}
    return "", {}


def _interim(event: Mapping[str, Any]) -> bool:
    """Tell whether a server sends as many of these events as it likes: pieces, and interim transcripts."""
    kind = str(event.get("type"))
    interim = kind.endswith(".delta") or (kind.startswith(_TRANSCRIPTION) and kind.endswith(".updated"))
    return interim or (kind.startswith(_TRANSCRIPTION) and event.get("status") == "in_progress")


def _expires(recording: Recording) -> bool:
    return any(
        message.type == "error" and message.data["error"].get("code") == "session_expired"
        for message in recording.messages("received")
    )


def _models(recording: Recording) -> Iterator[str]:
    """Yield the models that the recording shows to be known."""
    for message in recording.messages("received"):
        if message.type == "session.created" and message.data["session"].get("model"):
            yield str(message.data["session"]["model"])


def _with_own_ids(recording: Recording) -> Recording:
    """Return a recording with the client's own ids in its messages, in place of placeholders."""
    placeholders = dict.fromkeys(
        text
        for step in recording.messages("sent")
        for text in _texts(step.data)
        if _PLACEHOLDER.fullmatch(text)
    )
    seen = (text for step in recording.messages("received") for text in _texts(step.data))
    own = dict.fromkeys(text for text in seen if _OWN_ID.fullmatch(text))
    ids = Bindings(ids=dict(zip(placeholders, own, strict=False)))
    steps = [
        attrs.evolve(step, data=ids.translated(step.data))
        if isinstance(step, Message) and step.direction == "sent"
        else step
        for step in recording.steps
    ]
    return attrs.evolve(recording, steps=steps)


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
