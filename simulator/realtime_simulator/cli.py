"""The command `realtime-simulator`: serve until a signal, or control a running simulator.

`realtime simulator` of realtime-ext and `python -m realtime_simulator` are equivalent. Importing this module
loads nothing of the simulator, so that printing help is fast.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import ipaddress
import json
import logging
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from realtime_simulator._simulator.simulator import Simulator

__all__ = ["arguments", "commands", "main"]

PROGRAM = "realtime-simulator"
LOOPBACK = "127.0.0.1"
API = "https://api.openai.com/v1"
PORT = 8765
KEPT_SECONDS = 300
ACTIONS = ("incoming", "press", "hang-up", "fault", "scenario")
CONFORM = "conform"
PROFILES = ("openai", "azure", "azure-voice-live", "xai", "beta")
RECORD = "record"
_CONTROL = "the simulator's base URL (OPENAI_BASE_URL, or this machine's port 8765)"
_REQUEST_SECONDS = 30.0
_WRONG_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (\S+)")
_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET")
_IDS = {"rtc_": "call_id", "sess_": "session_id"}
# Control characters, marks and separators that reorder or break lines, and half characters.
_ACTIVE = re.compile(
    "[\x00-\x08\n\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def __dir__() -> list[str]:
    return sorted(__all__)


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run the command.

    Args:
        argv: The arguments of the command; the process's if None.
        program: The name of the command, for help and messages.

    Returns:
        The exit status: 1 if it can't serve or the simulator refuses, 2 if the arguments are wrong, 3 if no
        simulator answers, 4 if the key is missing or wrong.
    """
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] == CONFORM:
        return _conform(words[1:], program)
    if words and words[0] == RECORD:
        return _record(words[1:], program)
    if words and words[0] in ACTIONS:
        return _act(words, program)
    return _serve(words, program)


# Arguments


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments without printing the usage, with what was probably meant."""

    words: Sequence[str] = ()
    """The words that may follow the program's name."""

    def error(self, message: str) -> NoReturn:
        near = self._near(message)
        meant = f"; did you mean {near}?" if near else ""
        self.exit(2, _inert(f"{self.prog}: {message}{meant}\n  hint: {self.prog} --help\n"))

    def _near(self, message: str) -> str | None:
        """Return what was probably meant by the wrong word of a message."""
        if found := _WRONG_CHOICE.search(message):
            given, known = found[1], re.findall(r"[\w.-]+", found[2])
        elif found := _UNRECOGNIZED.search(message):
            given, known = found[1].partition("=")[0], [*self._option_string_actions, *self.words]
        else:
            return None
        return next(iter(difflib.get_close_matches(given[:200], known, 1)), None)


