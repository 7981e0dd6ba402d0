"""Model shutdowns: a warning before, and the reason when a model is refused."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import httpx
import pytest
from realtime_api.shutdowns import MODEL_SHUTDOWNS
from realtime_simulator import Simulator

from realtime_ext import (
    ModelDeprecationWarning,
    NotFoundError,
    RealtimeClient,
    SessionBuilder,
    TranscriptionSessionBuilder,
    models,
)
from realtime_ext.session import _check
from tests.support.runner import Runner

END = datetime.date(2027, 1, 20)


@pytest.fixture(autouse=True)
def _not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_check, "_warned_of", set())


def on(monkeypatch: pytest.MonkeyPatch, day: datetime.date) -> None:
    monkeypatch.setattr(models, "today", lambda: day)


def warnings_of(action: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [one for one in caught if one.category is ModelDeprecationWarning]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (91, None),
        (90, "gpt-realtime ends on 2027-01-20; use gpt-realtime-2.1"),
        (1, "gpt-realtime ends on 2027-01-20; use gpt-realtime-2.1"),
        (0, "gpt-realtime ended on 2027-01-20; use gpt-realtime-2.1"),
        (-400, "gpt-realtime ended on 2027-01-20; use gpt-realtime-2.1"),
    ],
)
def test_a_model_is_announced_as_ending_from_90_days_before(
    days: int, message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, END - datetime.timedelta(days=days))
    assert models.ending("gpt-realtime") == message
    assert models.ending("gpt-realtime-2.1") is None


def test_the_default_models_have_no_end() -> None:
    assert not {models.MODEL, models.TRANSCRIPTION_MODEL, models.TRANSLATION_MODEL} & MODEL_SHUTDOWNS.keys()
    assert not {shutdown.successor for shutdown in MODEL_SHUTDOWNS.values()} & MODEL_SHUTDOWNS.keys()


def test_a_session_warns_once_for_each_model_at_the_callers_line(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, END)
    session = {
        "type": "realtime",
        "model": "gpt-realtime",
        "audio": {"input": {"transcription": {"model": "whisper-1"}}},
    }

    def create(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"value": "ek_1", "expires_at": 1, "session": session})

    with RealtimeClient(
        api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(create))
    ) as client:
        first = warnings_of(lambda: client.client_secrets.create(session))
        assert warnings_of(lambda: client.client_secrets.create(session)) == []
    assert [str(one.message) for one in first] == [
        "gpt-realtime ended on 2027-01-20; use gpt-realtime-2.1",
        "whisper-1 ends on 2027-02-26; use gpt-realtime-whisper",
    ]
    assert {one.filename for one in first} == {__file__}


@pytest.mark.parametrize(
    "build",
    [
        lambda: SessionBuilder("gpt-realtime-mini-2025-10-06").build(),
        lambda: SessionBuilder("gpt-realtime-2.1").transcribe("gpt-4o-transcribe").build(),
        lambda: TranscriptionSessionBuilder("gpt-4o-mini-transcribe").build(),
    ],
)
def test_a_builder_warns(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, END)
    assert len(warnings_of(build)) == 1


def test_a_connection_warns_and_an_update_too(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, datetime.date(2026, 12, 1))
    with (
        Simulator(pacing="none") as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
    ):

        def talk() -> None:
            with client.connect("gpt-realtime") as connection:
                connection.update_session(SessionBuilder().transcribe("whisper-1"))

        assert len(warnings_of(talk)) == 2


def test_an_ended_model_is_refused_with_its_end_and_its_successor(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, END)
    with Simulator(pacing="none", clock="2027-01-20T00:00:00Z") as simulator:
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelDeprecationWarning)
            for session in (
                {"type": "realtime", "model": "gpt-realtime"},
                SessionBuilder("gpt-realtime-mini"),
            ):
                with pytest.raises(Exception, match=r"ended on 2027-01-20; use gpt-realtime-2\.1") as caught:
                    runner.run(client.client_secrets.create(session))
                assert getattr(caught.value, "code", None) == "invalid_model"
        runner.run(client.client_secrets.create({"type": "realtime", "model": "gpt-realtime-2.1"}))


@pytest.mark.filterwarnings("ignore::realtime_ext.ModelDeprecationWarning")
def test_a_connection_with_an_ended_model_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def events(clock: str) -> None:
        with (
            Simulator(pacing="none", clock=clock) as simulator,
            RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
            client.connect("gpt-realtime") as connection,
        ):
            connection.recv()

    events("2027-01-19T23:59:59Z")
    on(monkeypatch, END)
    with pytest.raises(NotFoundError, match=r"use gpt-realtime-2\.1\]"):
        events("2027-01-20T00:00:00Z")


def test_a_refusal_that_names_no_ended_model_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, datetime.date(2027, 1, 1))
    assert models.with_end('Model "gpt-realtime" is busy') == 'Model "gpt-realtime" is busy'
    on(monkeypatch, END)
    assert models.with_end('Model "gpt-realtime-9" is unknown') == 'Model "gpt-realtime-9" is unknown'
