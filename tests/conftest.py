"""Set-up of all tests: an environment without the API's variables, and both clients.

No test depends on how fast the machine is, those that draw their input included: the same few examples are
drawn each time. `make test-weekly` draws more, at random (`--hypothesis-profile=random`).

Every worker collects all tests, and the workers share two cores: hence the settings of garbage collection,
bytecode and certificates below.
"""

from __future__ import annotations

import datetime
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")  # those of others import trio and more

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from realtime_simulator._engine import config as simulated

from realtime_ext import models
from tests.support.chosen import chosen_by
from tests.support.runner import Runner

pytest_plugins = ["tests.support.time_limit", "tests.support.unstable"]

settings.register_profile(
    "random",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile(
    "quick", settings.get_profile("random"), max_examples=10, derandomize=True, database=None
)
settings.load_profile("quick")

# Tests name models that end: for them it is a day on which none ends soon, also while they are imported. A
# simulator with a clock of its own keeps its date.
_TODAY = datetime.date(2026, 9, 1)
_day = simulated.day
models.today = lambda: _TODAY
simulated.day = lambda unix: _TODAY if abs(unix - time.time()) < 86_400 else _day(unix)
gc.disable()  # until all is imported: nearly all of what that makes stays

_TESTS = Path(__file__).parent

for name in [name for name in os.environ if name.startswith("OPENAI_")]:
    del os.environ[name]
# No certificate authorities: every client of httpx would read all of them, for 20 ms.
# Workers inherit this process's environment, so what was set before is kept under another name.
_AUTHORITIES = {
    name: os.environ.setdefault(f"TESTS_{name}", os.environ.get(name, ""))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
}
os.environ.update(SSL_CERT_FILE="", SSL_CERT_DIR=str(_TESTS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the time is spent waiting, and each worker collects tests for seconds."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same examples each time; collect only files with chosen tests, in each worker from another on.

    Hypothesis also draws the constants of the modules that happen to be loaded; reading them takes an eighth
    of the time of collecting. In a fresh clone workers that start at different files share the compiling.
    """
    if config.getoption("--hypothesis-profile") != "random":
        providers.is_local_module_file = lambda file: False
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.args == config.getini("testpaths"):
        files = sorted(map(str, chosen_by(config.option.markexpr, _TESTS.rglob("test_*.py"), _TESTS)))
        first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args = [*files[first:], *files[:first]]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten the name of a case that is a long text, such as an offer."""
    if isinstance(val, str | bytes) and len(val) > 60:
        return f"{val[:40]!r}... of {len(val)}"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order that all workers have in common; those that wait long come first."""
    items.sort(key=lambda item: (item.get_closest_marker("early") is None, item.path))
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("slow") is not None:
            item.fixturenames.insert(0, "_authorities")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Freeze what was collected, so that the garbage collector, which tests call as well, skips it."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _interrupts_work() -> None:
    """Make Ctrl-C work, also in processes that tests start: in the background, shells have it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def _authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a slow test the certificate authorities: it may fetch packages."""
    for name, value in _AUTHORITIES.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)


@pytest.fixture(params=["sync", "async"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """The sync client, then the async one."""
    runner = Runner(request.param)
    yield runner
    runner.close()
