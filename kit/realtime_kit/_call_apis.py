"""The calls of both APIs behind one interface: make, attach, hang up, check at start.

It must not own calls: `web` does.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from realtime_ext.client import call_id_of, session_id_of
from realtime_ext.webhooks import Api

if TYPE_CHECKING:
    from realtime_ext.client import AsyncRealtimeClient
    from realtime_ext.tools import Toolbox


@attrs.frozen
class MadeCall:
    """A call of a page.

    Args:
        id: Its id; with the Live API the session's.
        sdp_answer: The answer for the page.
        location: Where it is at the API.
    """

    id: str
    sdp_answer: str
    location: str


class CallApi(Protocol):
    """The calls of one API."""

    def check_id(self, call: object) -> str:
        """Return a call's id; raises TypeError or ValueError if there is none."""

    def with_tools(self, session: Any, tools: Toolbox) -> Any:
        """Return a session that has the tools."""

    def check(self, session: Any, expires_after: Any, *, validate: bool) -> None:
        """Raise SessionConfigError if the API would refuse a session, or the lifetime of a secret."""

    async def create(
        self, client: AsyncRealtimeClient, offer: bytes, session: Any, safety_identifier: Any
    ) -> MadeCall:
        """Make a call from a page's offer; raises as `client.calls.create`."""

    async def accept(self, client: AsyncRealtimeClient, call_id: str, session: Any) -> None:
        """Accept a telephone call."""

    async def reject(self, client: AsyncRealtimeClient, call_id: str, status_code: int) -> None:
        """Reject a telephone call."""

    def attach(
        self, client: AsyncRealtimeClient, call_id: str, tools: Toolbox | None
    ) -> AbstractAsyncContextManager[Any]:
        """Return the context manager of a sideband that runs the tools, which the session declares."""

    async def hang_up(self, client: AsyncRealtimeClient, call_id: str) -> None:
        """End a call."""


class _Realtime:
    def check_id(self, call: object) -> str:
        return call_id_of(call)

    def with_tools(self, session: Any, tools: Toolbox) -> Any:
        from realtime_ext.session import with_tools

        return with_tools(session, tools)

    def check(self, session: Any, expires_after: Any, *, validate: bool) -> None:
        from realtime_ext.session import resolve, resolve_lifetime

        resolve_lifetime(expires_after, validate=validate)
        if session is not None:
            resolve(session, validate=validate)

    async def create(
        self, client: AsyncRealtimeClient, offer: bytes, session: Any, safety_identifier: Any
    ) -> MadeCall:
        call = await client.calls.create(offer, session, safety_identifier=safety_identifier)
        return MadeCall(call.id, call.sdp_answer, call.location)

    async def accept(self, client: AsyncRealtimeClient, call_id: str, session: Any) -> None:
        await client.calls.accept(call_id, session)

    async def reject(self, client: AsyncRealtimeClient, call_id: str, status_code: int) -> None:
        await client.calls.reject(call_id, status_code)

    def attach(
        self, client: AsyncRealtimeClient, call_id: str, tools: Toolbox | None
    ) -> AbstractAsyncContextManager[Any]:
        return _running(tools, client.connect(call_id=call_id))

    async def hang_up(self, client: AsyncRealtimeClient, call_id: str) -> None:
        await client.calls.hangup(call_id)


class _Live:
    def check_id(self, call: object) -> str:
        return session_id_of(call)

    def with_tools(self, session: Any, tools: Toolbox) -> Any:
        from realtime_ext.session import with_backend_tools

        return with_backend_tools(session, tools)

    def check(self, session: Any, expires_after: Any, *, validate: bool) -> None:
        from realtime_ext.session import resolve

        if session is not None:
            resolve(session, validate=validate, kinds=("live_call",))

    async def create(
        self, client: AsyncRealtimeClient, offer: bytes, session: Any, safety_identifier: Any
    ) -> MadeCall:
        if safety_identifier is not None:
            from realtime_ext.session import merge

            session = merge(session, {"safety_identifier": safety_identifier})
        call = await client.live.calls.create(offer, session)
        location = call.location or f"/v1/live/sessions/{call.session_id}"
        return MadeCall(call.session_id, call.sdp_answer, location)

    async def accept(self, client: AsyncRealtimeClient, call_id: str, session: Any) -> None:
        await client.live.calls.accept(call_id, session)

    async def reject(self, client: AsyncRealtimeClient, call_id: str, status_code: int) -> None:
        await client.live.calls.reject(call_id, status_code)

    def attach(
        self, client: AsyncRealtimeClient, call_id: str, tools: Toolbox | None
    ) -> AbstractAsyncContextManager[Any]:
        return _running(tools, client.live.attach(call_id))

    async def hang_up(self, client: AsyncRealtimeClient, call_id: str) -> None:
        await client.live.calls.hangup(call_id)


@contextlib.asynccontextmanager
async def _running(tools: Toolbox | None, sideband: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """Run tools on a sideband, and leave the session's own as they are."""
    async with sideband as connection:
        if tools is not None:
            connection.run_tools(tools)
        yield connection


_APIS: dict[str, CallApi] = {"realtime": _Realtime(), "live": _Live()}


def call_api(api: Api) -> CallApi:
    """Return the calls of an API.

    Raises:
        ValueError: There is no such API.
    """
    if api not in _APIS:
        raise ValueError(f"api: expected 'realtime' or 'live', got {api!r}")
    return _APIS[api]


def api_of(call: object) -> CallApi:
    """Return the API that a call is of, by its type or its id; the Realtime API if neither tells."""
    if isinstance(call, str):
        is_live = call.startswith("live_")
    else:
        is_live = "session_id" in call if isinstance(call, Mapping) else hasattr(call, "session_id")
    return call_api("live" if is_live else "realtime")
