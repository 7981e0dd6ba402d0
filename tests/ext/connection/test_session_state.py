"""Which of the server's descriptions answer an update, and what several updates on the way come to."""

from __future__ import annotations

from typing import Any

from realtime_ext.connection._state.session_state import Answer, SessionState, answer_to
from tests.support.rows import each

SHOWN, EMPTY, UNCLEAR, OTHERS = Answer.SHOWN, Answer.EMPTY, Answer.UNCLEAR, Answer.OTHERS


@each(
    "sent, shown, before, expected",
    [
        ({"instructions": "a"}, {"instructions": "a"}, None, SHOWN),
        ({"instructions": " A\n"}, {"instructions": "a"}, None, SHOWN),
        ({"instructions": "a" * 9000}, {"instructions": "a" * 100}, None, SHOWN),
        ({"instructions": "a"}, {"instructions": "b"}, None, OTHERS),
        ({"instructions": "a"}, {"instructions": "another's"}, None, OTHERS),
        ({"instructions": "a"}, {"instructions": ""}, None, OTHERS),
        ({"language": "en-US"}, {"language": "en"}, None, SHOWN),
        ({"instructions": "a"}, {"instructions": "b"}, {"instructions": "b"}, OTHERS),
        ({"instructions": "a"}, {"instructions": "b"}, {"instructions": "c"}, UNCLEAR),
        ({"instructions": "a"}, {}, {}, UNCLEAR),
        ({"instructions": "a"}, {"instructions": None}, None, UNCLEAR),
        ({"instructions": "a"}, {"instructions": {"id": "a"}}, None, UNCLEAR),
        ({"type": "realtime"}, {"type": "other"}, None, EMPTY),
        (
            {"type": "realtime", "model": "m", "tools": [{"name": "a"}]},
            {"model": "n", "tools": []},
            None,
            EMPTY,
        ),
        ({"instructions": "", "tracing": "auto", "truncation": None}, {"instructions": "x"}, None, EMPTY),
        ({"a": {"b": {"c": 0.8}}}, {"a": {"b": {"c": 0.800000011920929}}}, None, SHOWN),
        ({"a": {"b": {"c": 0.8}}}, {"a": {"b": {"c": 0.5}}}, None, OTHERS),
        ({"a": {"b": {"c": 0.8}}}, {"a": None}, None, UNCLEAR),
        ({"on": True}, {"on": False}, None, OTHERS),
        ({"on": True}, {"on": 1}, None, UNCLEAR),
        ({"most": 5}, {"most": "inf"}, None, UNCLEAR),
        ({"one": "a", "two": "b"}, {"one": "a", "two": "c"}, None, OTHERS),
        ({"one": "a", "two": "b"}, {"one": "a", "two": "c"}, {"one": "a", "two": "c"}, OTHERS),
        ({"one": "a", "two": "b"}, {"one": "a", "two": "c"}, {"one": "z", "two": "c"}, UNCLEAR),
        ({"one": "a", "two": "b"}, {"one": "a"}, None, UNCLEAR),
        ("nothing", {}, None, UNCLEAR),
        (None, {}, None, EMPTY),
    ],
)
def test_a_description_answers_or_does_not(
    sent: Any, shown: dict[str, Any], before: dict[str, Any] | None, expected: Answer
) -> None:
    assert answer_to(sent, shown, before) is expected


def shared(*values: str) -> tuple[SessionState, list[Any]]:
    """A session that others change too, with updates on the way."""
    state = SessionState("realtime", is_shared=True)
    return state, [state.sent(f"e{number}", {"instructions": value}) for number, value in enumerate(values)]


def describe(state: SessionState, number: int, **fields: Any) -> None:
    state.described(fields)
    state.updated()


def test_a_later_updates_answer_shows_that_those_before_were_answered() -> None:
    state, updates = shared("a", "b", "c")
    describe(state, 1, instructions="another's")
    assert not any(update.sign.done for update in updates)
    describe(state, 2, instructions="b")
    assert [update.done for update in updates] == [True, True, False]
    assert state.configuration == {"instructions": "b"}


def test_an_update_without_an_answer_does_not_take_the_next_ones() -> None:
    state = SessionState("realtime")
    lost, late, last = (state.sent(name, {"instructions": name}) for name in ("lost", "late", "last"))
    lost.is_given_up = late.is_given_up = True
    describe(state, 1, instructions="late")  # in order, as far as that can be told
    assert lost.done and not late.done
    describe(state, 2, instructions="last")
    assert last.done and not late.done
    assert state.configuration == {"instructions": "last"}
    after = state.sent("after", {"instructions": "after"})
    describe(state, 3, instructions="after")
    assert after.done


def test_an_ambiguous_answer_counts_for_one_update() -> None:
    state, updates = shared("a", "b")
    describe(state, 1, voice="x")
    assert [update.sign.done for update in updates] == [True, False]
    describe(state, 2, voice="y")
    assert [update.sign.done for update in updates] == [True, True]
    assert not any(update.done for update in updates)
    state.confirm(updates[1])
    assert all(update.done for update in updates)
    assert state.configuration == {"instructions": "b"}


def test_an_update_refused_late_is_undone_and_others_stay() -> None:
    state = SessionState("realtime")
    for number in range(40):
        state.sent(f"e{number}", {"instructions": str(number), f"field_{number}": number})
        describe(state, number)
    state.refused("e39", lambda: ValueError("no"))
    state.refused("never sent", lambda: ValueError("no"))
    assert state.configuration["instructions"] == "38"
    assert sorted(state.configuration) == sorted(["instructions", *(f"field_{n}" for n in range(39))])
    assert len(state._in_force) <= 16


def test_an_answer_that_names_its_update_is_no_other_ones() -> None:
    state, (first, second) = shared("a", "a")
    describe(state, 0, instructions="a")
    assert [first.done, second.done] == [True, False]
    state.described({"instructions": "a"})
    state.updated("another's")
    assert not second.done
    state.updated("e1")
    assert second.done
