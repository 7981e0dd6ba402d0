"""Read and write OpenAPI documents.

Input is untrusted: size, nesting and the expansion of YAML aliases are limited, and nothing is fetched.  YAML
is read as a superset of JSON (YAML 1.2): keys, `on`, `no`, dates and `12:30` are strings; infinities are
invalid.
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

#: Limits: a large API's whole description has 3 MB and some 61,000 nodes.
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
    """PyYAML's safe loader, the C one if available, with the plain scalars of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        own = [key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key, yaml.ScalarNode)]
        if len(set(own)) < len(own):
            raise yaml.constructor.ConstructorError(None, None, _duplicate(own), node.start_mark)
        super().flatten_mapping(node)
        # Nested merges would double in size with each level.
        once = {key.value if isinstance(key, yaml.ScalarNode) else id(key): (key, v) for key, v in node.value}
        node.value = list(once.values())

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        self.flatten_mapping(node)
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that is not a string", key.start_mark
                )
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


#: JSON types only; any other tag is an error.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in _Loader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "str", "seq", "map")
}
_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Block style, no aliases; strings that are ambiguous in YAML 1.1 or 1.2 are quoted."""

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
        SpecError: the file is missing, too large, not an OpenAPI 3 document, or expands beyond the limits.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(
            f"cannot read {path}: {error.strerror}", hint="pass the path of an OpenAPI document"
        ) from error
    return parse(raw, json_text=path.suffix == ".json", name=path.name)


def parse(raw: bytes, *, json_text: bool = False, name: str = "document") -> Document:
    """Parse an OpenAPI document; see `load`."""
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{name} has {len(raw):,} bytes, more than {MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8-sig")
        if json_text:
            data = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
        else:
            _limit_nesting(text, name)
            data = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise SpecError(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from error
    except (yaml.YAMLError, ValueError) as error:
        kind = "JSON" if json_text else "YAML"
        raise SpecError(f"{name} is not {kind}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise SpecError(f"{name} is nested too deeply") from error
    if not isinstance(data, dict) or not str(data.get("openapi", "")).startswith("3."):
        raise SpecError(
            f"{name} is not an OpenAPI 3 document", pointer="/openapi", hint="expected `openapi: 3.x.y`"
        )
    _limit(data, name)
    for _ in pointers(data):  # not a valid reference
        pass
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not valid JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; a duplicate key is an error."""
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError(_duplicate([key for key, _ in pairs]))
    return out


def _duplicate(keys: list[str]) -> str:
    return f"duplicate key: {Counter(keys).most_common(1)[0][0]!r:.80}"


def _limit_nesting(text: str, name: str) -> None:
    """Limit the depth of YAML before parsing: the C parser would overflow the stack and crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = getattr(event.start_mark, "line", 0) + 1
            raise SpecError(
                f"{name} is nested deeper than {MAX_DEPTH} at line {line}",
                hint="look for unclosed brackets",
            )


def _limit(data: Any, name: str) -> None:
    count = 0
    stack: list[tuple[Any, int]] = [(data, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise SpecError(
                f"{name} expands to more than {MAX_NODES:,} nodes or is nested deeper than {MAX_DEPTH}",
                hint="look for nested YAML aliases",
            )
        if isinstance(node, dict):
            stack.extend((value, depth + 1) for value in node.values())
            stack.extend((key, depth + 1) for key in node if not key.isascii())
        elif isinstance(node, list):
            stack.extend((value, depth + 1) for value in node)
        elif isinstance(node, str):
            if not node.isascii() and any("\ud800" <= char <= "\udfff" for char in node):
                raise SpecError(
                    f"{name} has a string that is not valid Unicode: {node!r:.80}",
                    hint="remove the surrogate",
                )
        elif isinstance(node, float) and not math.isfinite(node):
            raise SpecError(f"{name} has a number that exceeds a double", hint="write a finite number")
        elif node is not None and not isinstance(node, (bool, int, float)):
            raise SpecError(
                f"{name} has a value that JSON does not support: {node!r:.80}", hint="remove its YAML tag"
            )


def dump(data: Any) -> str:
    """Return a document as YAML: block style, keys in order, deterministic."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
