"""Callers over WebRTC and on media streams: real sound both ways, also through networks that lose it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from realtime_simulator import Simulator
from realtime_simulator._engine.effects import Play
from realtime_simulator._media.codecs import PacketDecoder, decode_g711, encode_g711
from realtime_simulator._media.speech import Speech
from realtime_simulator._media.voice import Speaker
from realtime_simulator._rehearsal import media_stream
from realtime_simulator._rehearsal.network import Conditions, Network
from realtime_simulator._rehearsal.phone import ScriptedPhone
from realtime_simulator._rehearsal.recognition import Recognizer
from realtime_simulator.rehearsal import Caller, Rehearsal, RehearsalFailure, Script, rehearse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.simulator.test_rehearsal import EXAMPLE, restaurant

pytestmark = pytest.mark.real_time

Over = Literal["phone", "webrtc", "media-stream"]
FRAME_BYTES = 960
TEXTS = (
    "Good evening, this is the Elm. How can I help you?",
    "There is one by the window, one by the fire, and one in the garden where it may be cold. Which one?",
    "Your table is booked. Is there anything else?",
)


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(espeak=False) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", simulator.base_url)
        patch.setenv("OPENAI_API_KEY", simulator.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        simulator.load_scenario(EXAMPLE / "answers.yaml")
        yield simulator


@pytest.fixture(scope="module")
def rehearsal(sim: Simulator) -> Iterator[Rehearsal]:
    with Rehearsal(sim) as rehearsal:
        yield rehearsal


def script(text: str, folder: Any) -> Script:
    (folder / "script.yaml").write_text(text)
    return Script.load(folder / "script.yaml")


# The same script over all


DIALOG = """
name: books a table
steps:
  - hears: How can I help
    within: 60
  - says: What tables are there?
  - interrupts: No, at nine.
    within: 60
  - expects_tool: book_table
    arguments: {time: "21:00"}
    count: 1
    within: 60
  - hears: anything else
    within: 60
  - says: Good bye.
  - expects_hangup: true
    within: 60
