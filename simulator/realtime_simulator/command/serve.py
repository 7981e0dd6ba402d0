"""Serving until a signal comes: prints where and with which key, then a line for each thing that happens."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import signal
import sys
import threading
import time

from realtime_simulator.command.arguments import arguments, check
from realtime_simulator.engine.pacing import Pacing
from realtime_simulator.recordings.tape import TapeError
from realtime_simulator.simulator import Simulator

_IDS = {"rtc_": "call_id", "sess_": "session_id"}


class _JsonLines(logging.Formatter):
    """Log records as JSON objects; the ids that they speak of are fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"time": round(record.created, 3), "event": record.getMessage()}
        for argument in record.args if isinstance(record.args, tuple) else ():
            for prefix, name in _IDS.items():
                if isinstance(argument, str) and argument.startswith(prefix):
                    line[name] = argument
        if record.levelno >= logging.WARNING:
            line["level"] = record.levelname.lower()
        return json.dumps(line)


def serve(argv: list[str]) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        argv: The words after `simulator`.

    Returns:
        The exit status: 1 if it can't serve, 2 if the words are wrong.
    """
    parser = arguments()
    options = parser.parse_args(argv)
    check(parser, options)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines() if options.json else logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("realtime_simulator")
    logger.addHandler(handler)
    logger.setLevel(options.log_level.upper())
    logger.propagate = False

    try:
        simulator = _simulator(options)
    except (ValueError, OSError) as error:
        print(f"realtime simulator: {error}", file=sys.stderr)
        return 2
    try:
        simulator.__enter__()
    except TapeError as error:
        print(f"realtime simulator: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"open {error.filename}" if error.filename else f"listen on {options.host}:{options.port}"
        print(f"cannot {what}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        _tell(simulator, options)
        stop.wait()
    finally:
        simulator.close()
    return 0


def _simulator(options: argparse.Namespace) -> Simulator:
    simulator = Simulator(
        host=options.host,
        port=options.port,
        api_key=options.api_key,
        webhook_secret=options.webhook_secret,
        record=options.record,
        upstream=options.upstream,
        upstream_key=os.environ.get("OPENAI_API_KEY") if options.record else None,
        replay=options.replay,
    )
    if options.scenario:
        simulator.load_scenario(options.scenario)
    told = {"first_audio": options.first_audio, "speed": options.speed}
    told = {name: value for name, value in told.items() if value is not None}
    if told:
        simulator.pace(Pacing(**told))
    return simulator


def _tell(simulator: Simulator, options: argparse.Namespace) -> None:
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
    if not _is_loopback(options.host):
        meaning = (
            f"{options.host} is not loopback: whoever reaches it and has the key can use the simulator; "
            "calls still take audio on loopback only"
        )
        print(json.dumps({"time": time.time(), "event": meaning}) if options.json else meaning, flush=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
