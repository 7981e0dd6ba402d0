"""Lines for a shell."""

from __future__ import annotations

from realtime_kit._core.shells import set_line


def test_a_line_is_for_powershell_on_windows_and_for_posix_shells_elsewhere() -> None:
    assert set_line("OPENAI_API_KEY", "…", "nt") == '$env:OPENAI_API_KEY = "…"'
    assert set_line("OPENAI_API_KEY", "…", "posix") == "export OPENAI_API_KEY=…"