never: [maple]
expect: {heard_goodbye: true}
"""


@pytest.mark.slow
@pytest.mark.early
@pytest.mark.parametrize(
    "over", ["webrtc", *(pytest.param(over, marks=pytest.mark.weekly) for over in ("phone", "media-stream"))]
)
def test_the_same_script_passes_over_every_transport(rehearsal: Rehearsal, over: Over, tmp_path: Any) -> None:
    dialog = script(DIALOG, tmp_path)
    app = restaurant().Restaurant().app()
    caller = asyncio.run(dialog.perform(rehearsal, app, over=over))
    assert caller.ended == "hangup" and caller.session.ended is not None
    assert caller.session.transport == {"phone": "sip", "webrtc": "webrtc"}.get(over, "websocket")
    said = [one for one in caller.moments if one.who == "app"]
    assert said[0].text == TEXTS[0] and said[0].whole
    assert not said[1].whole and TEXTS[1].startswith(said[1].text)
    assert len(caller.latency.barge_in) == 1 and len(caller.latency.first_audio) == 4


@pytest.mark.slow
@pytest.mark.early
@pytest.mark.parametrize("over", ["media-stream", pytest.param("webrtc", marks=pytest.mark.weekly)])
def test_live_sessions_are_called_as_well(rehearsal: Rehearsal, over: Over, tmp_path: Any) -> None:
    dialog = script(
        "steps:\n  - hears: How can I help\n  - says: Where can I park?\n"
        "  - expects_tool: look_up\n  - hears: car park\n",
        tmp_path,
    )
    caller = asyncio.run(
        dialog.perform(rehearsal, restaurant().Restaurant("live").app(), api="live", over=over)
    )
    assert caller.session.id.startswith("live_")


@pytest.mark.slow
def test_callers_on_media_streams_get_their_own_sessions(rehearsal: Rehearsal, tmp_path: Any) -> None:
    greeted = script("steps:\n  - hears: How can I help\n  - presses: 1#\n  - hangs_up: true\n", tmp_path)
    app = restaurant().Restaurant().app()
    card = asyncio.run(rehearse(rehearsal, [greeted], app, over="media-stream", calls=4, at_once=4))
    assert card.has_passed, card.table()
    assert len({caller.session.id for caller in rehearsal.callers[-4:]}) == 4


# Networks


@pytest.mark.slow
@pytest.mark.early
def test_a_bad_network_is_heard_and_a_dead_one_cuts_replies(rehearsal: Rehearsal) -> None:
    async def call() -> Caller:
        app = restaurant().Restaurant().app()
        async with rehearsal.call(app, over="webrtc", loss=0.03, jitter=0.03) as caller:
            await caller.hears("How can I help", within=5)
            await caller.says("What tables are there?")
            await caller.hears("one by the window")
            await caller.loses_network(1)  # seconds before the question, which a slow machine may lose, too
            await caller.hears("Which one")
        return caller

    caller = asyncio.run(call())
    reply = next(one for one in caller.moments if one.text.endswith("Which one?"))
    assert " … " in reply.text and not reply.whole


def test_a_network_loses_delays_and_stops_packets() -> None:
    class Peer(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: list[int] = []

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.append(int(data))

    async def sent(conditions: Conditions, seed: int, dead: float = 0.0) -> list[int]:
        loop, network, peers = asyncio.get_running_loop(), Network(conditions, seed), [Peer(), Peer()]
        await network.open()
        ports = []
        for one in peers:
            await loop.create_datagram_endpoint(lambda one=one: one, local_addr=("127.0.0.1", 0))  # type: ignore[misc]
            ports.append(one.transport.get_extra_info("sockname")[1])
        line = (
            "v=0\r\na=candidate:1 1 udp 1 127.0.0.1 {} typ host\r\n"
            + "a=candidate:2 1 udp 1 ::1 1 typ host\r\n"
        )
        offer, answer = network.offered(line.format(ports[0])), network.answered(line.format(ports[1]))
        assert offer.count("a=candidate") == answer.count("a=candidate") == 1
        to = int(answer.split()[6])
        assert to not in ports
        network.lose(dead)
        for number in range(200):
            peers[0].transport.sendto(str(number).encode(), ("127.0.0.1", to))
            await asyncio.sleep(0)
        intruder, _ = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
        intruder.sendto(b"999", ("127.0.0.1", to))
        for _ in range(200 if not dead else 20):
            if len(peers[1].got) == 200:
                break
            await asyncio.sleep(0.001)
        network.close()
        for transport in (intruder, *(one.transport for one in peers)):
            transport.close()
        return peers[1].got

    assert asyncio.run(sent(Conditions(), 1)) == list(range(200))
    lossy = asyncio.run(sent(Conditions(loss=0.3), 1))
    assert 100 < len(lossy) < 180 and lossy == asyncio.run(sent(Conditions(loss=0.3), 1))
    late = asyncio.run(sent(Conditions(jitter=0.02), 1))
    assert sorted(late) == list(range(200)) and late != sorted(late)
    assert asyncio.run(sent(Conditions(), 1, dead=60)) == []


# What is heard is recognized by its sound


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(pcm), FRAME_BYTES)]


def as_sent(speech: Speech) -> bytes:
    return speech.pcm


def decimated(speech: Speech) -> bytes:
    """What an app makes of it that converts 24 kHz to A-law in the simplest way."""
    narrow = np.frombuffer(speech.pcm, "<i2")[::3].tobytes()
    samples = np.frombuffer(decode_g711(encode_g711(narrow, "audio/pcma"), "audio/pcma"), "<i2")
    return bytes(np.repeat(samples, 3).tobytes())


def as_opus(speech: Speech) -> bytes:
    decoder = PacketDecoder("audio/opus")
    return b"".join(decoder.push(packet) for packet in speech.packets)


def quiet(speech: Speech) -> bytes:
    return (np.frombuffer(speech.pcm, "<i2") * 0.3).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def speeches() -> list[Speech]:
    speaker = Speaker(use_espeak=False)
    return [speaker.speak(text, "alloy", 1.0, packets=True) for text in TEXTS]


@pytest.mark.slow
@pytest.mark.parametrize("way", [as_sent, decimated, as_opus, quiet])
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_speech_is_recognized_where_it_was_cut_and_lost(
    speeches: list[Speech], way: Callable[[Speech], bytes], loss: float
) -> None:
    source, coming = random.Random(1), deque[Play]()
    recognizer = Recognizer(coming)
    reached = []
    for number, speech in enumerate(speeches):
        for start in range(0, speech.samples, 4800):
            end = min(start + 4800, speech.samples)
            coming.append(Play("r", f"item_{number}", speech, start, end))
        said = frames(way(speech))
        heard = said[:100] if number == 1 else said  # the second one is interrupted after two seconds
        found = [recognizer.hear(b"" if source.random() < loss else frame) for frame in [*heard, *[b""] * 20]]
        known = [one for one in found if one is not None]
        assert all(one[0].speech is speech for one in known)
        assert len(known) > len(said[:100]) / 2
        reached.append(known[-1][2])
    assert reached[0] == speeches[0].samples and reached[2] == speeches[2].samples
    assert abs(reached[1] - 48000) < 9600


def test_a_voice_that_fades_out_is_heard_whole(speeches: list[Speech]) -> None:
    tail = np.random.default_rng(1).integers(-60, 60, 24 * 250).astype("<i2").tobytes()
    faded = Speech(speeches[0].text, speeches[0].pcm + tail)
    recognizer = Recognizer(deque([Play("r", "item", faded, 0, faded.samples)]))
    found = [one for frame in frames(faded.pcm) if (one := recognizer.hear(frame)) is not None]
    assert found[-1][2] == faded.samples
    [first, *_] = [place for place, one in enumerate(found) if one[2] == faded.samples]
    assert found[first][1] <= found[first - 1][2] + 480  # nothing is left out before the end


def test_a_long_pause_loses_no_words(speeches: list[Speech]) -> None:
    class Listener:
        def answered(self, session_id: str, phone: ScriptedPhone) -> None: ...

        def occupied(self, phone: ScriptedPhone, is_occupied: bool) -> None: ...

    one, other = speeches[0], speeches[2]
    for middle, is_whole in ((bytes(48_000), True), (speeches[1].pcm[:48_000], False)):
        speech = Speech(f"{one.text} {other.text}", one.pcm + middle + other.pcm)
        play = Play("r", "item", speech, 0, speech.samples)
        phone = ScriptedPhone(Listener())
        for start in range(0, speech.samples, 480):
            is_middle = 0 <= start - one.samples < 24_000
            phone.hear(b"", None if is_middle else (play, start, min(start + 480, speech.samples)))
        [reply] = phone.conversation.replies
        assert reply.whole == is_whole and (" … " in reply.text) != is_whole


def test_other_audio_is_not_recognized(speeches: list[Speech]) -> None:
    coming = deque([Play("r", "item", speeches[0], 0, speeches[0].samples)])
    recognizer = Recognizer(coming)
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000)).astype("<i2").tobytes()
    assert not any(recognizer.hear(frame) for frame in frames(tone))
    assert recognizer.hear(b"") is None
    assert any(recognizer.hear(frame) for frame in frames(speeches[0].pcm))


# Apps that do otherwise


def app_of(*routes: Any) -> Starlette:
    return Starlette(routes=list(routes))


def failure_of(rehearsal: Rehearsal, app: Any, over: Over, **options: Any) -> str:
    async def call() -> None:
        async with rehearsal.call(app, over=over, **options):
            pass

    with pytest.raises(RehearsalFailure) as failed:
        asyncio.run(call())
    return str(failed.value)


async def _text(request: Request) -> Response:
    return PlainTextResponse("no", status_code=418)


async def _json(request: Request) -> Response:
    return JSONResponse({"nothing": 1})


async def _sdp(request: Request) -> Response:
    return Response(await request.body(), status_code=201, media_type="application/sdp")


async def _silent(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass


def test_an_app_that_answers_an_offer_otherwise_is_named(rehearsal: Rehearsal) -> None:
    for endpoint, message in (
        (_text, "/offer answered the offer with 418, and no SDP: 'no'"),
        (_json, "JSON without a client secret"),
        (_sdp, "a call that is not this simulator's"),
    ):
        app = app_of(Route("/offer", endpoint, methods=["POST"]))
        assert message in failure_of(rehearsal, app, "webrtc")
    assert "can't be reached" in failure_of(rehearsal, "http://127.0.0.1:9/offer", "webrtc")


def test_an_app_that_answers_a_stream_otherwise_is_named(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_stream, "_SESSION_SECONDS", 0.2)
    app = app_of(WebSocketRoute("/media", _silent), Route("/voice", _text, methods=["POST"]))
    assert "began no session within 0.2 s" in failure_of(rehearsal, app, "media-stream")
    assert "418, and no TwiML" in failure_of(rehearsal, app, "media-stream", path="/voice")
    assert "can't be reached" in failure_of(rehearsal, "ws://127.0.0.1:9/", "media-stream")


@pytest.mark.slow
def test_twiml_says_where_the_stream_goes(rehearsal: Rehearsal, sim: Simulator) -> None:
    asked: list[Any] = []
    inner = restaurant().Restaurant().app()

    async def voice(request: Request) -> Response:
        asked.append((await request.body()).decode())
        url = str(request.base_url).replace("http", "ws", 1).rstrip("/")
        stream = f'<Stream url="{url}/media"><Parameter name="caller" value="Ann"/></Stream>'
        return Response(f"<Response><Connect>{stream}</Connect></Response>", media_type="application/xml")

    inner.router.routes.append(Route("/voice", voice, methods=["POST"]))

    async def call() -> None:
        async with rehearsal.call(inner, over="media-stream", path="/voice") as caller:
            await caller.hears("How can I help", within=5)

    asyncio.run(call())
    assert "CallSid=CA" in asked[0] and "From=" in asked[0]


@pytest.mark.slow
def test_a_client_secret_serves_as_well(rehearsal: Rehearsal, sim: Simulator) -> None:
    """The app is only asked for a secret; the model greets because of its settings alone."""

    async def secret(request: Request) -> Response:
        async with httpx.AsyncClient(
            base_url=sim.base_url, headers={"authorization": f"Bearer {sim.api_key}"}
        ) as http:
            session = {"type": "realtime", "model": "gpt-realtime-2.1"}
            made = await http.post("/realtime/client_secrets", json={"session": session})
        return JSONResponse(made.json())

    async def call() -> Caller:
        app = app_of(Route("/secret", secret, methods=["POST"]))
        async with rehearsal.call(app, over="webrtc", path="/secret") as caller:
            await caller.says("At nine, please.")
            await caller.stays_silent(1)
        return caller

    caller = asyncio.run(call())
    assert caller.call.kind == "webrtc" and caller.ended == "peer"
    assert any(one.who == "tool" for one in caller.moments) or "book_table" in caller.transcript()


@pytest.mark.slow
def test_an_invalid_message_ends_a_stream(rehearsal: Rehearsal, sim: Simulator) -> None:
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        url = sim.base_url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime-2.1"
        from websockets.asyncio.client import connect

        async with connect(url, additional_headers={"authorization": f"Bearer {sim.api_key}"}):
            await websocket.send_text('{"event": "media", "media": {"payload": "!"}}')
            async for _ in websocket.iter_text():
                pass

    async def call() -> Caller:
        async with rehearsal.call(app_of(WebSocketRoute("/media", media)), over="media-stream") as caller:
            await caller.stays_silent(5)
        return caller

    assert asyncio.run(call()).ended == "invalid"


def test_events_unsupported_by_a_transport_are_refused(rehearsal: Rehearsal, tmp_path: Any) -> None:
    for options, message in (
        ({"over": "smoke"}, "over: allowed is 'phone', 'webrtc', 'media-stream', got 'smoke'"),
        ({"loss": 0.1}, "only a call over 'webrtc' has a network"),
        ({"over": "webrtc", "loss": 1.5}, "loss: allowed is 0 to 0.9, got 1.5"),
        ({"over": "webrtc", "jitter": -1}, "jitter: allowed is 0 to 1, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            rehearsal.call("http://127.0.0.1:9", **options)  # type: ignore[arg-type]
    for text, over, message in (
        ("steps: [{presses: 1}]", "webrtc", "presses needs a call over 'phone' or 'media-stream'"),
        ("steps: [{meanwhile: [{loses_network: 1}]}]", "phone", "loses_network needs a call over 'webrtc'"),
        ("caller: {loss: 0.1}\nsteps: [{says: Hi}]", "media-stream", "loss needs a call over 'webrtc'"),
    ):
        with pytest.raises(ValueError, match=message):
            asyncio.run(rehearse(rehearsal, [script(text, tmp_path)], "http://127.0.0.1:9", over=over))  # type: ignore[arg-type]
