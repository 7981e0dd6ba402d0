"""`realtime doctor`: check the set-up, with a hint for each problem."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from .._core.extras import install
from .._core.shells import set_line
from ._failures import EXTRAS, FAILED, WRONG_USE, CommandError, explain, key_variable
from ._options import Json
from ._output import paint, print_json, working, write
from ._profiles import active, config_file, names, server

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
_PACKAGES = ("realtime-ext", "realtime-api-client", "realtime-simulator")


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
    from .. import webhooks

    webhooks.sign(b"")
    return "whsec_***"


def _base_url() -> str:
    from .._http.settings import DEFAULT_BASE_URL

    return os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL


def _proxy() -> Iterator[Finding]:
    from .._core.network import environment_proxy, is_loopback

    url = _base_url()
    if proxy := environment_proxy(url):
        yield Finding("proxy", "ok", f"{proxy}, for {url}; never for this machine's own servers")
    elif is_loopback(url):
        yield Finding("proxy", "ok", f"none: {url} is this machine")
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

    from .._core import models

    defaults = (models.MODEL, models.TRANSCRIPTION_MODEL, models.TRANSLATION_MODEL)
    named = {value: name for name, value in sorted(os.environ.items()) if value in MODEL_SHUTDOWNS}
    return {**dict.fromkeys(defaults, "default"), **named}


def _models() -> Iterator[Finding]:
    from realtime_api.shutdowns import MODEL_SHUTDOWNS

    from .._core.models import today

    used = {model: place for model, place in _used_models().items() if model in MODEL_SHUTDOWNS}
    for model, place in used.items():
        yield _end(place, model, *MODEL_SHUTDOWNS[model], today())
    if not used:
        yield Finding("models", "ok", "no environment variable names a model that will be shut down")


def _end(place: str, model: str, end: datetime.date, successor: str | None, today: datetime.date) -> Finding:
    verb, state = ("ends", "missing") if today < end else ("ended", "failed")
    return Finding(place, state, f"{model} {verb} on {end}", f"use {successor}" if successor else "")


def _announced_ends() -> Iterator[Finding]:
    """Ask the API for its models, whose `shutdown_date` is null until it is announced."""
    import httpx

    from .._core.json import decode
    from .._core.models import today
    from .._http.sending import make_httpx

    try:
        with make_httpx("Client", _base_url(), timeout=10) as client:
            answer = client.get(
                f"{_base_url().rstrip('/')}/models",
                headers={"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"},
            )
        listed = decode(answer.raise_for_status().content)["data"]
        ends = {one["id"]: one.get("shutdown_date") for one in listed}
        dates = {model: datetime.date.fromisoformat(end) for model, end in ends.items() if end}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError, AttributeError) as error:
        yield Finding("announced ends", "failed", f"{_base_url()}/models: {explain(error).message}")
        return
    used = {model: place for model, place in _used_models().items() if model in dates}
    for model, place in used.items():
        yield _end(place, model, dates[model], None, today())
    if not used:
        yield Finding(
            "announced ends", "ok", f"none of your models, {len(dates)} of {len(ends)} of the API's"
        )


def _reach() -> Iterator[Finding]:
    """Ask the API for a client secret; without a key, for anything at all."""
    url = _base_url()
    makes_secrets = os.environ.get("OPENAI_API_KEY") and not active().dialect
    asked = _make_secret if makes_secrets else lambda: _any_answer(url)
    yield _tried(url, asked)


def _make_secret() -> str:
    from ..client import RealtimeClient

    with RealtimeClient(**server(), timeout=10, max_retries=0) as client:
        client.client_secrets.create(expires_after=10)
    return "answers, and accepts the key"


def _any_answer(url: str) -> str:
    import httpx

    from .._core.network import certificate_hint, environment_proxy
    from .._http.sending import make_httpx
    from ..errors import APIConnectionError

    try:
        with make_httpx("Client", url, timeout=10) as client:
            client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        proxy = environment_proxy(url)
        way = "" if proxy is None else f" through the proxy {proxy}"
        reason = f"{str(error) or type(error).__name__}{certificate_hint(error)}"
        raise APIConnectionError(f"no connection{way}: {reason}") from error
    return "answers; no key was tried"


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
