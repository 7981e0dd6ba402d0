"""`realtime doctor`: check the set-up, with a hint for each problem."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from realtime_ext import models

from .._core.extras import install
from .._core.shells import set_line
from ._failures import EXTRAS, FAILED, WRONG_USE, CommandError, explain, key_variable
from ._options import Json
from ._output import paint, print_json, working, write
from ._profiles import active, config_file, names, server

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
_PACKAGES = ("realtime-kit", "realtime-ext", "realtime-api-client", "realtime-simulator")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: The check's name.
        state: `ok`; `missing`, which only some uses need; `failed`, which nothing works without.
        detail: The finding.
        hint: What to do; empty where nothing is to be done.
    """

    name: str
    state: str
    detail: str
    hint: str = ""


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing.")] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Also ask the API for announced model shutdowns.", show_default=False),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the set-up, with a hint for each problem.

    It checks versions, extras, key, proxy, certificates, models, reachability, audio devices and browser; the
    exit status is 1 if a check fails. To test whether the API is reachable and accepts the key, it creates a
    client secret, which costs nothing.
    """
    if offline and live:
        raise CommandError("--offline and --live exclude each other", status=WRONG_USE)
    findings: list[Finding] = []
    with working("Looking around"):
        for look in (
            _versions,
            _extras,
            _profile,
            _key,
            _webhook_secret,
            _proxy,
            _certificates,
            _models,
            *(() if offline else (_reach,)),
            *((_announced_ends,) if live else ()),
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
            hint = install("simulator") if package.endswith("simulator") else ""
            yield Finding(package, "missing", "not installed", hint)


def _extras() -> Iterator[Finding]:
    for extra, (module, *_) in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding(
                f"extra {extra}",
                "missing",
                f"{module} is not installed",
                install(extra),
            )
        else:
            yield Finding(f"extra {extra}", "ok", module)


def _key() -> Iterator[Finding]:
    key, name = os.environ.get("OPENAI_API_KEY"), key_variable()
    if key:
        yield Finding(name, "ok", f"{key[:3]}***, {len(key)} characters")
    else:
        hint = f"{set_line(name, '…')}; for a simulator, the key that `realtime simulator` prints"
        yield Finding(name, "failed", "not set", hint)


def _profile() -> Iterator[Finding]:
    profile, path = active(), config_file()
    if profile.name:
        shown = dataclasses.asdict(profile).items()
        settings = [f"{name} {value}" for name, value in shown if value is not None and name != "name"]
        yield Finding("profile", "ok", f"{profile.name} of {path}: {', '.join(settings) or 'no settings'}")
    elif path.exists():
        yield _tried("profile", lambda: f"none; {path} has {', '.join(names()) or 'none'}")
    else:
        yield Finding("profile", "ok", f"none; {path} does not exist")


def _webhook_secret() -> Iterator[Finding]:
    if os.environ.get("OPENAI_WEBHOOK_SECRET"):
        yield _tried("OPENAI_WEBHOOK_SECRET", _sign)
    else:
        hint = f"needed for phone calls alone: {set_line('OPENAI_WEBHOOK_SECRET', 'whsec_…')}"
        yield Finding("OPENAI_WEBHOOK_SECRET", "missing", "not set", hint)


def _sign() -> str:
    from realtime_ext import webhooks

    webhooks.sign(b"")
    return "whsec_***"


def _base_url() -> str:
    return os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"


def _proxy() -> Iterator[Finding]:
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    url = _base_url()
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if parts.hostname in ("127.0.0.1", "::1", "localhost"):
        yield Finding("proxy", "ok", f"none: {url} is this machine")
    elif proxy and not proxy_bypass(parts.netloc):
        shown = proxy.rpartition("@")[2].removeprefix("http://")
        yield Finding("proxy", "ok", f"{shown}, for {url}; never for this machine's own servers")
    else:
        yield Finding("proxy", "ok", "none in HTTPS_PROXY, ALL_PROXY or the system's settings")


def _certificates() -> Iterator[Finding]:
    """Load the certificate authorities as httpx does: from the environment's variables, else certifi's."""
    import ssl

    variable = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)
    if variable is None:
        yield Finding("certificates", "ok", "from certifi; SSL_CERT_FILE and SSL_CERT_DIR are not set")
        return
    path = os.environ[variable]
    is_file = variable == "SSL_CERT_FILE"
    try:
        context = ssl.create_default_context(
            cafile=path if is_file else None, capath=None if is_file else path
        )
    except (OSError, ValueError) as error:
        hint = "a file in PEM format with the authorities that sign your proxy's certificates"
        yield Finding("certificates", "failed", f"{variable}={path}: {explain(error).message}", hint)
        return
    count = f"{len(context.get_ca_certs())} authorities" if is_file else "a folder"
    yield Finding("certificates", "ok", f"{variable}={path}: {count}")


def _used_models() -> dict[str, str]:
    """Return model → where it is named: an environment variable, or this package's defaults."""
    from realtime_api.shutdowns import MODEL_SHUTDOWNS

    defaults = (models.MODEL, models.TRANSCRIPTION_MODEL, models.TRANSLATION_MODEL)
    named = {value: name for name, value in sorted(os.environ.items()) if value in MODEL_SHUTDOWNS}
    return {**dict.fromkeys(defaults, "default"), **named}


