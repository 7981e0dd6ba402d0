"""A call from Chromium to the simulator: FormData by fetch, audio both ways, the data channel."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from realtime_kit._demo.sound import RATE, loudness, samples
from realtime_simulator import Simulator

from realtime_ext import RealtimeClient, sdp
from tests.support.chromium import chromium
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]

SESSION = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "audio": {"input": {"turn_detection": None}, "output": {"voice": "marin"}},
}


class Files(http.server.SimpleHTTPRequestHandler):
    """The page's server, on a port of its own, so that the API is of another origin as it is in real life."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    handler = functools.partial(Files, directory=Path(__file__).parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, chromium() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(f"http://127.0.0.1:{server.server_port}/browser_call.html")
            yield page
        finally:
            server.shutdown()


def browser_energy(pcm: bytes) -> float:
    """What Chromium counts as `totalAudioEnergy`: the squared peak of each 100 ms, times their length."""
    size = RATE // 10
    peaks = [abs(samples(pcm[2 * n : 2 * (n + size)])).max() for n in range(0, len(pcm) // 2, size)]
    return sum(float(peak) ** 2 for peak in peaks) * 0.1


def test_a_page_talks_with_the_simulator(page: Page) -> None:
    with Simulator(pacing="none", keep_audio=True) as simulator:
        location = page.evaluate(
            "([url, key, session]) => dial(url, key, session)",
            [simulator.base_url, simulator.api_key, SESSION],
        )
        (call,) = simulator.calls
        assert location == f"/v1/realtime/calls/{call.id}"
        assert sdp.check_offer(call.offer.decode()) == []
        assert page.evaluate("until('session.created')")["session"]["model"] == "gpt-realtime-2.1"

        page.evaluate("speak(2)")
        page.evaluate("send({type: 'input_audio_buffer.commit'})")
        page.evaluate("until('input_audio_buffer.committed')")
        page.evaluate("send({type: 'response.create'})")
        done = page.evaluate("until('response.done')")
        assert done["response"]["status"] == "completed"
        page.evaluate("until('output_audio_buffer.stopped')")

        audio = page.evaluate("audio()")
        assert audio["bytesSent"] > 2_000
        assert audio["energySent"] > 0
        # The fake microphone beeps once a second; the simulator must have heard it.
        heard = loudness(call.received_audio)
        assert heard.seconds > 0.9
        assert heard.dbfs > -50
        # And the page must have heard the simulator. A page that is late drops or stretches some of it.
        said = loudness(call.sent_audio)
        assert said.seconds > 1
        assert audio["bytesReceived"] > 2_000
        assert audio["secondsReceived"] > said.seconds / 2
        assert audio["energyReceived"] > browser_energy(call.sent_audio) / 4

        with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            client.calls.hangup(call.id)
        assert page.evaluate("closed()") == "closed"
        assert call.ended == "hangup"


def test_a_page_that_has_only_a_client_secret_talks_too(page: Page) -> None:
    with Simulator(pacing="none", keep_audio=True) as simulator:
        with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            secret = client.client_secrets.create(SESSION).to_browser()
        page.reload()
        page.evaluate(
            "([url, key, session]) => dial(url, key, session)", [simulator.base_url, secret["value"], SESSION]
        )
        page.evaluate("until('session.created')")
        page.evaluate("send({type: 'response.create'})")
        page.evaluate("until('output_audio_buffer.stopped')")
        types = page.evaluate("call.events.map((event) => event.type)")
        assert types.index("session.created") == 0
        assert types.index("response.created") < types.index("output_audio_buffer.started")
        assert types.index("response.output_audio_transcript.done") < types.index("response.done")
        page.evaluate("call.pc.close()")
