"""Price tables, and what usage costs."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from realtime_ext.usage import Amount, Tokens, Usage

if TYPE_CHECKING:
    from realtime_ext.connection import LiveUsage

_logger = logging.getLogger("realtime_kit.budget")
_told: set[tuple[str, ...]] = set()  # the missing prices that were logged

_MILLION = 1_000_000
_TIMES = ("per_minute", "per_minute_paused")
_MODALITIES = ("text", "audio", "image")


@attrs.frozen(kw_only=True)
class Rate:
    """Prices of a million tokens of one modality; None for an unknown price.

    Args:
        input: Uncached input tokens.
        cached: Cached input tokens.
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
        since: First day these prices apply.
        text: Tokens of text.
        audio: Tokens of audio.
        image: Tokens of images.
        per_minute: A minute of audio, for models that are paid by time.
        per_minute_paused: A minute in which a Live session is paused.
    """

    model: str
    since: datetime.date
    text: Rate = Rate()
    audio: Rate = Rate()
    image: Rate = Rate()
    per_minute: Decimal | None = None
    per_minute_paused: Decimal | None = None

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
        yield "per_minute", amount.seconds - amount.paused_seconds, self.per_minute, 60
        yield "per_minute_paused", amount.paused_seconds, self.per_minute_paused, 60
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
                `input`, `cached` and `output`, and `per_minute` and `per_minute_paused`. A missing price is
                unknown. A list of such stands for a price that changed:

                    {"models": {"some-model": {
                        "since": "2026-01-31",
                        "text": {"input": 1, "cached": "0.10", "output": 2},
                        "audio": {"input": 10, "cached": 1, "output": 20},
                    }}}

        Raises:
            TypeError: `table` is not a dict.
            ValueError: It is not such a table; the message names the place, the value and the allowed values.
        """
        if not isinstance(table, Mapping):
            raise TypeError(f"prices: expected a PriceTable or a dict, got {type(table).__name__}")
        _known(table, ("models", "currency"), "prices")
        if "models" not in table:
            raise ValueError(f"prices: expected a dict with 'models', got {dict(table)!r}")
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

    def cost(self, usage: Usage | LiveUsage, *, on: datetime.date | str | None = None) -> Decimal | None:
        """Price what a session has used, its responses, transcriptions and time together.

        Args:
            usage: The usage of a connection or a meter, or a sum of such.
            on: The day whose prices count, a date or as `2026-08-01`; today (UTC) if left out.

        Returns:
            The sum in the table's currency; or None where that isn't known: for a model, a day or a modality
            that the table has no price of, and for tokens of which the API didn't state the modality.
            `missing` has the missing ones, and the first None for it is logged as a warning.

        Raises:
            TypeError: `usage` is something else.
            ValueError: `on` is not a day.
        """
        if missing := self.missing(usage, on=on):
            if missing not in _told:
                _told.add(missing)
                _logger.warning("the cost is not known; the price table lacks %s", "; ".join(missing))
            return None
        parts = (price.cost(amount) for _, amount, price in self._priced(usage, on) if price is not None)
        return sum((part for part in parts if part is not None), Decimal(0))

    def missing(self, usage: Usage | LiveUsage, *, on: datetime.date | str | None = None) -> tuple[str, ...]:
        """Return what keeps `cost` from being known; arguments and exceptions are those of `cost`.

        Returns:
            For each model that the table lacks on that day its name; for each that lacks a price of it the
            name and the price. Empty if the cost is known.
        """
        return tuple(
            f"{model or 'a model without a name'}{f': {what}' if what else ''}"
            for model, amount, price in self._priced(usage, on)
            for what in ([""] if price is None else price._missing(amount))
        )

    def _priced(
        self, usage: Usage | LiveUsage, on: datetime.date | str | None
    ) -> Iterator[tuple[str | None, Amount, Price | None]]:
        """Yield the models that were used, how much, and their prices on a day."""
        used: Any = getattr(usage, "total", usage)  # a Live session's backend and time together
        if not isinstance(used, Usage):
            raise TypeError(f"usage: expected a Usage or a LiveUsage, got {type(usage).__name__}")
        day = datetime.datetime.now(datetime.UTC).date() if on is None else _day_of(on, "on")
        for entry in used.entries:
            if entry.amount != Amount(count=entry.amount.count):
                yield entry.model, entry.amount, self.price(entry.model, day)


def table_of(prices: PriceTable | Mapping[str, Any] | None) -> PriceTable | None:
    """Return prices that an argument names as a table.

    Raises:
        TypeError: It is neither a table nor a dict.
        ValueError: The dict is not a price table.
    """
    return prices if prices is None or isinstance(prices, PriceTable) else PriceTable.from_dict(prices)


def _of(tokens: Tokens, modality: str) -> int:
    count: int = getattr(tokens, modality)
    return count


def _price(model: str, entry: Any, at: str) -> Price:
    fields = _mapping(entry, at)
    _known(fields, ("since", *_MODALITIES, *_TIMES), at)
    prices: dict[str, Any] = {name: _money(fields.get(name), f"{at}.{name}") for name in _TIMES}
    prices |= {name: _rate(fields[name], f"{at}.{name}") for name in _MODALITIES if name in fields}
    return Price(model=model, since=_day_of(fields.get("since"), f"{at}.since"), **prices)


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
