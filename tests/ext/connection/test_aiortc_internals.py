"""Calls where the installed aiortc lacks internals that the peer uses: its documented interface is used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import aioice.ice
import pytest

from realtime_ext._core.pcm import to_samples
from realtime_ext.connection import _webrtc_packets as webrtc_packets, _webrtc_peer as webrtc_peer
from realtime_ext.connection._webrtc_peer import LOOPBACK, WebRtcPeer
from tests.support.answerer import Answerer, tone
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.real_time

NAMES = ("AGENT", "RECEIVE", "CONNECT", "HANDLE_RTP", "HANDLE_RTCP", "HANDLE_SCTP")


@pytest.fixture(autouse=True)
def _nothing_was_reported() -> None:
    webrtc_packets.report_missing.cache_clear()


def call(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Make a call in which a message goes both ways; return the reports of missing internals."""

    async def main() -> None:
        answerer = Answerer()
        async with asyncio.timeout(PATIENCE), WebRtcPeer() as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            await peer.send("ping")
            assert await peer.recv() == "PING"
        await answerer.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=PATIENCE)
        assert not [task for task in others if not task.done()]

    with caplog.at_level(logging.DEBUG, logger="realtime_ext"):
        asyncio.run(main())
    return [record for record in caplog.records if "documented interface" in record.getMessage()]


def test_the_installed_aiortc_has_all_internals(caplog: pytest.LogCaptureFixture) -> None:
    assert call(caplog) == []


@pytest.mark.parametrize("names", [("CONNECT",), NAMES], ids=["connecting", "all"])
def test_a_call_works_without_the_internals(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    # The documented interface gathers all addresses but loopback, of which a machine may have none.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [LOOPBACK])
    for name in names:
        monkeypatch.setattr(webrtc_peer, name, f"_{name.lower()}_renamed_in_a_later_version")
    reports = call(caplog)
    assert len(reports) == len(names), "each is reported once, although both peers lack it"
    assert {record.levelno for record in reports} == {logging.DEBUG}
    assert all("renamed_in_a_later_version" in record.getMessage() for record in reports)


def talk(caplog: pytest.LogCaptureFixture) -> tuple[bytes, bytes, set[str]]:
    """Make a call that speaks; return what this side heard, what the other side heard, and the reports."""
    heard = bytearray()
    enough = asyncio.Event()

    async def listen(pcm: bytes) -> None:
        heard.extend(pcm)
        if len(heard) >= 48_000 // 2:
            enough.set()

    async def source() -> AsyncIterator[bytes]:
        yield tone(1_000)

    async def main() -> bytes:
        answerer = Answerer()
        async with asyncio.timeout(PATIENCE), WebRtcPeer(audio_in=source(), audio_out=listen) as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            await asyncio.gather(enough.wait(), answerer.heard_something.wait(), peer.finished_speaking())
        await answerer.close()
        return bytes(answerer.heard)

    with caplog.at_level(logging.DEBUG, logger="realtime_ext"):
        other = asyncio.run(main())
    found = [
        record.getMessage() for record in caplog.records if "documented interface" in record.getMessage()
    ]
    return bytes(heard), other, set(found)


def is_loud(pcm: bytes) -> bool:
    return max(to_samples(pcm[: len(pcm) // 2 * 2])) > 5_000


@pytest.mark.parametrize("names", ["_RECEIVER", "_SENDER", "_TRANSPORT"])
def test_both_sides_hear_each_other_without_the_internals_for_packets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, names: str
) -> None:
    monkeypatch.setattr(webrtc_packets, names, ("_renamed_in_a_later_version",))
    heard, other, reports = talk(caplog)
    assert is_loud(heard) and is_loud(other)
    assert len(reports) == 1 and "_renamed_in_a_later_version" in reports.pop()


def test_a_packet_that_has_to_wait_is_completed_by_a_task() -> None:
    async def main() -> list[str]:
        done: list[str] = []
        gate = asyncio.Event()

        async def handle() -> None:
            done.append("begun")
            await gate.wait()
            done.append("completed")

        webrtc_packets._run_now(handle())
        assert done == ["begun"]
        gate.set()
        await asyncio.wait(webrtc_packets._unfinished, timeout=PATIENCE)
        return done

    assert asyncio.run(main()) == ["begun", "completed"]
