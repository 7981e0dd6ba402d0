"""Usage of a session, and its cost.

    meter = usage.UsageMeter()
    for event in connection:
        meter.observe(event)
    meter.usage.input.audio                       # tokens, cached ones among them
    meter.usage.cost(prices)                      # Decimal("0.0421"), or None if a price isn't known

The API counts tokens by modality (text, audio, image), and how many of the input's were cached;
responses that were cut short count as well. Prices are the caller's: this module has none, and must not
fetch any either.
"""

from __future__ import annotations

import datetime
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Literal, TypeVar, get_args

import attrs

from ._core.callbacks import raise_if_interrupt

__all__ = [
    "Amount",
    "Budget",
    "Price",
    "PriceTable",
    "Rate",
    "Spent",
    "Tokens",
    "Usage",
    "UsageEntry",
    "UsageMeter",
]


def __dir__() -> list[str]:
    return __all__


_logger = logging.getLogger("realtime_ext.usage")
_told: set[tuple[str, ...]] = set()  # the missing prices that were logged


_AddendT = TypeVar("_AddendT", "Tokens", "Amount")


def _added(one: _AddendT, other: _AddendT) -> _AddendT:
    names = attrs.fields_dict(type(one))
    return type(one)(**{name: getattr(one, name) + getattr(other, name) for name in names})


@attrs.frozen(kw_only=True)
class Tokens:
    """Tokens by modality; `+` adds.

    Args:
        text: Tokens of text.
        audio: Tokens of audio.
        image: Tokens of images.
        other: Tokens that the API counted without saying of what.
    """

    text: int = 0
    audio: int = 0
    image: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image + self.other

    def __add__(self, more: Tokens) -> Tokens:
        if not isinstance(more, Tokens):
            return NotImplemented
        return _added(self, more)


@attrs.frozen(kw_only=True)
class Amount:
    """The usage of some responses or transcriptions; `+` adds.

    Args:
        count: How many they were.
        input: Tokens that went in, cached ones among them.
        cached: Those of `input` that came out of the cache, and are usually cheaper.
        output: Tokens that were made.
        seconds: Audio that was transcribed by a model that is paid by time.
    """

    count: int = 0
    input: Tokens = Tokens()
    cached: Tokens = Tokens()
    output: Tokens = Tokens()
    seconds: float = 0.0

    def __add__(self, more: Amount) -> Amount:
        if not isinstance(more, Amount):
            return NotImplemented
        return _added(self, more)


def _amount_of(usage: Any, output: str | None = None) -> Amount:
    """Read the API's usage object, of a response or a transcription.

    Args:
        usage: Generated model or dict; None counts as one of nothing.
        output: The modality of the output where the API doesn't state it, such as "text".

    Returns:
        The amount of one. A total that exceeds its parts leaves the rest in `other`, unless only one
        modality is in question.
    """
    details = _part(usage, "input_token_details")
    given = _tokens(_part(usage, "input_tokens"), details)
    made = _tokens(_part(usage, "output_tokens"), _part(usage, "output_token_details"), output)
    used = [name for name in ("text", "audio", "image") if getattr(given, name)]
    cached = _tokens(
        _part(details, "cached_tokens"),
        _part(details, "cached_tokens_details"),
        used[0] if len(used) == 1 and not given.other else None,
    )
    return Amount(count=1, input=given, cached=cached, output=made, seconds=_number(_part(usage, "seconds")))


def _part(value: Any, name: str) -> Any:
    """Return a field of a generated model or a dict; None if it isn't there."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _tokens(total: Any, details: Any, only: str | None = None) -> Tokens:
    counts = {name: int(_number(_part(details, f"{name}_tokens"))) for name in ("text", "audio", "image")}
    rest = max(0, int(_number(total)) - sum(counts.values()))
    if only is not None and not any(counts.values()):
        return Tokens(**{only: rest})
    return Tokens(**counts, other=rest)


def _number(value: Any) -> float:
    """A count as the API sends it; whatever is none counts as nothing, so that it never ends a session."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return value if usable else 0


_MILLION = 1_000_000
_MODALITIES = ("text", "audio", "image")


@attrs.frozen(kw_only=True)
class Rate:
    """Prices of a million tokens of one modality; None for an unknown price.

    Args:
        input: Those that go in and aren't cached.
        cached: Those that go in and are.
        output: Those that are made.
    """

    input: Decimal | None = None
    cached: Decimal | None = None
    output: Decimal | None = None


