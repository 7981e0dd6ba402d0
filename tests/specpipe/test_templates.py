"""An invalid template or setting is an error with file and line, and nothing is written."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import jinja2
import pytest
from specpipe import pipeline
from specpipe.errors import SpecError

from tests.specpipe.conftest import SPECS
from tests.support.rows import each

pytestmark = pytest.mark.slow


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    """A copy of the project's own folder."""
    return Path(shutil.copytree(pipeline.OPENAPI, tmp_path / "openapi"))


def failure(openapi: Path) -> SpecError:
    inputs = pipeline.Inputs(spec=SPECS / "traps.yaml", openapi=openapi, vendored=False)
    with pytest.raises(SpecError) as caught:
        pipeline.make(inputs, openapi.parent / "out", lambda step, what: None)
    return caught.value


@pytest.mark.parametrize(
    ("template", "text", "told"),
    [
        ("types.py.jinja", b"{% if %}", "Expected an expression"),
        ("docs/operations.md.jinja", b"{{ nope.more }}", "'nope' is undefined"),
        ("alias.py.jinja", b"{% include 'nope.jinja' %}", "template nope.jinja does not exist"),
    ],
)
def test_an_invalid_template(template: str, text: bytes, told: str, openapi: Path) -> None:
    path = openapi / "templates" / template
    written = path.read_bytes().rstrip(b"\n")
    path.write_bytes(written + b"\n" + text + b"\n")
    error = failure(openapi)
    assert error.step == "generate" and told in error.message and "openapi/templates" in error.hint
    assert f"{path.name}:{written.count(bytes([10])) + 2}: " in error.message


def test_a_missing_template(openapi: Path) -> None:
    (openapi / "templates" / "alias.py.jinja").unlink()
    assert "template alias.py.jinja does not exist" in failure(openapi).message


def test_a_template_that_is_not_utf_8(openapi: Path) -> None:
    (openapi / "templates" / "alias.py.jinja").write_bytes(b"\xff")
    assert "utf-8" in failure(openapi).message


@each("name", ["_base", "_http", "client", "errors", "types"])
def test_modules_without_operations_and_models_are_free_of_the_plan(name: str) -> None:
    """These templates can serve any user of the generator: they are valid Python without it."""
    source = (pipeline.OPENAPI / "templates" / f"{name.strip('_')}.py.jinja").read_text(encoding="utf-8")
    text = jinja2.Environment(undefined=_NoPlan).from_string(source).render()
    assert "__all__" in {name.id for name in ast.walk(ast.parse(text)) if isinstance(name, ast.Name)}


class _NoPlan(jinja2.Undefined):
    """A value that may only be asked for: the base URL."""

    def __bool__(self) -> bool:
        assert self._undefined_name == "base_url"
        return False

    __str__ = jinja2.StrictUndefined.__str__


@pytest.mark.parametrize("text", ["x: [", "literal_enums: perhaps", "- list", None])
def test_invalid_settings(text: str | None, openapi: Path) -> None:
    path = openapi / "generator.yaml"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    error = failure(openapi)
    assert error.step == "parse" and error.message.startswith("cannot read generator.yaml: ")
