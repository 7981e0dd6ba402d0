"""Find the code blocks of documentation pages, and run each as a reader would: pasted, in an empty folder.

The convention:

- A block of `python` is a whole program. One that has `def test_` is a file of tests, for pytest.
- One that imports `openai` is the official package's, and runs in its environment, build/peers.
- A block of `text` right behind it is what it prints; `…` stands for anything.
- A block of `sh` is run where all its commands are this project's; `…` in it stands for what only the reader
  has. The last command may serve until it is stopped.
- A block without a language, or of another one, is not run: a diff, a configuration, a page.

The environment points to a simulator, as `realtime simulator` asks its readers to set it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from tests.support.paths import PEER_PYTHON, ROOT
from tests.support.waiting import PATIENCE

PAGES = [ROOT / "README.md", ROOT / "simulator" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$", re.M | re.S)
_COMMANDS = {"realtime", "realtime-simulator", "echo", "cat", "export"}
_SERVING = re.compile(
    r"realtime (simulator|listen|tail)\b"
    r"|realtime-simulator(?! (conform|conformance|fault|incoming|press|scenario)\b)"
)


@attrs.frozen
class Block:
    """One piece of a page.

    Args:
        page: The page, relative to the repository.
        language: `python`, `text`, `html`, …; empty if it has none.
        code: Its content.
        line: Where its first line stands in the page, from 1.
        printed: The block of `text` right behind it; None if there is none.
    """

    page: str
    language: str
    code: str
    line: int
    printed: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_test(self) -> bool:
        """Whether pytest runs it."""
        return self.language == "python" and "def test_" in self.code

    @property
    def is_for_peer(self) -> bool:
        """Whether the official package runs it."""
        return re.search(r"^(from|import) openai\b", self.code, re.M) is not None

    @property
    def commands(self) -> list[str]:
        """Return the command lines of a block of `sh` that can be run; none if one of them can't be."""
        if self.language != "sh" or "…" in self.code:
            return []
        lines = self.code.replace("\\\n", " ").splitlines()
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        words = [shlex.split(part)[0] for line in lines for part in re.split(r"\|\||&&|\|", line)]
        return lines if set(words) <= _COMMANDS and any(word.startswith("realtime") for word in words) else []


def blocks(path: Path) -> Iterator[Block]:
    """Find a page's blocks, in order."""
    text = path.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    for index, block in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else None
        follows = after and after["language"] == "text" and not text[block.end() : after.start()].strip()
        yield Block(
            page=path.relative_to(ROOT).as_posix(),
            language=block["language"],
            code=textwrap.dedent(block["code"]),
            line=text.count("\n", 0, block.start()) + 2,
            printed=textwrap.dedent(after["code"]) if after and follows else None,
        )


def every_block() -> list[Block]:
    """Find the blocks of all pages, the README first."""
    return [block for path in PAGES for block in blocks(path)]


def paste(block: Block, folder: Path, service: Mapping[str, str]) -> None:
    """Run a block of `python` in an empty folder, which is the current one; what it raises comes through.

    Programs run in this process, each in a namespace of its own: a process for each would last longer than
    all of them. Programs of the official package have processes.

    Raises:
        AssertionError: It prints something else than the page says.
    """
    program = folder / "program.py"
    program.write_text("\n" * (block.line - 1) + block.code, encoding="utf-8")
    if block.is_for_peer:
        printed = _process([str(PEER_PYTHON), program.name], folder, service)
    else:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            runpy.run_path(str(program), run_name="__main__")
        printed = out.getvalue()
    if block.printed is not None:
        pattern = re.escape(block.printed).replace("…", ".*?")
        assert re.fullmatch(pattern, printed, re.S), f"{block}: what is printed is\n{printed}"


def paste_tests(tests: list[Block], folder: Path) -> None:
    """Run the blocks that have tests, each in a file and folder of its own, with pytest.

    Raises:
        AssertionError: A test fails, or a block has none.
    """
    for number, block in enumerate(tests):
        file = folder / f"block_{number}" / f"test_pasted_{number}.py"
        file.parent.mkdir()
        file.write_text("\n" * (block.line - 1) + block.code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--import-mode=importlib"]
    printed = _process(command, folder, {})
    for number, block in enumerate(tests):
        assert re.search(rf"test_pasted_{number}\.py::.* PASSED", printed), f"{block}:\n{printed}"


def _process(command: list[str], folder: Path, service: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(service),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_commands(block: Block, folder: Path, service: Mapping[str, str]) -> None:
    """Run a block of `sh`; a command that serves is stopped once it has printed something.

    Raises:
        AssertionError: A command fails.
    """
    *first, last = block.commands
    serving = bool(_SERVING.match(last))
    script = "set -e\n" + "\n".join([*first, f"exec {last}" if serving else last])
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(service),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that all of it can be stopped
    )
    assert process.stdout is not None
    with process:
        try:
            if serving:
                assert process.stdout.readline(), f"{block}: it printed nothing and ended"
            else:
                out, _ = process.communicate(timeout=PATIENCE)
                assert process.returncode == 0, f"{block}:\n{out}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.communicate(timeout=PATIENCE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise


def environment(service: Mapping[str, str]) -> dict[str, str]:
    """The environment of a reader's processes, in which these packages are installed."""
    scripts = Path(sys.executable).parent
    return {
        **os.environ,
        **service,
        "PATH": os.pathsep.join([str(scripts), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("", "generated", "simulator")),
    }
