"""Audio of Live sessions: files in real time, pieces at once, and silence in between, without drift."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder
from realtime_ext.audio import write_wav
from realtime_ext.errors import RealtimeError
from tests.ext.connection.clocks import ToldClock, hurry
from tests.ext.connection.driver import Driven, async_only
from tests.support.rows import each
from tests.support.runner import Runner

SESSION = {"model": "gpt-live-1"}
SECOND = 48_000  # bytes


class Heard:
    """The audio that a connection sends: the clock's time and the bytes of each event."""

    def __init__(self, clock: ToldClock) -> None:
        self._clock = clock
        self.is_over = False
        self.sent: list[tuple[float, bytes]] = []

    def __call__(self, direction: str, event: Any, nanoseconds: int) -> None:
        if direction == "out" and not self.is_over and event.type == "session.input_audio.append":
            self.sent.append((self._clock.time - 1000.0, base64.b64decode(event.audio)))

    @property
    def audio(self) -> bytes:
        return b"".join(audio for _, audio in self.sent)


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


def asynchronously(sim: Simulator, act: Any, *, late: float = 0.0, **options: Any) -> Heard:
    """Call an async function with a connection whose time passes by sleeping, and the clock."""
    clock = ToldClock(late)
    heard = Heard(clock)

    async def main() -> None:
        async with (
            clock.on(AsyncRealtimeClient(base_url=sim.base_url, api_key=sim.api_key)) as client,
            client.live.connect(options.pop("session", SESSION), observer=heard, **options) as connection,
        ):
            await act(connection, clock)
            heard.is_over = True

    asyncio.run(main())
    return heard


@pytest.mark.slow
@each("late", [0.0, 0.4], ids=["on time", "late"])
@each("text", [False, True], ids=["bytes", "base64"])
def test_a_file_is_sent_in_real_time_without_drift(sim: Simulator, late: float, text: bool) -> None:
    audio = bytes(range(256)) * 750  # four seconds

    async def play(connection: Any, clock: ToldClock) -> None:
        await connection.send_audio(base64.b64encode(audio).decode() if text else audio)

    heard = asynchronously(sim, play, late=late, idle_audio=False)
    assert heard.audio == audio
    assert len(heard.sent) == 40
    for number, (at, _) in enumerate(heard.sent):
        assert -0.001 <= at - max(0, number * 0.1 - 0.2) <= 0.1 * (1 + late)


@each("form", ["pcm", "pcmu"])
@each("kind", [str, Path])
def test_a_wav_file_is_converted_and_sent_in_real_time(
    sim: Simulator, tmp_path: Path, form: str, kind: Any
) -> None:
    audio = b"\1\0" * 48_000
    write_wav(tmp_path / "question.wav", audio)

    async def play(connection: Any, clock: ToldClock) -> None:
        await connection.send_audio(kind(tmp_path / "question.wav"))
        assert 1001.6 <= clock.time <= 1002.0

    rate = 24_000 if form == "pcm" else 8_000
    session = LiveSessionBuilder("gpt-live-1").format(f"audio/{form}")
    heard = asynchronously(sim, play, session=session, idle_audio=False)
    assert len(heard.audio) == 2 * rate * (2 if form == "pcm" else 1)
    assert len(heard.sent) >= 20


def test_a_file_is_sent_at_once_if_it_is_not_to_be_paced(sim: Simulator) -> None:
    async def play(connection: Any, clock: ToldClock) -> None:
        await connection.send_audio(bytes(5 * SECOND), pace=False)
        assert clock.time == 1000.0

    assert len(asynchronously(sim, play, idle_audio=False).audio) == 5 * SECOND


def test_no_silence_gets_into_a_file_when_the_program_stalls(sim: Simulator) -> None:
    audio = b"\1\0" * 2 * SECOND

    async def play(connection: Any, clock: ToldClock) -> None:
        async def stall() -> None:
            while clock.time < 1001:
                await asyncio.sleep(0)
            clock.time += 1.5

        await asyncio.gather(connection.send_audio(audio), stall())

    assert audio in asynchronously(sim, play).audio


@each("size", [960, SECOND])
def test_pieces_of_a_microphone_go_out_at_once(sim: Simulator, size: int) -> None:
    async def talk(connection: Any, clock: ToldClock) -> None:
        for _ in range(5):
            await connection.send_audio(bytes(size))
        assert clock.time == 1000.0

    assert len(asynchronously(sim, talk, idle_audio=False).sent) == 5


