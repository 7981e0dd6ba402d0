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

from ._amounts import Amount, Tokens
from ._budget import Budget, Spent
from ._meter import Usage, UsageEntry, UsageMeter
from ._prices import Price, PriceTable, Rate

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
