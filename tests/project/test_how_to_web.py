"""The how-tos of web apps, phone lines and other servers: each block is a program, run as it is pasted."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest
from realtime_simulator import Simulator

from tests.support.paths import ROOT

PAGES = [ROOT / "docs" / "how-to" / f"{name}.md" for name in ("compatible-servers",)]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)


def programs() -> list[object]:
    return [
        pytest.param(found[1], found[2], id=f"{page.stem}-{number}")
        for page in PAGES
        for number, found in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize(("code", "printed"), programs())
def test_a_program_runs_where_it_is_pasted(
    code: str, printed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(code, encoding="utf-8")
    with Simulator(pacing="none") as simulator, contextlib.redirect_stdout(io.StringIO()) as out:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", simulator.api_key)
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", simulator.webhook_secret)
        runpy.run_path(str(program), run_name="__main__")
    if printed is not None:
        pattern = re.escape(printed).replace("…", ".*?")
        assert re.fullmatch(pattern, out.getvalue(), re.S), out.getvalue()
