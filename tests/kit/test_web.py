"""Routes for web apps: offers, secrets, webhooks, and the calls that run behind them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import httpx
import pytest
from realtime_kit._core import starlette as starlette_module
from realtime_kit.web import IncomingCall, RunningCalls, router, webhook_endpoint
from realtime_simulator import Simulator, call_tool, sequence
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from realtime_ext import (
    AsyncRealtimeClient,
    RealtimeError,
    SessionBuilder,
    SessionConfigError,
    webhooks,
)
from realtime_ext._core.json import encode
from realtime_ext.connection import AsyncConnection
from realtime_ext.testing import sample_offer
from tests.kit.fleet.harness import run_async, until
from tests.simulator.caller import Caller
from tests.support.rows import each
from tests.support.waiting import PATIENCE
from tests.support.web_server import running
from tests.support.webhook_bodies import BODIES

SESSION = SessionBuilder("gpt-realtime").instructions("You answer for the front desk.").push_to_talk()
SDP = {"content-type": "application/sdp"}


@attrs.frozen
class App:
    """An app with the routes, without a server, and the simulator that it calls."""

    app: Starlette
    calls: RunningCalls
    http: httpx.AsyncClient
    simulator: Simulator

    async def offer(self, offer: str | bytes | None = None, **options: Any) -> httpx.Response:
        headers = options.pop("headers", SDP)
        content = sample_offer() if offer is None else offer
        return await self.http.post("/realtime/offer", content=content, headers=headers, **options)

    async def deliver(self, body: bytes, secret: str | None = None, **options: Any) -> int:
        headers = webhooks.sign(body, secret or self.simulator.webhook_secret, **options)
        return (await self.http.post("/realtime/webhook", content=body, headers=headers)).status_code


@contextlib.asynccontextmanager
async def serving(
    *, hangup_on_exit: bool = True, simulator: Simulator | None = None, **options: Any
) -> AsyncIterator[App]:
    async with contextlib.AsyncExitStack() as stack:
        sim = simulator or stack.enter_context(Simulator(pacing="none", espeak=False))
        client = AsyncRealtimeClient(
            sim.api_key, base_url=sim.base_url, webhook_secret=sim.webhook_secret, max_retries=0
        )
        await stack.enter_async_context(client)
        calls = RunningCalls(client, hangup_on_exit=hangup_on_exit)
        options.setdefault("session", SESSION)
        app = Starlette(routes=[Mount("/realtime", router(calls, **options))])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://app"))
        await stack.enter_async_context(calls)
        yield App(app, calls, http, sim)


@contextlib.asynccontextmanager
async def calling(app: App, *, first: str = "session.created") -> AsyncIterator[Caller]:
    """A page's peer, connected through the app."""
    async with Caller(app.simulator, path="/realtime/offer") as page:
        await page.http.aclose()
        page.http = httpx.AsyncClient(transport=httpx.ASGITransport(app.app), base_url="http://app")
        await page.connect(raw=True, first=first)
        yield page


HEADERS = [
    {"name": "From", "value": "<sip:+15550100@a.example>"},
    {"name": "Call-ID", "value": "7f3c@carrier.example"},
]


def incoming(call_id: str = "rtc_1") -> bytes:
    data = {"call_id": call_id, "sip_headers": HEADERS}
    event = {"object": "event", "id": "evt_1", "type": "realtime.call.incoming", "created_at": 1}
    return encode({**event, "data": data})


def incoming_live(event_type: str, session_id: str = "live_1") -> bytes:
    data = {"type": "sip", "session_id": session_id, "sip_headers": HEADERS}
    return encode({"object": "event", "id": "evt_2", "type": event_type, "created_at": 1, "data": data})


# Offers


@pytest.mark.slow
@run_async
async def test_a_pages_call_has_its_tools_run_and_ends_with_the_page() -> None:
    booked: list[str] = []

    def book_room(room: str) -> str:
        """Book a room."""
        booked.append(room)
        return "booked"

    async with serving(tools=[book_room]) as app:
        app.simulator.on_response(sequence(call_tool("book_room", {"room": "Elm"}), "Elm is yours."))
        async with calling(app) as page:
            (call_id,) = app.calls.call_ids
            assert page.location.endswith(f"/{call_id}")
            page.send("response.create")
            await page.wait(lambda: len(page.all("response.done")) == 2)
            assert booked == ["Elm"]
            session = page.all("session.created")[0]["session"]
            assert [tool["name"] for tool in session["tools"]] == ["book_room"]
            assert session["instructions"] == "You answer for the front desk."
        await until(lambda: not app.calls.call_ids)