@attrs.frozen(kw_only=True)
class Price:
    """A model's prices from one day on.

    Args:
        model: Its name as the API has it; a snapshot is a separate model.
        since: The first day on which they hold.
        text: Tokens of text.
        audio: Tokens of audio.
        image: Tokens of images.
        per_minute: A minute of audio, for models that are paid by time.
    """

    model: str
    since: datetime.date
    text: Rate = Rate()
    audio: Rate = Rate()
    image: Rate = Rate()
    per_minute: Decimal | None = None

    def cost(self, amount: Amount) -> Decimal | None:
        """Price an amount; None if a price that it needs isn't known."""
        if self._missing(amount):
            return None
        parts = ((Decimal(str(count)), price or 0, unit) for _, count, price, unit in self._parts(amount))
        return sum((count * price / unit for count, price, unit in parts), Decimal(0))

    def _missing(self, amount: Amount) -> list[str]:
        """Return what keeps an amount from being priced: prices by their names, or what the API left open."""
        if amount.input.other or amount.cached.other or amount.output.other:
            return ["the modality of some tokens"]
        if any(_of(amount.input, name) < _of(amount.cached, name) for name in _MODALITIES):
            return ["the input, of which more was cached than there was"]
        return [name for name, count, price, _ in self._parts(amount) if count and price is None]

    def _parts(self, amount: Amount) -> Iterator[tuple[str, float, Decimal | None, int]]:
        """Yield price's name, how much, price and its unit."""
        yield "per_minute", amount.seconds, self.per_minute, 60
        for name in _MODALITIES:
            rate: Rate = getattr(self, name)
            cached = _of(amount.cached, name)
            yield f"{name}.input", _of(amount.input, name) - cached, rate.input, _MILLION
            yield f"{name}.cached", cached, rate.cached, _MILLION
            yield f"{name}.output", _of(amount.output, name), rate.output, _MILLION


def _as_tuple(prices: Iterable[Price]) -> tuple[Price, ...]:
    return tuple(prices)


@attrs.frozen
class PriceTable:
    """Prices of several models, each from a day on.

    Args:
        prices: In any order; of one model several, for different days.
        currency: The currency's name.
    """

    prices: tuple[Price, ...] = attrs.field(converter=_as_tuple)
    currency: str = attrs.field(default="USD", kw_only=True)

    def __repr__(self) -> str:
        # One that failed half-made is shown too, in a traceback with locals.
        given = (f"{name}={getattr(self, name)!r}" for name in ("prices", "currency") if hasattr(self, name))
        return f"PriceTable({', '.join(given)})"

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> PriceTable:
        """Read a table, such as one from a TOML or JSON file.

        Args:
            table: `models`, and `currency` if it isn't USD. Each of `models` has the day `since` (a date or
                "2026-01-31"), then `text`, `audio` and `image` with the prices of a million tokens as
                `input`, `cached` and `output`, and `per_minute`. A missing price is unknown. A list of
                such stands for a price that changed:

                    {"models": {"some-model": {
                        "since": "2026-01-31",
                        "text": {"input": 1, "cached": "0.10", "output": 2},
                        "audio": {"input": 10, "cached": 1, "output": 20},
                    }}}

        Raises:
            TypeError: `table` is no dict.
            ValueError: It is not such a table; the message names the place, the value and the allowed values.
        """
        if not isinstance(table, Mapping):
            raise TypeError(f"prices: expected a PriceTable or a dict, got {type(table).__name__}")
        _known(table, ("models", "currency"), "prices")
        models = _mapping(table.get("models"), "models")
        prices = []
        for model, entries in models.items():
            listed = entries if isinstance(entries, list) else [entries]
            prices += [_price(model, entry, f"models.{model}") for entry in listed]
        currency = table.get("currency", "USD")
        if not isinstance(currency, str) or not currency:
            raise ValueError(f"currency: expected a name such as USD, got {currency!r}")
        return cls(tuple(prices), currency=currency)

    def price(self, model: str | None, on: datetime.date) -> Price | None:
        """Find the price of a model on a day; None for a model that isn't here, or not yet on that day."""
        found = [price for price in self.prices if price.model == model and price.since <= on]
        return max(found, key=lambda price: price.since, default=None)

    def cost(self, model: str | None, amount: Amount, on: datetime.date) -> Decimal | None:
        """Price the usage of a model; None if a price is unknown, 0 for no usage."""
        if amount == Amount(count=amount.count):
            return Decimal(0)
        price = self.price(model, on)
        return None if price is None else price.cost(amount)

    def _missing(self, model: str | None, amount: Amount, on: datetime.date) -> list[str]:
        if amount == Amount(count=amount.count):
            return []
        price = self.price(model, on)
        return [""] if price is None else price._missing(amount)


def _of(tokens: Tokens, modality: str) -> int:
    count: int = getattr(tokens, modality)
    return count


