"""Generate packages in this process, without formatter and lock, and inspect the result."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import attrs
from specpipe import generate, generator, names, output, pipeline, plan, slice, transforms, validation
from specpipe.document import ref_name
from specpipe.transforms import notation

PACKAGE = generate.Package(version="1", spec_version="1", spec_date="", spec_sha256="0" * 64, source="a test")


def load(folder: Path, name: str) -> ModuleType:
    """Import a generated package under a separate name, so that several can be loaded."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def forget(name: str) -> None:
    """Drop a package that `load` imported."""
    for key in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
        del sys.modules[key]


@attrs.frozen
class Made:
    """A package and the plan that it was made from."""

    plan: plan.Plan
    folder: Path
    document: dict[str, Any]


def make(document: dict[str, Any], out: Path) -> Made:
    """Generate a package from a description as read."""
    part = slice.cut(document)
    validation.check(part.document)
    located, _ = notation.locate(part.document)
    normal, _ = transforms.apply(located)
    normal, renamed, _ = names.apply(normal, {})
    part = names.follow(part, renamed, normal)
    parsed = generator.parse(part, pipeline.OPENAPI / "generator.yaml")
    planned = plan.build(parsed)
    with mock.patch.object(output, "format_source", lambda source: source):  # a process for each package
        generate.write(parsed, planned, PACKAGE, templates=pipeline.OPENAPI / "templates", out=out)
    return Made(planned, out, normal)


class Imported:
    """A generated package, imported under a name that no other ever had; a context manager.

    Nothing of one package, also not of one that failed to import, is there when the next one is looked at.

    Args:
        made: The package.
    """

    _numbers = itertools.count(1)

    def __init__(self, made: Made) -> None:
        self.made = made
        self.name = f"drawn_package_{next(self._numbers)}"

    def __enter__(self) -> Imported:
        importlib.invalidate_caches()
        try:
            self.package: ModuleType = load(self.made.folder / "realtime_api", self.name)
            for found in pkgutil.walk_packages(self.package.__path__, self.name + "."):
                importlib.import_module(found.name)
        except BaseException:
            forget(self.name)
            raise
        defs = json.loads((self.made.folder / "realtime_api" / "schemas.json").read_text())["$defs"]
        self.schemas: dict[str, dict[str, Any]] = defs
        return self

    def __exit__(self, *_: object) -> None:
        forget(self.name)

    def module(self, name: str) -> Any:
        return importlib.import_module(f"{self.name}.{name}")

    def operation(self, operation: plan.Operation) -> Any:
        """The module of an operation."""
        return self.module(f"api.{operation.tag}.{operation.name}")

    def get(self, name: str) -> dict[str, Any]:
        """A schema of the package."""
        return self.schemas[name]

    def typed(self, schema: dict[str, Any], value: Any) -> Any:
        """Return a JSON value as an argument: a model if the schema is a reference."""
        name = ref_name(schema)
        return value if name is None else self.decoder(name)(value)

    def decoder(self, name: str) -> Any:
        """Return the decoder of a model or an alias."""
        if name in self.made.plan.models:
            return getattr(self.module("models"), name).from_dict
        alias = self.made.plan.aliases[name]
        module = self.module(f"models.{alias.module}")
        return getattr(module, f"decode_{alias.module}", lambda value: value)
