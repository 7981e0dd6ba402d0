"""Write the package: the generator's own files from our templates, and the additional ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
from jinja2 import TemplateError

from . import docs, generator
from .document import REF_PREFIX, Document
from .parsed import Parsed
from .plan import Plan
from .plan.expressions import decoder_name
from .shutdowns import Shutdowns
from .slice import Names, default
from .transforms.walk import each_schema


@attrs.frozen
class Package:
    """Version and origin of the package to be generated.

    Attributes:
        version: The distribution's version.
        spec_version: The API description's own version.
        spec_date: Its date, or "".
        spec_sha256: SHA-256 of the API description's file.
        source: Origin of the upstream document, in one line.
        names: Package names and metadata.
        shutdowns: The models that end; None if the package has no such table.
        renamed: Deprecated class name → name.
    """

    version: str
    spec_version: str
    spec_date: str
    spec_sha256: str
    source: str
    names: Names = attrs.field(factory=lambda: default().package)
    shutdowns: Shutdowns | None = None
    renamed: dict[str, str] = attrs.field(factory=dict)


def write(parsed: Parsed, plan: Plan, package: Package, *, templates: Path, out: Path) -> None:
    """Write the package folder.

    Args:
        parsed: What the generator found in the normalised document.
        plan: The plan for it.
        package: Version and origin.
        templates: Our templates.
        out: An empty folder for `pyproject.toml`, the module and `docs/`.

    Raises:
        SpecError: the generator warns, or a template is invalid.
    """
    try:
        _write(parsed, plan, package, templates, out)
    except (TemplateError, UnicodeDecodeError) as error:
        raise generator.template_error(error) from error


def _write(parsed: Parsed, plan: Plan, package: Package, templates: Path, out: Path) -> None:
    target = out / package.names.module
    render = generator.render(
        parsed,
        plan,
        templates=templates,
        out=target,
        package=package,
        filters={"literal": repr, "docstring": docstring, "decoder": decoder_name, **docs.FILTERS},
    )
    for alias in plan.aliases.values():
        _put(target / "models" / f"{alias.module}.py", render("alias.py.jinja", alias=alias))
    tables = [*plan.events.items(), ("WEBHOOK_EVENTS", plan.webhooks)]
    _put(target / "events.py", render("events.py.jinja", tables=tables))
    for module, types in (plan.server_events or {"event_types": []}).items():
        _put(target / f"{module}.py", render("event_types.py.jinja", events=types))
    _put(target / "params.py", render("params.py.jinja", params=plan.params))
    _put(target / "_base.py", render("base.py.jinja"))
    _put(target / "_http.py", render("http.py.jinja"))
    if any(operation.deprecated for operation in plan.operations.values()):
        _put(target / "_deprecated.py", render("deprecated.py.jinja"))
    if package.shutdowns is not None:
        _put(target / "shutdowns.py", render("shutdowns.py.jinja", shutdowns=package.shutdowns))
    _put(target / "schemas.py", render("schemas.py.jinja"))
    _put(target / "schemas.json", schemas_json(parsed.part.document))
    _put(target / "py.typed", "")
    _put(out / "pyproject.toml", render("pyproject.toml.jinja"))
    _put(out / "README.md", docs.readme(render, plan))
    for path, text in docs.pages(render, plan, package.names.page).items():
        _put(out / "docs" / path, text)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def schemas_json(document: Document) -> str:
    """Return the normalised schemas as one JSON Schema document, references rewritten to `#/$defs/`."""

    def rule(schema: dict[str, Any]) -> dict[str, Any]:
        out = {key: value for key, value in schema.items() if key != "discriminator"}
        if isinstance(out.get("$ref"), str):
            out["$ref"] = "#/$defs/" + out["$ref"][len(REF_PREFIX) :]
        return out

    rewritten, _ = each_schema(document, rule)
    schemas = rewritten["components"]["schemas"]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {name: schemas[name] for name in sorted(schemas)},
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def docstring(text: Any, indent: int = 0) -> str:
    """Return a description escaped for a triple-quoted string."""
    plain = str(getattr(text, "get_untrusted_value", lambda: text)())
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", plain).replace("\\", "\\\\").replace('"""', "'''")
    words, lines, line = plain.split(), [], ""
    for word in words:
        if line and len(line) + len(word) + 1 > 108 - indent:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    laid_out = ("\n" + " " * indent).join(lines)
    return laid_out[:-1] + '\\"' if laid_out.endswith('"') else laid_out
