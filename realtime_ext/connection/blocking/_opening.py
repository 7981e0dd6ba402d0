"""Opening a connection, blocking: `connect` and `answer`."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import TYPE_CHECKING

from ...errors import RealtimeError
from ...http.sending import Http, send
from .._request import ConnectRequest
from .._websocket import seconds_of
from ..state._core import Protocol
from ..state._opening import Plan
from ._connection import Connection
from ._hangup import hang_up
from ._link import WebSocketLink, open_link
from ._sockets import Dialer

if TYPE_CHECKING:
    from ...http.operation import Operation

__all__ = ["Answering", "Connecting"]


class Connecting:
    """A connection to be opened by `with`, and closed when the block ends."""

    def __init__(self, http: Http, request: ConnectRequest) -> None:
        self._http = http
        self._request = request
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        return self._open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> Connection:
        if self._connection is not None:
            raise RealtimeError("connect: it was entered already; call connect again")
        request, http = self._request, self._http
        plan = request.plan

        def reopen(dialer: Dialer) -> WebSocketLink:
            return self._open_link(plan, dialer)

        link = self._open_link(plan, None)
        core = request.protocol(uuid.uuid4().hex[:12], validate=http.settings.validate)
        if not plan.role.is_sideband:
            core.effects.session.began(http.clock.now())
        connection = Connection(
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
            self._confirm(core, connection, plan)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_link(self, plan: Plan, dialer: Dialer | None) -> WebSocketLink:
        request = self._request
        return open_link(
            plan,
            self._http,
            request.options,
            request.link,
            safety_identifier=request.safety_identifier,
            dialer=dialer,
        )

    def _confirm(self, core: Protocol, connection: Connection, plan: Plan) -> None:
        if plan.update is None:
            return
        acknowledged = connection._send(core.write(plan.update))
        assert acknowledged is not None
        connection._acknowledged(acknowledged, connection._confirm_timeout, "connect: session.updated")


class Answering(Connecting):
    """A call to be accepted, attached to and confirmed by `with`, and hung up when the block ends."""

    def __init__(
        self, http: Http, request: ConnectRequest, accept: Operation[None], *, hangup_on_exit: bool
    ) -> None:
        super().__init__(http, request)
        self._accept = accept
        self._hangs_up = hangup_on_exit

    def __enter__(self) -> Connection:
        call_id = self._request.plan.query["call_id"]
        try:
            send(self._accept, self._http, self._request.options)
        except BaseException as error:
            # A call that nobody attends to must not be left with a caller in it.
            if getattr(error, "may_have_applied", isinstance(error, KeyboardInterrupt)):
                hang_up(self._http, call_id)
            raise
        try:
            return self._open()
        except BaseException:
            hang_up(self._http, call_id)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._hangs_up:
                hang_up(self._http, self._request.plan.query["call_id"])
        finally:
            super().__exit__(kind, error, trace)
