"""The event queue without a connection: its limit, its order, and the program's place in the stream."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

import pytest

from realtime_ext.connection._state.event_kinds import EventWaiter
from realtime_ext.connection._state.event_queue import COUNTS_MEMORY, LATEST, Budget, EventQueue
from realtime_ext.connection._state.messages import length_of, memory_of
from realtime_ext.connection._state.waiters import Waiter
from realtime_ext.events import UnknownEvent
from tests.support.rows import each


def event(number: int, kind: str = "test.test") -> UnknownEvent:
    return UnknownEvent(kind, {"number": number})


def filled(count: int, *, size: int = 1, limit: int = 10_000) -> tuple[EventQueue, Budget]:
    budget = Budget(limit)
    queue = EventQueue(budget)
    for number in range(1, count + 1):
        queue.offer(event(number))
        queue.put(event(number), size)
    return queue, budget


def numbers(events: Any) -> list[int]:
    return [number for number, _ in events]


@each("limit, error", [(True, TypeError), ("1", TypeError), (1.5, TypeError), (0, ValueError)])
def test_a_limit_is_a_positive_int(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_queue_bytes: expected"):
        Budget(limit)
    assert Budget(1).limit == 1


def test_a_budget_warns_at_half_and_again_once_it_was_empty() -> None:
    budget = Budget(10)
    assert [budget.add(5), budget.add(1), budget.add(1)] == [False, True, False]
    budget.release(6)
    assert [budget.add(9), budget.over] == [False, False]  # it was not empty; exactly the limit is allowed
    budget.release(10)
    assert [budget.add(6), budget.over] == [True, False]
    budget.add(5)
    budget.release(11)
    assert budget.over, "it was exceeded once"


def test_memory_is_counted_from_a_limit_of_one_mebibyte() -> None:
    assert Budget(COUNTS_MEMORY).size_of is memory_of
    assert Budget(COUNTS_MEMORY - 1).size_of is length_of


def test_events_are_taken_in_order_and_release_their_size() -> None:
    queue, budget = filled(3, size=7)
    assert budget.used == 21
    assert [queue.take().data["number"] for _ in range(3)] == [1, 2, 3]
    assert (queue.take(), budget.used) == (None, 0)


def test_the_place_in_the_stream_is_the_later_of_the_last_given_and_the_last_sent() -> None:
    queue, _ = filled(3)
    assert (queue.place, numbers(queue.unread())) == (0, [1, 2, 3])
    queue.take()
    assert (queue.place, numbers(queue.unread())) == (1, [2, 3])
    queue.given(3)
    queue.given(2)  # a slower thread
    assert queue.place == 3
    queue.offer(event(4))
    queue.mark_sent()
    assert queue.place == 4


def test_reading_in_any_way_means_that_events_are_consumed() -> None:
    for read in (
        lambda queue: queue.take(),
        lambda queue: queue.wait(),
        lambda queue: queue.fetch(deque(), lambda more: None),
    ):
        queue = EventQueue(Budget(1))
        assert not queue.is_consumed
        read(queue)
        assert queue.is_consumed


@each("is_asked, kept", [(True, LATEST), (False, LATEST + 2)])
def test_only_where_turns_are_followed_old_events_are_dropped(is_asked: bool, kept: int) -> None:
    queue = EventQueue(Budget(10_000))
    queue.is_asked = is_asked
    for number in range(1, LATEST + 3):
        queue.offer(event(number))
        queue.put_unconsumed(event(number), 1)
    assert numbers(queue.unread()) == list(range(LATEST + 3 - kept, LATEST + 3))


def test_another_thread_gets_queued_events_with_their_numbers() -> None:
    queue, budget = filled(2)
    batch: deque[tuple[Any, int]] = deque()
    told: list[bool] = []
    queue.fetch(batch, told.append)
    assert ([number for _, number in batch], told, budget.used) == ([1, 2], [True], 0)
    assert (queue.place, numbers(queue.unread())) == (0, [1, 2]), "it was given none of them yet"


@each("count, size, expected", [(300, 1, 256), (10, 2**19, 2)])
def test_another_thread_gets_a_bounded_batch(count: int, size: int, expected: int) -> None:
    queue, _ = filled(count, size=size, limit=2**30)
    batch: deque[tuple[Any, int]] = deque()
    queue.fetch(batch, lambda more: None)
    assert len(batch) == expected


def test_another_thread_is_told_of_the_next_event_or_of_the_end() -> None:
    queue, _ = filled(0)
    batch: deque[tuple[Any, int]] = deque()
    told: list[bool] = []
    queue.fetch(batch, told.append)
    assert told == []
    queue.offer(event(1))
    queue.put(event(1), 1)
    assert ([number for _, number in batch], told) == ([1], [True])
    queue.fetch(batch, told.append)
    queue.close(lambda: ValueError("closed"))
    assert told == [True, False]


def test_each_event_wakes_one_reader_in_order() -> None:
    queue, _ = filled(0)
    readers = [queue.wait(), queue.wait()]
    queue.put(event(1), 1)
    assert [reader.done for reader in readers] == [True, False]
    queue.close(lambda: ValueError("closed"))
    assert [reader.done for reader in readers] == [True, True]
    assert queue.wait().done


def test_a_reader_that_gives_up_after_it_was_woken_wakes_another() -> None:
    queue, _ = filled(0)
    first, second, third = queue.wait(), queue.wait(), queue.wait()
    queue.cancel(second)
    queue.put(event(1), 1)
    queue.cancel(first)
    assert (first.done, second.done, third.done) == (True, False, True)
    assert queue.wait().done, "the event is still there"
    queue.cancel(third)  # when there is no other
    assert queue.wait().done, "the event is still there"


def test_a_reader_that_gives_up_while_nothing_is_queued_wakes_none() -> None:
    queue, _ = filled(0)
    first, second = queue.wait(), queue.wait()
    queue.put(event(1), 1)
    queue.take()
    queue.cancel(first)
    assert not second.done


def test_waiters_are_offered_events_until_they_match_or_are_removed() -> None:
    queue, _ = filled(0)
    matching, other, removed = (EventWaiter(f"test.{name}") for name in ("a", "b", "a"))
    for waiter in (matching, other, removed):
        queue.add_waiter(waiter)
    queue.remove_waiter(removed)
    queue.remove_waiter(removed)  # twice does no harm
    queue.offer(event(1, "test.c"))
    queue.offer(event(2, "test.a"))
    assert (matching.result().data["number"], matching.number) == (2, 2)
    assert (other.done, removed.done) == (False, False)
    queue.close(lambda: ValueError("closed"))
    with pytest.raises(ValueError, match="closed"):
        other.result()


def test_several_wait_for_one_outcome_until_they_give_up() -> None:
    waiter, woken = Waiter[int](), list[str]()
    callbacks = {name: functools.partial(woken.append, name) for name in ("first", "second", "third")}
    for callback in callbacks.values():
        waiter.when_done(callback)
    waiter.forget(callbacks["second"])
    waiter.resolve(7)
    waiter.when_done(callbacks["second"])
    assert (woken, waiter.result()) == (["first", "third", "second"], 7)
