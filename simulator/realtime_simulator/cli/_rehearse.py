"""Call an app by scripts, or make a script of a recorded conversation."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime_simulator._engine.turn import LATENCIES
from realtime_simulator.cli._output import print_error, print_text, reason_of
from realtime_simulator.cli._parsing import RECORD, REHEARSE, Parser, count, seconds
from realtime_simulator.cli._serve import exits_on_sigterm


def arguments(program: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program} {REHEARSE}",
        description="Test a voice app with scripted callers, and report results. The app must use this "
        "simulator: key and webhook secret come from the environment, or are set for --app. The exit status "
        "is 1 if a call fails or something got worse, and 2 if it could not rehearse: wrong usage, or no app "
        "answers.",
    )
    add = parser.add_argument
    add("suite", help="a script (YAML), a folder of scripts, or scenarios of OpenAI's Cookbook (JSON)")
    add("--to", required=True, metavar="URL", help="the app's webhook, or its endpoint for --over")
    add(
        "--over",
        default="phone",
        choices=("phone", "webrtc", "media-stream"),
        help="how callers reach the app: by a telephone call's webhook, by an SDP offer like web pages, or "
        "by TwiML and a media stream like Twilio (phone)",
    )
    add("--app", metavar="COMMAND", help="command that starts the app; it is stopped at the end")
    add("--wait", action="store_true", help="wait until the app accepts connections, up to 30 s")
    add("--scenario", action="append", default=[], metavar="FILE", help="the model's answers, YAML")
    add("--live", action="store_true", help="announce the calls for the Live API")
    add("--calls", type=count, metavar="N", help="number of calls; the scripts take turns (one for each)")
    add("--repeat", type=count, default=1, metavar="N", help="play each script N times, for spreads (1)")
    add("--at", type=count, default=1, metavar="N", help="number of calls at once (1)")
    add("--speed", type=seconds, default=1.0, help="speed of speech and silence, 1 to 100 (1)")
    add(
        "--pacing",
        default=None,
        choices=("none", *LATENCIES),
        help="speed of the model (about like the service)",
    )
    add("--seed", type=int, default=0, help="makes noise and ids reproducible (0)")
    add("--caller-brain", metavar="URL", help="chat endpoint that plays callers with a goal (plays)")
    add("--caller-model", metavar="NAME", help="its model; its key is CALLER_BRAIN_API_KEY")
    add("--keep", metavar="FOLDER", help="save each call as a script, and as a tape for `step`")
    add("--results", metavar="FOLDER", help="write results.json, audio, transcripts, events and report.html")
    add("--state", metavar="URL", help="the app's state as JSON (GET, PUT), for scenarios that expect one")
    add("--prices", metavar="FILE", help="prices of the models, TOML or JSON, for the cost of calls")
    add("--port", type=int, default=0, help="port of the simulator (a free one)")
    add("--api-key", help="key to accept (OPENAI_API_KEY, or random)")
    add("--webhook-secret", help="secret that signs webhooks (OPENAI_WEBHOOK_SECRET, or random)")
    add(
        "--report",
        action="append",
        default=[],
        metavar="FORM",
        help="print json, junit or html instead of the table; or a file to write, "
        "ending in .json, .xml (JUnit) or .html",
    )
    add("--against", metavar="BASELINE", help="JSON report of an earlier run; report what got worse")
    return parser


def run(words: list[str], program: str) -> int:
    """Rehearse an app, or make a script of a recording."""
    if words and words[0] == RECORD:
        return _script_of(words[1:], f"{program} {REHEARSE} {RECORD}")
    parser = arguments(program)
    options = parser.parse_args(words)
    if not 1 <= options.speed <= 100:
        parser.error(f"--speed: allowed is 1 to 100, got {options.speed:g}")
    from realtime_simulator._rehearsal import command

    try:
        with exits_on_sigterm():
            return command.run(options, print_text)
    except KeyboardInterrupt:
        return 130
    except command.Refusal as refusal:
        print_error(f"{program} {REHEARSE}", str(refusal), refusal.hint)
        return 2


def _script_of(words: list[str], program: str) -> int:
    """Write a script for a recorded conversation."""
    parser = Parser(
        prog=program,
        description="Turn a recorded conversation into a script for rehearsals: a tape, or the files of "
        "realtime-ext's recorder or auditor. Secrets, long numbers and e-mail addresses are masked; "
        "read the script before you share it.",
    )
    parser.add_argument("recording", help="the tape, recording or transcript, or the auditor's folder")
    parser.add_argument(
        "--session", type=count, default=1, metavar="N", help="the session of a tape or recording (1)"
    )
    parser.add_argument("--out", metavar="FILE", help="file for the script (standard output)")
    parser.add_argument("--answers", metavar="FILE", help="file for the model's part, as a scenario")
    options = parser.parse_args(words)
    from realtime_simulator._rehearsal.recorded import script_of

    try:
        script, answers = script_of(options.recording, options.session)
        for file, text in ((options.out, script), (options.answers, answers)):
            if file is not None:
                Path(file).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        print_error(program, reason_of(error))
        return 2
    if options.out is None:
        print_text(script.rstrip("\n"))
    return 0
