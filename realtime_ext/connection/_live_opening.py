"""Opens async connections of the Live API: those that `client.live` makes."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from .._core import json as _json
from .._core.call import LiveCall, check_session_id
from .._http.sending import AsyncHttp
from ..errors import APITimeoutError, BadRequestError, ConflictError, NotFoundError
from ._dialing import CallAudio, DialsByWith
from ._io import ConnectionIO, run_to_completion
from ._link import Link
from ._live_connection import AsyncLiveConnection
from ._opening import GREETING, Answers, ConnectRequest, OpensByWith, confirmed, open_link
from ._state.connect_plan import Plan, Role
from ._state.live import LiveState
from ._state.reconnect import CloseInfo, continuing

if TYPE_CHECKING:
    import httpx

    from ..tools import Toolbox
    from ._opening import Hangup
    from ._webrtc_peer import WebRtcPeer

logger: logging.Logger = logging.getLogger("realtime_ext")

_NOT_FINAL = (0.2, 0.4, 0.8, 0.0)  # seconds after which a session that was cut off may be final


class AsyncLiveConnecting(OpensByWith[AsyncLiveConnection]):
    """A connection to be opened by `async with`, and closed when the block ends."""

    _example = "async with client.live.connect(…) as connection"

    def __init__(
        self,
        http: AsyncHttp,
        tools: Toolbox | None,
        *,
        path: str,
        session: Mapping[str, Any] | None,
        session_id: str,
        idle_audio: bool,
        update: Mapping[str, Any] | None = None,
        ends_session: bool = False,
        reconnect: Any = None,
        **arguments: Any,
    ) -> None:
        check_dialect(http)
        is_sideband = session is None
        if not is_sideband and isinstance(reconnect, str):
            reconnect = continuing(reconnect)
        role = Role(kind="live", is_sideband=is_sideband, plays=False, carries_audio=not is_sideband)
        plan = Plan(role=role, path=path, query={}, update=None)
        request = ConnectRequest.check(
            plan=plan,
            validate=http.settings.validate,
            safety_identifier=None,
            reconnect=reconnect,
            **arguments,
        )
        super().__init__(http, tools, request)
        self._session = session
        self._session_id = session_id
        self._update = update
        self._idle_audio = idle_audio and not is_sideband
        self._ends_session = ends_session or not is_sideband

    async def _connect(self) -> AsyncLiveConnection:
        request, http = self._request, self._http
        link = await open_link(http, request, is_first=True)
        state = self._state(LiveState, request.plan.role, request.reconnect)
        io = self._over_websocket(state, link, partial(_reopen, http, request, state))
        try:
            if self._session is not None:
                await self._start(io, state, self._session)
            if self._update is not None:
                update = {"type": "session.update", "session": self._update}
                await confirmed(io, update, "live.attach")
        except BaseException:
            await _abandon(io, link.close(1000))
            raise
        content = state.session.content or {}
        session_id = str(content.get("id") or self._session_id)
        self._connection = AsyncLiveConnection(
            io,
            session_id,
            server=http.settings.base_url,
            idle_audio=self._idle_audio,
            ends_session=self._ends_session,
        )
        return self._connection

    @staticmethod
    async def _start(io: ConnectionIO, state: LiveState, session: Mapping[str, Any]) -> None:
        out = state.client_events.write({"type": "session.start", "session": session})
        started = await io.send(out)
        assert started is not None
        await io.wait(started, io.confirm_timeout, "live.connect: session.started")


async def _reopen(http: AsyncHttp, request: ConnectRequest, state: LiveState) -> Link:
    """Open a link to a sideband's session, or to the session that continues a lost one.

    A stored session is forked. If that is refused, a new session is given the history in its place.
    """
    if state.role.is_sideband:
        return await open_link(http, request, is_first=False)
    if state.continues_by_fork:
        path = f"/live/sessions/{quote(state.live.session_id or '', safe='')}/fork"
        for pause in _NOT_FINAL:
            try:
                return await open_link(http, _at(request, path), is_first=False)
            except (BadRequestError, NotFoundError, ConflictError) as error:
                logger.info("the session can't be forked (yet): %s", error)
                await http.clock.asleep(pause)
        state.continues_by_fork = False
    return await open_link(http, _at(request, "/live/sessions"), is_first=False)


def _at(request: ConnectRequest, path: str) -> ConnectRequest:
    return attrs.evolve(request, plan=attrs.evolve(request.plan, path=path))


class AsyncLiveAnswering(Answers[AsyncLiveConnection], AsyncLiveConnecting):
    """A telephone call to be accepted and attached to by `async with`, and hung up when the block ends."""

    _example = "async with client.live.answer(…) as connection"

    def __init__(
        self,
        http: AsyncHttp,
        tools: Toolbox | None,
        *,
        hangup: Hangup,
        hangup_on_exit: bool,
        **arguments: Any,
    ) -> None:
        super().__init__(http, tools, hangup_on_exit=hangup_on_exit, ends_session=hangup_on_exit, **arguments)
        self._hangup = hangup

    @property
    def _call_id(self) -> str:
        return self._session_id


class AsyncLiveCallConnection(CallAudio, AsyncLiveConnection):
    """A connection over the data channel of a session over WebRTC; audio flows on the track."""

    def __init__(self, io: ConnectionIO, peer: WebRtcPeer, call: LiveCall, **options: Any) -> None:
        super().__init__(io, call.session_id, **options)
        self._peer = peer
        self._call = call

    @property
    def call(self) -> LiveCall:
        """The call that `dial` made."""
        return self._call


class AsyncLiveDialing(DialsByWith[LiveCall, AsyncLiveCallConnection]):
    """A session over WebRTC to be started by `async with`, and ended when the block ends."""

    _example = "async with client.live.dial(…) as connection"
    _id_field = "session_id"

    def __init__(self, http: AsyncHttp, tools: Toolbox | None, **arguments: Any) -> None:
        check_dialect(http)
        super().__init__(http, tools, **arguments)

    @staticmethod
    def _id_in(response: httpx.Response) -> str | None:
        try:
            return check_session_id(_json.decode(response.content)["session"]["id"])
        except (ValueError, TypeError, LookupError):
            return None

    async def _over_peer(self, peer: WebRtcPeer, call: LiveCall) -> AsyncLiveCallConnection:
        state = self._state(LiveState, Role(kind="live", plays=False, carries_audio=False))
        state.session.began(self._http.clock.now(), LONGEST_CALL)
        io = self._io(peer, state)
        started = state.expect("session.started")
        try:
            await io.wait(started, GREETING, "session.started")
        except APITimeoutError:
            # The permissions of the data channel may withhold it.
            logger.info("no session.started within %g s; continuing without it", GREETING)
        except BaseException:
            await _abandon(io, peer.close())
            raise
        finally:
            state.queue.remove_waiter(started)
        server = self._http.settings.base_url
        return AsyncLiveCallConnection(io, peer, call, server=server)


LONGEST_CALL = 7200.0  # seconds that a session lasts


def check_dialect(http: AsyncHttp) -> None:
    """Raise ValueError if a server has no Live API."""
    if http.settings.dialect is not None:
        raise ValueError(f"live: servers with dialect={http.settings.dialect!r} have no Live API")


async def _abandon(io: ConnectionIO, closing: Coroutine[Any, Any, None]) -> None:
    io.state.finish(CloseInfo.by_user())
    io.stop()
    await run_to_completion(closing)
