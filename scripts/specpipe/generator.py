"""Run openapi-python-client.

The generator finds the operations with their parameters, bodies and responses, and the models with their
properties; it checks them, and renders our templates.  The plan adds what it does not know (types of unions
and parts, nullness, attribute names), and templates receive it as `plan`. The version is pinned: a new one
has to pass this module's tests first.
"""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openapi_python_client as opc
from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError
from openapi_python_client import strings
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError
from ruamel.yaml.error import YAMLError

from . import view
from .document import SCHEMAS, escape, parameters_of
from .errors import SpecError
from .graph import Graph
from .names import module_name
from .parsed import Parsed
from .plan import Plan
from .slice import Names, Slice, default

PINNED = "0.29.1"
Filters = dict[str, Callable[..., object]]
Renderer = Callable[..., str]


def parse(part: Slice, config_file: Path, names: Names | None = None) -> Parsed:
    """Parse a normalised API description with the generator.

    Raises:
        SpecError: the installed generator has another version, warns, or omits something.
    """
    installed = version("openapi-python-client")
    if installed != PINNED:
        raise SpecError(
            f"openapi-python-client is {installed}, not {PINNED}",
            hint="run `make setup`, or pin the new version here and run tests/specpipe against it",
        )
    graph = Graph.of(part)
    shown = view.build(part.document, graph)
    config = Config.from_sources(
        _settings(config_file, names or default().package),
        MetaType.NONE,
        document_source=config_file,
        file_encoding="utf-8",
        overwrite=True,
        output_path=None,
    )
    config.content_type_overrides = {**shown.media, **config.content_type_overrides}
    data = GeneratorData.from_dict(shown.document, config=config)
    if isinstance(data, GeneratorError):
        raise SpecError(
            f"the generator rejects the document: {data.header} {data.detail or ''}".strip(), hint=_HINT
        )
    collections = data.endpoint_collections_by_tag.values()
    _fail_on([*data.errors, *(error for one in collections for error in one.parse_errors)], shown)
    parsed = Parsed(part, graph, data, config, shown)
    lost = [*_adopt(parsed), *_lost_in_operations(parsed)]
    if lost:
        raise SpecError(f"the generator omitted {', '.join(lost)}", pointer=lost[0].split()[-1], hint=_HINT)
    return parsed


def _settings(path: Path, names: Names) -> ConfigFile:
    try:
        settings = ConfigFile.load_from_path(path)
    except (OSError, TypeError, ValueError, YAMLError) as error:
        raise SpecError(
            f"cannot read {path.name}: {' '.join(str(error).split())}",
            hint="it contains settings of openapi-python-client",
        ) from error
    settings.package_name_override = names.module
    settings.project_name_override = names.distribution
    return settings


_HINT = "add a transform that rewrites the part so that the generator supports it"


def _fail_on(errors: list[GeneratorError], shown: view.View) -> None:
    if not errors:
        return
    first = errors[0]
    text = f"{first.header} {first.detail or ''}".strip()
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise SpecError(f"the generator warns: {text}{more}", pointer=shown.pointer(text), hint=_HINT)


def _adopt(parsed: Parsed) -> Iterator[str]:
    """Assign the description's names to the generator's classes.

    Yields:
        The schemas and properties that the generator omitted without a warning, by pointer.
    """
    data, shown = parsed.data, parsed.shown
    models = {str(model.class_info.name): model for model in data.models}
    data.models[:] = [model for name, model in models.items() if name in shown.classes]
    data.enums.clear()
    for name, real in shown.classes.items():
        at = SCHEMAS + escape(real)
        if name not in models:
            yield f"schema {at}"
            continue
        info = models[name].class_info
        info.name = str.__new__(strings.ClassName, real)
        info.module_name = str.__new__(strings.PythonIdentifier, module_name(real))
        if len(parsed.properties(models[name])) < len(parsed.graph.schemas[real]["properties"]):
            yield f"properties of {at}"


def _lost_in_operations(parsed: Parsed) -> Iterator[str]:
    document = parsed.part.document
    found = {(path, method): endpoint for endpoint, path, method in parsed.operations()}
    for path, method in parsed.shown.operations.values():
        endpoint, operation = found.get((path, method)), document["paths"][path][method]
        at = view.operation_pointer(path, method)
        if endpoint is None:
            yield f"operation {at}"
            continue
        content = operation.get("requestBody", {}).get("content", {})
        there = (len(parsed.parameters(endpoint)), len(endpoint.bodies), len(endpoint.responses))
        if there != (len(parameters_of(document, path, method)), len(content), len(operation["responses"])):
            yield f"parameters, bodies or responses of {at}"


def render(
    parsed: Parsed, plan: Plan, *, templates: Path, out: Path, package: Any, filters: Filters
) -> Renderer:
    """Render the generator's own files from our templates.

    Args:
        parsed: The result of `parse`.
        plan: The plan that templates print.
        templates: Our templates.
        out: The package's folder, created if missing.
        package: Version and origin of the package, for the templates.
        filters: Further template filters.

    Returns:
        A function that renders another template in the same environment.

    Raises:
        SpecError: the generator warns while rendering.
        jinja2.TemplateError: a template is invalid; see `template_error`.
    """
    parsed.config.output_path = out
    project = opc.Project(openapi=parsed.data, config=parsed.config, custom_template_path=templates)
    project.env.globals.update(plan=plan, package=package, base_url=plan.base_url)
    project.env.filters.update(filters)
    with redirect_stdout(io.StringIO()):
        errors = list(project.build())
    if errors:
        raise SpecError(
            f"the generator warns: {errors[0].header} {errors[0].detail or ''}".strip(), hint=_HINT
        )

    def more(template: str, **values: Any) -> str:
        return project.env.get_template(template).render(**values)

    return more


def template_error(error: TemplateError | UnicodeDecodeError) -> SpecError:
    """Return the error of a template with its location: the innermost one in the traceback."""
    place = ""
    if isinstance(error, TemplateSyntaxError):
        place = f"{error.name or ''}:{error.lineno}"
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.endswith(".jinja"):
            place = f"{Path(frame.filename).name}:{frame.lineno}"
    what = f"template {error.name} does not exist" if isinstance(error, TemplateNotFound) else str(error)
    return SpecError(f"{place}: {what}" if place else what, hint="fix it in openapi/templates/")
