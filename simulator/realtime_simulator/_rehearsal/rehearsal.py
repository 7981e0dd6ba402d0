"""A rehearsal: callers that call an app, through a simulator that knows their words."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from realtime_simulator._calls.sip import HeadersLike
from realtime_simulator._calls.webhooks import EventType
from realtime_simulator._engine.turn import Heard
from realtime_simulator._records.store import Call
from realtime_simulator._rehearsal.app import ServedApp
from realtime_simulator._rehearsal.caller import Caller
from realtime_simulator._rehearsal.manner import Manner
from realtime_simulator._rehearsal.media_stream import MediaStreamTransport
from realtime_simulator._rehearsal.network import Conditions
from realtime_simulator._rehearsal.phone import ScriptedPhone
from realtime_simulator._rehearsal.sound import CallSound
from realtime_simulator._rehearsal.transport import NextSession, Over, PhoneTransport, Transport
from realtime_simulator._rehearsal.usage import Prices
from realtime_simulator._scenario.rules import Scenario, default_hearing
from realtime_simulator._simulator.simulator import Simulator

Api = Literal["realtime", "live"]
_REAL = 1.0
"""How fast time passes while an app may be awaited."""
_PATHS: Mapping[Over, str] = {"phone": "/webhook", "webrtc": "/offer", "media-stream": "/media"}
_EVENTS: Mapping[Api, EventType] = {
    "realtime": "realtime.call.incoming",
    "live": "live.transport.incoming",
}


class _Pace:
    """How fast time passes: fast while all calls do without the app.

    Phones call it in the simulator's thread, so that the speeds come in order.

    Args:
        simulator: The simulator.
        speed: How fast that is.
    """

    def __init__(self, simulator: Simulator, speed: float) -> None:
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= 100:
            raise ValueError(f"speed: allowed is 1 to 100, got {speed!r}")
        self._simulator = simulator
        self._fast = speed
        self._now = _REAL
        self._awaiting: set[ScriptedPhone] = set()
        self.phones: dict[str, ScriptedPhone] = {}

    def keep_real(self) -> None:
        """Let time pass as in reality from now on, as it does on networks; any thread but the simulator's."""
        self._fast = _REAL
        self._simulator.run_at(_REAL)

    def answered(self, session_id: str, phone: ScriptedPhone) -> None:
        self.phones[session_id] = phone

    def occupied(self, phone: ScriptedPhone, is_occupied: bool) -> None:
        (self._awaiting.discard if is_occupied else self._awaiting.add)(phone)
        speed = _REAL if self._awaiting else self._fast
        if speed != self._now:
            self._now = speed
            self._simulator.run_at(speed)


