"""The command `rehearse`: a simulator whose callers call a running app by a suite of scripts."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from realtime_simulator._core import event_loop
from realtime_simulator._rehearsal.rehearsal import Rehearsal
from realtime_simulator._rehearsal.results import write_results
from realtime_simulator._rehearsal.runner import rehearse
from realtime_simulator._rehearsal.scenarios import ScenarioScript, load_scenarios
from realtime_simulator._rehearsal.scorecard import FORMS, REPORTS, Outcome, Scorecard
from realtime_simulator._rehearsal.script import Script, load_suite
from realtime_simulator._rehearsal.state import StateError
from realtime_simulator._rehearsal.usage import Prices
from realtime_simulator._scenario.remote import brain_at
from realtime_simulator._simulator.simulator import Simulator

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_REQUESTS_PER_CALL = 20
_STDERR = 2


class Refusal(Exception):
    """Why nothing is rehearsed.

    Args:
        message: Why.
        hint: What to do; empty for nothing.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@contextlib.contextmanager
def _refusing(what: str = "") -> Iterator[None]:
    """Refuse what can't be read, written or used."""
    try:
        yield
    except OSError as error:
        raise Refusal(f"{what}{error.filename}: {error.strerror}") from error
    except ValueError as error:  # a ScenarioError too
        raise Refusal(f"{what}{error}") from error


def run(options: argparse.Namespace, write: Callable[[str], None]) -> int:
    """Rehearse, and write the scorecard.

    Args:
        options: The command's options.
        write: Writes text for people or programs.

    Returns:
        The exit status: 0 if all calls passed and nothing got worse, 2 if no call says anything about the
        app, otherwise 1.

    Raises:
        Refusal: An option can't be used, or the app does not start or answer.
    """
    printed = [form for form in options.report if form in FORMS]
    files = [Path(name) for name in options.report if name not in FORMS]
    for file in files:
        if file.suffix not in REPORTS:
            raise Refusal(
                f"--report: {str(file)!r} is none of {', '.join(FORMS)}, and no file ending in one of "
                f"{', '.join(REPORTS)}",
            )
    if len(printed) > 1:
        raise Refusal(f"--report: only one can be printed, got {' and '.join(printed)}")
    schemes = ("http", "https", "ws", "wss") if options.over == "media-stream" else ("http", "https")
    if urlsplit(options.to).scheme not in schemes or not urlsplit(options.to).hostname:
        raise Refusal(f"--to: {options.to!r} is not an {' or '.join(schemes)} URL")
    with _refusing():
        scripts = _scripts(options.suite)
        settings = _settings(options)
        for script in scripts:
            script.check(options.over)
        prices = None if options.prices is None else _prices(Path(options.prices))
        baseline = None if options.against is None else _baseline(Path(options.against))
    if options.prices is None and (
        priced := next((one.name for one in scripts if "cost" in one.expect), None)
    ):
        raise Refusal(f"{priced}: it expects a cost, which needs prices", "pass --prices")
    if options.caller_brain is None and (
        played := next((one.name for one in scripts if one.needs_brain), "")
    ):
        raise Refusal(
            f"{played}: it plays a caller with a goal, which needs a chat model", "pass --caller-brain"
        )
    if options.state is None and (stateful := next((one.name for one in scripts if _has_state(one)), None)):
        print(f"note: {stateful}: the app's state is not checked without --state", file=sys.stderr)
    if options.calls is not None and options.repeat != 1:
        raise Refusal("--repeat, --calls: only one of them")
    if options.state is not None and options.at > 1:
        raise Refusal("--at: calls share the app's state (--state), so that only 1 is allowed")
    brain = None
    if options.caller_brain is not None:
        with _refusing("--caller-brain, --caller-model: "):
            key = os.environ.get("CALLER_BRAIN_API_KEY", "")
            brain = brain_at(options.caller_brain, options.caller_model or "", key=key)
    calls = options.calls or len(scripts) * options.repeat
    has_page = "html" in printed or any(file.suffix == ".html" for file in files)
    show = _Progress(calls)
    kept = None if options.keep is None else Path(options.keep)
    results = None if options.results is None else Path(options.results)
    try:
        with (
            _simulator(options, calls) as simulator,
            _app(options, simulator),
            Rehearsal(
                simulator,
                seed=options.seed,
                speed=options.speed,
                brain=brain,
                prices=prices,
                keep_sound=has_page or results is not None,
            ) as rehearsal,
        ):
            card = event_loop.run(
                rehearse(
                    rehearsal,
                    scripts,
                    options.to,
                    api="live" if options.live else "realtime",
                    over=options.over,
                    calls=calls,
                    at_once=options.at,
                    state=options.state,
                    on_outcome=show,
                )
            )
            if kept is not None:
                _keep(kept, rehearsal)
    except StateError as error:
        raise Refusal(f"--state: {error}") from error
    finally:
        show.end()
    worse = () if baseline is None else card.worse_than(baseline)
    write(REPORTS[FORMS[printed[0]]](card).rstrip("\n") if printed else card.table())
    if not printed and baseline is not None:
        write(
            "\n".join(["worse than the baseline:", *worse]) if worse else "nothing is worse than the baseline"
        )
    for file in files:
        with _refusing():
            file.write_text(REPORTS[file.suffix](card), encoding="utf-8", errors="replace")
    if results is not None:
        with _refusing("--results: "):
            write_results(results, card, settings)
    if card.count("lost") == len(card.outcomes):
        raise Refusal("no call was answered", "the app must use this simulator's address, key and secret")
    if card.count("invalid") == len(card.outcomes):
        return 2
    return int(bool(worse) or not card.has_passed)


