"""A Python process that a test stops, for a minute by its own clocks."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_PRELUDE = """
import mmap, struct, sys, time
with open(sys.argv.pop(1), "rb") as file:
    ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
def further(clock):
    return lambda *args: clock(*args) + struct.unpack_from("d", ahead)[0]
for name in ("monotonic", "clock_gettime"):
    if hasattr(time, name):
        setattr(time, name, further(getattr(time, name)))
"""


class Process:
    """A program in a process that can be suspended; it is killed at the end of the block.

    A stop is as short as the test makes it, and the program's clocks go a minute ahead. So limits of usual
    length are exceeded by the stop, and by nothing else however slow the machine is.

    Args:
        code: The program. Its standard input and output are the test's, line by line.
        *arguments: Its arguments.

    Attributes:
        greeting: The first line that it printed.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        with tempfile.NamedTemporaryFile(suffix=".clock") as file:
            file.write(bytes(8))
            file.flush()
            self._ahead = mmap.mmap(file.fileno(), 8)
            command = [sys.executable, "-u", "-c", _PRELUDE + code, file.name, *arguments]
            # The program's own path, for a process has none of pytest's.
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            try:
                self.greeting: str = self.read()
            except BaseException:
                self._kill()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def read(self) -> str:
        """Return the next line that the program prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("the program has ended")
        return line.rstrip("\n")

    def write(self, line: str) -> None:
        """Write a line to the program."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    @contextlib.contextmanager
    def stopped(self, seconds: float = 60.0) -> Iterator[None]:
        """Stop the process while the block runs; for it, so many seconds have passed then."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        try:
            yield
            (before,) = struct.unpack_from("d", self._ahead)
            struct.pack_into("d", self._ahead, 0, before + seconds)
        finally:
            os.kill(self._process.pid, signal.SIGCONT)