@run_async
async def test_a_handler_gets_the_connection_and_events_are_read_after_it() -> None:
    said: list[str] = []

    async def on_connection(connection: AsyncConnection) -> None:
        @connection.on("response.output_audio_transcript.done")
        def keep(event: Any) -> None:
            said.append(event.transcript)

        await connection.create_response()

    async with serving(on_connection=on_connection) as app:
        app.simulator.on_response("Good morning.")
        async with calling(app):
            await until(lambda: said == ["Good morning."])
            assert len(app.calls.call_ids) == 1


@run_async
async def test_handlers_need_not_be_async() -> None:
    rang: list[str] = []
    said: list[str] = []

    def on_connection(connection: AsyncConnection) -> None:
        connection.on("response.output_audio_transcript.done", lambda event: said.append(event.transcript))

    async with serving(on_connection=on_connection, on_incoming=lambda call: rang.append(call.id)) as app:
        app.simulator.on_response("Good morning.")
        async with calling(app) as page:
            page.send("response.create")
            await until(lambda: said == ["Good morning."])
        assert await app.deliver(incoming()) == 200
        await until(lambda: rang == ["rtc_1"])


class Unusual(BaseException):
    """Neither an Exception nor one that Python itself raises."""


RAISED = [KeyError, SystemExit, asyncio.CancelledError, GeneratorExit, StopAsyncIteration, Unusual]


@pytest.mark.parametrize("is_registered", [False, True])
@pytest.mark.parametrize("error", RAISED)
@run_async
async def test_a_handler_that_raises_ends_its_call(
    error: type[BaseException], is_registered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(event: object) -> None:
        raise error("guest")

    async def on_connection(connection: AsyncConnection) -> None:
        if not is_registered:
            fails(None)
        connection.on("input_audio_buffer.cleared", fails)
        await connection.clear_audio()

    async with serving(on_connection=on_connection) as app:
        assert (await app.offer()).status_code == 201
        await until(lambda: not app.calls.call_ids)
        assert app.simulator.calls[0].ended == "hangup"
    (record,) = [record for record in caplog.records if record.name == "realtime_kit.web"]
    assert record.getMessage() == f"{app.simulator.calls[0].id} failed"
    assert record.exc_info is not None


@each("hangs_up, ended", [(True, "hangup"), (False, None)])
def test_calls_are_ended_when_the_app_shuts_down(hangs_up: bool, ended: str | None) -> None:
    connected = asyncio.Event()

    async def on_connection(connection: AsyncConnection) -> None:
        connected.set()

    @run_async
    async def check() -> None:
        with Simulator(pacing="none", espeak=False) as sim:
            async with serving(simulator=sim, on_connection=on_connection, hangup_on_exit=hangs_up) as app:
                assert (await app.offer()).status_code == 201
                await connected.wait()
            assert app.calls.call_ids == []
            assert sim.calls[0].ended == ended

    check()


@run_async
async def test_the_session_and_the_tools_may_be_of_the_request() -> None:
    async def session(request: Request) -> dict[str, Any]:
        return {"type": "realtime", "model": "gpt-realtime", "instructions": request.query_params["guest"]}

    def tools(request: Request) -> list[Callable[..., Any]]:
        def leave(note: str) -> str:
            """Leave a note."""
            return note

        return [leave]

    async with serving(session=session, tools=tools, safety_identifier=lambda _: "guest-1") as app:
        assert (await app.offer(params={"guest": "Ada"})).status_code == 201
        call = app.simulator.calls[0]
        assert call.session.config["instructions"] == "Ada"
        assert [tool["name"] for tool in call.session.config["tools"]] == ["leave"]
        (made,) = [request for request in app.simulator.requests if request.path.endswith("/realtime/calls")]
        assert made.headers["openai-safety-identifier"] == "guest-1"


@run_async
async def test_without_pages_only_the_webhook_has_a_route() -> None:
    async def on_incoming(call: IncomingCall) -> None: ...

    async with serving(session=None, on_incoming=on_incoming) as app:
        assert (await app.offer()).status_code == 404
        assert (await app.http.post("/realtime/secret")).status_code == 404
        assert await app.deliver(incoming()) == 200


@each(
    "offer, headers, status, message",
    [
        ("", SDP, 400, "offer"),
        ("v=0\r\n", SDP, 400, "offer"),
        ('{"type": "offer", "sdp": "v=0"}', SDP, 400, "offer"),
        (sample_offer().replace("m=audio", "m=video"), SDP, 400, ""),
        (sample_offer(), {}, 415, "Content-Type: application/sdp"),
        (sample_offer(), {"content-type": "text/plain"}, 415, "Content-Type: application/sdp"),
        (b"\xff\xfe\x00", SDP, 400, ""),
        ("v" * 300_000, SDP, 413, "longer than 262144 bytes"),
    ],
)
def test_bad_offers_are_refused_and_no_call_is_made(
    offer: str | bytes, headers: dict[str, str], status: int, message: str
) -> None:
    @run_async
    async def check() -> None:
        async with serving() as app:
            answer = await app.offer(offer, headers=headers)
            assert answer.status_code == status, answer.text
            error = answer.json()["error"]
            assert message in error["message"]
            assert error["type"] == "invalid_request_error"
            assert not app.simulator.calls

    check()


@run_async
async def test_a_page_that_disconnects_during_its_offer_makes_no_call() -> None:
    async with serving() as app:
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": b"v=0", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/realtime/offer",
            "query_string": b"",
        }
        await app.app({**scope, "headers": [(b"content-type", b"application/sdp")]}, receive, send)
        assert sent[0]["status"] == 400
        assert not app.simulator.calls