def _scripts(suite: str) -> Sequence[Script]:
    """Read scripts in YAML, or the Cookbook's scenarios in JSON."""
    return load_scenarios(suite) if suite.endswith(".json") else load_suite(suite)


def _has_state(script: Script) -> bool:
    return isinstance(script, ScenarioScript) and bool(script.expected.state or script.initial_state)


def _settings(options: argparse.Namespace) -> Mapping[str, Any]:
    """Return the options that say how the calls were made, for the results."""
    names = ("suite", "to", "over", "live", "speed", "pacing", "seed", "caller_model")
    return {name: getattr(options, name) for name in names}


@contextlib.contextmanager
def _simulator(options: argparse.Namespace, calls: int) -> Iterator[Simulator]:
    """Run the simulator, with the key and the secret of the environment if there are some."""
    with _refusing():
        simulator = Simulator(
            port=options.port,
            api_key=options.api_key or os.environ.get("OPENAI_API_KEY"),
            webhook_secret=options.webhook_secret or os.environ.get("OPENAI_WEBHOOK_SECRET"),
            seed=options.seed,
            pacing=options.pacing,
            kept=calls * _REQUESTS_PER_CALL + 256,
        )
        for scenario in options.scenario:
            simulator.load_scenario(scenario)
    try:
        simulator.__enter__()
    except OSError as error:
        raise Refusal(f"port {options.port} cannot be used: {error.strerror}", "pass --port") from error
    try:
        yield simulator
    finally:
        simulator.close()


@contextlib.contextmanager
def _app(options: argparse.Namespace, simulator: Simulator) -> Iterator[None]:
    """Start the app, if a command is given, and wait until it accepts connections; stop it in the end."""
    if options.app is None:
        _reach(options.to, _START_SECONDS if options.wait else 0.0, lambda: None)
        yield
        return
    service = {
        "OPENAI_BASE_URL": simulator.base_url,
        "OPENAI_API_KEY": simulator.api_key,
        "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
    }
    try:
        process = subprocess.Popen(
            shlex.split(options.app),
            env={**os.environ, **service},
            stdout=_STDERR,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError) as error:
        raise Refusal(f"--app: {error}") from error
    try:
        _reach(options.to, _START_SECONDS, process.poll)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reach(url: str, seconds: float, ended: Callable[[], int | None]) -> None:
    """Wait until an address accepts connections."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    until = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((str(parts.hostname), port), timeout=2):
                return
        except OSError as error:
            if (status := ended()) is not None:
                raise Refusal(f"the app has ended with status {status}") from error
            if time.monotonic() >= until:
                raise Refusal(f"no app answers at {url}: {error}", "start it, or pass --app") from error
        time.sleep(0.05)


def _keep(folder: Path, rehearsal: Rehearsal) -> None:
    """Write each call as a script, and as a tape if it was answered."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, caller in enumerate(rehearsal.callers, 1):
            name = re.sub(r"\W+", "_", caller.name)
            (folder / f"{number:03}_{name}.yaml").write_text(caller.as_script(), encoding="utf-8")
            if caller.is_answered:
                caller.save(folder / f"{number:03}_{name}.jsonl")
    except OSError as error:
        raise Refusal(f"--keep: {folder}: {error.strerror}") from error


def _prices(path: Path) -> Mapping[str, Any]:
    """Read prices from a file of TOML, YAML or JSON, which is YAML."""
    try:
        text = path.read_text(encoding="utf-8")
        table: Any = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
        Prices(table)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"--prices: {path}: {error}") from error
    return dict(table)


def _baseline(path: Path) -> Mapping[str, Any]:
    try:
        read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Scorecard(()).worse_than(read)
    except ValueError as error:
        raise ValueError(f"--against: {path} is not the JSON report of a rehearsal") from error
    return read


class _Progress:
    """Shows on a terminal how many calls are over."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._over = self._failed = 0

    def __call__(self, outcome: Outcome) -> None:
        self._over += 1
        self._failed += outcome.status != "passed"
        if sys.stderr.isatty():
            width = 30
            bar = "#" * (width * self._over // self._calls)
            failed = f", {self._failed} failed" if self._failed else ""
            print(f"\r[{bar:{width}}] {self._over} of {self._calls} calls{failed}", end="", file=sys.stderr)

    def end(self) -> None:
        """Leave the line."""
        if self._over and sys.stderr.isatty():
            print(file=sys.stderr)
