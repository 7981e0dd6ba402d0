"""Serve until a signal."""

from __future__ import annotations

import argparse
import contextlib
import errno
import ipaddress
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from realtime_simulator._core.profile import PROFILES
from realtime_simulator._engine.turn import LATENCIES, REAL
from realtime_simulator.cli._output import (
    inert,
    print_error,
    print_export,
    print_facts,
    print_text,
    reason_of,
)
from realtime_simulator.cli._parsing import (
    ACTIONS,
    CONFORM,
    CONFORMANCE,
    LOOPBACK,
    PORT,
    PROGRAM,
    RECORD,
    REHEARSE,
    STEP,
    Parser,
    Version,
    port,
    seconds,
)

if TYPE_CHECKING:
    from realtime_simulator._simulator.simulator import Simulator

_KEPT_SECONDS = 300
_LOOK = 0.5  # seconds between two looks for a signal
_IDS = {"rtc_": "call_id", "sess_": "session_id"}


def arguments(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Return the parser for serving."""
    parser = Parser(
        prog=program,
        description="Serve the Realtime and Live APIs on this machine, until SIGINT or SIGTERM.",
        epilog=f"Control a running simulator: {program} {{{','.join(ACTIONS)}}} --help. "
        f"Record the service, and compare the simulator with it: {program} {{{RECORD},{CONFORM}}} --help. "
        f"Check any server: {program} {CONFORMANCE} --help. "
        f"Step through a session, and rehearse a voice app: {program} {{{STEP},{REHEARSE}}} --help",
    )
    parser.words = (*ACTIONS, RECORD, CONFORM, CONFORMANCE, STEP, REHEARSE)
    add = parser.add_argument
    add("--version", action=Version, nargs=0, help="print the version")
    add("--port", type=port, default=PORT, help=f"port to listen on; 0 chooses a free one ({PORT})")
    add(
        "--host",
        default=LOOPBACK,
        help=f"address to listen on; other machines can reach it if it is not loopback ({LOOPBACK})",
    )
    add("--api-key", help="project key to accept (random)")
    add(
        "--key",
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="an additional project and its key, with its own calls and sessions",
    )
    add("--webhook-secret", metavar="whsec_…", help="secret that signs webhooks (random)")
    add("--scenario", metavar="FILE", help="YAML with the model's answers")
    add(
        "--mcp",
        action="append",
        default=[],
        metavar="LABEL",
        help="MCP servers with this label have the tools echo, add and fail",
    )
    add("--brain", metavar="URL", help="chat endpoint that answers, such as http://127.0.0.1:11434/v1")
    add("--brain-model", metavar="M", help="its model; its key is BRAIN_API_KEY, or OPENAI_API_KEY")
    add("--ears", metavar="URL", help="endpoint that transcribes what users say (EARS_API_KEY)")
    add("--ears-model", metavar="M", help="its model (gpt-transcribe)")
    add("--voice", metavar="URL", help="endpoint that speaks (VOICE_API_KEY)")
    add("--voice-model", metavar="M", help="its model (gpt-4o-mini-tts)")
    pace = parser.add_mutually_exclusive_group().add_argument
    pace(
        "--latency",
        choices=LATENCIES,
        help="latencies measured with a model, with a reproducible spread (--seed); instead of --pacing",
    )
    pace("--pacing", choices=("real", "none"), help="like the service, or immediately (real)")
    add("--first-audio", type=seconds, metavar="SECONDS", help="until a response's first output (0.3)")
    add("--speed", type=seconds, metavar="FACTOR", help="pace of answers; 1 is real time, 0 immediately (12)")
    add("--seed", type=int, metavar="N", help="makes ids reproducible")
    add("--clock", metavar="TIME", help="fixed time of day, such as 2026-01-15T12:00:00Z")
    add("--model", action="append", default=[], metavar="NAME", help="additional model name to accept")
    add("--profile", default="openai", choices=PROFILES, help="the service to simulate (openai)")
    add(
        "--keep-audio",
        type=seconds,
        default=_KEPT_SECONDS,
        metavar="SECONDS",
        help=f"audio to keep of each side of a session for the console; 0 for none ({_KEPT_SECONDS})",
    )
    add("--tls", metavar="FILE", help="use TLS with the certificate in FILE, which is created if missing")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--verbose", action="store_true", help="also print a line for each event of each session")
    add("--json", action="store_true", help="print one JSON object per line; the first has the addresses")
    passing = parser.add_mutually_exclusive_group()
    passing.add_argument("--record", metavar="FILE", help="forward WebSockets to --upstream and record them")
    passing.add_argument(
        "--replay", metavar="FILE", help="replay a recording, and check the requests of clients"
    )
    add("--upstream", metavar="URL", help="the API to record, such as https://api.openai.com/v1")
    return parser


def run(words: list[str], program: str) -> int:
    """Serve until SIGINT or SIGTERM, printing the log."""
    parser = arguments(program)
    options = parser.parse_args(words)
    if bool(options.record) != bool(options.upstream):
        parser.error("--record and --upstream go together")
    if bool(options.brain) != bool(options.brain_model):
        parser.error("--brain and --brain-model go together")
    for name in ("ears", "voice"):
        if getattr(options, f"{name}_model") and not getattr(options, name):
            parser.error(f"--{name}-model needs --{name}")
    if options.record or options.replay:
        for name in ("scenario", "brain", "ears", "voice", "mcp"):
            if getattr(options, name):
                parser.error(f"--{name} has no effect with --{'record' if options.record else 'replay'}")
    from realtime_simulator._recordings.tape import TapeError

    try:
        simulator = _simulator(options)
    except (ValueError, OSError) as error:
        print_error(program, reason_of(error))
        return 2
    with stop_signals() as wait_for_one:
        try:
            simulator.__enter__()
        except TapeError as error:
            print_error(program, str(error))
            return 2
        except OSError as error:
            if error.filename:
                print_error(program, reason_of(error))
            else:
                message = f"cannot listen on {options.host}:{options.port}: {error.strerror}"
                hint = "--port 0 chooses a free port" if error.errno == errno.EADDRINUSE else ""
                print_error(program, message, hint)
            return 1
        with _logging(options):
            try:
                _print_addresses(simulator, options)
                wait_for_one()
            finally:
                simulator.close()
    return 0


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """Catch SIGINT and SIGTERM inside the block; afterwards the earlier handlers apply again.

    Yields a function that waits for one of them.
    """
    # A handler may interrupt the wait for it: a `threading.Event` would then wait for its own lock.
    stop: SimpleQueue[int] = SimpleQueue()

    def wait_for_one() -> None:
        while True:  # a signal that comes just as a wait begins does not end it, so look again
            with contextlib.suppress(Empty):
                stop.get(timeout=_LOOK)
                return

    earlier = {
        number: signal.signal(number, lambda number, _: stop.put(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield wait_for_one
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def exits_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM inside the block, so that what was started there is ended."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    earlier = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _simulator(options: argparse.Namespace) -> Simulator:
    import attrs

    from realtime_simulator._simulator.simulator import Simulator

    simulator = Simulator(
        host=options.host,
        port=options.port,
        api_key=options.api_key,
        keys=_keys(options.key),
        webhook_secret=options.webhook_secret,
        record=options.record,
        upstream=options.upstream,
        upstream_key=os.environ.get("OPENAI_API_KEY") if options.record else None,
        replay=options.replay,
        seed=options.seed,
        clock=options.clock,
        models=options.model,
        profile=options.profile,
        tls=options.tls,
        keep_audio=options.keep_audio,
    )
    _converse(simulator, options)
    if options.scenario:
        simulator.load_scenario(options.scenario)
    for label in options.mcp:
        simulator.mcp_server(label, "built-in")
    if options.latency or options.pacing:
        simulator.pace(options.latency or ("none" if options.pacing == "none" else REAL))
    chosen = {"first_audio": options.first_audio, "speed": options.speed}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen:
        simulator.pace(attrs.evolve(simulator.pacing, **chosen))
    return simulator


def _converse(simulator: Simulator, options: argparse.Namespace) -> None:
    """Set the endpoints that answer, listen and speak in place of the simulator."""
    from realtime_simulator._scenario.remote import brain_at, ears_at, voice_at

    keys = {
        name: os.environ.get(f"{name.upper()}_API_KEY") or os.environ.get("OPENAI_API_KEY") or ""
        for name in ("brain", "ears", "voice")
    }
    if options.brain:
        simulator.on_response(brain_at(options.brain, options.brain_model, key=keys["brain"]))
    if options.ears:
        model = {"model": options.ears_model} if options.ears_model else {}
        simulator.on_speech(ears_at(options.ears, **model, key=keys["ears"]), pauses=True)
    if options.voice:
        model = {"model": options.voice_model} if options.voice_model else {}
        simulator.on_voice(voice_at(options.voice, **model, key=keys["voice"]))


def _keys(pairs: Sequence[str]) -> dict[str, str]:
    """Return keys by project, which are written as `NAME=KEY`.

    Raises:
        ValueError: One has no `=`, or a name comes twice. Keys are not shown.
    """
    keys: dict[str, str] = {}
    for pair in pairs:
        name, equals, key = pair.partition("=")
        if not equals:
            raise ValueError("--key: expected NAME=KEY, got a text without =")
        if name in keys:
            raise ValueError(f"--key: the project {name!r} comes twice")
        keys[name] = key
    return keys


def _print_addresses(simulator: Simulator, options: argparse.Namespace) -> None:
    facts = {
        "base_url": simulator.base_url,
        "api_key": simulator.api_key,
        "webhook_secret": simulator.webhook_secret,
        "console": simulator.console_url,
        "pid": os.getpid(),
    }
    print_facts(facts, as_json=options.json)
    if not _is_loopback(options.host):
        meaning = (
            f"{options.host} is not loopback: any machine that reaches it and has the key can use it; "
            "calls still receive audio on loopback only"
        )
        print_text(json.dumps({"time": time.time(), "event": meaning}) if options.json else meaning)
    if not options.json:
        print_export(simulator.base_url, simulator.api_key, simulator.webhook_secret)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _logging(options: argparse.Namespace) -> Iterator[None]:
    """Print the simulator's log inside the block."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines() if options.json else _TextLines("%(asctime)s %(message)s"))
    logger = logging.getLogger("realtime_simulator")
    events = logging.getLogger(f"{logger.name}.events")
    before = logger.level, events.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(options.log_level.upper())
    logger.propagate = False
    if options.verbose:
        events.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        events.setLevel(before[1])
        logger.propagate = before[2]


class _JsonLines(logging.Formatter):
    """Log records as JSON objects; ids in them are separate fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"time": round(record.created, 3), "event": record.getMessage()}
        for argument in record.args if isinstance(record.args, tuple) else ():
            for prefix, name in _IDS.items():
                if isinstance(argument, str) and argument.startswith(prefix):
                    line[name] = argument
        if record.levelno >= logging.WARNING:
            line["level"] = record.levelname.lower()
        return inert(json.dumps(line))


class _TextLines(logging.Formatter):
    """Log records as lines; a traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return inert(super().formatMessage(record), keep="")

    def format(self, record: logging.LogRecord) -> str:
        return inert(super().format(record))
