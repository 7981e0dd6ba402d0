from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from websockets.exceptions import InvalidStatus

from tests.simulator.wire import Socket
from tests.support.rows import each


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


def closed(sim: Simulator, query: str, code: int, reason: str, **options: Any) -> dict[str, Any]:
    """Connect, and return the error that came before the connection was closed."""
    with Socket(sim, query, **options) as socket:
        error: dict[str, Any] = socket.recv()["error"]
        assert socket.closed() == (code, reason)
    assert error["event_id"] is None and error["type"] == "invalid_request_error"
    return error


KEY = "invalid_request_error.invalid_api_key"


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
    with Socket(sim, "model=gpt-realtime-2.1-mini") as socket:
        assert socket.recv()["session"]["model"] == "gpt-realtime-2.1-mini"


@each(
    "options, code",
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
@each("path", ["", "/translations"])
def test_without_a_good_key_the_connection_is_refused_after_the_handshake(
    sim: Simulator, options: dict[str, Any], code: str | None, path: str
) -> None:
    reason = "invalid_request_error" if code is None else KEY
    error = closed(sim, "model=gpt-realtime", 3000, reason, path=path, **options)
    assert error["code"] == code and "sk-wrong" not in json.dumps(error)
    if code is None:
        assert error["message"] == "Missing bearer or basic authentication in header"
    else:
        assert error["message"].startswith("Incorrect API key provided: ")


def test_azures_service_refuses_keys_at_the_handshake_and_knows_any_model() -> None:
    with Simulator(pacing="none", espeak=False, profile="azure") as sim:
        assert refused(sim, "model=my-deployment", 401, key="wrong")["code"] == "invalid_api_key"
        with Socket(sim, "model=my-deployment") as socket:
            assert socket.recv()["session"]["model"] == "my-deployment"
    with pytest.raises(ValueError, match="profile"):
        Simulator(pacing="none", profile="other")  # type: ignore[arg-type]


def test_xais_service_has_conversations_alone() -> None:
    with Simulator(pacing="none", espeak=False, profile="xai") as sim:
        key = secret(sim, session={"type": "transcription"})
        for query, options in (("intent=transcription", {}), ("", {"key": key})):
            error = closed(sim, query, 4000, "invalid_request_error.invalid_value", **options)
            assert error["message"] == "The profile xai has conversations alone."


def test_a_model_that_is_not_known_is_refused_unless_it_was_added() -> None:
    with Simulator(pacing="none", espeak=False, models=["my-model"]) as sim:
        error = closed(sim, "model=gpt-nope", 4000, "invalid_request_error.invalid_model")
        assert (error["code"], error["param"]) == ("invalid_model", None)
        assert error["message"].startswith('Model "gpt-nope" is not supported in realtime mode')
        with Socket(sim, "model=my-model") as socket:
            assert socket.recv()["session"]["model"] == "my-model"


def test_the_api_key_header_and_the_browsers_subprotocol_work(sim: Simulator) -> None:
    with Socket(sim, key="", headers={"api-key": sim.api_key}) as socket:
        assert socket.ws.subprotocol is None
        assert socket.recv()["type"] == "session.created"
    offered = ("realtime", f"openai-insecure-api-key.{sim.api_key}")
    with Socket(sim, key="", subprotocols=offered, headers={"origin": "https://app.example"}) as socket:
        assert socket.ws.subprotocol == "realtime"
        assert socket.recv()["type"] == "session.created"


@each(
    "query, code",
    [
        ("", "missing_model"),
        ("model=", "missing_model"),
        ("model=" + "x" * 257, "invalid_model"),
        ("intent=sing", "invalid_value"),
    ],
)
def test_a_bad_address_is_refused_after_the_handshake(sim: Simulator, query: str, code: str) -> None:
    assert closed(sim, query, 4000, f"invalid_request_error.{code}")["code"] == code


def test_a_sideband_of_no_call_is_404(sim: Simulator) -> None:
    assert refused(sim, "call_id=rtc_u1_none", 404)["code"] == "call_id_not_found"


def test_an_unknown_address_is_404(sim: Simulator) -> None:
    refused(sim, "model=x", 404, path="/elsewhere")


def test_a_sideband_needs_the_projects_key(sim: Simulator) -> None:
    closed(sim, "call_id=rtc_u1_none", 3000, KEY, key=secret(sim))


def test_a_client_secret_brings_its_session(sim: Simulator) -> None:
    session = {"type": "realtime", "model": "gpt-realtime-2.1-mini", "instructions": "From the secret."}
    with Socket(sim, "", key=secret(sim, session=session)) as socket:
        shown = socket.recv()["session"]
        assert shown["instructions"] == "From the secret." and shown["model"] == "gpt-realtime-2.1-mini"
    with Socket(sim, "", key=secret(sim, session={"type": "transcription"})) as socket:
        assert socket.recv()["session"]["type"] == "transcription"


def test_a_secret_of_a_translation_opens_no_conversation_and_the_other_way_round(sim: Simulator) -> None:
    translation = secret(sim, "translations/client_secrets", session={"model": "gpt-realtime-translate"})
    reason = "invalid_request_error.invalid_value"
    assert closed(sim, "", 4000, reason, key=translation)["param"] == "session.type"
    assert closed(sim, "", 4000, reason, key=secret(sim), path="/translations")["param"] == "session.type"
    with Socket(sim, "", key=translation, path="/translations") as socket:
        assert socket.recv()["session"]["model"] == "gpt-realtime-translate"


@each(
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
        closed(sim, "", 3000, KEY, key=value)
        socket.user_says("the session goes on")
        socket.until("conversation.item.done")


def test_a_plain_request_to_the_address_is_answered_with_the_envelope(sim: Simulator) -> None:
    response = httpx.get(f"{sim.base_url}/realtime", headers={"authorization": f"Bearer {sim.api_key}"})
    assert response.status_code in (400, 404, 405, 426) and response.json()["error"]["message"]
