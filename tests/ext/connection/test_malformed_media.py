"""RTP and RTCP inside SRTP that no peer should send, from an answerer of the tests' own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from realtime_ext.connection._webrtc_peer import WebRtcPeer
from tests.attack.packets import MALFORMED_RTCP, MALFORMED_RTP, Packets, jitter
from tests.support.answerer import Answerer
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.real_time, pytest.mark.slow]


def in_call(scene: Callable[[Packets], Awaitable[None]]) -> None:
    """Run a scene in a call, which has to be alive after it."""

    async def main() -> None:
        answerer = Answerer()
        try:
            async with asyncio.timeout(PATIENCE), WebRtcPeer() as peer:
                await peer.connect(await answerer.answer(await peer.create_offer()))
                await peer.send("begin")
                assert await peer.recv() == "BEGIN"
                await scene(Packets(answerer.pc))
                for number in range(3):  # the packets arrive before the echoes
                    await peer.send(f"message {number}")
                    assert await peer.recv() == f"MESSAGE {number}"
                assert peer.close_code is None
        finally:
            await answerer.close()

    asyncio.run(main())


@pytest.mark.parametrize("make", MALFORMED_RTP.values(), ids=MALFORMED_RTP.keys())
def test_authentic_but_malformed_rtp_does_not_end_a_call(make: Callable[[Packets], bytes]) -> None:
    in_call(lambda packets: packets.send(make(packets)))


@pytest.mark.parametrize("make", MALFORMED_RTCP.values(), ids=MALFORMED_RTCP.keys())
def test_authentic_but_malformed_rtcp_does_not_end_a_call(make: Callable[[Packets], bytes]) -> None:
    async def scene(packets: Packets) -> None:
        while packets.other_ssrc == 1:
            await asyncio.sleep(0)
        await packets.send(make(packets), rtcp=True)

    in_call(scene)


@pytest.mark.parametrize("seed", range(3))
def test_random_packets_inside_srtp_do_not_end_a_call(seed: int) -> None:
    async def scene(packets: Packets) -> None:
        for (packet, rtcp), _ in zip(packets.any(random.Random(seed)), range(300), strict=False):
            await packets.send(packet, rtcp=rtcp)

    in_call(scene)


def test_rollover_loss_and_jitter_do_not_end_a_call() -> None:
    async def scene(packets: Packets) -> None:
        chance = random.Random(1)
        for number in jitter(chance, range(65_450, 65_650), 6):
            if chance.random() > 0.1:
                await packets.send(packets.rtp(number))

    in_call(scene)
