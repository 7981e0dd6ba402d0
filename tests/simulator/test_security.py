"""Hostile clients: refused with the envelope, in bounded memory, and without harm to others."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._calls.line import read_audio
from realtime_simulator._records import session as sessions, sound as sounds, store
from realtime_simulator._records.session import SessionLog
from realtime_simulator._records.store import Records, RequestRecord
from realtime_simulator._server import thread as server

from tests.simulator.test_http import form, problem
from tests.simulator.test_offer import OFFER
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SECRETS = "/v1/realtime/client_secrets"


def exchange(sim: Simulator, sent: bytes) -> bytes:
    """What is answered to these bytes before the connection closes."""
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    return answer


def envelope(answer: bytes) -> tuple[int, str]:
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content)["error"]["message"]


@each(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3 + b"\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_invalid_requests_are_refused(sim: Simulator, sent: bytes) -> None:
    status, message = envelope(exchange(sim, sent))
    assert status == 400 and "HTTP/1.1" in message


def test_a_broken_body_ends_the_connection_and_nothing_else(sim: Simulator, api: httpx.Client) -> None:
    head = f"POST {SECRETS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sim.api_key}\r\n"
    broken = f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"
    answer = exchange(sim, broken.encode())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert api.post("/realtime/client_secrets", json={}).status_code == 200


def test_a_head_that_never_ends_is_not_waited_for(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    status, message = envelope(exchange(sim, b"GET /v1 HTTP/1.1\r\nX: y"))
    assert status == 408 and "in time" in message
    # A client that has sent its head in time is not cut off when a later one's time is up.
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with sim.fault("slow", seconds=100) as fault, socket.create_connection((host, int(port))) as connection:
        connection.settimeout(10)
        connection.sendall(f"POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        sim.wait_for(lambda: fault.hits == 1)
        assert envelope(exchange(sim, b"GET /v1"))[0] == 408
        sim.advance(101)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def trickled(sim: Simulator, first: bytes, until: bytes = b"") -> bytes:
    """What is answered to a client that goes on a byte at a time, without end.

    Args:
        sim: The simulator.
        first: What is sent at once.
        until: What has to be answered before it goes on.
    """
    host, port = sim.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(first)
        while until not in answer:
            answer += connection.recv(65536)
        connection.settimeout(0.01)
        while True:
            try:
                connection.sendall(b"x")
                piece = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                return answer
            if not piece:
                return answer
            answer += piece


HEAD = f"POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_second_head_that_never_ends_is_not_waited_for(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    first = (
        f"{HEAD}Authorization: Bearer {sim.api_key}\r\nContent-Length: 2\r\n\r\n{{}}GET /v1 HTTP/1.1\r\nX: "
    )
    answer = trickled(sim, first.encode(), until=b"ek_")
    assert answer.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in answer
    assert b"The request's head did not arrive in time." in answer


@pytest.mark.parametrize("path", [SECRETS, "/v1/realtime/calls", "/nowhere"])
def test_an_endless_body_that_no_handler_reads_is_not_waited_for(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)
    # Without a key, the answer comes at once, and the body is not read.
    first = HEAD.replace(SECRETS, path) + "Content-Length: 1000000\r\n\r\n{"
    answer = trickled(sim, first.encode(), until=b"}")
    assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 404"))


def test_a_body_of_the_control_endpoint_that_never_ends_is_not_waited_for(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)
    head = HEAD.replace(SECRETS, "/simulator/scenario").replace("Host: x", "Host: localhost")
    answer = trickled(
        sim, f"{head}Authorization: Bearer {sim.api_key}\r\nContent-Length: 1000\r\n\r\n".encode()
    )
    assert envelope(answer)[0] == 408


def test_a_slow_answer_does_not_make_the_client_slow(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that waits to be read because the answer is slow was sent in time."""
    monkeypatch.setattr(server, "BODY_SECONDS", 0.05)
    with sim.fault("slow", seconds=100) as fault, httpx.Client() as client, ThreadPoolExecutor(1) as pool:
        headers = {"authorization": f"Bearer {sim.api_key}", "content-type": "application/json"}
        body = b"{" + b" " * 900_000 + b"}"
        address = sim.base_url.removesuffix("/v1") + SECRETS
        answer = pool.submit(client.post, address, content=body, headers=headers, timeout=PATIENCE)
        sim.wait_for(lambda: fault.hits == 1)
        exchange(sim, b"GET /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
        sim.advance(101)
        assert answer.result().status_code == 200


def test_a_body_is_not_read_without_a_key(sim: Simulator) -> None:
    before = len(sim.requests)
    answer = httpx.post(f"{sim.base_url}/realtime/calls", content=b"x" * 5_000_000)
    assert problem(answer, 401)["type"] == "invalid_request_error"
    assert sim.requests[before].body == b""


@each(
    "path",
    [
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "calls//accept",
        "calls/%0d%0aX:y/accept",
    ],
)
def test_path_tricks_lead_nowhere(sim: Simulator, path: str) -> None:
    lines = [
        f"POST /v1/realtime/{path} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Authorization: Bearer {sim.api_key}",
        "Content-Type: application/json",
        "Content-Length: 19",
        "",
        '{"type":"realtime"}',
    ]
    answer = exchange(sim, "\r\n".join(lines).encode())
    status, _ = envelope(answer)
    assert status == 404 and b"\r\nX:y" not in answer


def test_a_megabyte_of_candidates_is_refused_and_others_are_served(api: httpx.Client) -> None:
    line = "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
    assert (
        problem(api.post("/realtime/calls", files=form(OFFER + line * 20_000)), 400)["code"]
        == "invalid_offer"
    )
    assert api.post("/realtime/calls", files=form(OFFER)).status_code == 201


def test_the_bodies_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BODIES_BYTES", 100)
    kept = Records()
    for _ in range(5):
        record = RequestRecord(method="POST", path="/", headers={}, request_id="req_1", body=b"x" * 40)
        kept.add(record)
    assert [len(record.body) for record in kept.requests] == [0, 0, 0, 40, 40]
    kept.requests[-1].response_body = b"x" * 40
    kept.add(RequestRecord(method="POST", path="/", headers={}, request_id="req_2"))
    assert [len(record.body + record.response_body) for record in kept.requests] == [0, 0, 0, 0, 80, 0]


def test_the_events_of_ended_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_SESSIONS_BYTES", 1_500)
    kept, left = Records(), []
    for number in range(4):
        log = SessionLog(f"sess_{number}", "websocket")
        kept.add(log)
        left.append(log)
        log.add("sent", {"type": "x"}, 0)
        if number != 1:
            log.close("closed")
    kept.add(SessionLog("sess_4", "websocket"))
    assert [len(log.events) for log in left] == [0, 1, 1, 1]  # the second goes on


def test_audio_is_kept_on_request_and_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_AUDIO_BYTES", 100_000)
    kept = Records()

    def session(number: int) -> SessionLog:
        log = SessionLog(f"sess_{number}", "websocket")
        kept.add(log)
        return log

    unasked, first, second = (session(number) for number in range(3))
    first.keep_audio(1, kept.audio)
    second.keep_audio(10, kept.audio)
    for log in (unasked, first, second):
        log.audio_in.add(bytes(96_000), 0)
        assert log.audio_in.seconds == 2
    with pytest.raises(RuntimeError, match=r"keep_audio=True"):
        _ = unasked.record.received_audio
    assert (len(first.record.received_audio), len(second.record.received_audio)) == (48_000, 52_000)
    first.close("closed")
    session(3)  # what has ended makes room for what begins
    assert (len(first.record.received_audio), kept.audio.left) == (0, 48_000)
    second.audio_out.add(bytes(96_000), 0)
    assert len(second.record.sent_audio) == 48_000


def test_events_are_remembered_without_audio_and_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_EVENTS_BYTES", 50_000)
    log = SessionLog("sess_1", "websocket")
    record = log.record
    sound = {"type": "input_audio", "audio": "A" * 1_000_000}
    log.add("received", {"type": "conversation.item.create", "item": {"content": [sound]}}, 0)
    assert record.received[0]["item"]["content"][0]["audio"] == "<1000000 characters>"
    for number in range(100):
        log.add("received", {"type": "x", "text": f"{number} " * 1_000}, 0)
        assert log.size <= 50_000
    assert record.events[-1].number == 101
    log.add("received", {"type": "x", "text": "x " * 100_000}, 0)
    assert [event.number for event in record.events] == [102]  # the newest stays, whatever its size


def test_playlists_and_addresses_are_not_audio_files(tmp_path: Path) -> None:
    playlist = tmp_path / "list.wav"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.wav\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match="not a readable audio file"):
        read_audio(playlist)
    with pytest.raises(FileNotFoundError):
        read_audio("http://127.0.0.1:1/x.wav")
    concat = tmp_path / "concat.wav"
    concat.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(ValueError, match="not a readable audio file"):
        read_audio(concat)


def test_a_faults_text_cannot_smuggle_a_header(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="content_type"):
        sim.fault("json_not_sdp", content_type="text/plain\r\nX: y")
