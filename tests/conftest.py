"""What every test gets: an environment without the API's variables, and both flavours of the client."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.runner import Flavour


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