def _price(model: str, entry: Any, at: str) -> Price:
    fields = _mapping(entry, at)
    _known(fields, ("since", *_MODALITIES, "per_minute"), at)
    rates = {name: _rate(fields[name], f"{at}.{name}") for name in _MODALITIES if name in fields}
    per_minute = _money(fields.get("per_minute"), f"{at}.per_minute")
    return Price(
        model=model, since=_day_of(fields.get("since"), f"{at}.since"), per_minute=per_minute, **rates
    )


def _rate(entry: Any, at: str) -> Rate:
    fields = _mapping(entry, at)
    _known(fields, ("input", "cached", "output"), at)
    return Rate(**{name: _money(value, f"{at}.{name}") for name, value in fields.items()})


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{at}: expected a dict, got {value!r}")
    return value


def _known(fields: Mapping[str, Any], names: tuple[str, ...], at: str) -> None:
    for name in fields:
        if name not in names:
            raise ValueError(f"{at}: {name!r} is not known; known are {', '.join(names)}")


def _day_of(value: Any, at: str) -> datetime.date:
    """Return the day that is meant by a date, a time or text such as `2026-01-31`.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{at}: expected a day such as "2026-01-31", got {value!r}') from error


def _money(value: Any, at: str) -> Decimal | None:
    if value is None:
        return None
    try:
        # By way of text, so that 0.1 is a tenth.
        price = Decimal(str(value)) if not isinstance(value, bool) else Decimal(-1)
    except ArithmeticError as error:
        raise ValueError(f"{at}: expected a price of 0 or more, got {value!r}") from error
    if not price.is_finite() or price < 0:
        raise ValueError(f"{at}: expected a price of 0 or more, got {value!r}")
    return price


_Kind = Literal["response", "transcription"]


@attrs.frozen(kw_only=True)
class UsageEntry:
    """The usage of one model.

    Args:
        kind: "response" or "transcription".
        model: Its name; None if it isn't known.
        amount: How much.
    """

    kind: Literal["response", "transcription"]
    model: str | None
    amount: Amount


@attrs.frozen
class Usage:
    """The usage of responses and transcriptions; `+` adds, and `sum(usages, Usage())` works.

    Args:
        entries: One for each kind and model.
    """

    entries: tuple[UsageEntry, ...] = ()

    @classmethod
    def of_response(cls, response: Any, model: str | None = None) -> Usage:
        """Read a response's usage.

        Args:
            response: A `response.done` event or its response, generated or a dict, whatever its status. One
                without usage counts as a response that used nothing.
            model: The session's model, which the response doesn't name.
        """
        usage = _part(_part(response, "response") or response, "usage")
        return cls((UsageEntry(kind="response", model=model, amount=_amount_of(usage)),))

    @classmethod
    def of_transcription(cls, event: Any, model: str | None = None) -> Usage:
        """Read the usage of a transcription of the input, counted in tokens or in seconds.

        Args:
            event: A `conversation.item.input_audio_transcription.completed` event, generated or a dict.
            model: The transcription's model, which the event doesn't name.
        """
        amount = _amount_of(_part(event, "usage"), output="text")
        return cls((UsageEntry(kind="transcription", model=model, amount=amount),))

    def __add__(self, more: Usage) -> Usage:
        if not isinstance(more, Usage):
            return NotImplemented
        merged: dict[tuple[_Kind, str | None], Amount] = {}
        for entry in (*self.entries, *more.entries):
            key = entry.kind, entry.model
            merged[key] = merged[key] + entry.amount if key in merged else entry.amount
        return Usage(
            tuple(
                UsageEntry(kind=kind, model=model, amount=amount) for (kind, model), amount in merged.items()
            )
        )

    @property
    def responses(self) -> Amount:
        """The usage of all responses."""
        return self._sum("response")

    @property
    def transcriptions(self) -> Amount:
        """The usage of all transcriptions of the input, which other models make at other prices."""
        return self._sum("transcription")

    @property
    def input(self) -> Tokens:
        """The responses' input tokens, cached ones among them."""
        return self.responses.input

    @property
    def cached(self) -> Tokens:
        """Those of the responses' input tokens that came out of the cache."""
        return self.responses.cached

    @property
    def output(self) -> Tokens:
        """The responses' output tokens."""
        return self.responses.output

    @property
    def input_tokens(self) -> int:
        """All of the responses' input tokens."""
        return self.input.total

    @property
    def output_tokens(self) -> int:
        """All of the responses' output tokens."""
        return self.output.total

    @property
    def total_tokens(self) -> int:
        """The responses' input and output tokens; cached ones are part of the input and count once."""
        return self.input_tokens + self.output_tokens

    def cost(
        self, prices: PriceTable | Mapping[str, Any], *, on: datetime.date | str | None = None
    ) -> Decimal | None:
        """Return the total cost.

        Args:
            prices: A table of your own, or a dict as for `PriceTable.from_dict`.
            on: The day whose prices count, a date or as `2026-08-01`; today (UTC) if left out.

        Returns:
            The sum in the table's currency, responses and transcriptions together; or None where that
            isn't known: for a model, a day or a modality that the table has no price of, and for tokens of
            which the API didn't state the modality. `missing_prices` has the missing ones, and the first
            None for it is logged as a warning.

        Raises:
            TypeError: `prices` is neither.
            ValueError: The dict is no price table, or `on` no day.
        """
        table, day = _table_and_day(prices, on)
        costs = [table.cost(entry.model, entry.amount, day) for entry in self.entries]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            self._tell_missing(self.missing_prices(table, on=day))
            return None
        return sum(known, Decimal(0))

    def missing_prices(
        self, prices: PriceTable | Mapping[str, Any], *, on: datetime.date | str | None = None
    ) -> tuple[str, ...]:
        """Return what keeps `cost` from being known, such as `gpt-realtime-whisper: per_minute`.

        Args:
            prices, on: As for `cost`.

        Returns:
            For each model that the table lacks on that day its name; for each that lacks a price of it the
            name and the price. Empty if the cost is known.

        Raises:
            TypeError: `prices` is neither.
            ValueError: The dict is no price table, or `on` no day.
        """
        table, day = _table_and_day(prices, on)
        return tuple(
            f"{entry.model or 'a model without a name'}{f': {what}' if what else ''}"
            for entry in self.entries
            for what in table._missing(entry.model, entry.amount, day)
        )

    @staticmethod
    def _tell_missing(missing: tuple[str, ...]) -> None:
        if missing not in _told:
            _told.add(missing)
            _logger.warning("the cost is not known; the price table lacks %s", "; ".join(missing))

    def _sum(self, kind: _Kind) -> Amount:
        return reduce(add, (entry.amount for entry in self.entries if entry.kind == kind), Amount())


