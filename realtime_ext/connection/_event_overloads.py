"""Typing overloads for methods that take an event type or class.

The overloads are generated, for connections of the Realtime API (`realtime_api.event_types`) and for those of
the Live API (`realtime_api.live_event_types`). At run time the decorators here return the method as it is.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from realtime_api import event_types, live_event_types

    from ..events import LiveEvent, ServerEvent
    from ._async_events import HandlesEvents

    LocalType: TypeAlias = Literal["realtime_ext.reconnected", "realtime_ext.session_expiring"]
    LiveLocalType: TypeAlias = LocalType | Literal["realtime_ext.talked_over"]
    ServerEventType: TypeAlias = event_types.ServerEventType | live_event_types.ServerEventType
    OtherKind: TypeAlias = LocalType | UnionType | tuple[ServerEventType | LocalType | type | UnionType, ...]
    LiveOtherKind: TypeAlias = (
        LiveLocalType | UnionType | tuple[ServerEventType | LiveLocalType | type | UnionType, ...]
    )
    EventKind: TypeAlias = ServerEventType | type | LiveOtherKind
    Live: TypeAlias = HandlesEvents[LiveEvent]
    Other: TypeAlias = HandlesEvents[ServerEvent]

    class registers:
        def __init__(self, method: Any) -> None: ...
        @overload
        def __get__(self, owner: Live, kind: Any) -> live_event_types.Register[LiveOtherKind]: ...
        @overload
        def __get__(self, owner: Other, kind: Any) -> event_types.Register[OtherKind]: ...
        def __get__(self, owner: Any, kind: Any) -> Any: ...

    class waits:
        def __init__(self, method: Any) -> None: ...
        @overload
        def __get__(self, owner: Live, kind: Any) -> live_event_types.WaitFor[LiveOtherKind, LiveEvent]: ...
        @overload
        def __get__(self, owner: Other, kind: Any) -> event_types.WaitFor[OtherKind, ServerEvent]: ...
        def __get__(self, owner: Any, kind: Any) -> Any: ...

    class waits_async:
        def __init__(self, method: Any) -> None: ...
        @overload
        def __get__(
            self, owner: Live, kind: Any
        ) -> live_event_types.AsyncWaitFor[LiveOtherKind, LiveEvent]: ...
        @overload
        def __get__(self, owner: Other, kind: Any) -> event_types.AsyncWaitFor[OtherKind, ServerEvent]: ...
        def __get__(self, owner: Any, kind: Any) -> Any: ...

    class expects:
        def __init__(self, method: Any) -> None: ...
        @overload
        def __get__(self, owner: Live, kind: Any) -> live_event_types.Expect[LiveOtherKind, LiveEvent]: ...
        @overload
        def __get__(self, owner: Other, kind: Any) -> event_types.Expect[OtherKind, ServerEvent]: ...
        def __get__(self, owner: Any, kind: Any) -> Any: ...

    class expects_async:
        def __init__(self, method: Any) -> None: ...
        @overload
        def __get__(
            self, owner: Live, kind: Any
        ) -> live_event_types.AsyncExpect[LiveOtherKind, LiveEvent]: ...
        @overload
        def __get__(self, owner: Other, kind: Any) -> event_types.AsyncExpect[OtherKind, ServerEvent]: ...
        def __get__(self, owner: Any, kind: Any) -> Any: ...

else:
    MethodT = TypeVar("MethodT")

    def registers(method: MethodT) -> MethodT:
        """Return a method like `on`, whose overloads type checkers know."""
        return method

    waits = waits_async = expects = expects_async = registers
