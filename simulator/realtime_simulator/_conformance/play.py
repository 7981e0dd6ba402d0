"""Play a recording to a simulator, whatever it is a recording of: the one player of `conform`.

The simulator runs in this process, with nothing but sockets between it and the recording. The client's
messages are sent again, each one once the events received before it have come; the model says and calls the
same as in the recording, and so does the user. What differs between the APIs is in the subclasses: how a
connection opens, how time passes, which audio is sent, and how the events are compared.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import attrs
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from realtime_simulator._conformance.comparison import Comparison, Difference, Expected
from realtime_simulator._conformance.known import Known
from realtime_simulator._conformance.sdp_facts import facts
from realtime_simulator._core.outgoing import SILENT, unlogged
from realtime_simulator._core.profile import PROFILES
from realtime_simulator._engine.turn import Action, Heard, Transcript, Turn
from realtime_simulator._links import Link, Phone, WebSocketLink
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
from realtime_simulator._scenario.live_script import completed
from realtime_simulator._simulator.simulator import Simulator

PATIENCE = 5.0
"""Seconds to wait for what was recorded, counted in looks, before each of which the simulator has answered: a
busy machine is given more time."""
LOOK_SECONDS = 0.05
WRONG_KEY = "sk-wrong-key-of-a-recording-AAAA"
_HEADERS = ("content-type", "location", "access-control-allow-origin", "access-control-expose-headers")
_SOCKETS = ("/realtime", "/translations", "/sessions", "/attach", "/fork")
"""How the paths of WebSockets end."""

Steps = Sequence[Open | Message | Close]


@attrs.frozen(kw_only=True)
class Report:
    """The result for one recording.

    Args:
        name: The recording.
        compared: How many events, answers and closes were compared.
        differences: The differences from the recording.
        known: The intended differences, with their reasons.
        unread: What of the recording was not compared, with the reason.
    """

    name: str
    compared: int
    differences: Sequence[Difference]
    known: Sequence[tuple[Difference, Known]]
    unread: Sequence[str] = ()

    @property
    def conforms(self) -> bool:
        return not self.differences


@attrs.define
class Connection:
    """One connection of the recording, and its counterpart.

    Args:
        steps: All its steps, in order.
        link: The open connection.
        expected: The events that were recorded so far.
        awaited: How many of them were waited for.
        sent: What was sent beside scheduled audio, each with the number of events that had come before.
        begun: When it was opened, in unix seconds.
        is_over: Whether it was refused, or has ended.
    """

    steps: Steps
    link: Link | None = None
    expected: list[Expected] = attrs.field(factory=list)
    awaited: int = 0
    sent: list[tuple[int, Message]] = attrs.field(factory=list)
    begun: float = 0.0
    is_over: bool = False

    @property
    def messages(self) -> list[Message]:
        return [step for step in self.steps if isinstance(step, Message)]


C = TypeVar("C", bound=Connection)


class Play(ABC, Generic[C]):
    """One recording, and the simulator that it is played to.

    Args:
        recording: The recording.
        simulator: The simulator, which is not running yet.
        connections: The recording's connections.
        profile: The service that was recorded.
    """

    def __init__(
        self,
        recording: Recording,
        simulator: Simulator,
        connections: Sequence[C],
        profile: str = "openai",
    ) -> None:
        for message in (step for step in recording.steps if isinstance(step, Message)):
            if message.direction == "received" and not message.type:
                raise RecordingError(
                    f"{recording.name}: {message.pointer}: what was received is not an event"
                )
        self._recording, self._simulator = recording, simulator
        self._bindings = Bindings(given=set(_given(recording)))
        self._profile = profile
        self._comparison = Comparison(self._bindings, profile)
        self._connections = list(connections)
        self._of = {id(step): one for one in connections for step in one.steps}
        self._compared = self._answered = self._heard = 0
        self._unread = list(recording.unread)
        self._secret: str | None = None
        self._phone: Phone | None = None

    async def run(self) -> Report:
        """Play it, and return the report."""
        simulator = self._simulator
        simulator.on_response(self._answer)
        simulator.on_speech(self._hear)
        async with simulator:
            headers = {"authorization": f"Bearer {simulator.api_key}"}
            with unlogged():
                # On loopback without TLS: no proxy of the environment, and no certificates read for nothing.
                async with httpx.AsyncClient(
                    base_url=simulator.base_url, headers=headers, trust_env=False, verify=False, timeout=30
                ) as http:
                    self._http = http
                    try:
                        for step in self._recording.steps:
                            await self._step(step)
                        for connection in self._connections:
                            await self._end(connection)
                    finally:
                        for link in (*(one.link for one in self._connections), self._phone):
                            if link is not None:
                                await link.close()
        return Report(
            name=self._recording.name,
            compared=self._compared,
            differences=self._comparison.differences,
            known=self._comparison.known,
            unread=self._unread,
        )

    # The words of the model and the user; these methods run in the simulator's thread

    async def _answer(self, turn: Turn) -> list[Action]:
        number, self._answered = self._answered, self._answered + 1
        actions = self._actions(number)
        if actions is None:
            await asyncio.Event().wait()  # it was cancelled, or the recording ended, before it said anything
        return list(actions or ())

    @abstractmethod
    def _actions(self, number: int) -> Sequence[Action] | None:
        """Return the model's answer, by its number; None if it never comes."""

    @abstractmethod
    def _hear(self, heard: Heard) -> Transcript:
        """Return the user's words."""

    # Connections

    @abstractmethod
    async def _open(self, connection: C) -> Link:
        """Open the connection on which a recorded one's events come."""

    async def _reach(self, step: Message | Close) -> None:
        """Wait until a step is due."""

    @abstractmethod
    async def _caused(self, connection: C) -> None:
        """Wait for the events that were received so far, and learn the ids in them."""

    def _is_scheduled(self, message: Message) -> bool:
        """Return whether a message of the client is sent by its time alone."""
        return False

    def _outgoing(self, message: Message) -> Any:
        """Return an event as it is sent."""
        return self._bindings.translated(message.data)

    @abstractmethod
    async def _closes(self, connection: C, close: Close) -> bool:
        """Return whether the server closes a connection, after what comes before; cause it if needed."""

    @abstractmethod
    def _compare_close(self, close: Close, code: int | None, reason: str | None) -> None:
        """Compare a close by the server; the code is None if it did not close."""

    @abstractmethod
    async def _judge(self, connection: C, events: Sequence[Mapping[str, Any]]) -> None:
        """Compare the events of a connection, after its end."""

    async def _step(self, step: Open | Message | Close | Exchange | Gap) -> None:
        if isinstance(step, Exchange):
            await self._exchange(step)
        if not isinstance(step, Message | Close):
            return
        await self._reach(step)
        connection = self._of.get(id(step))
        if connection is None or connection.is_over:
            return
        if connection.link is None:
            connection.begun = time.time()
            try:
                connection.link = await self._open(connection)
            except (OSError, WebSocketException) as error:
                what = f"a connection was recorded, the simulator refuses: {error}"
                self._comparison.add(connection.steps[0].pointer, what)
                connection.is_over = True
                return
        if isinstance(step, Close):
            await self._close(connection, step)
        elif step.direction == "received":
            connection.expected.append(Expected(pointer=step.pointer, event=step.data))
        elif not self._is_scheduled(step):
            await self._caused(connection)
            connection.sent.append((len(connection.link.events), step))
            is_frame = isinstance(step.data, str | bytes)
            await connection.link.send(step.data if is_frame else json.dumps(self._outgoing(step)))

    async def _close(self, connection: C, step: Close) -> None:
        """Close as it was recorded, or wait until the simulator does."""
        link = connection.link
        assert link is not None
        if await self._closes(connection, step):
            await self._wait(lambda: link.closed is not None)
            self._compared += 1
            self._compare_close(step, *(link.closed or (None, None)))
        await self._end(connection)

    async def _end(self, connection: C) -> None:
        """Wait for what is missing on a connection, close it, and compare its events."""
        if connection.link is None or not connection.steps:
            return
        await self._caused(connection)
        link, connection.link, connection.is_over = connection.link, None, True
        came = -1
        while came < len(link.events):  # until everything that was sent has come
            came = len(link.events)
            await link.settle()
        events = list(link.events)
        await link.close()
        self._compared += len(connection.expected)
        await self._judge(connection, events)

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait in real time until a condition holds."""
        looks = 0
        while not condition() and looks * LOOK_SECONDS < PATIENCE:
            await asyncio.sleep(LOOK_SECONDS)
            await self._settle()
            looks += 1

    async def _settle(self) -> None:
        """Wait until the simulator has processed what was sent."""
        for connection in self._connections:
            if connection.link is not None:
                await connection.link.settle()

    async def _dial(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> WebSocketLink:
        """Connect to a path after `/v1`, with the simulator's key if it is empty, and with none for None."""
        sent = dict(headers or {})
        if key is not None:
            sent["authorization"] = f"Bearer {key or self._simulator.api_key}"
        address = self._simulator.base_url.replace("http", "ws", 1) + path
        websocket = await connect(
            f"{address}?{urlencode(query)}" if query else address,
            additional_headers=sent,
            max_size=None,
            logger=SILENT,
            proxy=None,
            ping_interval=None,
        )
        return WebSocketLink(websocket)

    # HTTP

    async def _exchange(self, recorded: Exchange) -> None:
        """Make a recorded request, and compare the answer."""
        path = self._bindings.inside(recorded.path)
        kind, pointer = f"{recorded.method} {path}", recorded.pointer
        comparison = self._comparison
        if self._is_refused_by_chance(recorded):
            self._unread.append(
                f"{pointer}: not comparable: whether a service refuses a handshake with {recorded.status} "
                "depends on the account or a gateway"
            )
            return
        self._compared += 1
        try:
            status, headers, content = await self._request(recorded, path)
        except (httpx.HTTPError, OSError) as error:
            comparison.add(pointer, f"{kind} was recorded, the simulator fails: {error!r}")
            return
        comparison.value(kind, pointer + recorded.status_pointer, recorded.status, status, ("status",))
        for name in _HEADERS:
            if name in recorded.answer_headers:
                there, here = recorded.answer_headers[name], headers.get(name)
                comparison.header(kind, f"{pointer}/headers/{name}", name, there, here)
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
        comparison.value(kind, place, _without_sdp(recorded.answer), _without_sdp(answer), ("body",))

    def _is_refused_by_chance(self, recorded: Exchange) -> bool:
        """Return whether a handshake was refused for what an account or a gateway does, not the protocol."""
        has_wrong_key = recorded.status == 401 and PROFILES[self._profile].refuses_keys_early
        is_refused = _is_handshake(recorded) and recorded.status >= 400
        return is_refused and recorded.status != 404 and not has_wrong_key

    async def _request(self, recorded: Exchange, path: str) -> tuple[int, Mapping[str, str], str]:
        """Make a recorded request to a path; return the answer's status, headers and body."""
        rest = path.removeprefix("/v1")
        headers = {
            name: recorded.headers[name] for name in ("content-type", "accept") if name in recorded.headers
        }
        raw = headers.get("content-type") == "application/sdp"
        if recorded.status == 401:
            headers["authorization"] = f"Bearer {WRONG_KEY}"
        elif raw and self._secret is not None:
            headers["authorization"] = f"Bearer {self._secret}"
        if _is_handshake(recorded):
            try:
                link = await self._dial(rest, recorded.query, WRONG_KEY if recorded.status == 401 else "")
            except InvalidStatus as refused:
                response = refused.response
                return response.status_code, dict(response.headers), bytes(response.body or b"").decode()
            await link.close()
            return 101, {}, ""
        body = recorded.body
        try:
            body = json.dumps(completed(json.loads(body))).encode()
            headers.setdefault("content-type", "application/json")
        except ValueError:
            pass  # SDP, a form, or none
        answer = await self._http.request(
            recorded.method, rest, params=dict(recorded.query), headers=headers, content=body
        )
        return answer.status_code, answer.headers, answer.text


