from __future__ import annotations

import base64
import json

import pytest
from realtime_simulator._engine.effects import End, StopPlaying
from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.turn import (
    REAL,
    Fail,
    Pacing,
    PacingLike,
    Say,
    call_tool,
    chosen_pacing,
    say,
    think,
)

from tests.simulator.checking import Driven, fits, in_order, message, speech, types
from tests.support.rows import each

SPOKEN_TURN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def error_of(events: list[dict]) -> dict:
    assert types(events) == ["error"]
    return events[0]["error"]


def test_greeting_shows_the_session_with_its_defaults() -> None:
    created = Driven().session.greeting()
    fits(created)
    session = created["session"]
    assert session["model"] == "gpt-realtime-2.1"
    assert session["output_modalities"] == ["audio"]
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_a_spoken_turn_comes_in_the_apis_order() -> None:
    it = Driven()
    assert types(it.user_says("hello")) == ["conversation.item.added", "conversation.item.done"]
    events = it.send("response.create") + it.answer()
    assert in_order(SPOKEN_TURN, types(events))
    assert types(events)[0] == "response.created" and types(events)[-1] == "rate_limits.updated"


def test_audio_deltas_join_to_the_speech_and_transcript_deltas_to_the_text() -> None:
    it = Driven()
    said = speech("one two three four five six seven", 1320)
    it.send("response.create")
    events = it.answer(Utterance(said.text, speech=said))
    audio = [e["delta"] for e in events if e["type"] == "response.output_audio.delta"]
    words = [e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta"]
    assert b"".join(map(base64.b64decode, audio)) == said.pcm
    assert "".join(words) == said.text
    assert all(e["content_index"] == 0 and e["output_index"] == 0 for e in events if "delta" in e)


def test_where_the_server_plays_audio_events_carry_none_and_say_when_it_is_heard() -> None:
    it = Driven(plays_audio=True)
    it.send("response.create")
    events = it.answer()
    assert "response.output_audio.delta" not in types(events)
    assert in_order(
        [
            "response.content_part.added",
            "output_audio_buffer.started",
            "response.output_audio_transcript.delta",
            "response.done",
        ],
        types(events),
    )
    assert [(play.start, play.end) for play in it.played] == [(n, n + 4800) for n in range(0, 24000, 4800)]
    response_id, _ = it.asked[-1]
    it.session.playback_drained(response_id, it.now)
    assert [(e["type"], e["response_id"]) for e in it.take()] == [
        ("output_audio_buffer.stopped", response_id)
    ]


def test_audio_that_runs_dry_before_the_response_is_done_has_not_stopped() -> None:
    it = Driven(plays_audio=True, pacing=Pacing(speed=0.5))
    it.send("response.create")
    it.answer(Utterance("hello there", speech=speech(milliseconds=400)))
    response_id, _ = it.asked[-1]
    it.session.playback_drained(response_id, it.now)
    assert it.take() == []
    events = it.wait(2)
    it.session.playback_drained(response_id, it.now)
    assert types(events + it.take())[-3:] == [
        "response.done",
        "rate_limits.updated",
        "output_audio_buffer.stopped",
    ]


def test_two_responses_are_heard_one_after_the_other() -> None:
    it = Driven(plays_audio=True)
    it.send("response.create")
    it.answer()
    it.send("response.create")
    assert "output_audio_buffer.started" not in types(it.answer())
    first, second = (response_id for response_id, _ in it.asked)
    it.session.playback_drained(first, it.now)
    assert [(e["type"], e["response_id"]) for e in it.take()] == [
        ("output_audio_buffer.stopped", first),
        ("output_audio_buffer.started", second),
    ]


def test_text_output_has_no_audio() -> None:
    it = Driven({"type": "realtime", "output_modalities": ["text"]})
    it.send("response.create")
    events = it.answer(Say("plain words"))
    assert in_order(
        [
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.done",
        ],
        types(events),
    )
    done = next(e for e in events if e["type"] == "response.done")
    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "plain words"}]
    assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == 0


