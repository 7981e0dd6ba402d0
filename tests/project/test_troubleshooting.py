"""The page for troubleshooting quotes errors as they are raised."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator, pause

from realtime_ext import RealtimeClient, Reconnect, SessionBuilder, webhooks
from tests.support.paths import QUESTION, ROOT

PAGE = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## `(.*)`$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


def client(simulator: Simulator, key: str | None = None, **options: Any) -> RealtimeClient:
    given = {"base_url": simulator.base_url, "max_retries": 0, **options}
    return RealtimeClient(simulator.api_key if key is None else key, **given)


def connection(simulator: Simulator, **options: Any) -> Any:
    return client(simulator).connect("gpt-realtime-2.1", **options)


def read_too_late(simulator: Simulator) -> None:
    with connection(simulator, max_queue_bytes=1000) as connected:
        connected.recv()
        connected.create_response()
        simulator.wait_for(lambda: connected.is_closed)
        list(connected)


def ask_too_long(simulator: Simulator) -> None:
    simulator.on_response([pause(60), "Late."], times=1)
    with connection(simulator) as connected:
        connected.ask("Hello?", timeout=0.05)


def outlive(simulator: Simulator) -> None:
    with connection(simulator) as connected:
        simulator.advance(3600)
        connected.run()


def lose_a_turn(simulator: Simulator) -> None:
    with connection(simulator, reconnect=Reconnect(replay=True, first_delay=0)) as connected:
        simulator.fault("socket_drop", after="response.created", times=1)
        connected.ask("Hello?")


def append_a_file(simulator: Simulator) -> None:
    with connection(simulator) as connected:
        connected.append_audio(Path(QUESTION).read_bytes())


def forge(simulator: Simulator) -> None:
    headers = webhooks.sign(b"{}", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    webhooks.unwrap(b"{}", headers, simulator.webhook_secret)


def dial_without_the_extra(simulator: Simulator) -> None:
    program = (
        "import sys; sys.modules['aiortc'] = None\n"
        "from realtime_ext import RealtimeClient\n"
        "try:\n    RealtimeClient('key').dial().__enter__()\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    raise ImportError(done.stdout.strip())


def mint(simulator: Simulator, key: str | None = None, **options: Any) -> None:
    with client(simulator, key, **options) as opened:
        opened.client_secrets.create()


RAISES: dict[str, Callable[[Simulator], object]] = {
    "no API key": lambda simulator: mint(simulator, ""),
    "Incorrect API key": lambda simulator: mint(simulator, "sk-wrong"),
    "no connection": lambda simulator: mint(simulator, base_url="http://127.0.0.1:1/v1"),
    "the base URL": lambda simulator: mint(simulator, base_url=simulator.base_url.removesuffix("/v1")),
    "the call to": lambda simulator: client(simulator).connect(call_id="rtc_0").__enter__(),
    "…: a beta name": lambda simulator: SessionBuilder().extra(modalities=["text"]).build(),
    "no webhook signature": forge,
    "the connection closed": read_too_late,
    "ask:": ask_too_long,
    "Your session": outlive,
    "the turn was lost": lose_a_turn,
    "append_audio": append_a_file,
    "WebRTC in Python": dial_without_the_extra,
}
SLOW = {"the call to"}  # is not refused at once, for it may not be ready yet


def test_the_page_has_the_errors_of_these_tests() -> None:
    assert len(HEADINGS) >= 10
    assert [key for heading in HEADINGS for key in RAISES if heading.startswith(key)] == list(RAISES)


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=[pytest.mark.slow] if key in SLOW else []) for key in RAISES]
)
def test_an_error_has_the_text_by_which_it_is_found(key: str, simulator: Simulator) -> None:
    (heading,) = (heading for heading in HEADINGS if heading.startswith(key))
    with pytest.raises(Exception) as caught:
        RAISES[key](simulator)
    # api_key=… is part of the text; elsewhere the sign stands for what differs
    pattern = re.escape(heading).replace("…", ".*")
    assert re.search(pattern, str(caught.value), re.DOTALL), str(caught.value)
