"""Charges a budget with what a connection uses, and says when it is spent.

What follows then is up to the connection. It must not send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import BudgetExceeded
from ._state.reconnect import CloseInfo

if TYPE_CHECKING:
    from .. import usage
    from ._state.core import ConnectionState

_LOOK = 1.0  # seconds between two looks at the time at most: other connections may share the budget


class Spending:
    """A connection's use of a budget.

    Args:
        budget: The budget.
        state: The connection's state.
        monotonic: Returns seconds of a clock that is never set.

    Attributes:
        budget: The same.
        reason: What is spent; empty before.
        is_ending: Whether the last response, a goodbye, may be created although the budget is spent.
    """

    def __init__(
        self,
        budget: usage.Budget,
        state: ConnectionState,
        monotonic: Callable[[], float],
    ) -> None:
        self.budget = budget
        self.reason: str = ""
        self.is_ending: bool = False
        self._state = state
        self._monotonic = monotonic
        self._on_spent: Callable[[], object] = lambda: None
        self._began = monotonic()
        self._charged: usage.Usage | None = None
        self._charges = 0  # of the budget, when this charged it last
        self._timer: asyncio.TimerHandle | None = None

    def start(self, on_spent: Callable[[], object]) -> None:
        """Begin to charge the budget; `on_spent` is called once, when it is spent."""
        self._on_spent = on_spent
        self._charge()

    def check(self) -> None:
        """Charge the budget if tokens were used since the last time, here or by another connection."""
        if self._state.used is not self._charged or self.budget.charges != self._charges:
            self._charge()

    def refuse(self) -> None:
        """Raise BudgetExceeded if no response may be created any more."""
        if self.reason and not self.is_ending:
            raise exceeded(self.reason)

    def stop(self) -> None:
        """Charge the budget for the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._began >= 0:
            used = self._state.used
            self.budget.charge(id(self), used, self._monotonic() - self._began, is_over=True)
            self._began = -1.0

    def _charge(self) -> None:
        if self._began < 0:
            return
        used = self._charged = self._state.used
        spent = self.budget.charge(id(self), used, self._monotonic() - self._began)
        self._charges = self.budget.charges
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left = self.budget.seconds_left(spent)
        if spent.reason and not self.reason:
            self.reason = spent.reason
            self._on_spent()
        elif left is not None and not spent.reason:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(_LOOK, left + 0.001), self._charge)


def exceeded(reason: str) -> BudgetExceeded:
    """Return the error for what a spent budget doesn't allow."""
    error = CloseInfo.by_budget(reason).error()
    assert isinstance(error, BudgetExceeded)
    return error


def check_budget(budget: usage.Budget | None) -> usage.Budget | None:
    """Return a budget that an argument names.

    Raises:
        TypeError: It is something else.
    """
    from ..usage import Budget

    if budget is not None and not isinstance(budget, Budget):
        raise TypeError(f"budget: expected a Budget or None, got {type(budget).__name__}")
    return budget


def open_budget(budget: usage.Budget | None) -> None:
    """Raise BudgetExceeded if a budget is spent before a connection is opened."""
    if budget is not None and (reason := budget.spent.reason):
        raise exceeded(reason)