def test_a_tool_call_is_an_item_with_its_arguments() -> None:
    it = Driven()
    it.send("response.create")
    events = it.answer(call_tool("book_room", {"nights": 2, "name": "A. Very Long Name Indeed"}))
    assert in_order(
        [
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ],
        types(events),
    )
    item = next(e for e in events if e["type"] == "response.output_item.done")["item"]
    assert json.loads(item["arguments"])["nights"] == 2
    assert item["name"] == "book_room" and item["call_id"].startswith("call_")
    deltas = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    assert "".join(deltas) == item["arguments"] and len(deltas) > 1


def test_metadata_is_echoed_and_usage_adds_up() -> None:
    it = Driven()
    it.user_says("a question of some length, to have tokens")
    events = it.send("response.create", response={"metadata": {"turn": "7"}}) + it.answer()
    created = next(e for e in events if e["type"] == "response.created")["response"]
    done = next(e for e in events if e["type"] == "response.done")["response"]
    assert created["metadata"] == done["metadata"] == {"turn": "7"}
    usage = done["usage"]
    given, made = usage["input_token_details"], usage["output_token_details"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == given["text_tokens"] + given["audio_tokens"] + given["image_tokens"] > 0
    assert usage["output_tokens"] == made["text_tokens"] + made["audio_tokens"]
    assert made["audio_tokens"] == 20  # a second of speech
    assert given["cached_tokens"] == sum(given["cached_tokens_details"].values())


def test_cached_tokens_are_part_of_the_input_tokens() -> None:
    it = Driven({"type": "realtime", "instructions": "Be brief. " * 60})
    it.send("response.create")
    it.answer()
    it.send("response.create")
    usage = next(e for e in it.answer() if e["type"] == "response.done")["response"]["usage"]
    assert 0 < usage["input_token_details"]["cached_tokens"] <= usage["input_tokens"]


def test_previous_item_ids_chain() -> None:
    it = Driven()
    first = it.user_says("one")[0]
    second = it.user_says("two")[0]
    assert first["previous_item_id"] is None
    assert second["previous_item_id"] == first["item"]["id"]
    item = message([{"type": "input_text", "text": "zero"}])
    start = it.send("conversation.item.create", item=item, previous_item_id="root")[0]
    assert start["previous_item_id"] is None
    assert [item.text() for item in it.session.conversation] == ["zero", "one", "two"]
    assert error_of(it.send("conversation.item.create", item=item, previous_item_id="item_x"))["param"] == (
        "previous_item_id"
    )


def test_null_means_that_no_id_is_known() -> None:
    it = Driven()
    first, second = (message([{"type": "input_text", "text": text}], id=text) for text in ("one", "two"))
    it.send("conversation.item.create", item=first, event_id=None)
    added, _ = it.send("conversation.item.create", item=second, previous_item_id=None)
    assert (added["type"], added["previous_item_id"]) == ("conversation.item.added", "one")


def test_a_response_can_be_made_from_items_that_are_referred_to() -> None:
    it = Driven()
    for text in ("one", "two"):
        item = message([{"type": "input_text", "text": text}], id=f"item_{text}")
        it.send("conversation.item.create", item=item)
    reference = {"type": "item_reference", "id": "item_one"}
    response = {"conversation": "none", "input": [reference]}
    assert types(it.send("response.create", response=response)) == ["response.created"]
    turn = it.asked[-1][1]
    assert (turn.text, [item["id"] for item in turn.items]) == ("one", ["item_one"])


@each(
    "reference, param",
    [
        ({"type": "item_reference", "id": "item_none"}, "response.input[0].id"),
        ({"type": "item_reference", "id": 1}, "response.input[0].id"),
        ({"type": "item_reference"}, "response.input[0].id"),
    ],
)
def test_a_reference_to_nothing_is_refused(reference: dict, param: str) -> None:
    response = {"conversation": "none", "input": [reference]}
    assert error_of(Driven().send("response.create", response=response))["param"] == param


def test_refused_audio_is_named_by_its_location() -> None:
    content = [{"type": "input_text", "text": "listen"}, {"type": "input_audio", "audio": "no base64"}]
    error = error_of(Driven().send("conversation.item.create", item=message(content)))
    assert (error["code"], error["param"]) == ("invalid_value", "item.content[1].audio")


def test_items_are_retrieved_and_deleted() -> None:
    it = Driven()
    item_id = it.user_says("one")[0]["item"]["id"]
    assert it.send("conversation.item.retrieve", item_id=item_id)[0]["item"]["content"][0]["text"] == "one"
    assert it.send("conversation.item.delete", item_id=item_id)[0]["item_id"] == item_id
    assert error_of(it.send("conversation.item.retrieve", item_id=item_id))["code"] == (
        "item_retrieve_invalid_item_id"
    )


def test_a_second_response_is_refused_while_one_is_active_but_not_outside_the_conversation() -> None:
    it = Driven()
    it.send("response.create")
    refused = error_of(it.send("response.create", event_id="mine"))
    assert refused["code"] == "conversation_already_has_active_response"
    assert refused["event_id"] == "mine"
    beside = it.send("response.create", response={"conversation": "none", "metadata": {"a": "b"}})
    assert types(beside) == ["response.created"]
    events = it.answer()
    assert not any(e["type"].startswith("conversation.item") for e in events)
    assert len(it.session.conversation) == 0


def test_cancelling_before_and_while_the_model_speaks() -> None:
    it = Driven(pacing=Pacing(speed=1))
    it.send("response.create")
    done = it.send("response.cancel")[0]["response"]
    assert done["status"] == "cancelled" and done["status_details"]["reason"] == "client_cancelled"
    assert it.answer() == []  # too late

    it.send("response.create")
    it.answer()
    it.wait(0.5)
    events = it.send("response.cancel")
    assert types(events) == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert events[-2]["response"]["status"] == "cancelled"
    assert events[-2]["response"]["output"][0]["status"] == "incomplete"
    assert error_of(it.send("response.cancel"))["code"] == "response_cancel_not_active"
    assert it.wait(5) == []


def test_the_words_come_ahead_of_their_audio() -> None:
    it = Driven(pacing=Pacing(speed=1))
    it.send("response.create")
    events = it.answer(
        Utterance("one two three four", speech=speech("one two three four", milliseconds=2000))
    )
    heard = [event["delta"] for event in events if event["type"] == "response.output_audio_transcript.delta"]
    assert heard == ["one", " two", " three"]
    assert types(events).count("response.output_audio.delta") == 1


@each("given, made", [(None, REAL), ("none", Pacing()), (Pacing(speed=1), Pacing(speed=1))])
def test_the_pace_is_the_services_unless_something_else_is_chosen(given: PacingLike, made: Pacing) -> None:
    assert chosen_pacing(given) == made
    assert REAL.first_audio > 0 and REAL.transcript > 0


def test_an_invalid_pace_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a Pacing or one of 'none', 'instant', .*got 'quick'"):
        chosen_pacing("quick")  # type: ignore[arg-type]


def test_pacing_spreads_the_events_over_time() -> None:
    it = Driven(pacing=Pacing(first_audio=0.3, speed=2))
    it.send("response.create")
    assert it.answer() == []
    assert it.wait(0.29) == []
    assert "response.output_audio.delta" in types(it.wait(0.02))
    assert "response.done" not in types(it.wait(0.4))
    assert "response.done" in types(it.wait(0.2))


def test_the_output_token_limit_makes_a_response_incomplete() -> None:
    it = Driven()
    it.send("response.create", response={"max_output_tokens": 10})
    done = next(e for e in it.answer() if e["type"] == "response.done")["response"]
    assert done["status"] == "incomplete"
    assert done["status_details"]["reason"] == "max_output_tokens"


def test_an_update_with_another_model_changes_the_rest() -> None:
    it = Driven()
    (updated,) = it.send("session.update", session={"type": "realtime", "model": "m", "instructions": "New."})
    assert updated["type"] == "session.updated"
    assert updated["session"]["model"] == "gpt-realtime-2.1" and updated["session"]["instructions"] == "New."


def test_null_in_tracing_and_transcription_means_not_set() -> None:
    it = Driven()
    session = {
        "type": "realtime",
        "tracing": {"workflow_name": "desk", "group_id": None, "metadata": None},
        "audio": {"input": {"transcription": {"model": "whisper-1", "language": None, "prompt": None}}},
    }
    (updated,) = it.send("session.update", session=session)
    assert updated["session"]["tracing"] == {"workflow_name": "desk"}
    heard = {"model": "whisper-1", "language": None, "prompt": None}
    assert updated["session"]["audio"]["input"]["transcription"] == heard
    (refused,) = it.send("session.update", session={"type": "realtime", "instructions": None})
    assert refused["error"]["code"] == "invalid_type"


def test_null_in_a_response_means_not_set() -> None:
    it = Driven()
    fields = {
        "instructions": None,
        "tools": None,
        "audio": {"output": {"voice": None}},
        "metadata": {"n": "1"},
    }
    (created,) = it.send("response.create", response=fields)
    assert created["response"]["metadata"] == {"n": "1"}
    assert created["response"]["audio"]["output"]["voice"] == "alloy"


def test_refusals_have_the_messages_that_programs_match() -> None:
    it = Driven()

    def refused(kind: str, **fields: object) -> tuple[object, object, object]:
        error = error_of(it.send(kind, **fields))
        return error["code"], error["param"], error["message"]

    assert refused("response.cancel") == (
        "response_cancel_not_active",
        None,
        "Cancellation failed: no active response found",
    )
    assert refused("input_audio_buffer.commit") == (
        "input_audio_buffer_commit_empty",
        None,
        "Error committing input audio buffer: buffer too small. "
        "Expected at least 100ms of audio, but buffer only has 0.00ms of audio.",
    )
    assert refused("conversation.item.delete", item_id="yo") == (
        "item_delete_invalid_item_id",
        None,
        "Error deleting item: the item with id 'yo' does not exist.",
    )
    content = [{"type": "input_text", "text": "x"}]
    it.send("conversation.item.create", item=message(content, id="one"))
    assert refused("conversation.item.create", item=message(content, id="one")) == (
        "item_create_duplicate_item_id",
        None,
        "Error adding item: an item with id 'one' already exists.",
    )
    (created,) = it.send("response.create")
    assert refused("response.create") == (
        "conversation_already_has_active_response",
        None,
        f"Conversation already has an active response in progress: {created['response']['id']}. "
        "Wait until the response is finished before creating a new one.",
    )
    code, param, said = refused("nope")
    assert (code, param) == ("invalid_value", "type")
    assert said is not None and str(said).startswith(
        "Invalid value: 'nope'. Supported values are: 'session.update', "
    )
    assert str(said).endswith(", and 'response.cancel'.")
    rate = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}
    assert refused("session.update", session=rate) == (
        "integer_below_min_value",
        "session.audio.input.format.rate",
        "Invalid 'session.audio.input.format.rate': integer below minimum value. "
        "Expected a value >= 24000, but got 16000 instead.",
    )


