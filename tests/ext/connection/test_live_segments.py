"""Segments of a Live session's transcript: where they begin and end, and how a program follows them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from realtime_simulator import Simulator, speech

from realtime_ext._core.utterances import Speaker, Utterance
from realtime_ext.connection._state.segments import Segments, TranscriptSegment
from tests.ext.connection.clocks import hurry
from tests.ext.connection.driver import Driven
from tests.support.rows import each
from tests.support.runner import Runner

Piece = tuple[Speaker, int, int, str]
YOU: Speaker = "user"
IT: Speaker = "assistant"


def after(*pieces: Piece) -> Segments:
    segments = Segments()
    for speaker, start_ms, end_ms, text in pieces:
        segments.add(Utterance(speaker=speaker, text=text, start_ms=start_ms, end_ms=end_ms))
    return segments


def shown(segments: Segments) -> list[tuple[str, str, str | None]]:
    return [(one.speaker, one.text, one.closed) for one in segments.found]


CASES: dict[str, tuple[list[Piece], list[tuple[str, str, str | None]]]] = {
    "pieces of one speaker are joined": (
        [(YOU, 0, 200, "Hello"), (YOU, 200, 400, ". This is"), (YOU, 1600, 1800, "Ann.")],
        [(YOU, "Hello. This is Ann.", None)],
    ),
    "the user ends the model's at once": (
        [(IT, 0, 200, " Hello."), (YOU, 200, 400, "Stop.")],
        [(IT, "Hello.", "speaker_change"), (YOU, "Stop.", None)],
    ),
    "the model's words 500 ms later are an answer": (
        [(YOU, 0, 200, "Hello?"), (IT, 700, 900, "Yes.")],
        [(YOU, "Hello?", "speaker_change"), (IT, "Yes.", None)],
    ),
    "earlier ones wait for what the user does": (
        [(YOU, 0, 200, "Hello?"), (IT, 400, 600, "Good morning.")],
        [(YOU, "Hello?", None)],
    ),
    "and are an answer when the user has been silent": (
        [(YOU, 0, 200, "Hello?"), (IT, 400, 600, "Good"), (IT, 700, 900, " morning.")],
        [(YOU, "Hello?", "speaker_change"), (IT, "Good morning.", None)],
    ),
    "a sound of assent is left out": (
        [(YOU, 0, 200, "I want"), (IT, 200, 400, "Mhm."), (YOU, 600, 800, " a room.")],
        [(YOU, "I want a room.", None)],
    ),
    "the model's silence of two seconds": (
        [(IT, 0, 200, "One."), (IT, 2200, 2400, "Two.")],
        [(IT, "One.", "inactivity"), (IT, "Two.", None)],
    ),
    "time that begins again": (
        [(YOU, 5000, 5200, "One."), (YOU, 0, 200, "Two.")],
        [(YOU, "One.", "timestamp_reset"), (YOU, "Two.", None)],
    ),
}


@each("case", CASES.values(), ids=CASES)
def test_pieces_are_grouped(case: Any) -> None:
    pieces, expected = case
    assert shown(after(*pieces)) == expected


def test_silence_ends_the_models_segment_and_not_the_users() -> None:
    segments = after((IT, 0, 200, "Hello."))
    assert segments.deadline() == 2200
    segments.advance(2199)
    assert segments.found[0].closed is None
    segments.advance(2200)
    assert segments.found[0].closed == "inactivity"
    assert after((YOU, 0, 200, "Hello.")).deadline() is None


def test_assent_is_an_answer_if_the_user_says_no_more_and_left_out_otherwise() -> None:
    asked: list[Piece] = [(YOU, 0, 200, "Is it free?"), (IT, 300, 500, "Yes.")]
    answered = after(*asked)
    assert answered.deadline() == 2500
    answered.advance(2500)
    assert shown(answered) == [(YOU, "Is it free?", "speaker_change"), (IT, "Yes.", None)]
    went_on = after(*asked, (YOU, 600, 800, " On Sunday?"))
    went_on.advance(2500)
    went_on.close("session_closed")
    assert shown(went_on) == [(YOU, "Is it free? On Sunday?", "session_closed")]


def test_closing_shows_what_was_held() -> None:
    segments = after((YOU, 0, 200, "Hello?"), (IT, 400, 600, "Good"))
    segments.close("session_closed")
    assert shown(segments) == [(YOU, "Hello?", "session_closed"), (IT, "Good", "session_closed")]
    assert [(one.id, one.previous_id) for one in segments.found] == [
        ("segment_0", None),
        ("segment_1", "segment_0"),
    ]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "Hello there." if heard.finished else None)
        simulator.on_response("Good morning.")
        yield simulator


def followed(connection: Any, runner: Runner) -> Iterator[TranscriptSegment]:
    """Follow the segments, by `async for` or by its sync form."""
    if runner.is_async:
        return iter(Driven(SimpleNamespace(__aiter__=connection.transcript.__aiter__), runner))
    found: Iterator[TranscriptSegment] = connection.transcript.segments()
    return found


def test_a_program_follows_the_segments_to_the_end(runner: Runner, sim: Simulator) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect({"model": "gpt-live-1"}), runner) as connection:
        connection.send_audio(speech("hello there") + bytes(48_000))
        seen = []
        for segment in followed(connection, runner):
            seen.append(segment)
            if segment.speaker == "assistant" and segment.closed == "inactivity":
                connection.close()
    texts = {one.id: (one.speaker, one.text, one.closed) for one in seen}
    assert list(texts.values())[:2] == [
        ("user", "Hello there.", "speaker_change"),
        ("assistant", "Good morning.", "inactivity"),
    ]
    assert len(seen) > len(texts)  # also while they grew
    assert len(list(followed(connection, runner))) == len(texts)


def test_a_program_closes_a_segment(runner: Runner, sim: Simulator) -> None:
    client = hurry(runner.client(base_url=sim.base_url, api_key=sim.api_key))
    with Driven(client.live.connect({"model": "gpt-live-1"}), runner) as connection:
        connection.say("Good evening.")
        for segment in followed(connection, runner):
            if segment.closed is not None:
                break
            connection.transcript.close_segment()
        assert segment.closed == "manual"
