"""Microphone, loudspeaker and headset, on a sound card that is made of lists."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from realtime_kit import devices
from realtime_kit.devices import Headset, Loudspeaker, Microphone
from realtime_simulator import Simulator

from realtime_ext import (
    AsyncRealtimeClient,
    ConnectionClosedError,
    RealtimeClient,
    RealtimeError,
    SessionBuilder,
    audio,
)
from realtime_ext.events import parse_event
from tests.support.command import environment, of, realtime
from tests.support.paths import QUESTION, ROOT
from tests.support.waiting import PATIENCE

SOUND_CARD = ROOT / "tests" / "support" / "sound_card"
BLOCK = 960  # bytes of 20 ms
SPEECH = list(audio.chunks(audio.read_wav(QUESTION), pad=True))
LOUD = b"\x00\x20\x00\xe0" * (BLOCK // 4)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SOUND_CARD))
    import sounddevice

    monkeypatch.setattr(devices, "_FRESH", 500)  # a test may stand still for a while
    yield sounddevice
    assert all(stream.closed for stream in sounddevice.opened)
    del sys.modules["sounddevice"]


@pytest.mark.programs
def test_importing_it_loads_no_sound_card() -> None:
    code = "import sys, realtime_kit.devices; print('sounddevice' in sys.modules)"
    assert (
        subprocess.check_output([sys.executable, "-c", code], env=environment(None), text=True) == "False\n"
    )


def test_a_microphone_yields_what_it_hears_to_a_thread(card: ModuleType) -> None:
    card.microphone.extend([LOUD, LOUD[::-1]])
    heard = []
    with Microphone() as microphone:
        for piece in microphone:
            heard.append(piece)
            if len(heard) == 3:
                microphone.close()
                break
    assert heard[:3] == [LOUD, LOUD[::-1], bytes(BLOCK)]


async def _heard(microphone: Microphone, enough: int) -> list[bytes]:
    heard: list[bytes] = []
    async for piece in microphone:
        heard.append(piece)
        if len(heard) == enough:
            microphone.close()
    return heard


def test_a_microphone_yields_what_it_hears_to_an_event_loop(card: ModuleType) -> None:
    card.microphone.extend([LOUD] * 5)

    async def listen() -> list[bytes]:
        with Microphone("test input") as microphone:
            return await asyncio.wait_for(_heard(microphone, 5), PATIENCE)

    assert asyncio.run(listen())[:5] == [LOUD] * 5


def test_a_muted_microphone_hears_silence(card: ModuleType) -> None:
    card.microphone.extend([LOUD] * 1000)

    async def listen() -> bytes:
        microphone = Microphone()
        microphone.is_muted = True
        with microphone:
            return (await asyncio.wait_for(_heard(microphone, 1), PATIENCE))[0]

    assert asyncio.run(listen()) == bytes(BLOCK)


def test_an_unread_microphone_drops_the_oldest_pieces(
    card: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_FRESH", 10)

    async def rest(pieces: AsyncIterator[bytes]) -> list[bytes]:
        return [piece async for piece in pieces]

    for read, count in (
        (list, 9),
        (lambda microphone: asyncio.run(rest(aiter(microphone))), 9),
        (lambda microphone: asyncio.run(rest(microphone._pieces(500))), 499),
    ):
        microphone = Microphone()
        for number in range(600):
            microphone._called(number.to_bytes(2, "little"), 1, None, None)
        microphone.close()
        pieces = [int.from_bytes(piece, "little") for piece in read(microphone)]
        assert (pieces[0], pieces[-1], len(pieces)) == (600 - count, 599, count)


def test_a_microphone_is_used_again_and_begins_anew(card: ModuleType) -> None:
    microphone = Microphone()
    with microphone:
        pass
    microphone._called(b"late", 1, None, None)
    with microphone:
        assert next(iter(microphone)) == bytes(BLOCK)


def test_a_loudspeaker_plays_counts_and_flushes(card: ModuleType) -> None:
    async def play() -> tuple[list[int], float]:
        counted: list[int] = []
        everything = asyncio.Event()

        def count(size: int) -> None:
            counted.append(size)
            if sum(counted) == BLOCK * 2 + 100:
                everything.set()

        with Loudspeaker(on_played=count) as loudspeaker:
            loudspeaker.play(LOUD * 2 + LOUD[:100])
            await asyncio.wait_for(everything.wait(), PATIENCE)
            assert loudspeaker.waiting_ms == 0
            loudspeaker.play(LOUD * 50_000)
            dropped = loudspeaker.flush()
            assert loudspeaker.waiting_ms == 0
        return counted, dropped

    counted, dropped = asyncio.run(play())
    assert counted[:3] == [BLOCK, BLOCK, 100]
    assert 900_000 < dropped <= 1_000_000
    assert card.played[: BLOCK * 2 + 100] == LOUD * 2 + LOUD[:100]


@pytest.mark.parametrize("in_loop", [False, True])
@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError, BaseException])
def test_a_callback_that_raises_stops_no_loudspeaker(
    card: ModuleType, error: type[BaseException], in_loop: bool, caplog: pytest.LogCaptureFixture
) -> None:
    counted: list[int] = []
    everything = threading.Event()

    def fails(size: int) -> None:
        counted.append(size)
        if sum(counted) == BLOCK * 3:
            everything.set()
        raise error

    async def play() -> None:
        with Loudspeaker(on_played=fails) as loudspeaker:
            loudspeaker.play(LOUD * 3)
            assert await asyncio.to_thread(everything.wait, PATIENCE)

    if in_loop:
        asyncio.run(play())
    else:
        with Loudspeaker(on_played=fails) as loudspeaker:
            loudspeaker.play(LOUD * 3)
            assert everything.wait(PATIENCE)
    assert f"on_played raised {error.__name__}" in caplog.text


def test_a_device_that_fails_says_so(card: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RealtimeError, match=r"microphone can't be opened: No input"), Microphone("nothing"):
        pass
    monkeypatch.setattr(card, "fault", "Device unavailable")
    with (
        pytest.raises(RealtimeError, match=r"loudspeaker can't be opened: .*Device unavailable"),
        Loudspeaker(),
    ):
        pass
    assert devices.default_devices() == (None, None)


def test_the_missing_extra_and_the_missing_library_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ImportError, match="realtime-kit\\[devices\\]"), Microphone():
        pass
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RealtimeError, match="libportaudio2"), Microphone():
        pass


@pytest.mark.slow
def test_a_headset_speaks_listens_and_falls_silent_when_the_user_speaks(card: ModuleType) -> None:
    with Simulator() as simulator:
        simulator.on_response("word " * 80)
        session = SessionBuilder("gpt-realtime").server_vad(silence_duration_ms=2000)

        async def talk() -> tuple[float, list[str]]:
            client = AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url)
            async with client, client.connect(session) as connection, Headset(connection) as headset:
                assert headset.loudspeaker is not None
                card.most = 100 * BLOCK  # so that the reply is not over before the user speaks again
                reading = asyncio.create_task(connection.run())
                card.microphone.extend(SPEECH)  # the silence after it is the card's own
                with connection.expect("response.output_audio.done") as answered:
                    await answered.wait()
                playing = connection.playback.position
                assert playing is not None
                card.microphone.extend(SPEECH)
                with connection.expect("conversation.item.truncated") as cut:
                    truncated = await cut.wait()
                assert truncated.audio_end_ms > 0
                reading.cancel()
                return headset.loudspeaker.waiting_ms, [playing.item_id, truncated.item_id]

        waiting, items = asyncio.run(talk())
        assert waiting == 0
        assert items[0] == items[1]


def test_a_failure_to_send_what_the_microphone_hears_is_logged_as_one_of_this_package(
    card: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(self: object, data: bytes) -> None:
        raise LookupError("a mistake of this package")

    monkeypatch.setattr("realtime_ext.connection.AsyncConnection.append_audio", fails)

    async def talk(simulator: Simulator) -> None:
        client = AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url)
        async with client, client.connect("gpt-realtime-2.1") as connection:
            headset = Headset(connection, loudspeaker=False)
            with pytest.raises(LookupError):
                async with headset:
                    assert headset._feeding is not None
                    await asyncio.wait([headset._feeding])

    with Simulator(pacing="none") as simulator:
        asyncio.run(talk(simulator))
    assert "failed to send the microphone's audio; please report this" in caplog.text
    assert "Traceback" in caplog.text


def test_a_microphone_is_sent_until_the_connection_ends_not_only_its_link(card: ModuleType) -> None:
    class Connection:
        is_closed = False
        pieces = 0

        async def append_audio(self, piece: bytes) -> None:
            self.pieces += 1
            if self.pieces == 3:
                self.is_closed = True
            if self.pieces != 2:
                raise ConnectionClosedError(1006, "the connection was lost")

    async def talk() -> tuple[int, bool]:
        connection: Any = Connection()
        async with Headset(connection, loudspeaker=False) as headset:
            assert headset._feeding is not None
            await asyncio.wait([headset._feeding], timeout=PATIENCE)
            return connection.pieces, isinstance(headset._feeding.exception(), ConnectionClosedError)

    assert asyncio.run(talk()) == (3, True)


def test_an_invalid_piece_of_audio_is_dropped(card: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    class Connection:
        def __init__(self) -> None:
            self.handlers: dict[str, Any] = {}
            self.playback = self
            self.on = self.handlers.__setitem__

        def off(self, kind: str, handler: object) -> None:
            del self.handlers[kind]

        def played_bytes(self, count: int) -> None:
            pass

    def delta(text: str) -> Any:
        place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        return parse_event(
            {"type": "response.output_audio.delta", "event_id": "event_1", "delta": text, **place}
        )

    async def play() -> None:
        connection: Any = Connection()
        async with Headset(connection, microphone=False) as headset:
            assert headset.loudspeaker is not None
            for text in ("no base64!", "AAAA" * 1000):
                connection.handlers["response.output_audio.delta"](delta(text))
            assert headset.loudspeaker.waiting_ms > 0

    asyncio.run(play())
    assert "a piece of the answer was skipped" in caplog.text


def test_a_call_over_webrtc_sends_the_microphones_audio(card: ModuleType) -> None:
    with Simulator(keep_audio=True) as simulator:
        client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)
        card.microphone.extend([LOUD] * 20)
        with client, Microphone() as microphone, client.dial(audio_in=microphone) as connection:
            simulator.wait_for(lambda: len(simulator.sessions[-1].received_audio) > 20 * BLOCK)
            assert connection.sent_ms > 0


@pytest.mark.programs
def test_talking_with_microphone_and_loudspeaker(tmp_path: Path) -> None:
    played = tmp_path / "played.pcm"
    with Simulator(keep_audio=True) as simulator:
        simulator.on_response("word after word " * 30)
        done = realtime(
            "talk",
            "--audio-out=speaker",
            "Hello",
            simulator=simulator,
            PYTHONPATH=f"{SOUND_CARD}:{':'.join(filter(None, sys.path))}",
            SOUND_CARD_OUT=str(played),
        )
        assert done.status == 0, done.err
        assert "model: word after word" in done.out
        # To its end, but for what is silent, before the command ended.
        assert played.stat().st_size > len(simulator.sessions[-1].sent_audio) / 2
        done = realtime(
            "doctor",
            "--json",
            simulator=simulator,
            PYTHONPATH=f"{SOUND_CARD}:{':'.join(filter(None, sys.path))}",
        )
    assert of(done.json, name="audio devices")["detail"] == "microphone: test input; loudspeaker: test output"
