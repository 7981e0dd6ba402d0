"""Opens sync connections: `connect`, `answer` and `dial`, on the event loop of `_portal`.

Work that may block runs in worker threads: key callables, HTTP requests, which go through the sync client,
and a call's audio. `_opening` and `_dialing` decide how a connection is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import attrs

from .._core.threads import in_thread, run_in_thread
from .._core.time_limit import wait
from .._http.receiving import cut, receive
from .._http.sending import AsyncHttp, Http
from .._http.settings import checked_key
from ._dialing import AsyncDialing
from ._facade import check_sync
from ._live_opening import AsyncLiveAnswering, AsyncLiveConnecting, AsyncLiveDialing
from ._opening import AsyncAnswering, AsyncConnecting, OpenedByWith, OpensByWith
from ._portal import Hold, shared_portal
from ._sync import CallConnection, Connection, Events, LiveCallConnection, LiveConnection

if TYPE_CHECKING:
    import httpx

    from .._core.call import Call, LiveCall
    from .._core.secrets import Secret
    from ..tools import Toolbox
    from ._call_media import AsyncAudioIn, AsyncAudioOut

AudioIn: TypeAlias = "str | os.PathLike[str] | Iterable[bytes]"
AudioOut: TypeAlias = "str | os.PathLike[str] | Callable[[bytes], object]"

T = TypeVar("T")
ConnectionT = TypeVar("ConnectionT", bound=Events[Any, Any])

_LAST_STEPS = 1.0  # seconds for a request that was cut to end


class _Opening(OpenedByWith, Generic[ConnectionT]):
    """Opens a connection when a block is entered, and closes it when the block ends."""

    _kind: type[ConnectionT]
    _async: type[OpensByWith[Any]]
    _is_call = False

    def __init__(self, http: Http, tools: Toolbox | None, **arguments: Any) -> None:
        self._opening: Any = self._async(HttpInThreads(http), None, **arguments)
        self._opening._runs_tools = tools is not None
        self._example = self._opening._example.removeprefix("async ")
        self._tools = tools
        self._portal = shared_portal()
        self._connection: ConnectionT | None = None

    def __enter__(self) -> ConnectionT:
        self._portal = shared_portal()
        hold = self._portal.hold()  # until the connection is closed
        try:
            connection = self._run(partial(self._open, hold))
            if self._tools is not None:
                cast(Any, connection).run_tools(self._tools)  # those of Live have none
            return connection
        except BaseException:
            self.__exit__(None, None, None)  # it may have been opened, and a signal handler have raised
            if self._connection is None:
                hold.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(kind, error, trace)
        except BaseException:
            if self._connection is not None:
                try:
                    if not self._connection.is_closed:  # a signal handler may have raised before it began
                        self._end(kind, error, trace)
                finally:
                    self._connection.close()
            raise

    def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None or self._portal.is_lost:
            return
        if self._is_call:
            self._run(partial(self._opening.__aexit__, kind, error, trace))
        self._connection.close()

    async def _open(self, hold: Hold) -> ConnectionT:
        inner = await self._opening.__aenter__()
        self._connection = self._kind(inner, self._portal, hold)
        return self._connection

    def _run(self, function: Callable[[], Awaitable[T]]) -> T:
        # A call must not continue without this side: wait until it is hung up, even if interrupted.
        return self._portal.run_to_end(function) if self._is_call else self._portal.run(function)


class Connecting(_Opening[Connection]):
    """A connection to be opened by `with`, and closed when the block ends."""

    _kind = Connection
    _async = AsyncConnecting


class LiveConnecting(_Opening[LiveConnection]):
    """A connection to be opened by `with`, and closed when the block ends."""

    _kind = LiveConnection
    _async = AsyncLiveConnecting


class Answering(_Opening[Connection]):
    """A call to be accepted, attached to and confirmed by `with`, and hung up when the block ends."""

    _kind = Connection
    _async = AsyncAnswering
    _is_call = True


class LiveAnswering(_Opening[LiveConnection]):
    """A telephone call to be accepted and attached to by `with`, and hung up when the block ends."""

    _kind = LiveConnection
    _async = AsyncLiveAnswering
    _is_call = True


class _Dialing(_Opening[ConnectionT]):
    """A call of either API to be made by `with`, and hung up when the block ends."""

    _is_call = True

    def __init__(
        self,
        http: Http,
        tools: Toolbox | None,
        audio_in: AudioIn | None,
        audio_out: AudioOut | None,
        **arguments: Any,
    ) -> None:
        source, sink = audio_in_threads(audio_in, audio_out)
        super().__init__(http, tools, audio_in=source, audio_out=sink, **arguments)

    @property
    def offer(self) -> str | None:
        """The SDP offer; None before it was made."""
        offer: str | None = self._opening.offer
        return offer

    def __enter__(self) -> ConnectionT:
        from . import _webrtc_peer as peer  # noqa: F401  (here, since loading it would hold up the loop)

        return super().__enter__()


class Dialing(_Dialing[CallConnection]):
    """A call to be made by `with`, and hung up when the block ends."""

    _kind = CallConnection
    _async = AsyncDialing

    @property
    def call(self) -> Call | None:
        """The call; None before the API has answered the offer."""
        call: Call | None = self._opening.call
        return call


class LiveDialing(_Dialing[LiveCallConnection]):
    """A session over WebRTC to be started by `with`, and ended when the block ends."""

    _kind = LiveCallConnection
    _async = AsyncLiveDialing

    @property
    def call(self) -> LiveCall | None:
        """The call; None before the API has answered the offer."""
        call: LiveCall | None = self._opening.call
        return call


def audio_in_threads(
    audio_in: AudioIn | None, audio_out: AudioOut | None
) -> tuple[AsyncAudioIn | None, AsyncAudioOut | None]:
    """Convert the audio of a sync `dial` to that of an async one, which runs in worker threads.

    Raises:
        TypeError: One is neither a path nor of its other kind.
    """
    source: AsyncAudioIn | None
    if audio_in is None or isinstance(audio_in, str | os.PathLike):
        source = audio_in
    elif isinstance(audio_in, Iterable) and not isinstance(audio_in, bytes | bytearray | memoryview):
        source = _pieces(audio_in)
    else:
        hint = "; put the bytes into a list" if isinstance(audio_in, bytes | bytearray | memoryview) else ""
        if callable(audio_in):
            hint = "; call the generator function: audio_in=speech()"
        raise TypeError(
            "audio_in: expected the path of a WAV file, or an iterator of PCM16, "
            f"got {type(audio_in).__name__}{hint}"
        )
    if audio_out is None or isinstance(audio_out, str | os.PathLike):
        return source, audio_out
    if not callable(audio_out):
        raise TypeError(
            "audio_out: expected the path of a WAV file, or a function that takes PCM16, "
            f"got {type(audio_out).__name__}"
        )
    check_sync("audio_out", audio_out)
    return source, in_thread(audio_out, "realtime_ext audio_out")


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    iterator = iter(pieces)
    end = object()
    take = partial(next, iterator, end)
    try:
        while (piece := await run_in_thread(take, name="realtime_ext audio_in")) is not end:
            yield piece
    finally:
        if inspect.isgenerator(iterator):
            with contextlib.suppress(ValueError):  # it is still asked for a piece
                await run_in_thread(iterator.close, name="realtime_ext audio_in")


class HttpInThreads(AsyncHttp):
    """A sync client's HTTP side with an async interface.

    Args:
        http: The client's side: settings, clock and httpx client.
    """

    def __init__(self, http: Http) -> None:
        settings = http.settings
        if callable(settings.api_key):
            settings = attrs.evolve(settings, api_key=partial(_ask, settings.api_key))
        super().__init__(settings, None, http.clock)
        self._http = http

    def open(self) -> Any:
        """Return what sends requests; raises as `Http.open`."""
        return _ClientInThreads(self._http.open())


class _ClientInThreads:
    """The part of httpx.AsyncClient that sending an operation needs."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.timeout = client.timeout

    def build_request(self, **arguments: Any) -> httpx.Request:
        """Build a request, as httpx does."""
        return self._client.build_request(**arguments)

    async def send(self, request: httpx.Request, **arguments: Any) -> httpx.Response:
        """Send a request and read the answer; cancelled, it is cut off."""
        send = partial(receive, self._client, request, arguments, None)  # the caller has the time limit
        sending = asyncio.ensure_future(run_in_thread(send, name="realtime_ext request"))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            cut(self._client, request)
            await wait([sending], _LAST_STEPS)
            sending.cancel()
            raise


async def _ask(source: Callable[[], Any]) -> Secret:
    return checked_key(await run_in_thread(source, name="realtime_ext key"))
