"""Outcomes: a cell that is filled once.

It must not wait by itself: a connection waits by means of `when_done`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Waiter(Generic[T]):
    """An outcome that is not known yet.

    Attributes:
        done: Whether it is known by now.
    """

    __slots__ = ("_error", "_on_done", "_value", "done")

    def __init__(self) -> None:
        self.done: bool = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._on_done: tuple[Callable[[], None], ...] = ()

    def resolve(self, value: T) -> None:
        """Fill it; a second outcome is ignored."""
        if not self.done:
            self._value = value
            self._finish()

    def fail(self, error: BaseException) -> None:
        """Fill it with a failure; a second outcome is ignored."""
        if not self.done:
            self._error = error
            self._finish()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call a function once the outcome is known: now, if it is."""
        if self.done:
            callback()
        else:
            self._on_done += (callback,)

    def forget(self, callback: Callable[[], None]) -> None:
        """Don't call a function of `when_done` any more."""
        self._on_done = tuple(one for one in self._on_done if one is not callback)

    def result(self) -> T:
        """Return the outcome, or raise it.

        Raises:
            RuntimeError: There is none yet.
        """
        if not self.done:
            raise RuntimeError("there is no result yet")
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def _finish(self) -> None:
        self.done = True
        callbacks, self._on_done = self._on_done, ()
        for callback in callbacks:
            callback()
