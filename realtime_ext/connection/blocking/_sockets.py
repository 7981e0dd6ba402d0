"""Sockets that one thread waits on and another can break off.

It must not know HTTP or WebSockets.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from typing import Any

__all__ = ["Dialer", "shut_down"]

_LOOK = 0.05  # seconds after which a connection that is being made looks whether it is still wanted


def shut_down(sock: Any) -> None:
    """Shut a socket down, so that whoever waits on it is told; raises nothing.

    The socket's owner still has to close it.
    """
    # That of an SSLSocket would first make it one that sends in clear, while others may be sending.
    shutdown = socket.socket.shutdown if isinstance(sock, socket.socket) else type(sock).shutdown
    with contextlib.suppress(OSError, AttributeError):
        shutdown(sock, socket.SHUT_RDWR)


class Dialer:
    """Makes TCP connections, one after the other; `cut` breaks off what is under way, for good.

    It holds on to a connection until `release` is called, or another one made: what is done first on a new
    connection, such as TLS, can be broken off too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Any = None
        self._is_own = False
        self._is_cut = False

    def connect(
        self, host: str, port: int, timeout: float | None, *, family: int = socket.AF_UNSPEC
    ) -> socket.socket:
        """Connect to the first of a host's addresses that lets us.

        Args:
            host: A name or an address.
            port: Its port.
            timeout: Seconds for all its addresses together; None for no limit. Looking the name up can't be
                limited.
            family: The addresses to be tried.

        Returns:
            The socket, without a time limit.

        Raises:
            OSError: There is no connection; TimeoutError if it took too long.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        fault = OSError(f"{host} has no address")
        for number, (kind, *how, _, address) in enumerate(addresses):
            share = None
            if deadline is not None:
                now = time.monotonic()
                share = now + (deadline - now) / (len(addresses) - number)
            sock = socket.socket(kind, *how)
            try:
                self._connect(sock, address, share)
            except OSError as error:
                sock.close()
                fault = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise fault

    def hold(self, sock: Any) -> None:
        """Take a connection that was made elsewhere."""
        self._hold(sock, is_own=False)

    def release(self) -> None:
        """Let go of the connection: it is somebody else's now."""
        self._hold(None, is_own=False)

    def cut(self) -> None:
        """Break off what is under way, and refuse to begin anew; raises nothing."""
        with self._lock:
            self._is_cut = True
            if self._held is not None:
                shut_down(self._held)

    def _connect(self, sock: socket.socket, address: Any, deadline: float | None) -> None:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            while True:
                left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
                if selector.select(max(0.0, left)):
                    break
                if self._is_cut:
                    raise ConnectionAbortedError("closed by this side")
                if left <= 0:
                    raise TimeoutError("timed out")
        if fault := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(fault, os.strerror(fault))
        sock.setblocking(True)
        # TLS takes the socket over under another object; this one stays the same connection's.
        self._hold(sock.dup(), is_own=True)

    def _hold(self, sock: Any, *, is_own: bool) -> None:
        with self._lock:
            if self._held is not None and self._is_own:
                self._held.close()
            self._held, self._is_own = sock, is_own
            if self._is_cut and sock is not None:
                shut_down(sock)
