"""Limit the cost of a conversation: warn, say goodbye, and end it."""

from __future__ import annotations

import where
from realtime_kit.budget import Budget, BudgetExceeded, Spent

from realtime_ext import RealtimeClient, SessionBuilder

# Prices per million tokens, as an example of a dated table. Copy it, and enter the current prices of
# https://platform.openai.com/docs/pricing; a list of entries represents a price change.
PRICES = {
    "currency": "USD",
    "models": {
        "gpt-realtime-2.1": {
            "since": "2026-11-23",
            "text": {"input": 4, "cached": "0.40", "output": 16},
            "audio": {"input": 32, "cached": "0.40", "output": 64},
        },
        "gpt-realtime-whisper": {"since": "2026-11-23", "per_minute": "0.006"},
    },
}


def warn(spent: Spent) -> None:
    print(f"{spent.share:.0%} of the budget is spent")


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--usd", default="0.01", help="the limit")
    options = parser.parse_args()
    budget = Budget(usd=options.usd, prices=PRICES, on_warning=warn, goodbye="Our time is over. Goodbye.")
    session = SessionBuilder("gpt-realtime-2.1").instructions("Answer at length.")
    with where.api(options.live), RealtimeClient() as client:
        try:
            with budget.limit(client.connect(session)) as connection:
                for number in range(1, 100):
                    connection.ask(f"Tell me more, part {number}.")
        except BudgetExceeded as error:
            print(error)
        print(f"{len(connection.latency.responses)} responses, {budget.spent.usd:.4f} USD")


if __name__ == "__main__":
    main()