def test_unset_fields_are_null_as_in_the_service() -> None:
    # Seen in recordings: pydantic/pydantic-ai, tests/realtime/cassettes, 4fda38988.
    shown = Driven().session.greeting()["session"]
    assert set(shown) == {
        *("type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice"),
        *("max_output_tokens", "tracing", "truncation", "prompt", "expires_at", "audio", "include"),
    }
    assert (shown["tracing"], shown["prompt"], shown["include"]) == (None, None, None)
    heard = shown["audio"]["input"]
    assert (heard["transcription"], heard["noise_reduction"]) == (None, None)
    assert (heard["turn_detection"]["silence_duration_ms"], shown["audio"]["output"]["voice"]) == (
        200,
        "alloy",
    )
    current = Driven({"type": "realtime", "model": "gpt-realtime-2.1"}).session.view()["audio"]
    assert current["input"]["turn_detection"]["silence_duration_ms"] == 500
    assert current["output"]["voice"] == "marin"
    transcribing = Driven({"type": "transcription"}).session.view()
    assert transcribing["object"] == "realtime.transcription_session" and transcribing["include"] is None
    assert transcribing["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
    }


def test_items_and_responses_have_the_fields_that_the_service_shows() -> None:
    it = Driven()
    first = it.user_says("one")
    assert set(first[0]["item"]) == {"id", "type", "status", "role", "content"}
    second = it.user_says("two")
    third = it.user_says("three")
    done = [events[1]["previous_item_id"] for events in (first, second, third)]
    assert done == [None, first[0]["item"]["id"], second[0]["item"]["id"]]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    it.send("conversation.item.create", item=call)
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    assert set(it.send("conversation.item.create", item=output)[0]["item"]) == {"id", *output}
    (created,) = it.send("response.create", response={"output_modalities": ["text"]})
    response = created["response"]
    assert (response["status_details"], response["usage"], response["metadata"]) == (None, None, None)
    events = it.answer(call_tool("book_room", '{"city":"London"}'), say("There you are."))
    deltas = [event for event in events if event["type"].endswith(".delta")]
    pieces = [event["delta"] for event in deltas if "call_id" in event]
    assert pieces == ['{"', "city", '":"', "London", '"}']
    assert {len(event["delta"] + event["obfuscation"]) for event in deltas} == {16}
    assert [limit["name"] for limit in events[-1]["rate_limits"]] == ["tokens"]


