"""Opening a connection, awaited: `connect` and `answer`."""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import RealtimeError
from ..http.sending import AsyncHttp, asend
from ._connection import AsyncConnection
from ._leaving import hang_up, see_through
from ._link import AsyncLink, open_link
from ._request import ConnectRequest
from ._websocket import seconds_of
from .state._core import Protocol
from .state._opening import Plan

if TYPE_CHECKING:
    from ..http.operation import Operation

__all__ = ["AsyncAnswering", "AsyncConnecting"]


class AsyncConnecting:
    """A connection to be opened by `async with`, and closed when the block ends."""

    def __init__(self, http: AsyncHttp, request: ConnectRequest) -> None:
        self._http = http
        self._request = request
        self._connection: AsyncConnection | None = None

    async def __aenter__(self) -> AsyncConnection:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> AsyncConnection:
        if self._connection is not None:
            raise RealtimeError("connect: it was entered already; call connect again")
        request, http = self._request, self._http
        plan = request.plan

        async def reopen() -> AsyncLink:
            return await self._open_link(plan, is_first=False)

        link = await self._open_link(plan, is_first=True)
        core = request.protocol(uuid.uuid4().hex[:12], validate=http.settings.validate)
        if not plan.role.is_sideband:
            core.effects.session.began(http.clock.now())
        connection = AsyncConnection(
            core,
            link,
            clock=http.clock,
            reopen=reopen if request.reconnect is not None else None,
            observer=request.observer,
            call_id=plan.query.get("call_id"),
            confirm_timeout=seconds_of(request.options.timeout or http.settings.timeout),
        )
        self._connection = connection
        try:
            await self._confirm(core, connection, plan)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _open_link(self, plan: Plan, *, is_first: bool) -> AsyncLink:
        request = self._request
        return await open_link(
            plan,
            self._http,
            request.options,
            request.link,
            safety_identifier=request.safety_identifier,
            is_first=is_first,
        )

    async def _confirm(self, core: Protocol, connection: AsyncConnection, plan: Plan) -> None:
        if plan.update is None:
            return
        acknowledged = await connection._send(core.write(plan.update))
        assert acknowledged is not None
        await connection._acknowledged(acknowledged, connection._confirm_timeout, "connect: session.updated")


class AsyncAnswering(AsyncConnecting):
    """A call to be accepted, attached to and confirmed by `async with`, and hung up when the block ends."""

    def __init__(
        self, http: AsyncHttp, request: ConnectRequest, accept: Operation[None], *, hangup_on_exit: bool
    ) -> None:
        super().__init__(http, request)
        self._accept = accept
        self._hangs_up = hangup_on_exit

    async def __aenter__(self) -> AsyncConnection:
        call_id = self._request.plan.query["call_id"]
        try:
            await asend(self._accept, self._http, self._request.options)
        except BaseException as error:
            # A call that nobody attends to must not be left with a caller in it.
            if getattr(error, "may_have_applied", isinstance(error, asyncio.CancelledError)):
                await see_through(hang_up(self._http, call_id))
            raise
        try:
            return await self._open()
        except BaseException:
            await see_through(hang_up(self._http, call_id))
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        endings = [super().__aexit__(kind, error, trace)]
        if self._hangs_up:
            endings.insert(0, hang_up(self._http, self._request.plan.query["call_id"]))
        await see_through(*endings)
