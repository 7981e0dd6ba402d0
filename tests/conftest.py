"""What every test gets: an environment without the API's variables, and both flavours of the client.

No test depends on how fast the machine is, those that draw their input included. `make test` draws few
examples and the same ones each time; `make test-all` draws many (`--hypothesis-profile=thorough`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.runner import Flavour

settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "quick", settings.get_profile("thorough"), max_examples=20, derandomize=True, database=None
)
settings.load_profile("quick")


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
