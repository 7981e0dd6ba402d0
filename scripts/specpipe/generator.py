"""Every grip on openapi-python-client's inside, and nothing else.

The generator parses the document, checks it, and renders our templates.  What it cannot hand to a template
(members of unions with their properties, part types, attribute names) is in the plan, which templates get as
`plan`. The version is pinned: a new one has to pass this module's tests first.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openapi_python_client as opc
from openapi_python_client import strings
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError

from .document import Document, operations, ref_name, ref_to
from .errors import SpecError
from .plan import Plan
from .transforms.walk import each_schema

PINNED = "0.29.1"
#: Media types that the generator reads without help; every other goes in as bytes and is typed by the plan.
_KNOWN_MEDIA = (
    "application/json",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
)

Filters = dict[str, Callable[..., object]]
Renderer = Callable[..., str]


def view(document: Document) -> Document:
    """What the generator gets to see: operations, models, and the plain part of each property's type.

    It acts on defaults, formats and unions in ways that lose values (dates that fail to parse, members tried
    in turn), it cannot follow aliases that refer to themselves, and it merges properties whose names differ
    in case only.  All that is in the plan; left to the generator are the structure and its check.
    """
    schemas = document["components"]["schemas"]
    models = {name for name, schema in schemas.items() if schema.get("properties")}

    def plain(schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return ref_to(name) if (name := ref_name(schema)) in models and name else {}
        kind = schema.get("type")
        if kind == "object" and schema.get("properties"):
            return {
                "type": "object",
                "properties": _distinct(schema["properties"]),
                "additionalProperties": True,
            }
        if kind == "array":
            return {"type": "array", "items": schema.get("items", {})}
        return {"type": kind} if kind in ("string", "integer", "number", "boolean") else {}

    out, _ = each_schema(document, plain)
    return out


def _distinct(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties under names that the generator keeps apart."""
    names = [str(strings.PythonIdentifier(key, "field_")) for key in properties]
    if len(set(names)) == len(names):
        return properties
    return {f"property_{number}": schema for number, schema in enumerate(properties.values())}


def parse(document: Document, config_file: Path) -> tuple[GeneratorData, Config]:
    """Let the generator read the document.

    Raises:
        SpecError: the installed generator is another version, or it warns about anything.
    """
    installed = version("openapi-python-client")
    if installed != PINNED:
        raise SpecError(
            f"openapi-python-client is {installed}, not {PINNED}",
            hint="run `make setup`, or pin the new version here and run tests/specpipe against it",
        )
    config = Config.from_sources(
        ConfigFile.load_from_path(config_file),
        MetaType.NONE,
        document_source=config_file,
        file_encoding="utf-8",
        overwrite=True,
        output_path=None,
    )
    config.content_type_overrides = {
        **dict.fromkeys(_unknown_media(document), "application/octet-stream"),
        **config.content_type_overrides,
    }
    data = GeneratorData.from_dict(document, config=config)
    if isinstance(data, GeneratorError):
        raise SpecError(f"the generator refuses the document: {data.header} {data.detail or ''}".strip())
    collections = data.endpoint_collections_by_tag.values()
    _fail_on([*data.errors, *(error for collection in collections for error in collection.parse_errors)])
    return data, config


def _unknown_media(document: Document) -> Iterator[str]:
    for _, _, operation in operations(document):
        parts = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
        for part in parts:
            for media in part.get("content", {}):
                plain = media.split(";")[0].strip().lower()
                if plain not in _KNOWN_MEDIA and not plain.endswith("+json"):
                    yield plain


def _fail_on(errors: list[GeneratorError]) -> None:
    if errors:
        first = errors[0]
        data = getattr(first, "data", None)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SpecError(
            f"the generator warns: {first.header} {first.detail or ''}{more}".strip(),
            pointer=str(getattr(data, "name", "")) or "",
            hint="add a transform that brings the part into a form the generator takes whole",
        )


def missing(data: GeneratorData, plan: Plan) -> list[str]:
    """What the plan has and the generator did not understand: operations and models, by name."""
    endpoints = {
        e.name for collection in data.endpoint_collections_by_tag.values() for e in collection.endpoints
    }
    models = {str(model.class_info.name) for model in data.models}
    wanted = {_class_name(name): name for name in plan.models}
    return sorted(
        [f"operation {name}" for name in plan.operations if name not in endpoints]
        + [f"schema {wanted[name]}" for name in wanted if name not in models]
    )


def _class_name(name: str) -> str:
    return str(strings.ClassName(name, "field_"))


class _Project(opc.Project):
    """The generator's project with the plan at hand, and a check in place of its silence."""

    def _run_post_hooks(self) -> None:
        """Formatting is `finish`'s work."""


def render(
    data: GeneratorData,
    config: Config,
    plan: Plan,
    *,
    templates: Path,
    out: Path,
    package: dict[str, str],
    filters: Filters,
) -> Renderer:
    """Render the generator's own set of files with our templates.

    Args:
        data: What `parse` gave.
        config: What `parse` gave.
        plan: What the templates print.
        templates: Our templates.
        out: The package's folder, made if it is not there.
        package: Version and origin of the package, for templates.
        filters: Further template filters.

    Returns:
        A function that renders one more template with the same surroundings.

    Raises:
        SpecError: the generator warns while rendering.
    """
    config.output_path = out
    project = _Project(openapi=data, config=config, custom_template_path=templates)
    project.env.globals.update(
        plan=plan, package=package, names={_class_name(name): name for name in plan.models}
    )
    project.env.filters.update(filters)
    known = {_class_name(name) for name in plan.models}
    data.models[:] = [model for model in data.models if str(model.class_info.name) in known]
    data.enums.clear()
    with redirect_stdout(io.StringIO()):
        _fail_on(list(project.build()))

    def more(template: str, **values: Any) -> str:
        return project.env.get_template(template).render(**values)

    return more
