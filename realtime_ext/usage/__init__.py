"""What a session has used, and what that costs.

    meter = usage.UsageMeter()
    for event in connection:
        meter.observe(event)
    meter.usage.input.audio                       # tokens, cached ones among them
    meter.usage.cost(prices)                      # Decimal("0.0421"), or None if a price isn't known

The API counts tokens by modality (text, audio, image) and says how many of the input's were cached;
responses that were cut short count as well. Prices are the caller's: this package knows none. It must not
fetch any either.
"""

from ._amounts import Amount, Tokens
from ._meter import UsageMeter
from ._prices import Price, PriceTable, Rate
from ._usage import Usage, UsageEntry

__all__ = ["Amount", "Price", "PriceTable", "Rate", "Tokens", "Usage", "UsageEntry", "UsageMeter"]
