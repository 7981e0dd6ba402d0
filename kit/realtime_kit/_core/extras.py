"""How an extra is installed, for messages about one that is missing."""

from __future__ import annotations

# extra → the package that has it, and the folders of a checkout that are installed for it.
_ELSEWHERE = {
    "audio": ("realtime-ext[audio]", "./generated .[audio]"),
    "webrtc": ("realtime-ext[webrtc]", "./generated .[webrtc]"),
    "simulator": ("realtime-simulator", "./generated ./simulator"),
}


def install(extra: str) -> str:
    """Return the command; the packages are not on a package index before their first release."""
    package, folders = _ELSEWHERE.get(extra, (f"realtime-kit[{extra}]", f"./generated . ./kit[{extra}]"))
    words = " ".join(f"'{folder}'" if "[" in folder else folder for folder in folders.split())
    name = f"'{package}'" if "[" in package else package
    return f"pip install {name}, or before its release, in a checkout: pip install {words}"
