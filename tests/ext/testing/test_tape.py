from __future__ import annotations

from pathlib import Path

import pytest
from realtime_simulator import Simulator

from realtime_ext import RealtimeClient
from realtime_ext.testing import record_session, replay_session


def ask(sim: Simulator, text: str) -> str:
    session = {"type": "realtime", "model": "gpt-realtime", "output_modalities": ["text"]}
    with (
        RealtimeClient(sim.api_key, base_url=sim.base_url) as client,
        client.connect(session=session) as connection,
    ):
        return connection.ask(text).text


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tape of one question, recorded with the address and the key of the environment."""
    path = tmp_path / "tape.jsonl"
    with Simulator(pacing="none", espeak=False) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", api.api_key)
        with record_session(path) as sim:
            assert ask(sim, "Is it warm?") == "You said: Is it warm?"
        assert api.sessions[0].types_sent()[-1] in ("response.done", "rate_limits.updated")
        assert api.api_key not in path.read_text()
    return path


def test_a_recorded_question_gets_its_recorded_answer(tape: Path) -> None:
    with replay_session(tape) as sim:
        assert ask(sim, "Is it warm?") == "You said: Is it warm?"
        assert not sim.sessions


def test_another_question_is_a_difference(tape: Path) -> None:
    with (
        pytest.raises(AssertionError, match='expected "Is it warm\\?", got "Is it cold\\?"'),
        replay_session(tape) as sim,
        pytest.raises(Exception, match=r"closed|expected"),
    ):
        ask(sim, "Is it cold?")


def test_an_exception_is_not_hidden_by_a_difference(tape: Path) -> None:
    with pytest.raises(KeyError), replay_session(tape):
        raise KeyError


def test_a_file_other_than_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("no\n")
    with pytest.raises(ValueError, match=r"x.jsonl, line 1"), replay_session(path):
        pass
