"""One client for each test, unless it asks for both with `IN_BOTH`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.support.runner import Runner


@pytest.fixture
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """The sync client for half of the tests, and the async one for the others, by their names."""
    by_name = ("sync", "async")[zlib.crc32(request.node.name.encode()) % 2]
    runner = Runner(getattr(request, "param", by_name))
    yield runner
    runner.close()
