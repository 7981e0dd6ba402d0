"""What type checkers know of methods that are asked for an event by its type or its class.

The overloads are generated (`realtime_api.event_types`). At run time the decorators here return the method as
it is.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from realtime_api.event_types import (
        AsyncExpect,
        AsyncWaitFor,
        Expect,
        Register,
        ServerEventType,
        WaitFor,
    )

    from ..events import ServerEvent

    LocalType: TypeAlias = Literal["realtime_ext.reconnected", "realtime_ext.session_expiring"]
    OtherKind: TypeAlias = LocalType | UnionType | tuple[ServerEventType | LocalType | type | UnionType, ...]
    EventKind: TypeAlias = ServerEventType | type | OtherKind

    def registers(method: Any) -> Register[OtherKind]: ...
    def waits(method: Any) -> WaitFor[OtherKind, ServerEvent]: ...
    def waits_async(method: Any) -> AsyncWaitFor[OtherKind, ServerEvent]: ...
    def expects(method: Any) -> Expect[OtherKind, ServerEvent]: ...
    def expects_async(method: Any) -> AsyncExpect[OtherKind, ServerEvent]: ...

else:
    MethodT = TypeVar("MethodT")

    def registers(method: MethodT) -> MethodT:
        """Return a method like `on`, whose overloads type checkers know."""
        return method

    waits = waits_async = expects = expects_async = registers
