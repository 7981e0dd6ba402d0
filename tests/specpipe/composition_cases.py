"""Cases of transforms of composed schemas: input, output, number of matches."""

from __future__ import annotations

from typing import Any

from tests.specpipe.cases import Case, ref

NULL = {"type": "null"}
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
REQUIRED = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}


def thing(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    """An object schema."""
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def both(*keywords: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """`allOf` of two objects that describe the same properties `p0`, `p1`, …"""
    left, right = ({f"p{n}": pair[side] for n, pair in enumerate(keywords)} for side in (0, 1))
    return {"allOf": [thing(None, **left), thing(None, **right)]}


TAGGED = {"type": "object", "properties": {"type": {"const": "a.b"}, "n": NUMBER}, "required": ["type"]}

CASES: dict[str, list[Case]] = {
    "drop_constraint_unions": [
        Case("beside properties", {**thing(a=TEXT), **REQUIRED}, thing(a=TEXT)),
        Case("beside a reference", {**ref("B"), "oneOf": [{"not": {"required": ["b"]}}]}, ref("B")),
        Case("a union with types stays", {**thing(a=TEXT), "anyOf": [{"required": ["a"]}, ref("C")]}, None),
        Case("alone it is all there is", REQUIRED, None),
    ],
    "merge_all_of": [
        Case(
            "objects, in order",
            {"allOf": [ref("B"), thing(["n"], n=NUMBER)], "description": "Both."},
            {**thing(["b", "n"], b=TEXT, n=NUMBER), "description": "Both."},
        ),
        Case("one reference", {"allOf": [ref("B")], "description": "D."}, {**ref("B"), "description": "D."}),
        Case(
            "a union with its discriminator beside it",
            {"allOf": [{"oneOf": [ref("B"), ref("C")]}], "discriminator": {"propertyName": "type"}},
            {"oneOf": [ref("B"), ref("C")], "discriminator": {"propertyName": "type"}},
        ),
        Case("parts that say nothing", {"allOf": [ref("B"), {"description": "D."}, {}]}, ref("B")),
        Case("beside a reference", {**ref("B"), "properties": {"n": NUMBER}}, thing(["b"], b=TEXT, n=NUMBER)),
        Case(
            "a component that is merged itself",
            {"allOf": [ref("M"), thing(n=NUMBER)]},
            thing(["b"], b=TEXT, c=NUMBER, n=NUMBER),
            2,
            {"M": {"allOf": [ref("B"), ref("C")]}},
            {"M": thing(["b"], b=TEXT, c=NUMBER)},
        ),
        Case(
            "each member of a union beside properties",
            {**thing(n=NUMBER), "oneOf": [ref("B"), ref("C")], "discriminator": {"propertyName": "type"}},
            {
                "anyOf": [thing(["b"], n=NUMBER, b=TEXT), thing(n=NUMBER, c=NUMBER)],
                "discriminator": {"propertyName": "type"},
            },
        ),
        Case(
            "the stricter limits",
            both(({**NUMBER, "minimum": 1, "maximum": 9}, {**NUMBER, "minimum": 3, "maximum": 20})),
            thing(p0={**NUMBER, "minimum": 3, "maximum": 9}),
        ),
        Case(
            "values that both allow; the exacter reference",
            both(
                ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}),
                (ref("B"), ref("C")),
                (TEXT, {"description": "D."}),
            ),
            thing(p0={"enum": ["b"]}, p1=ref("C"), p2={**TEXT, "description": "D."}),
        ),
        Case(
            "closed for one part, open for the whole",
            {"allOf": [{**thing(a=TEXT), "additionalProperties": False}, thing(n=NUMBER)]},
            thing(a=TEXT, n=NUMBER),
        ),
    ],
    "complete_discriminators": [
        Case(
            "by reference, by name, by no component, and by its own name",
            {
                "anyOf": [ref("B"), ref("C"), ref("Word")],
                "discriminator": {
                    "propertyName": "t",
                    "mapping": {"b": "#/components/schemas/B", "c": "C", "x": "#/components/schemas/Nowhere"},
                },
            },
            {
                "anyOf": [ref("B"), ref("C"), ref("Word")],
                "discriminator": {
                    "propertyName": "t",
                    "mapping": {"b": "B", "c": "C"},
                    "implied": {"Word": "Word"},
                },
            },
        ),
        Case(
            "an object's own, which is about what inherits from it, stays",
            thing(t=TEXT) | {"discriminator": {"propertyName": "t"}},
            None,
        ),
    ],
    "flatten_unions": [
        Case("oneOf is anyOf", {"oneOf": [TEXT, NUMBER]}, {"anyOf": [TEXT, NUMBER]}),
        Case(
            "a union inside, null last, no repeats",
            {"anyOf": [{"oneOf": [NULL, ref("B")]}, TEXT, ref("B")], "description": "D."},
            {"description": "D.", "anyOf": [ref("B"), TEXT, NULL]},
            2,
        ),
        Case(
            "what tells the inner one's members",
            {"anyOf": [{"oneOf": [ref("B"), ref("C")], "discriminator": {"propertyName": "t"}}, NULL]},
            {"anyOf": [ref("B"), ref("C"), NULL], "discriminator": {"propertyName": "t"}},
            2,
        ),
        Case(
            "a lone member",
            {"anyOf": [ref("B")], "description": "D.", "discriminator": {"propertyName": "t"}},
            {**ref("B"), "description": "D."},
        ),
        Case(
            "limits beside go to members of their kind",
            {"anyOf": [TEXT, NUMBER], "maxLength": 3, "enum": ["a", 1]},
            {"anyOf": [{**TEXT, "maxLength": 3, "enum": ["a"]}, {**NUMBER, "enum": [1]}]},
        ),
        Case("nothing to do", {"anyOf": [TEXT, NULL], "default": None}, None),
    ],
    "break_cycles": [
        Case(
            "a member of itself",
            {"anyOf": [TEXT, ref("A"), ref("B")], "description": "D."},
            {"description": "D.", "anyOf": [TEXT, ref("B")]},
        ),
        Case(
            "two unions that are members of each other",
            {"anyOf": [TEXT, ref("A2")]},
            {"anyOf": [TEXT, NUMBER, NULL]},
            2,
            {"A2": {"anyOf": [ref("A"), NULL, NUMBER]}},
            {"A2": {"anyOf": [TEXT, NUMBER, NULL]}},
        ),
        Case("only one other member", {"anyOf": [ref("A"), ref("B")]}, ref("B")),
        Case("a circle through a property is none", thing(a=ref("A")), None),
        Case(
            "a circle through a list is none", {"anyOf": [TEXT, {"type": "array", "items": ref("A")}]}, None
        ),
    ],
    "join_containers": [
        Case(
            "lists",
            {"anyOf": [{"type": "array", "items": ref("B")}, TEXT, {"type": "array", "items": ref("C")}]},
            {"anyOf": [{"type": "array", "items": {"anyOf": [ref("B"), ref("C")]}}, TEXT]},
        ),
        Case(
            "maps, which are then all there is",
            {
                "anyOf": [
                    {"type": "object", "additionalProperties": ref("B"), "maxProperties": 4},
                    {"type": "object", "additionalProperties": TEXT, "maxProperties": 9},
                ],
                "description": "D.",
            },
            {"type": "object", "additionalProperties": {"anyOf": [ref("B"), TEXT]}, "description": "D."},
        ),
        Case(
            "lists of one thing",
            {"anyOf": [{"type": "array", "items": ref("B"), "minItems": n} for n in (1, 2)]},
            {"type": "array", "items": ref("B")},
        ),
        Case(
            "lists of scalars",
            {"anyOf": [{"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}]},
            None,
        ),
        Case(
            "lists that have names, one of them in a union",
            {"anyOf": [ref("Bs"), ref("CsOrText")]},
            {"anyOf": [{"type": "array", "items": {"anyOf": [ref("B"), ref("C")]}}, TEXT]},
            more={
                "Bs": {"type": "array", "items": ref("B")},
                "CsOrText": {"anyOf": [{"type": "array", "items": ref("C")}, TEXT]},
            },
        ),
        Case("one list", {"anyOf": [{"type": "array", "items": ref("B")}, TEXT]}, None),
    ],
    "hoist_inline": [
        Case(
            "an object in a property, one inside it",
            thing(left_side={**thing(deep=thing(n=NUMBER)), "description": "L."}),
            thing(left_side={**ref("ALeftSide"), "description": "L."}),
            2,
            made={
                "ALeftSide": {**thing(deep=ref("ALeftSideDeep")), "description": "L."},
                "ALeftSideDeep": thing(n=NUMBER),
            },
        ),
        Case(
            "members of lists and maps",
            thing(
                limits={"type": "array", "items": thing(n=NUMBER)},
                content={"type": "array", "items": thing(m=NUMBER)},
                by_name={"type": "object", "additionalProperties": thing(v=TEXT)},
            ),
            thing(
                limits={"type": "array", "items": ref("ALimit")},
                content={"type": "array", "items": ref("AContentPart")},
                by_name={"type": "object", "additionalProperties": ref("AByNameValue")},
            ),
            3,
            made={"ALimit": thing(n=NUMBER), "AContentPart": thing(m=NUMBER), "AByNameValue": thing(v=TEXT)},
        ),
        Case(
            "members of a union, by tag or only property",
            {"anyOf": [TAGGED, thing(rest=TEXT), ref("B"), TEXT]},
            {"anyOf": [ref("AAB"), ref("AWithRest"), ref("B"), TEXT]},
            2,
            made={"AAB": TAGGED, "AWithRest": thing(rest=TEXT)},
        ),
        Case(
            "a union of objects, null left outside",
            thing(u={"anyOf": [ref("B"), ref("C"), NULL], "default": None}),
            thing(u={"anyOf": [ref("AU"), NULL], "default": None}),
            made={"AU": {"anyOf": [ref("B"), ref("C")]}},
        ),
        Case(
            "a nullable object",
            thing(o={"anyOf": [thing(n=NUMBER), NULL]}),
            thing(o={"anyOf": [ref("AO"), NULL]}),
            made={"AO": thing(n=NUMBER)},
        ),
        Case(
            "a name that is taken, a shape that is there",
            thing(x=thing(n=NUMBER), X=thing(n=NUMBER)),
            thing(x=ref("AX2"), X=ref("AX2")),
            2,
            {"AX": TEXT},
            {"AX": TEXT, "AX2": thing(n=NUMBER)},
        ),
        Case(
            "unions of scalars, free objects",
            thing(u={"anyOf": [TEXT, ref("Word"), NULL]}, o={"type": "object"}),
            None,
        ),
    ],
}
