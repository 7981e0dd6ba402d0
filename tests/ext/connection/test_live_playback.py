"""The sound of a Live model for a program that plays it, and what is dropped when it is talked over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, speech

from realtime_ext.audio import audio_format
from realtime_ext.connection import LivePlayback, TalkedOver
from realtime_ext.connection._state.live import LiveSession
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven, async_only
from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.rows import each
from tests.support.runner import Runner


def made(name: str = "pcm") -> LivePlayback:
    return LivePlayback(audio_format(name))


def sound(data: bytes) -> dict[str, Any]:
    return {"type": "session.output_audio.delta", "delta": base64.b64encode(data).decode()}


def said(side: str, start_ms: int) -> dict[str, Any]:
    at = {"start_ms": start_ms, "end_ms": start_ms + 200}
    return {"type": f"session.{side}_transcript.delta", "delta": " word", **at}


@pytest.fixture
def session() -> Any:
    session = LiveSession()
    playback = made()
    session.on_sound, session.on_talked_over = playback._received, playback.clear
    return session, playback


def test_audio_is_played_in_order_and_filled_up_with_silence() -> None:
    playback = made()
    for data in (b"\1\0\2\0", b"\3\0"):
        playback._received(base64.b64encode(data).decode())
    assert playback.read(2) == b"\1\0"
    assert playback.read(8) == b"\2\0\3\0\0\0\0\0"
    assert (playback.read(0), playback.waiting_ms) == (b"", 0)
    assert made("pcmu").read(3) == b"\xff\xff\xff"


def test_dropped_audio_is_reported_in_milliseconds() -> None:
    playback = made()
    playback._received(base64.b64encode(bytes(4800)).decode())
    assert repr(playback) == "<LivePlayback 100 ms>"
    assert (playback.clear(), playback.clear()) == (100, 0)


def test_invalid_audio_is_skipped_and_endless_audio_bounded() -> None:
    playback = made()
    for odd in (None, 7, "no base64!", "AA==", ["AAAA"]):
        playback._received(odd)
    assert playback.waiting_ms == 0
    second = base64.b64encode(bytes(48_000)).decode()
    for _ in range(130):
        playback._received(second)
    assert playback.waiting_ms == 120_000


@each("size, error", [(1, ValueError), (-2, ValueError), (2.0, TypeError), (True, TypeError)])
def test_odd_sizes_are_refused(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="size: expected"):
        made().read(size)


@pytest.mark.parametrize(
    ("words", "is_dropped"),
    [
        ([said("output", 1000), said("output", 1400), said("input", 1200)], True),
        ([said("output", 1000), said("input", 2100)], True),  # just after the model's last word
        ([said("output", 1000), said("input", 800)], False),  # the model answers before the words are known
        ([said("output", 1000), said("input", 9000)], False),
        ([said("input", 1000)], False),
    ],
)
def test_unplayed_audio_is_dropped_if_the_user_talks_over_it(
    session: Any, words: list[dict[str, Any]], is_dropped: bool
) -> None:
    live, playback = session
    live.apply(sound(bytes(4800)))
    for event in words:
        live.apply(event)
    assert (playback.waiting_ms == 0) == is_dropped
    assert (live.talked_over is not None) == is_dropped


def test_talking_over_is_reported_once_per_utterance() -> None:
    live = LiveSession()
    told = []
    for event in (
        *(said("output", 1000), said("output", 1400), said("input", 1200), said("input", 1400)),
        *(said("output", 2400), said("output", 3200), said("input", 3400), said("input", 3600)),
        *(said("output", 8000), said("input", 8200)),
    ):
        live.apply(event)
        told.append(live.talked_over)
        live.talked_over = None
    assert [one.start_ms for one in told if one is not None] == [1200, 3400, 8200]


@async_only
def test_the_program_is_notified_when_the_user_talks_over_the_model(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        start = peer.expect("session.start")
        peer.send("session.started", session={"id": "live_1", "expires_at": 2e9, **start["session"]})
        for event in (said("output", 1000), said("input", 1200), said("input", 1400)):
            peer.send(**{"kind": event.pop("type"), **event})
        peer.close()

    with ScriptedServer(script) as server:
        client = runner.client(base_url=server.base_url)
        session = {"model": "gpt-live-1"}
        with Driven(client.live.connect(session, idle_audio=False), runner) as connection:
            told: list[Any] = []
            connection.on("realtime_ext.talked_over", told.append)
            events = list(connection)
    kinds = [event.type for event in events]
    assert kinds[kinds.index("realtime_ext.talked_over") - 1] == "session.input_transcript.delta"
    assert kinds.count("realtime_ext.talked_over") == 1
    assert told == [TalkedOver(start_ms=1200)]
    assert told[0].to_dict() == {"type": "realtime_ext.talked_over", "start_ms": 1200}


@async_only
def test_a_sideband_plays_copies_whatever_the_format_of_the_session(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        form = {"format": {"type": "audio/pcmu", "rate": 8000}}
        backend: dict[str, Any] = {"type": "responses", "responses": {"model": "m", "tools": []}}
        session = {"id": "live_1", "model": "gpt-live-1", "audio": form, "delegation": backend}
        peer.send("session.started", session=session)
        peer.expect("session.update")
        own = {"type": "function", "name": "forecast"}
        backend["responses"] = {"model": "m", "tools": [own]}
        peer.send("session.updated", session=session)
        peer.expect("session.input_audio.mute")
        sound = base64.b64encode(bytes(9600)).decode()
        peer.send("session.output_audio.delta", delta=sound, start_ms=0, end_ms=200)
        peer.send("session.input_audio.muted")
        peer.until_closed()

    def forecast() -> str:
        """Look at the sky."""
        return "mild"

    with ScriptedServer(script) as server:
        client = runner.client(base_url=server.base_url)
        with Driven(client.live.attach("live_1", tools=[forecast]), runner) as connection:
            playback = connection.playback
            connection.mute()
            connection.wait_for("session.input_audio.muted")
            assert playback.waiting_ms == 200


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "Hello." if heard.finished else None)
        simulator.on_response("Good morning.")
        yield simulator


def test_a_program_plays_what_the_model_says(runner: Runner, sim: Simulator) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect({"model": "gpt-live-1"}), runner) as connection:
        playback = connection.playback
        assert repr(playback) == "<LivePlayback 0 ms>"
        connection.send_audio(speech("hello there") + bytes(48_000))
        connection.wait_for("session.output_transcript.delta")
        heard = b""
        while not any(heard):
            connection.wait_for("session.output_audio.delta")
            heard += playback.read(4800)
