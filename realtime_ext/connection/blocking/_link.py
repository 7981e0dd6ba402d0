"""A WebSocket as a link, blocking: the only place of the sync flavour that touches the library.

It must not know events.
"""

from __future__ import annotations

import contextlib
import logging
import math
import selectors
import threading
from typing import TYPE_CHECKING, Any

from ...call import SAFETY_HEADER
from ...errors import APITimeoutError, RealtimeError
from ...http.sending import Http
from ...http.settings import RequestOptions, checked_key
from .._websocket import (
    AS_BYTES,
    AS_IT_IS,
    PINGS,
    LinkClosed,
    LinkOptions,
    answer_of,
    closed_by,
    forget_handshake,
    proxy_fault,
    proxy_of,
    seconds_of,
)
from ..state._handshake import Handshake
from ..state._opening import Plan
from ._attempt import attempt, library
from ._sockets import Dialer, shut_down

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._deadline import Deadline

__all__ = ["WebSocketLink", "open_link"]

logger = logging.getLogger("realtime_ext")

_NO_PONG = "keepalive ping timeout"
CLOSE_TIMEOUT = 4.0  # seconds; the library's own limit is below that


class WebSocketLink:
    """A WebSocket connection of the library.

    The library would have a thread for each connection's pings. Here whoever receives sends them, and only
    after a silence: all that comes shows that the other side is there.

    Args:
        socket: It, without pings of its own.
        takes_bytes: Whether `recv` can leave text undecoded.
        ping_interval: Seconds of silence before a ping; None for no pings.
        ping_timeout: Seconds of silence after a ping that end the link; None for no limit.
    """

    __slots__ = (
        "_arguments",
        "_closed",
        "_end",
        "_gave_up",
        "_patience",
        "_ping_interval",
        "_ping_timeout",
        "_pong",
        "_sending",
        "_silence",
        "_socket",
    )

    def __init__(
        self, socket: Any, *, takes_bytes: bool, ping_interval: float | None, ping_timeout: float | None
    ) -> None:
        from websockets.exceptions import ConnectionClosed

        self._socket = socket
        self._closed = ConnectionClosed
        self._arguments = AS_BYTES if takes_bytes else AS_IT_IS
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._pong: threading.Event | None = None  # of the ping that is under way
        # Silence is counted by the waits that were in vain: a clock would be asked with each message.
        self._silence = 0.0  # seconds
        self._patience = ping_interval  # seconds more of it until something is to be done; None for never
        self._end = math.inf  # seconds of it that are too long
        self._gave_up = False
        self._sending = threading.Lock()
        forget_handshake(socket)

    def send(self, text: str) -> None:
        """Send a message.

        Raises:
            LinkClosed: There is no link any more.
        """
        try:
            self._socket.send(text)
        except self._closed as error:
            raise self._closed_by(error) from error

    @contextlib.contextmanager
    def turn_to_send(self, deadline: Deadline | None) -> Iterator[None]:
        """Hold the right to send several messages together.

        Args:
            deadline: Until when to wait for those who send now, and for the other side to take something.

        Raises:
            APITimeoutError: It is over.
        """
        seconds = None if deadline is None else deadline.left()
        if deadline is None or seconds is None:
            with self._sending:
                yield
            return
        late = APITimeoutError(f"nothing was sent: the link took nothing within {deadline.seconds:g} s")
        if not self._sending.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            raise late
        try:
            if not self._is_writable(deadline.left()):
                raise late
            yield
        finally:
            self._sending.release()

    def recv(self, timeout: float | None = None) -> str | bytes:
        """Wait for a message, and keep the link alive meanwhile.

        Args:
            timeout: Seconds; None for no limit.

        Raises:
            LinkClosed: There will be none.
            TimeoutError: There was none in time.
        """
        patience = self._patience
        wait = timeout if patience is None or (timeout is not None and timeout < patience) else patience
        try:
            data: str | bytes = self._socket.recv(wait, **self._arguments)
        except self._closed as error:
            raise self._closed_by(error) from error
        except TimeoutError:
            self._keep_alive(wait or 0.0)
            raise
        if self._silence:
            self._pong, self._silence, self._patience = None, 0.0, self._ping_interval
        return data

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within some seconds; raises nothing."""
        # A send that the other side doesn't take would hold the library's lock: then the socket is cut off.
        cut = threading.Timer(CLOSE_TIMEOUT, self.cut)
        cut.daemon = True
        cut.start()
        try:
            self._socket.close(code, reason)
        except Exception as error:
            logger.debug("closing the link failed: %s", type(error).__name__)
        finally:
            cut.cancel()
            cut.join()

    def _closed_by(self, error: Any) -> LinkClosed:
        # Where the other side takes nothing, the close frame can't go out either, and the socket is cut off.
        return LinkClosed(1011, _NO_PONG, error) if self._gave_up else closed_by(error)

    def _keep_alive(self, waited: float) -> None:
        if self._ping_interval is None or self._patience is None:
            return
        self._silence += waited
        self._patience -= waited
        if self._patience > 0:
            return
        if self._pong is None or self._pong.is_set():
            # Where nothing more goes out, a ping would wait behind that, and receiving would wait with it.
            with contextlib.suppress(self._closed):
                self._pong = self._socket.ping() if self._is_writable() else threading.Event()
            self._end = math.inf if self._ping_timeout is None else self._silence + self._ping_timeout
        elif self._silence >= self._end:
            self._gave_up = True
            self.close(1011, _NO_PONG)
            self._patience = None
            return
        self._patience = min(self._ping_interval, self._end - self._silence)

    def _is_writable(self, seconds: float | None = 0.0) -> bool:
        # Of a link that is closed, sending says so.
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._socket.socket, selectors.EVENT_WRITE)
            except (OSError, ValueError):  # it is closed
                return True
            return bool(selector.select(seconds))

    def cut(self) -> None:
        """Break it off, so that whoever sends or receives is told; raises nothing."""
        shut_down(self._socket.socket)


def open_link(
    plan: Plan,
    http: Http,
    options: RequestOptions,
    link_options: LinkOptions,
    *,
    safety_identifier: str | None,
    dialer: Dialer | None = None,
) -> WebSocketLink:
    """Open a WebSocket, trying again where that is safe.

    Args:
        plan: What it is about.
        http: Settings and clock.
        options: What this connection is told besides.
        link_options: How the link is made.
        safety_identifier: A stable, hashed id of the end user.
        dialer: For a link that is made anew: what breaks this off. It holds the connection then, and nothing
            is repeated, nor is a call waited for.

    Raises:
        MissingApiKeyError: There is no key.
        APIStatusError: The API refused.
        APIConnectionError: There is no connection; APITimeoutError if it took too long.
        ValueError: The library doesn't know an option.
    """
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync import client

    known, takes_bytes = library().known, library().takes_bytes
    is_first = dialer is None
    settings = http.settings
    uri = plan.uri(settings, options)
    seconds = seconds_of(settings.timeout if options.timeout is None else options.timeout)
    handshake = Handshake(
        uri,
        proxy=proxy_of(uri, link_options.proxy, client),
        is_sideband=plan.role.is_sideband,
        waits_for_call=is_first,
        max_retries=settings.max_retries if is_first else 0,
        now=http.clock.now,
        random=http.clock.random,
    )
    own: Mapping[str, str] = {} if safety_identifier is None else {SAFETY_HEADER: safety_identifier}
    while True:
        key = checked_key(settings.ask_key()) if settings.needs_key(options.headers) else None
        secrets = () if key is None else (key.reveal(),)
        headers = settings.request_headers(key, headers=own, extra=options.headers)
        arguments = link_options.arguments(known | PINGS, uri=uri, headers=headers, timeout=seconds)
        pings = {name: arguments.pop(name) for name in PINGS}
        if "ping_interval" in known:
            arguments["ping_interval"] = None
        try:
            connected = attempt(uri, arguments, dialer)
        except InvalidStatus as error:
            outcome: float | Exception = handshake.refused(*answer_of(error), secrets)
            cause: BaseException = error
        except TimeoutError as error:
            raise handshake.timed_out(seconds) from error
        except ImportError as error:
            raise RealtimeError(f"proxy: it needs a further package: {error}") from error
        except (OSError, EOFError, WebSocketException) as error:
            if (fault := proxy_fault(error)) is not None:
                raise fault from None
            outcome = handshake.failed(error, secrets)
            cause = error
        else:
            logger.info("connected: %s", plan.subject)
            return WebSocketLink(connected, takes_bytes=takes_bytes, **pings)
        if isinstance(outcome, Exception):
            raise outcome from cause
        http.clock.sleep(outcome)
