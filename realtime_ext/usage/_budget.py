"""Limits of what may be spent."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args

import attrs

from .._core.callbacks import raise_if_interrupt
from ._meter import Usage
from ._prices import PriceTable

_logger = logging.getLogger("realtime_ext.usage")
_BudgetEnd = Literal["hang_up", "end_turn"]


@attrs.frozen(kw_only=True)
class Spent:
    """What was spent of a budget.

    Args:
        usd: The cost in the price table's currency; None if it is not known, or the budget has no prices.
        seconds: How long connections were open, in sum.
        tokens: Tokens of responses, input and output.
        share: The share of the limit that is nearest, 1 where the budget is spent.
        reason: What is spent, such as `61 of 60 seconds`; empty before.
    """

    usd: Decimal | None
    seconds: float
    tokens: int
    share: float
    reason: str = ""


class Budget:
    """Limits what connections may spend; warns at a share of it, and then ends the turn or the call.

        client.connect(session, budget=Budget(seconds=600, tokens=50_000))
        RealtimeClient(budget=Budget(usd=20, prices=PRICES))          # all connections of the client together

    Connections that have the same budget share it, also from several threads; it is not shared with other
    processes. A cost that is not known, since the table lacks a price, counts as spent, and never as zero.
    The API reports tokens at the end of a response, so that the last one may exceed the limit.

    Args:
        usd: The cost, in the price table's currency; needs `prices`.
        seconds: How long connections may be open, in sum.
        tokens: Tokens of responses, input and output.
        prices: Your prices, as for `Usage.cost`.
        warn_at: The share at which a warning is logged and `on_warning` is called, once.
        on_warning: Called with what was `Spent`, on the connection's event loop; it must not block.
        then: `hang_up` ends the connection, and hangs up its call if there is one. `end_turn` cancels the
            response, and every further one; the connection stays open.
        goodbye: With `hang_up`: what the model says before, word for word.

    Attributes:
        prices, then, goodbye: The same.
        charges: How often it was charged.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is no limit, a value is out of range, or an argument has no effect.
    """

    def __init__(
        self,
        *,
        usd: float | Decimal | str | None = None,
        seconds: float | None = None,
        tokens: int | None = None,
        prices: PriceTable | Mapping[str, Any] | None = None,
        warn_at: float = 0.8,
        on_warning: Callable[[Spent], object] | None = None,
        then: Literal["hang_up", "end_turn"] = "hang_up",
        goodbye: str | None = None,
    ) -> None:
        self._usd = None if usd is None else _limit_of("usd", usd)
        self._seconds = None if seconds is None else float(_limit_of("seconds", seconds))
        self._tokens = None if tokens is None else int(_limit_of("tokens", tokens))
        if usd is None and seconds is None and tokens is None:
            raise ValueError("Budget: expected usd, seconds or tokens, got none of them")
        if (usd is None) != (prices is None):
            raise ValueError("Budget: usd and prices belong together; expected both or none")
        if isinstance(warn_at, bool) or not isinstance(warn_at, int | float):
            raise TypeError(f"warn_at: expected a share, got {type(warn_at).__name__}")
        if not 0 < warn_at <= 1:
            raise ValueError(f"warn_at: expected a share above 0, up to 1, got {warn_at!r}")
        if then not in get_args(_BudgetEnd):
            raise ValueError(f"then: expected 'hang_up' or 'end_turn', got {then!r}")
        if on_warning is not None and not callable(on_warning):
            raise TypeError(f"on_warning: expected a function, got {type(on_warning).__name__}")
        if goodbye is not None and (not isinstance(goodbye, str) or not goodbye.strip()):
            raise ValueError(f"goodbye: expected what to say, got {goodbye!r}")
        if goodbye is not None and then != "hang_up":
            raise ValueError("goodbye: it has no effect with then='end_turn'")
        is_table = prices is None or isinstance(prices, PriceTable)
        self.prices: Any = prices if is_table else PriceTable.from_dict(prices)  # type: ignore[arg-type]
        self._warn_at = warn_at
        self._on_warning = on_warning
        self.then: _BudgetEnd = then
        self.goodbye: str | None = goodbye
        self._lock = threading.Lock()
        self._open: dict[object, tuple[Usage, float]] = {}  # what connections that are open have used
        self._over = Usage(), 0.0  # what those have used that are closed
        self._has_warned = False
        self.charges: int = 0

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        with self._lock:
            used = [self._over, *self._open.values()]
        usage = sum((one for one, _ in used), Usage())
        seconds = sum(time for _, time in used)
        usd = None if self.prices is None else usage.cost(self.prices)
        shares = []
        if self._usd is not None:
            if usd is None:
                lacks = "; ".join(usage.missing_prices(self.prices))
                shares.append((1.0, f"the cost is not known: the price table lacks {lacks}"))
            else:
                shares.append((float(usd / self._usd), f"{usd:f} of {self._usd} {self.prices.currency}"))
        if self._seconds is not None:
            shares.append((seconds / self._seconds, f"{round(seconds, 1):g} of {self._seconds:g} seconds"))
        if self._tokens is not None:
            shares.append(
                (usage.total_tokens / self._tokens, f"{usage.total_tokens} of {self._tokens} tokens")
            )
        share, reason = max(shares)
        return Spent(
            usd=usd,
            seconds=seconds,
            tokens=usage.total_tokens,
            share=share,
            reason=reason if share >= 1 else "",
        )

    def charge(self, connection: object, usage: Usage, seconds: float, *, is_over: bool = False) -> Spent:
        """Record what a connection has used so far; connections that have this budget call it.

        Args:
            connection: Identifies the connection; hashable.
            usage: Its tokens since it was opened.
            seconds: How long it is open.
            is_over: Whether it was closed.

        Returns:
            What was spent of the budget.
        """
        with self._lock:
            self.charges += 1
            self._open[connection] = usage, seconds
            if is_over:
                del self._open[connection]
                self._over = self._over[0] + usage, self._over[1] + seconds
        spent = self.spent
        if spent.share >= self._warn_at and not self._has_warned:
            self._has_warned = True
            _logger.warning("%.0f%% of the budget is spent", spent.share * 100)
            if self._on_warning is not None:
                try:
                    self._on_warning(spent)
                except BaseException as error:
                    raise_if_interrupt(error)
                    _logger.warning("on_warning raised %s", type(error).__name__)
        return spent

    def seconds_left(self, spent: Spent) -> float | None:
        """Return how long connections may still be open, in sum; None for no limit."""
        return None if self._seconds is None else max(0.0, self._seconds - spent.seconds)

    def __repr__(self) -> str:
        limits = {"usd": self._usd, "seconds": self._seconds, "tokens": self._tokens}
        shown = [f"{name}={value}" for name, value in limits.items() if value is not None]
        return f"Budget({', '.join([*shown, f'then={self.then!r}'])})"


def _limit_of(field: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise TypeError(f"{field}: expected a number, got {type(value).__name__}")
    try:
        limit = Decimal(str(value))
    except ArithmeticError as error:
        raise ValueError(f"{field}: expected a number above 0, got {value!r}") from error
    if not (math.isfinite(limit) and limit > 0):
        raise ValueError(f"{field}: expected a number above 0, got {value!r}")
    return limit
