"""Count the calls of realtime_ext's functions, by module, in three pieces of work; see `benchmarks/depth.py`.

Reads `{"offer": …, "session": …}` and prints `{work: {module: calls}}`, both as JSON. `--list` prints the
modules one a line instead.
"""

from __future__ import annotations

import asyncio
import collections
import importlib.util
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

spec = importlib.util.find_spec("realtime_ext")
assert spec is not None and spec.origin is not None
PACKAGE = f"{Path(spec.origin).parent}/"
GENERATED = frozenset(
    str(path)
    for path in Path(PACKAGE).rglob("*.py")
    if path.read_text(encoding="utf-8").startswith("# Generated")
)

COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})

counts: collections.Counter[str] = collections.Counter()
counting = False


def count(frame: FrameType, event: str, _: object) -> None:
    """Count a call, in any thread that began after `main` did.

    A comprehension is none; only Python 3.11 runs one as a function.
    """
    name = frame.f_code.co_filename
    is_function = frame.f_code.co_name not in COMPREHENSIONS
    if counting and event == "call" and is_function and name.startswith(PACKAGE) and name not in GENERATED:
        counts[name.removeprefix(PACKAGE)] += 1


@contextmanager
def counted(found: dict[str, Mapping[str, int]], work: str) -> Iterator[None]:
    """Count what is called in a block."""
    global counting
    counts.clear()
    counting = True
    try:
        yield
    finally:
        counting = False
        found[work] = dict(counts)


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def run_sync(options: dict[str, str], offer: str, session: Any, found: dict[str, Mapping[str, int]]) -> None:
    from realtime_ext import RealtimeClient, tools

    toolbox = tools.Toolbox([add])
    with RealtimeClient(**options) as client:
        client.calls.create(offer, session)
        with counted(found, "calls.create"):
            client.calls.create(offer, session)
        with client.connect(
            session={**session, "tools": [tool.to_dict() for tool in toolbox.definitions]}
        ) as link:
            link.run_tools(toolbox)
            for is_counted in (False, True):
                drain(link)
                with counted(found if is_counted else {}, "commit_audio, its error, recv (sync)"):
                    link.commit_audio()
                    assert link.recv().type == "error"
            for is_counted in (False, True):
                with counted(found if is_counted else {}, "ask with one tool call (sync)"):
                    assert link.ask("add", timeout=10).tool_calls


def drain(connection: Any) -> None:
    with connection.expect("input_audio_buffer.cleared") as cleared:
        connection.clear_audio()
    cleared.wait(5)
    while connection.recv().type != "input_audio_buffer.cleared":
        pass


async def run_async(options: dict[str, str], session: Any, found: dict[str, Mapping[str, int]]) -> None:
    from realtime_ext import AsyncRealtimeClient, tools

    toolbox = tools.Toolbox([add])
    session = {**session, "tools": [tool.to_dict() for tool in toolbox.definitions]}
    async with AsyncRealtimeClient(**options) as client, client.connect(session=session) as link:
        link.run_tools(toolbox)
        for is_counted in (False, True):
            with link.expect("input_audio_buffer.cleared") as cleared:
                await link.clear_audio()
            await cleared
            while (await link.recv()).type != "input_audio_buffer.cleared":
                pass
            with counted(found if is_counted else {}, "commit_audio, its error, recv (asyncio)"):
                await link.commit_audio()
                assert (await link.recv()).type == "error"
        for is_counted in (False, True):
            with counted(found if is_counted else {}, "ask with one tool call (asyncio)"):
                assert (await link.ask("add", timeout=10)).tool_calls


def main() -> None:
    from realtime_simulator import Simulator, call_tool, sequence

    given = json.load(sys.stdin)
    session = {**given["session"], "output_modalities": ["text"]}
    found: dict[str, Mapping[str, int]] = {}
    with Simulator(pacing="none") as simulator:
        simulator.on_response(sequence(*[call_tool("add", {"a": 1, "b": 2}), "Three."] * 2))
        threading.setprofile(count)
        sys.setprofile(count)
        options = {"api_key": simulator.api_key, "base_url": simulator.base_url}
        run_sync(options, given["offer"], session, found)
        asyncio.run(run_async(options, session, found))
        sys.setprofile(None)
        threading.setprofile(None)
    if "--list" in sys.argv:
        for work, modules in found.items():
            print(f"{work}: {len(modules)} modules, {sum(modules.values())} calls")
            for module, calls in sorted(modules.items(), key=lambda row: -row[1]):
                print(f"  {calls:5} {module}")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
