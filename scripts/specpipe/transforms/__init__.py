"""Rules that bring any OpenAPI 3.1 document into the one spelling that the generator takes without loss.

Each rule is a pure function from document to document, with a reason, and counts its matches.  Rules speak of
OpenAPI, never of one API's names.  `TRANSFORMS` is their order.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..document import Document
from ..errors import SpecError
from . import compose, inline, parts, spelling, unions

#: Classes that a package can have at most: some twice what a large API needs.
MAX_SCHEMAS = 5_000


@attrs.frozen
class Transform:
    """One rule.

    Attributes:
        name: What the progress line and the tests call it.
        reason: Why the generator needs it, or what goes wrong without it.
        rule: Gives the changed document and how often the rule matched.
    """

    name: str
    reason: str
    rule: Callable[[Document], tuple[Document, int]]


TRANSFORMS: tuple[Transform, ...] = (
    Transform(
        "inline_parts",
        "a shared parameter, body or answer is one written in place; the generator follows only some",
        parts.inline_parts,
    ),
    Transform(
        "strip_prose_keys",
        "the generator names classes by `title` and drops operations whose titles repeat",
        spelling.strip_prose_keys,
    ),
    Transform(
        "spell_as_3_1",
        "true and false as schemas, and what OpenAPI 3.0 wrote in another way, need no rules of their own",
        spelling.spell_as_3_1,
    ),
    Transform(
        "infer_types",
        "`properties` without `type: object`, or `items` without `type: array`, would become Any",
        spelling.infer_types,
    ),
    Transform(
        "split_type_lists",
        "a list of types is a union, written as one so that one rule handles unions",
        spelling.split_type_lists,
    ),
    Transform(
        "null_unions",
        "`nullable: true` and null among enum values are unions with null, the only spelling of it in 3.1",
        spelling.null_unions,
    ),
    Transform(
        "drop_constraint_unions",
        "alternatives that only say which properties are required make no types of their own",
        compose.drop_constraint_unions,
    ),
    Transform(
        "merge_all_of",
        "the generator merges allOf only partly; one object, or one reference, says the same",
        compose.merge_all_of,
    ),
    Transform(
        "enums_to_const",
        "a one-value enum is a constant: it becomes a default, and a discriminator's tag",
        spelling.enums_to_const,
    ),
    Transform(
        "spell_discriminators",
        "a mapping names schemas in two ways and leaves some out; the tables need one way, and all of them",
        unions.spell_discriminators,
    ),
    Transform(
        "flatten_unions",
        "a union inside a union, or of one member, has no name and no use of its own",
        unions.flatten,
    ),
    Transform(
        "open_circles",
        "a union that is a member of itself says nothing by that, and no type checker takes it",
        unions.open_circles,
    ),
    Transform(
        "join_containers",
        "a JSON list does not tell which of a union's lists it is, so its members must tell what they are",
        unions.join_containers,
    ),
    Transform(
        "hoist_inline",
        "inline objects and unions of objects get names: the generator numbers or drops them and leaves "
        "imports that fail only when used",
        inline.hoist,
    ),
)


def apply(document: Document) -> tuple[Document, list[tuple[str, int]]]:
    """Run every transform in order.

    Returns:
        The normalised document, and each transform's name with its count of matches.

    Raises:
        SpecError: there are more than 5,000 schemas by now.
    """
    counts = []
    for transform in TRANSFORMS:
        document, count = transform.rule(document)
        counts.append((transform.name, count))
    if (number := len(document["components"]["schemas"])) > MAX_SCHEMAS:
        raise SpecError(
            f"{number:,} schemas, with those that inline objects become, more than {MAX_SCHEMAS:,}",
            hint="slice less of it; look for YAML aliases that repeat each other",
        )
    return document, counts
