"""Cases of notation transforms: input, output, number of matches."""

from __future__ import annotations

from tests.specpipe.cases import Case

NULL = {"type": "null"}
TEXT = {"type": "string"}

CASES: dict[str, list[Case]] = {
    "strip_prose_keys": [
        Case(
            "titles, examples and extensions go, words stay",
            {
                "title": "T",
                "example": 1,
                "examples": [1],
                "externalDocs": {},
                "x-oaiMeta": {},
                "description": "Kept.",
            },
            {"description": "Kept."},
        ),
        Case(
            "properties of these names are no keywords",
            {"properties": {"title": {"title": "T"}, "example": {}, "x-y": {"x-z": 1}}},
            {"properties": {"title": {}, "example": {}, "x-y": {}}},
            2,
        ),
        Case("an empty description goes", {"description": None, "type": "string"}, TEXT),
        Case("a place is kept", {"x-pointer": "/a", "title": "T"}, {"x-pointer": "/a"}),
        Case("data is left alone", {"default": {"title": "T"}, "enum": [{"x-a": 1}]}, None),
    ],
    "upgrade_to_3_1": [
        Case(
            "true allows all",
            {"properties": {"a": True}, "items": True},
            {"properties": {"a": {}}, "items": {}},
        ),
        Case("false allows nothing", {"anyOf": [False, TEXT]}, {"anyOf": [{"not": {}}, TEXT]}),
        Case("false for further properties is no schema", {"additionalProperties": False}, None),
        Case("a property's own required", {"type": "string", "required": True}, TEXT),
        Case(
            "exclusive limits are numbers",
            {"minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
            {"exclusiveMinimum": 0, "maximum": 9},
        ),
        Case("exclusive numbers stay", {"minimum": 0, "exclusiveMinimum": 0, "exclusiveMaximum": 9}, None),
        Case("types that JSON has not", {"type": "any", "minLength": 1}, {"minLength": 1}),
        Case("one of several types that JSON has not", {"type": ["file", "string"]}, {"type": ["string"]}),
    ],
    "infer_types": [
        Case("properties", {"properties": {}}, {"properties": {}, "type": "object"}),
        Case("a map", {"additionalProperties": TEXT}, {"additionalProperties": TEXT, "type": "object"}),
        Case("a list", {"items": TEXT}, {"items": TEXT, "type": "array"}),
        Case("words", {"enum": ["a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
        Case("a word", {"const": "a"}, {"const": "a", "type": "string"}),
        Case("a mixed set has no type", {"enum": ["a", 1]}, None),
        Case("a union has its members' types", {"anyOf": [TEXT], "items": TEXT}, None),
        Case("a written type stays", {"type": "string", "items": {}}, None),
        Case("further properties may only be refused", {"additionalProperties": False}, None),
    ],
    "split_type_lists": [
        Case(
            "keywords go where they belong",
            {"type": ["string", "integer", "null"], "minLength": 1, "minimum": 2, "description": "D."},
            {
                "description": "D.",
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 2}, NULL],
            },
        ),
        Case(
            "values go to their kind, kinds without one go",
            {"type": ["string", "integer", "boolean"], "enum": ["a", 1, 2]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer", "enum": [1, 2]}]},
        ),
        Case(
            "a constant has one kind",
            {"type": ["string", "null"], "const": "a"},
            {"type": "string", "const": "a"},
        ),
        Case("a lone type", {"type": ["string"], "maxLength": 1}, {"type": "string", "maxLength": 1}),
        Case("no kind fits", {"type": ["integer"], "const": "a"}, {"not": {}}),
        Case(
            "true is no number",
            {"type": ["integer", "boolean"], "enum": [True]},
            {"type": "boolean", "enum": [True]},
        ),
    ],
    "null_unions": [
        Case(
            "words stay outside",
            {"type": "string", "nullable": True, "description": "D.", "default": "x"},
            {"description": "D.", "default": "x", "anyOf": [TEXT, NULL]},
        ),
        Case("not nullable", {"type": "string", "nullable": False}, TEXT),
        Case("a union gets a member", {"oneOf": [TEXT], "nullable": True}, {"oneOf": [TEXT, NULL]}),
        Case("a union that has it", {"anyOf": [TEXT, NULL], "nullable": True}, {"anyOf": [TEXT, NULL]}),
        Case("a value among others", {"enum": ["a", None]}, {"anyOf": [{"enum": ["a"]}, NULL]}),
        Case("the only value", {"enum": [None]}, NULL),
        Case("a constant", {"const": None}, NULL),
        Case("null itself", {"type": "null", "nullable": True}, NULL),
        Case(
            "a reference",
            {"$ref": "#/components/schemas/B", "nullable": True},
            {"anyOf": [{"$ref": "#/components/schemas/B"}, NULL]},
        ),
    ],
    "enums_to_const": [
        Case("one value", {"type": "string", "enum": ["a"]}, {"type": "string", "const": "a"}),
        Case("one value twice", {"enum": ["a", "a"]}, {"const": "a"}),
        Case("several, one of them twice", {"enum": ["a", "b", "a"]}, {"enum": ["a", "b"]}),
        Case("one and true are two values", {"enum": [1, True]}, None),
        Case("a property called enum", {"properties": {"enum": TEXT}}, None),
    ],
}
