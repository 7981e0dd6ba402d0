"""Help for tests of voice apps: fixtures for pytest, settings for vcrpy, and a guard against the network.

Where realtime_ext is installed, pytest has these fixtures:

- `realtime_client`, `async_realtime_client`: clients of `realtime_simulator`, the fixture of
  realtime-simulator.
- `no_network`: only this machine may be reached.

    def test_the_call_is_answered(realtime_simulator, realtime_client):
        call = realtime_client.calls.create(sample_offer(), {"type": "realtime", "model": "gpt-realtime-2.1"})
        assert realtime_simulator.calls[0].id == call.id

`sample_offer()` is an SDP offer, `sample_webhook()` a signed webhook. `vcr_settings()` and `match_parts` are
for recording HTTP with vcrpy; `record_session()` and `replay_session()`, which are realtime-simulator's,
record WebSockets. `loopback_only()` is `no_network` outside of pytest. `hurry()` speeds up the clock
of a client. All of it is imported on first use; what pytest loads in every run is `_fixtures`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.extras import SIMULATOR

if TYPE_CHECKING:
    from realtime_simulator import record_session, replay_session
    from realtime_simulator.pytest_plugin import realtime_simulator, realtime_simulator_options

    from ._cassettes import match_parts, vcr_settings
    from ._clocks import hurry
    from ._fixtures import async_realtime_client, no_network, realtime_client
    from ._network import NetworkRefusedError, loopback_only
    from ._offers import sample_offer
    from ._webhook_samples import SampleWebhook, sample_webhook

__all__ = [
    "NetworkRefusedError",
    "SampleWebhook",
    "async_realtime_client",
    "hurry",
    "loopback_only",
    "match_parts",
    "no_network",
    "realtime_client",
    "realtime_simulator",
    "realtime_simulator_options",
    "record_session",
    "replay_session",
    "sample_offer",
    "sample_webhook",
    "vcr_settings",
]


def __dir__() -> list[str]:
    return __all__


pytest_plugins: tuple[str, ...] = ("realtime_ext.testing._fixtures",)  # for `-p realtime_ext.testing`

_HOMES = {
    "NetworkRefusedError": "realtime_ext.testing._network",
    "SampleWebhook": "realtime_ext.testing._webhook_samples",
    "async_realtime_client": "realtime_ext.testing._fixtures",
    "hurry": "realtime_ext.testing._clocks",
    "loopback_only": "realtime_ext.testing._network",
    "match_parts": "realtime_ext.testing._cassettes",
    "no_network": "realtime_ext.testing._fixtures",
    "realtime_client": "realtime_ext.testing._fixtures",
    "realtime_simulator": "realtime_simulator.pytest_plugin",
    "realtime_simulator_options": "realtime_simulator.pytest_plugin",
    "record_session": "realtime_simulator",
    "replay_session": "realtime_simulator",
    "sample_offer": "realtime_ext.testing._offers",
    "sample_webhook": "realtime_ext.testing._webhook_samples",
    "vcr_settings": "realtime_ext.testing._cassettes",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "pytest":
            raise AttributeError(f"{__name__}.{name} is a fixture, and pytest is not installed") from error
        if missing != "realtime_simulator":
            raise
        raise ImportError(
            f"realtime_ext.testing.{name} needs realtime-simulator: {SIMULATOR}",
            name=error.name,
        ) from error
