"""What the simulator changes inside aiortc: sound that is sent and received without its tasks and threads."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from array import array
from collections.abc import Iterator
from typing import Any

import pytest
from aiortc import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket, is_rtcp
from aiortc.stats import RTCRemoteOutboundRtpStreamStats
from realtime_simulator import Simulator, say
from realtime_simulator._calls import ice_peer
from realtime_simulator._calls.ice_peer import IcePeerConnection
from realtime_simulator._calls.peer import Playout
from realtime_simulator._media.speech import SILENCE

from tests.simulator.caller import Caller
from tests.simulator.checking import rms
from tests.support.rows import each
from tests.support.waiting import PATIENCE


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


@pytest.mark.slow
def test_the_installed_aiortc_has_all_internals_that_are_used(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: set[str] = set()
    monkeypatch.setattr(ice_peer, "_reported", reported)

    async def main() -> None:
        async with Caller(sim, microphone=8000) as caller:
            await caller.connect()
            await asyncio.to_thread(sim.wait_for, lambda: len(sim.calls[0].received_audio) > 48000)
            await caller.wait(lambda: len(caller.heard) > 0)

    asyncio.run(main())
    assert reported == set()
    assert hasattr(IcePeerConnection.__base__, "_RTCPeerConnection__connect")


def answered(caller: Caller) -> bool:
    """Whether the caller heard something loud, in 48 kHz stereo or 8 kHz mono."""
    return sum(abs(value) > 1000 for value in caller.heard_mono()) > 400


ALL = ("SENDER", "RECEIVER", "GATHERING")
SESSION = {"type": "realtime", "model": "gpt-realtime-2.1", "audio": {"input": {"turn_detection": None}}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tables", "codec"),
    [(("SENDING",), "opus"), (("AGENT",), "opus"), (ALL, "PCMU")],
    ids=["sending", "receiving", "all with G.711"],
)
def test_a_call_works_without_the_internals(
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tables: tuple[str, ...],
    codec: str,
) -> None:
    """Where an internal is missing, the documented way of aiortc takes its place."""
    monkeypatch.setattr(ice_peer, "_reported", set())
    for table in tables:
        monkeypatch.setattr(ice_peer, table, {**getattr(ice_peer, table), "_an_internal_of_the_past": object})
    threads = set(threading.enumerate())

    async def main() -> None:
        async with Caller(sim, microphone=8000) as caller:
            able = RTCRtpSender.getCapabilities("audio").codecs
            chosen = [one for one in able if one.mimeType.lower() == f"audio/{codec}".lower()]
            caller.peer.getTransceivers()[0].setCodecPreferences(chosen)
            sim.on_response(lambda turn: say("Here I am."))
            await caller.connect(SESSION)
            caller.send("response.create")
            await caller.until("output_audio_buffer.stopped")
            await caller.wait(lambda: answered(caller))
            await asyncio.to_thread(sim.wait_for, lambda: len(sim.calls[-1].received_audio) > 96000)
            assert (await caller.hangup()).status_code == 200
            await caller.wait(lambda: caller.peer.connectionState == "closed")

    with caplog.at_level(logging.DEBUG, logger="realtime_simulator"):
        asyncio.run(main())
    (call,) = sim.calls
    assert call.ended == "hangup" and rms(call.received_audio[48000:96000]) > 2000
    reports = [record for record in caplog.records if "aiortc's internals differ" in record.message]
    assert len(reports) == len(tables) and {record.levelno for record in reports} == {logging.DEBUG}
    sim.wait_for(lambda: not [one for one in set(threading.enumerate()) - threads if "decoder" in one.name])


def test_a_missing_internal_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ice_peer, "_reported", set())
    with caplog.at_level(logging.DEBUG, logger="realtime_simulator"):
        for _ in range(3):
            ice_peer._report("sound is sent", ice_peer.UnsupportedError("RTCRtpSender._run_rtp"))
    assert [record.message for record in caplog.records] == [
        "aiortc's internals differ (RTCRtpSender._run_rtp); sound is sent in the documented way"
    ]


@each(
    "kind, value",
    [
        (object, None),
        (int, "1"),
        (ice_peer._Method(1, ("named",)), lambda one: None),
        (ice_peer._Method(1), lambda: None),
        (ice_peer._Method(1), 1),
    ],
)
def test_an_internal_that_is_missing_or_differs_is_noticed(kind: Any, value: object) -> None:
    owner = type(
        "Owner", (), {} if value is None else {"internal": staticmethod(value) if callable(value) else value}
    )
    with pytest.raises(ice_peer.UnsupportedError, match=r"Owner\.internal"):
        ice_peer._require(owner(), {"internal": kind})


def test_a_packet_that_has_to_wait_is_completed_in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice_peer, "_reported", set())

    async def main() -> list[str]:
        steps: list[str] = []
        ready = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            steps.append("begun")
            steps.append(await ready)
            await asyncio.sleep(0)
            steps.append("done")

        ice_peer._finish(wait())
        assert steps == ["begun"]
        ready.set_result("ready")
        await asyncio.gather(*ice_peer._unfinished)
        return steps

    assert asyncio.run(main()) == ["begun", "ready", "done"]


@pytest.mark.slow
def test_rtcp_reports_sent_and_received_packets(sim: Simulator) -> None:
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
            async with asyncio.timeout(PATIENCE):
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


@pytest.mark.slow
def test_reordered_packets_are_decoded_in_order(sim: Simulator) -> None:
    async def main() -> None:
        async with Caller(sim) as caller:
            caller.microphone.is_steady = True
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


@pytest.mark.slow
def test_packets_without_audio_do_not_affect_the_call(
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


def test_a_delayed_playout_skips_missed_packets() -> None:
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
        assert len(tried) == 1

    asyncio.run(main())