def _models() -> Iterator[Finding]:
    from realtime_api.shutdowns import MODEL_SHUTDOWNS

    used = {model: place for model, place in _used_models().items() if model in MODEL_SHUTDOWNS}
    for model, place in used.items():
        yield _end(place, model, *MODEL_SHUTDOWNS[model])
    if not used:
        yield Finding("models", "ok", "no environment variable names a model that will be shut down")


def _end(place: str, model: str, end: datetime.date, successor: str | None) -> Finding:
    verb, state = ("ends", "missing") if models.today() < end else ("ended", "failed")
    return Finding(place, state, f"{model} {verb} on {end}", f"use {successor}" if successor else "")


def _announced_ends() -> Iterator[Finding]:
    """Ask the API for its models, whose `shutdown_date` is null until it is announced."""
    import httpx

    from realtime_ext.client import RealtimeClient
    from realtime_ext.errors import RealtimeError

    answers = (ValueError, TypeError, KeyError, AttributeError)  # others than the API's
    try:
        with RealtimeClient(**server(), timeout=10) as client:
            answer = client.raw.get_httpx_client().get("/models")
        listed = answer.raise_for_status().json()["data"]
        ends = {one["id"]: one.get("shutdown_date") for one in listed}
        dates = {model: datetime.date.fromisoformat(end) for model, end in ends.items() if end}
    except (RealtimeError, httpx.HTTPError, httpx.InvalidURL, *answers) as error:
        yield Finding("announced ends", "failed", f"{_base_url()}/models: {explain(error).message}")
        return
    used = {model: place for model, place in _used_models().items() if model in dates}
    for model, place in used.items():
        yield _end(place, model, dates[model], None)
    if not used:
        yield Finding(
            "announced ends", "ok", f"none of your models, {len(dates)} of {len(ends)} of the API's"
        )


def _reach() -> Iterator[Finding]:
    """Ask the API for a client secret; without a key, for anything at all."""
    makes_secrets = os.environ.get("OPENAI_API_KEY") and not active().dialect
    yield _tried(_base_url(), _make_secret if makes_secrets else _any_answer)


def _make_secret() -> str:
    from realtime_ext.client import RealtimeClient

    with RealtimeClient(**server(), timeout=10, max_retries=0) as client:
        client.client_secrets.create(expires_after=10)
    return "answers, and accepts the key"


def _any_answer() -> str:
    from realtime_ext.client import RealtimeClient
    from realtime_ext.errors import APIResponseError, APIStatusError

    with (
        RealtimeClient(**server() | {"api_key": "none"}, timeout=10, max_retries=0) as client,
        contextlib.suppress(APIStatusError, APIResponseError),
    ):
        client.calls.hangup("none")
    return "answers; no key was tried"


def _devices() -> Iterator[Finding]:
    if find_spec("sounddevice") is not None:
        yield _tried("audio devices", _audio_devices, state="missing")


def _audio_devices() -> str:
    from ..devices import default_devices

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
