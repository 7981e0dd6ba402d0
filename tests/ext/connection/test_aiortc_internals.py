"""Calls where the installed aiortc lacks internals that the peer uses: its documented interface is used."""

from __future__ import annotations

import asyncio
import logging

import aioice.ice
import pytest

from realtime_ext.connection import _webrtc_peer as webrtc_peer
from realtime_ext.connection._webrtc_peer import LOOPBACK, WebRtcPeer
from tests.support.answerer import Answerer

NAMES = ("AGENT", "RECEIVE", "CONNECT", "HANDLE_RTP", "HANDLE_RTCP", "HANDLE_SCTP")


@pytest.fixture(autouse=True)
def _nothing_was_reported() -> None:
    webrtc_peer._report_missing.cache_clear()


def call(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Make a call in which a message goes both ways; return the reports of missing internals."""

    async def main() -> None:
        answerer = Answerer()
        async with asyncio.timeout(30), WebRtcPeer() as peer:
            await peer.connect(await answerer.answer(await peer.create_offer()))
            await peer.send("ping")
            assert await peer.recv() == "PING"
        await answerer.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=10)
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
