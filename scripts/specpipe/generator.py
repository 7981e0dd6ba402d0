"""Every use of openapi-python-client's internals.

The generator parses and checks the document, and renders our templates.  What it does not pass to templates
(union members with their properties, part types, attribute names) is in the plan, which templates receive as
`plan`. The version is pinned: a new one has to pass this module's tests first.
"""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import openapi_python_client as opc
from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError
from openapi_python_client import strings
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError
from ruamel.yaml.error import YAMLError

from . import view
from .document import SCHEMAS, Document, escape
from .errors import SpecError
from .plan import Plan
from .slice import Names, default
from .view import operation_pointer

PINNED = "0.29.1"
Filters = dict[str, Callable[..., object]]
Renderer = Callable[..., str]


@attrs.define
class Parsed:
    """An API description as parsed by the generator.

    Attributes:
        data: The parsed view.
        config: Its settings.
    """

    data: GeneratorData
    config: Config


def parse(document: Document, plan: Plan, config_file: Path, names: Names | None = None) -> Parsed:
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
    shown = view.build(document, plan, lambda name: strings.PythonIdentifier(name, "field_"), class_name)
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
    lost = _adopt(data, plan, shown)
    if lost:
        raise SpecError(f"the generator omitted {', '.join(lost)}", pointer=lost[0].split()[-1], hint=_HINT)
    return Parsed(data, config)


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


def class_name(name: str) -> str:
    """Return the class name that the generator derives from a schema name."""
    return str(strings.ClassName(name, "field_"))


def _fail_on(errors: list[GeneratorError], shown: view.View) -> None:
    if not errors:
        return
    first = errors[0]
    text = f"{first.header} {first.detail or ''}".strip()
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise SpecError(f"the generator warns: {text}{more}", pointer=shown.pointer(text), hint=_HINT)


def _adopt(data: GeneratorData, plan: Plan, shown: view.View) -> list[str]:
    """Assign the plan's names and modules to the generator's classes.

    Returns:
        What the generator omitted without a warning, by kind and pointer.
    """
    models = {str(model.class_info.name): model for model in data.models}
    data.models[:] = [model for name, model in models.items() if name in shown.classes]
    data.enums.clear()
    lost = []
    for name, real in shown.classes.items():
        at = SCHEMAS + escape(real)
        if name not in models:
            lost.append(f"schema {at}")
            continue
        model = models[name]
        there = [*(model.required_properties or ()), *(model.optional_properties or ())]
        if len(there) < len(plan.models[real].fields):
            lost.append(f"properties of {at}")
        model.class_info.name = str.__new__(strings.ClassName, real)
        model.class_info.module_name = str.__new__(strings.PythonIdentifier, plan.module(real))
    collections = data.endpoint_collections_by_tag.values()
    endpoints = {endpoint.name: endpoint for one in collections for endpoint in one.endpoints}
    for operation in plan.operations.values():
        endpoint = endpoints.get(strings.PythonIdentifier(operation.name, ""))
        sizes = (len(operation.parameters), len(operation.bodies))
        if endpoint is None or (len([*endpoint.iter_all_parameters()]), len(endpoint.bodies)) != sizes:
            what = "operation" if endpoint is None else "parameters or bodies of"
            lost.append(f"{what} {operation_pointer(operation)}")
    return lost


class _Project(opc.Project):
    """The generator's project without its post-hooks."""

    def _run_post_hooks(self) -> None:
        """Do nothing: `output` formats."""


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
    project = _Project(openapi=parsed.data, config=parsed.config, custom_template_path=templates)
    project.env.globals.update(plan=plan, package=package)
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
