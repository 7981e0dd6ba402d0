"""Check any server."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from realtime_simulator._core.profile import PROFILES
from realtime_simulator.cli._output import print_error, print_text, reason_of
from realtime_simulator.cli._parsing import API, CONFORMANCE, Parser, seconds

if TYPE_CHECKING:
    from realtime_simulator._suite.check import Check
    from realtime_simulator._suite.runner import Plan


def arguments(program: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program} {CONFORMANCE}",
        description="Check whether a server implements the API like the service. The exit status is 1 if a "
        "check fails, 2 for wrong usage, 3 if no API answers, 4 if the key is missing.",
    )
    add = parser.add_argument
    add("--base-url", metavar="URL", help=f"the server (OPENAI_BASE_URL, or {API})")
    add("--api-key", help="its key (OPENAI_API_KEY)")
    add("--profile", default="openai", choices=PROFILES, help="the service that it follows (openai)")
    add(
        "--model",
        default="gpt-realtime-2.1",
        metavar="NAME",
        help="model of conversations (gpt-realtime-2.1)",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="a number such as E01, an area, or several, with commas",
    )
    add(
        "--report",
        action="append",
        default=[],
        metavar="FORM",
        help="print json, junit or html instead of the table; or a file to write, "
        "ending in .json, .xml (JUnit), .html or .svg (a badge)",
    )
    add("--budget", type=seconds, metavar="USD", help="skip responses that would exceed this total")
    add("--speech", metavar="FILE", help="audio file with the user's speech (a synthetic voice)")
    add(
        "--ring",
        metavar="COMMAND",
        help="makes the server ring; {url} in it is replaced by the webhook's URL (no telephone checks)",
    )
    add("--timeout", type=seconds, default=60.0, metavar="SECONDS", help="for each check (60)")
    add("--dry-run", action="store_true", help="list the checks and their estimated cost")
    add("--all", action="store_true", help="also print passed and skipped checks")
    return parser


def run(words: list[str], program: str) -> int:
    """Check a server, and print what differs."""
    parser = arguments(program)
    options = parser.parse_args(words)
    command = f"{program} {CONFORMANCE}"
    from realtime_simulator._media.files import read_sound
    from realtime_simulator._suite import catalog, reports, runner
    from realtime_simulator._suite.target import Target

    url = options.base_url or os.environ.get("OPENAI_BASE_URL") or API
    key = options.api_key or os.environ.get("OPENAI_API_KEY") or ""
    if wrong := _wrong_url(url):
        parser.error(f"--base-url: {wrong}")
    if not (key.isascii() and key.isprintable()):
        parser.error("--api-key: a key consists of printable ASCII characters")
    if options.ring is not None and (wrong := _wrong_command(options.ring)):
        parser.error(f"--ring: {wrong}")
    if not options.timeout:
        parser.error("--timeout: more than 0 s is needed")
    printed = [form for form in options.report if form in reports.FORMS]
    files = [file for file in options.report if file not in reports.FORMS]
    for file in files:
        if Path(file).suffix not in reports.REPORTS:
            parser.error(
                f"--report: {file!r} is none of {', '.join(reports.FORMS)}, and no file ending in one of "
                f"{', '.join(reports.REPORTS)}"
            )
        if reason := _unwritable(Path(file)):  # found before the run, which costs money and time
            print_error(command, f"--report: {file}: {reason}")
            return 2
    if len(printed) > 1:
        parser.error(f"--report: only one can be printed, got {' and '.join(printed)}; name files for more")
    try:
        chosen = catalog.chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    plan = runner.plan(chosen, options.profile, options.budget, rings=options.ring is not None)
    if options.dry_run:
        _dry_run(chosen, plan)
        return 0
    if not key:
        print_error(command, "the server's key is missing", "pass --api-key, or set OPENAI_API_KEY")
        return 4
    try:
        said = read_sound(Path(options.speech)) if options.speech else None
    except (OSError, ValueError) as error:
        print_error(command, reason_of(error))
        return 2
    target = Target(url, key, options.model, options.budget, speech=said, ring=options.ring)
    try:
        results = runner.run(target, chosen, plan, seconds=options.timeout)
    except ConnectionError as error:
        print_error(command, target.masked(str(error)), "--base-url is the address up to and with /v1")
        return 3
    if not printed:
        print_text(reports.table(results, every=options.all))
        print_text(f"estimated cost: {target.spent:.4f} USD")
    failed = runner.counts(results)[runner.FAILED]
    if hint := runner.hint(results):
        print_error(command, hint)
    facts = {"base_url": target.masked(url), "profile": options.profile, "model": options.model}
    for form in printed:
        print_text(reports.REPORTS[reports.FORMS[form]](results, facts).rstrip("\n"))
    for file in files:
        try:
            content = reports.REPORTS[Path(file).suffix](results, facts)
            Path(file).write_text(content, encoding="utf-8", errors="replace")
        except OSError as error:
            print_error(command, reason_of(error))
            return 2
    return int(bool(failed))


def _wrong_url(url: str) -> str:
    """Return why a URL is not the address of an API; empty if it may be one."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return f"{url!r} is not a URL: {error}"
    if not is_address:
        return f"{url!r} is not an http or https URL"
    if parts.query or parts.fragment or parts.username is not None:
        return "the URL has a user, a query or a fragment; the key is passed as --api-key"
    return ""


def _wrong_command(command: str) -> str:
    """Return why a command cannot make a server ring; empty if it may."""
    if "{url}" not in command:
        return "the command has no {url}, which is replaced by where the webhook goes"
    try:
        program = shlex.split(command)[0]
    except ValueError as error:
        return f"{command!r} cannot be split into words: {error}"
    return "" if shutil.which(program) else f"there is no program {program!r}"


def _unwritable(file: Path) -> str:
    """Return why a file cannot be written; empty if it can."""
    if file.is_dir():
        return "Is a directory"
    if not file.parent.is_dir():
        return "No such folder"
    return "" if os.access(file if file.exists() else file.parent, os.W_OK) else "Permission denied"


def _dry_run(chosen: Sequence[Check], plan: Plan) -> None:
    """Print checks, and what they would cost."""
    for one in chosen:
        reason = plan.skipped.get(one.id)
        note = f" (skipped: {reason})" if reason else f" (uses: {', '.join(one.uses)})" if one.uses else ""
        print_text(f"{one.id}  {one.title}{note}", keep="")
    prices = plan.prices
    shown = ", ".join(f"{name} {price:g}" for name, price in prices.items()) or "no responses"
    print_text(f"{len(chosen)} checks, at most about {sum(prices.values()):g} USD ({shown})")
