"""Read and write OpenAPI documents as files.

Documents come from outside and are hostile until checked: size, depth and the unfolding of YAML aliases are
bounded, and nothing is fetched.  YAML is read as JSON's superset (YAML 1.2): keys are text, `on` and `no` are
words, dates and `12:30` are text, infinities do not exist.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import yaml

from .document import Document, pointers
from .errors import SpecError

#: Bounds for a document: a large API's whole description has 3 MB and some 61,000 nodes.
MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 200

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", re.compile(r"<<"), ["<"]),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, in C where it is built in, with the plain scalars of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        own = [key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key, yaml.ScalarNode)]
        if len(set(own)) < len(own):
            raise yaml.constructor.ConstructorError(None, None, _twice(own), node.start_mark)
        super().flatten_mapping(node)
        # Merges that repeat each other would double with each level.
        once = {key.value if isinstance(key, yaml.ScalarNode) else id(key): (key, v) for key, v in node.value}
        node.value = list(once.values())

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        self.flatten_mapping(node)
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            mapping[key.value] = self.construct_object(value, deep=deep)
        return mapping


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _truth(loader: Any, node: yaml.ScalarNode) -> bool:
    text = str(loader.construct_scalar(node)).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{text!r:.80} is neither true nor false")
    return text == "true"


#: Only what JSON can hold: a tag for anything else is an error of the document's.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in _Loader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "str", "seq", "map")
}
_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Block style, no aliases; text that YAML 1.1 or 1.2 could read as something else is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _regex, _first in _PLAIN:
    _whole = re.compile(rf"(?:{_regex.pattern})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, _first)


def load(path: Path) -> Document:
    """Read an OpenAPI document from a YAML or JSON file.

    Args:
        path: The file; `.json` is read as JSON, anything else as YAML.

    Raises:
        SpecError: the file is not there, too large, no OpenAPI 3 document, or folds out beyond the bounds.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(
            f"cannot read {path}: {error.strerror}", hint="name an OpenAPI document in a file"
        ) from error
    return parse(raw, json_text=path.suffix == ".json", name=path.name)


def parse(raw: bytes, *, json_text: bool = False, name: str = "document") -> Document:
    """Read an OpenAPI document from bytes; see `load`."""
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{name} has {len(raw):,} bytes, more than {MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8-sig")
        if json_text:
            data = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
        else:
            _bound_nesting(text, name)
            data = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise SpecError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error
    except (yaml.YAMLError, ValueError) as error:
        kind = "JSON" if json_text else "YAML"
        raise SpecError(f"{name} is not {kind}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise SpecError(f"{name} nests deeper than Python can follow") from error
    if not isinstance(data, dict) or not str(data.get("openapi", "")).startswith("3."):
        raise SpecError(
            f"{name} is not an OpenAPI 3 document", pointer="/openapi", hint="expected `openapi: 3.x.y`"
        )
    _bound(data, name)
    for _ in pointers(data):  # what no reference can be is refused
        pass
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a second value for a key would take the place of the first without a word."""
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError(_twice([key for key, _ in pairs]))
    return out


def _twice(keys: list[str]) -> str:
    return f"a key stands twice: {Counter(keys).most_common(1)[0][0]!r:.80}"


def _bound_nesting(text: str, name: str) -> None:
    """Bound the depth of YAML before it is read: the reader in C would run out of stack, and end Python."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SpecError(
                f"{name} nests deeper than {MAX_DEPTH} at line {getattr(event.start_mark, 'line', 0) + 1}",
                hint="look for brackets that are not closed",
            )


def _bound(data: Any, name: str) -> None:
    count = 0
    stack: list[tuple[Any, int]] = [(data, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise SpecError(
                f"{name} folds out to more than {MAX_NODES:,} nodes or nests deeper than {MAX_DEPTH}",
                hint="look for YAML aliases that repeat or contain each other",
            )
        if isinstance(node, dict):
            stack.extend((value, depth + 1) for value in node.values())
            stack.extend((key, depth + 1) for key in node if not key.isascii())
        elif isinstance(node, list):
            stack.extend((value, depth + 1) for value in node)
        elif isinstance(node, str):
            if not node.isascii() and any("\ud800" <= char <= "\udfff" for char in node):
                raise SpecError(
                    f"{name} has text that is no Unicode: {node!r:.80}", hint="remove the surrogate"
                )
        elif isinstance(node, float) and not math.isfinite(node):
            raise SpecError(f"{name} has a number beyond what a double holds", hint="write a finite number")
        elif node is not None and not isinstance(node, (bool, int, float)):
            raise SpecError(
                f"{name} has a value that JSON cannot hold: {node!r:.80}", hint="remove its YAML tag"
            )


def dump(data: Any) -> str:
    """Write a document as YAML: block style, keys in their order, the same text for the same data."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
