"""The sync classes are written from the async ones by `make regen`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import unasync


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is read and written."""
    for folder in ("_resources", "connection"):
        shutil.copytree(unasync.PACKAGE / folder, tmp_path / folder)
    monkeypatch.setattr(unasync, "PACKAGE", tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_they_are_up_to_date() -> None:
    assert unasync.main(["--check"]) == 0


def test_a_changed_async_method_is_found_and_written(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(
        package / "connection" / "_async_connection.py",
        "async def delete_item(self, item_id: str) -> str:",
        "async def delete_item(self, item_id: str, *, await_it: bool = True) -> AsyncPlayback:",
    )
    written = package / "connection" / "_sync.py"
    before = written.read_text()
    assert unasync.main(["--check"]) == 1
    assert "realtime_ext/connection/_sync.py" in capsys.readouterr().err
    assert written.read_text() == before
    assert unasync.main([]) == 0
    assert "def delete_item(self, item_id: str, *, await_it: bool = True) -> Playback:" in written.read_text()
    assert "self._send(self._inner.delete_item, item_id, await_it=await_it)" in written.read_text()
    assert unasync.main(["--check"]) == 0


def test_a_changed_async_resource_is_found_and_written(package: Path) -> None:
    change(
        package / "_resources" / "_async.py",
        "await asend(operation, self._http, options)",
        "await asend(operation, await self._http, options)",
    )
    assert unasync.main(["--check"]) == 1
    assert unasync.main([]) == 0
    written = (package / "_resources" / "_sync.py").read_text()
    assert "return send(operation, self._http, options)" in written
    assert "await" not in written


def test_a_difference_that_applies_to_nothing_is_an_error(package: Path) -> None:
    change(package / "connection" / "_live_connection.py", "It may be async.", "It may also be async.")
    with pytest.raises(ValueError, match="It may be async"):
        unasync.main(["--check"])
