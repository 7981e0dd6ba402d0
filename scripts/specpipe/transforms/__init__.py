"""Transforms that normalise an OpenAPI document to the notation that the generator supports without loss.

Each is a pure function from document to document that counts its matches.  They refer to
OpenAPI only, never to names of an API.  `TRANSFORMS` is their order.
"""

from __future__ import annotations

from collections.abc import Callable

from ..document import Document
from ..errors import SpecError
from . import compose, inline, notation, parts, unions

#: Maximum number of classes in a package, some twice that of a large API.
MAX_SCHEMAS = 5_000


Transform = Callable[[Document], tuple[Document, int]]

#: Returns the new document and the number of matches.  The comments say why the generator needs it.
TRANSFORMS: dict[str, Transform] = {
    # Shared parameters, bodies and responses are inlined; the generator follows only some references.
    "inline_parts": parts.inline_parts,
    # The generator names classes by `title`, and drops operations whose titles repeat.
    "strip_prose_keys": notation.strip_prose_keys,
    # Boolean schemas and OpenAPI 3.0 notation need no rules of their own.
    "upgrade_to_3_1": notation.upgrade_to_3_1,
    # `properties` without `type: object`, or `items` without `type: array`, would become Any.
    "infer_types": notation.infer_types,
    # A list of types becomes a union, so that one rule handles unions.
    "split_type_lists": notation.split_type_lists,
    # `nullable: true` and null in an enum become unions with null, as in OpenAPI 3.1.
    "null_unions": notation.null_unions,
    # Alternatives that only list required properties are not types.
    "drop_constraint_unions": compose.drop_constraint_unions,
    # The generator merges allOf only partly.
    "merge_all_of": compose.merge_all_of,
    # A one-value enum is a constant, usable as a default and as a discriminator value.
    "enums_to_const": notation.enums_to_const,
    # Mappings name schemas in two ways and may be incomplete; the tables need all of them.
    "complete_discriminators": unions.complete_discriminators,
    # Nested and single-member unions need no names.
    "flatten_unions": unions.flatten,
    # Type checkers reject a union that is a member of itself.
    "break_cycles": unions.break_cycles,
    # A JSON list cannot be matched to one of a union's lists, but its members can.
    "join_containers": unions.join_containers,
    # Inline objects and unions of objects get names: the generator numbers or drops them, and leaves
    # imports that fail only when used.
    "hoist_inline": inline.hoist,
}


def apply(document: Document) -> tuple[Document, list[tuple[str, int]]]:
    """Run every transform in order.

    Returns:
        The normalised document, and each transform's name with its count of matches.

    Raises:
        SpecError: the result has more than 5,000 schemas.
    """
    counts = []
    for name, transform in TRANSFORMS.items():
        document, count = transform(document)
        counts.append((name, count))
    if (number := len(document["components"]["schemas"])) > MAX_SCHEMAS:
        raise SpecError(
            f"{number:,} schemas, including hoisted inline objects, more than {MAX_SCHEMAS:,}",
            hint="select less of it in the slice file; look for nested YAML aliases",
        )
    return document, counts