def _is_handshake(recorded: Exchange) -> bool:
    return recorded.method == "GET" and recorded.path.endswith(_SOCKETS)


def grouped(recording: Recording, starts_anew: Callable[[Steps, Message], bool]) -> Iterator[Steps]:
    """Yield the steps of each connection.

    Args:
        recording: The recording.
        starts_anew: Whether a message is the first of another connection than that of the steps before.
    """
    groups: list[list[Open | Message | Close]] = []
    current: dict[str, list[Open | Message | Close]] = {}
    for step in recording.steps:
        if isinstance(step, Exchange | Gap):
            continue
        name = "" if isinstance(step, Open) else step.connection
        begins = isinstance(step, Open) or name not in current
        if begins or (isinstance(step, Message) and starts_anew(current[name], step)):
            current[name] = []
            groups.append(current[name])
        current[name].append(step)
        if isinstance(step, Close):
            del current[name]
    yield from groups


def _without_sdp(answer: Any) -> Any:
    """Return an answer with what its SDP offers in place of the SDP."""
    transport = answer.get("transport") if isinstance(answer, Mapping) else None
    if not isinstance(transport, Mapping) or not str(transport.get("sdp")).startswith("v=0"):
        return answer
    return {**answer, "transport": {**transport, "sdp": facts(transport["sdp"])}}


def _given(recording: Recording) -> Iterator[str]:
    """Yield the values that the client created: those that it sent before it received them."""
    seen: set[str] = set()
    for step in recording.steps:
        if isinstance(step, Message):
            found = set(texts(step.data))
            if step.direction == "sent":
                yield from found - seen
            seen |= found


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts(inner)
