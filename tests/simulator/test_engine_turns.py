from __future__ import annotations

import base64
from typing import Any

import attrs
import pytest
from realtime_simulator import Pacing, Transcript, call_tool, say
from realtime_simulator._core.ids import Ids
from realtime_simulator._engine.config import SessionConfig
from realtime_simulator._engine.conversation import Conversation
from realtime_simulator._engine.effects import StopPlaying
from realtime_simulator._engine.input_audio import semantic_pause_ms
from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.shared import Shared
from realtime_simulator._engine.turn import LATENCIES
from realtime_simulator._engine.usage import input_audio_tokens
from realtime_simulator._engine.vad import HANG_MS
from realtime_simulator._media.formats import encode

from tests.simulator.checking import Driven, message, rms, speech, types
from tests.simulator.sounds import hiss, silence, vowel
from tests.support.rows import each

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
ANSWERED = [*TURN, "response.created"]


def session(**turn_detection: Any) -> dict[str, Any]:
    settings = {"type": "server_vad", **turn_detection}
    return {"type": "realtime", "audio": {"input": {"turn_detection": settings}}}


def append(it: Driven, pcm: bytes, format: str = "audio/pcm") -> list[dict[str, Any]]:
    return it.send("input_audio_buffer.append", audio=base64.b64encode(encode(pcm, format)).decode())


def hear(it: Driven, text: str = "book a room", error: str | None = None) -> list[dict[str, Any]]:
    it.session.heard(it.hearings[-1].item_id, Transcript(text, error=error), it.now)
    return it.take()


def test_a_spoken_turn_is_found_committed_and_answered() -> None:
    it = Driven()
    assert append(it, silence()) == []
    events = append(it, vowel() + silence())
    assert types(events) == ANSWERED
    started, stopped, committed, added, *_ = events
    assert started["audio_start_ms"] == pytest.approx(700, abs=40)
    assert stopped["audio_end_ms"] == pytest.approx(2320, abs=40)
    assert {started["item_id"], stopped["item_id"], committed["item_id"]} == {added["item"]["id"]}
    assert it.hearings[0].item_id == added["item"]["id"]
    assert len(it.hearings[0].pcm) == (stopped["audio_end_ms"] - started["audio_start_ms"]) * 48
    assert it.asked == []
    assert hear(it) == []
    assert it.asked[-1][1].text == "book a room"
    # The model has the words, even if clients do not get them.
    assert it.asked[-1][1].items[0]["content"] == [{"type": "input_audio", "transcript": "book a room"}]
    again = append(it, vowel() + silence())
    assert again[0]["audio_start_ms"] == pytest.approx(2700, abs=40)


def test_silence_and_hiss_make_no_turn() -> None:
    it = Driven()
    assert append(it, silence(2) + hiss(3) + silence(2)) == []
    assert it.hearings == []


@each("format", ["audio/pcmu", "audio/pcma"])
def test_turns_are_found_in_telephone_audio(format: str) -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"format": {"type": format}}}})
    assert types(append(it, silence(0.5) + vowel() + silence(), format)) == ANSWERED
    heard = it.hearings[0].pcm
    assert rms(heard[24000:48000]) == pytest.approx(rms(vowel()), rel=0.15)


def test_without_turn_detection_the_client_commits() -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert append(it, vowel() + silence()) == []
    assert types(it.send("input_audio_buffer.commit")) == TURN[2:]
    assert types(hear(it)) == []
    assert it.hearings[0].pcm == vowel() + silence()


def test_turn_detection_can_be_turned_on_and_off_while_it_runs() -> None:
    it = Driven()
    it.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert append(it, vowel() + silence()) == []
    it.send("session.update", session=session(prefix_padding_ms=0))
    events = append(it, silence() + vowel() + silence())
    assert types(events) == ANSWERED
    assert events[0]["audio_start_ms"] == pytest.approx(3000, abs=40)
    assert len(it.hearings[0].pcm) == (events[1]["audio_end_ms"] - events[0]["audio_start_ms"]) * 48


def test_a_turn_without_a_response() -> None:
    it = Driven(session(create_response=False))
    assert types(append(it, vowel() + silence())) == TURN
    assert hear(it) == []


@each("eagerness, turns", [("high", 2), ("low", 0), ("auto", 1)])
def test_the_eagerness_sets_the_pause_of_semantic_detection(eagerness: str, turns: int) -> None:
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    events = append(it, vowel(0.5) + silence(0.6) + vowel(0.5) + silence(1.3))
    assert types(events).count("input_audio_buffer.speech_stopped") == turns


