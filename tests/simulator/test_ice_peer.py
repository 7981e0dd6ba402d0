"""What the simulator changes inside aiortc: sound that is sent and received without its tasks and threads."""

from __future__ import annotations

import asyncio
import logging
import socket
from array import array
from collections.abc import Iterator
from typing import Any

import pytest
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket, is_rtcp
from aiortc.stats import RTCRemoteOutboundRtpStreamStats
from realtime_simulator import Simulator, say
from realtime_simulator._calls.ice_peer import IcePeerConnection
from realtime_simulator._calls.peer import Playout
from realtime_simulator._media.codecs import SILENCE

from tests.simulator.caller import Caller
from tests.simulator.checking import rms


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


def test_aiortc_has_all_that_the_simulator_changes_in_it() -> None:
    """A name that a newer aiortc lacks would be set without any effect."""

    async def main() -> None:
        connection = IcePeerConnection()
        audio = connection.addTransceiver("audio")
        transport = audio.sender.transport
        agent = transport.transport.iceGatherer._connection
        wanted: list[tuple[object, str]] = [
            (connection, "_RTCPeerConnection__connect"),
            (agent, "data_received"),
            (agent, "get_component_candidates"),
            (transport, "_handle_rtp_data"),
            (transport, "_rx_srtp"),
            (transport, "_send_rtp"),
            (audio.receiver, "_RTCRtpReceiver__decoder_queue"),
            (audio.receiver, "_RTCRtpReceiver__jitter_buffer"),
            (audio.sender, "_run_rtp"),
            (audio.sender, "_ssrc"),
            *(
                (audio.sender, f"_RTCRtpSender__{name}")
                for name in ("mid", "rtp_header_extensions_map", "rtp_started", "rtp_exited", "ntp_timestamp")
            ),
            *(
                (audio.sender, f"_RTCRtpSender__{name}")
                for name in ("rtp_timestamp", "octet_count", "packet_count")
            ),
        ]
        assert [name for where, name in wanted if not hasattr(where, name)] == []
        await connection.close()

    asyncio.run(main())


def test_rtcp_reports_what_was_sent_and_received(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            receiver = caller.peer.getTransceivers()[0].receiver
            sender = caller.peer.getTransceivers()[0].sender
            sent, received = asyncio.Event(), asyncio.Event()
            reports: dict[type, Any] = {}

            def watch(end: Any, kind: type, came: asyncio.Event) -> None:
                handle = end._handle_rtcp_packet

                async def handle_and_note(packet: Any) -> None:
                    await handle(packet)
                    if isinstance(packet, kind):
                        reports[kind] = packet
                        came.set()

                end._handle_rtcp_packet = handle_and_note

            watch(receiver, RtcpSrPacket, sent)
            watch(sender, RtcpRrPacket, received)
            await caller.connect()
            await caller.wait(lambda: len(caller.heard) > 0)
            sent.clear()
            received.clear()
            async with asyncio.timeout(20):
                await sent.wait()
                await received.wait()
            info = reports[RtcpSrPacket].sender_info
            assert info.octet_count == info.packet_count * len(SILENCE) > 0
            assert info.ntp_timestamp > 0
            [report] = reports[RtcpRrPacket].reports
            assert (report.ssrc, report.packets_lost, report.fraction_lost) == (sender._ssrc, 0, 0)
            stats = (await receiver.getStats()).values()
            [remote] = [stat for stat in stats if isinstance(stat, RTCRemoteOutboundRtpStreamStats)]
            assert remote.packetsSent == info.packet_count

    asyncio.run(main())


def test_packets_that_come_in_another_order_are_heard_in_theirs(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim, microphone=8000) as caller:
            ice = caller.peer.getTransceivers()[0].sender.transport.transport
            send, held = ice._send, []

            async def send_in_pairs(data: bytes) -> None:
                if not 127 < data[0] < 192 or is_rtcp(data):
                    await send(data)
                    return
                held.append(data)
                if len(held) == 2:
                    await send(held.pop())
                    await send(held.pop())

            ice._send = send_in_pairs
            await caller.connect()
            await asyncio.to_thread(sim.wait_for, lambda: len(sim.calls[0].received_audio) >= 48000)

    asyncio.run(main())
    wave = array("h", sim.calls[0].received_audio[9600:])
    periods = 1200  # samples of eleven of them, which are two packets and a half
    differences = array("h", (later - now for now, later in zip(wave, wave[periods:], strict=False)))
    assert rms(differences.tobytes()) < 0.1 * rms(wave.tobytes())


def test_packets_that_are_no_sound_leave_the_call_as_it_is(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Empty datagrams, what isn't from the peer, and what is no Opus."""

    async def main() -> None:
        async with Caller(sim, microphone=8000) as caller:
            await caller.connect()
            sender = caller.peer.getTransceivers()[0].sender
            agent = sender.transport.transport._connection
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"", agent._nominated[1].remote_addr)
            junk = [b"\x80", b"\x80\x60" + bytes(40), b"\x80\xc9", b"\xff" * 100]
            for data in junk:
                await agent.send(data)
            pack = sender._RTCRtpSender__encoder.encode
            payloads = iter([b"", b"\xff", b"\x00" * 1000])

            def encode(*arguments: Any) -> Any:
                packed, timestamp = pack(*arguments)
                return [next(payloads, packed[0])], timestamp

            sender._RTCRtpSender__encoder.encode = encode
            sim.on_response(lambda turn: say("fine"))
            before = len(sim.calls[0].received_audio)
            await asyncio.to_thread(sim.wait_for, lambda: len(sim.calls[0].received_audio) > before + 48000)
            caller.send("response.create")
            await caller.until("response.done")
            assert sim.calls[0].state == "connected"
            assert next(payloads, None) is None

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert not caplog.records


def test_a_playout_that_is_held_up_leaves_out_what_it_missed() -> None:
    class Loop(asyncio.SelectorEventLoop):
        ahead = 0.0

        def time(self) -> float:
            return super().time() + self.ahead

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        sent: list[tuple[bytes, int]] = []
        came = asyncio.Event()

        def send(packet: bytes, number: int) -> None:
            sent.append((packet, number))
            came.set()

        async def more() -> int:
            came.clear()
            await came.wait()
            return sent[-1][1]

        playout = Playout(lambda pcm: None, lambda response_id: None)
        playout.begin("audio/opus", send)
        before = await more()
        loop.ahead += 10.0
        after = await more()
        playout.stop()
        assert after - before >= 500
        assert [packet for packet, _ in sent] == [SILENCE] * len(sent)
        assert len(sent) < 500

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


def test_a_playout_ends_with_its_connection() -> None:
    async def main() -> None:
        tried: list[int] = []

        def send(packet: bytes, number: int) -> None:
            tried.append(number)
            raise ConnectionError

        playout = Playout(lambda pcm: None, lambda response_id: None)
        playout.begin("audio/opus", send)
        later = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.1, later.set_result, None)
        await later
        assert tried == [1]

    asyncio.run(main())
