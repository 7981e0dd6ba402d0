"""The conversation: its order, its words, and its items for a new session."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from realtime_ext.connection._state.conversation import Conversation
from tests.support.rows import each

JSON = dict[str, Any]


def message(item_id: str, role: str = "user", **part: Any) -> JSON:
    kind = {"user": "input_text", "assistant": "output_audio", "system": "input_text"}[role]
    return {"id": item_id, "type": "message", "role": role, "content": [{"type": kind, **part}]}


def order(ledger: Conversation) -> list[str]:
    return [item["id"] for item in ledger.items]


@given(st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=12))
def test_items_follow_those_that_they_name(places: list[int]) -> None:
    conversation = ["item_0"]
    ledger = Conversation()
    ledger.put(message("item_0"), None)
    for number, place in enumerate(places, 1):
        previous = conversation[place % len(conversation)]
        conversation.insert(conversation.index(previous) + 1, f"item_{number}")
        ledger.put(message(f"item_{number}"), previous)
        ledger.put(message(f"item_{number}"), previous)  # `done` after `added`
    assert order(ledger) == conversation


def test_an_item_that_names_an_unknown_one_is_the_last() -> None:
    ledger = Conversation()
    for item_id, previous in (("a", None), ("b", "before the sideband attached"), ("c", "b")):
        ledger.put(message(item_id), previous)
    assert order(ledger) == ["a", "b", "c"]


def test_items_without_links_keep_the_order_of_arrival() -> None:
    ledger = Conversation()
    for number in range(3):
        ledger.put(message(f"item_{number}"), None)
    assert order(ledger) == ["item_0", "item_1", "item_2"]


def test_an_item_sent_to_the_root_is_the_first() -> None:
    ledger = Conversation()
    ledger.put(message("a"), None)
    ledger.asked_for_root()
    ledger.put(message("b"), None)
    ledger.put(message("c"), "a")
    assert order(ledger) == ["b", "a", "c"]


def test_a_deleted_item_leaves_its_followers_in_place() -> None:
    ledger = Conversation()
    for item_id, previous in (("a", None), ("b", "a"), ("c", "b")):
        ledger.put(message(item_id), previous)
    ledger.delete("b")
    ledger.delete("unknown")
    assert order(ledger) == ["a", "c"]


def test_a_loop_of_links_does_no_harm() -> None:
    ledger = Conversation()
    ledger.put(message("a"), "b")
    ledger.put(message("b"), "a")
    ledger.put(message("c"), "c")
    assert sorted(order(ledger)) == ["a", "b", "c"]


@each("item", [None, "text", {}, {"id": 5}, {"id": "a", "content": "none"}, {"id": "a", "content": [5]}])
def test_malformed_items_do_no_harm(item: Any) -> None:
    ledger = Conversation()
    assert ledger.put(item, None) is (isinstance(item, dict) and item.get("id") == "a")
    for odd in (None, "0", 7, -1):
        ledger.set_text("a", odd, "transcript", "words")
        ledger.truncate("a", odd, 1.0)
    ledger.set_text("a", 0, "transcript", None)
    ledger.set_text("unknown", 0, "transcript", "words")
    ledger.truncate("unknown", 0, 1.0)
    ledger.update(item)
    ledger.update({"id": "unknown"})
    assert "unknown" not in order(ledger)
    assert ledger.replay_items() == ledger.transcript() == []


def test_audio_is_left_out_and_words_are_kept() -> None:
    ledger = Conversation()
    ledger.put(message("a", "assistant", audio="AAAA"), None)
    ledger.set_text("a", 0, "transcript", "hello")
    ledger.put(message("a", "assistant", audio="AAAA", transcript=None), None)
    assert ledger.items[0]["content"] == [{"type": "output_audio", "transcript": "hello"}]


def replayed(*items: JSON) -> list[JSON]:
    ledger = Conversation()
    previous = None
    for item in items:
        ledger.put(item, previous)
        previous = item["id"]
    return ledger.replay_items()


def test_speech_is_replayed_as_words() -> None:
    spoken = {
        "id": "b",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": "hi"}],
    }
    silent = {"id": "c", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    image = {"type": "input_image", "image_url": "data:x", "detail": "low"}
    seen = {"id": "d", "type": "message", "role": "user", "content": [image]}
    items = replayed(
        message("a", "system", text="rules"),
        spoken,
        silent,
        seen,
        message("e", "assistant", transcript="yes"),
    )
    assert [(item["role"], item["content"]) for item in items] == [
        ("system", [{"type": "input_text", "text": "rules"}]),
        ("user", [{"type": "input_text", "text": "hi"}]),
        ("user", [image]),
        ("assistant", [{"type": "output_text", "text": "yes"}]),
    ]
    assert not any("id" in item or "status" in item for item in items)


def test_a_call_and_its_output_stay_together_and_half_of_them_is_left_out() -> None:
    call = {
        "id": "a",
        "type": "function_call",
        "call_id": "c1",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    alone = {**call, "id": "b", "call_id": "c2"}
    output = {"id": "d", "type": "function_call_output", "call_id": "c1", "output": "1"}
    stray = {**output, "id": "e", "call_id": "c9"}
    approval = {
        "id": "f",
        "type": "mcp_approval_request",
        "name": "x",
        "arguments": "{}",
        "server_label": "s",
    }
    items = replayed(call, alone, message("m", text="between"), output, stray, approval)
    assert [item["type"] for item in items] == ["function_call", "function_call_output", "message"]
    assert items[0] == {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}


@each(
    "heard, words",
    [
        (0.0, None),
        (0.3, "one"),
        (0.55, "one two"),
        (1.0, "one two three"),
        (7.0, "one two three"),
        (None, None),
    ],
)
def test_the_heard_part_of_an_interrupted_answer_is_replayed(heard: float | None, words: str | None) -> None:
    ledger = Conversation()
    ledger.put(message("a", "assistant", transcript="one two three"), None)
    ledger.truncate("a", 0, heard)
    found = [item["content"][0]["text"] for item in ledger.replay_items()]
    assert found == ([words] if words else [])


@each("odd", [{"de": "Tag"}, ["Tag"], 7, True])
def test_words_of_another_type_than_text_are_ignored(odd: Any) -> None:
    ledger = Conversation()
    ledger.put(message("a", text=odd), None)
    ledger.put(message("b", "assistant", text=odd, transcript="Good day."), "a")
    ledger.truncate("b", 0, 1.0)
    assert [(line.item_id, line.text) for line in ledger.transcript()] == [("b", "Good day.")]
    content = [{"type": "output_text", "text": "Good day."}]
    assert ledger.replay_items() == [{"type": "message", "role": "assistant", "content": content}]


def test_a_message_with_an_unknown_role_is_neither_replayed_nor_transcribed() -> None:
    ledger = Conversation()
    ledger.put({**message("a", text="Hello"), "role": "tutor"}, None)
    ledger.put({**message("b", text="Hello"), "content": "Hello"}, "a")
    assert ledger.replay_items() == ledger.transcript() == []


def test_items_are_new_once_and_updated_in_place() -> None:
    ledger = Conversation()
    assert ledger.put(message("a", text="one"), None) is True
    assert ledger.put(message("a", text="two"), None) is False
    ledger.update({"id": "a", "status": "completed"})
    ledger.set_text("a", 0, "text", "three")
    (item,) = ledger.items
    assert (item["status"], item["content"]) == ("completed", [{"type": "input_text", "text": "three"}])


def test_calls_without_an_output_are_unanswered() -> None:
    ledger = Conversation()
    for number, (kind, call_id) in enumerate(
        [("function_call", "c1"), ("function_call", "c2"), ("function_call_output", "c1"), ("message", "c2")]
    ):
        ledger.put({"id": f"item_{number}", "type": kind, "call_id": call_id}, None)
    assert [item["call_id"] for item in ledger.unanswered()] == ["c2"]