class _Version(argparse.Action):
    """Prints the version, whose module is loaded only for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from realtime_simulator._core.version import __version__

        _print(f"{PROGRAM} {__version__}")
        parser.exit()


def arguments(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Return the parser for serving."""
    parser = _Parser(
        prog=program,
        description="A Realtime API on this machine, until SIGINT or SIGTERM.",
        epilog=f"Control one that serves: {program} {{{','.join(ACTIONS)}}} --help. "
        f"Record the service, and hold the simulator against that: {program} {{{RECORD},{CONFORM}}} --help",
    )
    parser.words = (*ACTIONS, RECORD, CONFORM)
    add = parser.add_argument
    add("--version", action=_Version, nargs=0, help="print the version")
    add("--port", type=_port, default=PORT, help=f"port to listen on; 0 chooses a free one ({PORT})")
    add(
        "--host",
        default=LOOPBACK,
        help=f"address to listen on; other machines can reach it if it is not loopback ({LOOPBACK})",
    )
    add("--api-key", help="project key to accept (random)")
    add("--webhook-secret", metavar="whsec_…", help="what webhooks are signed with (random)")
    add("--scenario", metavar="FILE", help="YAML that says what the model answers")
    add("--brain", metavar="URL", help="chat endpoint that answers, such as http://127.0.0.1:11434/v1")
    add("--brain-model", metavar="M", help="its model; its key is BRAIN_API_KEY, or OPENAI_API_KEY")
    add("--ears", metavar="URL", help="endpoint that transcribes what users say (EARS_API_KEY)")
    add("--ears-model", metavar="M", help="its model (gpt-transcribe)")
    add("--voice", metavar="URL", help="endpoint that speaks (VOICE_API_KEY)")
    add("--voice-model", metavar="M", help="its model (gpt-4o-mini-tts)")
    add(
        "--latency",
        choices=("instant", "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "slow"),
        help="times as measured with a model, with a spread that --seed repeats; instead of --pacing",
    )
    add("--pacing", default="real", choices=("real", "none"), help="as the service, or at once (real)")
    add("--first-audio", type=_seconds, metavar="SECONDS", help="until a response's first output (0.3)")
    add("--speed", type=_seconds, metavar="FACTOR", help="pace of answers; 1 is real time, 0 at once (12)")
    add("--seed", type=int, metavar="N", help="makes ids repeatable")
    add("--clock", metavar="TIME", help="time of day that stands still, such as 2026-01-15T12:00:00Z")
    add("--model", action="append", default=[], metavar="NAME", help="a further model's name to accept")
    add("--profile", default="openai", choices=PROFILES, help="whose service it is (openai)")
    add(
        "--keep-audio",
        type=_seconds,
        default=KEPT_SECONDS,
        metavar="SECONDS",
        help=f"sound that is kept of each side of a session for the console; 0 for none ({KEPT_SECONDS})",
    )
    add("--tls", metavar="FILE", help="speak TLS with the certificate in FILE, which is made if missing")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--verbose", action="store_true", help="a line for each event of each session as well")
    add("--json", action="store_true", help="print a JSON object a line; the first has the addresses")
    passing = parser.add_mutually_exclusive_group()
    passing.add_argument("--record", metavar="FILE", help="record what goes to --upstream and back")
    passing.add_argument(
        "--replay", metavar="FILE", help="replay a recording, and check the requests of clients"
    )
    add("--upstream", metavar="URL", help="the API to record, such as https://api.openai.com/v1")
    return parser


def commands(program: str = PROGRAM) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands that follow the program's name, by their names."""
    _, actions = _action_arguments(program)
    return {**actions, RECORD: _record_arguments(program), CONFORM: _conform_arguments(program)}


def _action_arguments(program: str) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the actions on a running simulator, and that of each."""
    parser = _Parser(prog=program, description="Control a simulator that serves on this machine.")
    actions = parser.add_subparsers(dest="action", required=True)
    shared = _Parser(add_help=False)
    shared.add_argument("--simulator", metavar="URL", help=_CONTROL)
    shared.add_argument("--api-key", help="the key that it printed (OPENAI_API_KEY)")
    shared.add_argument("--json", action="store_true", help="print one JSON object")

    def action(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        description = f"{text[:1].upper()}{text[1:]}."
        return actions.add_parser(name, parents=[shared], help=text, description=description, **options)

    incoming = action("incoming", "start a SIP call and announce it")
    add = incoming.add_argument
    add("--to", required=True, metavar="URL", help="where the webhook goes; the status is 1 without a 200")
    add("--header", action="append", default=[], metavar="'Name: value'", help="of the INVITE")
    add("--audio", metavar="FILE", help="what the caller says, a WAV file")
    add(
        "--event",
        action="append",
        metavar="TYPE",
        help="realtime.call.incoming (default), live.transport.incoming or live.call.incoming",
    )
    add("--duplicates", type=_count, metavar="N", help="how often the webhook comes again")
    add("--delay", type=_seconds, metavar="SECONDS", help="until the webhook comes, which is not waited for")
    add("--ring-seconds", type=_seconds, metavar="SECONDS", help="until the caller hangs up")

    press = action("press", "press keys of a caller's telephone")
    press.add_argument("call_id")
    press.add_argument("keys", help="0 to 9, *, #, A to D")

    hang_up = action("hang-up", "hang up for the other side of a call")
    hang_up.add_argument("call_id")

    fault = action(
        "fault",
        "request a fault",
        epilog=_known_faults(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fault.add_argument("fault", metavar="NAME[; setting=value…]", help="or 'none', to remove all faults")
    fault.add_argument("--on", metavar="OPERATION", help="calls.create, connect, …, or a call's id")
    fault.add_argument("--rate", type=_share, help="how often it happens, 0 to 1")
    fault.add_argument("--times", type=_count, help="how often it happens at most")

    scenario = action("scenario", "add the rules of a YAML file")
    scenario.add_argument("file")
    return parser, dict(actions.choices)


def _known_faults() -> str:
    """Return the faults with what their settings allow, for help."""
    from realtime_simulator._faults.catalog import FAULTS, describe

    lines = ["faults and their settings:"]
    for name, kind in FAULTS.items():
        lines.append(f"  {name}: {kind.doc}")
        lines += [f"      {key}: {describe(setting)}" for key, setting in kind.settings.items()]
    return "\n".join(lines).replace("%", "%%")


def _headers(lines: Sequence[str]) -> list[tuple[str, str]]:
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
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, got {text}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"a whole number of at least 0 is needed, got {text}")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 is needed, got {text}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of at least 0 is needed, got {text}")
    return value


def _reason(error: Exception) -> str:
    """Return an error's message; for a file, its name and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _inert(text: str, keep: str = "\n") -> str:
    """Return text that no terminal interprets: active characters as JSON writes them, such as ``\\u001b``."""
    return _ACTIVE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def _print(text: str, *, keep: str = "\n", error: bool = False) -> None:
    """Print text; all output of the command but its log is printed here."""
    print(_inert(text, keep), file=sys.stderr if error else sys.stdout, flush=True)


def _say(program: str, message: str, hint: str = "") -> None:
    _print(f"{program}: {message}" + (f"\n  hint: {hint}" if hint else ""), error=True)


# Serving


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
        return _inert(json.dumps(line))


class _TextLines(logging.Formatter):
    """Log records as lines; a traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _inert(super().formatMessage(record), keep="")

    def format(self, record: logging.LogRecord) -> str:
        return _inert(super().format(record))


def _serve(words: list[str], program: str) -> int:
    """Serve until SIGINT or SIGTERM, printing the log."""
    parser = arguments(program)
    options = parser.parse_args(words)
    if bool(options.record) != bool(options.upstream):
        parser.error("--record and --upstream go together")
    if bool(options.brain) != bool(options.brain_model):
        parser.error("--brain and --brain-model go together")
    from realtime_simulator._recordings.tape import TapeError

    try:
        simulator = _simulator(options)
    except (ValueError, OSError) as error:
        _say(program, _reason(error))
        return 2
    with _stop_signals() as stop:
        try:
            simulator.__enter__()
        except TapeError as error:
            _say(program, str(error))
            return 2
        except OSError as error:
            if error.filename:
                _say(program, _reason(error))
            else:
                message = f"cannot listen on {options.host}:{options.port}: {error.strerror}"
                _say(program, message, "--port 0 chooses a free port")
            return 1
        with _logging(options):
            try:
                _print_addresses(simulator, options)
                stop.get()
            finally:
                simulator.close()
    return 0


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


def _simulator(options: argparse.Namespace) -> Simulator:
    import attrs

    from realtime_simulator._engine.turn import AT_ONCE, LATENCIES, REAL
    from realtime_simulator._simulator.simulator import Simulator

    simulator = Simulator(
        host=options.host,
        port=options.port,
        api_key=options.api_key,
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
        pacing=options.latency or ("none" if options.pacing == "none" else None),
    )
    _converse(simulator, options)
    if options.scenario:
        simulator.load_scenario(options.scenario)
    chosen = {"first_audio": options.first_audio, "speed": options.speed}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen:
        base = LATENCIES.get(options.latency, AT_ONCE if options.pacing == "none" else REAL)
        simulator.pace(attrs.evolve(base, **chosen))
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
        simulator.on_speech(ears_at(options.ears, **model, key=keys["ears"]))
    if options.voice:
        model = {"model": options.voice_model} if options.voice_model else {}
        simulator.on_voice(voice_at(options.voice, **model, key=keys["voice"]))


def _print_addresses(simulator: Simulator, options: argparse.Namespace) -> None:
    facts = {
        "base_url": simulator.base_url,
        "api_key": simulator.api_key,
        "webhook_secret": simulator.webhook_secret,
        "console": simulator.console_url,
        "pid": os.getpid(),
    }
    _print_facts(facts, as_json=options.json)
    if not _is_loopback(options.host):
        meaning = (
            f"{options.host} is not loopback: any machine that reaches it and has the key can use it; "
            "calls still receive audio on loopback only"
        )
        _print(json.dumps({"time": time.time(), "event": meaning}) if options.json else meaning)
    if not options.json:
        _print_export(simulator.base_url, simulator.api_key, simulator.webhook_secret)


def _print_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        _print(json.dumps(facts))
        return
    for name, value in facts.items():
        _print(f"{name:14} {value}", keep="")


def _print_export(*values: str) -> None:
    """Print the line for a shell that sets base URL, key and, if there is one, webhook secret."""
    _print(f"\nPaste into the terminals of your programs:\n{_set_line(values)}\n")


def _set_line(values: Sequence[str], system: str = os.name) -> str:
    """Return the line that sets the variables: for PowerShell on Windows, else for POSIX shells."""
    pairs = list(zip(_VARIABLES, values, strict=False))
    if system == "nt":
        quoted = [(name, value.replace("'", "''")) for name, value in pairs]
        return "; ".join(f"$env:{name} = '{value}'" for name, value in quoted)
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in pairs)


@contextlib.contextmanager
def _stop_signals() -> Iterator[SimpleQueue[int]]:
    """Put SIGINT and SIGTERM into a queue inside the block; afterwards the earlier handlers apply again.

    A handler may interrupt the wait for it: a `threading.Event` would then wait for its own lock.
    """
    stop: SimpleQueue[int] = SimpleQueue()
    earlier = {
        number: signal.signal(number, lambda number, _: stop.put(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# Recordings of the service


def _record_arguments(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"{program} {RECORD}",
        usage=f"{program} {RECORD} [--upstream URL] [--port PORT] FILE [-- COMMAND ...]",
        description="Pass everything on to an API and record it, without keys, secrets and addresses, for "
        f"'{program} {CONFORM}'. OPENAI_API_KEY is the API's key. A command after -- runs meanwhile.",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the recording, YAML; it is written anew")
    add("--upstream", default=API, metavar="URL", help=f"the API to record ({API})")
    add("--port", type=_port, default=0, help="port to listen on; 0 chooses a free one (0)")
    return parser


def _record(words: list[str], program: str) -> int:
    """Forward clients to an API, and write a recording."""
    parser = _record_arguments(program)
    split = words.index("--") if "--" in words else len(words)
    options, command = parser.parse_args(words[:split]), words[split + 1 :]
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        _say(f"{program} {RECORD}", "the API key is missing", "set OPENAI_API_KEY")
        return 4
    if not options.file.endswith((".yaml", ".yml")):
        _say(f"{program} {RECORD}", "a recording's name ends with .yaml")
        return 2
    from realtime_simulator._simulator.simulator import record_session

    try:
        with record_session(
            options.file, upstream=options.upstream, api_key=key, port=options.port
        ) as simulator:
            if not command:
                with _stop_signals() as stop:
                    facts = {"base_url": simulator.base_url, "api_key": simulator.api_key}
                    _print_facts(facts, as_json=False)
                    _print_export(simulator.base_url, simulator.api_key)
                    _print("Ctrl-C ends the recording.")
                    stop.get()
                return 0
            addresses = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": simulator.api_key}
            return subprocess.run(command, env={**os.environ, **addresses}, check=False).returncode
    except (OSError, ValueError) as error:
        _say(f"{program} {RECORD}", _reason(error))
        return 2


def _conform_arguments(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"{program} {CONFORM}",
        description="Play recordings of the service to a simulator, and print each difference with its JSON "
        "pointer. The status is 1 if there is one.",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="a recording (YAML), or a tape of the simulator")
    add("--profile", default="openai", choices=PROFILES, help="whose service it is (openai)")
    add("--known", action="store_true", help="also print the intended differences, with their reasons")
    return parser


def _conform(words: list[str], program: str) -> int:
    """Replay recordings to a simulator, and print the differences."""
    parser = _conform_arguments(program)
    options = parser.parse_args(words)
    from realtime_simulator._conformance.conform import conform
    from realtime_simulator._recordings.steps import RecordingError

    status = 0
    for file in options.files:
        try:
            reports = conform(file, options.profile)
        except (RecordingError, OSError) as error:
            _say(f"{program} {CONFORM}", _reason(error))
            return 2
        for report in reports:
            known = f", {len(report.known)} knowingly different" if report.known else ""
            verdict = "conforms" if report.conforms else f"{len(report.differences)} differences"
            _print(f"{report.name}: {verdict} ({report.compared} compared{known})", keep="")
            for difference in report.differences:
                _print(f"  {difference}", keep="")
            for what in report.unread:
                _print(f"  not understood: {what}", keep="")
            for difference, reason in report.known if options.known else ():
                _print(f"  known: {difference} ({reason.reason})", keep="")
            status |= not report.conforms
    return status


# Controlling a simulator in another process


def _act(words: list[str], program: str) -> int:
    """Send an action to the control endpoint of a simulator."""
    import httpx

    from realtime_simulator._simulator.endpoint import PREFIX

    parser, _ = _action_arguments(program)
    options = parser.parse_args(words)
    command = f"{program} {options.action}"
    try:
        origin = _origin(options.simulator or os.environ.get("OPENAI_BASE_URL"))
        method, path, request = _request(options)
    except (ValueError, OSError) as error:
        _say(command, _reason(error))
        return 2
    key = options.api_key or os.environ.get("OPENAI_API_KEY")
    if not key:
        _say(command, "the simulator's key is missing", "pass --api-key, or set OPENAI_API_KEY")
        return 4
    try:
        trusted = ssl.create_default_context()  # SSL_CERT_FILE names the certificate of one that speaks TLS
        with httpx.Client(trust_env=False, timeout=_REQUEST_SECONDS, verify=trusted) as client:
            response = client.request(
                method, origin + PREFIX + path, headers={"authorization": f"Bearer {key}"}, **request
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "start one, and pass its base URL as --simulator, or set OPENAI_BASE_URL"
        _say(command, f"no simulator answers: {error}", hint)
        return 3
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if response.status_code != 200:
        message = answer.get("error", {}).get("message") if isinstance(answer, dict) else None
        _say(command, message or f"this is not a simulator: it answers {response.status_code}")
        return 4 if response.status_code == 401 else 1
    _print(json.dumps(answer) if options.json else _summary(options.action, answer))
    return _delivered(answer, command) if options.action == "incoming" else 0


def _delivered(call: dict[str, Any], command: str) -> int:
    """Report webhooks of a call that were not acknowledged; return the exit status."""
    status = 0
    for one in call["deliveries"]:
        if one["status"] != 200:
            got = f"was answered with {one['status']}" if one["status"] else f"got no answer: {one['error']}"
            hint = "--to is the URL of the app's webhook route; the webhook is delivered again"
            _say(command, f"the webhook {one['type']} {got}", hint)
            status = 1
    return status


def _request(options: argparse.Namespace) -> tuple[str, str, dict[str, Any]]:
    """Return method, path and body of the request for an action."""
    from realtime_simulator._faults.catalog import parse

    match options.action:
        case "incoming":
            fields = {
                "to": options.to,
                "headers": _headers(options.header),
                "audio": options.audio and str(Path(options.audio).resolve(strict=True)),
                "events": options.event,
                "duplicates": options.duplicates,
                "delay": options.delay,
                "ring_seconds": options.ring_seconds,
                "wait": not options.delay,
            }
            chosen = {name: value for name, value in fields.items() if value not in (None, [])}
            return "POST", "incoming", {"json": chosen}
        case "press":
            return "POST", f"calls/{options.call_id}/press", {"json": {"keys": options.keys}}
        case "hang-up":
            return "POST", f"calls/{options.call_id}/hang_up", {}
        case "fault" if options.fault == "none":
            return "POST", "faults/clear", {}
        case "fault":
            name, settings = parse(options.fault)
            settings |= {"on": options.on, "rate": options.rate, "times": options.times}
            chosen = {key: value for key, value in settings.items() if value is not None}
            return "POST", "faults", {"json": {"name": name, **chosen}}
        case _:
            path = Path(options.file)
            params = {"name": path.name, "folder": str(path.absolute().parent)}
            return "POST", "scenario", {"content": path.read_bytes(), "params": params}


def _origin(url: str | None) -> str:
    """The address without its path; the control endpoint is beside `/v1`."""
    parts = urlsplit(url or f"http://{LOOPBACK}:{PORT}")
    if not parts.scheme or not parts.netloc:
        raise ValueError(f"--simulator: {url!r} is not a URL")
    return f"{parts.scheme}://{parts.netloc}"


def _summary(action: str, answer: dict[str, Any]) -> str:
    if action == "incoming":
        return f"call {answer['id']}: {answer['state']}"
    if action == "fault" and answer:
        return " ".join(f"{name}={value}" for name, value in answer.items() if value is not None)
    return "done"
