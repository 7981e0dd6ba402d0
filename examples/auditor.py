"""Keep a folder about a conversation: audio of both sides, words, latencies, tool calls and cost."""

from __future__ import annotations

import json

import where
from budget import PRICES
from realtime_kit.auditor import Auditor

from realtime_ext import RealtimeClient, SessionBuilder


def breakfast_time(weekend: bool = False) -> str:
    """Look up when breakfast starts.

    Args:
        weekend: Whether it is Saturday or Sunday.
    """
    return "8:00" if weekend else "7:00"


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--folder", default="audits/call-1", help="a folder that does not exist yet")
    options = parser.parse_args()
    session = SessionBuilder("gpt-realtime-2.1").instructions("You answer for the front desk.")
    with (
        where.api(options.live),
        RealtimeClient() as client,
        Auditor(options.folder, prices=PRICES) as auditor,
        client.connect(session, tools=[breakfast_time], observer=auditor) as connection,
    ):
        print(connection.ask("Please use breakfast_time.").transcript)
    report = json.loads((auditor.folder / "report.json").read_text())
    median = report["latency_ms"]["p50"]
    print(f"{report['responses']}, first audio after {median['first_audio_ms']:.0f} ms")
    for call in report["tool_calls"]:
        print(f"{call['name']}({call['arguments']}) -> {call['output']} in {call['ms']} ms")
    print(f"cost: {report['cost']['amount']} {report['cost']['currency']}")
    print(f"files: {', '.join(sorted(path.name for path in auditor.folder.iterdir()))}")


if __name__ == "__main__":
    main()
