"""The command line's words. Nothing is done here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from realtime_simulator.settings import LOOPBACK

PORT = 8765
ACTIONS = ("incoming", "hang-up", "fault", "scenario")
_CONTROL = "the simulator's base URL (OPENAI_BASE_URL, or this machine's port 8765)"


def arguments() -> argparse.ArgumentParser:
    """Return the parser for serving."""
    parser = argparse.ArgumentParser(
        prog="realtime simulator",
        description="A Realtime API on this machine, until SIGINT or SIGTERM.",
        epilog=f"Control one that serves: realtime simulator {{{','.join(ACTIONS)}}} --help",
    )
    add = parser.add_argument
    add("--port", type=_port, default=PORT, help=f"port to listen on; 0 takes a free one ({PORT})")
    add("--host", default=LOOPBACK, help=f"address to listen on; not loopback: others get in ({LOOPBACK})")
    add("--api-key", help="project key to accept (random)")
    add("--webhook-secret", metavar="whsec_…", help="what webhooks are signed with (random)")
    add("--scenario", metavar="FILE", help="YAML that says what the model answers")
    add("--first-audio", type=_seconds, metavar="SECONDS", help="until a response's first output (0)")
    add("--speed", type=_seconds, metavar="FACTOR", help="pace of answers; 1 is real time, 0 at once (0)")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--json", action="store_true", help="print a JSON object a line; the first has the addresses")
    passing = parser.add_mutually_exclusive_group()
    passing.add_argument("--record", metavar="FILE", help="write down what goes to --upstream and back")
    passing.add_argument("--replay", metavar="FILE", help="play what was recorded; check what clients send")
    add("--upstream", metavar="URL", help="the API to record, such as https://api.openai.com/v1")
    return parser


def action_arguments() -> argparse.ArgumentParser:
    """Return the parser for what is done to a simulator that serves."""
    parser = argparse.ArgumentParser(
        prog="realtime simulator", description="Control a simulator that serves on this machine."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--simulator", metavar="URL", help=_CONTROL)
    shared.add_argument("--api-key", help="the key that it printed (OPENAI_API_KEY)")
    shared.add_argument("--json", action="store_true", help="print one JSON object")

    incoming = actions.add_parser("incoming", parents=[shared], help="let a SIP call come in")
    add = incoming.add_argument
    add("--to", required=True, metavar="URL", help="where the webhook goes")
    add("--header", action="append", default=[], metavar="'Name: value'", help="of the INVITE")
    add("--audio", metavar="FILE", help="what the caller says, a WAV file")
    add("--event", action="append", metavar="TYPE", help="realtime.call.incoming or live.call.incoming")
    add("--duplicates", type=int, metavar="N", help="how often the webhook comes again")
    add("--delay", type=_seconds, metavar="SECONDS", help="until the webhook comes")
    add("--ring-seconds", type=_seconds, metavar="SECONDS", help="until the caller gives up")

    hang_up = actions.add_parser("hang-up", parents=[shared], help="let the other side of a call hang up")
    hang_up.add_argument("call_id")

    fault = actions.add_parser("fault", parents=[shared], help="let something go wrong")
    fault.add_argument("fault", metavar="NAME[; setting=value…]", help="or 'none', to let everything go well")
    fault.add_argument("--on", metavar="OPERATION", help="calls.create, connect, …, or a call's id")
    fault.add_argument("--rate", type=float, help="how often it happens, 0 to 1")
    fault.add_argument("--times", type=int, help="how often it happens at most")

    scenario = actions.add_parser("scenario", parents=[shared], help="play a YAML file")
    scenario.add_argument("file")
    return parser


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse options that don't go together."""
    if bool(options.record) != bool(options.upstream):
        parser.error("--record and --upstream go together")


def parse_headers(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return headers that are written as `Name: value`.

    Raises:
        ValueError: One has no colon.
    """
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"--header: expected 'Name: value', got {line!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, got {value}")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of at least 0 is needed, got {text}")
    return value
