"""Run the Python code of a documentation page, top to bottom, as a reader would.

The convention:

- Every fenced block of `python` runs, in the page's own namespace, after those above it; `await` may stand at
  the top level.
- There already: `sim` (a running simulator, to which the environment points), `client` and `aclient` (clients
  of it), `offer` (an SDP offer; also in the file `offer.sdp`), `call_id` (a ringing telephone call), and the
  file `question.wav`.
- `<!-- run … -->` holds code that readers don't see: to set up what a block takes for granted, and to check
  what it says. `enter(manager)` and `await aenter(manager)` open what stays open until the page ends.
- A block of `text` right behind a block of `python` is what that prints; `…` stands for anything.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from tests.support.paths import ROOT, SAMPLES

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^ *```$|^<!-- run\n(?P<hidden>.*?)^-->$", re.M | re.S
)


@attrs.frozen
class Block:
    """One piece of a page.

    Args:
        language: `python`, `text`, `html`, …; hidden code is `python`.
        code: What stands in it.
        line: Where its first line stands in the page, from 1.
        follows: Whether nothing but blank lines stands between it and the block before.
    """

    language: str
    code: str
    line: int
    follows: bool = False


def blocks(page: str) -> Iterator[Block]:
    """Find a page's blocks, in order."""
    end = 0
    for found in _BLOCK.finditer(page):
        line = page.count("\n", 0, found.start()) + 2
        follows = not page[end : found.start()].strip()
        end = found.end()
        if found["hidden"] is not None:
            yield Block("python", found["hidden"], line, follows)
        else:
            yield Block(found["language"], textwrap.dedent(found["code"]), line, follows)


def run(
    page: str,
    name: str,
    folder: Path,
    prepare: Callable[[dict[str, Any]], None] = lambda namespace: None,
    **options: Any,
) -> int:
    """Run a page; what its code raises comes through, with the page's line numbers.

    Args:
        page: The page.
        name: Its name, for tracebacks.
        folder: The current folder, in which its files are put.
        prepare: May change the namespace before anything runs.
        **options: The simulator's arguments.

    Returns:
        How many blocks were run.

    Raises:
        AssertionError: It prints something else than it says.
    """
    samples = SAMPLES / "sdp"
    shutil.copyfile(samples / "offer-chromium-audio-datachannel.sdp", folder / "offer.sdp")
    shutil.copyfile(ROOT / "examples" / "question.wav", folder / "question.wav")
    with (
        Simulator(**{"keep_audio": True, **options}) as sim,
        contextlib.ExitStack() as stack,
        _environment(sim),
        asyncio.Runner() as runner,
    ):
        opened = contextlib.AsyncExitStack()
        namespace: dict[str, Any] = {
            "__name__": "docs",
            "sim": sim,
            "client": stack.enter_context(RealtimeClient()),
            "aclient": AsyncRealtimeClient(),
            "offer": (folder / "offer.sdp").read_bytes().decode(),
            "call_id": sim.incoming_call("http://127.0.0.1:9/", attempts=1).id,
            "enter": stack.enter_context,
            "aenter": opened.enter_async_context,
        }
        opened.push_async_callback(namespace["aclient"].aclose)
        prepare(namespace)
        try:
            return _run_blocks(page, name, namespace, runner)
        finally:
            runner.run(opened.aclose())


def _run_blocks(page: str, name: str, namespace: dict[str, Any], runner: asyncio.Runner) -> int:
    printed, count = "", 0
    for block in blocks(page):
        if block.language == "python":
            printed = _run_block(block, name, namespace, runner)
            count += 1
        elif block.language == "text" and block.follows:
            pattern = re.escape(block.code).replace("…", ".*?")
            assert re.fullmatch(pattern, printed, re.S), f"{name}:{block.line}: what is printed is\n{printed}"
    return count


def _run_block(block: Block, name: str, namespace: dict[str, Any], runner: asyncio.Runner) -> str:
    source = "\n" * (block.line - 1) + block.code
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            runner.run(result)
    return out.getvalue()


@contextlib.contextmanager
def _environment(sim: Simulator) -> Iterator[None]:
    values = {
        "OPENAI_BASE_URL": sim.base_url,
        "OPENAI_API_KEY": sim.api_key,
        "OPENAI_WEBHOOK_SECRET": sim.webhook_secret,
    }
    with mock.patch.dict("os.environ", values):
        yield
