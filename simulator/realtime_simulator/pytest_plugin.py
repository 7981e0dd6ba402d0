"""The fixtures of the pytest plugin: a running simulator for tests of any client, loaded when it is used.

def test_a_secret_is_minted(realtime_simulator):
    secret = openai.OpenAI().realtime.client_secrets.create()  # the environment points to the simulator
    assert secret.value.startswith("ek_")
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from realtime_simulator._rehearsal.rehearsal import Rehearsal
    from realtime_simulator._simulator.simulator import Simulator

__all__ = [
    "pytest_configure",
    "pytest_pyfunc_call",
    "realtime_simulator",
    "realtime_simulator_options",
    "rehearsal",
    "rehearsal_options",
]


def __dir__() -> list[str]:
    return sorted(__all__)


_SPEED = 20
_REMOVED = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


def pytest_configure(config: pytest.Config) -> None:
    """Exclude this package from assertion rewriting, which pytest applies to installed plugins.

    The simulator's thread imports modules while the test's thread imports others, and Python 3.11 raises
    SystemError where two threads parse at once (https://github.com/python/cpython/issues/106905).
    """
    marked = getattr(config.pluginmanager.rewrite_hook, "_must_rewrite", None)
    if isinstance(marked, set):
        marked.discard(__package__)


@pytest.fixture
def realtime_simulator_options() -> Mapping[str, Any]:
    """Return keyword arguments for `Simulator`: none, unless you define a fixture of this name yourself."""
    return {}


@pytest.fixture
def realtime_simulator(
    realtime_simulator_options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulator]:
    """Run a simulator, to which the environment points for the length of the test.

    OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_WEBHOOK_SECRET are the simulator's, OPENAI_ORG_ID and
    OPENAI_PROJECT_ID are removed, and loopback addresses bypass proxies; with the option `tls`, SSL_CERT_FILE
    is its certificate. So clients without arguments reach the simulator. It keeps audio and answers at once,
    unless the options change that.
    """
    from realtime_simulator._simulator.simulator import Simulator

    options = {"keep_audio": True, "pacing": "none", **realtime_simulator_options}
    with Simulator(**options) as simulator:
        _point_to(simulator, monkeypatch, options.get("tls"))
        yield simulator


@pytest.fixture
def rehearsal_options() -> Mapping[str, Any]:
    """Return keyword arguments for the `Simulator` of `rehearsal`: none, unless you define a fixture of this
    name yourself."""
    return {}


@pytest.fixture
def rehearsal(rehearsal_options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    """Run a simulator whose callers call the app under test; see `realtime_simulator.rehearsal`.

    The environment points to it, as for `realtime_simulator`. The model is as fast as the service's, unless
    the options change that; speech passes twenty times as fast. A test that is a coroutine needs no other
    plugin.
    """
    from realtime_simulator._rehearsal.rehearsal import Rehearsal
    from realtime_simulator._simulator.simulator import Simulator

    options = {"keep_audio": True, **rehearsal_options}
    with Simulator(**options) as simulator:
        _point_to(simulator, monkeypatch, options.get("tls"))
        with Rehearsal(simulator, speed=_SPEED) as made:
            yield made


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine that uses `rehearsal`, where no other plugin runs coroutines."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or "rehearsal" not in pyfuncitem.fixturenames:
        return None
    import asyncio

    wanted = inspect.signature(pyfuncitem.obj).parameters  # of `mock.patch` and with defaults, too
    given = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    asyncio.run(pyfuncitem.obj(**given))
    return True


def _point_to(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, certificate: str | os.PathLike[str] | None
) -> None:
    """Set the environment so that clients reach a simulator, and trust its certificate."""
    monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", simulator.api_key)
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
    if certificate is not None:
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate))
    for name in _REMOVED:
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        before = os.environ.get(name)
        monkeypatch.setenv(name, ",".join(filter(None, (before, "127.0.0.1", "localhost"))))
