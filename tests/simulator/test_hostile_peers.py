"""Calls of peers, and of strangers, whose packets are malformed, lost, late, or sent twice."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import socket
from collections.abc import Awaitable, Callable, Iterable

import pytest
from realtime_simulator import Simulator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.attack.packets import JUNK, MALFORMED_RTCP, MALFORMED_RTP, Packets, jitter
from tests.simulator.caller import Caller
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

SESSION = {"type": "realtime", "model": "gpt-realtime-2.1", "output_modalities": ["text"]}


def in_call(sim: Simulator, scene: Callable[[Caller, Packets], Awaitable[None]]) -> None:
    """Run a scene in a call, which has to be alive after it."""

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), Caller(sim) as caller:
            caller.peer.getSenders()[0].replaceTrack(None)
            await caller.connect(SESSION)
            await scene(caller, Packets(caller.peer))
            await alive(caller)

    asyncio.run(main())


async def alive(caller: Caller) -> None:
    """Wait for a whole response, which arrives after everything that was sent before it was requested."""
    before = len(caller.all("response.done"))
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    caller.send("conversation.item.create", item=item)
    caller.send("response.create")
    done = await caller.until("response.done", before + 1)
    assert done["response"]["status"] == "completed"


async def send_all(caller: Caller, packets: Packets, some: Iterable[tuple[bytes, bool]]) -> None:
    """Send packets, of RTCP where that is True; a few at a time, or a socket's buffer overflows."""
    for count, (packet, rtcp) in enumerate(some, 1):
        await packets.send(packet, rtcp=rtcp)
        if count % 50 == 0:
            await alive(caller)


@pytest.mark.parametrize("datagram", JUNK.values(), ids=JUNK.keys())
def test_a_datagram_from_anywhere_does_not_end_a_call(sim: Simulator, datagram: bytes) -> None:
    async def scene(caller: Caller, packets: Packets) -> None:
        ports = re.findall(r"a=candidate:\S+ 1 udp \d+ (\d[\d.]+) (\d+)", sim.calls[-1].answer)
        assert ports
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for host, port in ports:
                stranger.sendto(datagram, (host, int(port)))

    in_call(sim, scene)
    assert sim.calls[-1].ended != "lost"


@pytest.mark.parametrize("make", MALFORMED_RTP.values(), ids=MALFORMED_RTP.keys())
def test_authentic_but_malformed_rtp_does_not_end_a_call(
    sim: Simulator, make: Callable[[Packets], bytes]
) -> None:
    in_call(sim, lambda caller, packets: packets.send(make(packets)))


@pytest.mark.parametrize("make", MALFORMED_RTCP.values(), ids=MALFORMED_RTCP.keys())
def test_authentic_but_malformed_rtcp_does_not_end_a_call(
    sim: Simulator, make: Callable[[Packets], bytes]
) -> None:
    async def scene(caller: Caller, packets: Packets) -> None:
        await caller.wait(lambda: packets.other_ssrc != 1)
        await packets.send(make(packets), rtcp=True)

    in_call(sim, scene)


@pytest.mark.parametrize("seed", range(3))
def test_random_packets_inside_srtp_do_not_end_a_call(sim: Simulator, seed: int) -> None:
    async def scene(caller: Caller, packets: Packets) -> None:
        await caller.wait(lambda: packets.other_ssrc != 1)
        await send_all(caller, packets, itertools.islice(packets.any(random.Random(seed)), 300))

    in_call(sim, scene)


@pytest.mark.parametrize("first", [1_000, 65_500], ids=["in order", "rollover"])
def test_numbers_that_roll_over_lose_no_audio(sim: Simulator, first: int) -> None:
    hear(sim, list(range(first, first + 100)), 1.9)


@pytest.mark.parametrize("first", [1_000, 65_500], ids=["in order", "rollover"])
def test_reordered_and_repeated_packets_lose_no_audio(sim: Simulator, first: int) -> None:
    chance = random.Random(1)
    order = jitter(chance, range(first, first + 100), 4)
    hear(sim, [number for number in order for _ in range(chance.choice((1, 1, 2)))], 1.9)


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_all_packets_lost_costs_little_more_than_their_own_audio(
    sim: Simulator, seed: int
) -> None:
    # aiortc's buffer hands out one packet for each that arrives, so that after a loss it stays full.
    chance = random.Random(seed)
    hear(sim, [number for number in range(65_450, 65_650) if chance.random() > 0.1], 2.5)


def hear(sim: Simulator, numbers: list[int], seconds: float) -> None:
    """Send packets of 20 ms each, with these sequence numbers, and wait until so much is heard of them."""

    async def scene(caller: Caller, packets: Packets) -> None:
        await send_all(caller, packets, ((packets.rtp(number), False) for number in numbers))
        session = sim.calls[-1].session
        async with asyncio.timeout(PATIENCE):
            while session.received_audio_seconds < seconds:
                await alive(caller)
        assert session.received_audio_seconds <= len(set(numbers)) * 0.02 + 0.001

    in_call(sim, scene)


def test_a_transport_that_fails_is_a_lost_call(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError("a mistake in the library")

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), Caller(sim) as caller:
            await caller.connect(SESSION)
            call = sim._parts.projects[0].calls.find(sim.calls[-1].id)  # type: ignore[union-attr]
            (transport,) = call._peer._connection._transports()  # type: ignore[attr-defined]
            url = f"{sim.base_url.replace('http', 'ws')}/realtime?call_id={call.record.id}"
            headers = {"authorization": f"Bearer {sim.api_key}"}
            async with connect(url, additional_headers=headers) as sideband:
                transport._ssl.bio_write = fail
                caller.send("response.create")
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await sideband.recv()
                assert closed.value.rcvd is None  # 1006: lost
            sim.wait_for(lambda: call.record.ended is not None)
            assert call.record.ended == call.record.session.ended == "lost"

    asyncio.run(main())
    assert "the transport of a call failed in aiortc" in caplog.text
