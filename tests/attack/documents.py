"""Borders where files are read: API descriptions, scenarios, recordings."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from realtime_simulator._recordings import recording, steps, tape
from realtime_simulator._scenario import scenario_file

from tests.attack.target import Run, Target, plain
from tests.support.paths import ROOT, SAMPLES

sys.path.insert(0, str(ROOT / "scripts"))  # for the command; pytest's settings have it too

from specpipe import pipeline
from specpipe.errors import SpecError

__all__ = ["TARGETS"]

SPECS = SAMPLES / "specs"
RECORDINGS = SAMPLES / "recordings"

_SCENARIO = """\
pacing: {first_audio: 0.1, speed: 20}
heard: ["A table for two", "At eight"]
responses:
  - {match: table, call_tool: reserve, arguments: {guests: 2, at: "20:00"}, times: 1}
  - {after_tool: reserve, say: "Done, at eight."}
  - steps: [{say: "Good evening."}, {fail: server_error, message: "Sorry."}]
refer: {status: 486, delay: 1}
faults:
  - name: rate_limit
    on: calls.create
"""


def _text_of(case: Any) -> str:
    """Return a case as a file's text: a text as it is, anything else as JSON."""
    try:
        return case if isinstance(case, str) else json.dumps(case)
    except RecursionError:
        return "[" * 1500


def _scenario(case: Any) -> None:
    try:
        scenario_file.parse(_text_of(case))
    except scenario_file.ScenarioError as error:
        str(error)


def _read_from_files(name: str, read: Callable[[Path], object], *refused: type[Exception]) -> Any:
    @contextlib.contextmanager
    def opened() -> Iterator[Run]:
        with tempfile.TemporaryDirectory() as folder:

            def run(case: Any) -> None:
                path = Path(folder) / name
                path.write_bytes(_text_of(case).encode(errors="surrogatepass"))
                try:
                    read(path)
                except refused as error:
                    str(error)

            yield run

    return opened


def _prepare(path: Path) -> None:
    inputs = pipeline.Inputs(spec=path, openapi=pipeline.OPENAPI, vendored=False)
    pipeline.prepare(inputs, lambda step, what: None)


def _make(path: Path) -> None:
    inputs = pipeline.Inputs(spec=path, openapi=pipeline.OPENAPI, vendored=False)
    with pipeline.workspace(path.parent / "made") as out:
        pipeline.make(inputs, out, lambda step, what: None)


def _real_descriptions() -> list[Any]:
    texts = [
        (SPECS / name).read_text(encoding="utf-8") for name in ("traps.yaml", "upstream-2026-02-20.yaml")
    ]
    bomb = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 9))
    return [*texts, *map(yaml.safe_load, texts), texts[0] + "b0: &b0 {a: 1}\n" + bomb]


def _real_recordings() -> list[Any]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(RECORDINGS.glob("*.yaml"))]
    short = [text for text in texts if len(text) < 20_000]
    return [*short, *map(yaml.safe_load, short)]


def _real_tapes() -> list[Any]:
    lines: list[dict[str, Any]] = [
        {"tape": tape.VERSION, "upstream": "http://127.0.0.1/v1"},
        {"session": 1, "at": 0.0, "open": "/v1/realtime", "query": {"model": "gpt-realtime"}},
        {"session": 1, "at": 0.1, "server": {"type": "session.created", "event_id": "e"}},
        {"session": 1, "at": 0.2, "client": {"type": "response.create"}},
        {"session": 1, "at": 0.3, "close": 1000, "reason": "", "by": "client"},
    ]
    return ["".join(json.dumps(line) + "\n" for line in lines)]


TARGETS = (
    Target("scenarios", lambda: [_SCENARIO, yaml.safe_load(_SCENARIO)], plain(_scenario), share=0.5),
    Target(
        "recordings",
        _real_recordings,
        _read_from_files("one.yaml", recording.read, steps.RecordingError),
        share=0.5,
    ),
    Target("tapes", _real_tapes, _read_from_files("one.jsonl", tape.read, tape.TapeError), share=0.3),
    Target("descriptions", _real_descriptions, _read_from_files("one.yaml", _prepare, SpecError), 60.0),
    Target("packages", _real_descriptions, _read_from_files("two.yaml", _make, SpecError), 120.0),
)
