"""What a server or a model sends costs work in proportion to its size, however it is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from realtime_ext._core.schema import Place, check
from realtime_ext._http.retry import parse_retry_after
from realtime_ext.connection._state.client_events import marked_response
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState
from realtime_ext.connection._state.messages import read_message
from tests.support.effort import count_calls
from tests.support.rows import each

Events = Iterator[dict[str, Any]]


def item(number: int | str) -> dict[str, Any]:
    return {"id": f"item_{number}", "type": "message", "role": "user", "content": []}


def added(number: int | str, previous: int | str | None) -> dict[str, Any]:
    before = None if previous is None else f"item_{previous}"
    return {"type": "conversation.item.added", "previous_item_id": before, "item": item(number)}


def responses(n: int) -> Events:
    for number in range(n):
        ids = {"response_id": f"resp_{number}", "item_id": f"item_{number}"}
        yield {"type": "response.created", "response": {"id": f"resp_{number}", "status": "in_progress"}}
        yield {"type": "response.output_audio.delta", **ids, "content_index": 0, "delta": "AAAA"}
        done = {"id": f"resp_{number}", "status": "completed", "output": [item(number)]}
        yield {"type": "response.done", "response": done}


def deltas(n: int) -> Events:
    yield {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    for number in range(n):
        ids = {"response_id": "resp_1", "item_id": f"item_{number % 7}", "output_index": 0}
        yield {"type": "response.output_text.delta", **ids, "content_index": 0, "delta": "some words "}


SESSIONS: dict[str, Callable[[int], Events]] = {
    "items one behind the other": lambda n: (added(i, i - 1 if i else None) for i in range(n)),
    "items that follow nothing": lambda n: (added(i, None) for i in range(n)),
    "items from the last to the first": lambda n: (added(i, i - 1) for i in range(n, 0, -1)),
    "items behind the same one": lambda n: (added(i, 0) for i in range(1, n)),
    "responses that are not played": responses,
    "pieces in one turn": deltas,
    "errors": lambda n: ({"type": "error", "error": {"type": "x", "message": str(i)}} for i in range(n)),
}


def go_on(state: ConnectionState, messages: list[bytes], *, asks: bool) -> None:
    if asks:
        stream = state.open_turn()
        state.sending(state.client_events.write(marked_response(None, stream.mark)), stream)
    for message in messages:
        state.apply(*read_message(message, state.budget.size_of))
        state.queue.take()
    assert len(state.conversation.items) <= len(messages)


@pytest.mark.parametrize("asks", [False, True], ids=["", "in a turn"])
@each("shape", SESSIONS)
def test_a_session_of_twice_the_length_is_twice_the_work(shape: str, asks: bool) -> None:
    effort = []
    for n in (75, 150):
        messages = [
            json.dumps({"event_id": f"e{i}", **event}).encode() for i, event in enumerate(SESSIONS[shape](n))
        ]
        state = ConnectionState(Role(model="m"), id_prefix="x", max_queue_bytes=2**30)
        effort.append(count_calls(partial(go_on, state, messages, asks=asks)))
    assert effort[1] < 2.2 * effort[0]


def shared(n: int) -> dict[str, Any]:
    """Unions of the same union, n deep."""
    levels = {f"l{i}": {"anyOf": [{"$ref": f"#/$defs/l{i + 1}"}] * 2} for i in range(n)}
    return {"$ref": "#/$defs/l0", "$defs": {**levels, f"l{n}": {"type": "integer"}}}


def recursive(word: str, n: int) -> tuple[dict[str, Any], Any]:
    """A schema that refers to itself in two forms that nothing tells apart, and a misfit n levels down."""
    form = {"type": "object", "properties": {"in": {"$ref": "#/$defs/tree"}}}
    forms = [{**form, "required": ["in"]}, {**form, "minProperties": 1}]
    tree = {word: forms if word == "allOf" else [*forms, {"type": "string"}]}
    return {"$defs": {"tree": tree}, "$ref": "#/$defs/tree"}, nested(n)


def written_out(word: str, n: int) -> tuple[dict[str, Any], Any]:
    """Two forms of which each has the two forms of the next level, n times."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(n):
        form = {"type": "object", "properties": {"in": schema}}
        schema = {word: [{**form, "required": [name]} for name in "ab"]}
    return schema, nested(n)


def nested(n: int) -> Any:
    value: Any = 1
    for _ in range(n):
        value = {"in": value}
    return value


@each("word", ["anyOf", "oneOf", "allOf"])
@each("make", [recursive, written_out])
def test_unions_inside_of_unions_dont_multiply_the_work(
    make: Callable[[str, int], tuple[dict[str, Any], Any]], word: str
) -> None:
    effort, found = [], []
    for n in (6, 12):
        schema, value = make(word, n)
        place = Place(schema)
        effort.append(count_calls(lambda: found.append(check(place, value))))  # noqa: B023
    assert effort[1] < 5 * effort[0]
    assert all(faults and len(faults) < 50 for faults in found)


@each(
    "n, value_of, schema_of",
    [
        (200, lambda n: [[i] for i in range(n)], lambda n: {"type": "array", "uniqueItems": True}),
        (200, lambda n: [{"a": i} for i in range(n)], lambda n: {"type": "array", "uniqueItems": True}),
        (10, lambda n: "x", shared),
    ],
    ids=["lists without repetition", "objects without repetition", "unions that share members"],
)
def test_a_check_of_twice_the_size_is_twice_the_work(
    n: int, value_of: Callable[[int], Any], schema_of: Callable[[int], Any]
) -> None:
    few, many = (count_calls(partial(check, Place(schema_of(m)), value_of(m))) for m in (n, 2 * n))
    assert many < 2.2 * few


@each("text", ["9" * 100_000, "Mon, " + "1" * 100_000, "Mon, " + "1:" * 50_000])
def test_a_retry_after_of_many_digits_costs_nothing(text: str) -> None:
    assert count_calls(partial(parse_retry_after, text, lambda: 0.0)) < 20
