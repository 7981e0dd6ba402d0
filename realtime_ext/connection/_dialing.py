"""`dial`: a WebRTC call from Python, with a connection over its data channel.

This module must not load the WebRTC library before a call is made.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import attrs

from .._core.time_limit import wait
from .._http.sending import AsyncHttp, asend
from .._http.settings import RequestOptions
from ..errors import ConnectionClosedError
from ._async_connection import AsyncConnection
from ._call_media import check_host_addresses, check_media, report
from ._dialects import translated
from ._io import ConnectionIO, Observer, observers_of, run_to_completion
from ._link import LinkClosed, OnEnd, OnMessage
from ._opening import ConnectionT, OpensByWith, hang_up
from ._state.connect_plan import Role, call_id_in
from ._state.core import MAX_QUEUE_BYTES, ConnectionState
from ._state.event_queue import Budget

if TYPE_CHECKING:
    import httpx

    from .._core.arguments import QueryValue, Timeout
    from .._core.call import Call
    from .._http.operation import Operation
    from ..tools import Toolbox
    from ._call_media import AsyncAudioIn, AsyncAudioOut
    from ._webrtc_peer import WebRtcPeer

ANSWER_PATIENCE = 2.0  # seconds to wait for the answer when dialling is cancelled

DialStep: TypeAlias = Literal["offer", "call", "ice", "dtls", "data channel"]


@attrs.frozen(kw_only=True, repr=False)  # a converter may fail, and a traceback shows the object
class DialRequest:
    """A call to be made.

    Args:
        create: Builds the request that makes the call, of the offer.
        hangup: Builds the request that hangs it up, of its id.
        session: The session's JSON object; None for the API's defaults.
        audio_in, audio_out, connect_timeout, host_addresses: As for `WebRtcPeer`.
        on_progress: Called with each completed step; its exceptions are logged.
        observer: Called with every event.
        max_queue_bytes: The limit of the event queue.
        hangup_on_exit: Whether the call ends with the block.
        options: Time limit, headers and query of the request that makes the call.

    Raises:
        TypeError: One has the wrong type.
        ValueError: One has a value that can't work.
    """

    create: Callable[[str], Operation[Any]]
    hangup: Callable[[str], Operation[None]]
    session: Mapping[str, Any] | None
    audio_in: AsyncAudioIn | None
    audio_out: AsyncAudioOut | None
    connect_timeout: float
    host_addresses: Sequence[str] | None
    on_progress: Callable[[DialStep], object] | None
    observer: tuple[Observer, ...] = attrs.field(converter=observers_of)
    max_queue_bytes: int | None
    hangup_on_exit: bool
    options: RequestOptions

    def __attrs_post_init__(self) -> None:
        check_host_addresses(self.host_addresses)
        check_media(self.audio_in, self.audio_out, self.connect_timeout, self.on_progress)
        Budget(MAX_QUEUE_BYTES if self.max_queue_bytes is None else self.max_queue_bytes)


class CallAudio:
    """The audio of a connection's WebRTC call."""

    _peer: WebRtcPeer

    @property
    def sent_ms(self) -> int:
        """How much of `audio_in` has been sent, in milliseconds; silence doesn't count."""
        return self._peer.sent_ms

    @property
    def received_ms(self) -> int:
        """How much audio has been received, in milliseconds; silence does count."""
        return self._peer.received_ms

    async def finished_speaking(self) -> None:
        """Wait until all of `audio_in` has been sent, or the call has ended."""
        await self._peer.finished_speaking()


