"""Latencies: of a turn, of a connection's responses, and their percentiles."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import SessionBuilder
from realtime_ext.connection import Latencies, Latency, LatencyMeter
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.messages import read_message
from realtime_ext.events import parse_event
from tests.ext.connection.driver import Driven, async_only, connect
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.runner import Runner

RESPONSE = {"id": "resp_1", "status": "completed", "output": []}
PART = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


class Timed:
    """A connection's state, and the time at which its events come, in milliseconds."""

    def __init__(self, **role: Any) -> None:
        self.core = ConnectionState(Role(**role), id_prefix="x")

    def at(self, ms: float, kind: str, **fields: Any) -> None:
        self.core.watch.now = ms / 1000
        self.core.apply(*read_message(json.dumps({"type": kind, "event_id": "e", **fields})))

    def send(self, ms: float, kind: str, stream: Any = None) -> None:
        self.core.watch.now = ms / 1000
        self.core.sending(self.core.client_events.write({"type": kind}), stream)

    def audio(self, ms: float) -> None:
        self.at(ms, "response.output_audio.delta", delta="AAAA", **PART)

    def respond(self, begun: float, heard: float, done: float) -> None:
        self.at(begun, "response.created", response=RESPONSE)
        self.audio(heard)
        self.audio(heard + 1)
        self.at(done, "response.done", response=RESPONSE)

    @property
    def only(self) -> Latency:
        (latency,) = self.core.watch.latencies.responses
        return latency


def test_a_response_that_was_asked_for_counts_from_its_request() -> None:
    timed = Timed()
    timed.send(100, "response.create")
    timed.respond(150, 300, 900)
    assert timed.only == Latency(first_event_ms=50, first_audio_ms=200, done_ms=800)


def test_a_response_to_speech_counts_from_its_end() -> None:
    timed = Timed()
    timed.at(0, "input_audio_buffer.speech_started", item_id="item_0", audio_start_ms=0)
    timed.at(1000, "input_audio_buffer.speech_stopped", item_id="item_0", audio_end_ms=0)
    timed.respond(1200, 1500, 3000)
    expected = Latency(first_event_ms=200, first_audio_ms=500, done_ms=2000, after_speech_ms=500)
    assert timed.only == expected
    timed.respond(4000, 4100, 4200)  # without speech or a request
    assert timed.core.watch.latencies.responses == (expected, Latency())


def test_speech_that_this_side_commits_ends_then() -> None:
    timed = Timed()
    timed.send(1000, "input_audio_buffer.commit")
    timed.send(1100, "response.create")
    timed.respond(1200, 1500, 3000)
    expected = Latency(first_event_ms=100, first_audio_ms=400, done_ms=1900, after_speech_ms=500)
    assert timed.only == expected


def test_the_audio_of_a_track_counts_from_its_playback() -> None:
    timed = Timed(plays=False, carries_audio=False)
    timed.send(0, "response.create")
    timed.at(10, "response.created", response=RESPONSE)
    timed.at(250, "output_audio_buffer.started", response_id="resp_1")
    timed.at(400, "response.done", response=RESPONSE)
    assert timed.only.first_audio_ms == 250


def test_a_request_that_was_refused_counts_for_no_other_response() -> None:
    timed = Timed()
    timed.send(100, "response.create")
    (event_id,) = timed.core.watch._asked
    error = {"type": "invalid_request_error", "code": "c", "message": "no", "event_id": event_id}
    timed.at(120, "error", error=error)
    timed.send(500, "response.create")
    timed.respond(550, 600, 700)
    assert timed.only.first_event_ms == 50


def test_percentiles_are_of_the_responses_that_have_the_figure() -> None:
    latencies = Latencies((*(Latency(done_ms=float(n)) for n in range(1, 102)), Latency()))
    assert latencies.percentile(50) == Latency(done_ms=51.0)
    assert latencies.percentile(99.5).done_ms == 100.5
    assert (latencies.percentile(0).done_ms, latencies.percentile(100).done_ms) == (1.0, 101.0)
    assert Latencies().percentile(50) == Latency()
    for percent in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="percent: expected 0 to 100"):
            latencies.percentile(percent)


@async_only
def test_a_turn_lasts_over_its_tools_to_the_last_response(runner: Runner) -> None:
    def look() -> str:
        """Look."""
        return "seen"

    session = SessionBuilder("gpt-realtime").instructions("Look.")
    with Simulator(pacing="none") as simulator:
        simulator.on_response(sequence(call_tool("look", {}), "Done."))
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with Driven(client.connect(session, tools=[look]), runner) as connection:
            turn = connection.ask("Look")
            first, second = connection.latency.responses
    assert None not in (turn.first_event_ms, turn.first_audio_ms, turn.done_ms)
    assert turn.first_event_ms < turn.first_audio_ms <= turn.done_ms
    assert first.first_audio_ms is None
    assert second.first_audio_ms is not None and turn.after_speech_ms is None
    assert turn.done_ms > first.done_ms


@async_only
def test_several_observers_see_everything_and_one_that_raises_disturbs_none(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    seen: list[list[tuple[str, str]]] = [[], []]

    def broken(direction: str, event: Any, now: int) -> None:
        raise RuntimeError("mine")

    observers = [
        lambda direction, event, now: seen[0].append((direction, event.type)),
        broken,
        lambda direction, event, now: seen[1].append((direction, event.type)),
    ]
    with ScriptedServer(Model()) as server, connect(runner, server, observer=observers) as connection:
        connection.ask("Hi")
    assert ("out", "response.create") in seen[0] and ("in", "response.done") in seen[0]
    assert seen[0] == seen[1]
    assert "the observer raised RuntimeError" in caplog.text
    with pytest.raises(TypeError, match="observer: expected a function, or a list or tuple of functions"):
        connect(runner, server, observer=[print, 5]).__enter__()


def test_a_meter_observes_both_apis() -> None:
    meter = LatencyMeter()

    def at(ms: int, kind: str, **fields: Any) -> None:
        meter("in", parse_event(json.dumps({"type": kind, "event_id": "e", **fields})), ms * 1_000_000)

    at(50, "input_audio_buffer.speech_stopped", audio_end_ms=40, item_id="item_0")
    at(100, "response.created", response=RESPONSE)
    at(250, "response.output_audio.delta", delta="AAAA", **PART)
    at(400, "response.done", response=RESPONSE)
    (spoken,) = meter.latencies.responses
    assert (spoken.first_audio_ms, spoken.done_ms, spoken.after_speech_ms) == (200, 350, 200)

    words = {"delta": "Good", "session_id": "live_1"}
    at(500, "session.output_transcript.delta", start_ms=0, end_ms=200, **words)
    at(600, "session.input_transcript.delta", start_ms=300, end_ms=700, **words)
    at(700, "session.output_transcript.delta", start_ms=650, end_ms=690, **words)  # while the user speaks
    at(900, "session.input_transcript.delta", start_ms=2000, end_ms=2400, **words)
    at(950, "session.output_transcript.delta", start_ms=3000, end_ms=3200, **words)
    at(990, "session.output_transcript.delta", start_ms=3200, end_ms=3400, **words)
    assert meter.latencies.responses[1:] == (Latency(after_speech_ms=600),)
    at(1000, "session.started", session={"id": "live_2", "model": "gpt-live-1"})  # its timeline begins anew
    at(1100, "session.input_transcript.delta", start_ms=0, end_ms=300, **words)
    at(1200, "session.output_transcript.delta", start_ms=500, end_ms=700, **words)
    assert meter.latencies.responses[-1] == Latency(after_speech_ms=200)
