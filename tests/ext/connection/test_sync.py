"""The sync connection as a façade of the async one: batches, posted audio, threads, Ctrl-C."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from realtime_ext import APITimeoutError, ConnectionClosedError, RealtimeClient, RealtimeError
from realtime_ext.connection import Connecting, Connection
from realtime_ext.connection._mailbox import AHEAD
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, nothing_leaves, session
from tests.support.loopback import Loopback, answer
from tests.support.rows import each
from tests.support.waiting import PATIENCE, joined, until

LOOP = "realtime_ext loop"


def opening(server: ScriptedServer, **options: Any) -> Connecting:
    return RealtimeClient("key", base_url=server.base_url).connect("gpt-realtime", **options)


def own_threads() -> list[str]:
    own = [thread for thread in threading.enumerate() if thread.name.startswith("realtime_ext")]
    for thread in own:
        if thread.name != LOOP:
            thread.join(PATIENCE)  # a worker may be about to end
    return [thread.name for thread in own if thread.is_alive()]


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    yield
    assert own_threads() == []


class Blocked:
    """An observer that keeps the event loop from going on while a test needs that.

    Attributes:
        begun: Set when it does.
        over: What it waits for.
    """

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, direction: str, event: Any, at: int) -> None:
        if event.type == "block":
            self.begun.set()
            self.over.wait(PATIENCE)


def numbered(count: int) -> Callable[[Peer], None]:
    """Make a script that sends so many events when audio is cleared, and `block` when it is committed."""

    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.clear")
        for number in range(count):
            peer.send("number", number=number)
        peer.expect("input_audio_buffer.commit")
        peer.send("block")
        peer.until_closed()

    return script


# Events in


def test_prefetched_events_are_read_without_the_loop() -> None:
    blocked = Blocked()
    with ScriptedServer(numbered(20)) as server, opening(server, observer=blocked) as connection:
        with connection.expect("number", lambda event: event.number == 19) as last:
            connection.clear_audio()
        last.wait()
        first = connection.recv()
        connection.commit_audio()
        assert blocked.begun.wait(PATIENCE)
        rest = [connection.recv() for _ in range(19)]
        blocked.over.set()
    assert [event.number for event in (first, *rest)] == list(range(20))  # type: ignore[union-attr]


def test_no_more_than_a_batch_is_taken_out_of_the_bounded_queue() -> None:
    padding = "x" * 100_000

    def script(peer: Peer) -> None:
        peer.send("first.event")
        peer.expect("input_audio_buffer.commit")
        for _ in range(30):
            peer.send("big.event", padding=padding)
        peer.until_closed()

    with ScriptedServer(script) as server, opening(server, max_queue_bytes=2_000_000) as connection:
        assert connection.recv().type == "first.event"
        connection.commit_audio()
        with pytest.raises(ConnectionClosedError, match="consumer too slow"):
            connection.wait_for("never.comes")
        taken = 0
        with pytest.raises(ConnectionClosedError, match="consumer too slow"):
            for _ in connection:
                taken += 1
    assert taken == 20 or taken == 21


def test_threads_share_the_events() -> None:
    count, seen = 2000, Counter[int]()

    def script(peer: Peer) -> None:
        for number in range(count):
            peer.send("number", number=number)
        peer.close()

    def take(connection: Connection) -> list[int]:
        return [event.number for event in connection]  # type: ignore[union-attr]

    with ScriptedServer(script) as server, opening(server) as connection:
        with ThreadPoolExecutor(8) as pool:
            for numbers in pool.map(take, [connection] * 8):
                assert numbers == sorted(numbers)
                seen.update(numbers)
    assert seen == Counter(range(count))


def test_a_time_limit_holds_beside_a_thread_that_waits_without_one() -> None:
    with ScriptedServer() as server, opening(server) as connection:
        waiting = threading.Thread(target=lambda: list(connection))
        waiting.start()
        for _ in range(3):
            with pytest.raises(APITimeoutError, match=r"an event did not arrive within 0\.02 s"):
                connection.recv(0.02)
        connection.close()
        waiting.join(PATIENCE)
        assert not waiting.is_alive()


@pytest.mark.slow
def test_threads_whose_time_limits_pass_lose_no_event() -> None:
    """Whatever a thread gave up waiting for is there for the next, and wakes it."""
    count, seen = 200, list[int]()

    def script(peer: Peer) -> None:
        for number in range(count):
            peer.expect("input_audio_buffer.clear")
            peer.send("number", number=number)
        peer.until_closed()

    def take(connection: Connection) -> None:
        while len(seen) < count:
            with contextlib.suppress(APITimeoutError):
                seen.append(connection.recv(timeout=0.0003).number)  # type: ignore[union-attr]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ScriptedServer(script) as server, opening(server) as connection, ThreadPoolExecutor(3) as pool:
            taking = [pool.submit(take, connection) for _ in range(3)]
            for _ in range(count):
                connection.clear_audio()
            for future in taking:
                future.result(PATIENCE)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(seen) == list(range(count))


def test_events_received_before_the_end_can_be_read_after_it() -> None:
    with ScriptedServer(numbered(300)) as server, opening(server) as connection:
        with connection.expect("number", lambda event: event.number == 299) as last:
            connection.clear_audio()
        last.wait()
    assert own_threads() == []
    assert len(list(connection)) == 300
    with pytest.raises(ConnectionClosedError) as caught:
        connection.recv()
    assert caught.value.code == 1000
    assert connection.items == []
    with pytest.raises(ConnectionClosedError):
        connection.ask("Hello?")
    connection.close()


# Handlers and tools


def test_handlers_run_in_the_thread_that_takes_the_event_and_may_call_anything() -> None:
    told: list[tuple[int, str]] = []
    with ScriptedServer(Model(speaks=False)) as server, opening(server) as connection:

        @connection.on("session.created")
        def created(event: Any) -> None:
            told.append((threading.get_ident(), connection.ask("Hello?").text))

        assert connection.recv().type == "session.created"
        assert told == [(threading.get_ident(), "answer 1")]

        @connection.once("response.done")
        def done(event: Any) -> None:
            connection.clear_audio()
            server.wait_for("input_audio_buffer.clear")
            connection.close()

        with connection.stream("Again"):
            connection.run()


def test_handlers_are_also_called_by_ask() -> None:
    threads: list[int] = []
    with ScriptedServer(Model(speaks=False)) as server, opening(server) as connection:
        connection.on("response.done", lambda event: threads.append(threading.get_ident()))
        assert connection.ask("Hello?").text == "answer 1"
    assert threads == [threading.get_ident()]


def test_a_tool_runs_in_its_own_thread_and_may_call_anything() -> None:
    calls: list[str] = []

    def look_up(name: str) -> str:
        """Look a name up."""
        calls.append(threading.current_thread().name)
        connection.create_item({"type": "message", "role": "user", "content": []})
        with opening(server) as other:
            return other.ask("Who is that?").text

    answers = [[{"name": "look_up", "call_id": "call_1", "arguments": '{"name": "Ada"}'}], "Found."]
    model = Model(lambda number: answers[number - 1], speaks=False)  # type: ignore[index, return-value]
    with ScriptedServer(model, Model(speaks=False)) as server, opening(server) as connection:
        connection.run_tools([look_up])
        turn = connection.ask("Who is Ada?")
        assert turn.text == "Found."
        assert turn.tool_calls[0].output == '"answer 1"'
    assert calls == ["realtime_ext tool look_up"]


async def slow(name: str) -> str:
    """Take a while."""
    await asyncio.sleep(0)
    threading.Event().wait(0.05)
    return threading.current_thread().name


def test_async_tools_of_a_sync_connection_do_not_block_it() -> None:
    answers = [[{"name": "slow", "call_id": "call_1", "arguments": '{"name": "Ada"}'}], "Done."]
    model = Model(lambda number: answers[number - 1], speaks=False)  # type: ignore[index, return-value]
    with ScriptedServer(model) as server, opening(server) as connection:
        connection.run_tools([slow])
        assert connection.ask("Go").tool_calls[0].output == '"realtime_ext tool slow"'


def test_a_slow_tool_does_not_block_the_connection() -> None:
    begun, over = threading.Event(), threading.Event()

    def think() -> str:
        """Think."""
        begun.set()
        over.wait(PATIENCE)
        return "done"

    answers = [[{"name": "think", "call_id": "call_1", "arguments": "{}"}], "Good."]
    model = Model(lambda number: answers[number - 1], speaks=False)  # type: ignore[index, return-value]
    with ScriptedServer(model, Model(speaks=False)) as server:
        with opening(server) as connection, opening(server) as other, ThreadPoolExecutor(1) as pool:
            connection.run_tools([think])
            asking = pool.submit(connection.ask, "Think")
            assert begun.wait(PATIENCE)
            assert connection.recv().type == "session.created"
            connection.clear_audio()
            assert other.ask("Hello?").text == "answer 1"
            over.set()
            assert asking.result(PATIENCE).text == "Good."


@each("name", ["where", "observer"])
def test_a_sync_call_in_the_loops_thread_is_refused(name: str) -> None:
    held: list[Connection] = []
    faults: list[Exception] = []

    def call(*_: Any) -> bool:
        try:
            held[0].clear_audio() if held else None
        except RealtimeError as fault:
            faults.append(fault)
        return bool(held)

    options = {"observer": call} if name == "observer" else {}
    with ScriptedServer(Model()) as server, opening(server, **options) as connection:
        held.append(connection)
        with connection.expect("rate_limits.updated", call if name == "where" else None) as expected:
            connection.create_response()
        expected.wait()
    assert faults
    assert "pass the event to another thread" in str(faults[0])
    assert not server.of("input_audio_buffer.clear")


# Audio out


def test_audio_is_queued_up_to_a_bound_and_goes_out_in_order() -> None:
    blocked, chunk = Blocked(), bytes(30_000)
    appended: list[str] = []
    with ScriptedServer(numbered(0)) as server, opening(server, observer=blocked) as connection:
        connection.clear_audio()
        connection.commit_audio()
        assert blocked.begun.wait(PATIENCE)

        def append() -> None:
            for _ in range(12):
                appended.append(connection.append_audio(chunk))
            connection.clear_audio()

        appending = threading.Thread(target=append)
        appending.start()
        until(lambda: connection._outbox._size > AHEAD)
        assert 6 <= len(appended) <= 7  # 40,000 characters each: the next one waits
        blocked.over.set()
        appending.join(PATIENCE)
        server.wait_for("input_audio_buffer.clear", 2)
    out = [event["event_id"] for event in server.received if "append" in event["type"]]
    assert out == appended
    assert server.received[-1]["type"] == "input_audio_buffer.clear"


def test_audio_that_could_not_be_sent_comes_with_the_next_call() -> None:
    blocked = Blocked()

    def script(peer: Peer) -> None:
        peer.expect("input_audio_buffer.commit")
        peer.send("block")
        assert blocked.begun.wait(PATIENCE)
        peer.close(1011, "broken")  # returns without the other side's answer, after a while

    with ScriptedServer(script) as server, opening(server, observer=blocked) as connection:
        connection.commit_audio()
        assert blocked.begun.wait(PATIENCE)
        ids = [connection.append_audio(bytes(960)) for _ in range(3)]
        threading.Timer(0.3, blocked.over.set).start()
        with connection.expect("never.comes") as never, pytest.raises(ConnectionClosedError):
            never.wait()
        with pytest.raises(ConnectionClosedError, match="broken") as caught:
            connection.commit_audio()
    assert [event["event_id"] for event in caught.value.unsent[:3]] == ids
    assert caught.value.unsent[3]["type"] == "input_audio_buffer.commit"


def test_other_sends_come_after_the_audio_before_them() -> None:
    with ScriptedServer() as server, opening(server) as connection:
        for number in range(200):
            connection.append_audio(bytes(960))
            if number % 10 == 9:
                connection.commit_audio()
        connection.append_audio(bytes(960))
    kinds = [event["type"].removeprefix("input_audio_buffer.") for event in server.received]
    assert kinds == [*(["append"] * 10 + ["commit"]) * 20, "append"]


@pytest.mark.slow
def test_closing_while_threads_append_raises_nothing_else() -> None:
    def append(connection: Connection) -> str:
        while True:
            try:
                connection.append_audio(bytes(960))
            except ConnectionClosedError as error:
                return error.reason

    with ScriptedServer() as server, ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            with opening(server) as connection:
                appending = [pool.submit(append, connection) for _ in range(4)]
                connection.commit_audio()
            assert {task.result(PATIENCE) for task in appending} == {"closed by this side"}


@each("data", ["no base64!", 5, ["a"], memoryview(bytes(8)).cast("d")])
def test_invalid_audio_is_refused_at_once(data: Any) -> None:
    with ScriptedServer() as server, opening(server) as connection:
        with pytest.raises((TypeError, ValueError), match="append_audio"):
            connection.append_audio(data)


# Ctrl-C


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def silent(peer: Peer) -> None:
    """Say nothing to whatever comes."""
    peer.send("session.created", session=session())
    peer.until_closed()


def deaf(connection: socket.socket, server: Loopback) -> None:
    """Open a WebSocket, and heed nothing that comes on it."""
    key = server.requests[-1].header("sec-websocket-key") or ""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    accept = base64.b64encode(digest).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    server.closing.wait()
    raise ConnectionAbortedError


def streamed(connection: Connection) -> None:
    with connection.stream("Hello?") as stream:
        next(stream)


def expected(connection: Connection) -> None:
    with connection.expect("never.comes") as never:
        never.wait()


WAITING: dict[str, Callable[[Connection], Any]] = {
    "recv": lambda connection: connection.recv(),
    "run": lambda connection: connection.run(),
    "iterating": lambda connection: list(connection),
    "wait_for": lambda connection: connection.wait_for("never.comes"),
    "expect": expected,
    "update_session": lambda connection: connection.update_session({"instructions": "x"}),
    "ask": lambda connection: connection.ask("Hello?"),
    "stream": streamed,
    "create_response": lambda connection: [connection.create_response() for _ in range(2)],
}


@each("name", WAITING)
def test_an_interrupt_ends_a_wait_and_the_connection_stays_usable(name: str) -> None:
    with ScriptedServer(silent) as server, opening(server) as connection:
        assert connection.recv().type == "session.created"
        timer = threading.Timer(0.1, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            WAITING[name](connection)
        timer.join()
        assert not connection.is_closed
        connection.clear_audio()
        server.wait_for("input_audio_buffer.clear")


def test_an_interrupt_loses_no_event() -> None:
    with ScriptedServer(numbered(50)) as server, opening(server) as connection:
        numbers: list[int] = []
        connection.clear_audio()
        timer = threading.Timer(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                numbers.append(connection.recv().number)  # type: ignore[union-attr]
        connection.commit_audio()
        for event in connection:
            if event.type == "block":
                break
            numbers.append(event.number)  # type: ignore[union-attr]
    assert numbers == list(range(50))


def test_an_interrupt_ends_a_wait_for_room_in_the_queue() -> None:
    stalled = threading.Event()

    def script(peer: Peer) -> None:
        with peer.socket.protocol_mutex:  # without which the library reads no further
            stalled.wait(PATIENCE)
        peer.until_closed()

    with ScriptedServer(script, max_queue=1) as server, opening(server) as connection:

        def interrupt_when_full() -> None:
            until(nothing_leaves(connection._inner))
            interrupt()

        thread = threading.Thread(target=interrupt_when_full)
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            while True:
                connection.append_audio(bytes(300_000))
        joined(thread)
        stalled.set()
        connection.clear_audio()
        server.wait_for("input_audio_buffer.clear")


def test_closing_continues_after_an_interrupt() -> None:
    with Loopback(deaf) as server:
        options = {"close_timeout": 0.5}
        client = RealtimeClient("key", base_url=server.base_url)
        connection = client.connect("gpt-realtime", websocket_options=options).__enter__()
        timer = threading.Timer(0.1, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            connection.close()
        connection.close()
        assert connection.is_closed
        assert own_threads() == []


# Clients


def test_a_key_is_asked_for_off_the_loop() -> None:
    threads: list[str] = []

    def key() -> str:
        threads.append(threading.current_thread().name)
        with opening(server) as other:  # which needs the loop
            return other.ask("The key?").text.replace(" ", "-")

    with ScriptedServer(Model(speaks=False)) as server:
        with RealtimeClient(key, base_url=server.base_url).connect("gpt-realtime") as connection:
            assert connection.ask("Hello?").text == "answer 2"
    assert threads == ["realtime_ext key"]
    assert [request.headers["Authorization"] for request in server.requests] == [
        "Bearer key",
        "Bearer answer-1",
    ]


def test_an_async_key_is_refused() -> None:
    async def key() -> str:
        return "key"

    with ScriptedServer() as server:
        client = RealtimeClient(lambda: key(), base_url=server.base_url)  # type: ignore[arg-type, return-value]
        with pytest.raises(TypeError, match="async callable only works in AsyncRealtimeClient"):
            client.connect("gpt-realtime").__enter__()


def test_a_call_is_answered_through_the_sync_client_off_the_loop() -> None:
    threads: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        threads.append(f"{request.url.path.rpartition('/')[2]} in {threading.current_thread().name}")
        return httpx.Response(503 if len(threads) == 1 else 200, headers={"retry-after": "0"})

    with ScriptedServer(Model()) as server, httpx.Client(transport=httpx.MockTransport(rest)) as http:
        client = RealtimeClient("key", base_url=server.base_url, http_client=http)
        with client.answer("rtc_1", {"type": "realtime", "model": "gpt-realtime"}) as connection:
            assert connection.call_id == "rtc_1"
    worker = "in realtime_ext request"
    assert threads == [f"accept {worker}", f"accept {worker}", f"hangup {worker}"]


def test_sync_calls_work_inside_a_running_event_loop() -> None:
    async def main() -> str:
        with opening(server) as connection:
            return connection.ask("Hello?").text

    with ScriptedServer(Model(speaks=False)) as server:
        assert asyncio.run(main()) == "answer 1"


def test_all_connections_share_one_thread_which_ends_with_the_last() -> None:
    with ScriptedServer(Model(speaks=False)) as server:
        with opening(server) as one:
            with opening(server) as other:
                assert own_threads() == [LOOP]
                assert other.ask("Hello?").text == "answer 1"
            assert own_threads() == [LOOP]
            assert one.ask("Hello?").text == "answer 2"
        assert own_threads() == []
        with opening(server) as again:
            assert own_threads() == [LOOP]
            again.close()
            assert own_threads() == []
        with Loopback(answer(401)) as refusing, pytest.raises(RealtimeError):
            RealtimeClient("key", base_url=refusing.base_url).connect(call_id="rtc_1").__enter__()
        assert own_threads() == []


@each("where", ["within the block", "amid hanging up"])
def test_a_call_is_hung_up_whenever_an_interrupt_comes(where: str) -> None:
    hung_up: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/hangup"):
            if where == "amid hanging up":
                interrupt()
                threading.Event().wait(0.1)
            hung_up.append(request.url.path)
        return httpx.Response(200)

    with ScriptedServer(Model()) as server, httpx.Client(transport=httpx.MockTransport(rest)) as http:
        client = RealtimeClient("key", base_url=server.base_url, http_client=http)
        with pytest.raises(KeyboardInterrupt):
            with client.answer("rtc_1", {"type": "realtime", "model": "gpt-realtime"}):
                if where == "within the block":
                    raise KeyboardInterrupt
        assert own_threads() == []
    assert hung_up == ["/v1/realtime/calls/rtc_1/hangup"]
