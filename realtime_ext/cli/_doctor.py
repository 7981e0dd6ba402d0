"""`realtime doctor`: check the set-up, with a hint for each problem."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from ._failures import EXTRAS, FAILED, explain
from ._options import Json
from ._output import paint, print_json, working, write

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
_PACKAGES = ("realtime-ext", "realtime-api-client", "realtime-simulator")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What it is.
        state: `ok`; `missing`, which only some uses need; `failed`, which nothing works without.
        detail: What was found.
        hint: What to do; empty where nothing is to be done.
    """

    name: str
    state: str
    detail: str
    hint: str = ""


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing.")] = False, as_json: Json = False
) -> None:
    """Check the set-up, with a hint for each problem.

    That is versions, extras, key, reachability, audio devices and browser; the status is 1 if one fails.
    To see whether the API is there and accepts the key, it makes a client secret, which costs nothing.
    """
    findings: list[Finding] = []
    with working("Looking around"):
        for look in (
            _versions,
            _extras,
            _key,
            _webhook_secret,
            *(() if offline else (_reach,)),
            _devices,
            _browser,
        ):
            findings.extend(look())
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _show(finding)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(FAILED)


def _show(finding: Finding) -> None:
    marks = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "failed": ("✗", "red")}
    mark, style = marks[finding.state]
    write(paint(mark, style), f" {finding.name:<22} {finding.detail}")
    if finding.hint:
        write(f"  {'':<22} ", paint(finding.hint, "dim"))


def _versions() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version  # slow to load, and only needed here

    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            hint = "pip install 'realtime-ext[simulator]'" if package.endswith("simulator") else ""
            yield Finding(package, "missing", "not installed", hint)


def _extras() -> Iterator[Finding]:
    for extra, (module, *_) in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding(
                f"extra {extra}",
                "missing",
                f"{module} is not installed",
                f"pip install 'realtime-ext[{extra}]'",
            )
        else:
            yield Finding(f"extra {extra}", "ok", module)


def _key() -> Iterator[Finding]:
    key = os.environ.get("OPENAI_API_KEY")
    if key:
        yield Finding("OPENAI_API_KEY", "ok", f"{key[:3]}***, {len(key)} characters")
    else:
        hint = "export OPENAI_API_KEY=…; for a simulator, the key that `realtime simulator` prints"
        yield Finding("OPENAI_API_KEY", "failed", "not set", hint)


def _webhook_secret() -> Iterator[Finding]:
    if os.environ.get("OPENAI_WEBHOOK_SECRET"):
        yield _tried("OPENAI_WEBHOOK_SECRET", _sign)
    else:
        hint = "needed for phone calls alone: export OPENAI_WEBHOOK_SECRET=whsec_…"
        yield Finding("OPENAI_WEBHOOK_SECRET", "missing", "not set", hint)


def _sign() -> str:
    from .. import webhooks

    webhooks.sign(b"")
    return "whsec_***"


def _reach() -> Iterator[Finding]:
    """Ask the API for a client secret; without a key, for anything at all."""
    from .._http.settings import DEFAULT_BASE_URL

    url = os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    asked = _make_secret if os.environ.get("OPENAI_API_KEY") else lambda: _any_answer(url)
    yield _tried(url, asked)


def _make_secret() -> str:
    from ..client import RealtimeClient

    with RealtimeClient(timeout=10, max_retries=0) as client:
        client.client_secrets.create(expires_after=10)
    return "answers, and accepts the key"


def _any_answer(url: str) -> str:
    import httpx

    from ..errors import APIConnectionError

    try:
        httpx.get(url, timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise APIConnectionError(str(error) or type(error).__name__) from error
    return "answers; whether it accepts a key is not known without one"


def _devices() -> Iterator[Finding]:
    if find_spec("sounddevice") is not None:
        yield _tried("audio devices", _audio_devices, state="missing")


def _audio_devices() -> str:
    from ..integrations.devices import default_devices

    microphone, loudspeaker = default_devices()
    return f"microphone: {microphone or 'none'}; loudspeaker: {loudspeaker or 'none'}"


def _browser() -> Iterator[Finding]:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found:
        yield Finding("browser", "ok", found)
    else:
        yield Finding("browser", "missing", "none on PATH", "any browser can open the simulator's page")


def _tried(name: str, look: Callable[[], Any], state: str = "failed") -> Finding:
    try:
        return Finding(name, "ok", str(look()))
    except Exception as error:
        failure = explain(error)
        return Finding(name, state, failure.message, failure.hint.partition("; `realtime doctor`")[0])
