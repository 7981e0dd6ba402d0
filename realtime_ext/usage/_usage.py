"""What was used, by model.

This module must not keep what it is given: a `Usage` is a value.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Literal

import attrs

from ._amounts import Amount, Tokens, amount_of, part
from ._prices import PriceTable, day_of

__all__ = ["Usage", "UsageEntry"]

Kind = Literal["response", "transcription"]


@attrs.frozen(kw_only=True)
class UsageEntry:
    """What one model was used for.

    Args:
        kind: "response" or "transcription".
        model: Its name; None if it isn't known.
        amount: How much.
    """

    kind: Kind
    model: str | None
    amount: Amount


@attrs.frozen
class Usage:
    """What responses and transcriptions took; `+` adds, and `sum(usages, Usage())` works.

    Args:
        entries: One for each kind and model.
    """

    entries: tuple[UsageEntry, ...] = ()

    @classmethod
    def of_response(cls, response: Any, model: str | None = None) -> Usage:
        """Read a response's usage.

        Args:
            response: A `response.done` event or its response, generated or a dict, whatever its status. One
                without usage counts as a response that took nothing.
            model: The session's model, which the response doesn't say.
        """
        usage = part(part(response, "response") or response, "usage")
        return cls((UsageEntry(kind="response", model=model, amount=amount_of(usage)),))

    @classmethod
    def of_transcription(cls, event: Any, model: str | None = None) -> Usage:
        """Read the usage of a transcription of the input, counted in tokens or in seconds.

        Args:
            event: A `conversation.item.input_audio_transcription.completed` event, generated or a dict.
            model: The transcription's model, which the event doesn't say.
        """
        amount = amount_of(part(event, "usage"), output="text")
        return cls((UsageEntry(kind="transcription", model=model, amount=amount),))

    def __add__(self, more: Usage) -> Usage:
        if not isinstance(more, Usage):
            return NotImplemented
        merged: dict[tuple[Kind, str | None], Amount] = {}
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
        """What all responses took."""
        return self._sum("response")

    @property
    def transcriptions(self) -> Amount:
        """What all transcriptions of the input took, which other models make at other prices."""
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
        """Say what all of it costs.

        Args:
            prices: A table of your own, or a dict as `PriceTable.from_dict` takes it.
            on: The day whose prices count, a date or as `2026-08-01`; today (UTC) if left out.

        Returns:
            The sum in the table's currency, responses and transcriptions together; or None where that
            isn't
            known: for a model, a day or a modality that the table has no price of, and for tokens of which
            the API didn't say what they were.

        Raises:
            TypeError: `prices` is neither.
            ValueError: The dict is no price table, or `on` no day.
        """
        table = prices if isinstance(prices, PriceTable) else PriceTable.from_dict(prices)
        day = datetime.datetime.now(datetime.UTC).date() if on is None else day_of(on, "on")
        total = Decimal(0)
        for entry in self.entries:
            cost = table.cost(entry.model, entry.amount, day)
            if cost is None:
                return None
            total += cost
        return total

    def _sum(self, kind: Kind) -> Amount:
        return reduce(add, (entry.amount for entry in self.entries if entry.kind == kind), Amount())
