"""Usage of a session.

    meter = usage.UsageMeter()
    for event in connection:
        meter.observe(event)
    meter.usage.input.audio                       # tokens, cached ones among them

The API counts tokens by modality (text, audio, image), and how many of the input's were cached;
responses that were cut short count as well. Prices are no part of this package.
"""

from __future__ import annotations

from ._amounts import Amount, Tokens
from ._meter import Prices, Usage, UsageEntry, UsageMeter

__all__ = [
    "Amount",
    "Prices",
    "Tokens",
    "Usage",
    "UsageEntry",
    "UsageMeter",
]


def __dir__() -> list[str]:
    return __all__
