"""Help for tests of voice apps: fixtures for pytest, and settings for vcrpy.

Where realtime_ext is installed, pytest has these fixtures:

- `realtime_simulator`: a Realtime API on this machine; the environment points to it during the test.
- `realtime_client`, `async_realtime_client`: clients of it.
- `realtime_simulator_options`: define it yourself to give the simulator arguments.
- `no_network`: only this machine may be reached.

    def test_the_call_is_answered(realtime_simulator, realtime_client):
        call = realtime_client.calls.create(OFFER, {"type": "realtime", "model": "gpt-realtime"})
        assert realtime_simulator.calls[0].id == call.id

`vcr_settings()` and `match_parts` are for recording HTTP with vcrpy; `record_session()` and
`replay_session()` do the same for WebSockets. `loopback_only()` is `no_network` outside of pytest.
pytest loads this module in every run, so all of it is imported on first use.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

# pytest finds fixtures as attributes of its plugin. Without pytest, the rest works nevertheless.
with contextlib.suppress(ModuleNotFoundError):
    from ._fixtures import (
        async_realtime_client,
        no_network,
        realtime_client,
        realtime_simulator,
        realtime_simulator_options,
    )

if TYPE_CHECKING:
    from ._cassette import match_parts, vcr_settings
    from ._network import NetworkRefusedError, loopback_only
    from ._tape import record_session, replay_session

__all__ = [
    "NetworkRefusedError",
    "async_realtime_client",
    "loopback_only",
    "match_parts",
    "no_network",
    "realtime_client",
    "realtime_simulator",
    "realtime_simulator_options",
    "record_session",
    "replay_session",
    "vcr_settings",
]

_PLACES = {
    "NetworkRefusedError": "_network",
    "loopback_only": "_network",
    "match_parts": "_cassette",
    "record_session": "_tape",
    "replay_session": "_tape",
    "vcr_settings": "_cassette",
}


def __getattr__(name: str) -> Any:
    # No __dir__ that lists these names: pytest asks for every attribute of its plugins.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