def _table_and_day(
    prices: PriceTable | Mapping[str, Any], on: datetime.date | str | None
) -> tuple[PriceTable, datetime.date]:
    table = prices if isinstance(prices, PriceTable) else PriceTable.from_dict(prices)
    return table, datetime.datetime.now(datetime.UTC).date() if on is None else _day_of(on, "on")


_SESSION = ("session.created", "session.updated")
_RESPONSE = "response.done"
_TRANSCRIPTION = "conversation.item.input_audio_transcription.completed"


class UsageMeter:
    """Adds up the usage of a session.

    It looks at `session.created` and `session.updated` for the models, and at `response.done` and completed
    transcriptions for their usage; an event that comes twice counts once. Other events are ignored.

    Args:
        model: The session's model, until an event names it. A sideband gets no `session.created`.
        transcription_model: The model that transcribes the input, likewise.
    """

    __slots__ = ("_model", "_seen", "_transcription_model", "_usage")

    def __init__(self, model: str | None = None, transcription_model: str | None = None) -> None:
        self._model = model
        self._transcription_model = transcription_model
        self._usage = Usage()
        self._seen: dict[str, None] = {}  # smaller than a set while it is empty

    @property
    def usage(self) -> Usage:
        """The usage so far; a value that later events don't change."""
        return self._usage

    def observe(self, event: Any) -> None:
        """Count one server event: generated, an `UnknownEvent`, or a dict."""
        data = _part(event, "data")
        if not isinstance(event, Mapping) and isinstance(data, Mapping):
            event = data  # an UnknownEvent has the event as it came in there
        kind = _part(event, "type")
        if kind in _SESSION:
            self._learn(_part(event, "session"))
        elif kind == _RESPONSE:
            if self._is_new(_part(_part(event, "response"), "id")):
                self._usage += Usage.of_response(event, self._model)
        elif kind == _TRANSCRIPTION and self._is_new(_part(event, "item_id"), _part(event, "content_index")):
            self._usage += Usage.of_transcription(event, self._transcription_model)

    def _learn(self, session: Any) -> None:
        # What is off now may still have transcriptions under way, so a model is only ever replaced by
        # another.
        self._model = _name(_part(session, "model")) or self._model
        transcription = _part(_part(_part(session, "audio"), "input"), "transcription")
        self._transcription_model = _name(_part(transcription, "model")) or self._transcription_model

    def _is_new(self, *identity: Any) -> bool:
        key = repr(identity)
        if key in self._seen and identity[0] is not None:
            return False
        self._seen[key] = None
        return True


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


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
        then, goodbye: The same.
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
        self._prices: Any = prices if is_table else PriceTable.from_dict(prices)  # type: ignore[arg-type]
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
        usd = None if self._prices is None else usage.cost(self._prices)
        shares = []
        if self._usd is not None:
            if usd is None:
                lacks = "; ".join(usage.missing_prices(self._prices))
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
