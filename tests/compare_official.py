"""Compare `realtime_api` with the official package: types, fields, values and events that only one has.

    python -m tests.compare_official [--all] [--python FILE]

The official package is the pinned one in build/peers (`make peers`); types are compared as JSON Schemas.
Known differences are in tests/support/peers/differences.toml with their reasons; `--all` prints them, too.
The others are followed by the patches that would take new fields and values over into openapi/patches.toml.
The status is 1 if a difference is not listed, or a listed one is gone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.support.proposals import Field, Value, proposal

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / "build" / "peers" / "bin" / "python"
READER = ROOT / "tests" / "support" / "peers" / "official_schemas.py"
KNOWN = READER.with_name("differences.toml")

OFFICIAL, OURS = "official", "ours"
TYPES = "openai.types.realtime"
LIVE = "openai.types.live"
#: A label → the place of the official type, and the name of our schema or of our event table.
COMPARED = {
    "server": (f"{TYPES}:RealtimeServerEvent", "SERVER_EVENTS"),
    "client": (f"{TYPES}:RealtimeClientEvent", "CLIENT_EVENTS"),
    "client (params)": (f"{TYPES}:RealtimeClientEventParam", "CLIENT_EVENTS"),
    "response with references": (
        f"{TYPES}:ResponseCreateEventWithReferencesParam",
        "RealtimeClientEventResponseCreate",
    ),
    "translation server": (f"{TYPES}:RealtimeTranslationServerEvent", "TRANSLATION_SERVER_EVENTS"),
    "translation secret response": (
        f"{TYPES}:RealtimeTranslationClientSecretCreateResponse",
        "RealtimeTranslationClientSecretCreateResponse",
    ),
    "translation client": (
        f"{TYPES}.connect_client_event_param:ConnectClientEventParam",
        "TRANSLATION_CLIENT_EVENTS",
    ),
    "translation secret request": (
        f"{TYPES}.translations:ClientSecretCreateParams",
        "RealtimeTranslationClientSecretCreateRequest",
    ),
    "webhook": ("openai.types.webhooks:UnwrapWebhookEvent", "WEBHOOK_EVENTS"),
    "client secret request": (f"{TYPES}:ClientSecretCreateParams", "RealtimeCreateClientSecretRequest"),
    "client secret response": (f"{TYPES}:ClientSecretCreateResponse", "RealtimeCreateClientSecretResponse"),
    "accept request": (f"{TYPES}:CallAcceptParams", "RealtimeSessionCreateRequestGA"),
    "refer request": (f"{TYPES}:CallReferParams", "RealtimeCallReferRequest"),
    "reject request": (f"{TYPES}:CallRejectParams", "RealtimeCallRejectRequest"),
    "live server": (f"{LIVE}:ServerEvent", "LIVE_SERVER_EVENTS"),
    "live sideband server": (
        f"{LIVE}.connect_server_event:ConnectServerEvent",
        "LIVE_SIDEBAND_SERVER_EVENTS",
    ),
    "live fork server": (f"{LIVE}:ForkServerEvent", "LIVE_FORK_SERVER_EVENTS"),
    "live client": (f"{LIVE}:ClientEventParam", "LIVE_CLIENT_EVENTS"),
    "live sideband client": (f"{LIVE}:ConnectClientEventParam", "LIVE_SIDEBAND_CLIENT_EVENTS"),
    "live fork client": (f"{LIVE}:ForkClientEventParam", "LIVE_FORK_CLIENT_EVENTS"),
    "live backend event": ("openai.types.responses:ResponseStreamEvent", "LiveBackendEvent"),
    "live create request": (f"{LIVE}:LiveCreateParams", "LiveSessionCreateRequest"),
    "live create response": (f"{LIVE}:LiveCreateResponse", "LiveSessionCreateResponse"),
    "live accept request": (f"{LIVE}:SessionAcceptParams", "LiveCallAcceptRequest"),
    "live fork request": (f"{LIVE}:SessionForkParams", "LiveForkRequest"),
    "live fork response": (f"{LIVE}:SessionForkResponse", "LiveCreateResponse"),
    "live refer request": (f"{LIVE}:SessionReferParams", "LiveCallReferRequest"),
    "live reject request": (f"{LIVE}:SessionRejectParams", "LiveCallRejectRequest"),
    "live sideband query": (f"{LIVE}:SidebandConnectParams", "LiveSidebandConnectParams"),
}


class Unusable(Exception):
    """The comparison can't be made; the message says why."""


