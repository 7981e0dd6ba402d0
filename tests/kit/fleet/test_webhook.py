"""The endpoints of web nodes: the webhook, and what load balancers ask."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from realtime_kit.fleet import Fleet, FleetError, OwnedCall
from realtime_kit.fleet._store import SetupError
from starlette.applications import Starlette
from starlette.routing import Route

from realtime_ext import AsyncRealtimeClient, webhooks
from realtime_ext._core.json import encode
from tests.kit.fleet.harness import Severed, run_async
from tests.support.rows import each

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


@contextlib.asynccontextmanager
async def web_node(fleet: Fleet) -> AsyncIterator[httpx.AsyncClient]:
    client = AsyncRealtimeClient(api_key="k", webhook_secret=SECRET)
    routes = [
        Route("/webhook", fleet.webhook(client), methods=["POST"]),
        Route("/health", fleet.health()),
    ]
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as http:
        yield http
    await client.aclose()


async def deliver(
    http: httpx.AsyncClient, data: Any, kind: str = "realtime.call.incoming", secret: str = SECRET
) -> int:
    body = encode({"object": "event", "id": "evt_1", "type": kind, "created_at": 1, "data": data})
    answer = await http.post("/webhook", content=body, headers=webhooks.sign(body, secret))
    return answer.status_code


HEADERS = [{"name": "From", "value": "<sip:a@b.example>"}, {"name": "Via", "value": "1"}]


@run_async
async def test_a_webhook_enqueues_its_call_once() -> None:
    fleet = Fleet.in_memory()
    async with web_node(fleet) as http:
        data = {"call_id": "rtc_1", "sip_headers": HEADERS}
        assert [await deliver(http, data) for _ in range(2)] == [200, 200]
        for kind in ("live.transport.incoming", "live.call.incoming"):
            assert await deliver(http, {"session_id": "live_1", "sip_headers": HEADERS}, kind) == 200
        health = (await http.get("/health")).json()
        assert (health["calls"], health["waiting"], health["slots"], health["workers"]) == (1, 1, 0, 0)


@run_async
async def test_an_id_that_can_not_be_stored_is_logged_and_not_delivered_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet = Fleet.in_memory()
    async with web_node(fleet) as http:
        assert await deliver(http, {"call_id": "r" * 5000, "sip_headers": []}) == 200
    assert "call_id: expected at most 255 characters, got 5000" in caplog.text
    assert await fleet.calls() == []


@run_async
async def test_forged_deliveries_are_refused_and_other_events_acknowledged() -> None:
    fleet = Fleet.in_memory()
    async with web_node(fleet) as http:
        assert await deliver(http, {"call_id": "rtc_1"}, secret="whsec_b3RoZXJvdGhlcm90aGVy") == 400
        assert await deliver(http, {"id": "in_1"}, "invoice.paid") == 200
        assert (await http.get("/health")).json()["calls"] == 0


@run_async
async def test_without_the_database_the_api_is_to_deliver_again() -> None:
    fleet = Fleet.in_memory(max_wait=0.1)
    severed = Severed(fleet._store)
    severed.is_cut = True
    fleet._store = severed  # type: ignore[assignment]
    async with web_node(fleet) as http:
        assert await deliver(http, {"call_id": "rtc_1", "sip_headers": HEADERS}) == 503
        answer = await http.get("/health")
        assert (answer.status_code, answer.json()) == (503, {"database": "unavailable"})
        severed.is_cut = False
        assert await deliver(http, {"call_id": "rtc_1", "sip_headers": HEADERS}) == 200


@run_async
async def test_a_delivery_waits_for_a_database_that_comes_back() -> None:
    fleet = Fleet.in_memory()
    severed = Severed(fleet._store)
    severed.losing["offer"] = 1
    fleet._store = severed  # type: ignore[assignment]
    async with web_node(fleet) as http:
        assert await deliver(http, {"call_id": "rtc_1", "sip_headers": HEADERS}) == 200
    assert severed.done == ["offer", "offer"]
    assert [call.id for call in await fleet.calls()] == ["rtc_1"]


@run_async
async def test_a_delivery_does_not_wait_for_a_database_that_is_not_set_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet.in_memory()
    tries: list[str] = []

    async def refuse(call_id: str, *_: Any, **__: Any) -> bool:
        tries.append(call_id)
        raise SetupError("no tables")

    monkeypatch.setattr(fleet._store, "offer", refuse)
    async with web_node(fleet) as http:
        assert await deliver(http, {"call_id": "rtc_1", "sip_headers": HEADERS}) == 503
    assert tries == ["rtc_1"]


@run_async
async def test_an_offered_call_has_its_headers() -> None:
    fleet = Fleet.in_memory()
    assert await fleet.offer("rtc_1", HEADERS)
    record = await fleet.find("rtc_1")
    assert record is not None
    assert record.headers == HEADERS
    assert "a@b.example" not in repr(record)
    with pytest.raises(ValueError, match="call_id"):
        await fleet.offer("")


@each(
    "options, message",
    [
        ({"busy_status": 603}, "busy_status: expected 480 or 486, got 603"),
        ({"after_failures": "shout"}, "after_failures: expected 'hangup' or 'leave', got 'shout'"),
        ({"max_failures": 0}, "max_failures: expected 1 or more, got 0"),
        ({"time_to_live": 0}, "time_to_live: expected more than 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fleet.in_memory(**options)


@run_async
async def test_run_needs_a_handler_and_slots() -> None:
    fleet = Fleet.in_memory()
    client = AsyncRealtimeClient(api_key="k")
    with pytest.raises(RuntimeError, match="there is no handler"):
        await fleet.run(client)

    @fleet.on_call
    async def phone(call: OwnedCall) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="slots: expected 0 or more, got -1"):
        await fleet.run(client, slots=-1)
    with pytest.raises(TypeError, match="slots: expected an int, got str"):
        await fleet.run(client, slots="3")  # type: ignore[arg-type]
    await client.aclose()


def test_the_error_is_one_of_the_packages() -> None:
    from realtime_ext import RealtimeError

    assert issubclass(FleetError, RealtimeError)