def test_the_models_own_item_after_the_first_names_none_before_it_when_done() -> None:
    it = Driven()
    user = it.user_says("one")[0]["item"]["id"]
    it.send("response.create")
    events = [event for event in it.answer() if event["type"].startswith("conversation.item")]
    assert [event["previous_item_id"] for event in events] == [user, None]


def test_items_of_a_model_that_reasons_have_a_phase_and_end_together() -> None:
    it = Driven({"type": "realtime", "model": "gpt-realtime-2.1", "output_modalities": ["text"]})
    it.send("response.create")
    events = it.answer(think(31), say("One moment."), call_tool("look"))
    items = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert [item.get("phase") for item in items] == ["commentary", None]
    ends = [event["type"] for event in events if event["type"].endswith(".done")]
    assert ends.index("response.output_text.done") < ends.index("response.function_call_arguments.done")
    kinds = types(events)
    assert kinds.index("response.function_call_arguments.delta") < kinds.index("response.output_text.done")
    (done,) = (event["response"] for event in events if event["type"] == "response.done")
    assert done["output"][0]["phase"] == "commentary"
    assert done["usage"]["output_token_details"]["reasoning_tokens"] == 31
    it.send("response.create")
    last = it.answer(say("It is done."), say("Really.", phase="commentary"))
    phases = [event["item"]["phase"] for event in last if event["type"] == "response.output_item.added"]
    assert phases == ["final_answer", "commentary"]


