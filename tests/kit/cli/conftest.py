"""What every test of commands gets: patience."""

from __future__ import annotations

import pytest
from realtime_kit.cli import _conversation, _live_conversation, _transcription

from tests.support.waiting import PATIENCE, be_patient

be_patient()


@pytest.fixture(autouse=True)
def _what_has_to_come_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_live_conversation, "_ANSWER_S", PATIENCE)
    monkeypatch.setattr(_conversation, "_TRANSCRIPT_S", PATIENCE)
    monkeypatch.setattr(_transcription, "_STALLED_S", PATIENCE)
