"""The module of official names: aliases of the generated classes under the names of the official package.

`openapi/types.toml` has the rules and the exceptions; the template prints their result for the schemas
at hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import attrs
import jinja2

from .errors import SpecError, reading

FILE = "types.toml"
_TABLES = ("rules", "spelling", "exceptions", "lists", "params")


@attrs.frozen
class TypeNames:
    """The contents of `types.toml`.

    Attributes:
        module: Name of the module in the generated package.
        docstring: Its docstring.
        rules: Pattern on a schema's name → official name.
        spelling: Word in the result of a rule → the official package's spelling of it.
        exceptions: Official name → schema.
        lists: Official name → the schema that it is a list of.
        params: Official name of a TypedDict → schema.
        unnamed: Schemas that a rule matches, but that have no official name.
        without: Pattern of schemas that the module does not export.
    """

    module: str
    docstring: str
    rules: dict[str, str]
    spelling: dict[str, str]
    exceptions: dict[str, str]
    lists: dict[str, str]
    params: dict[str, str]
    unnamed: list[str]
    without: str = ""

    def official_name(self, schema: str) -> str | None:
        """Return the official name that the rules give a schema, if it differs from the schema's own."""
        for pattern, replacement in self.rules.items():
            match = re.fullmatch(pattern, schema)
            if match:
                name = match.expand(replacement)
                for word, spelled in self.spelling.items():
                    name = name.replace(word, spelled)
                return name if name != schema else None
        return None


def read(path: Path) -> TypeNames:
    """Read `types.toml`.

    Raises:
        SpecError: the file cannot be read, or a table is missing, unknown or malformed.
    """
    hint = f"needed: module, docstring, [{'], ['.join(_TABLES)}] and schemas in [unnamed]"
    with reading(path, hint):
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        unnamed = table.pop("unnamed")["schemas"]
        names = TypeNames(**table, unnamed=unnamed)
        for pattern in (*names.rules, names.without):
            re.compile(pattern)
    return names


def source(
    names: TypeNames,
    package: str,
    schemas: Sequence[str],
    sent: Collection[str],
    *,
    templates: Path,
) -> str:
    """Return the module's source.

    Args:
        names: The contents of `types.toml`.
        package: Name of the generated package.
        schemas: Names in its `models`.
        sent: Names in its `params`.
        templates: The folder of templates.

    Raises:
        SpecError: `types.toml` names a schema that does not exist, two schemas have one official name, or a
            schema without an official name matches no rule.
    """
    schemas = [name for name in schemas if not re.fullmatch(names.without, name)]
    classes = _official(names, schemas)
    typed_dicts = {f"{name}Param": f"{schema}Param" for name, schema in classes.items()}
    typed_dicts |= {name: f"{schema}Param" for name, schema in names.params.items()}
    missing = [schema for schema in names.params.values() if f"{schema}Param" not in sent]
    missing += [schema for schema in names.lists.values() if f"{schema}Param" not in sent]
    if missing:
        raise SpecError(f"{FILE}: {missing[0]} is not sent, so it has no TypedDict", hint=_REMOVE)
    typed_dicts = {name: one for name, one in typed_dicts.items() if one in sent}
    models = [name for name in schemas if name not in classes]
    params = [f"{name}Param" for name in models if f"{name}Param" in sent]
    lists = [form for name in names.lists for form in (name, f"{name}Param")]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("type_names.py.jinja").render(
        names=names,
        package=package,
        models=models,
        params=params,
        classes=dict(sorted(classes.items())),
        typed_dicts=dict(sorted(typed_dicts.items())),
        aliases=dict(sorted((classes | typed_dicts).items())),
        exported=sorted({*models, *params, *classes, *typed_dicts, *lists}),
    )


_REMOVE = "remove the name, or give it the schema's new name; it is public, so this breaks users"


def _official(names: TypeNames, schemas: Sequence[str]) -> dict[str, str]:
    """Return official name → schema."""
    missing = [
        schema
        for schema in (*names.exceptions.values(), *names.lists.values(), *names.unnamed)
        if schema not in schemas
    ]
    if missing:
        raise SpecError(f"{FILE} names {missing[0]}, which is not a schema", hint=_REMOVE)
    without = {*names.exceptions.values(), *names.unnamed}
    found = dict(names.exceptions)
    for schema in schemas:
        name = names.official_name(schema)
        if name is None and schema in names.unnamed:
            raise SpecError(f"{FILE}: no rule matches {schema}, so it need not be in [unnamed]")
        if name is None or schema in without:
            continue
        if name in found:
            raise SpecError(
                f"{FILE}: {schema} and {found[name]} have the same official name {name}",
                hint="add an exception for one of them",
            )
        found[name] = schema
    return found
