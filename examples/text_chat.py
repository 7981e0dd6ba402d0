"""Chat by text over a WebSocket; the answers appear word by word."""

from __future__ import annotations

import sys

import where

from realtime_ext import RealtimeClient, SessionBuilder


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("messages", nargs="*", help="what to say; lines of standard input if there are none")
    options = parser.parse_args()
    session = SessionBuilder("gpt-realtime").output("text").instructions("Answer in one short sentence.")
    with (
        where.api(options.live),
        RealtimeClient() as client,
        client.connect(session=session) as connection,
    ):
        for line in options.messages or sys.stdin:
            print(f"> {line.strip()}")
            with connection.stream(line.strip()) as stream:
                for event in stream:
                    if event.type == "response.output_text.delta":
                        print(event.delta, end="", flush=True)
            print()
        print(f"{connection.usage.total_tokens} tokens")


if __name__ == "__main__":
    main()