@attrs.frozen(order=True)
class Difference:
    """Something that only one side has.

    Args:
        path: Where: the label, then properties, with `<type>` after a union and `[]` after a list.
        side: Which side has it: `official` or `ours`.
        value: Its kind: a property, a constant, an event's type or a kind of value.
        addition: The field or value itself, if the official side has it.
    """

    path: str
    side: str
    value: str
    addition: Field | Value | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return f"{self.path}: only {self.side}: {self.value}"


@attrs.frozen
class Known:
    """Differences that are intended.

    Args:
        path: A regular expression for their paths.
        side: The side that has more.
        value: A regular expression for their values.
        reason: Why they stay.
    """

    path: str
    side: str
    value: str
    reason: str

    def covers(self, difference: Difference) -> bool:
        return (
            self.side == difference.side
            and re.fullmatch(self.path, difference.path) is not None
            and re.fullmatch(self.value, difference.value) is not None
        )


class Shape:
    """The schemas that may describe one place: the members of a union, with references resolved."""

    def __init__(
        self, document: Mapping[str, Any], schemas: Iterable[Any], owners: dict[int, str] | None = None
    ) -> None:
        self._document = document
        self._owners = {} if owners is None else owners  # the names of schemas, by their objects
        self.members = [member for schema in schemas for member in self._resolved(schema)]

    def _resolved(self, schema: Any, seen: tuple[str, ...] = ()) -> Iterator[Mapping[str, Any]]:
        if not isinstance(schema, Mapping):
            return
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference not in seen:
                name = reference.rsplit("/", 1)[-1]
                for one in self._resolved(self._document["$defs"][name], (*seen, reference)):
                    self._owners.setdefault(id(one), name)
                    yield one
            return
        branches = [one for key in ("anyOf", "oneOf") for one in schema.get(key, ())]
        if branches and "properties" not in schema:
            for branch in branches:
                yield from self._resolved(branch, seen)
            return
        if len(schema.get("allOf", ())) == 1:
            yield from self._resolved(schema["allOf"][0], seen)
            return
        yield schema

    def _of(self, schemas: Iterable[Any]) -> Shape:
        return Shape(self._document, schemas, self._owners)

    @property
    def kinds(self) -> set[str]:
        """The kinds of values: null is left out, as the official package adds it to all that is optional."""
        found: set[str] = set()
        for member in self.members:
            if "const" in member or "enum" in member:
                found.add("string" if any(isinstance(one, str) for one in _constants(member)) else "constant")
                continue
            kinds = member.get("type")
            listed = [kinds] if isinstance(kinds, str) else list(kinds or ())
            found |= {"number" if kind == "integer" else kind for kind in listed}
            if not listed and "properties" in member:
                found.add("object")
        return found - {"null"}

    @property
    def constants(self) -> set[str]:
        return {str(one) for member in self.members for one in _constants(member) if one is not None}

    @property
    def is_open(self) -> bool:
        """Whether any string is allowed, beside constants."""
        return any(member.get("type") == "string" and not _constants(member) for member in self.members)

    @property
    def owners(self) -> tuple[str, ...]:
        """The names of the schemas."""
        return tuple(dict.fromkeys(self._owners[id(one)] for one in self.members if id(one) in self._owners))

    def whole(self) -> dict[str, Any]:
        """Return the schema without references and without null; what contains itself is any object."""
        schemas = [self._whole(one) for one in self.members if one.get("type") != "null"]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _whole(self, node: Any, seen: tuple[str, ...] = ()) -> Any:
        if isinstance(node, list):
            return [self._whole(one, seen) for one in node]
        if not isinstance(node, Mapping):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str):
            if reference in seen:
                return {"type": "object", "additionalProperties": {}}
            return self._whole(self._document["$defs"][reference.rsplit("/", 1)[-1]], (*seen, reference))
        return {key: self._whole(one, seen) for key, one in node.items() if key != "default"}

    def by_tag(self) -> dict[str, Shape]:
        """Return the objects by their tags; those without one share the tag ``."""
        groups: dict[str, list[Any]] = {}
        for member in self.members:
            if isinstance(member.get("properties"), Mapping):
                tags = self._of([member["properties"].get("type", {})]).constants or {""}
                for tag in tags:
                    groups.setdefault(tag, []).append(member)
        return {tag: self._of(members) for tag, members in groups.items()}

    def properties(self) -> dict[str, Shape]:
        found: dict[str, list[Any]] = {}
        for member in self.members:
            for name, schema in (member.get("properties") or {}).items():
                found.setdefault(name, []).append(schema)
        return {name: self._of(schemas) for name, schemas in found.items()}

    def items(self) -> Shape:
        return self._of([member["items"] for member in self.members if "items" in member])


