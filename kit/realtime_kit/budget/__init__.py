"""What sessions cost, and limits of what they may spend.

    budget = Budget(usd=0.5, prices=PRICES, goodbye="Our time is over. Goodbye.")
    with budget.limit(client.connect(session)) as connection: …

The API counts tokens by modality (text, audio, image), of which some were cached, and seconds. Prices are
yours: this package has none, and must not fetch any either.
"""

from __future__ import annotations

from ._budget import Budget, BudgetExceeded, Spent
from ._prices import Price, PriceTable, Rate

__all__ = ["Budget", "BudgetExceeded", "Price", "PriceTable", "Rate", "Spent"]


def __dir__() -> list[str]:
    return __all__