def test_a_reasoning_model_ends_its_items_when_it_is_cancelled() -> None:
    session = {"type": "realtime", "model": "gpt-realtime-2.1", "output_modalities": ["text"]}
    it = Driven(session, pacing=Pacing(speed=1))
    it.send("response.create")
    it.answer(say("Yes."), say("one two three"))
    it.wait(0.12)
    events = it.send("response.cancel")
    items = [event["item"] for event in events if event["type"] == "conversation.item.done"]
    assert [item["status"] for item in items] == ["completed", "incomplete"]
    assert events[-2]["response"]["status"] == "cancelled"


def test_azures_service_shows_parts_twice_and_no_limits() -> None:
    it = Driven({"type": "realtime", "output_modalities": ["text"]}, profile="azure")
    it.send("response.create")
    events = it.answer(say("Hello."))
    parts = [event for event in events if event["type"].startswith("response.content_part.")]
    assert [event["content"] for event in parts] == [event["part"] for event in parts] != []
    assert types(events)[-1] == "response.done"


def test_a_failing_model_fails_the_response() -> None:
    it = Driven()
    it.send("response.create")
    done = next(e for e in it.answer(Fail("overloaded")) if e["type"] == "response.done")["response"]
    assert done["status"] == "failed" and done["status_details"]["error"]["code"] == "overloaded"


