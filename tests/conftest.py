"""What every test gets: an environment without the API's variables, and both flavours of the client.

No test depends on how fast the machine is, those that draw their input included. `make test` draws few
examples and the same ones each time; `make test-all` draws many (`--hypothesis-profile=thorough`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.runner import Flavour

settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "quick", settings.get_profile("thorough"), max_examples=10, derandomize=True, database=None
)
settings.load_profile("quick")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two to a core: half of the time of calls, which are as long as they are, goes by waiting."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _interrupts_work() -> None:
    """Make Ctrl-C work, also in processes that tests start: in the background, shells have it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_api_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=["sync", "async"])
def flavour(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """The blocking client, then the awaited one."""
    flavour = Flavour(request.param)
    yield flavour
    flavour.close()
