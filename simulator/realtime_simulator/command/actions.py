"""What is done to a simulator in another process, through its control endpoint."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from realtime_simulator.command.arguments import PORT, action_arguments, parse_headers
from realtime_simulator.control.endpoint import PREFIX
from realtime_simulator.faults.catalog import parse
from realtime_simulator.settings import LOOPBACK

_SECONDS = 30.0


def act(argv: list[str]) -> int:
    """Do what a command line says.

    Args:
        argv: The words after `simulator`.

    Returns:
        The exit status: 1 if the simulator refuses or isn't there, 2 if the words are wrong.
    """
    options = action_arguments().parse_args(argv)
    try:
        method, path, request = _request(options)
    except (ValueError, OSError) as error:
        print(f"realtime simulator {options.action}: {error}", file=sys.stderr)
        return 2
    key = options.api_key or os.environ.get("OPENAI_API_KEY")
    if not key:
        print("the simulator's key is needed: --api-key or OPENAI_API_KEY", file=sys.stderr)
        return 2
    try:
        origin = _origin(options.simulator or os.environ.get("OPENAI_BASE_URL"))
        with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
            response = client.request(
                method, origin + PREFIX + path, headers={"authorization": f"Bearer {key}"}, **request
            )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        print(f"no simulator answers: {error}", file=sys.stderr)
        return 1
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if response.status_code != 200:
        message = answer.get("error", {}).get("message") if isinstance(answer, dict) else None
        print(message or f"this is no simulator: it answers {response.status_code}", file=sys.stderr)
        return 1
    print(json.dumps(answer) if options.json else _said(options.action, answer))
    return 0


def _request(options: argparse.Namespace) -> tuple[str, str, dict[str, Any]]:
    match options.action:
        case "incoming":
            asked = {
                "to": options.to,
                "headers": parse_headers(options.header),
                "audio": options.audio and str(Path(options.audio).absolute()),
                "events": options.event,
                "duplicates": options.duplicates,
                "delay": options.delay,
                "ring_seconds": options.ring_seconds,
            }
            told = {name: value for name, value in asked.items() if value not in (None, [])}
            return "POST", "incoming", {"json": told}
        case "hang-up":
            return "POST", f"calls/{options.call_id}/hang_up", {}
        case "fault" if options.fault == "none":
            return "POST", "faults/clear", {}
        case "fault":
            name, settings = parse(options.fault)
            settings |= {"on": options.on, "rate": options.rate, "times": options.times}
            told = {key: value for key, value in settings.items() if value is not None}
            return "POST", "faults", {"json": {"name": name, **told}}
        case _:
            path = Path(options.file)
            return "POST", "scenario", {"content": path.read_bytes(), "params": {"name": path.name}}


def _origin(url: str | None) -> str:
    """The address without its path; the control endpoint is beside `/v1`."""
    parts = urlsplit(url or f"http://{LOOPBACK}:{PORT}")
    if not parts.scheme or not parts.netloc:
        raise ValueError(f"--simulator: {url!r} is no URL")
    return f"{parts.scheme}://{parts.netloc}"


def _said(action: str, answer: dict[str, Any]) -> str:
    if action == "incoming":
        return f"call {answer['id']}: {answer['state']}"
    if action == "fault" and answer:
        return " ".join(f"{name}={value}" for name, value in answer.items() if value is not None)
    return "done"