class Rehearsal:
    """Callers that call an app, one after the other or many at once.

    From now on the simulator takes transcripts from the callers' words instead of `on_speech`; the model's
    answers come from its scenario.

    Args:
        simulator: A running simulator, whose clock determines the speed of calls. The app must reach it.
        seed: Makes the noise of callers reproducible.
        speed: How fast time passes while all callers speak, listen or are silent on purpose, 1 to 100.
            While a caller may be waiting for the app it is normal, so that latencies are real; and
            permanently once a caller calls over WebRTC or a media stream.
        brain: Plays callers with a goal: `brain_at(…)`, or a function of the turn.
        prices: The prices of the models, for the cost of calls, as `realtime_kit.budget.PriceTable.from_dict`
            reads them: `{"models": {"gpt-realtime-2.1": {"audio": {"input": 32, …}}}}` a million tokens.
        keep_sound: Whether the audio of the calls is kept, for reports.

    Raises:
        ValueError: The speed is out of range, or the prices are not such a table.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        seed: int = 0,
        speed: float = 1.0,
        brain: Scenario | None = None,
        prices: Mapping[str, Any] | None = None,
        keep_sound: bool = False,
    ) -> None:
        self._simulator = simulator
        self._brain = brain
        self._prices = None if prices is None else Prices(prices)
        self._keep_sound = keep_sound
        self._pace = _Pace(simulator, speed)
        self._seed = seed
        self._callers: list[Caller] = []
        self._apps: dict[int, tuple[ASGIApp, ServedApp]] = {}
        self._sessions = NextSession()
        simulator.on_speech(self._understood)
        simulator.on_session(self._sessions.begun)

    def __repr__(self) -> str:
        return f"<Rehearsal, {len(self._callers)} calls>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the apps that it serves; calling it again has no effect."""
        while self._apps:
            self._apps.popitem()[1][1].close()

    @property
    def simulator(self) -> Simulator:
        """The simulator: its scenario plays the model, its faults are the service's."""
        return self._simulator

    @property
    def callers(self) -> Sequence[Caller]:
        """All callers so far, in order of creation."""
        return list(self._callers)

    def call(
        self,
        to: str | ASGIApp,
        *,
        api: Api = "realtime",
        over: Over = "phone",
        path: str | None = None,
        name: str | None = None,
        headers: HeadersLike | None = None,
        voice: str = "verse",
        loudness: float = 1.0,
        noise: float = 0.0,
        pace: float = 1.0,
        loss: float = 0.0,
        jitter: float = 0.0,
        never: Sequence[str] = (),
    ) -> Caller:
        """Return a caller who calls when its block is entered, and hangs up at its end.

            async with rehearsal.call(to=app) as caller:
                await caller.hears("How can I help", within=2)

        Args:
            to: A URL of the app, or an ASGI app, which is served until the rehearsal is closed.
            api: The API for which a telephone call is announced: `realtime` or `live`.
            over: How the caller reaches the app. `phone`: on a telephone, by the service's webhook. `webrtc`:
                like a web page, with an offer posted to the URL; the response is an SDP answer, or a client
                secret with which the offer is sent to the service. `media-stream`: like Twilio; the URL
                responds with TwiML, or is the WebSocket.
            path: The path in an ASGI app: `/webhook`, `/offer` or `/media` if None.
            name: The name of the call, for reports; its number if None.
            headers: Headers of the INVITE of a telephone call.
            voice: The voice of the caller, one of the API's.
            loudness: How loud the caller speaks, 0 to 2; 0.01 is barely heard.
            noise: The noise behind the caller, as a share of the loudest sound, 0 to 1; 0.02 is a street.
            pace: How fast the caller speaks, 0.25 to 1.5.
            loss: The share of packets that the network loses over WebRTC, 0 to 0.9; 0.02 is a bad one.
            jitter: By how many seconds packets are late over WebRTC, 0 to 1; 0.03 is a bad network.
            never: Patterns that the app must never say; checked at the end of the block.

        Raises:
            ValueError: An argument is out of range.
            RuntimeError: The app does not start.
        """
        if api not in _EVENTS:
            raise ValueError(f"api: allowed is 'realtime' or 'live', got {api!r}")
        if over not in _PATHS:
            raise ValueError(f"over: allowed is {', '.join(map(repr, _PATHS))}, got {over!r}")
        conditions = Conditions(loss=loss, jitter=jitter)
        if over != "webrtc" and conditions != Conditions():
            raise ValueError(f"loss, jitter: only a call over 'webrtc' has a network, got over={over!r}")
        url = self.serve(to) + (_PATHS[over] if path is None else path) if callable(to) else to
        schemes = ("http", "https", "ws", "wss") if over == "media-stream" else ("http", "https")
        if urlsplit(url).scheme not in schemes:
            raise ValueError(f"to: expected an {' or '.join(schemes)} URL, or an ASGI app, got {to!r}")
        label = name or f"call {len(self._callers) + 1}"
        seed = self._seed ^ zlib.crc32(label.encode())
        manner = Manner(voice=voice, loudness=loudness, noise=noise, pace=pace, seed=seed)
        phone = ScriptedPhone(self._pace, manner.sound_behind(), is_real_time=over != "phone")
        if self._keep_sound:
            phone.sound = CallSound()
        if over != "phone":
            self._pace.keep_real()
        transport: Transport
        if over == "webrtc":
            from realtime_simulator._rehearsal.webrtc import WebRtcTransport  # imports aiortc: half a second

            transport = WebRtcTransport(self._simulator, url, phone, conditions, seed)
        elif over == "media-stream":
            transport = MediaStreamTransport(url, phone, self._sessions)
        else:

            def ring() -> Call:
                events = _EVENTS[api]
                return self._simulator.incoming_call(url, headers, events=events, phone=phone, wait=False)

            transport = PhoneTransport(self._simulator, ring)
        caller = Caller(
            phone, transport, name=label, manner=manner, never=never, brain=self._brain, prices=self._prices
        )
        self._callers.append(caller)
        return caller

    def serve(self, app: ASGIApp) -> str:
        """Serve an ASGI app until the rehearsal is closed, and return its URL; the same app only once.

        Raises:
            RuntimeError: The app does not start.
        """
        if id(app) not in self._apps:
            self._apps[id(app)] = app, ServedApp(app)
        return self._apps[id(app)][1].url

    def _understood(self, heard: Heard) -> str | None:
        """Return the words of a caller's turn: the caller knows them."""
        phone = self._pace.phones.get(str(heard.session.get("id")))
        if phone is None:
            return default_hearing(heard)
        return phone.understood() if heard.finished else None
