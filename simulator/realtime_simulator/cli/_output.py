"""Output of the commands, escaped so that no terminal interprets it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence

_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET")
# Control characters, marks and separators that reorder or break lines, and half characters.
_ACTIVE = re.compile(
    "[\x00-\x08\n\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def reason_of(error: Exception) -> str:
    """Return an error's message; for a file, its name and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def inert(text: str, keep: str = "\n") -> str:
    """Return text that no terminal interprets: active characters as JSON writes them, such as ``\\u001b``."""
    return _ACTIVE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def print_text(text: str, *, keep: str = "\n", error: bool = False) -> None:
    """Print text; all output of the command but its log is printed here."""
    print(inert(text, keep), file=sys.stderr if error else sys.stdout, flush=True)


def print_error(program: str, message: str, hint: str = "") -> None:
    print_text(f"{program}: {message}" + (f"\n  hint: {hint}" if hint else ""), error=True)


def print_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_text(json.dumps(facts))
        return
    for name, value in facts.items():
        print_text(f"{name:14} {value}", keep="")


def print_export(*values: str) -> None:
    """Print the line for a shell that sets base URL, key and, if there is one, webhook secret."""
    print_text(f"\nPaste into the terminals of your programs:\n{set_line(values)}\n")


def set_line(values: Sequence[str], system: str = os.name) -> str:
    """Return the line that sets the variables: for PowerShell on Windows, else for POSIX shells."""
    pairs = list(zip(_VARIABLES, values, strict=False))
    if system == "nt":
        quoted = [(name, value.replace("'", "''")) for name, value in pairs]
        return "; ".join(f"$env:{name} = '{value}'" for name, value in quoted)
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in pairs)
