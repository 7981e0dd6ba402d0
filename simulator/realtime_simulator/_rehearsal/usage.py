"""The usage of a call in tokens and seconds, and its cost by the user's prices; none are built in."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

_KINDS = ("text", "audio", "image")
_SIDES = ("input", "cached", "output")
_TIMES = ("per_minute", "per_minute_paused")
_MILLION = Decimal(1_000_000)
METERED = (
    "response.done",
    "response.completed",
    "session.usage.updated",
    "session.closed",
    "conversation.item.input_audio_transcription.completed",
)
"""The events that have usage."""
Counts = dict[str, dict[str, int]]


@attrs.define
class _Used:
    """What one model used: tokens by side and kind, and seconds, of which some are cheaper."""

    tokens: Counts = attrs.field(factory=lambda: {side: dict.fromkeys(_KINDS, 0) for side in _SIDES})
    seconds: float = 0.0
    paused_seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Usage:
    """The usage of calls, as far as the service counts it.

    Args:
        input_tokens: Input tokens, including cached ones.
        cached_tokens: Cached input tokens.
        output_tokens: Output tokens.
        seconds: Time of sessions and transcriptions that are billed by time.
        cost: The cost, in the currency of the prices; None without prices, or if one is missing.
        missing: The prices that are missing, such as `gpt-realtime-2.1: audio.input`.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost: Decimal | None = None
    missing: Sequence[str] = ()

    @property
    def total_tokens(self) -> int:
        """The tokens of both directions."""
        return self.input_tokens + self.output_tokens


