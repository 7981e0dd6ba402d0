from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._server import body

from tests.simulator.checking import body_fits
from tests.simulator.test_offer import OFFER
from tests.support.rows import each
from tests.support.waiting import PATIENCE

CALLS = "/realtime/calls"
SECRETS = "/realtime/client_secrets"


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error


def form(sdp: str | None = None, session: object = None) -> dict[str, Any]:
    files: dict[str, Any] = {}
    if sdp is not None:
        files["sdp"] = (None, sdp.encode(), "application/sdp")
    if session is not None:
        files["session"] = (None, json.dumps(session), "application/json")
    return files


def raw(api: httpx.Client, content: str | bytes, key: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/sdp"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    return api.post(CALLS, content=content, headers=headers)


def mint(api: httpx.Client, **fields: object) -> dict[str, Any]:
    response = api.post(SECRETS, json=fields)
    assert response.status_code == 200, response.text
    return response.json()


@each("path", [CALLS, SECRETS, f"{CALLS}/rtc_u1_x/hangup"])
@each(
    "headers, code",
    [
        ({}, None),
        ({"authorization": "Basic eHg="}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer sk-wrong"}, "invalid_api_key"),
        ({"authorization": "Bearer ek_unknown"}, "invalid_api_key"),
        ({"api-key": "sk-wrong"}, "invalid_api_key"),
    ],
)
def test_without_a_good_key_everything_is_401(
    sim: Simulator, path: str, headers: dict, code: str | None
) -> None:
    response = httpx.post(sim.base_url + path, headers=headers, json={})
    assert problem(response, 401)["code"] == code
    assert "sk-wrong" not in response.text


def test_the_api_key_header_works_too(sim: Simulator) -> None:
    response = httpx.post(sim.base_url + SECRETS, headers={"api-key": sim.api_key}, json={})
    assert response.status_code == 200


def test_a_client_secret_answers_with_the_session_that_it_carries(api: httpx.Client) -> None:
    before = time.time()
    answer = mint(
        api,
        expires_after={"anchor": "created_at", "seconds": 60},
        session={
            "type": "realtime",
            "model": "gpt-realtime-2.1-mini",
            "tools": [
                {"type": "mcp", "server_label": "s", "server_url": "https://s", "authorization": "hush"}
            ],
        },
    )
    body_fits("RealtimeCreateClientSecretResponse", answer)
    assert answer["value"].startswith("ek_")
    assert before + 59 <= answer["expires_at"] <= time.time() + 61
    assert answer["session"]["model"] == "gpt-realtime-2.1-mini"
    assert "hush" not in json.dumps(answer)
    assert mint(api)["expires_at"] - before > 590
    transcription = mint(api, session={"type": "transcription"})
    body_fits("RealtimeCreateClientSecretResponse", transcription)
    assert transcription["session"]["type"] == "transcription"


@each(
    "asked, param",
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        ({"session": {}}, "session.type"),
        ({"session": {"type": "realtime", "voice": "marin"}}, "session.voice"),
        (
            {"session": {"type": "realtime", "output_modalities": ["text", "audio"]}},
            "session.output_modalities",
        ),
        ({"sesion": {}}, "sesion"),
    ],
)
def test_a_bad_request_for_a_secret_names_the_field(api: httpx.Client, asked: dict, param: str) -> None:
    assert problem(api.post(SECRETS, json=asked), 400)["param"] == param


@each("content", ["{", "NaN", "[]", '"x"', "[" * 100_000])
def test_bodies_that_are_not_json_objects(api: httpx.Client, content: str) -> None:
    problem(api.post(SECRETS, content=content, headers={"content-type": "application/json"}), 400)


def test_other_media_types_are_refused(api: httpx.Client) -> None:
    headers = {"content-type": "text/plain"}
    assert (
        problem(api.post(SECRETS, content="{}", headers=headers), 400)["code"] == "unsupported_content_type"
    )
    assert problem(api.post(CALLS, content="{}", headers=headers), 400)["code"] == "unsupported_content_type"


def test_raw_sdp_is_for_client_secrets_only(api: httpx.Client) -> None:
    assert problem(raw(api, OFFER), 400)["code"] == "unsupported_content_type"
    response = raw(api, OFFER, mint(api)["value"])
    assert response.status_code == 201
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["location"].startswith("/v1/realtime/calls/rtc_u1_")


def test_translation_calls_are_for_their_client_secrets(api: httpx.Client) -> None:
    path = CALLS.replace("calls", "translations/calls")
    headers = {"content-type": "application/sdp"}
    assert problem(api.post(path, content=OFFER, headers=headers), 401)["code"] == "invalid_api_key"
    headers["authorization"] = f"Bearer {mint(api)['value']}"
    problem(api.post(path, content=OFFER, headers=headers), 401)


def test_the_betas_address_is_refused_with_a_hint(api: httpx.Client) -> None:
    headers = {"content-type": "application/sdp"}
    refused = problem(api.post("/realtime", content=OFFER, headers=headers), 400)
    assert refused["message"].endswith("Please use /v1/realtime for the GA API.")


def test_a_client_secret_opens_calls_only(api: httpx.Client) -> None:
    headers = {"authorization": f"Bearer {mint(api)['value']}"}
    assert api.post(CALLS, files=form(OFFER), headers=headers).status_code == 201
    problem(api.post(SECRETS, json={}, headers=headers), 401)
    problem(api.post(f"{CALLS}/rtc_u1_x/hangup", headers=headers), 401)


def test_an_expired_client_secret_is_refused(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    value = mint(api, expires_after={"anchor": "created_at", "seconds": 10})["value"]
    assert raw(api, OFFER, value).status_code == 201
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 11)
    refused = problem(raw(api, OFFER, value), 401)
    assert "expired" in refused["message"] and value not in refused["message"]


def test_an_offer_without_its_last_crlf(api: httpx.Client) -> None:
    for response in (api.post(CALLS, files=form(OFFER[:-2])), raw(api, OFFER[:-2], mint(api)["value"])):
        refused = problem(response, 400)
        assert refused["code"] == "invalid_offer"
        assert "failed to unmarshal SDP: EOF" in refused["message"]


def test_the_offer_is_recorded_byte_for_byte(sim: Simulator, api: httpx.Client) -> None:
    assert api.post(CALLS, files=form(OFFER)).status_code == 201
    assert sim.calls[-1].offer == OFFER.encode()


def test_browsers_forms_have_parts_without_content_type(api: httpx.Client) -> None:
    fields = {"sdp": (None, OFFER.encode()), "session": (None, '{"type": "realtime"}')}
    assert api.post(CALLS, files=fields).status_code == 201


@each(
    "files, code, param",
    [
        (form(session={"type": "realtime"}), "missing_required_parameter", "sdp"),
        (
            form(OFFER, {"type": "realtime", "modalities": ["text"]}),
            "unknown_parameter",
            "session.modalities",
        ),
        (form(OFFER, {"model": "gpt-realtime-2.1"}), "missing_required_parameter", "session.type"),
        (form(OFFER, ["x"]), "invalid_type", "session"),
        ({**form(OFFER), "extra": (None, "x")}, "unknown_parameter", "extra"),
        ({**form(OFFER), "session": (None, "{")}, None, None),
        (form("garbage"), "invalid_offer", None),
        (form(""), "invalid_offer", None),
        (form(OFFER.replace("AA:BB", "AA BB CC")), "invalid_offer", None),
        (form(OFFER.replace("SAVPF 111", "SAVPF 999")), "invalid_offer", None),
    ],
)
def test_bad_calls_are_refused_and_leave_nothing(
    sim: Simulator, api: httpx.Client, files: dict, code: str | None, param: str | None
) -> None:
    calls = len(sim.calls)
    refused = problem(api.post(CALLS, files=files), 400)
    assert (refused["code"], refused["param"]) == (code, param)
    assert len(sim.calls) == calls


def test_offers_of_hostile_size_are_refused(api: httpx.Client) -> None:
    assert problem(api.post(CALLS, files=form(OFFER + "a=x\r\n" * 150_000)), 400)["code"] == "invalid_offer"
    too_large = problem(api.post(CALLS, files=form("v" * (body.MAX_BYTES + 1))), 413)
    assert too_large["code"] == "request_too_large"
    assert problem(api.post(SECRETS, json={"x": "y" * body.MAX_BYTES}), 413)["code"] == "request_too_large"


@each(
    "value, message",
    [("[" * 500 + "]" * 500, "nested"), (r'"\ud800"', "surrogate"), ("1e400", "JSON"), ("NaN", "JSON")],
)
def test_unusable_json_is_refused(api: httpx.Client, value: str, message: str) -> None:
    session = '{"type": "realtime", "tools": [{"type": "function", "parameters": {"x": ' + value + "}}]}"
    json = {"content-type": "application/json"}
    refused = problem(api.post(SECRETS, content='{"session": ' + session + "}", headers=json), 400)
    assert message in refused["message"]
    assert (
        message in problem(api.post(CALLS, files={**form(OFFER), "session": (None, session)}), 400)["message"]
    )


def test_a_thousand_candidates_and_other_hosts_do_not_matter(api: httpx.Client) -> None:
    line = "a=candidate:9 1 udp 1 192.0.2.77 9 typ host\r\na=candidate:9 1 udp 1 x.local 9 typ host\r\n"
    response = api.post(CALLS, files=form(OFFER + line * 1500))
    assert response.status_code == 201
    assert api.post(response.headers["location"].removeprefix("/v1") + "/hangup").status_code == 200


def test_hanging_up(sim: Simulator, api: httpx.Client) -> None:
    location = api.post(CALLS, files=form(OFFER)).headers["location"].removeprefix("/v1")
    response = api.post(f"{location}/hangup")
    assert (response.status_code, response.content) == (200, b"")
    assert problem(api.post(f"{location}/hangup"), 404)["code"] == "call_id_not_found"
    assert sim.calls[-1].ended == "hangup"


@each("call_id", ["..", "a%2Fb", "%00", "x" * 5000, "rtc_u1_x%0d%0aset-cookie:%20a=b"])
def test_odd_call_ids_are_404_in_the_envelope(sim: Simulator, call_id: str) -> None:
    # Past the client's own normalising of paths.
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        request = (
            f"POST /v1/realtime/calls/{call_id}/hangup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {sim.api_key}\r\nContent-Length: 0\r\n\r\n"
        )
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404") and b'{"error":' in answer and b"\r\nset-cookie" not in answer


def test_unknown_paths_and_methods_have_the_envelope(api: httpx.Client) -> None:
    problem(api.post("/realtime/nothing"), 404)
    problem(api.post(CALLS + "/"), 404)
    problem(api.get(CALLS), 405)


def test_other_origins_may_call_and_read_location(sim: Simulator, api: httpx.Client) -> None:
    preflight = httpx.options(
        sim.base_url + CALLS,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type, x-stainless-lang, bad name",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert allowed == ["authorization", "content-type", "x-stainless-lang"]
    response = api.post(CALLS, files=form(OFFER), headers={"origin": "null"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "Location" in response.headers["access-control-expose-headers"]


def test_requests_are_recorded_and_keys_are_not_in_their_repr(sim: Simulator, api: httpx.Client) -> None:
    response = api.post(SECRETS, json={"session": {"type": "realtime"}})
    record = sim.requests[-1]
    assert (record.method, record.path, record.status) == ("POST", "/v1/realtime/client_secrets", 200)
    assert record.json() == {"session": {"type": "realtime"}}
    assert record.request_id == response.headers["x-request-id"]
    assert record.headers["authorization"] == f"Bearer {sim.api_key}"
    assert sim.api_key not in repr(record) + repr(sim) + repr(sim._settings)
    assert "x-ratelimit-remaining-requests" in response.headers


def test_slow_senders_are_cut_off(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_SECONDS", 0.05)
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {sim.api_key}\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408") and b'{"error":' in answer
