"""Record the service, and compare a simulator with a recording."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path
from typing import Any

from realtime_simulator._core.profile import PROFILES
from realtime_simulator.cli._output import print_error, print_export, print_facts, print_text, reason_of
from realtime_simulator.cli._parsing import API, CONFORM, RECORD, Parser, port
from realtime_simulator.cli._serve import exits_on_sigterm, stop_signals


def record_arguments(program: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program} {RECORD}",
        usage=f"{program} {RECORD} [--upstream URL] [--port PORT] FILE [-- COMMAND ...]",
        description="Forward everything to an API and record it, without keys, secrets and addresses, for "
        f"'{program} {CONFORM}'. OPENAI_API_KEY is the API's key. A command after -- is run and recorded.",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the recording to write, YAML; an existing file is replaced")
    add("--upstream", default=API, metavar="URL", help=f"the API to record ({API})")
    add("--port", type=port, default=0, help="port to listen on; 0 chooses a free one (0)")
    return parser


def record(words: list[str], program: str) -> int:
    """Forward clients to an API, and write a recording."""
    parser = record_arguments(program)
    split = words.index("--") if "--" in words else len(words)
    options, command = parser.parse_args(words[:split]), words[split + 1 :]
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        print_error(f"{program} {RECORD}", "the API key is missing", "set OPENAI_API_KEY")
        return 4
    if not options.file.endswith((".yaml", ".yml")):
        print_error(f"{program} {RECORD}", "a recording's name ends with .yaml")
        return 2
    from realtime_simulator._simulator.simulator import record_session

    try:
        with record_session(
            options.file, upstream=options.upstream, api_key=key, port=options.port
        ) as simulator:
            if not command:
                with stop_signals() as wait_for_one:
                    facts = {"base_url": simulator.base_url, "api_key": simulator.api_key}
                    print_facts(facts, as_json=False)
                    print_export(simulator.base_url, simulator.api_key)
                    print_text("Ctrl-C ends the recording.")
                    wait_for_one()
                return 0
            addresses = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": simulator.api_key}
            with exits_on_sigterm():
                return subprocess.run(command, env={**os.environ, **addresses}, check=False).returncode
    except (OSError, ValueError) as error:
        print_error(f"{program} {RECORD}", reason_of(error))
        return 2


def conform_arguments(program: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program} {CONFORM}",
        description="Replay recordings of the service to a simulator, and print each difference with its "
        "JSON pointer. The exit status is 1 if there is a difference.",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="a recording (YAML), or a tape of the simulator")
    add("--profile", default="openai", choices=PROFILES, help="the recorded service (openai)")
    add("--known", action="store_true", help="also print the intended differences, with their reasons")
    add(
        "--real-sound",
        nargs="?",
        const="recorded",
        metavar="SOUND",
        help="play the user's real speech, from the recording or an audio file, instead of generated audio, "
        "and compare where speech begins and ends; after the FILEs",
    )
    return parser


def run_conform(words: list[str], program: str) -> int:
    """Replay recordings to a simulator, and print the differences."""
    parser = conform_arguments(program)
    options = parser.parse_args(words)
    from realtime_simulator._conformance.conform import conform
    from realtime_simulator._media.files import read_sound
    from realtime_simulator._recordings.steps import RecordingError

    sound: Any = options.real_sound
    status = 0
    for file in options.files:
        try:
            if isinstance(sound, str) and sound != "recorded":
                sound = read_sound(Path(sound))
            reports = conform(file, options.profile, sound=sound)
        except (RecordingError, OSError, ValueError) as error:
            print_error(f"{program} {CONFORM}", reason_of(error))
            return 2
        if not any(report.compared or report.differences for report in reports):
            for what in (what for report in reports for what in report.unread):
                print_error(f"{program} {CONFORM}", f"left out: {what}")
            print_error(f"{program} {CONFORM}", f"{file}: no event and no answer was recorded to compare")
            return 2
        for report in reports:
            known = f", {len(report.known)} knowingly different" if report.known else ""
            count = len(report.differences)
            verdict = "conforms" if report.conforms else f"{count} difference{'s' if count > 1 else ''}"
            print_text(f"{report.name}: {verdict} ({report.compared} compared{known})", keep="")
            for difference in report.differences:
                print_text(f"  {difference}", keep="")
            for what in report.unread:
                print_text(f"  left out: {what}", keep="")
            for difference, reason in report.known if options.known else ():
                print_text(f"  known: {difference} ({reason.reason})", keep="")
            status |= not report.conforms
    return status