@run_async
async def test_a_call_whose_request_is_cancelled_while_it_is_made_is_hung_up() -> None:
    """As by a server's or a middleware's time limit."""
    async with serving() as app:
        with app.simulator.fault("slow", on="calls.create", seconds=0.2):
            asked = asyncio.create_task(app.http.post("/realtime/offer", content=sample_offer(), headers=SDP))
            await until(lambda: app.simulator.requests)
            asked.cancel()
            await asyncio.wait([asked])
            await app.calls.aclose()
        (call,) = app.simulator.calls
        assert call.state == "ended"


@run_async
async def test_a_page_that_sends_its_offer_too_slowly_makes_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starlette_module, "_BODY_SECONDS", 0.05)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"v=0"
        await asyncio.get_running_loop().create_future()

    async with serving() as app:
        answer = await app.http.post("/realtime/offer", content=slowly(), headers=SDP)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            408,
            "the body did not arrive within 0.05 s",
        )
        assert not app.simulator.calls


@run_async
async def test_other_methods_are_refused() -> None:
    async with serving() as app:
        assert (await app.http.get("/realtime/offer")).status_code == 405


@pytest.mark.parametrize("path", ["/realtime/offer", "/realtime/secret"])
@pytest.mark.parametrize(
    ("verdict", "status"),
    [(True, 200), ({"user": 1}, 200), (False, 403), (None, 403), (JSONResponse({}, 401), 401)],
)
def test_authorization_is_checked_first(path: str, verdict: object, status: int) -> None:
    asked: list[str] = []

    async def authorize(request: Request) -> object:
        asked.append(request.url.path)
        return verdict

    @run_async
    async def check() -> None:
        async with serving(authorize=authorize) as app:
            answer = await app.http.post(path, content=sample_offer(), headers=SDP)
            assert (200 if answer.is_success else answer.status_code) == status
            assert asked == [path]
            assert status == 200 or not app.simulator.requests

    check()


@run_async
async def test_an_exception_of_authorize_is_the_apps() -> None:
    def authorize(request: Request) -> bool:
        raise HTTPException(402, "pay first")

    async with serving(authorize=authorize) as app:
        answer = await app.offer()
        assert (answer.status_code, answer.text) == (402, "pay first")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"name": "rate_limit", "retry_after": 70}, 503),
        ({"name": "server_error", "status": 500}, 502),
        ({"name": "connection_reset"}, 502),
        ({"name": "no_location", "on": "calls.create"}, 502),
    ],
)
def test_refusals_of_the_api_are_reported_without_its_message(
    fault: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    @run_async
    async def check() -> None:
        async with serving() as app:
            app.simulator.fault(**fault)
            for path in ("/realtime/offer", "/realtime/secret")[: 1 if "on" in fault else 2]:
                answer = await app.http.post(path, content=sample_offer(), headers=SDP)
                assert answer.status_code == status
                assert answer.json()["error"]["type"] == "server_error"
                assert answer.headers.get("retry-after") == ("70" if status == 503 else None)
            assert not app.calls.call_ids
        assert "a call was not made" in caplog.text

    check()


@run_async
async def test_a_session_that_can_not_be_is_the_apps_mistake() -> None:
    session = {"type": "realtime", "model": "gpt-realtime", "modalities": ["text"]}
    async with (
        serving(session=lambda request: session) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app.app), base_url="http://app") as http,
    ):
        with pytest.raises(SessionConfigError):
            await http.post("/realtime/offer", content=sample_offer(), headers=SDP)
        with pytest.raises(SessionConfigError):
            await http.post("/realtime/secret")