class Meter:
    """Counts what one call uses, by the events of its session."""

    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}

    def read(self, event: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Read an event of the service.

        Args:
            event: The event; the backend's of a Live session without what is around it.
            config: The session as the API shows it.
        """
        match event.get("type"):
            case "response.done":
                self._add(str(config.get("model")), event["response"].get("usage"))
            case "response.completed":
                response = event["response"]
                self._add(str(response.get("model")), response.get("usage"), rest="text")
            case "session.usage.updated" | "session.closed":
                used = self._of(str(config.get("model")))
                used.seconds = float(event["usage"]["seconds"])
                used.paused_seconds = float(event["usage"].get("paused_seconds", 0))
            case "conversation.item.input_audio_transcription.completed":
                hearing = ((config.get("audio") or {}).get("input") or {}).get("transcription") or {}
                self._add(str(hearing.get("model")), event.get("usage"), rest="text")

    def usage(self, prices: Prices | None) -> Usage:
        """Return what was used so far, and what it costs."""
        models = {name: one for name, one in self._used.items() if one != _Used()}
        totals = {side: sum(sum(one.tokens[side].values()) for one in models.values()) for side in _SIDES}
        cost, missing = None, []
        if prices is not None:
            parts = [prices.of(name, one) for name, one in models.items()]
            missing = [name for _, names in parts for name in names]
            cost = None if missing else sum((part for part, _ in parts), Decimal(0))
        return Usage(
            input_tokens=totals["input"],
            cached_tokens=totals["cached"],
            output_tokens=totals["output"],
            seconds=sum(one.seconds for one in models.values()),
            cost=cost,
            missing=missing,
        )

    def _of(self, model: str) -> _Used:
        return self._used.setdefault(model, _Used())

    def _add(self, model: str, usage: Any, *, rest: str | None = None) -> None:
        """Add a usage object; tokens whose kind it does not name are of the kind `rest`."""
        if not isinstance(usage, Mapping):
            return
        used = self._of(model)
        used.seconds += float(usage.get("seconds") or 0)
        given = usage.get("input_token_details") or {}
        for side, total, details in (
            ("input", usage.get("input_tokens"), given),
            ("cached", given.get("cached_tokens"), given.get("cached_tokens_details") or {}),
            ("output", usage.get("output_tokens"), usage.get("output_token_details") or {}),
        ):
            known = {kind: int(details.get(f"{kind}_tokens") or 0) for kind in _KINDS}
            if rest is not None:
                known[rest] += int(total or 0) - sum(known.values())
            for kind, count in known.items():
                used.tokens[side][kind] += count


class Prices:
    """Prices of models, in the form that realtime-ext reads as well.

    Args:
        table: `models`, by their names, each with `text`, `audio` and `image`, which have the prices of a
            million tokens as `input`, `cached` and `output`; with `per_minute` and `per_minute_paused` where
            time is paid; and with `since`, the first day. A list has several, for a price that changes.
            `currency` is USD if left out.
        today: The day whose prices hold.

    Raises:
        ValueError: It is not such a table; the message names the place and what is allowed.
    """

    def __init__(self, table: Mapping[str, Any], today: datetime.date | None = None) -> None:
        fields = _fields(table, "prices", ("models", "currency"))
        currency = fields.get("currency", "USD")
        if not isinstance(currency, str) or not currency:
            raise ValueError(f"currency: expected a name such as USD, got {currency!r}")
        self._models: dict[str, Mapping[str, Decimal]] = {}
        day = today or datetime.date.today()
        for name, entries in _fields(fields.get("models"), "models", None).items():
            best = datetime.date.min
            for entry in entries if isinstance(entries, list) else [entries]:
                since, prices = _model(entry, f"models.{name}")
                if best <= since <= day:
                    best, self._models[name] = since, prices

    def of(self, model: str, used: _Used) -> tuple[Decimal, Sequence[str]]:
        """Return what a model's usage costs, and the prices that are missing."""
        prices = self._models.get(model)
        if prices is None:
            return Decimal(0), [model]
        amounts = {
            f"{kind}.{side}": Decimal(used.tokens[side][kind]) / _MILLION
            for kind in _KINDS
            for side in _SIDES
        }
        for kind in _KINDS:
            amounts[f"{kind}.input"] -= amounts[f"{kind}.cached"]
        amounts["per_minute"] = Decimal(str(used.seconds - used.paused_seconds)) / 60
        amounts["per_minute_paused"] = Decimal(str(used.paused_seconds)) / 60
        missing = [f"{model}: {name}" for name, amount in amounts.items() if amount and name not in prices]
        return sum((amount * prices.get(name, 0) for name, amount in amounts.items()), Decimal(0)), missing


def _fields(value: Any, place: str, known: Sequence[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}: expected fields by their names, got {value!r}")
    for name in value:
        if known is not None and name not in known:
            raise ValueError(f"{place}: unknown field {name!r}; known are {', '.join(known)}")
    return value


def _model(entry: Any, place: str) -> tuple[datetime.date, Mapping[str, Decimal]]:
    """Return the day from which a model's prices hold, and the prices by names such as `audio.input`."""
    fields = _fields(entry, place, ("since", *_KINDS, *_TIMES))
    since = fields.get("since", datetime.date.min)
    try:
        day = since if isinstance(since, datetime.date) else datetime.date.fromisoformat(since)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}.since: expected a day such as 2026-01-31, got {since!r}") from error
    prices = {}
    for kind in _KINDS:
        for side, price in _fields(fields.get(kind, {}), f"{place}.{kind}", _SIDES).items():
            prices[f"{kind}.{side}"] = _price(price, f"{place}.{kind}.{side}")
    for name in _TIMES:
        if name in fields:
            prices[name] = _price(fields[name], f"{place}.{name}")
    return day, prices


def _price(value: Any, place: str) -> Decimal:
    try:
        price = Decimal(str(value)) if not isinstance(value, bool) else Decimal(-1)
    except ArithmeticError as error:
        raise ValueError(f"{place}: expected a price of 0 or more, got {value!r}") from error
    if not price.is_finite() or price < 0:
        raise ValueError(f"{place}: expected a price of 0 or more, got {value!r}")
    return price
