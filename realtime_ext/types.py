"""Every class of the Realtime API, by its own name and by the official package's.

Each class has one name of its own, which reprs and type checkers show: that of the API description
(`RealtimeServerEventResponseDone`). The official package's names (`ResponseDoneEvent`) are aliases of the
same classes, so code can be ported without renaming. `<Name>Param` is the `TypedDict` of a schema that is
sent, for plain dicts. Where the two disagree about a name, it has the official package's meaning:
`RealtimeSessionCreateRequest` is today's session object, which the API description calls
`RealtimeSessionCreateRequestGA`. Classes are loaded on first use. Those of the Live API are in
`realtime_api.models` and `realtime_api.params`.

The names are those of `realtime_api.official`, and the events that this package adds.

Source: https://platform.openai.com/docs/api-reference/realtime
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import realtime_api.official as official  # not from realtime_api: pyright would read that package's __all__

if TYPE_CHECKING:
    from realtime_api.official import *  # noqa: F403

    from .events import ClientEvent, Event, Reconnected, ServerEvent, SessionExpiring, UnknownEvent

__all__ = ["ClientEvent", "Event", "Reconnected", "ServerEvent", "SessionExpiring", "UnknownEvent"]
_EVENTS = frozenset(__all__)
__all__ += official.__all__


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import events

        return globals().setdefault(name, getattr(events if name in _EVENTS else official, name))

    def __dir__() -> list[str]:
        return sorted(__all__)
