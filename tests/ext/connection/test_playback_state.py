"""Playback: what is counted, from where an interruption cuts, and that it never cuts beyond what came."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime_ext.connection._state.playback import PlaybackState, audio_size
from tests.support.rows import each


@given(st.binary(max_size=100))
def test_audio_sizes_are_computed_without_decoding(data: bytes) -> None:
    assert audio_size(base64.b64encode(data).decode()) == len(data)


def test_the_oldest_audio_is_played_first() -> None:
    state = PlaybackState(is_local=True)
    state.received("a", 0, 480)
    state.received("b", 0, 480)
    state.played_bytes(500)
    assert state.position is not None
    assert (state.position.item_id, state.position.played_ms) == ("b", 0)
    state.played_ms(5)
    assert state.position.played_ms == 5


@each("form, bytes_per_ms", [("audio/pcm", 48), ("audio/pcmu", 8), ({"type": "audio/pcma"}, 8)])
def test_milliseconds_follow_the_sessions_format(form: Any, bytes_per_ms: int) -> None:
    state = PlaybackState(is_local=True)
    state.use(form)
    state.received("a", 0, 100 * bytes_per_ms)
    state.played_bytes(30 * bytes_per_ms)
    found = state.interrupt()
    assert found is not None
    assert (found.played_ms, found.unplayed_ms) == (30, 70)


def test_an_unknown_format_counts_as_pcm() -> None:
    state = PlaybackState(is_local=True)
    state.use({"type": "audio/tomorrow"})
    state.received("a", 0, 48)
    assert state._clamp("a", 100) == 1


def test_after_an_interruption_what_still_comes_of_it_is_not_counted() -> None:
    state = PlaybackState(is_local=True)
    state.received("a", 0, 480)
    state.interrupt()
    state.received("a", 0, 480)
    assert state.interrupt() is None
    state.received("b", 0, 480)
    assert state.position is not None
    assert state.position.item_id == "b"


@each("wrong", [-1, 1.5, True, "5", None])
def test_wrong_counts_are_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="played_bytes"):
        PlaybackState(is_local=True).played_bytes(wrong)


@each("wrong", [-1, float("nan"), float("inf"), True, "5", None])
def test_wrong_milliseconds_are_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="played_ms"):
        PlaybackState(is_local=True).played_ms(wrong)


def test_a_truncation_by_the_server_tells_the_share_and_ends_the_part() -> None:
    state = PlaybackState(is_local=True)
    assert state.truncated("a", 0, 10) is None
    state.received("a", 0, 480)
    state.received("b", 0, 480)
    assert state.truncated("a", 0, 5) == 0.5
    assert state.position is not None and state.position.item_id == "b"
    assert state.truncated("b", 0, 90) == 1.0
    state.received("c", 0, 0)
    assert state.truncated("c", 0, 5) is None


def test_a_truncation_ends_its_item_alone() -> None:
    state = PlaybackState(is_local=True)
    for item_id in ("a", "b"):
        state.received(item_id, 1, 480)
    event = state.truncation("a", 4)
    assert event == {
        "type": "conversation.item.truncate",
        "item_id": "a",
        "content_index": 1,
        "audio_end_ms": 4,
    }
    assert state.position is not None and state.position.item_id == "b"
    state.truncated("a", 1, 4)
    assert state.truncation("a", 4) is None, "no more of it is left"
    assert state.truncation("a", 3) is not None
    assert state.truncation("a", 0) is state.truncation("unknown", 4) is None
    assert PlaybackState(is_local=False).truncation("a", 4) is None


def test_a_part_is_over_when_it_was_played_and_is_complete_or_another_follows() -> None:
    state = PlaybackState(is_local=True)
    state.received("a", 0, 480)
    state.played_bytes(480)
    assert state.position is not None, "more may come"
    state.completed("unknown", 0)
    assert state.position is not None
    state.completed("a", 0)
    assert state.position is None
    state.received("b", 0, 480)
    state.completed("b", 0)
    assert state.position is not None, "it was not played"


def test_an_application_that_counts_has_heard_all_but_the_rest() -> None:
    counting, silent = PlaybackState(is_local=True), PlaybackState(is_local=True)
    for state in (counting, silent):
        for item_id in ("a", "b", "c"):
            state.received(item_id, 0, 480)
    counting.played_ms(12)
    assert counting.heard() == {"b": (0, 2), "c": (0, 0)}
    assert silent.heard() == {"c": (0, 0)}


def test_nothing_is_counted_where_the_api_plays_and_after_a_reset() -> None:
    remote, local = PlaybackState(is_local=False), PlaybackState(is_local=True)
    for state in (remote, local):
        state.received("a", 0, 480)
        state.speech_started()
    assert (remote.pending(), remote.to_flush) == (None, None)
    assert local.to_flush is not None
    local.reset()
    assert (local.pending(), local.position, local.to_flush) == (None, None, None)
    assert local.truncation("a", 4) is None


def test_audio_of_a_lost_session_does_not_count_as_heard_of_the_one_that_replaces_it() -> None:
    for count in (lambda state, ms: state.played_ms(ms), lambda state, ms: state.played_bytes(48 * ms)):
        state = PlaybackState(is_local=True)
        state.received("a", 0, 480)
        count(state, 4)
        state.reset()
        state.received("b", 0, 480)
        pending = state.pending()
        assert pending is not None and (pending.unplayed_ms, pending.unplayed_bytes) == (16, 768)
        count(state, 8)
        assert state.heard() == {"b": (0, 2)}
        count(state, 1)
        assert state.heard() == {"b": (0, 3)}


def test_an_interruption_drops_what_a_lost_session_left() -> None:
    state = PlaybackState(is_local=True)
    state.received("a", 0, 480)
    state.reset()
    state.interrupt()
    state.received("b", 0, 480)
    state.played_ms(3)
    assert state.heard() == {"b": (0, 3)}


class Playing(RuleBasedStateMachine):
    """Audio comes, is played and interrupted in any order; a model counts along."""

    def __init__(self) -> None:
        super().__init__()
        self.state = PlaybackState(is_local=True)
        self.came: dict[str, int] = {}
        self.items = 0
        self.waiting = 0

    @rule()
    def begin(self) -> None:
        self.items += 1

    @precondition(lambda self: self.items)
    @rule(samples=st.integers(min_value=1, max_value=2000))
    def receive(self, samples: int) -> None:
        item = f"item_{self.items}"
        self.state.received(item, 0, 2 * samples)
        self.came[item] = self.came.get(item, 0) + 2 * samples
        self.waiting += 2 * samples

    @rule(count=st.integers(min_value=0, max_value=5000))
    def play(self, count: int) -> None:
        self.state.played_bytes(2 * count)
        self.waiting = max(0, self.waiting - 2 * count)

    @precondition(lambda self: self.items)
    @rule()
    def complete(self) -> None:
        self.state.completed(f"item_{self.items}", 0)
        self.items += 1

    @rule()
    def interrupt(self) -> None:
        found = self.state.interrupt()
        self.waiting = 0
        self.items += 1
        if found is not None:
            assert found.played_ms <= self.came[found.item_id] / 48
        assert self.state.interrupt() is None

    @invariant()
    def nothing_is_lost_or_invented(self) -> None:
        pending = self.state.pending()
        assert (pending.unplayed_bytes if pending else 0) == self.waiting

    @invariant()
    def no_cut_is_beyond_what_came(self) -> None:
        for item, size in self.came.items():
            assert self.state._clamp(item, 1e9) <= size / 48


TestPlaying = Playing.TestCase
