"""Several projects in one simulator: each has its own calls, sessions, client secrets and limits."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from websockets.exceptions import InvalidStatus

from realtime_ext import (
    AuthenticationError,
    NotFoundError,
    RateLimitError,
    RealtimeClient,
    SessionBuilder,
)
from tests.samples.sdp import sample
from tests.simulator.receiver import receiving
from tests.simulator.wire import Socket
from tests.support.rows import each

OFFER = sample("offer-chromium-audio-datachannel")
SESSION = SessionBuilder("gpt-realtime-2.1").output("text")
Clients = Callable[[str], RealtimeClient]
KEYS = {"acme": "sk-of-acme", "globex": "sk-of-globex"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", keys=KEYS) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Clients]:
    with contextlib.ExitStack() as stack:

        def made(key: str) -> RealtimeClient:
            new = RealtimeClient(key, base_url=simulator.base_url, max_retries=0)
            return stack.enter_context(new)

        yield made


def test_a_call_is_unknown_to_other_projects(simulator: Simulator, client: Clients) -> None:
    acme, others = client(KEYS["acme"]), [client(simulator.api_key), client(KEYS["globex"])]
    call = acme.calls.create(OFFER, SESSION)
    for other in others:
        with pytest.raises(NotFoundError):
            other.calls.hangup(call.id)
    for key in (KEYS["globex"], None):
        with pytest.raises(InvalidStatus) as refused:
            Socket(simulator, f"call_id={call.id}", key=key)
        assert refused.value.response.status_code == 404
    Socket(simulator, f"call_id={call.id}", key=KEYS["acme"]).close()
    acme.calls.hangup(call.id)


def test_a_client_secret_belongs_to_the_project_that_made_it(simulator: Simulator, client: Clients) -> None:
    acme = client(KEYS["acme"])
    secret = acme.client_secrets.create(SESSION).value
    call = client(secret).calls.create(OFFER)
    with pytest.raises(NotFoundError):
        client(simulator.api_key).calls.hangup(call.id)
    acme.calls.hangup(call.id)


def test_an_unknown_key_is_refused(simulator: Simulator, client: Clients) -> None:
    with pytest.raises(AuthenticationError), client("sk-of-nobody").connect("gpt-realtime-2.1"):
        pass


def test_a_stored_live_session_is_unknown_to_other_projects(simulator: Simulator) -> None:
    body = {
        "session": {"model": "gpt-live-1", "store": True},
        "transport": {"type": "webrtc", "sdp": OFFER if isinstance(OFFER, str) else OFFER.decode()},
    }
    address = f"{simulator.base_url}/live/sessions"
    mine, other = ({"authorization": f"Bearer {key}"} for key in KEYS.values())
    created = httpx.post(address, json=body, headers=mine)
    assert created.status_code == 201, created.text
    session = f"{address}/{created.json()['session']['id']}"
    assert httpx.post(f"{session}/hangup", headers=other).status_code == 404
    assert httpx.post(f"{session}/hangup", headers=mine).is_success


@each("project", [None, "acme"])
def test_an_incoming_call_rings_in_one_project(
    simulator: Simulator, project: str | None, client: Clients
) -> None:
    own, other = KEYS["acme"], simulator.api_key
    if project is None:
        own, other = other, own
    with receiving() as receiver:
        call = simulator.incoming_call(receiver.url, project=project)
        with pytest.raises(NotFoundError):
            client(other).calls.accept(call.id, SESSION)
        client(own).calls.accept(call.id, SESSION)
        simulator.press(call, "1")
        simulator.hang_up(call)
    with pytest.raises(LookupError):
        simulator.press(call, "1")


def test_a_project_without_credit_is_refused_and_others_are_served(
    simulator: Simulator, client: Clients
) -> None:
    with simulator.fault("quota", on="acme"):
        acme = client(KEYS["acme"])
        with pytest.raises(RateLimitError) as refused:
            acme.client_secrets.create(SESSION)
        assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")
        with pytest.raises(RateLimitError), acme.connect(SESSION):
            pass
        assert client(KEYS["globex"]).client_secrets.create(SESSION).value
    assert client(KEYS["acme"]).client_secrets.create(SESSION).value


def test_requests_are_counted_by_project() -> None:
    with Simulator(keys=KEYS) as simulator:

        def left(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            answer = httpx.post(f"{simulator.base_url}/realtime/client_secrets", json={}, headers=headers)
            return int(answer.headers["x-ratelimit-remaining-requests"])

        first = left(KEYS["acme"])
        assert left(KEYS["acme"]) == first - 1
        assert left(KEYS["globex"]) == first


@each(
    "options, words",
    [
        ({"keys": {"a b": "sk-1"}}, "got 'a b'"),
        ({"keys": {"connect": "sk-1"}}, "no target of faults"),
        ({"keys": {"acme": ""}}, "the key of 'acme' is empty"),
        ({"keys": {"a": "sk-1", "b": "sk-1"}}, "a key of its own"),
        ({"keys": {"a": "sk-1"}, "api_key": "sk-1"}, "a key of its own"),
        ({"keys": {"a": "sk-1"}, "replay": "x.jsonl"}, "exclude record and replay"),
    ],
)
def test_wrong_projects_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        Simulator(**options)
    assert words in str(refused.value)
    assert "sk-1" not in str(refused.value)


def test_an_unknown_project_is_refused_by_name(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="'acme', 'globex', got 'acne'"):
        simulator.incoming_call("http://127.0.0.1:1/", project="acne")
    with pytest.raises(ValueError, match="acme, globex"):
        simulator.fault("quota", on="acne")


def test_the_control_endpoint_wants_the_first_key(simulator: Simulator) -> None:
    address = simulator.base_url.replace("/v1", "/simulator/calls")
    assert httpx.get(address, headers={"authorization": f"Bearer {KEYS['acme']}"}).status_code == 401
    assert json.loads(httpx.get(address, headers={"authorization": f"Bearer {simulator.api_key}"}).text)
