from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from websockets.exceptions import InvalidStatus

from .wire import Socket


def refused(sim: Simulator, query: str, status: int, **options: Any) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as caught:
        Socket(sim, query, **options)
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["content-type"] == "application/json"
    error = json.loads(bytes(response.body or b""))["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error


def secret(sim: Simulator, path: str = "client_secrets", **body: Any) -> str:
    response = httpx.post(
        f"{sim.base_url}/realtime/{path}", headers={"authorization": f"Bearer {sim.api_key}"}, json=body
    )
    assert response.status_code == 200, response.text
    value: str = response.json()["value"]
    return value


def test_the_handshake_is_answered_with_a_request_id_and_recorded(sim: Simulator) -> None:
    with Socket(sim) as socket:
        assert socket.ws.response is not None
        request_id = socket.ws.response.headers["x-request-id"]
        assert socket.recv()["type"] == "session.created"
    record = next(record for record in sim.requests if record.request_id == request_id)
    assert (record.method, record.path, record.status) == ("GET", "/v1/realtime", 101)


def test_the_model_of_the_address_is_the_sessions(sim: Simulator) -> None:
    with Socket(sim, "model=gpt-realtime-mini") as socket:
        assert socket.recv()["session"]["model"] == "gpt-realtime-mini"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"key": ""}, None),
        ({"key": "sk-wrong"}, "invalid_api_key"),
        ({"key": "ek_unknown"}, "invalid_api_key"),
        ({"key": "", "headers": {"authorization": "Basic eHg="}}, None),
        (
            {"key": "", "subprotocols": ("realtime", "openai-insecure-api-key.sk-wrong")},
            "invalid_api_key",
        ),
    ],
)
@pytest.mark.parametrize("path", ["", "/translations"])
def test_without_a_good_key_the_handshake_is_401(
    sim: Simulator, options: dict[str, Any], code: str | None, path: str
) -> None:
    error = refused(sim, "model=gpt-realtime", 401, path=path, **options)
    assert error["code"] == code and "sk-wrong" not in json.dumps(error)


def test_the_api_key_header_and_the_browsers_subprotocol_work(sim: Simulator) -> None:
    with Socket(sim, key="", headers={"api-key": sim.api_key}) as socket:
        assert socket.ws.subprotocol is None
        assert socket.recv()["type"] == "session.created"
    offered = ("realtime", f"openai-insecure-api-key.{sim.api_key}")
    with Socket(sim, key="", subprotocols=offered, headers={"origin": "https://app.example"}) as socket:
        assert socket.ws.subprotocol == "realtime"
        assert socket.recv()["type"] == "session.created"


@pytest.mark.parametrize(
    ("query", "param"),
    [("", "model"), ("model=", "model"), ("model=" + "x" * 257, "model"), ("intent=sing", "intent")],
)
def test_a_bad_address_is_400(sim: Simulator, query: str, param: str) -> None:
    assert refused(sim, query, 400)["param"] == param


def test_a_sideband_of_no_call_is_404(sim: Simulator) -> None:
    assert refused(sim, "call_id=rtc_u1_none", 404)["code"] == "call_not_found"


def test_an_address_that_is_none_is_404(sim: Simulator) -> None:
    refused(sim, "model=x", 404, path="/elsewhere")


def test_a_sideband_needs_the_projects_key(sim: Simulator) -> None:
    assert refused(sim, "call_id=rtc_u1_none", 401, key=secret(sim))["code"] == "invalid_api_key"


def test_a_client_secret_brings_its_session(sim: Simulator) -> None:
    session = {"type": "realtime", "model": "gpt-realtime-mini", "instructions": "From the secret."}
    with Socket(sim, "", key=secret(sim, session=session)) as socket:
        shown = socket.recv()["session"]
        assert shown["instructions"] == "From the secret." and shown["model"] == "gpt-realtime-mini"
    with Socket(sim, "", key=secret(sim, session={"type": "transcription"})) as socket:
        assert socket.recv()["session"]["type"] == "transcription"


def test_a_secret_of_a_translation_opens_no_conversation_and_the_other_way_round(sim: Simulator) -> None:
    translation = secret(sim, "translations/client_secrets", session={"model": "gpt-realtime-translate"})
    assert refused(sim, "model=x", 400, key=translation)["param"] == "session.type"
    assert refused(sim, "model=x", 400, key=secret(sim), path="/translations")["param"] == "session.type"
    with Socket(sim, "", key=translation, path="/translations") as socket:
        assert socket.recv()["session"]["model"] == "gpt-realtime-translate"


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"openai-beta": "realtime=v1"}},
        {"subprotocols": ("realtime", "openai-beta.realtime-v1")},
        {"headers": {"openai-beta": "realtime=v1"}, "path": "/translations"},
    ],
)
def test_the_betas_shape_is_refused_after_the_handshake(sim: Simulator, options: dict[str, Any]) -> None:
    with Socket(sim, **options) as socket:
        assert socket.recv()["error"]["code"] == "beta_api_shape_disabled"
        assert socket.closed() == (4000, "invalid_request_error.beta_api_shape_disabled")


def test_an_expired_secret_is_refused(sim: Simulator) -> None:
    value = secret(sim, expires_after={"anchor": "created_at", "seconds": 10})
    with Socket(sim, "", key=value) as socket:
        sim.advance(11)
        assert refused(sim, "", 401, key=value)["code"] == "invalid_api_key"
        socket.user_says("the session goes on")
        socket.until("conversation.item.done")


def test_a_plain_request_to_the_address_is_answered_with_the_envelope(sim: Simulator) -> None:
    response = httpx.get(f"{sim.base_url}/realtime", headers={"authorization": f"Bearer {sim.api_key}"})
    assert response.status_code in (400, 404, 426) and response.json()["error"]["message"]