@pytest.mark.slow
@each(
    "words, eagerness, pause_ms",
    [
        ("I would like a table.", "auto", 500),
        ("Is it open?", "low", 1000),
        ("He said “no.”", "high", 300),
        ("I would like, ", "auto", 4000),
        ("I would like a table and", "low", 8000),
        ("Let me see, um.", "high", 2000),
        ("Well...", "medium", 4000),
        ("Band", "auto", 1000),
        ("", "auto", 1000),
    ],
)
def test_the_words_set_the_pause_of_semantic_detection(words: str, eagerness: str, pause_ms: int) -> None:
    assert semantic_pause_ms(words, eagerness) == pause_ms
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    append(it, vowel())
    stopped = 0
    for _ in range(90):
        stopped += 100
        events = append(it, silence(0.1))
        if "input_audio_buffer.speech_stopped" in types(events):
            break
        if it.hearings and stopped <= 300:
            [asked] = it.hearings
            assert asked.paused and not asked.finished
            it.session.paused(asked.item_id, Transcript(words), it.now)
    assert stopped == pytest.approx(pause_ms + HANG_MS, abs=130)


def test_speech_after_a_pause_ends_the_words_part_in_it() -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    for sound in (vowel(), silence(0.25)):
        append(it, sound)
    it.session.paused(it.hearings[-1].item_id, Transcript("I would like,"), it.now)
    assert append(it, silence(0.8)) == []  # more than high eagerness waits for without words
    append(it, vowel())
    events = append(it, silence(0.25)) + append(it, silence(0.5))
    assert types(events)[0] == "input_audio_buffer.speech_stopped"
    assert [asked.paused for asked in it.hearings] == [True, True, False]


