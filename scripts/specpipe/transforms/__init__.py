"""Transforms that normalise an OpenAPI document to the notation that the generator supports without loss.

Each is a pure function from document to document, with a reason, and counts its matches.  They refer to
OpenAPI only, never to names of an API.  `TRANSFORMS` is their order.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..document import Document
from ..errors import SpecError
from . import compose, inline, notation, parts, unions

#: Maximum number of classes in a package, some twice that of a large API.
MAX_SCHEMAS = 5_000


@attrs.frozen
class Transform:
    """One transform.

    Attributes:
        name: Its name in progress output and tests.
        reason: Why the generator needs it.
        rule: Returns the new document and the number of matches.
    """

    name: str
    reason: str
    rule: Callable[[Document], tuple[Document, int]]


TRANSFORMS: tuple[Transform, ...] = (
    Transform(
        "inline_parts",
        "shared parameters, bodies and responses are inlined; the generator follows only some references",
        parts.inline_parts,
    ),
    Transform(
        "strip_prose_keys",
        "the generator names classes by `title` and drops operations whose titles repeat",
        notation.strip_prose_keys,
    ),
    Transform(
        "upgrade_to_3_1",
        "boolean schemas and OpenAPI 3.0 notation need no rules of their own",
        notation.upgrade_to_3_1,
    ),
    Transform(
        "infer_types",
        "`properties` without `type: object`, or `items` without `type: array`, would become Any",
        notation.infer_types,
    ),
    Transform(
        "split_type_lists",
        "a list of types becomes a union, so that one rule handles unions",
        notation.split_type_lists,
    ),
    Transform(
        "null_unions",
        "`nullable: true` and null in an enum become unions with null, as in OpenAPI 3.1",
        notation.null_unions,
    ),
    Transform(
        "drop_constraint_unions",
        "alternatives that only list required properties are not types",
        compose.drop_constraint_unions,
    ),
    Transform(
        "merge_all_of",
        "the generator merges allOf only partly",
        compose.merge_all_of,
    ),
    Transform(
        "enums_to_const",
        "a one-value enum is a constant, usable as a default and as a discriminator value",
        notation.enums_to_const,
    ),
    Transform(
        "complete_discriminators",
        "mappings name schemas in two ways and may be incomplete; the tables need all of them",
        unions.complete_discriminators,
    ),
    Transform(
        "flatten_unions",
        "nested and single-member unions need no names",
        unions.flatten,
    ),
    Transform(
        "break_cycles",
        "type checkers reject a union that is a member of itself",
        unions.break_cycles,
    ),
    Transform(
        "join_containers",
        "a JSON list cannot be matched to one of a union's lists, but its members can",
        unions.join_containers,
    ),
    Transform(
        "hoist_inline",
        "inline objects and unions of objects get names: the generator numbers or drops them, and leaves "
        "imports that fail only when used",
        inline.hoist,
    ),
)


def apply(document: Document) -> tuple[Document, list[tuple[str, int]]]:
    """Run every transform in order.

    Returns:
        The normalised document, and each transform's name with its count of matches.

    Raises:
        SpecError: the result has more than 5,000 schemas.
    """
    counts = []
    for transform in TRANSFORMS:
        document, count = transform.rule(document)
        counts.append((transform.name, count))
    if (number := len(document["components"]["schemas"])) > MAX_SCHEMAS:
        raise SpecError(
            f"{number:,} schemas, including hoisted inline objects, more than {MAX_SCHEMAS:,}",
            hint="select less of it in the slice file; look for nested YAML aliases",
        )
    return document, counts
