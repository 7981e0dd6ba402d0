"""The parsers of the commands: names, wrong words, and numbers."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from realtime_simulator.cli._output import inert, print_text

PROGRAM = "realtime-simulator"
LOOPBACK = "127.0.0.1"
API = "https://api.openai.com/v1"
PORT = 8765
ACTIONS = ("incoming", "press", "hang-up", "fault", "scenario")
RECORD = "record"
CONFORM = "conform"
CONFORMANCE = "conformance"
REHEARSE = "rehearse"
STEP = "step"
_WRONG_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (\S+)")


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments without printing the usage, with what was probably meant."""

    words: Sequence[str] = ()
    """The words that may follow the program's name."""

    def error(self, message: str) -> NoReturn:
        near = self._near(message)
        meant = f"; did you mean {near}?" if near else ""
        self.exit(2, inert(f"{self.prog}: {message}{meant}\n  hint: {self.prog} --help\n"))

    def _near(self, message: str) -> str | None:
        """Return what was probably meant by the wrong word of a message."""
        if found := _WRONG_CHOICE.search(message):
            given, known = found[1], re.findall(r"[\w.-]+", found[2])
        elif found := _UNRECOGNIZED.search(message):
            given, known = found[1].partition("=")[0], [*self._option_string_actions, *self.words]
        else:
            return None
        return next(iter(difflib.get_close_matches(given[:200], known, 1)), None)


class Version(argparse.Action):
    """Prints the version, whose module is loaded only for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from realtime_simulator._core.version import __version__

        print_text(f"{PROGRAM} {__version__}")
        parser.exit()


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, got {text}")
    return int(text)


def count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"a whole number of at least 0 is needed, got {text}")
    return int(text)


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 is needed, got {text}")
    return value


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of at least 0 is needed, got {text}")
    return value
