"""The Realtime API for the player of recordings.

Events are waited for in real time, with sound in which speech begins and ends where it was recorded; the
simulator's clock is advanced where an event depends on time.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

from realtime_simulator._conformance import play, script as scripts
from realtime_simulator._conformance.comparison import Expected, is_partial
from realtime_simulator._conformance.play import LOOK_SECONDS, WRONG_KEY, Connection, Play, Steps
from realtime_simulator._consistency import faults
from realtime_simulator._core.profile import PROFILES, ProfileName
from realtime_simulator._core.schema import value_at
from realtime_simulator._engine.config import DEFAULT_MODEL
from realtime_simulator._engine.messages import without_nulls
from realtime_simulator._engine.turn import Action, Heard, Pacing, Transcript
from realtime_simulator._links import Link, Phone
from realtime_simulator._recordings.bindings import Bindings
from realtime_simulator._recordings.lines import is_number
from realtime_simulator._recordings.steps import Close, Message, Open, Recording, RecordingError, Step
from realtime_simulator._simulator.simulator import Simulator

_LEAST_PATIENCE = 0.3
"""Seconds; each event that is missing halves the patience for the others, down to this."""
_PLAYING_SECONDS = 60.0
_FEWEST_BYTES_PER_MS = 8  # G.711
_EDGE_MS = 250
"""How far apart the edges of speech may be."""
_SLOW = Pacing(first_audio=0.0, speed=0.02)
_SESSION_SECONDS = 3600.0
_STEP_SECONDS = 5.0
_PLACEHOLDER = re.compile(r"<client-id-\d+>")
_OWN_ID = re.compile(r"[0-9a-f]{24}")
_CALL = re.compile(r"sess_u\d+_.+")
_MODEL_IN_TEXT = re.compile(r'Model "([^"]+)"')
_OBJECTS = ("session", "response", "item", "error")
"""The fields that are objects or null in events of any type."""
_NEEDED: Mapping[str, Mapping[str, type]] = {
    "session.created": {"session": Mapping},
    "session.updated": {"session": Mapping},
    "response.created": {"response": Mapping, "response.id": str},
    "response.done": {
        "response": Mapping,
        "response.id": str,
        "response.status": str,
        "response.output": list,
    },
    "response.output_item.added": {"response_id": str, "item": Mapping, "item.id": str},
    "response.output_item.done": {"response_id": str, "item": Mapping, "item.id": str},
    "conversation.item.added": {"item": Mapping},
    "conversation.item.done": {"item": Mapping},
    "conversation.item.input_audio_transcription.completed": {"item_id": str},
    "conversation.item.input_audio_transcription.failed": {"item_id": str, "error": Mapping},
    "input_audio_buffer.committed": {"item_id": str},
    **{kind: {"item_id": str, "delta": str} for kind in scripts.WORDS},
    "session.input_transcript.delta": {"delta": str},
    "session.output_transcript.delta": {"delta": str},
    **{kind: {field: float} for kind, field in scripts.EDGES.items()},
    "error": {"error": Mapping},
}
"""The fields without which an event can't be played, by its type; `float` is any number."""
_NEEDED_CALL: Mapping[str, type] = {"name": str, "arguments": str}
_NEEDED_MCP: Mapping[str, type] = {"server_label": str, **_NEEDED_CALL}
_NEEDED_OF_ITEMS = {
    "function_call": _NEEDED_CALL,
    "mcp_call": _NEEDED_MCP,
    "mcp_approval_request": _NEEDED_MCP,
}
_KINDS: Mapping[type, str] = {Mapping: "an object", list: "a list", str: "a text", float: "a number"}
_MODEL_WITHOUT_PHASES = "gpt-realtime"
_CAUSES = ("response.create", "input_audio_buffer.committed")
"""The events that cause a response."""
_OF_ITEM = ("type", "role", "content", "call_id", "output")
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