def test_audio_sent_during_a_file_follows_it(sim: Simulator) -> None:
    async def both(connection: Any, clock: ToldClock) -> None:
        await asyncio.gather(connection.send_audio(b"\1\0" * SECOND), connection.send_audio(b"\2\0" * 480))

    assert asynchronously(sim, both, idle_audio=False).audio == b"\1\0" * SECOND + b"\2\0" * 480


@pytest.mark.slow
@each("late", [0.0, 0.7], ids=["on time", "late"])
def test_silence_has_the_length_of_the_time_that_passes(sim: Simulator, late: float) -> None:
    async def wait(connection: Any, clock: ToldClock) -> None:
        while clock.time < 1010:
            await asyncio.sleep(0)

    heard = asynchronously(sim, wait, late=late)
    assert abs(len(heard.audio) / SECOND - (heard.sent[-1][0] + 0.1)) <= 0.2


def test_silence_waits_for_a_late_piece(sim: Simulator) -> None:
    async def talk(connection: Any, clock: ToldClock) -> None:
        for _ in range(3):
            await connection.send_audio(b"\1\0" * 2400)
            late = clock.time + 0.25
            while clock.time < late:
                await asyncio.sleep(0)
        while clock.time < 1003:
            await asyncio.sleep(0)

    heard = asynchronously(sim, talk, late=0.01)
    spoken = [index for index, (_, audio) in enumerate(heard.sent) if any(audio)]
    assert spoken == [spoken[0] + n for n in range(3)]
    silent = heard.sent[spoken[-1] + 1 :]
    assert silent[0][0] - heard.sent[spoken[-1]][0] > 0.35
    assert len(silent) >= 18


def test_after_a_stall_only_some_silence_is_made_up_for(sim: Simulator) -> None:
    async def stall(connection: Any, clock: ToldClock) -> None:
        clock.time += 60
        while clock.time < 1061:
            await asyncio.sleep(0)

    assert len(asynchronously(sim, stall).audio) <= 3.5 * SECOND


@each("name, rate, frame", [("pcmu", 8000, b"\xff" * 800), ("pcma", 8000, b"\xd5" * 800)])
def test_silence_is_in_the_format_of_the_session(sim: Simulator, name: str, rate: int, frame: bytes) -> None:
    async def wait(connection: Any, clock: ToldClock) -> None:
        while clock.time < 1001:
            await asyncio.sleep(0)

    session = {**SESSION, "audio": {"format": {"type": f"audio/{name}", "rate": rate}}}
    assert {audio for _, audio in asynchronously(sim, wait, session=session).sent} == {frame}


@async_only
def test_odd_audio_is_refused(runner: Runner, sim: Simulator) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect(SESSION, idle_audio=False), runner) as connection:
        for odd, error in ((7, TypeError), ("no base64!", ValueError), (b"RIFF\0\0\0\0WAVE", ValueError)):
            with pytest.raises(error, match=r"^send_audio: expected"):
                connection.send_audio(odd)
        with pytest.raises(ValueError, match=r"^send_audio: expected"):
            connection.send_audio(b"RIFF\0\0\0\0WAVE" + bytes(2 * SECOND))
        with (
            Driven(client.live.attach(connection.session_id), runner) as sideband,
            pytest.raises(RealtimeError, match=r"^send_audio: a sideband sends no audio"),
        ):
            sideband.send_audio(bytes(960))


@async_only
@each("data", [b"abc", "YWJj", "abc", bytes(SECOND * 2 + 1)], ids=["bytes", "text", "cut", "file"])
def test_half_a_sample_is_refused(runner: Runner, sim: Simulator, data: Any) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect(SESSION, idle_audio=False), runner) as connection:
        with pytest.raises(ValueError, match=r"^send_audio: expected (whole samples of 2 bytes|base64)"):
            connection.send_audio(data)
        connection.send_audio(bytes(960))


def test_both_clients_send_files_and_pieces(runner: Runner, sim: Simulator) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect(SESSION, idle_audio=False), runner) as connection:
        for _ in range(10):
            connection.send_audio(bytes(960))
        connection.send_audio(bytes(3 * SECOND))
        sim.wait_for(lambda: sim.session(connection.session_id).received_audio_seconds >= 3.2)
