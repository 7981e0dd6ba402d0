"""Every document that the repository has is taken over from today's description, or refused as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from specpipe import pipeline

from tests import take_over
from tests.support.paths import SAMPLES

pytestmark = pytest.mark.weekly


def test_documents_are_taken_over_completely_or_refused(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(SAMPLES / "specs", folder)
    shutil.copyfile(pipeline.OPENAPI / "realtime.yaml", folder / "own.yaml")
    shutil.copyfile(folder / "traps.yaml", folder / "the same under another name.yaml")
    (folder / "broken.yaml").write_text("openapi: 3.1.0\npaths: [")
    assert {str(result.path.relative_to(folder)): result.outcome for result in take_over.results(folder)} == {
        "broken.yaml": "refused",
        "foreign/chat.yaml": "refused",
        "foreign/forge.yaml": "refused",
        "foreign/pets.yaml": "refused",
        "library.yaml": "refused",
        "own.yaml": "taken over",
        "the same under another name.yaml": "taken over",  # as traps.yaml, which is the same document
        "upstream-2026-01-15.yaml": "taken over",
        "upstream-2026-02-20.yaml": "taken over",
        "vendored/realtime.yaml": "taken over",
    }


def test_a_folder_without_documents_is_an_error(tmp_path: Path) -> None:
    assert take_over.main([str(tmp_path)]) == 1
