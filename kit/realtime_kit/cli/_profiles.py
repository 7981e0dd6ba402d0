"""Profiles: servers and models by name, as TOML tables in a file of the user's (`realtime --profile NAME`).

A profile names the environment variable of its key; a key in the file is refused, and the key of
OPENAI_API_KEY is never sent to a profile's server unless the profile names that variable.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from ._failures import WRONG_USE, CommandError, set_key_variable

_TEXTS = ("base_url", "key_env", "dialect", "auth_header", "model", "voice")
_SETTINGS = (*_TEXTS, "query")
_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_KEY = re.compile("key|secret|token|password", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)  # attrs loads slowly, and help needs this module
class Profile:
    """A profile.

    Args:
        name: Its name.
        base_url: Where the server is.
        key_env: The environment variable of the key.
        dialect: The server's dialect.
        auth_header: The header of the key.
        query: Query parameters of every request.
        model, voice: Settings of sessions.
    """

    name: str = ""
    base_url: str | None = None
    key_env: str | None = None
    dialect: str | None = None
    auth_header: str | None = None
    query: dict[str, str] | None = None
    model: str | None = None
    voice: str | None = None


_active = Profile()


def active() -> Profile:
    """Return the profile in use; without one, a profile without a name and settings."""
    return _active


def config_file() -> Path:
    """Return the file with the profiles: REALTIME_CONFIG, or realtime/config.toml in the user's settings."""
    if named := os.environ.get("REALTIME_CONFIG"):
        return Path(named)
    home = os.environ.get("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".config") / "realtime" / "config.toml"


def names() -> list[str]:
    """Return the names of all profiles; none where there is no file.

    Raises:
        CommandError: The file is invalid.
        OSError: It can't be read.
    """
    return sorted(_tables()) if config_file().exists() else []


def completed() -> list[str]:
    """Return the names of all profiles for a shell's completion."""
    try:
        return names()
    except (CommandError, OSError):
        return []


def use(name: str | None) -> None:
    """Use a profile in this process, through the environment and `server`.

    Args:
        name: Its name, from the command line; it has precedence over the environment. None for that of
            REALTIME_PROFILE, to whose server OPENAI_BASE_URL is preferred.

    Raises:
        CommandError: There is no such profile, or it is invalid.
        OSError: The file can't be read.
    """
    global _active
    _active = Profile()
    set_key_variable("OPENAI_API_KEY")
    if not (chosen := name or os.environ.get("REALTIME_PROFILE")):
        return
    profile = _read(chosen)
    if name is None and os.environ.get("OPENAI_BASE_URL"):
        profile = Profile(name=profile.name, model=profile.model, voice=profile.voice)
    if profile.base_url is not None:
        os.environ["OPENAI_BASE_URL"] = profile.base_url
    if profile.key_env is not None:
        key = os.environ.get(profile.key_env)
        os.environ.pop("OPENAI_API_KEY", None)
        if key:
            os.environ["OPENAI_API_KEY"] = key
        set_key_variable(profile.key_env)
    _active = profile


def server(dialect: str | None = None) -> dict[str, Any]:
    """Return the arguments of a client for the server of the environment and the profile.

    Args:
        dialect: The dialect that an option names.
    """
    given = {
        "dialect": dialect or _active.dialect,
        "auth_header": _active.auth_header,
        "default_query": _active.query,
    }
    return {name: value for name, value in given.items() if value is not None}


def _tables() -> dict[str, Any]:
    path = config_file()
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except ValueError as error:
        raise CommandError(f"{path}: invalid TOML: {error}", status=WRONG_USE) from error
    for name, settings in tables.items():
        if not isinstance(settings, dict):
            raise CommandError(
                f"{path}: {name} is outside of a profile", "begin with a line such as [azure]", WRONG_USE
            )
    return tables


def _read(name: str) -> Profile:
    from realtime_ext.client import Dialect

    path = config_file()
    if not path.exists():
        hint = "docs/reference/cli.md describes the file"
        raise CommandError(f"there is no profile {name!r}: {path} does not exist", hint, WRONG_USE)
    tables = _tables()
    if name not in tables:
        raise CommandError(f"{path} has no profile {name!r}", _near(name, sorted(tables)), WRONG_USE)
    settings = tables[name]
    where = f"{path}: profile {name}"
    for setting, value in settings.items():
        if setting not in _SETTINGS:
            hint = _near(setting, _SETTINGS)
            if _KEY.search(setting):
                hint = "keys must not be in this file; key_env names the environment variable of the key"
            raise CommandError(f"{where}: unknown setting {setting!r}", hint, WRONG_USE)
        values = list(value.values()) if setting == "query" and isinstance(value, dict) else [value]
        if (setting == "query") != isinstance(value, dict) or not all(
            isinstance(one, str) and one for one in values
        ):
            expected = "a table of text" if setting == "query" else "text"
            raise CommandError(f"{where}: {setting}: expected {expected}", status=WRONG_USE)
    if not _VARIABLE.fullmatch(settings.get("key_env", "KEY")):  # which may be a key: it is not shown
        message = f"{where}: key_env: expected an environment variable in capitals, such as AZURE_API_KEY"
        raise CommandError(message, status=WRONG_USE)
    if settings.get("dialect") not in (None, *get_args(Dialect)):
        expected = ", ".join(get_args(Dialect))
        message = f"{where}: dialect: expected one of {expected}, got {settings['dialect']!r}"
        raise CommandError(message, status=WRONG_USE)
    if "base_url" in settings and "key_env" not in settings:
        hint = 'key_env = "OPENAI_API_KEY" sends the key of OpenAI\'s API to this server'
        raise CommandError(f"{where}: base_url needs key_env, the variable of its key", hint, WRONG_USE)
    return Profile(name=name, **settings)


def _near(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, known, 1)
    return f"did you mean {found[0]!r}?" if found else f"known are {', '.join(known) or 'none'}"
