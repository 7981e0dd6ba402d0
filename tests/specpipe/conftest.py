"""Packages made once for all tests of the pipeline, by it and by the generator alone; a folder for sync."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import openapi_python_client
import pytest
import sync
from openapi_python_client import config
from specpipe import output, pipeline

from tests.specpipe.packages import forget, load
from tests.support.paths import SAMPLES

SPECS = SAMPLES / "specs"


def make(spec: Path, out: Path) -> Path:
    """Run the pipeline on an API description, and return the package's folder."""
    out.mkdir(parents=True, exist_ok=True)
    inputs = pipeline.Inputs(spec=spec, openapi=pipeline.OPENAPI, vendored=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "import_all", lambda folder: 0)  # tests import it
        pipeline.make(inputs, out, lambda step, what: None)
    return out


@pytest.fixture(scope="session", autouse=True)
def _each_template_is_compiled_once() -> Iterator[None]:
    """Cache compiled templates: compiling is half of the work, and tests generate hundreds of packages."""
    plain, compiled = jinja2.Environment.compile, dict[tuple[Any, Any], Any]()

    def compile(environment: jinja2.Environment, source: Any, name: Any = None, filename: Any = None) -> Any:
        if (source, name) not in compiled:
            compiled[source, name] = plain(environment, source, name, filename)
        return compiled[source, name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compile)
        yield


@pytest.fixture(scope="session")
def traps_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(SPECS / "traps.yaml", tmp_path_factory.mktemp("traps") / "out")


@pytest.fixture(scope="session")
def traps(traps_folder: Path) -> Iterator[ModuleType]:
    """The sample description with every trap, made by the pipeline."""
    yield load(traps_folder / "realtime_api", "traps_fixed")
    forget("traps_fixed")


@pytest.fixture(scope="session")
def stock_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same description, made by the generator with its own templates and nothing else."""
    out = tmp_path_factory.mktemp("stock") / "out"
    settings = config.ConfigFile(
        literal_enums=True,
        post_hooks=[],
        content_type_overrides={"application/sdp": "application/octet-stream"},
    )
    errors = openapi_python_client.generate(
        config=config.Config.from_sources(
            settings, config.MetaType.NONE, SPECS / "traps.yaml", "utf-8", overwrite=False, output_path=out
        )
    )
    (out.parent / "said.txt").write_text("\n".join(f"{error.level.name} {error.header}" for error in errors))
    return out


@pytest.fixture(scope="session")
def stock(stock_folder: Path) -> Iterator[ModuleType]:
    """The stock package, imported."""
    yield load(stock_folder, "traps_stock")
    forget("traps_stock")


def sample_folder(beside: Path) -> Path:
    """Copy the sample folder, with the generator's configuration and templates."""
    folder = beside / "openapi"
    shutil.copytree(SPECS / "vendored", folder)
    shutil.copytree(pipeline.OPENAPI / "templates", folder / "templates")
    shutil.copy(pipeline.OPENAPI / "generator.yaml", folder)
    return folder


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    return sample_folder(tmp_path)


@pytest.fixture
def run(openapi: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run sync on the copy, and return exit status and report."""

    def run(upstream: Path, *options: str) -> tuple[int, dict[str, Any]]:
        status = sync.main([str(upstream), "--openapi", str(openapi), "--json", *options])
        said = capsys.readouterr()
        assert said.err == ""
        report: dict[str, Any] = json.loads(said.out)
        assert report["exit"] == status
        return status, report

    return run
