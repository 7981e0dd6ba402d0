"""What all builders share: a JSON object that grows, is never changed in place, and becomes a generated
model.

This module must not know any field but `type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from ..errors import SessionConfigError, SessionProblem
from ._answer import as_request
from ._check import examine, report
from ._given import Extras, SessionLike, plain, read
from ._kinds import KINDS
from ._problem import member, problem

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Builder", "present"]

ModelT = TypeVar("ModelT")


@attrs.frozen(init=False, repr=False)
class Builder:
    """A session that is being put together.

    Every method returns a new builder. Nothing is checked before `build`, or before the session is sent, so
    that all problems come at once. Only what was asked for is written.
    """

    _kind: ClassVar[str]

    _body: dict[str, Any]
    extra_paths: frozenset[str]

    def __init__(self) -> None:
        kind = KINDS[self._kind]
        self.__attrs_init__({} if kind.type is None else {"type": kind.type}, frozenset())

    @classmethod
    def from_dict(cls, session: SessionLike) -> Self:
        """Go on from a session that there is already.

        Args:
            session: A dict, a generated model or a builder. It is copied, with every field that it has;
                `type` may be left out. Of a session as the server tells it, what only the server sets is
                left out.

        Raises:
            SessionConfigError: It is another kind of session, or nested too deeply.
            TypeError: It is none of the three.
        """
        given = read(session)
        kind = KINDS[cls._kind]
        body = as_request(given.body, kind, from_model=not isinstance(session, Mapping))
        if kind.type is not None:
            found = body.get("type", kind.type)
            if found != kind.type:
                wrong = problem(
                    "type", found, (kind.type,), repr(kind.type), hint=f"{cls.__name__} makes that"
                )
                raise SessionConfigError([wrong])
            body = {"type": kind.type, **body}
        return cls._made(body, given.extras)

    def extra(self, **fields: Any) -> Self:
        """Send fields that this package doesn't know.

        Args:
            **fields: Their values. A dict goes into what is there already, field by field:
                `extra(audio={"input": {"new": 1}})` adds `audio.input.new`. Known fields are checked as ever.
        """
        more = plain(fields)
        return self._made(_deepened(self._body, more), self.extra_paths | frozenset(_paths(more, "")))

    def to_dict(self) -> dict[str, Any]:
        """Return the session as a JSON object, as it stands and unchecked."""
        copied: dict[str, Any] = plain(self._body)
        return copied

    def __repr__(self) -> str:
        # Names alone: instructions are long, and tools may hold keys.
        names = [name for name in self._body if name not in ("type", "model")]
        model = self._body.get("model")
        first = [repr(model)] if isinstance(model, str) else []
        return f"<{type(self).__name__} {', '.join([*first, *map(str, names)])}>".replace(" >", ">")

    @property
    def _is_partial(self) -> bool:
        """Whether it says too little to be a session of its own."""
        return False

    def _build(self, model: type[ModelT], *, validate: bool) -> ModelT:
        """Make the generated model, checked unless told otherwise."""
        from realtime_api.errors import ModelError

        if validate:
            partial = self._is_partial
            report(examine(read(self), (self._kind,), is_update=partial, is_partial=partial))
        read_model: Any = model
        try:
            built = read_model.from_dict(self.to_dict())
        except ModelError as error:
            field = error.field or "session"
            message = f"{field}: expected a value, got nothing; the model needs it even unchecked"
            raise SessionConfigError([SessionProblem(field, None, None, message)]) from error
        if self.extra_paths:
            built.additional_properties = Extras(built.additional_properties, self.extra_paths)
        result: ModelT = built
        return result

    def _with(self, path: str, value: Any) -> Self:
        """Return a builder in which one field is set, whatever it was."""
        return self._made(_put(self._body, path.split("."), plain(value)), self.extra_paths)

    def _with_fields(self, path: str, **fields: Any) -> Self:
        """Return a builder in which those of an object's fields are set that are not None."""
        builder = self
        for name, value in present(**fields).items():
            builder = builder._with(f"{path}.{name}", value)
        return builder

    @classmethod
    def _made(cls, body: dict[str, Any], extra_paths: frozenset[str]) -> Self:
        builder = cls.__new__(cls)
        builder.__attrs_init__(body, extra_paths)
        return builder


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _put(body: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = body.get(name)
    return {**body, name: _put(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}


def _deepened(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(body)
    for name, value in more.items():
        old = body.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _deepened(old, value)
        result[name] = value
    return result


def _paths(fields: Mapping[str, Any], path: str) -> list[str]:
    found = []
    for name, value in fields.items():
        at = member(path, name)
        found.append(at)
        found += _paths(value, at) if isinstance(value, dict) else []
    return found
