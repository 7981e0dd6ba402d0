"""The fixtures of the pytest plugin: a running simulator for tests of any client, loaded when it is used.

def test_a_secret_is_minted(realtime_simulator):
    secret = openai.OpenAI().realtime.client_secrets.create()  # the environment points to the simulator
    assert secret.value.startswith("ek_")
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from realtime_simulator._simulator.simulator import Simulator

__all__ = ["realtime_simulator", "realtime_simulator_options"]


def __dir__() -> list[str]:
    return sorted(__all__)


_REMOVED = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


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
    OPENAI_PROJECT_ID are removed, and loopback addresses bypass proxies. So clients without arguments
    reach the simulator. It keeps audio and answers at once, unless the options change that.
    """
    from realtime_simulator._simulator.simulator import Simulator

    options = {"keep_audio": True, "pacing": "none", **realtime_simulator_options}
    with Simulator(**options) as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", simulator.api_key)
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        for name in _REMOVED:
            monkeypatch.delenv(name, raising=False)
        for name in ("NO_PROXY", "no_proxy"):
            before = os.environ.get(name)
            monkeypatch.setenv(name, ",".join(filter(None, (before, "127.0.0.1", "localhost"))))
        yield simulator