def test_update_leaves_clears_and_turns_off() -> None:
    it = Driven({"type": "realtime", "instructions": "Old.", "tools": [{"type": "function", "name": "f"}]})

    def update(**fields: object) -> dict:
        return it.send("session.update", session={"type": "realtime", **fields})[0]["session"]

    default = Driven().session.config["instructions"]
    assert update(instructions="New.")["tools"] == [{"type": "function", "name": "f"}]
    shown = update(instructions="", tools=[])
    assert shown["instructions"] == default and shown["tools"] == []
    assert update(audio={"input": {"turn_detection": None}})["audio"]["input"]["turn_detection"] is None
    shown = update(audio={"output": {"speed": 1.2}})
    assert shown["audio"]["input"]["turn_detection"] is None and shown["audio"]["output"]["voice"] == "alloy"


@each(
    "session, code, param",
    [
        ({"type": "realtime", "modalities": ["text"]}, "unknown_parameter", "session.modalities"),
        ({"instructions": "x"}, "missing_required_parameter", "session.type"),
        (
            {"type": "realtime", "audio": {"output": {"speed": 9}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
        ),
    ],
)
def test_one_invalid_field_invalidates_the_whole_update(session: dict, code: str, param: str) -> None:
    it = Driven()
    error = error_of(
        it.send("session.update", session={"instructions": "Changed.", **session}, event_id="e1")
    )
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "e1")
    assert it.session.config["instructions"] != "Changed."


def test_a_session_keeps_its_kind() -> None:
    error = error_of(Driven().send("session.update", session={"type": "transcription"}))
    assert (error["code"], error["param"]) == ("invalid_parameter", None)


def test_the_voice_is_fixed_once_the_model_has_spoken() -> None:
    it = Driven()
    voice = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert it.send("session.update", session=voice)[0]["session"]["audio"]["output"]["voice"] == "marin"
    it.send("response.create")
    it.answer()
    assert types(it.send("session.update", session=voice)) == ["session.updated"]
    voice["audio"]["output"]["voice"] = "cedar"
    assert error_of(it.send("session.update", session=voice))["code"] == "cannot_update_voice"


def test_truncating_cuts_audio_and_never_more_than_there_is() -> None:
    it = Driven()
    it.send("response.create")
    item_id = next(e for e in it.answer() if e["type"] == "response.output_item.done")["item"]["id"]

    def truncate(end: int, item: str = item_id) -> list[dict]:
        return it.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end)

    error = error_of(truncate(1001))
    assert error["param"] == "audio_end_ms"
    assert error["message"] == "Audio content of 1000ms is already shorter than 1001ms"
    assert truncate(400)[0]["audio_end_ms"] == 400
    assert error_of(truncate(500))["param"] == "audio_end_ms"
    shown = it.send("conversation.item.retrieve", item_id=item_id)[0]["item"]
    assert len(base64.b64decode(shown["content"][0]["audio"])) == 400 * 48
    user = it.user_says("x")[0]["item"]["id"]
    error = error_of(truncate(0, user))
    assert (error["code"], error["param"]) == (None, None)
    assert error["message"] == "Only model output audio messages can be truncated"
    error = error_of(truncate(0, "x"))
    assert error["code"] == "item_truncate_invalid_item_id"
    assert error["message"] == "Item with item_id not found: x"


