"""A server on loopback that answers every request with the same call, so small that the clients are timed.

Prints its port, and serves until stdin ends.
"""

import socket
import sys
import threading

BODY = ("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + "a=x-filler:0123456789\r\n" * 60).encode()
HEAD = (
    "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\n"
    "Location: /v1/realtime/calls/rtc_u1_benchmark\r\n"
    f"x-request-id: req_benchmark\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


def converse(connection):
    """Answer the requests of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(data) < length:
            data += connection.recv(65536)
        data = data[length:]
        connection.sendall(HEAD + BODY)


def accept(server):
    """Accept connections, each in a thread of its own."""
    while True:
        connection, _ = server.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(server,), daemon=True).start()
sys.stdin.read()
