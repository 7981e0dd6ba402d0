"""Keep tests off the network: only this machine may be reached.

Connections, datagrams and name look-ups that leave loopback are refused; loopback, Unix sockets and listening
are not.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

_ALLOWED = "allowed are 127.0.0.0/8, ::1, localhost and Unix sockets"
_LOCAL_FAMILIES = frozenset({"AF_UNIX", "AF_NETLINK"})


class NetworkRefusedError(RuntimeError):
    """A test tried to leave this machine.

    Not an OSError, so that no retry loop and no handler for connection failures hides it.
    """


class _QuietlyRefusedError(NetworkRefusedError, OSError):
    """The same for a datagram or a reverse look-up.

    Their senders expect some to fail: ICE tries every pair of addresses on one socket, and asyncio
    closes that socket on anything but an OSError; `socket.getfqdn` falls back to the plain name.
    """


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Refuse every connection, datagram and name look-up that would leave this machine, in all threads.

    asyncio, httpx, websockets and aiortc are covered, and all else that uses Python's `socket`. Not covered
    are libraries with their own network code in C, such as uvloop, libcurl and gRPC.

    Raises:
        NetworkRefusedError: In the code that tries; the message names the address.

    Example:
        ```python
        with loopback_only():
            httpx.get("https://api.openai.com/v1/models")  # raises NetworkRefusedError
        ```
    """
    from unittest import mock

    with contextlib.ExitStack() as patches:
        for name, position in _METHODS.items():
            guarded = _guarded_method(name, position)
            patches.enter_context(mock.patch.object(socket.socket, name, guarded))
        for name in _LOOKUPS:
            patches.enter_context(mock.patch.object(socket, name, _guarded_lookup(name)))
        yield


# Methods of sockets, and where their address stands among the arguments; -1 is the last.
_METHODS = {"connect": 0, "connect_ex": 0, "sendto": -1, "sendmsg": 3}
_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")
_REVERSE = frozenset({"gethostbyaddr", "getnameinfo"})


def _guarded_method(name: str, position: int) -> Callable[..., Any]:
    original = getattr(socket.socket, name)
    error = NetworkRefusedError if name.startswith("connect") else _QuietlyRefusedError

    def guarded(self: socket.socket, *args: Any) -> Any:
        if len(args) > position and not _stays_here(self.family.name, args[position]):
            if error is NetworkRefusedError:
                self.close()  # socket.create_connection would leave it open on anything but an OSError
            raise error(f"no_network: {name} to {_shown(args[position])} is refused; {_ALLOWED}")
        return original(self, *args)

    return guarded


def _guarded_lookup(name: str) -> Callable[..., Any]:
    original = getattr(socket, name)
    error = _QuietlyRefusedError if name in _REVERSE else NetworkRefusedError

    def guarded(*args: Any, **kwargs: Any) -> Any:
        asked = args[0] if args else kwargs.get("host")
        host = _text(asked[0] if name == "getnameinfo" and isinstance(asked, tuple) else asked)
        # A number needs no look-up, unless its name is asked for.
        harmless = not host or _is_loopback(host) or (name not in _REVERSE and _is_number(host))
        if not harmless:
            raise error(f"no_network: {name} of {host!r} is refused; {_ALLOWED}")
        return original(*args, **kwargs)

    return guarded


def _stays_here(family: str, address: Any) -> bool:
    if family in _LOCAL_FAMILIES or address is None:  # sendmsg on a connected socket accepts None
        return True
    if family not in ("AF_INET", "AF_INET6"):
        return False
    # Anything but an address is left to the socket, whose TypeError says more.
    return not isinstance(address, tuple) or not address or _is_loopback(_text(address[0]))


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _text(host: Any) -> str:
    if isinstance(host, bytes | bytearray):
        return host.decode("latin-1")
    return "" if host is None else str(host)


def _shown(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        host = _text(address[0])
        return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
    return repr(address)
