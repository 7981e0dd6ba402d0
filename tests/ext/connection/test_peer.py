"""The WebRTC peer against an answerer of the test's own, over this machine's addresses."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import struct
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from realtime_ext.connection._webrtc_peer import DATA_CHANNEL, LOOPBACK, WebRtcPeer, host_addresses_towards
from realtime_ext.errors import (
    APIConnectionError,
    APITimeoutError,
    ConnectionClosedError,
    RealtimeError,
    SdpError,
)
from tests.ext.connection.clocks import put_forward
from tests.support.answerer import RATE, Answerer, tone
from tests.support.rows import each
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.real_time


def crossings(pcm: bytes) -> int:
    """Count where the wave rises through zero: as many a second as the tone has hertz."""
    samples = [s for (s,) in struct.iter_unpack("<h", pcm)]
    return sum(1 for a, b in itertools.pairwise(samples) if a < 0 <= b)


async def pieces(pcm: bytes, size: int = 1_001) -> AsyncIterator[bytes]:
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def run(scenario: Callable[[Answerer], Awaitable[None]]) -> None:
    async def scene() -> None:
        answerer = Answerer()
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario(answerer)
        finally:
            await answerer.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=PATIENCE)
        assert not [task for task in others if not task.done()], "the call left tasks behind"

    asyncio.run(scene())


def test_offer_has_audio_before_the_data_channel_opus_alone_and_this_machines_hosts() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            offer = await peer.create_offer()
        lines = offer.split("\r\n")
        assert lines[-1] == ""
        assert [line.split()[0] for line in lines if line.startswith("m=")] == ["m=audio", "m=application"]
        assert {line.split()[1].lower() for line in lines if line.startswith("a=rtpmap")} == {"opus/48000/2"}
        candidates = [line for line in lines if line.startswith("a=candidate")]
        assert candidates
        assert all(" typ host" in line for line in candidates)

    run(scenario)


def test_messages_and_audio_go_both_ways() -> None:
    async def scenario(answerer: Answerer) -> None:
        received = bytearray()
        enough = asyncio.Event()

        async def listen(pcm: bytes) -> None:
            received.extend(pcm)
            if len(received) >= RATE * 2:
                enough.set()

        progress: list[str] = []
        peer = WebRtcPeer(audio_in=pieces(tone(1_000)), audio_out=listen, on_progress=progress.append)
        async with peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            assert progress == ["ice", "dtls", "data channel"]
            await peer.send('{"type": "ping £"}')
            async for text in peer:
                assert text == '{"TYPE": "PING £"}'
                break
            await peer.finished_speaking()
            await enough.wait()
            assert peer.sent_ms == 1_000
            assert peer.received_ms >= 1_000
        assert peer.close_code == 1000
        # A tone of 440 Hz there, of 660 Hz here; Opus, start-up, and pauses of the machine cost some waves.
        assert 0.5 * 440 <= crossings(bytes(answerer.heard)) <= 1.1 * 440 + 20
        assert 0.5 * 660 <= crossings(bytes(received[-RATE * 2 :])) <= 1.05 * 660

    run(scenario)


def test_wav_files_are_played_and_written(tmp_path: Path) -> None:
    from realtime_ext import audio

    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    audio.write_wav(question, tone(300))

    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(audio_in=question, audio_out=str(reply)) as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            await peer.finished_speaking()
            await answerer.heard_something.wait()
            while not (heard := peer.received_ms):
                await asyncio.sleep(0.01)
        if os.name == "posix":
            assert reply.stat().st_mode & 0o777 == 0o600
        with wave.open(str(reply)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            assert file.getnframes() * 1000 // RATE >= heard > 0

    run(scenario)


def test_a_file_that_cannot_be_written_is_refused_before_the_offer(tmp_path: Path) -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(audio_out=tmp_path / "missing" / "reply.wav") as peer:
            with pytest.raises(FileNotFoundError):
                await peer.create_offer()

    run(scenario)


def test_only_loopback_is_offered_where_nothing_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])

    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            offer = await peer.create_offer()
            assert f" {LOOPBACK} " in offer
            await peer.connect(await answerer.answer(offer))
            await peer.send("still here")
            assert await anext(aiter(peer)) == "STILL HERE"

    run(scenario)


def test_the_other_side_hanging_up_ends_the_iteration() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            await answerer.close()
            assert [text async for text in peer] == []
            assert (peer.close_code, peer.close_reason) == (1000, "the other side closed the data channel")
            with pytest.raises(ConnectionClosedError, match="code 1000: the other side closed"):
                await peer.recv()
            with pytest.raises(ConnectionClosedError) as caught:
                await peer.send("anyone?")
            assert caught.value.code == 1000

    run(scenario)


async def no_answerer(answerer: Answerer, answer: str) -> str:
    await answerer.pc.close()
    lines = answer.split("\r\n")
    return "\r\n".join(  # 9 is the port `discard`
        " ".join([*line.split()[:4], LOOPBACK, "9", *line.split()[6:]])
        if line.startswith("a=candidate")
        else line
        for line in lines
    )


async def other_certificate(answerer: Answerer, answer: str) -> str:
    lines = answer.split("\r\n")
    return "\r\n".join(
        line.split()[0] + " " + ":".join(["00"] * line.count(":"))
        if line.startswith("a=fingerprint")
        else line
        for line in lines
    )


async def deaf_data_channel(answerer: Answerer, answer: str) -> str:
    async def drop(data: bytes) -> None:
        return

    answerer.pc.sctp._handle_data = drop
    return answer


@pytest.mark.parametrize(
    ("damage", "layer"),
    [
        (no_answerer, "ICE"),
        (other_certificate, "DTLS"),
        (deaf_data_channel, "the data channel 'oai-events'"),
    ],
)
def test_connect_says_which_layer_did_not_connect(
    damage: Callable[[Answerer, str], Awaitable[str]], layer: str
) -> None:
    def connected(connected_layer: str) -> None:
        """Let the time limit pass when the layer before that one has connected."""
        if connected_layer == "dtls":
            put_forward(asyncio.get_running_loop(), 20)

    async def scenario(answerer: Answerer) -> None:
        limit = 0.2 if damage is no_answerer else 20  # below that of ICE's own checks
        async with WebRtcPeer(connect_timeout=limit, on_progress=connected) as peer:
            answer = await answerer.answer(await peer.create_offer())
            answer = await damage(answerer, answer)
            with pytest.raises(APIConnectionError, match=f"^{layer}.*did not connect"):
                await peer.connect(answer)

    run(scenario)


def test_running_out_of_time_is_a_timeout_too() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(connect_timeout=0.01) as peer:
            answer = await answerer.answer(await peer.create_offer())
            with pytest.raises(APITimeoutError, match=r"did not connect within 0\.01 s"):
                await peer.connect(answer)

    run(scenario)


@each("answer", ["", "<html>502</html>", "v=0\r\nm=audio\r\n"])
def test_an_answer_that_cannot_be_applied_is_an_sdp_error(answer: str) -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            await peer.create_offer()
            with pytest.raises(SdpError, match="can't be applied"):
                await peer.connect(answer)

    run(scenario)


def test_an_exception_of_the_apps_audio_ends_the_call_and_is_the_cause() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tone(20)
        raise LookupError("no more text to speak")

    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(audio_in=broken()) as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            with pytest.raises(
                ConnectionClosedError, match="audio_in failed: no more text to speak"
            ) as caught:
                async for _ in peer:
                    pass
            assert isinstance(caught.value.__cause__, LookupError)
            with pytest.raises(ConnectionClosedError) as caught:
                await peer.recv()
            assert caught.value.code == 1011

    run(scenario)


def test_an_exception_of_the_apps_listener_ends_the_call_and_is_the_cause() -> None:
    async def broken(pcm: bytes) -> None:
        raise LookupError("the loudspeaker is gone")

    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(audio_out=broken) as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            with pytest.raises(
                ConnectionClosedError, match="audio_out failed: the loudspeaker is gone"
            ) as caught:
                await peer.recv()
            assert isinstance(caught.value.__cause__, LookupError)

    run(scenario)


def test_a_message_that_the_other_side_does_not_take_is_refused_by_its_size() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            with pytest.raises(ValueError, match="bytes"):
                await peer.send("x" * (1 << 20))
            await peer.send("small")
            assert await anext(aiter(peer)) == "SMALL"

    run(scenario)


def test_a_peer_is_for_one_call() -> None:
    async def scenario(answerer: Answerer) -> None:
        peer = WebRtcPeer()
        with pytest.raises(RealtimeError, match="create_offer first"):
            await peer.connect("v=0\r\n")
        await peer.create_offer()
        with pytest.raises(RealtimeError, match="new WebRtcPeer"):
            await peer.create_offer()
        await peer.close()
        await peer.close()

    run(scenario)


def test_a_timeout_must_be_positive() -> None:
    with pytest.raises(ValueError, match="connect_timeout: expected more than 0 seconds, got 0"):
        WebRtcPeer(connect_timeout=0)


def test_ice_passwords_stay_out_of_aiortcs_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="aiortc")
    passwords: set[str] = set()

    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            offer = await peer.create_offer()
            answer = await answerer.answer(offer)
            await peer.connect(answer)
            lines = (offer + answer).split("\r\n")
            passwords.update(
                line.removeprefix("a=ice-pwd:") for line in lines if line.startswith("a=ice-pwd:")
            )

    run(scenario)
    assert DATA_CHANNEL == "oai-events"
    assert passwords
    assert "a=ice-pwd:***" in caplog.text
    assert not [password for password in passwords if password in caplog.text]


@each(
    "url, addresses",
    [
        ("http://127.0.0.1:8000/v1", (LOOPBACK,)),
        ("http://localhost/v1", (LOOPBACK,)),
        ("http://[::1]:80/v1", (LOOPBACK,)),
        ("https://api.openai.com/v1", None),
        ("https://localhost.example/v1", None),
    ],
)
def test_a_server_on_this_machine_is_met_on_loopback(url: str, addresses: object) -> None:
    assert host_addresses_towards(url) == addresses


def test_chosen_host_addresses_are_the_only_ones_offered() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer(host_addresses=[LOOPBACK]) as peer:
            offer = await peer.create_offer()
        hosts = {line.split()[4] for line in offer.split("\r\n") if line.startswith("a=candidate")}
        assert hosts == {LOOPBACK}

    run(scenario)


JUNK = {
    "empty": b"",
    "one byte": b"\x80",
    "longer than SRTP can be": bytes([128, 200]) + bytes(8_998),
    "RTP without authentication": bytes([128, 111]) + bytes(200),
    "RTCP without authentication": bytes([128, 200]) + bytes(26),
    "DTLS that is cut": bytes([23, 254, 253]) + bytes(20),
    "of no protocol": bytes([7]) * 1_000,
}


@pytest.mark.parametrize("datagram", JUNK.values(), ids=JUNK.keys())
def test_a_datagram_from_anywhere_does_not_end_a_call(datagram: bytes) -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            offer = await peer.create_offer()
            await peer.connect(await answerer.answer(offer))
            found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d[\d.]+) (\d+)", offer)
            assert found
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for host, port in found:
                    stranger.sendto(datagram, (host, int(port)))
            for number in range(3):  # the datagrams are received before the echoes
                await peer.send(f"message {number}")
                assert await peer.recv() == f"MESSAGE {number}"
            assert peer.close_code is None

    run(scenario)


def test_a_transport_that_fails_is_a_lost_connection_and_no_normal_close() -> None:
    async def scenario(answerer: Answerer) -> None:
        async with WebRtcPeer() as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            assert peer._pc is not None and peer._pc.sctp is not None

            async def fails() -> bytes:
                raise IndexError("a mistake in the library")

            peer._pc.sctp.transport.transport._recv = fails
            await peer.send("wakes the transport")
            with pytest.raises(ConnectionClosedError, match="the transport failed: IndexError") as caught:
                while True:
                    await peer.recv()
            assert caught.value.code == 1006

    run(scenario)