def test_the_input_buffer_is_appended_to_committed_and_cleared() -> None:
    it = Driven()
    quarter = base64.b64encode(bytes(12000)).decode()
    assert it.send("input_audio_buffer.append", audio=quarter) == []
    events = it.send("input_audio_buffer.commit")
    assert types(events) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert events[0]["item_id"] == events[1]["item"]["id"]
    assert error_of(it.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
    it.send("input_audio_buffer.append", audio=quarter)
    assert types(it.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert types(it.send("input_audio_buffer.commit")) == ["error"]
    assert error_of(it.send("input_audio_buffer.append", audio="*"))["param"] == "audio"


def test_clearing_the_output_stops_the_player() -> None:
    it = Driven(plays_audio=True)
    it.send("response.create")
    it.answer()
    assert it.send("output_audio_buffer.clear") == []
    assert it.others == [StopPlaying(truncate=False)]
    it.session.playback_cleared({}, truncate=False, now=it.now)
    assert types(it.take()) == ["output_audio_buffer.cleared"]
    assert error_of(Driven().send("output_audio_buffer.clear"))["code"] == "invalid_value"


def test_an_interrupted_player_truncates_the_item_to_the_heard_part() -> None:
    it = Driven(plays_audio=True)
    it.send("response.create")
    item_id = next(e for e in it.answer() if e["type"] == "response.output_item.done")["item"]["id"]
    it.session.playback_cleared({item_id: 4800}, truncate=True, now=it.now)
    events = it.take()
    assert types(events) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    assert events[1]["audio_end_ms"] == 200


@each(
    "text, code",
    [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ("{}", "missing_required_parameter"),
        ('{"type": "session.explode"}', "invalid_value"),
        ('{"type": 7}', "invalid_value"),
        ('{"type": "response.create", "wat": 1}', "unknown_parameter"),
        (json.dumps({"type": "response.cancel", "event_id": "x" * 513}), "string_above_max_length"),
        ("[" * 100_000, "invalid_json"),
        ('{"type": "response.create", "event_id": {"a": 1}}', "invalid_type"),
    ],
)
def test_an_invalid_event_is_answered_with_an_error(text: str, code: str) -> None:
    it = Driven()
    it.session.receive_text(text, it.now)
    assert error_of(it.take())["code"] == code


def test_a_transcription_session_makes_no_responses() -> None:
    it = Driven({"type": "transcription"})
    fits(it.session.greeting())
    assert error_of(it.send("response.create"))["code"] == "invalid_value"


def test_the_session_expires_with_an_error_and_a_close() -> None:
    it = Driven(lifetime=60)
    assert it.wait(59.9) == []
    events = it.wait(0.2)
    assert error_of(events)["code"] == "session_expired"
    assert it.others == [End(1001, "Your session hit the maximum duration of 1 minutes.")]
    assert it.send("response.create") == [] and it.session.deadline() is None


def test_ending_while_the_model_speaks_says_nothing_more() -> None:
    it = Driven(pacing=Pacing(speed=1))
    it.send("response.create")
    it.answer()
    it.session.end(1000, "hangup")
    assert it.take() == [] and it.others == [End(1000, "hangup")]


def test_the_turn_that_the_model_answers() -> None:
    it = Driven({"type": "realtime", "tools": [{"type": "function", "name": "f"}]})
    it.user_says("first")
    it.user_says("what now?")
    it.send("response.create", response={"instructions": "Shout."})
    _, turn = it.asked[-1]
    assert turn.text == "what now?" and len(turn.items) == 2
    assert turn.tools == [{"type": "function", "name": "f"}] and turn.response["instructions"] == "Shout."
    item = message([{"type": "input_text", "text": "other"}])
    it.send("response.create", response={"conversation": "none", "input": [item]})
    assert it.asked[-1][1].text == "other"
