"""Control a simulator in another process."""

from __future__ import annotations

import argparse
import json
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from realtime_simulator.cli._output import print_error, print_text, reason_of
from realtime_simulator.cli._parsing import LOOPBACK, PORT, Parser, count, seconds, share

_CONTROL = "the simulator's base URL (OPENAI_BASE_URL, or this machine's port 8765)"
_REQUEST_SECONDS = 30.0


def arguments(program: str) -> argparse.ArgumentParser:
    """Return the parser of the actions on a running simulator."""
    parser = Parser(prog=program, description="Control a running simulator on this machine.")
    actions = parser.add_subparsers(dest="action", required=True)
    shared = Parser(add_help=False)
    shared.add_argument("--simulator", metavar="URL", help=_CONTROL)
    shared.add_argument("--api-key", help="the key that it printed (OPENAI_API_KEY)")
    shared.add_argument("--json", action="store_true", help="print one JSON object")

    def action(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        description = f"{text[:1].upper()}{text[1:]}."
        return actions.add_parser(name, parents=[shared], help=text, description=description, **options)

    incoming = action("incoming", "start a SIP call and announce it")
    add = incoming.add_argument
    add("--to", required=True, metavar="URL", help="URL of the webhook; the exit status is 1 without a 200")
    add("--header", action="append", default=[], metavar="'Name: value'", help="SIP header of the INVITE")
    add("--audio", metavar="FILE", help="what the caller says, a WAV file")
    add(
        "--event",
        action="append",
        metavar="TYPE",
        help="realtime.call.incoming (default), live.transport.incoming or live.call.incoming",
    )
    add("--duplicates", type=count, metavar="N", help="how often the webhook is delivered again")
    add(
        "--delay",
        type=seconds,
        metavar="SECONDS",
        help="delay of the webhook; its response is then not awaited",
    )
    add("--project", metavar="NAME", help="the project to call, from --key")
    add("--ring-seconds", type=seconds, metavar="SECONDS", help="until the caller hangs up")

    press = action("press", "press keys on a caller's telephone")
    press.add_argument("call_id")
    press.add_argument("keys", help="0 to 9, *, #, A to D")

    hang_up = action("hang-up", "hang up on behalf of the caller or WebRTC peer")
    hang_up.add_argument("call_id")

    fault = action(
        "fault",
        "request a fault",
        epilog=_known_faults(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fault.add_argument(
        "fault", metavar="NAME[; setting=value…]", help="the fault, or 'none' to remove all faults"
    )
    fault.add_argument(
        "--on", metavar="OPERATION", help="calls.create, connect, …, or an id of a call or Live session"
    )
    fault.add_argument("--rate", type=share, help="share of requests, 0 to 1")
    fault.add_argument("--times", type=count, help="how often it happens at most (no limit)")

    scenario = action("scenario", "add the rules of a YAML file")
    scenario.add_argument("file")
    return parser


def run(words: list[str], program: str) -> int:
    """Send an action to the control endpoint of a simulator."""
    import httpx

    from realtime_simulator._simulator.endpoint import PREFIX

    parser = arguments(program)
    options = parser.parse_args(words)
    command = f"{program} {options.action}"
    try:
        origin = _origin(options.simulator or os.environ.get("OPENAI_BASE_URL"))
        method, path, request = _request(options)
    except (ValueError, OSError) as error:
        print_error(command, reason_of(error))
        return 2
    key = options.api_key or os.environ.get("OPENAI_API_KEY")
    if not key:
        print_error(command, "the simulator's key is missing", "pass --api-key, or set OPENAI_API_KEY")
        return 4
    try:
        trusted = ssl.create_default_context()  # SSL_CERT_FILE names the certificate of one that speaks TLS
        with httpx.Client(trust_env=False, timeout=_REQUEST_SECONDS, verify=trusted) as client:
            response = client.request(
                method, origin + PREFIX + path, headers={"authorization": f"Bearer {key}"}, **request
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "start one, and pass its base URL as --simulator, or set OPENAI_BASE_URL"
        print_error(command, f"no simulator answers: {error}", hint)
        return 3
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if response.status_code != 200:
        message = answer.get("error", {}).get("message") if isinstance(answer, dict) else None
        print_error(command, message or f"this is not a simulator: it answers {response.status_code}")
        return 4 if response.status_code == 401 else 1
    print_text(json.dumps(answer) if options.json else _summary(options, answer))
    return _delivered(answer, command) if options.action == "incoming" else 0


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


def _delivered(call: dict[str, Any], command: str) -> int:
    """Report webhooks of a call that were not acknowledged; return the exit status."""
    status = 0
    for one in call["deliveries"]:
        if one["status"] != 200:
            got = f"was answered with {one['status']}" if one["status"] else f"got no answer: {one['error']}"
            hint = "--to is the URL of the app's webhook route; the webhook is delivered again"
            print_error(command, f"the webhook {one['type']} {got}", hint)
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
                "project": options.project,
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
            limits = {"on": options.on, "rate": options.rate, "times": options.times}
            chosen = {key: value for key, value in limits.items() if value is not None}
            return "POST", "faults", {"json": {"name": name, **settings, **chosen}}
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


def _summary(options: argparse.Namespace, answer: dict[str, Any]) -> str:
    if options.action == "incoming":
        is_live = any(event.startswith("live.") for event in options.event or ())
        known = f"{answer['id']}, {answer['live_session_id']}" if is_live else answer["id"]
        return f"call {known}: {answer['state']}"
    if options.action == "fault" and answer:
        return " ".join(f"{name}={value}" for name, value in answer.items() if value is not None)
    return "done"
