"""Choose where the examples connect: to a simulator in the same process, or with --live to the API."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from realtime_simulator import Simulator

QUESTION = Path(__file__).with_name("question.wav")
"""“What time does breakfast start?”, PCM16, 24 kHz, mono."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Create an argument parser with --live."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--live", action="store_true", help="call the API with OPENAI_API_KEY; costs money")
    return made


@contextlib.contextmanager
def api(live: bool) -> Iterator[Simulator | None]:
    """Point clients without arguments at a simulator, unless the API itself is requested.

    Args:
        live: Whether to leave the environment unchanged, and so reach the API.

    Yields:
        The simulator, or None.
    """
    if live:
        if not os.environ.get("OPENAI_API_KEY"):
            raise SystemExit("--live needs OPENAI_API_KEY")
        yield None
        return
    with Simulator() as simulator:
        os.environ["OPENAI_BASE_URL"] = simulator.base_url
        os.environ["OPENAI_API_KEY"] = simulator.api_key
        os.environ["OPENAI_WEBHOOK_SECRET"] = simulator.webhook_secret
        yield simulator