def compare(
    official: Shape, ours: Shape, path: str, seen: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    """Yield the differences of two shapes and all that they reach."""
    for side, one, other in ((OFFICIAL, official, ours), (OURS, ours, official)):
        for kind in sorted(one.kinds - other.kinds):
            if other.kinds:
                yield Difference(path, side, f"kind {kind}")
        for value in sorted(one.constants - other.constants):
            if other.constants:
                new = Value(frozenset(ours.constants), value) if side == OFFICIAL else None
                yield Difference(path, side, repr(value), new)
    if official.items().members and ours.items().members:
        yield from compare(official.items(), ours.items(), f"{path}[]", seen)
    theirs, own = official.by_tag(), ours.by_tag()
    if not theirs or not own:
        return
    if "" in theirs or "" in own or (len(theirs) == len(own) == 1):
        theirs, own = {"": _joined(theirs)}, {"": _joined(own)}
    for side, some, others in ((OFFICIAL, theirs, own), (OURS, own, theirs)):
        for tag in sorted(some.keys() - others.keys()):
            yield Difference(path, side, f"type {tag!r}")
    for tag in sorted(theirs.keys() & own.keys()):
        yield from _objects(theirs[tag], own[tag], f"{path}<{tag}>" if tag else path, seen)


def _objects(official: Shape, ours: Shape, path: str, seen: frozenset[str]) -> Iterator[Difference]:
    key = str(sorted(map(id, ours.members)))
    if key in seen:
        return
    theirs, own = official.properties(), ours.properties()
    for side, some, others in ((OFFICIAL, theirs, own), (OURS, own, theirs)):
        for name in sorted(some.keys() - others.keys()):
            new = Field(ours.owners, name, theirs[name].whole()) if side == OFFICIAL else None
            yield Difference(path, side, f"property {name}", new)
    # Members of a union were matched by their types already; one class may have several.
    told = {"type"} if path.endswith(">") else set()
    for name in sorted((theirs.keys() & own.keys()) - told):
        yield from compare(theirs[name], own[name], f"{path}.{name}", seen | {key})


def _joined(shapes: Mapping[str, Shape]) -> Shape:
    first = next(iter(shapes.values()))
    return first._of([member for shape in shapes.values() for member in shape.members])


def _constants(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def official_schemas(python: Path) -> dict[str, Any]:
    """Return the official package's schemas, by label.

    Args:
        python: The Python that has the package.

    Raises:
        Unusable: It is missing, or a type is gone.
    """
    if not python.exists():
        raise Unusable(f"{python} is missing; run `make peers`")
    places = {label: place for label, (place, _) in COMPARED.items()}
    done = subprocess.run(
        [python, READER], input=json.dumps(places), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unusable(done.stderr.strip().rpartition("\n")[2])
    schemas: dict[str, Any] = json.loads(done.stdout)
    return schemas


def differences(python: Path = PEER_PYTHON) -> list[Difference]:
    """Return all differences, sorted.

    Args:
        python: The Python that has the official package.
    """
    from realtime_api import events, schemas

    found: list[Difference] = []
    for label, schema in official_schemas(python).items():
        ours = COMPARED[label][1]
        table = getattr(events, ours, None)
        names = [ours] if table is None else sorted({kind.__name__ for kind in table.values()})
        own = [{"$ref": f"#/$defs/{name}"} for name in names]
        found += compare(Shape(schema, [schema]), Shape(schemas.document(), own), label)
    return sorted(set(found))


def known() -> list[Known]:
    """Read the known differences."""
    rows = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["difference"]
    return [Known(**row) for row in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare realtime_api with the official package.")
    parser.add_argument("--all", action="store_true", help="also print known differences, with their reasons")
    parser.add_argument(
        "--python", type=Path, default=PEER_PYTHON, help="the Python that has the official package"
    )
    options = parser.parse_args(arguments)
    try:
        found = differences(options.python)
    except Unusable as error:
        print(f"compare_official: {error}", file=sys.stderr)
        return 2
    listed = known()
    additions: list[Field | Value] = []
    status = 0
    for difference in found:
        reason = next((one.reason for one in listed if one.covers(difference)), None)
        if reason is None:
            status = 1
            print(difference)
            if difference.addition is not None:
                additions.append(difference.addition)
        elif options.all:
            print(f"{difference} (known: {reason})")
    for one in listed:
        if not any(one.covers(difference) for difference in found):
            status = 1
            print(f"{KNOWN.name}: no such difference: {one.path}, only {one.side}: {one.value}")
    if additions:
        print(f"\n{proposal(additions)}", end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