def untyped(room):  # type: ignore[no-untyped-def]
    """Book a room."""


async def on_incoming(call: IncomingCall) -> None: ...


@each(
    "options, error, message",
    [
        ({}, ValueError, "router: expected a session, on_incoming or both, got neither"),
        ({"session": {"type": "realtime", "modalities": ["text"]}}, SessionConfigError, "output_modalities"),
        ({"session": SESSION.voice(speed=9)}, SessionConfigError, r"audio\.output\.speed"),
        ({"session": SESSION, "tools": [untyped]}, TypeError, "parameter room has no annotation"),
        (
            {"session": SESSION, "tools": [untyped], "on_connection": print},
            TypeError,
            "parameter room has no annotation",
        ),
        ({"session": SESSION, "expires_after": 5}, SessionConfigError, "10 to 7200"),
        ({"session": SESSION, "safety_identifier": "a\nb"}, ValueError, "safety_identifier"),
        ({"session": SESSION, "on_connection": 5}, TypeError, "on_connection: expected a function, got int"),
        ({"session": SESSION, "authorize": "user"}, TypeError, "authorize: expected a function, got str"),
        (
            {"session": SESSION, "deduplicator": webhooks.Deduplicator()},
            ValueError,
            "deduplicator: no",
        ),
        ({"on_incoming": on_incoming, "tools": [untyped]}, ValueError, "tools: no effect without"),
        ({"on_incoming": on_incoming, "authorize": print}, ValueError, "authorize: no effect without"),
        ({"on_incoming": "answer"}, TypeError, "on_incoming: expected a function, got str"),
    ],
)
def test_a_router_is_checked_when_the_app_starts(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        router(RunningCalls(), **options)


def test_a_client_that_checks_no_sessions_has_them_not_checked_at_the_start_either() -> None:
    odd = {"type": "realtime", "modalities": ["text"]}
    router(RunningCalls(AsyncRealtimeClient("key", validate=False)), odd)


# Secrets


@run_async
async def test_a_secret_makes_a_call_without_the_app() -> None:
    async with serving(expires_after=60) as app:
        answer = await app.http.post("/realtime/secret")
        assert answer.headers["cache-control"] == "no-store"
        secret = answer.json()
        assert set(secret) == {"value", "expires_at", "calls_url"}
        assert secret["calls_url"] == f"{app.simulator.base_url}/realtime/calls"
        headers = {"authorization": f"Bearer {secret['value']}", "content-type": "application/sdp"}
        async with httpx.AsyncClient() as http:
            made = await http.post(secret["calls_url"], content=sample_offer(), headers=headers)
        assert made.status_code == 201
        assert app.simulator.calls[0].session.config["instructions"] == "You answer for the front desk."
        assert app.calls.call_ids == []


# Webhooks


@run_async
async def test_a_phone_call_is_run_once_and_acknowledged_at_once() -> None:
    answered: list[IncomingCall] = []
    go_on = asyncio.Event()

    async def on_incoming(call: IncomingCall) -> None:
        answered.append(call)
        await go_on.wait()

    async with serving(on_incoming=on_incoming) as app:
        assert [await app.deliver(incoming()) for _ in range(2)] == [200, 200]  # while it goes on
        await until(lambda: answered)
        assert [call.id for call in answered] == ["rtc_1"]
        assert answered[0].headers.from_ is not None
        assert answered[0].headers.from_.user == "+15550100"
        assert "5550100" not in repr(answered[0])
        assert app.calls.call_ids == ["rtc_1"]
        go_on.set()
        await until(lambda: not app.calls.call_ids)
        assert await app.deliver(incoming(), webhook_id="another") == 200
        assert len(answered) == 1


@pytest.mark.parametrize("event_type", ["live.transport.incoming", "live.call.incoming"])
@pytest.mark.parametrize("live_first", [False, True])
@run_async
async def test_a_call_that_is_announced_for_both_apis_is_answered_once(
    live_first: bool, event_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    answered: list[str] = []

    async def on_incoming(call: IncomingCall) -> None:
        answered.append(call.id)

    deliveries = {"wh_1": incoming(), "wh_2": incoming_live(event_type), "wh_3": incoming_live(event_type)}
    async with serving(on_incoming=on_incoming) as app:
        with caplog.at_level(logging.INFO, "realtime_kit.web"):
            for webhook_id in sorted(deliveries, reverse=live_first):
                assert await app.deliver(deliveries[webhook_id], webhook_id=webhook_id) == 200
        await until(lambda: answered)
    assert answered == ["rtc_1"]
    (record,) = (one for one in caplog.records if "live_1" in one.getMessage())
    assert record.levelname == "WARNING"
    assert "this app uses the Realtime API" in record.getMessage()


@run_async
async def test_an_older_live_event_with_an_id_of_the_realtime_api_is_answered() -> None:
    answered: list[str] = []

    async def on_incoming(call: IncomingCall) -> None:
        answered.append(call.id)

    async with serving(on_incoming=on_incoming) as app:
        assert await app.deliver(incoming_live("live.call.incoming", "rtc_1")) == 200
        assert await app.deliver(incoming(), webhook_id="another") == 200
        await until(lambda: answered)
    assert answered == ["rtc_1"]


@run_async
async def test_a_phone_call_that_comes_while_the_app_shuts_down_is_delivered_again() -> None:
    ended, go_on = asyncio.Event(), asyncio.Event()
    answered: list[str] = []

    async def on_incoming(call: IncomingCall) -> None:
        answered.append(call.id)
        try:
            await go_on.wait()
        finally:
            ended.set()
            await go_on.wait()

    async with serving(on_incoming=on_incoming) as app:
        assert await app.deliver(incoming("rtc_1")) == 200
        await until(lambda: answered)
        closing = asyncio.create_task(app.calls.aclose())
        await ended.wait()
        assert await app.deliver(incoming("rtc_2")) == 503
        go_on.set()
        await closing
        assert await app.deliver(incoming("rtc_2")) == 200  # to the next process
        await until(lambda: answered == ["rtc_1", "rtc_2"])


@run_async
async def test_webhooks_that_are_not_genuine_or_no_calls_run_nothing() -> None:
    async def on_incoming(call: IncomingCall) -> None:
        raise AssertionError

    async with serving(on_incoming=on_incoming) as app:
        assert await app.deliver(incoming(), "whsec_b3RoZXJvdGhlcm90aGVy") == 400
        other = encode({"object": "event", "id": "evt_1", "type": "batch.completed", "data": {"id": "b"}})
        assert await app.deliver(other) == 200
        assert await app.deliver(incoming("..")) == 400
        assert await app.deliver(str(incoming()).encode("utf-16")) == 400
        assert await app.deliver(b" " * 300_000) == 413
        assert not app.calls.call_ids


@pytest.mark.parametrize(("body", "statuses"), BODIES.values(), ids=BODIES.keys())
@run_async
async def test_a_signed_webhook_with_a_hostile_body_is_answered(
    body: bytes, statuses: frozenset[int]
) -> None:
    calls: list[str] = []

    async def on_incoming(call: IncomingCall) -> None:
        calls.append(call.id)

    async with serving(on_incoming=on_incoming) as app:
        assert await app.deliver(body) in statuses
        assert await app.deliver(incoming("rtc_2")) == 200
        await until(lambda: "rtc_2" in calls)


@run_async
async def test_a_webhook_of_any_length_is_read_up_to_its_limit() -> None:
    sent = 0

    async def content() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1024):
            sent += 1
            yield bytes(64 * 1024)

    async def on_incoming(call: IncomingCall) -> None:
        raise AssertionError

    async with serving(on_incoming=on_incoming) as app:
        headers = webhooks.sign(b"", app.simulator.webhook_secret)
        answer = await app.http.post("/realtime/webhook", content=content(), headers=headers)
        assert answer.status_code == 413
    assert sent < 10


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@run_async
async def test_a_webhook_whose_headers_come_twice_counts_as_what_was_signed(name: str) -> None:
    calls: list[IncomingCall] = []

    async def on_call(call: IncomingCall) -> None:
        calls.append(call)

    client = AsyncRealtimeClient("k", webhook_secret="whsec_c2VjcmV0c2VjcmV0c2VjcmV0")
    app = Starlette(routes=[Route("/", webhook_endpoint(client, on_call), methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
        signed = webhooks.sign(incoming(), "whsec_c2VjcmV0c2VjcmV0c2VjcmV0", webhook_id="wh_1")
        for pairs in ([*signed.items(), (name, "other")], [(name, "other"), *signed.items()]):
            status = (await http.post("/", content=incoming(), headers=pairs)).status_code
            assert status in (200, 400)
    assert all(call.webhook_id == "wh_1" for call in calls)
    await client.aclose()


@pytest.mark.slow
@run_async
async def test_a_phone_call_is_answered_and_ended_with_the_app() -> None:
    talking = asyncio.Event()

    async with serving(on_incoming=lambda call: answer(call)) as app:

        async def answer(call: IncomingCall) -> None:
            async with app.calls.client.answer(call.id, SESSION) as connection:
                with connection.expect("response.done") as done:
                    await connection.create_response()
                await done
                talking.set()
                await connection.run()

        async with running(app.app) as url:
            call = await asyncio.to_thread(app.simulator.incoming_call, f"{url}/realtime/webhook")
            await talking.wait()
            await app.calls.aclose()
            assert call.ended == "hangup"


@pytest.mark.parametrize("error", [RealtimeError, *RAISED])
@run_async
async def test_a_call_that_fails_is_logged_and_others_continue(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    other = asyncio.Event()

    async def on_incoming(call: IncomingCall) -> None:
        if call.id == "rtc_1":
            raise error("the caller has hung up")
        other.set()

    async with serving(on_incoming=on_incoming) as app:
        with caplog.at_level(logging.WARNING):
            assert await app.deliver(incoming()) == 200
            await until(lambda: not app.calls.call_ids)
            assert await app.deliver(incoming("rtc_2")) == 200
            await other.wait()
    assert "rtc_1 failed" in caplog.text
    assert "the caller has hung up" in caplog.text


@run_async
async def test_calls_that_cannot_be_accepted_now_are_delivered_again() -> None:
    async def on_call(call: IncomingCall) -> None:
        raise RealtimeError("the database is unavailable")

    client = AsyncRealtimeClient("k", webhook_secret="whsec_c2VjcmV0c2VjcmV0c2VjcmV0")
    app = Starlette(routes=[Route("/", webhook_endpoint(client, on_call), methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
        headers = webhooks.sign(incoming(), "whsec_c2VjcmV0c2VjcmV0c2VjcmV0")
        assert (await http.post("/", content=incoming(), headers=headers)).status_code == 503
    await client.aclose()


# The owner


@run_async
async def test_a_call_runs_once_and_none_begins_at_the_end() -> None:
    async with AsyncRealtimeClient("k") as client:
        calls = RunningCalls(client)
        ends: list[BaseException | None] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                with pytest.raises(RealtimeError, match="rtc_2 can't begin: the app is shutting down"):
                    calls.run("rtc_2", work())
                ends.append(None)
                raise

        calls.run("rtc_1", work())
        with pytest.raises(RealtimeError, match="rtc_1 is running already"):
            calls.run("rtc_1", work())
        with pytest.raises(ValueError, match="call_id"):
            calls.run("", work())
        await asyncio.sleep(0)
        await calls.aclose()
        assert (ends, calls.call_ids) == ([None], [])


@pytest.mark.slow
@run_async
async def test_fastapi_serves_it_from_one_start_to_the_next() -> None:
    from fastapi import FastAPI

    with Simulator(pacing="none", espeak=False) as sim, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", sim.base_url)
        patch.setenv("OPENAI_API_KEY", sim.api_key)
        patch.setenv("OPENAI_WEBHOOK_SECRET", sim.webhook_secret)
        calls = RunningCalls()
        seen: list[str] = []

        async def on_call(call: IncomingCall) -> None:
            seen.append(call.id)

        app = FastAPI(lifespan=calls.lifespan)
        app.mount("/realtime", router(calls, SESSION))
        app.post("/hook")(webhook_endpoint(lambda: calls.client, on_call))
        for number in range(2):  # the second time with a new client
            async with running(app, lifespan="on") as url, httpx.AsyncClient(base_url=url) as http:
                answer = await http.post("/realtime/offer", content=sample_offer(), headers=SDP)
                assert answer.status_code == 201
                assert answer.headers["content-type"] == "application/sdp"
                headers = webhooks.sign(incoming(), sim.webhook_secret)
                assert (await http.post("/hook", content=incoming(), headers=headers)).status_code == 200
            assert sim.calls[number].ended == "hangup"
        assert seen == ["rtc_1", "rtc_1"]


def test_without_starlette_the_extra_is_named() -> None:
    code = "import sys; sys.modules['starlette.requests'] = None; import realtime_kit.web"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert "ImportError: web apps need starlette: pip install 'realtime-kit[web]', or before" in done.stderr