class AsyncCallConnection(CallAudio, AsyncConnection):
    """A connection over a WebRTC call's data channel; audio flows on the call's track."""

    def __init__(
        self,
        io: ConnectionIO,
        peer: WebRtcPeer,
        call: Call,
        hang_up: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(io, call=call, hang_up=hang_up)
        self._made = call
        self._peer = peer

    @property
    def call(self) -> Call:
        """The call that `dial` made."""
        return self._made


class _PeerLink:
    """A WebRTC peer as a link."""

    def __init__(self, peer: WebRtcPeer) -> None:
        self._peer = peer

    async def send(self, text: str) -> None:
        try:
            await self._peer.send(text)
        except ConnectionClosedError as error:
            raise LinkClosed(error.code, error.reason, error) from error

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        self._receiving = asyncio.get_running_loop().create_task(self._receive(on_message, on_end))

    async def _receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        try:
            while True:
                on_message(await self._peer.recv())
        except ConnectionClosedError as error:
            on_end(LinkClosed(error.code, error.reason, error.__cause__))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._peer.close()

    def forget(self) -> None:
        """Return: without its loop's thread a copy of a peer neither sends nor receives."""


CallT = TypeVar("CallT")


class DialsByWith(OpensByWith[ConnectionT], Generic[CallT, ConnectionT]):
    """A call of either API to be made by `async with`, and hung up when the block ends."""

    _id_field = "id"  # of a call

    def __init__(
        self,
        http: AsyncHttp,
        tools: Toolbox | None,
        *,
        timeout: Timeout | None,
        extra_headers: Mapping[str, str] | None,
        extra_query: Mapping[str, QueryValue] | None,
        safety_identifier: str | None = None,
        **arguments: Any,
    ) -> None:
        options = RequestOptions.check(timeout, extra_headers, extra_query, safety_identifier)
        super().__init__(http, tools, DialRequest(options=options, **arguments))
        self._offer: str | None = None
        self._call: CallT | None = None
        self._made: str | None = None  # the id of a call that exists even if its answer is invalid

    @property
    def offer(self) -> str | None:
        """The SDP offer; None before it was made."""
        return self._offer

    @property
    def call(self) -> CallT | None:
        """The call; None before the API has answered the offer."""
        return self._call

    @staticmethod
    @abstractmethod
    def _id_in(response: httpx.Response) -> str | None:
        """Return the id of the call in an answer that may be invalid otherwise; None if it has none."""

    @abstractmethod
    async def _over_peer(self, peer: WebRtcPeer, call: CallT) -> ConnectionT:
        """Make the connection of a call whose peer is connected."""

    async def _connect(self) -> ConnectionT:
        from ._webrtc_peer import WebRtcPeer, host_addresses_towards

        request, http = self._request, self._http
        addresses = request.host_addresses
        peer = WebRtcPeer(
            audio_in=request.audio_in,
            audio_out=request.audio_out,
            connect_timeout=request.connect_timeout,
            host_addresses=host_addresses_towards(http.settings.base_url) if addresses is None else addresses,
            on_progress=request.on_progress,
        )
        making: asyncio.Task[CallT] | None = None
        try:
            self._offer = await peer.create_offer()
            report(request.on_progress, "offer")
            operation: Operation[CallT] = request.create(self._offer)

            def read(response: httpx.Response) -> CallT:
                self._made = self._id_in(response)
                return operation.read(response)

            making = asyncio.get_running_loop().create_task(
                asend(attrs.evolve(operation, read=read), http, request.options)
            )
            await asyncio.wait([making])  # cancelling it would lose the call's id
            call: Any = making.result()
            self._call = call
            self._made = getattr(call, self._id_field)
            report(request.on_progress, "call")
            await peer.connect(call.sdp_answer)
            self._connection = connection = await self._over_peer(peer, call)
        except BaseException:
            await run_to_completion(self._undo(making), peer.close())
            raise
        return connection

    async def _undo(self, making: asyncio.Task[CallT] | None) -> None:
        """Hang up the call that was made, or that the API may be about to make."""
        if making is not None:
            if not (await wait([making], ANSWER_PATIENCE))[0]:
                making.cancel()
                await wait([making], ANSWER_PATIENCE)
            if making.done() and not making.cancelled():
                making.exception()  # retrieved, or it would be logged as unseen
        if self._made is not None:
            await hang_up(self._http, self._request.hangup, self._made)

    def _io(self, peer: WebRtcPeer, state: ConnectionState) -> ConnectionIO:
        """Begin to receive a peer's events."""
        return ConnectionIO(
            state,
            translated(_PeerLink(peer), self._http.settings.dialect),
            clock=self._http.clock,
            observers=self._request.observer,
        )

    async def __aexit__(self, *_: object) -> None:
        connection = self._connection
        if connection is None or connection._is_forked:
            return
        endings: list[Coroutine[Any, Any, Any]] = [connection.close()]
        if self._request.hangup_on_exit and self._made is not None:
            endings.insert(0, hang_up(self._http, self._request.hangup, self._made))
        await run_to_completion(*endings)


class AsyncDialing(DialsByWith["Call", AsyncCallConnection]):
    """A call to be made by `async with`, and hung up when the block ends."""

    _example = "async with client.dial(…) as connection"

    @staticmethod
    def _id_in(response: httpx.Response) -> str | None:
        return call_id_in(response.headers.get("location"))

    async def _over_peer(self, peer: WebRtcPeer, call: Call) -> AsyncCallConnection:
        request, http = self._request, self._http
        state = self._state(ConnectionState, _role(request.session))
        state.session.began(http.clock.now())
        hangs_up = partial(hang_up, http, request.hangup, call.id)
        return AsyncCallConnection(self._io(peer, state), peer, call, hangs_up)


def _role(session: Mapping[str, Any] | None) -> Role:
    session = session or {}
    model = session.get("model")
    return Role(
        kind=str(session.get("type") or "realtime"),
        plays=False,
        carries_audio=False,
        model=model if isinstance(model, str) else None,
    )
