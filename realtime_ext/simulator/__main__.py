"""`python -m realtime_ext.simulator`: serve until interrupted."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading

from realtime_ext.simulator.settings import LOOPBACK


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m realtime_ext.simulator", description="A Realtime API on this machine."
    )
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0 takes a free one (8765)")
    parser.add_argument("--host", default=LOOPBACK, help=f"address to listen on ({LOOPBACK})")
    parser.add_argument("--api-key", help="project key to accept (random)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return parser


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"time": round(record.created, 3), "event": record.getMessage()})


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        argv: The command line; the process's if None.

    Returns:
        The exit status.
    """
    options = arguments().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines() if options.json else logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("realtime_ext.simulator")
    logger.addHandler(handler)
    logger.setLevel(options.log_level.upper())

    from realtime_ext.simulator.simulator import Simulator

    simulator = Simulator(host=options.host, port=options.port, api_key=options.api_key)
    try:
        simulator.__enter__()
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        facts = {
            "base_url": simulator.base_url,
            "api_key": simulator.api_key,
            "webhook_secret": simulator.webhook_secret,
            "pid": os.getpid(),
        }
        if options.json:
            print(json.dumps(facts), flush=True)
        else:
            for name, value in facts.items():
                print(f"{name:14} {value}", flush=True)
            if not options.host.startswith("127.") and options.host not in ("localhost", "::1"):
                print(
                    f"{options.host} is not loopback: whoever reaches it and has the key can use it.",
                    flush=True,
                )
        stop.wait()
    finally:
        simulator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