class RealtimePlay(Play[Connection]):
    """A recording of the Realtime API, and the simulator that it is played to.

    Args:
        recording: The recording.
        profile: The service that was recorded.
        sound: See `conform`.
    """

    def __init__(
        self, recording: Recording, profile: ProfileName, sound: bytes | Literal["recorded"] | None
    ) -> None:
        for message in recording.messages("received"):
            _check_shape(recording.name, message)
        if not PROFILES[profile].is_strict:
            recording = _without_refused_settings(recording)
        recording = _with_own_ids(_from_whole_responses(recording))
        self._is_real = sound is not None
        self._script = scripts.read(recording)
        if sound is None:
            self._audio = scripts.appended(recording)
        else:
            self._audio = scripts.real_sound(recording, None if sound == "recorded" else sound)
        simulator = Simulator(
            espeak=False,
            pacing=_SLOW if self._script.slow else "none",
            # The slow pace, and advancing the clock, must not end a session that did not end.
            session_seconds=_SESSION_SECONDS * (1 if _expires(recording) else 1000),
            profile=profile,
            models=list(_models(recording)),
        )
        simulator.on_translation(lambda words, language: self._script.translated)
        for label, tools in self._script.tools.items():
            simulator.mcp_server(label, tools)
        groups = play.grouped(recording, lambda steps, message: False)
        super().__init__(recording, simulator, [Connection(steps) for steps in groups], profile)
        self._patience = play.PATIENCE
        self._uncaused = dict(_uncaused(recording))

    def _actions(self, number: int) -> Sequence[Action] | None:
        if number >= len(self._script.answers):
            return []
        answer = self._script.answers[number]
        return answer.actions if answer.actions or not answer.cancelled else None

    def _hear(self, heard: Heard) -> Transcript:
        if heard.session.get("type") == "translation":
            return Transcript(self._script.spoken)
        number, self._heard = self._heard, self._heard + 1
        return self._script.words[number] if number < len(self._script.words) else Transcript()

    async def _judge(self, connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
        self._comparison.events(connection.expected, events)
        if self._is_real and self._profile != "xai":  # whose service counts from elsewhere
            self._compare_edges(connection.expected, events)
        for number, what in faults([one.event for one in connection.expected]):
            self._comparison.add(connection.expected[number].pointer, f"was recorded with {what}")
        for number, what in faults(events, now=connection.begun, sent_ms=self._sent_ms(connection.steps)):
            self._comparison.add(
                connection.steps[0].pointer, f"{events[number].get('type')} ({number + 1}.) has {what}"
            )

    def _compare_edges(self, expected: Sequence[Expected], actual: Sequence[Mapping[str, Any]]) -> None:
        """Compare where speech begins and ends; missing and further edges are differences of the order."""
        for kind, name in scripts.EDGES.items():
            there = [one for one in expected if one.type == kind]
            here = [event for event in actual if event.get("type") == kind]
            for one, event in zip(there, here, strict=False):
                was, now = one.event[name], event[name]
                if abs(was - now) > _EDGE_MS:
                    self._comparison.add(
                        f"{one.pointer}/{name}", f"recorded {was} ms, the simulator hears it at {now} ms"
                    )

    def _sent_ms(self, steps: Steps) -> float | None:
        """Return how much audio the client sends on a connection, at most; None where it goes another way."""
        if self._phone is not None:
            return None
        audio = [base64.b64decode(self._audio[step.pointer]) for step in steps if step.pointer in self._audio]
        return sum(map(len, audio)) / _FEWEST_BYTES_PER_MS if audio else None

    def _outgoing(self, message: Message) -> Any:
        event = super()._outgoing(message)
        if message.pointer in self._audio:
            event["audio"] = self._audio[message.pointer]
        return event

    # Time

    async def _caused(self, connection: Connection) -> None:
        assert connection.link is not None
        for number in range(connection.awaited, len(connection.expected)):
            await self._await(connection.link, connection.expected[: number + 1])
        connection.awaited = len(connection.expected)

    async def _await(self, link: Link, expected: Sequence[Expected]) -> None:
        """Wait for the counterpart of the last of the expected events, and cause it where that is needed."""
        one = expected[-1]
        kind = one.type
        interim = is_partial(one.event)

        def alike(event: Mapping[str, Any]) -> bool:
            return str(event.get("type")) == kind and is_partial(event) == interim

        number = sum(alike(other.event) for other in expected)
        needed = 1 if interim else number
        if self._phone is not None and kind.startswith("input_audio_buffer.speech_"):
            self._phone.speak(kind.endswith("started"))
        if (cause := self._uncaused.get(one.pointer)) is not None:
            await (self._phone or link).send(json.dumps(self._bindings.translated(cause)))
        plays = kind.startswith("output_audio_buffer.")
        looks = 0
        patience = max(self._patience, _PLAYING_SECONDS if plays and self._patience == play.PATIENCE else 0)
        while sum(map(alike, link.events)) < needed:
            if looks * LOOK_SECONDS > patience or link.closed is not None:
                self._patience = max(_LEAST_PATIENCE, self._patience / 2)
                return
            link.news.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await link.news.wait()
            except TimeoutError:
                looks += 1
                await self._pass_time(one, expected, looks * LOOK_SECONDS)
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

    # Opening and closing

    async def _open(self, connection: Connection) -> Link:
        for other in self._connections:  # the one before, whose end was not recorded
            await self._end(other)
        received = [message.data for message in connection.messages if message.direction == "received"]
        first: Mapping[str, Any] = next(iter(received), {})
        opened = next((step for step in connection.steps if isinstance(step, Open)), None)
        kind = first.get("type")
        view = first.get("session") or {}
        if opened is not None and "call_id" not in opened.query:
            return await self._dial(opened.path.removeprefix("/v1"), opened.query, *_refusal(first))
        if kind == "error":
            found = _MODEL_IN_TEXT.search(str(first["error"].get("message")))
            query = {"model": found[1] if found else DEFAULT_MODEL}
            if first["error"].get("code") == "missing_model":
                query = {}
            return await self._dial("/realtime", query, *_refusal(first))
        if kind == "session.created" and _CALL.fullmatch(str(view.get("id"))):
            return await self._call(view)
        if kind == "session.created" and view.get("type") == "translation":
            return await self._dial("/realtime/translations", {"model": str(view.get("model"))})
        if kind == "session.created" and view.get("type") == "transcription":
            return await self._dial("/realtime", {"intent": "transcription"})
        if kind == "session.created" or not kind:
            return await self._dial("/realtime", {"model": str(view.get("model") or DEFAULT_MODEL)})
        # A sideband does not receive the beginning of its session, nor does a recording that begins later.
        view = next((event["session"] for event in received if event.get("session")), None)
        view = _view(received) if view is None else view
        if not any(event["type"] == "response.output_audio.delta" for event in received):
            phone = await self._call(view)
            return await self._dial("/realtime", {"call_id": phone.call_id})
        link = await self._dial("/realtime", {"model": str(view.get("model") or DEFAULT_MODEL)})
        await link.send(json.dumps({"type": "session.update", "session": _settings(view)}))
        await self._wait(lambda: len(link.events) > 1)
        link.events.clear()
        return link

    async def _call(self, view: Mapping[str, Any]) -> Phone:
        """Create a call whose session begins as a view shows it."""
        if self._phone is None:
            self._phone = Phone(self._http)
            await self._phone.call({"model": DEFAULT_MODEL, **_settings(view)})
        return self._phone

    async def _closes(self, connection: Connection, close: Close) -> bool:
        await self._caused(connection)
        # A connection that the client closed, that was cut, or that ended with its call: recordings
        # don't distinguish these.
        if close.by == "client" or (_is_plain(close) and close.by is None and self._phone is None):
            return False
        if self._phone is not None and connection.link is not None and connection.link.closed is None:
            await self._http.post(f"/realtime/calls/{self._phone.call_id}/hangup")
        return True

    def _compare_close(self, close: Close, code: int | None, reason: str | None) -> None:
        if self._phone is None or not _is_plain(close) or code not in (1000, 1006):
            wanted = {"code": close.code, "reason": close.reason}
            self._comparison.value("close", close.pointer, wanted, {"code": code, "reason": reason})


def _check_shape(name: str, message: Message) -> None:
    """Check that a received event has what its replay depends on.

    Raises:
        RecordingError: It is missing, or of another type.
    """

    def check(path: str, value: Any, kind: type) -> None:
        if not (is_number(value) if kind is float else isinstance(value, kind)):
            raise RecordingError(
                f"{name}: {message.pointer}: '{path}' of {message.type} is missing or not {_KINDS[kind]}"
            )

    for field in _OBJECTS:
        if message.data.get(field) is not None:
            check(field, message.data[field], Mapping)
    for path, kind in _NEEDED.get(message.type, {}).items():
        check(path, value_at(message.data, *path.split(".")), kind)
    items: dict[str, Any] = {}
    if message.type == "response.output_item.done":
        items["item"] = message.data["item"]
    elif message.type == "response.done":
        output = message.data["response"]["output"]
        items = {f"response.output[{number}]": item for number, item in enumerate(output)}
    for path, item in items.items():
        check(path, item, Mapping)
        for field, kind in _NEEDED_OF_ITEMS.get(str(item.get("type")), {}).items():
            check(f"{path}.{field}", item.get(field), kind)


def _settings(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with which a session is as a view shows it."""
    shown = {key: value for key, value in view.items() if key in _OF_VIEW}
    return {"type": "realtime", **without_nulls(shown)}


def _view(received: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what the responses and items of a session that is not shown tell of it."""
    response: Mapping[str, Any] = next(
        (event["response"] for event in received if event["type"] == "response.created"), {}
    )
    items = (event.get("item") or {} for event in received)
    model = DEFAULT_MODEL if any("phase" in item for item in items) else _MODEL_WITHOUT_PHASES
    return {"model": model, **{key: response[key] for key in _OF_VIEW if response.get(key)}}


def _from_whole_responses(recording: Recording) -> Recording:
    """Return a recording without the response that had begun before it did, which cannot be replayed."""
    received = list(recording.messages("received"))
    if any(message.type in ("session.created", "error") for message in received[:1]):
        return recording
    responses = {
        message.data["response"].get("id") for message in received if message.type == "response.created"
    }
    items: set[str] = set()  # of the response that is left out
    shown: set[str] = set()
    steps: list[Step] = []
    left_out: list[str] = []
    for step in recording.steps:
        if not isinstance(step, Message) or step.direction == "sent":
            steps.append(step)
            continue
        event = dict(step.data)
        of = event.get("response_id") or (event.get("response") or {}).get("id")
        item = event.get("item_id") or (event.get("item") or {}).get("id")
        is_limit = step.type == "rate_limits.updated" and not shown and left_out
        if (of is not None and of not in responses) or item in items or is_limit:
            items.update([item] if item else [])
            left_out.append(step.pointer)
            continue
        shown.update([item] if item else [])
        before = event.get("previous_item_id")
        if before is not None and before not in shown:
            event["previous_item_id"] = {"$before": "the beginning of the recording"}
        steps.append(attrs.evolve(step, data=event))
    unread = list(recording.unread)
    if left_out:
        what = f"the recording begins amid a response, whose {len(left_out)} events are left out"
        unread.append(f"{left_out[0]}: {what}")
    return attrs.evolve(recording, steps=steps, unread=unread)


def _without_refused_settings(recording: Recording) -> Recording:
    """Return a recording without the updates that the service refused, and without their errors.

    Which settings it refuses is not known, so that the simulator keeps them all.
    """
    update: Message | None = None
    left_out: list[Message] = []
    unread: list[str] = []
    for step in recording.steps:
        if not isinstance(step, Message):
            continue
        if step.type == "session.update":
            update = step
        elif step.type == "session.updated":
            update = None
        elif step.type == "error" and update is not None:
            left_out += [update, step]
            unread.append(f"{step.pointer}: not comparable: which settings this service refuses is not known")
            update = None
    steps = [step for step in recording.steps if not any(step is one for one in left_out)]
    return attrs.evolve(recording, steps=steps, unread=[*recording.unread, *unread])


def _uncaused(recording: Recording) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the pointers of updates, responses and items that nothing in the recording caused, with the
    event by which the other side of the call can have caused them."""
    causes = updates = 0
    items = sum(message.type == "conversation.item.create" for message in recording.messages("sent"))
    for step in recording.steps:
        if not isinstance(step, Message) or not step.type:
            continue
        if step.type in _CAUSES:
            causes += 1
        elif step.type == "session.update":
            updates += 1
        elif step.type == "session.updated":
            if not updates:
                yield step.pointer, {"type": "session.update", "session": _settings(step.data["session"])}
        elif step.type == "response.created":
            if causes:
                causes -= 1
            else:
                yield step.pointer, {"type": "response.create"}
        elif step.type == "conversation.item.added" and not items:
            item = {key: value for key, value in step.data["item"].items() if key in _OF_ITEM}
            parts = item.get("content") or ()
            is_text = item.get("role") == "user" and all(part.get("type") == "input_text" for part in parts)
            if is_text or item.get("type") == "function_call_output":
                yield step.pointer, {"type": "conversation.item.create", "item": item}


def _is_plain(close: Close) -> bool:
    return close.code in (1000, 1005, 1006) and not close.reason


def _refusal(first: Mapping[str, Any]) -> tuple[str | None, Mapping[str, str]]:
    """Return the key and the headers for which a WebSocket was refused."""
    error = first.get("error") or {}
    if error.get("code") == "invalid_api_key":
        return WRONG_KEY, {}
    if error.get("code") == "beta_api_shape_disabled":
        return "", {"openai-beta": "realtime=v1"}
    if "Missing bearer" in str(error.get("message")):
        return None, {}
    return "", {}


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
        for text in play.texts(step.data)
        if _PLACEHOLDER.fullmatch(text)
    )
    seen = (text for step in recording.messages("received") for text in play.texts(step.data))
    own = dict.fromkeys(text for text in seen if _OWN_ID.fullmatch(text))
    ids = Bindings(ids=dict(zip(placeholders, own, strict=False)))
    steps = [
        attrs.evolve(step, data=ids.translated(step.data))
        if isinstance(step, Message) and step.direction == "sent"
        else step
        for step in recording.steps
    ]
    return attrs.evolve(recording, steps=steps)
