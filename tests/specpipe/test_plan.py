"""The plan: directions, defaults, tables, attribute names, cycles."""

from __future__ import annotations

from typing import Any

import pytest
from specpipe import generator, pipeline, plan
from specpipe.graph import Graph
from specpipe.plan import ServerEvent
from specpipe.plan.models import Field
from specpipe.plan.params import Param
from specpipe.plan.tables import Shape, Table, table
from specpipe.slice import Slice

from tests.specpipe.cases import document, ref
from tests.support.rows import each

pytestmark = pytest.mark.slow

TEXT = {"type": "string"}
NULLABLE = {"anyOf": [TEXT, {"type": "null"}]}


def thing(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def tagged(required: bool = True, **constants: Any) -> dict[str, Any]:
    """An object whose properties have a constant or, for a list, an enum."""
    closed = {k: {"enum": v} if isinstance(v, list) else {"const": v} for k, v in constants.items()}
    return thing(tuple(constants) if required else (), **closed)


def sliced(schemas: dict[str, Any], **lists: Any) -> Slice:
    """A slice with one operation, which sends Sent and answers with Received."""
    operation = {
        "operationId": "op",
        "requestBody": {"content": {"application/json": {"schema": ref("Sent")}}},
        "parameters": [{"in": "query", "name": "q", "schema": ref("Query")}],
        "responses": {"200": {"content": {"application/json": {"schema": ref("Received")}}}},
    }
    leaf = thing(n=NULLABLE)
    names = ("Sent", "Received", "Query", "Both", "FromClient", "FromServer", "Webhook", "Nowhere")
    basic: dict[str, Any] = {name: leaf for name in names}  # noqa: C420 - typed as a whole
    return Slice(
        document=document({**basic, **schemas}, {"/realtime": {"post": operation}}),
        events={"CLIENT_EVENTS": ("FromClient",), "SERVER_EVENTS": ("FromServer",)},
        webhooks=("Webhook",),
        **lists,
    )


def build(part: Slice) -> plan.Plan:
    return plan.build(generator.parse(part, pipeline.OPENAPI / "generator.yaml"))


def field(model: str, key: str, schemas: dict[str, Any]) -> Field:
    """One attribute of a model of a slice."""
    return next(field for field in build(sliced(schemas)).models[model].fields if field.key == key)


def graph(**schemas: Any) -> Graph:
    return Graph.of(sliced(schemas))


# --- directions


def test_directions_reach_through_everything() -> None:
    through = thing(l={"type": "array", "items": {"anyOf": [ref("Alias"), {"type": "null"}]}})
    made = graph(
        Sent=through,
        Received=thing(both=ref("Both")),
        Alias={"anyOf": [ref("Deep"), ref("Both")]},
        Deep=thing(n=TEXT),
    )
    assert made.sent == {"Sent", "Query", "FromClient", "Alias", "Deep", "Both"}
    assert made.received == {"Received", "FromServer", "Webhook", "Both"}
    assert {name for name in made.schemas if made.only_received(name)} == {
        "Received",
        "FromServer",
        "Webhook",
    }


def test_path_level_parameters_are_sent() -> None:
    part = sliced({"Deep": thing(n=NULLABLE), "Filter": thing(deep=ref("Deep"))})
    content = {"application/json": {"schema": ref("Filter")}}
    shared = {"in": "query", "name": "filter", "content": content}
    part.document["paths"]["/realtime"]["parameters"] = [shared]
    made = build(part)
    assert made.models["Deep"].sent and made.models["Deep"].fields[0].unset
    assert [parameter.key for parameter in made.operations["op"].parameters] == ["q", "filter"]


@each("model", ["Sent", "FromClient", "Query", "Nowhere", "Both"])
def test_sent_schemas_distinguish_absent_from_null(model: str) -> None:
    both = {"Sent": thing(both=ref("Both"), n=NULLABLE), "Received": thing(both=ref("Both"))}
    made = field(model, "n", both)
    assert (made.unset, made.default, made.annotation) == (True, "UNSET", "str | None | Unset")


@each("model", ["Received", "FromServer", "Webhook"])
def test_received_schemas_do_not_distinguish_absent_from_null(model: str) -> None:
    made = field(model, "n", {})
    assert (made.unset, made.default, made.annotation) == (False, "None", "str | None")


@each(
    "schema, required, default, annotation",
    [
        (TEXT, True, None, "str"),
        (TEXT, False, "None", "str | None"),
        (NULLABLE, True, None, "str | None"),
        (NULLABLE, False, "UNSET", "str | None | Unset"),
        (ref("MaybeWord"), False, "UNSET", "MaybeWord | Unset"),
        ({"const": "a"}, True, "'a'", "Literal['a']"),
        ({"const": "a"}, False, "None", "Literal['a'] | None"),
        ({"enum": ["a", 1]}, True, None, "Literal['a', 1]"),
        ({}, False, "None", "Any"),
        ({"type": "array", "items": ref("Both")}, True, None, "list[Both]"),
        ({"type": "object", "additionalProperties": NULLABLE}, True, None, "dict[str, str | None]"),
    ],
)
def test_defaults_and_annotations(schema: Any, required: bool, default: str | None, annotation: str) -> None:
    schemas = {"Sent": thing(("n",) if required else (), n=schema), "MaybeWord": NULLABLE}
    made = field("Sent", "n", schemas)
    assert (made.default, made.annotation) == (default, annotation)
    assert made.unset == (default == "UNSET") and made.required == required


def test_received_enums_and_unions_are_open() -> None:
    union = {
        "Union": {"anyOf": [ref("Cat"), ref("Dog")]},
        "Cat": tagged(type="cat"),
        "Dog": tagged(type="dog"),
    }
    for model, end in (("Received", " | str"), ("Sent", "")):
        assert field(model, "n", {model: thing(("n",), n={"enum": ["a"]})}).annotation == f"Literal['a']{end}"
    received = field("Received", "n", {**union, "Received": thing(("n",), n=ref("Union"))})
    assert received.annotation == "Union | dict[str, Any]"
    assert field("Sent", "n", {**union, "Sent": thing(("n",), n=ref("Union"))}).annotation == "Union"


def test_secrets_are_identified_by_format() -> None:
    secret = {"type": "string", "format": "password"}
    for schema in (secret, {"anyOf": [secret, {"type": "null"}]}, ref("Hidden")):
        assert field("Sent", "n", {"Sent": thing(n=schema), "Hidden": secret}).secret
    assert not field("Sent", "n", {}).secret


# --- discriminator tables


def test_a_union_needs_one_look_up() -> None:
    made = graph(Cat=tagged(type="cat"), Dog=tagged(type="dog"), Eel=tagged(type=["eel", "elver"]))
    told = table(made, ["Cat", "Dog", "Eel"])
    assert told == Table("type", (("cat", "Cat"), ("dog", "Dog"), ("eel", "Eel"), ("elver", "Eel")))
    assert table(made, ["Cat", "Cat"]) == "Cat"


def test_the_most_selective_tag_is_used() -> None:
    made = graph(
        A=tagged(object="x", type="a"), B=tagged(object="x", type="b"), C=tagged(object="y", type="c")
    )
    told = table(made, ["A", "B", "C"])
    assert isinstance(told, Table) and told.tag == "type" and len(told.entries) == 3


def test_nested_tags() -> None:
    made = graph(
        User=tagged(type="message", role="user"),
        System=tagged(type="message", role="system"),
        Call=tagged(type="call", role="user"),
    )
    told = table(made, ["User", "System", "Call"])
    assert told == Table(
        "type", (("message", Table("role", (("user", "User"), ("system", "System")))), ("call", "Call"))
    )


def test_a_member_with_an_optional_tag() -> None:
    made = graph(
        Old=tagged(required=False, type="old"), New=tagged(type="new"), Other=tagged(False, type="other")
    )
    told = table(made, ["Old", "New"])
    assert isinstance(told, Table) and told.absent == "Old"
    told = table(made, ["Old", "New", "Other"])
    assert isinstance(told, Table) and told.absent is None, "two could be meant"
    schemas = {"Old": tagged(False, type="old"), "New": tagged(type="new")}
    models = build(sliced(schemas | {"Union": {"anyOf": [ref("Old"), ref("New")]}})).models
    assert models["Old"].description == "In Union, also an object without `type` is one."
    assert models["New"].description == ""
    numbered = table(graph(A=tagged(t=1), B=tagged(t=2)), ["A", "B"])
    assert numbered == Table("t", ((1, "A"), (2, "B")))


def test_members_without_a_tag_are_matched_by_shape() -> None:
    made = graph(
        A=thing(("a",), a=TEXT, x=TEXT),
        B=thing(b=TEXT),
        C=tagged(type="c"),
        D=tagged(type="c"),
        E=thing(type={"const": "c"}, y=TEXT),
    )
    assert table(made, ["A", "B"]) == Table(
        "", shapes=(Shape("A", ("a",), ("a", "x")), Shape("B", (), ("b",)))
    )
    told = table(made, ["C", "D", "E"])
    assert isinstance(told, Table) and told.tag == "" and [one.model for one in told.shapes] == ["C", "E"]
    assert table(made, ["C", "D"]) == "C"


@each("open_tag", [TEXT, {"const": True}, {"anyOf": [{"const": "a"}, TEXT]}])
def test_a_property_without_an_enum_is_not_a_tag(open_tag: Any) -> None:
    made = graph(A=thing(type=open_tag), B=tagged(type="b"))
    assert made.tags(["A", "B"]) == []
    assert graph(A=thing(type=ref("Word")), B=tagged(type="b"), Word={"enum": ["x"]}).tags(["A", "B"]) == [
        "type"
    ]


def test_an_optional_tag_has_its_constant_as_default() -> None:
    schemas = {
        "Sent": thing(u=ref("Union")),
        "Union": {"anyOf": [ref("Cat"), ref("Dog")]},
        "Cat": tagged(False, type="cat", kind="x"),
        "Dog": tagged(type="dog"),
    }
    assert field("Cat", "type", schemas).default == "'cat'"
    assert field("Cat", "kind", schemas).default == "None"


def test_a_union_alias_has_a_table_and_other_types() -> None:
    listed = {"type": "array", "items": ref("Both")}
    schemas = {
        "Union": {"anyOf": [ref("Inner"), listed, TEXT, {"type": "null"}]},
        "Inner": {"anyOf": [ref("Cat"), ref("Dog")]},
        "Cat": tagged(type="cat"),
        "Dog": tagged(type="dog"),
    }
    alias = build(sliced(schemas)).aliases["Union"]
    assert alias.table == Table("type", (("cat", "Cat"), ("dog", "Dog")))
    assert alias.decodes and len(alias.list_items) == 1 and "decode_both(" in alias.list_items[0]
    assert alias.annotation == "Inner | list[Both] | str | None"
    assert build(sliced({"W": {"enum": ["a"]}})).aliases["W"].decodes is False


def test_event_tables_are_keyed_by_type() -> None:
    schemas = {"FromServer": tagged(type=["a.b", "a.c"]), "Webhook": tagged(type="call.incoming")}
    made = build(sliced(schemas))
    assert made.events["SERVER_EVENTS"] == (("a.b", "FromServer"), ("a.c", "FromServer"))
    assert made.webhooks == (("call.incoming", "Webhook"),) and made.events["CLIENT_EVENTS"] == ()


# --- attribute names


def test_a_builtin_shadowed_by_an_attribute_is_imported_under_another_name() -> None:
    made = build(sliced({"Sent": thing(("str", "Any"), str=TEXT, Any={}, n=TEXT)})).models["Sent"]
    assert {f.key: f.annotation for f in made.fields} == {"str": "_str", "Any": "_Any", "n": "_str | None"}
    assert ("str", "_str") in made.imports.builtins and ("Any", "_Any") in made.imports.typing
    assert made.str_name == "_str" and made.dict_name == "dict"


# --- cycles


def test_modules_in_a_cycle_import_each_other_last() -> None:
    schemas = {"Sent": thing(two=ref("Two"), leaf=ref("Both")), "Two": thing(back=ref("Sent"))}
    made = build(sliced(schemas)).models["Sent"].imports
    assert made.late == (("two", "decode_two", "decode_two"),)
    assert made.eager == (("both", "Both", "Both"), ("both", "decode_both", "decode_both"))


def test_an_alias_in_a_cycle_is_quoted() -> None:
    schemas = {
        "Loop": {"anyOf": [TEXT, {"type": "array", "items": ref("Loop")}]},
        "Over": {"anyOf": [ref("Loop"), ref("Both")]},
        "Plain": {"anyOf": [TEXT, ref("Both")]},
    }
    aliases = build(sliced(schemas)).aliases
    assert {name: aliases[name].quoted for name in schemas} == {"Loop": True, "Over": True, "Plain": False}


# --- TypedDicts


def params(schemas: dict[str, Any]) -> dict[str, Param]:
    return {param.name: param for param in build(sliced(schemas)).params.members}


def test_only_sent_schemas_have_typed_dicts() -> None:
    made = params({"Sent": thing(("both",), both=ref("Both"), word={"enum": ["a", 1]}, n=NULLABLE)})
    assert set(made) == {"SentParam", "BothParam", "FromClientParam", "QueryParam"}
    assert {key.name: key.annotation for key in made["SentParam"].keys} == {
        "both": "Required['BothParam']",
        "word": "NotRequired[\"Literal['a', 1]\"]",
        "n": "NotRequired['str | None']",
    }


def test_aliases_are_in_dependency_order_and_quoted_in_cycles() -> None:
    schemas = {
        "Sent": thing(a=ref("A"), loop=ref("Loop")),
        "A": {"anyOf": [ref("B"), ref("Both")]},
        "B": {"anyOf": [TEXT, ref("Word")]},
        "Word": {"enum": ["x"]},
        "Loop": {"anyOf": [TEXT, {"type": "array", "items": ref("Loop")}]},
    }
    made = params(schemas)
    assert [name for name in made if made[name].alias] == ["WordParam", "BParam", "AParam", "LoopParam"]
    assert made["AParam"].alias == "BParam | BothParam" and made["WordParam"].alias == "Literal['x']"
    assert made["LoopParam"].alias == "'str | list[LoopParam]'"


def test_deprecated_properties_are_marked() -> None:
    old = {"type": "string", "description": "Gone soon.", "deprecated": True}
    schemas = {"Sent": {**thing(n=old), "deprecated": True}, "Word": {"enum": ["x"], "deprecated": True}}
    part = sliced(schemas)
    part.document["paths"]["/realtime"]["parameters"] = [{"in": "query", "name": "p", "schema": {}, **old}]
    made = build(part)
    (param,) = [one for one in made.params.members if one.name == "SentParam"]
    told = [made.models["Sent"].description, made.models["Sent"].fields[0].description, param.description]
    told += [param.keys[0].description, made.aliases["Word"].description]
    told += [one.description for one in made.operations["op"].parameters if one.key == "p"]
    assert [text.partition(".")[0] for text in told] == ["Deprecated"] * 6


def test_a_typed_dict_with_invalid_identifiers_uses_call_syntax() -> None:
    made = params({"Sent": thing(str=TEXT, n=TEXT), "FromClient": thing(**{"from": TEXT, "x-y": TEXT})})
    assert made["SentParam"].is_class and not made["FromClientParam"].is_class
    assert [key.annotation for key in made["SentParam"].keys] == ["NotRequired['_str']"] * 2
    assert [key.annotation for key in made["FromClientParam"].keys] == ["NotRequired['str']"] * 2


def test_constants_are_optional_in_updates() -> None:
    session = thing(("type", "n", "not described"), type={"const": "realtime"}, n=TEXT)
    update = thing(("type",), type={"const": "session.update"}, session=ref("Session"))
    made = params({"FromClient": update, "Session": session})
    assert [key.annotation[:8] for key in made["SessionParam"].keys] == ["Required", "Required"]
    assert [key.annotation[:8] for key in made["SessionChangesParam"].keys] == ["NotRequi", "Required"]
    assert "FromClientChangesParam" not in made


def test_events_of_several_kinds_of_sessions_share_a_type() -> None:
    schemas = {"Other": tagged(type="a"), "FromServer": tagged(type="a"), "FromClient": tagged(type="b")}
    part = sliced(schemas)
    part.events["TRANSLATION_SERVER_EVENTS"] = ("Other",)
    made = build(part)
    assert made.server_events["event_types"] == [ServerEvent("a", 0, ("FromServer", "Other"))]


def test_overloads_of_another_kind_of_session_have_a_module_of_their_own() -> None:
    part = sliced({"Other": tagged(type="a"), "FromServer": tagged(type="a")})
    part.events["LIVE_SERVER_EVENTS"] = ("Other",)
    assert build(part).server_events == {
        "event_types": [ServerEvent("a", 0, ("FromServer",))],
        "live_event_types": [ServerEvent("a", 0, ("Other",))],
    }
