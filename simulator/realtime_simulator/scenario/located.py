"""YAML whose parts know where they stand, so that what is wrong with one can be said with line and field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import attrs
import yaml

_MAX_PARTS = 20_000
_NAMES: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


class ScenarioError(ValueError):
    """A scenario that can't be used; the message has its name, the line and the field."""


@attrs.frozen(eq=False)
class Located:
    """A value of a YAML file.

    Args:
        value: The value.
        path: Its field, such as `responses[0].say`.
        line: Its line, from 1.
        name: The file's name.
        parts: What is in it, by key or index.
    """

    value: Any
    path: str
    line: int
    name: str
    parts: Mapping[Any, Located]

    def refuse(self, why: str) -> NoReturn:
        """Say what is wrong with it.

        Raises:
            ScenarioError: Always.
        """
        where = f"{self.path}: " if self.path else ""
        raise ScenarioError(f"{self.name}, line {self.line}: {where}{why}")

    def _expect(self, what: str) -> NoReturn:
        self.refuse(f"expected {what}, got {_NAMES.get(type(self.value), 'nothing')}")

    def fields(self, known: Collection[str] | None) -> dict[str, Located]:
        """Return a mapping's fields; None in place of `known` takes any."""
        if not isinstance(self.value, dict):
            self._expect("a mapping")
        for key, part in self.parts.items():
            if known is not None and key not in known:
                part.refuse(f"there is no such field; there are {', '.join(dict.fromkeys(known))}")
        return dict(self.parts)

    def list(self, at_least: int = 0) -> list[Located]:
        """Return a list's elements."""
        if not isinstance(self.value, list):
            self._expect("a list")
        if len(self.value) < at_least:
            self.refuse(f"expected at least {at_least} element")
        return list(self.parts.values())

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self._expect("a text (in quotes, if it looks like something else)")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self._expect("true or false")
        return self.value

    def number(self, low: float) -> float:
        """Return a number of at least `low`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._expect("a number")
        if not low <= self.value < float("inf"):
            self.refuse(f"allowed is a number of at least {low:g}, got {self.value:g}")
        return self.value

    def whole(self, low: int) -> int:
        """Return a whole number of at least `low`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self._expect("a whole number")
        return int(self.number(low))

    def mapping_or_text(self) -> dict[str, Any] | str:
        """Return a mapping or a text."""
        if not isinstance(self.value, dict | str):
            self._expect("a mapping, or JSON as a text")
        return self.value


def read_yaml(text: str, name: str) -> Located:
    """Return a YAML document; an empty one is an empty mapping.

    Args:
        text: The document.
        name: Its file's name.

    Raises:
        ScenarioError: It isn't YAML.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Located({}, "", 1, name, {})
        return _Reader(loader, name).read(node, "")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ScenarioError(f"{name}{line}: {problem}") from error
    except RecursionError as error:
        raise ScenarioError(f"{name}: it is nested too deeply, or contains itself") from error
    finally:
        if loader is not None:
            loader.dispose()


class _Reader:
    """Turns nodes into values.

    Args:
        loader: The loader that they came from.
        name: The file's name.
    """

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader = loader
        self._name = name
        self._count = 0

    def read(self, node: yaml.Node, path: str) -> Located:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > _MAX_PARTS:
            raise ScenarioError(f"{self._name}, line {line}: it has more than {_MAX_PARTS} parts")
        parts: dict[Any, Located] = {}
        value: Any
        if isinstance(node, yaml.MappingNode):
            self._loader.flatten_mapping(node)
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise ScenarioError(f"{self._name}, line {line}: a field's name must be a text")
                key = key_node.value  # as it is written: YAML takes `on` and `no` for truth values
                if key in parts:
                    line = key_node.start_mark.line + 1
                    raise ScenarioError(f"{self._name}, line {line}: the field {key!r} is there twice")
                parts[key] = self.read(value_node, f"{path}.{key}" if path else str(key))
            value = {key: part.value for key, part in parts.items()}
        elif isinstance(node, yaml.SequenceNode):
            for index, element in enumerate(node.value):
                parts[index] = self.read(element, f"{path}[{index}]")
            value = [part.value for part in parts.values()]
        else:
            value = self._loader.construct_object(node, deep=True)
        return Located(value, path, line, self._name, parts)
