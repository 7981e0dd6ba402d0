"""loopback_only: what leaves this machine is refused before a packet is sent, what stays is let through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from realtime_ext import RealtimeClient
from realtime_ext.testing import NetworkRefusedError, loopback_only
from tests.support.rows import each

# Documentation addresses (RFC 5737, RFC 3849): even if the guard failed, there is no such host.
FAR4 = ("192.0.2.7", 443)
FAR6 = ("2001:db8::7", 443)


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    with loopback_only():
        yield


@contextlib.contextmanager
def sockets(kind: socket.SocketKind = socket.SOCK_STREAM, family: int = socket.AF_INET) -> Iterator[Any]:
    with socket.socket(family, kind) as made:
        made.settimeout(1)
        yield made


async def open_async(host: str) -> None:
    await asyncio.open_connection(host, 443)


async def send_datagram_async() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=FAR4)
    transport.close()


def over_tls() -> None:
    with (
        socket.socket() as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname="x") as tls,
    ):
        tls.connect(FAR4)


def in_a_thread() -> None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            socket.create_connection(FAR4, timeout=1)
        except NetworkRefusedError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    raise caught[0]


def with_a_socket(use: Callable[[Any], Any], **made_as: Any) -> Callable[[], None]:
    def attempt() -> None:
        with sockets(**made_as) as made:
            use(made)

    return attempt


ATTEMPTS: dict[str, tuple[Callable[[], Any], str]] = {
    "connect": (with_a_socket(lambda s: s.connect(FAR4)), "192.0.2.7:443"),
    "connect to a name": (
        with_a_socket(lambda s: s.connect(("api.example.test", 80))),
        "api.example.test:80",
    ),
    "connect to a name in bytes": (with_a_socket(lambda s: s.connect((b"api.example.test", 80))), "test:80"),
    "connect to any address": (with_a_socket(lambda s: s.connect(("0.0.0.0", 9))), "0.0.0.0:9"),
    "connect_ex": (with_a_socket(lambda s: s.connect_ex(FAR4)), "192.0.2.7:443"),
    "connect over IPv6": (
        with_a_socket(lambda s: s.connect(FAR6), family=socket.AF_INET6),
        "[2001:db8::7]:443",
    ),
    "sendto": (with_a_socket(lambda s: s.sendto(b"x", FAR4), kind=socket.SOCK_DGRAM), "192.0.2.7:443"),
    "sendto with flags": (
        with_a_socket(lambda s: s.sendto(b"x", 0, FAR4), kind=socket.SOCK_DGRAM),
        "192.0.2.7",
    ),
    "sendmsg": (
        with_a_socket(lambda s: s.sendmsg([b"x"], [], 0, FAR4), kind=socket.SOCK_DGRAM),
        "192.0.2.7:443",
    ),
    "create_connection": (lambda: socket.create_connection(("api.example.test", 443)), "api.example.test"),
    "getaddrinfo": (lambda: socket.getaddrinfo("api.example.test", 443), "api.example.test"),
    "getaddrinfo by name": (
        lambda: socket.getaddrinfo(host="api.example.test", port=443),
        "api.example.test",
    ),
    "getaddrinfo in bytes": (lambda: socket.getaddrinfo(b"api.example.test", 443), "api.example.test"),
    "gethostbyname": (lambda: socket.gethostbyname("api.example.test"), "api.example.test"),
    "gethostbyname_ex": (lambda: socket.gethostbyname_ex("api.example.test"), "api.example.test"),
    "gethostbyaddr": (lambda: socket.gethostbyaddr("192.0.2.7"), "192.0.2.7"),
    "getnameinfo": (lambda: socket.getnameinfo(FAR4, 0), "192.0.2.7"),
    "TLS": (over_tls, "192.0.2.7:443"),
    "a thread": (in_a_thread, "192.0.2.7:443"),
    "asyncio, a name": (lambda: asyncio.run(open_async("api.example.test")), "api.example.test"),
    "asyncio, a number": (lambda: asyncio.run(open_async("192.0.2.7")), "192.0.2.7:443"),
    "httpx": (lambda: httpx.get("http://192.0.2.7/", trust_env=False), "192.0.2.7:80"),
    "the client": (
        lambda: RealtimeClient(api_key="k", base_url="https://api.example.test/v1").calls.hangup("rtc_1"),
        "api.example.test",
    ),
}


@each("attempt, named", ATTEMPTS.values(), ids=ATTEMPTS)
def test_connections_beyond_this_machine_are_refused_by_name(attempt: Callable[[], Any], named: str) -> None:
    with pytest.raises(NetworkRefusedError) as caught:
        attempt()
    message = str(caught.value)
    assert named in message
    assert "allowed are 127.0.0.0/8, ::1, localhost" in message


def test_httpx_does_not_take_it_for_a_failed_connection() -> None:
    """Else retries would hide that a test wants to reach the real API."""
    with pytest.raises(NetworkRefusedError) as caught:
        httpx.get("http://192.0.2.7/", trust_env=False)
    assert not isinstance(caught.value, OSError)


def test_a_refused_datagram_does_not_close_its_transport() -> None:
    """ICE tries every pair of addresses on one socket; the pair on loopback has to work on."""
    echoed: list[bytes] = []

    class Peer(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.errors: list[Exception] = []
            self.received = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.received.set_result(data)

        def error_received(self, exc: Exception) -> None:
            self.errors.append(exc)

    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        one, sender = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
        two, peer = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
        there = two.get_extra_info("sockname")
        one.sendto(b"away", FAR4)
        one.sendto(b"here", there)
        async with asyncio.timeout(5):
            echoed.append(await peer.received)
        assert [type(error).__mro__[1] for error in sender.errors] == [NetworkRefusedError]
        one.close()
        two.close()

    asyncio.run(exchange())
    assert echoed == [b"here"]


def test_loopback_is_let_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        accepted.close()


@pytest.mark.parametrize("host", ["::1", "::ffff:127.0.0.1"])
def test_loopback_over_ipv6_is_let_through(host: str) -> None:
    with sockets(socket.SOCK_DGRAM, socket.AF_INET6) as made:
        made.connect_ex((host, 9))  # a machine may have no IPv6; the guard lets it try


@each("host", ["localhost", "LOCALHOST.", "127.0.0.53", "::1", "::ffff:127.0.0.1", None, ""])
def test_loopback_names_are_looked_up(host: str | None) -> None:
    with contextlib.suppress(socket.gaierror):  # the machine may not know the name; the guard lets it ask
        socket.getaddrinfo(host, 80)


@each("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_numbers_need_no_look_up(host: str) -> None:
    """Servers that listen on all addresses ask for them."""
    assert socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)


@each("host", ["127.1", "2130706433", "localhost.example.test", "127.0.0.1.example.test"])
def test_lookalikes_of_loopback_are_refused(host: str) -> None:
    with pytest.raises(NetworkRefusedError):
        socket.getaddrinfo(host, 80)


def test_unix_sockets_and_pairs_are_let_through(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with sockets(family=socket.AF_UNIX) as server, sockets(family=socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
    one, two = socket.socketpair()
    with one, two:
        one.sendmsg([b"x"])
        assert two.recv(1) == b"x"


def test_a_hosts_own_name_falls_back_quietly() -> None:
    assert socket.getfqdn("api.example.test") == "api.example.test"


def test_wrong_arguments_get_the_sockets_own_error() -> None:
    with sockets() as made:
        with pytest.raises(TypeError):
            made.connect()
        with pytest.raises(TypeError):
            made.connect("no address")


def test_everything_is_as_before_afterwards_also_nested() -> None:
    names = ("connect", "connect_ex", "sendto", "sendmsg")
    with loopback_only(), pytest.raises(ZeroDivisionError), loopback_only():
        1 / 0  # noqa: B018
    with pytest.raises(NetworkRefusedError), sockets() as made:  # the outer guard still holds
        made.connect(FAR4)
    assert all(name in vars(socket.socket) for name in names)


@pytest.mark.programs
def test_nothing_is_left_behind() -> None:
    import subprocess
    import sys

    code = (
        "import socket\n"
        "before = dict(vars(socket.socket)), dict(vars(socket))\n"
        "from realtime_ext.testing import loopback_only\n"
        "with loopback_only(): assert 'connect' in vars(socket.socket)\n"
        "assert (dict(vars(socket.socket)), dict(vars(socket))) == before\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
