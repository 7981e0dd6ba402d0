"""Limits of what connections may spend."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from decimal import Decimal
from typing import Any, Literal, TypeVar, get_args, overload

import attrs

from realtime_ext.connection import AsyncLiveConnection, LiveConnection, send_gate
from realtime_ext.errors import ConnectionClosedError, RealtimeError
from realtime_ext.usage import Usage

from ._prices import PriceTable, table_of

_logger = logging.getLogger("realtime_kit.budget")
_ConnectionT = TypeVar("_ConnectionT")
_BudgetEnd = Literal["hang_up", "end_turn"]
_Call = Callable[..., Awaitable[Any]]

_LOOK = 1.0  # seconds between two looks at most: other connections may share the budget
_GOODBYE = 30.0  # seconds
_MARK = "budget"  # the key of the goodbye's metadata
_HEARD = frozenset({"output_audio_buffer.stopped", "output_audio_buffer.cleared"})
_NEWS = _HEARD | {
    "conversation.item.input_audio_transcription.completed",
    "output_audio_buffer.started",
    "response.created",
    "response.done",
    "response.event",
    "session.closed",
    "session.usage.updated",
}


class BudgetExceeded(ConnectionClosedError):
    """A budget is spent: the connection was ended or not opened, or has no further responses."""

    def __str__(self) -> str:
        return self.reason


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

    Connections of either API, sync or async, that have the same budget share it, also from several threads;
    it is not shared with other processes. A cost that is not known, since the table lacks a price, counts as
    spent, and never as zero. The API reports tokens at the end of a response, so that the last one may exceed
    the limit.

    Args:
        usd: The cost, in the price table's currency; needs `prices`.
        seconds: How long connections may be open, in sum.
        tokens: Tokens of responses, input and output.
        prices: Your prices, a table or a dict as for `PriceTable.from_dict`.
        warn_at: The share at which a warning is logged and `on_warning` is called, once.
        on_warning: Called with what was `Spent`; it must not block.
        then: `hang_up` ends the connection, and hangs up its call or ends its Live session. `end_turn`
            cancels the response, and refuses further ones; the connection stays open. Not for Live sessions.
        goodbye: With `hang_up`: what the model says before; word for word, or of a Live session in its own
            words.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is no limit, a value is out of range, or an argument has no effect.

    Example:
        ```python
        budget = Budget(seconds=600, tokens=50_000, goodbye="Our time is over. Goodbye.")
        try:
            with budget.limit(client.connect(session)) as connection:
                connection.ask("Is breakfast included?")
        except BudgetExceeded as error:
            print(error)
        ```
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
        if inspect.iscoroutinefunction(on_warning):
            raise TypeError("on_warning: expected a function that is not async")
        if goodbye is not None and (not isinstance(goodbye, str) or not goodbye.strip()):
            raise ValueError(f"goodbye: expected what to say, got {goodbye!r}")
        if goodbye is not None and then != "hang_up":
            raise ValueError("goodbye: it has no effect with then='end_turn'")
        self._prices = table_of(prices)
        self._warn_at = warn_at
        self._on_warning = on_warning
        self._then: _BudgetEnd = then
        self._goodbye = goodbye
        self._lock = threading.Lock()
        self._open: dict[object, tuple[Usage, float]] = {}  # what connections that are open have used
        self._over = Usage(), 0.0  # what those have used that are closed
        self._has_warned = False

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        with self._lock:
            used = [self._over, *self._open.values()]
        usage = sum((one for one, _ in used), Usage())
        seconds = sum(time for _, time in used)
        usd = None if self._prices is None else self._prices.cost(usage)
        shares = []
        if self._usd is not None and self._prices is not None:
            if usd is None:
                lacks = "; ".join(self._prices.missing(usage))
                shares.append((1.0, f"the cost is not known: the price table lacks {lacks}"))
            else:
                shares.append((float(usd / self._usd), f"{usd:f} of {self._usd} {self._prices.currency}"))
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
        """Record what a connection has used so far, of one that `limit` did not open.

        Args:
            connection: Identifies the connection; hashable.
            usage: Its tokens since it was opened.
            seconds: How long it is open.
            is_over: Whether it was closed.

        Returns:
            What was spent of the budget.
        """
        with self._lock:
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
                except Exception as error:
                    _logger.warning("on_warning raised %s", type(error).__name__)
        return spent

    @overload
    def limit(
        self, opening: AbstractAsyncContextManager[_ConnectionT]
    ) -> AbstractAsyncContextManager[_ConnectionT]: ...
    @overload
    def limit(
        self, opening: AbstractContextManager[_ConnectionT]
    ) -> AbstractContextManager[_ConnectionT]: ...
    def limit(self, opening: Any) -> Any:
        """Open a connection that spends from this budget.

        Args:
            opening: What opens it: the result of `connect`, `attach`, `answer` or `dial` of either API, or of
                `open` in a fleet.

        Returns:
            A context manager that opens the same connection, and ends it, or its responses, when the budget
            is spent.

        Raises:
            TypeError: `opening` is no context manager.
            BudgetExceeded: On entering, if the budget is spent already; nothing is opened. Inside, from what
                asks for a response of a connection without further ones. On leaving, in place of the
                `ConnectionClosedError` that reached the end of the block because the budget had ended the
                connection.
        """
        if hasattr(opening, "__aenter__"):
            return self._limit_async(opening)
        if hasattr(opening, "__enter__"):
            return self._limit_sync(opening)
        raise TypeError(f"opening: expected what connect(…) returns, got {type(opening).__name__}")

    @contextlib.asynccontextmanager
    async def _limit_async(self, opening: Any) -> AsyncIterator[Any]:
        async def call(method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
            return await method(*args, **options)

        spending = _Spending(self, call)
        with spending.converts_errors():
            async with contextlib.AsyncExitStack() as stack:
                with send_gate(spending.check):
                    connection = await stack.enter_async_context(opening)
                spending.begin(connection)
                watching = asyncio.create_task(spending.watch(), name="realtime_kit budget")
                try:
                    yield connection
                finally:
                    spending.stop()
                    try:
                        await asyncio.wait({watching})
                    finally:
                        watching.cancel()
                        spending.charge(is_over=True)

    @contextlib.contextmanager
    def _limit_sync(self, opening: Any) -> Iterator[Any]:
        spending = _Spending(self, asyncio.to_thread)
        with spending.converts_errors(), contextlib.ExitStack() as stack:
            with send_gate(spending.check):
                connection = stack.enter_context(opening)
            spending.begin(connection)
            watching = threading.Thread(
                target=lambda: asyncio.run(spending.watch()), name="realtime_kit budget", daemon=True
            )
            watching.start()
            try:
                yield connection
            finally:
                spending.stop()
                watching.join()
                spending.charge(is_over=True)

    def _next_look(self, spent: Spent) -> float:
        """Return in how many seconds to look again at the latest."""
        left = math.inf if self._seconds is None else self._seconds - spent.seconds
        return min(_LOOK, left + 0.001) if left > 0 else _LOOK

    def __repr__(self) -> str:
        limits = {"usd": self._usd, "seconds": self._seconds, "tokens": self._tokens}
        shown = [f"{name}={value}" for name, value in limits.items() if value is not None]
        return f"Budget({', '.join([*shown, f'then={self._then!r}'])})"


class _Spending:
    """A connection's use of a budget.

    Args:
        budget: The budget.
        call: Calls a method of the connection: awaits it, or runs it in a thread.

    Attributes:
        reason: What is spent; empty before.

    Raises:
        BudgetExceeded: The budget is spent already.
    """

    def __init__(self, budget: Budget, call: _Call) -> None:
        self.reason: str = ""
        self._budget = budget
        self._call = call
        self._is_leaving = False  # so that a goodbye may be asked for
        self._is_stopped = False
        self._active: set[str] = set()  # responses that go on
        self._goodbye_id: str | None = None
        self._goodbye: set[str] = set()  # the events of the goodbye that have come
        self._wake: Callable[[], object] = lambda: None
        if spent := budget.spent.reason:
            raise _exceeded(spent)

    def begin(self, connection: Any) -> None:
        """Begin to charge for a connection that was opened."""
        self._connection = connection
        self._is_live = isinstance(connection, AsyncLiveConnection | LiveConnection)
        if self._is_live and self._budget._then == "end_turn":
            raise ValueError(
                "then: expected 'hang_up', got 'end_turn': a Live session's model can't be stopped"
            )
        self._began = time.monotonic()
        connection.observe(self._notice)

    def charge(self, *, is_over: bool = False) -> Spent:
        """Charge the budget with what the connection has used so far."""
        used = self._connection.usage
        usage = used.total if self._is_live else used
        return self._budget.charge(self, usage, time.monotonic() - self._began, is_over=is_over)

    async def check(self, types: Sequence[str]) -> None:
        """Refuse a response that the budget has no means for, as a send gate."""
        if self.reason and not self._is_leaving and "response.create" in types:
            raise _exceeded(self.reason)

    @contextlib.contextmanager
    def converts_errors(self) -> Iterator[None]:
        """Raise BudgetExceeded for the end of a connection which the budget has ended."""
        try:
            yield
        except BudgetExceeded:
            raise
        except ConnectionClosedError as error:
            if not self.reason:
                raise
            raise _exceeded(self.reason) from error

    def stop(self) -> None:
        """End the watch, once it has ended what is spent."""
        self._is_stopped = True
        self._wake()

    async def watch(self) -> None:
        """Charge the budget, until it is spent and the connection has ended."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # another thread came when the loop was closed already
                loop.call_soon_threadsafe(news.set)

        self._wake = wake
        try:
            while not (self._is_stopped or self._connection.is_closed):
                spent = self.charge()
                if spent.reason and not self.reason:
                    self.reason = spent.reason
                    _logger.warning("the budget is spent: %s", spent.reason)
                if self.reason:
                    await self._cancel_responses()
                    if self._budget._then == "hang_up":
                        return await self._end(news)
                await _take(news, self._budget._next_look(spent))
        finally:
            self._wake = lambda: None

    async def _cancel_responses(self) -> None:
        while self._active:
            with contextlib.suppress(RealtimeError):
                await self._call(self._connection.cancel_response, self._active.pop())

    async def _end(self, news: asyncio.Event) -> None:
        """Say goodbye if the budget has one, then end the connection and its call or session."""
        connection, goodbye = self._connection, self._budget._goodbye
        try:
            async with asyncio.timeout(_GOODBYE):
                if self._is_live and goodbye is not None:
                    await self._call(connection.say_goodbye, goodbye, timeout=_GOODBYE)
                elif self._is_live:
                    await self._call(connection.send, {"type": "session.close"})
                    while not connection.is_closed:
                        await _take(news, _LOOK)
                elif goodbye is not None:
                    self._is_leaving = True
                    await self._call(connection.create_response, **_saying(goodbye))
                    while not (self._is_said or connection.is_closed):
                        await _take(news, _LOOK)
        except (RealtimeError, TimeoutError) as error:
            _logger.info("the goodbye was not said: %s", error)
        finally:
            if not self._is_live and connection.call_id is not None:
                await self._call(connection.hang_up)
            await self._call(connection.close)

    @property
    def _is_said(self) -> bool:
        """Whether the goodbye was said, and in a call has been heard."""
        said = self._goodbye
        is_heard = bool(said & _HEARD) or "output_audio_buffer.started" not in said
        return "response.done" in said and is_heard

    def _notice(self, direction: str, event: Any, monotonic_ns: int) -> None:
        """See an event, as an observer."""
        if direction != "in" or event.type not in _NEWS:
            return
        response: Any = getattr(event, "response", None)
        if event.type == "response.created" and response is not None:
            self._active.add(response.id)
        elif event.type == "response.done" and response is not None:
            self._active.discard(response.id)
        if self._is_leaving and _MARK in (getattr(response, "metadata", None) or {}):
            self._goodbye_id = response.id
        of = getattr(event, "response_id", None) if response is None else response.id
        if of is not None and of == self._goodbye_id:
            self._goodbye.add(event.type)
        self._wake()


async def _take(news: asyncio.Event, seconds: float) -> None:
    """Wait for news, but no longer than some seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    news.clear()


def _exceeded(reason: str) -> BudgetExceeded:
    return BudgetExceeded(1000, f"the budget is spent: {reason}")


def _saying(text: str) -> dict[str, Any]:
    """Return the response by which the model says a text."""
    return {
        "instructions": f"Say exactly the following sentence, and nothing else: {text}",
        "tool_choice": "none",
        "metadata": {_MARK: "goodbye"},
    }


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
