"""Run the command `realtime`: in this process, in one of its own, or on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import selectors
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import pytest
from realtime_kit.cli import main
from realtime_simulator import Simulator

from tests.support.waiting import PATIENCE

COMMAND = [sys.executable, "-m", "realtime_kit.cli"]
# A company's proxy, which has no way to this machine's own servers.
PROXIED = {**dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1"), "NO_PROXY": ""}


@attrs.frozen
class Done:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it printed as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(simulator: Simulator | None, **more: str) -> dict[str, str]:
    """The environment of a command that reaches a simulator, or no server, on a machine with a proxy."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "REALTIME_"))
    }
    inherited |= PROXIED
    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200", "TERM": "xterm"}
    if simulator is not None:
        own |= {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": simulator.api_key,
            "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
        }
    return inherited | own | more


def realtime(
    *arguments: str | Path,
    simulator: Simulator | None = None,
    stdin: bytes | str = b"",
    cwd: Path | None = None,
    **more: str,
) -> Done:
    """Run a command to its end, as a process."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(simulator, **more),
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        cwd=cwd,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def realtime_here(
    *arguments: str | Path,
    simulator: Simulator | None = None,
    stdin: bytes | str = b"",
    cwd: Path | None = None,
    **more: str,
) -> Done:
    """Run a command to its end in this process: most of what one of its own does is importing."""
    given = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment(simulator, **more), clear=True),
        mock.patch.object(sys, "argv", ["realtime", *map(str, arguments)]),
        mock.patch.object(sys, "path", sys.path[:]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(given, "utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(cwd or Path.cwd()),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert isinstance(ended.value.code, int)
    for text in (out, err):
        text.seek(0)
    return Done(ended.value.code, out.read(), err.read())


class Terminal:
    """A command on a terminal.

    Attributes:
        process: The command.
        shown: All that the terminal showed so far, with its escape sequences.
    """

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master
        self._seen = 0

    def type(self, text: str) -> None:
        """Type keys; `\\x03` is Ctrl-C, `\\x04` is Ctrl-D."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows a text, after what was waited for before."""
        while text not in self.shown[self._seen :]:
            assert self._read(), f"{text!r} did not come: {self.shown!r}"
        self._seen = self.shown.index(text, self._seen) + len(text)

    def wait(self) -> int:
        """Wait for the end; return the status."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        with selectors.DefaultSelector() as selector:  # unlike select, with any number of open files
            selector.register(self._master, selectors.EVENT_READ)
            ready = selector.select(PATIENCE)
        assert ready, f"nothing more came: {self.shown!r}"
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # on Linux, after the terminal's last process ended
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextlib.contextmanager
def terminal(
    *arguments: str | Path, simulator: Simulator | None = None, cwd: Path | None = None, **more: str
) -> Iterator[Terminal]:
    """Run a command on a terminal of its own, where Ctrl-C works."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=environment(simulator, **more),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def of(rows: list[Mapping[str, Any]], **fields: Any) -> Mapping[str, Any]:
    """Return the one row that has these fields."""
    found = [row for row in rows if all(row.get(name) == value for name, value in fields.items())]
    assert len(found) == 1, rows
    return found[0]