def test_a_commit_and_a_clear_in_the_middle_of_speech() -> None:
    it = Driven()
    started = append(it, vowel())[0]
    events = it.send("input_audio_buffer.commit")
    assert types(events) == TURN[2:]
    assert events[0]["item_id"] == started["item_id"]
    assert append(it, silence()) == []
    append(it, vowel())
    assert types(it.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert append(it, silence()) == []
    assert types(append(it, vowel() + silence())) == ANSWERED


def test_a_response_is_cancelled_before_its_first_audio() -> None:
    it = Driven(pacing=Pacing(first_audio=0.5))
    it.send("response.create")
    assert it.answer() == []
    events = it.send("response.cancel")
    assert types(events) == ["response.done", "rate_limits.updated"]
    assert events[0]["response"]["status"] == "cancelled"
    assert events[0]["response"]["status_details"]["reason"] == "client_cancelled"
    assert it.wait(1) == []
    it.send("response.create")
    it.answer()
    assert types(it.wait(1))[-2:] == ["response.done", "rate_limits.updated"]


def test_speech_interrupts_the_model_before_its_first_audio() -> None:
    it = Driven(pacing=Pacing(first_audio=5))
    it.send("response.create")
    it.answer()
    events = append(it, vowel())
    assert types(events)[:2] == ["input_audio_buffer.speech_started", "response.done"]
    assert events[1]["response"]["status_details"]["reason"] == "turn_detected"
    assert types(append(it, silence())) == ANSWERED[1:]


def test_speech_interrupts_the_model_on_a_websocket() -> None:
    it = Driven(pacing=Pacing(speed=1))
    it.send("response.create")
    it.answer()
    it.wait(0.3)
    events = append(it, vowel())
    assert types(events)[0] == "input_audio_buffer.speech_started"
    done = events[-2]["response"]
    assert done["status"] == "cancelled" and done["status_details"]["reason"] == "turn_detected"
    assert it.others == []


def test_speech_stops_the_playback_of_a_call() -> None:
    it = Driven(plays_audio=True)
    it.send("response.create")
    it.answer()
    it.session.hear(vowel(), it.now)
    assert types(it.take()) == ["input_audio_buffer.speech_started"]
    assert it.others == [StopPlaying(truncate=True)]


def test_speech_does_not_interrupt_the_model_if_configured() -> None:
    it = Driven(session(interrupt_response=False), pacing=Pacing(speed=1))
    it.send("response.create")
    first = it.answer()
    assert types(append(it, vowel() + silence())) == TURN
    assert hear(it) == []  # its answer waits until the first is over
    events = it.wait(2)
    assert types(events).count("response.done") == 1 and types(events)[-1] == "response.created"
    assert events[-1]["response"]["id"] != first[0]["response_id"]


def test_an_answer_waits_for_the_transcript() -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    append(it, vowel())
    it.send("input_audio_buffer.commit")
    assert types(it.send("response.create")) == ["response.created"]
    assert it.asked == []
    hear(it, "what time is it?")
    assert [turn.text for _, turn in it.asked] == ["what time is it?"]


def test_a_response_can_be_cancelled_before_the_transcript() -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    append(it, vowel())
    it.send("input_audio_buffer.commit")
    it.send("response.create")
    assert types(it.send("response.cancel")) == ["response.done", "rate_limits.updated"]
    hear(it)
    assert it.asked == []


# The silent user


def test_after_a_long_silence_the_model_continues() -> None:
    it = Driven(session(idle_timeout_ms=5000))
    append(it, silence())
    assert it.wait(60) == []  # nothing has been said yet
    it.send("response.create")
    it.answer(Utterance("hello there", speech=speech(milliseconds=2000)))
    append(it, silence(3))
    assert it.wait(6.9) == []
    events = it.wait(0.2)
    assert types(events) == ["input_audio_buffer.timeout_triggered", *TURN[3:], *ANSWERED[2:]]
    timeout, note, _, committed = events[:4]
    assert (timeout["audio_start_ms"], timeout["audio_end_ms"]) == (1000, 4000)
    assert note["item"]["role"] == "system" and committed["previous_item_id"] == note["item"]["id"]
    assert timeout["item_id"] == committed["item_id"]
    assert hear(it, "") == []
    assert it.wait(60) == []


def test_speech_and_responses_end_the_wait() -> None:
    it = Driven(session(idle_timeout_ms=5000))
    it.send("response.create")
    it.answer(say("no sound"))
    append(it, vowel())
    assert it.wait(60) == []


def test_on_a_call_the_wait_begins_when_the_model_was_heard() -> None:
    it = Driven(session(idle_timeout_ms=5000), plays_audio=True)
    it.send("response.create")
    it.answer()
    assert it.wait(60) == []
    response_id, _ = it.asked[0]
    it.session.playback_drained(response_id, it.now)
    assert types(it.take()) == ["output_audio_buffer.stopped"]
    assert types(it.wait(5.1))[0] == "input_audio_buffer.timeout_triggered"


# Transcripts


def transcribed(model: str = "gpt-4o-transcribe", **fields: Any) -> Driven:
    settings = {"turn_detection": None, "transcription": {"model": model}}
    it = Driven({"type": "realtime", "audio": {"input": settings}, **fields})
    append(it, vowel())
    it.send("input_audio_buffer.commit")
    return it


def test_a_transcript_comes_in_deltas_and_is_kept() -> None:
    it = transcribed()
    events = hear(it, "book a room")
    deltas = [event["delta"] for event in events[:-1]]
    assert {event["type"].rpartition(".")[2] for event in events[:-1]} == {"delta"}
    assert "".join(deltas) == events[-1]["transcript"] == "book a room" and len(deltas) == 3
    usage = events[-1]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 10
    item_id = events[0]["item_id"]
    shown = it.send("conversation.item.retrieve", item_id=item_id)[0]["item"]["content"][0]
    assert shown["transcript"] == "book a room"
    assert base64.b64decode(shown["audio"]) == vowel()


def test_whisper_gives_all_at_once_and_counts_seconds() -> None:
    events = hear(transcribed("whisper-1"))
    assert [event.get("delta") for event in events] == ["book a room", None]
    assert events[-1]["usage"] == {"type": "duration", "seconds": 1}


@each("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_whole_seconds_are_counted_where_nothing_is_heard_none(model: str) -> None:
    it = transcribed(model)
    assert hear(it)[-1]["usage"] == {"type": "duration", "seconds": 1}
    append(it, vowel(0.2) + silence())
    it.send("input_audio_buffer.commit")
    assert hear(it, "yes")[-1]["usage"]["seconds"] == 2
    append(it, silence())
    it.send("input_audio_buffer.commit")
    assert [event["usage"]["seconds"] for event in hear(it, "")] == [0]


def test_a_live_model_transcribes_while_the_user_speaks() -> None:
    settings = {"turn_detection": None, "transcription": {"model": "gpt-live-transcribe"}}
    it = Driven({"type": "realtime", "audio": {"input": settings}})
    append(it, vowel())
    (early,) = it.hearings
    assert not early.finished and early.pcm == vowel()
    assert hear(it, "book a room for two") == []
    events = append(it, vowel())
    assert [event["delta"] for event in events] == ["book", " a", " room", " for"]
    events += it.send("input_audio_buffer.commit")
    assert types(events)[4:] == [
        *TURN[2:],
        *["conversation.item.input_audio_transcription." + what for what in ("delta", "completed")],
    ]
    assert {event.get("item_id") or event["item"]["id"] for event in events} == {early.item_id}
    assert len(it.hearings) == 1


def test_words_that_are_unknown_early_are_requested_again() -> None:
    settings = {"turn_detection": None, "transcription": {"model": "gpt-live-transcribe"}}
    it = Driven({"type": "realtime", "audio": {"input": settings}})
    append(it, vowel())
    it.session.heard(it.hearings[0].item_id, None, it.now)
    it.send("input_audio_buffer.commit")
    assert [needed.finished for needed in it.hearings] == [False, True]
    assert types(hear(it, "yes"))[-1].endswith("completed")


def test_a_late_transcript_does_not_delay_the_answer() -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    append(it, vowel() + silence())
    it.session.heard(it.hearings[0].item_id, Transcript("book it", delay=2), it.now)
    assert it.take() == [] and it.asked[-1][1].text == "book it"
    assert types(it.answer())[-2:] == ["response.done", "rate_limits.updated"]
    assert it.wait(1.9) == []
    assert types(it.wait(0.2))[-1] == "conversation.item.input_audio_transcription.completed"


def test_the_pace_of_transcripts() -> None:
    settings = {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}
    it = Driven({"type": "realtime", "audio": {"input": settings}}, pacing=Pacing(transcript=1))
    append(it, vowel())
    it.send("input_audio_buffer.commit")
    assert hear(it, "yes") == [] and it.wait(0.4) == []
    assert types(it.wait(0.2)) == ["conversation.item.input_audio_transcription.delta"]
    assert it.wait(0.3) == []
    assert types(it.wait(0.2)) == ["conversation.item.input_audio_transcription.completed"]


def test_log_probabilities_on_request() -> None:
    events = hear(transcribed(include=["item.input_audio_transcription.logprobs"]))
    assert [len(event["logprobs"]) for event in events] == [1, 1, 1, 3]


def test_a_diarized_transcript_has_segments() -> None:
    segment = hear(transcribed("gpt-4o-transcribe-diarize"))[0]
    assert (segment["text"], segment["speaker"], segment["end"]) == ("book a room", "A", 1.0)


def test_a_failed_transcript_is_reported() -> None:
    (event,) = hear(transcribed(), "", "KeyError: no such line")
    assert event["type"] == "conversation.item.input_audio_transcription.failed"
    assert "no such line" in event["error"]["message"]


def test_a_deleted_item_gets_no_transcript() -> None:
    it = transcribed()
    it.send("conversation.item.delete", item_id=it.hearings[0].item_id)
    assert hear(it) == []
    it.session.heard("item_unknown", Transcript("x"), it.now)
    assert it.take() == []


def test_a_transcription_session_transcribes_turns_and_answers_none() -> None:
    it = Driven({"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    assert types(append(it, vowel() + silence())) == TURN
    assert types(hear(it))[-1] == "conversation.item.input_audio_transcription.completed"
    assert it.asked == []


# Sound in and out


def test_an_odd_byte_waits_for_its_other_half() -> None:
    it = Driven({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    sound = vowel()
    for start in range(0, len(sound), 4801):
        part = sound[start : start + 4801]
        it.send("input_audio_buffer.append", audio=base64.b64encode(part).decode())
    it.send("input_audio_buffer.commit")
    assert it.hearings[0].pcm == sound == bytes(it.heard)


def test_audio_in_an_item_is_heard_and_retrieved_but_not_shown() -> None:
    it = Driven()
    audio = base64.b64encode(vowel()).decode()
    events = it.send("conversation.item.create", item=message([{"type": "input_audio", "audio": audio}]))
    assert events[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    item_id = events[0]["item"]["id"]
    shown = it.send("conversation.item.retrieve", item_id=item_id)[0]["item"]
    assert base64.b64decode(shown["content"][0]["audio"]) == vowel()
    item = message([{"type": "input_audio", "audio": "*"}])
    assert it.send("conversation.item.create", item=item)[0]["error"]["code"] == "invalid_value"


@each("format", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_goes_out_as_long_as_it_is_made(format: str) -> None:
    it = Driven({"type": "realtime", "audio": {"output": {"format": {"type": format}}}})
    it.send("response.create")
    assert it.asked[0][1].format == format
    said = speech(milliseconds=1000)
    wire = {format: encode(vowel(), format)}
    made = type(said)(said.text, vowel(), wire=wire)
    deltas = [
        e
        for e in it.answer(Utterance("hello there", speech=made))
        if e["type"] == "response.output_audio.delta"
    ]
    sent = b"".join(base64.b64decode(event["delta"]) for event in deltas)
    assert sent == wire[format] and len(sent) == 8000


def test_telephone_keys_are_events() -> None:
    it = Driven()
    it.session.press("#", 1_700_000_000.5)
    (event,) = it.take()
    assert (event["event"], event["received_at"]) == ("#", 1_700_000_000)


def test_a_tool_call_after_a_spoken_turn() -> None:
    it = Driven()
    append(it, vowel() + silence())
    hear(it)
    assert "response.function_call_arguments.done" in types(it.answer(call_tool("f", {"a": 1})))


def test_a_commit_by_the_client_ends_the_wait_for_a_silent_user() -> None:
    it = Driven(session(idle_timeout_ms=5000))
    it.send("response.create")
    it.answer()
    append(it, silence())
    it.send("input_audio_buffer.commit")
    assert it.wait(60) == []


def test_a_pending_answer_is_dropped_when_the_user_continues() -> None:
    it = Driven(session(interrupt_response=False), pacing=Pacing(speed=1))
    it.send("response.create")
    it.answer()
    append(it, vowel() + silence())
    hear(it)
    it.send("session.update", session=session(interrupt_response=True))
    events = types(append(it, vowel()))
    assert "response.done" in events and "response.created" not in events
    assert it.wait(5) == []


def test_an_interruption_between_two_pieces_truncates_the_output() -> None:
    it = Driven(plays_audio=True, pacing=Pacing(speed=1))
    it.send("response.create")
    it.answer()
    it.session.playback_drained(it.asked[0][0], it.now)
    it.session.hear(vowel(), it.now)
    assert "output_audio_buffer.stopped" not in types(it.take())
    it.session.playback_cleared({}, truncate=True, now=it.now)
    events = it.take()
    assert types(events) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    assert events[1]["audio_end_ms"] == 200


def test_input_audio_tokens_are_not_rounded_up() -> None:
    assert [input_audio_tokens(milliseconds) for milliseconds in (2796, 2668, 99)] == [27, 26, 0]


def test_a_timeout_has_the_silence_after_the_playback() -> None:
    it = Driven(session(idle_timeout_ms=5000))
    append(it, silence(0.5))
    it.send("response.create")
    it.answer()
    events: list[Any] = []
    for _ in range(80):
        events += [*append(it, silence(0.1)), *it.wait(0.1)]
    (timeout,) = (event for event in events if event["type"].endswith("timeout_triggered"))
    assert timeout["audio_end_ms"] - timeout["audio_start_ms"] == 5000
    assert timeout["audio_start_ms"] == pytest.approx(1500, abs=200)


def test_a_measured_pace_delays_items_audio_and_limits() -> None:
    pacing = attrs.evolve(LATENCIES["gpt-realtime-2.1-mini"], spread=0.0)
    it = Driven(pacing=pacing)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    assert it.send("conversation.item.create", item=item) == []
    assert it.send("response.create") == []
    assert types(it.wait(0.05)) == []
    assert types(it.wait(0.02)) == ["conversation.item.added", "conversation.item.done", "response.created"]
    assert [event for event in types(it.answer()) if event.endswith("delta")] == []
    first = types(it.wait(0.4))
    assert "response.output_audio_transcript.delta" in first and "response.output_audio.delta" not in first
    assert "response.output_audio.delta" in types(it.wait(0.121))
    last = types(it.wait(2))
    assert last[-1] == "rate_limits.updated"


def test_a_spread_varies_times_within_bounds_and_by_the_session() -> None:
    def drawn(session_id: str) -> list[float]:
        pacing = LATENCIES["slow"]
        config = SessionConfig(session_id, 0)
        shared = Shared(
            config=config,
            conversation=Conversation(),
            ids=Ids(seed=1),
            settings=SessionSettings(pacing=pacing),
            audio_in_events=True,
            emit=lambda event: None,
            effect=lambda effect: None,
        )
        return [shared.vary(1.0) for _ in range(50)]

    assert drawn("sess_1") == drawn("sess_1") != drawn("sess_2")
    assert 0.5 < min(drawn("sess_1")) < 0.8 and 1.2 < max(drawn("sess_1")) <= 1.8
