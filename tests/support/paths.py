"""Where things lie: the checkout, the samples, and the Python that has the other implementations."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
QUESTION = ROOT / "examples" / "question.wav"
PEERS = ROOT / "tests" / "support" / "peers"
PEER_PYTHON = ROOT / "build" / "peers" / "bin" / "python"  # made by `make peers`
