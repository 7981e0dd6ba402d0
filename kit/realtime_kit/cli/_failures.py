"""Failures of commands: one line, a hint, and the exit status.

The statuses, for scripts: 0 success; 1 failure, or a check found something; 2 wrong usage,
or an extra is missing; 3 no answer; 4 there is no key, or the API refuses it; 130 interrupted.
"""

from __future__ import annotations

from .._core.extras import install
from .._core.shells import set_line

FAILED, WRONG_USE, NO_ANSWER, NO_KEY, INTERRUPTED = 1, 2, 3, 4, 130

# The modules that each extra brings, the one first by which it is known to be installed.
EXTRAS = {
    "audio": ("soxr",),
    "webrtc": ("aiortc",),
    "simulator": ("realtime_simulator",),
    "cli": ("rich", "typer", "matplotlib", "numpy"),
    "devices": ("sounddevice",),
    "fleet": ("procrastinate", "psycopg"),
    "web": ("starlette",),
}


_key_variable = "OPENAI_API_KEY"


def set_key_variable(name: str) -> None:
    """Set the environment variable of the key, which a profile may name."""
    global _key_variable
    _key_variable = name


def key_variable() -> str:
    """Return the environment variable of the key."""
    return _key_variable


class CommandError(Exception):
    """Raised by a command that can't go on.

    Args:
        message: What happened, in one line.
        hint: What to do; empty where that is plain.
        status: The exit status.
    """

    def __init__(self, message: str, hint: str = "", status: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def text(self) -> str:
        """Return the line, and the hint below it."""
        line = f"realtime: {' '.join(self.message.split())}"
        return f"{line}\n  hint: {self.hint}" if self.hint else line


def explain(error: BaseException) -> CommandError:
    """Explain an exception: message, hint and exit status, without secrets."""
    from realtime_ext.errors import mask

    message, hint, status = _explain(error)
    return CommandError(mask(message), hint, status)


def _explain(error: BaseException) -> tuple[str, str, int]:
    from realtime_ext.errors import (
        APIConnectionError,
        AuthenticationError,
        MissingApiKeyError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RealtimeError,
        SdpError,
        SessionConfigError,
    )

    text = str(error) or type(error).__name__
    match error:
        case KeyboardInterrupt():
            return "interrupted", "", INTERRUPTED
        case CommandError():
            return text, error.hint, error.status
        case ImportError():
            return _missing(error)
        case MissingApiKeyError():
            hint = f"{set_line(key_variable(), '…')}; `realtime doctor` checks the set-up"
            return "there is no API key", hint, NO_KEY
        case AuthenticationError() | PermissionDeniedError():
            return text, f"check {key_variable()}; `realtime doctor` checks the set-up", NO_KEY
        case APIConnectionError() if " through the proxy " in text:
            return text, "check the network and the proxy; `realtime doctor` checks both", NO_ANSWER
        case APIConnectionError():
            return text, "check the network and OPENAI_BASE_URL; `realtime doctor` checks both", NO_ANSWER
        case SessionConfigError() if len(error.problems) > 1:
            more = f"{len(error.problems) - 1} more: `realtime session check FILE` lists them all"
            return error.problems[0].message, more, FAILED
        case SdpError():
            message, _, hint = text.partition("; Send ")
            return message, f"send {hint}" if hint else "", FAILED
        case NotFoundError() if error.code == "call_id_not_found":
            return text, "ended calls and sessions no longer exist at the API", FAILED
        case RateLimitError():
            return text, "try again later, or check the account's limits", FAILED
        case OSError() if error.filename is not None and error.strerror:
            return f"{error.filename}: {error.strerror}", "", FAILED
        case RealtimeError() | OSError() | ValueError():
            return text, "", FAILED
    if hasattr(error, "format_message"):  # typer's own, whose classes differ from version to version
        context = getattr(error, "ctx", None)
        usage = context.command_path if context is not None else "realtime"
        return error.format_message(), f"{usage} --help", WRONG_USE
    if type(error).__name__ == "Abort":
        return "interrupted", "", INTERRUPTED
    return (
        f"{type(error).__name__}: {text}",
        "this is a bug in realtime-kit; REALTIME_DEBUG=1 shows where",
        FAILED,
    )


def _missing(error: ImportError) -> tuple[str, str, int]:
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return f"this needs {module}", install(extra), WRONG_USE
    if "pip install" in str(error):
        return str(error), "", WRONG_USE
    return f"{type(error).__name__}: {error}", "REALTIME_DEBUG=1 shows where", FAILED
