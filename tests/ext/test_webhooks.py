"""Webhooks: what is accepted, what is refused and how, and that others sign and check alike."""

from __future__ import annotations

import base64
import contextlib
import email.message
import hmac
import json
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st
from realtime_api.models import (
    WebhookLiveCallIncoming,
    WebhookLiveTransportConnected,
    WebhookRealtimeCallIncoming,
)
from starlette.datastructures import Headers as StarletteHeaders

from realtime_ext import events, webhooks
from realtime_ext._core.secrets import Secret
from realtime_ext.errors import RealtimeError, WebhookVerificationError
from tests.support.paths import PEER_PYTHON, PEERS, SAMPLES
from tests.support.rows import each

WEBHOOKS = SAMPLES / "webhooks"


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


SECRET = secret_of(b"a key of thirty-two bytes length")
OTHER = secret_of(b"another key, after its rotation")
BODY = (
    b'{"type":"realtime.call.incoming","id":"evt_1","created_at":1,'
    b'"data":{"call_id":"rtc_1","sip_headers":[]}}'
)
NOW = 1_767_225_601


def clock() -> float:
    return NOW


def signed(body: bytes | str = BODY, secret: Any = SECRET, **options: Any) -> dict[str, str]:
    return webhooks.sign(body, secret, **{"webhook_id": "wh_1", "timestamp": NOW, **options})


def sample(name: str) -> tuple[bytes, dict[str, str]]:
    folder = WEBHOOKS / name
    return (folder / "body.json").read_bytes(), json.loads((folder / "headers.json").read_text())


def refuses(body: Any = BODY, headers: Any = None, secret: Any = SECRET, **options: Any) -> str:
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(body, signed() if headers is None else headers, secret, clock=clock, **options)
    return str(caught.value)


# ---- what is accepted


def test_a_call_signed_by_another_tool_is_unwrapped_to_its_class() -> None:
    body, headers = sample("realtime_call_incoming")
    event = webhooks.unwrap(body, headers, SECRET, clock=clock)
    assert isinstance(event, WebhookRealtimeCallIncoming)
    assert event.data.call_id == "rtc_u1_9f3a5c7e1b2d4f60"
    assert [header.name for header in event.data.sip_headers].count("Via") == 2
    assert event.to_dict() == json.loads(body)


def test_a_live_call_is_unwrapped_to_its_class() -> None:
    event = webhooks.unwrap(*sample("live_call_incoming"), SECRET, clock=clock)
    assert isinstance(event, WebhookLiveCallIncoming)
    assert event.data.session_id == "live_7c1e"


def announced(event_type: str, *headers: tuple[str, str], created_at: int = 1, **data: Any) -> Any:
    data["sip_headers"] = [{"name": name, "value": value} for name, value in headers]
    event = {"object": "event", "id": "evt_1", "type": event_type, "created_at": created_at, "data": data}
    body = json.dumps(event)
    return webhooks.unwrap(body, webhooks.sign(body, SECRET, timestamp=NOW), SECRET, clock=clock)


CALLER, CALLEE = ("From", "<sip:a@b.example>;tag=1"), ("To", "<sip:c@d.example>")


@each(
    "headers, key",
    [
        ([CALLER, ("call-id", " 7f3c@b.example "), CALLEE], "7f3c@b.example"),
        ([("i", "7f3c"), ("I", "other")], "7f3c"),
        ([CALLER, CALLEE], "<sip:a@b.example>;tag=1 <sip:c@d.example> 1"),
        ([("f", "a"), ("t", "b")], "a b 1"),
        ([CALLER], None),
        ([], None),
    ],
)
def test_the_announcements_of_one_call_share_a_key(headers: list[tuple[str, str]], key: str | None) -> None:
    for event in (
        announced("realtime.call.incoming", *headers, call_id="rtc_1"),
        announced("live.transport.incoming", *headers, session_id="live_1", type="sip"),
        announced("live.call.incoming", *headers, session_id="live_1"),
    ):
        assert not isinstance(event, events.UnknownEvent)
        assert webhooks.call_key(event) == key


def test_other_events_and_calls_without_an_id_have_no_key() -> None:
    assert webhooks.call_key(announced("batch.completed", ("Call-ID", "7f3c"), id="batch_1")) is None
    assert webhooks.call_key(announced("realtime.call.incoming", ("Call-ID", "7f3c"))) is None


def test_a_connected_live_transport_is_unwrapped_to_its_class() -> None:
    event = announced("live.transport.connected", session_id="live_1", type="webrtc")
    assert isinstance(event, WebhookLiveTransportConnected)
    assert (event.data.session_id, event.data.type) == ("live_1", "webrtc")


def test_an_event_of_another_type_is_kept_whole() -> None:
    body, headers = sample("other_type")
    event = webhooks.unwrap(body, headers, SECRET, clock=clock)
    assert event == events.UnknownEvent("batch.completed", json.loads(body))


def test_a_call_without_an_id_is_unknown_and_says_why() -> None:
    body = b'{"type":"realtime.call.incoming","id":"evt_1","created_at":1,"data":{"sip_headers":[]}}'
    event = webhooks.unwrap(body, signed(body), SECRET, clock=clock)
    assert isinstance(event, events.UnknownEvent)
    assert (event.type, event.event_type) == ("", "realtime.call.incoming")
    assert event.reason and "call_id" in event.reason


def test_a_call_with_fields_of_tomorrow_keeps_its_class_and_them() -> None:
    content = json.loads(BODY) | {"region": "eu"}
    content["data"]["codec"] = None
    body = json.dumps(content)
    event = webhooks.unwrap(body, signed(body), SECRET, clock=clock)
    assert isinstance(event, WebhookRealtimeCallIncoming)
    assert event.to_dict() == content


def _message(headers: dict[str, str]) -> email.message.Message:
    message = email.message.Message()
    for name, value in headers.items():
        message[name] = value
    return message


HEADER_SHAPES: dict[str, Callable[[dict[str, str]], Any]] = {
    "dict": dict,
    "dict in capitals": lambda headers: {name.upper(): value for name, value in headers.items()},
    "dict in title case": lambda headers: {name.title(): value for name, value in headers.items()},
    "dict of lists": lambda headers: {name: [value] for name, value in headers.items()},
    "dict of bytes": lambda headers: {name.encode(): value.encode() for name, value in headers.items()},
    "httpx": httpx.Headers,
    "Starlette": StarletteHeaders,
    "http.server": _message,
    "WSGI": lambda headers: {
        "wsgi.input": object(),
        "REQUEST_METHOD": "POST",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    },
    "ASGI": lambda headers: [(name.encode(), value.encode()) for name, value in headers.items()],
    "pairs": lambda headers: [("Host", "example.org"), *headers.items()],
    "iterator of pairs": lambda headers: iter(headers.items()),
}


@each("shape", HEADER_SHAPES.values(), ids=HEADER_SHAPES)
def test_headers_are_read_in_every_shape_that_frameworks_give(shape: Callable[[dict[str, str]], Any]) -> None:
    webhooks.verify(BODY, shape(signed()), SECRET, clock=clock)
    refuses(b"{}", shape(signed()))


@each("body", [BODY, BODY.decode(), bytearray(BODY), memoryview(BODY)])
def test_the_body_may_be_text_or_any_bytes(body: Any) -> None:
    webhooks.verify(body, signed(), SECRET, clock=clock)
    assert isinstance(webhooks.unwrap(body, signed(), SECRET, clock=clock), WebhookRealtimeCallIncoming)


@given(body=st.binary(max_size=200) | st.text(max_size=200), key=st.binary(min_size=1, max_size=70))
def test_whatever_is_signed_verifies(body: bytes | str, key: bytes) -> None:
    headers = webhooks.sign(body, secret_of(key), timestamp=NOW)
    webhooks.verify(body, headers, secret_of(key), clock=clock)


def test_any_of_several_secrets_may_match() -> None:
    webhooks.verify(BODY, signed(secret=OTHER), [SECRET, OTHER], clock=clock)
    webhooks.verify(BODY, signed(secret=SECRET), (OTHER, SECRET), clock=clock)
    webhooks.verify(BODY, signed(), iter([SECRET]), clock=clock)
    webhooks.verify(BODY, signed(), Secret(SECRET), clock=clock)
    assert "no webhook signature matches" in refuses(secret=[OTHER, secret_of(b"third")])


def test_any_of_several_signatures_may_match() -> None:
    ours = signed()["webhook-signature"]
    for signatures in (
        f"v1,AAAA {ours}",
        f"{ours} v2,BBBB",
        f"v1a,CCCC  {ours}",
        f"v1,AAAA, {ours}",
        f"{ours}, v1,AAAA",
    ):
        webhooks.verify(BODY, signed() | {"webhook-signature": signatures}, SECRET, clock=clock)


def test_a_repeated_signature_header_counts_like_one_with_several() -> None:
    headers = [("webhook-signature", "v1,AAAA"), *signed().items()]
    for shape in (headers, httpx.Headers(headers)):
        webhooks.verify(BODY, shape, SECRET, clock=clock)


def test_a_secret_without_prefix_is_the_key_itself() -> None:
    headers = signed(secret="correct horse")
    expected = hmac.digest(b"correct horse", b"wh_1.%d.%s" % (NOW, BODY), "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    webhooks.verify(BODY, headers, "correct horse", clock=clock)


def test_blanks_around_a_secret_are_not_part_of_it() -> None:
    webhooks.verify(BODY, signed(), f" {SECRET}\n", clock=clock)


# ---- what is refused


@each("version", ["v2", "v0", "V1", "v1a", "", "v1 "])
def test_only_v1_signatures_count(version: str) -> None:
    signature = signed()["webhook-signature"].removeprefix("v1,")
    refuses(headers=signed() | {"webhook-signature": f"{version},{signature}"})
    refuses(headers=signed() | {"webhook-signature": signature})


def test_a_changed_body_id_or_time_is_refused() -> None:
    assert "no webhook signature matches" in refuses(BODY + b"\n")
    assert "no webhook signature matches" in refuses(headers=signed() | {"webhook-id": "wh_2"})
    assert "no webhook signature matches" in refuses(headers=signed() | {"webhook-timestamp": str(NOW + 1)})
    assert "no webhook signature matches" in refuses(headers=signed(secret=OTHER))


def test_every_pair_of_secret_and_signature_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def compare(ours: Any, theirs: Any) -> bool:
        compared.append((ours, theirs))
        return real(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    headers = signed()
    headers["webhook-signature"] += " v1,AAAA v1,BBBB"
    webhooks.verify(BODY, headers, [SECRET, OTHER], clock=clock)
    assert len(compared) == 6


@each("late", [True, False])
@each("tolerance, seconds", [(300, 300), (0, 0), (5.5, 5), (timedelta(minutes=1), 60), (float("inf"), 10**9)])
def test_the_tolerance_is_inclusive_and_holds_both_ways(tolerance: Any, seconds: int, late: bool) -> None:
    shift = seconds if late else -seconds
    webhooks.verify(BODY, signed(), SECRET, tolerance, clock=lambda: NOW + shift)
    if seconds < 10**9:
        shift += 1 if late else -1
        for check in (webhooks.verify, webhooks.unwrap):
            with pytest.raises(WebhookVerificationError, match="past" if late else "future"):
                check(BODY, signed(), SECRET, tolerance, clock=lambda: NOW + shift)


def test_the_clock_may_give_datetimes_and_is_the_systems_unless_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    webhooks.verify(BODY, signed(), SECRET, clock=lambda: datetime.fromtimestamp(NOW + 299, UTC))
    webhooks.verify(BODY, webhooks.sign(BODY, SECRET), SECRET)
    monkeypatch.setattr(time, "time", lambda: NOW + 300.0)
    webhooks.verify(BODY, signed(), SECRET)
    monkeypatch.setattr(time, "time", lambda: NOW + 301.0)
    for check in (webhooks.verify, webhooks.unwrap):
        with pytest.raises(WebhookVerificationError, match="301 s in the past; 300 s are allowed"):
            check(BODY, signed(), SECRET)


@each("time", [True, "now", None, float("nan"), float("inf")])
def test_a_clock_that_returns_no_time_is_a_type_error(time: Any) -> None:
    with pytest.raises(TypeError, match="clock: expected seconds since 1970"):
        webhooks.verify(BODY, signed(), SECRET, clock=lambda: time)


@each(
    "timestamp",
    ["", " ", "soon", "1767225601.0", "-5", "+1767225601", "1_767_225_601", "१७६७२२५६०१", "9" * 5000],
)
def test_a_timestamp_that_is_not_an_integer_is_refused(timestamp: str) -> None:
    assert "webhook-timestamp" in refuses(headers=signed() | {"webhook-timestamp": timestamp})


@each("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_or_empty_header_is_refused_by_name(name: str) -> None:
    assert name in refuses(headers={key: value for key, value in signed().items() if key != name})
    assert name in refuses(headers=signed() | {name: ""})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_a_header_with_two_values_is_refused(name: str) -> None:
    assert f"{name} is duplicated with different values" in refuses(
        headers=[*signed().items(), (name.upper(), "5")]
    )
    assert f"{name} is duplicated with different values" in refuses(
        headers=httpx.Headers([*signed().items(), (name, "5")])
    )
    repeated = [*signed().items(), (name, signed()[name])]
    for headers in (repeated, httpx.Headers(repeated)):
        webhooks.verify(BODY, headers, SECRET, clock=clock)


@each(
    "headers",
    [
        None,
        5,
        "webhook-id: wh_1",
        b"webhook-id",
        [1, 2],
        ["ab"],
        [("webhook-id",)],
        {"webhook-id": 5},
        {},
        [],
    ],
)
def test_headers_of_no_known_shape_are_refused(headers: Any) -> None:
    with pytest.raises(WebhookVerificationError, match="webhook"):
        webhooks.verify(BODY, headers, SECRET, clock=clock)


@each("body", [None, {"type": "x"}, ["x"], 5, "\ud800"])
def test_a_modified_body_is_refused(body: Any) -> None:
    assert "body" in refuses(body)


@given(
    values=st.tuples(*[st.text(max_size=30)] * 3),
    body=st.binary(max_size=30),
)
def test_no_delivery_raises_anything_else(values: tuple[str, str, str], body: bytes) -> None:
    headers = dict(zip(("webhook-id", "webhook-timestamp", "webhook-signature"), values, strict=True))
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(body, headers, SECRET, clock=clock)
    headers["webhook-timestamp"] = str(NOW)
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(body, headers, SECRET, clock=clock)


@each(
    "body",
    [b"", b"garbage", b"[]", b"5", b"null", b"{}", b'{"type":null}', b'{"type":""}', b"\xff", b"[" * 200_000],
)
def test_a_signed_body_that_is_not_an_event_is_refused(body: bytes) -> None:
    webhooks.verify(body, signed(body), SECRET, clock=clock)
    with pytest.raises(WebhookVerificationError, match="genuine"):
        webhooks.unwrap(body, signed(body), SECRET, clock=clock)


def test_a_body_is_not_read_before_it_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_ext._core.json.decode", lambda data: pytest.fail("read"))
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(BODY, signed(secret=OTHER), SECRET, clock=clock)


def test_the_error_belongs_to_the_package() -> None:
    assert issubclass(webhooks.WebhookVerificationError, RealtimeError)
    assert webhooks.WebhookVerificationError is WebhookVerificationError


# ---- secrets and other settings


@each(
    "secret",
    [
        "",
        "  ",
        "whsec_",
        "whsec_****",
        "whsec_bm8g*cGFk",
        "whsec_bm8gcGFkZGluZw",
        "whsec_é",
        [],
        ["", SECRET],
        [SECRET, ""],
        b"whsec_",
        5,
        [5],
    ],
)
@each(
    "use",
    [
        lambda secret: webhooks.sign(BODY, secret),
        lambda secret: webhooks.verify(BODY, signed(), secret),
        lambda secret: webhooks.unwrap(BODY, signed(), secret),
    ],
    ids=["sign", "verify", "unwrap"],
)
def test_a_malformed_or_empty_secret_is_a_value_error(use: Callable[[Any], Any], secret: Any) -> None:
    with pytest.raises(ValueError, match="webhook secret"):
        use(secret)


def test_no_message_holds_a_secret_or_a_computed_signature() -> None:
    hidden = "whsec_c2VjcmV0IHRoYXQgbm9ib2R5IG1heSBzZWU"
    with pytest.raises(ValueError) as caught:
        webhooks.sign(BODY, hidden)
    assert hidden[6:] not in repr(caught.value)
    assert caught.value.__context__ is None
    assert signed()["webhook-signature"][3:] not in refuses(headers=signed(secret=OTHER))


def test_without_a_secret_the_environments_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    webhooks.verify(BODY, signed(), clock=clock)
    assert webhooks.sign(BODY, webhook_id="wh_1", timestamp=NOW) == signed()
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "")
    with pytest.raises(ValueError, match="empty"):
        webhooks.verify(BODY, signed(), clock=clock)
    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET")
    with pytest.raises(ValueError, match="OPENAI_WEBHOOK_SECRET"):
        webhooks.unwrap(BODY, signed(), clock=clock)


@each("tolerance", [-1, float("nan"), "300", None, timedelta(seconds=-1)])
def test_an_invalid_tolerance_is_a_value_error(tolerance: Any) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        webhooks.verify(BODY, signed(), SECRET, tolerance, clock=clock)


# ---- signing


def test_signing_gives_the_three_headers_and_fills_in_id_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW + 0.9)
    first, second = webhooks.sign(BODY, SECRET), webhooks.sign(BODY, SECRET)
    assert set(first) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert first["webhook-id"] != second["webhook-id"]
    assert first["webhook-timestamp"] == str(NOW)
    assert signed(timestamp=datetime.fromtimestamp(NOW, UTC)) == signed(timestamp=NOW + 0.5) == signed()


def test_several_secrets_give_several_signatures() -> None:
    both = signed(secret=[SECRET, OTHER])
    assert both["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OTHER):
        webhooks.verify(BODY, both, secret, clock=clock)


@each("webhook_id", ["", "a b", "a\r\nx: y", "é", "a.b", 'a"b', "a'b", 5])
def test_an_id_that_no_header_can_carry_is_refused(webhook_id: Any) -> None:
    with pytest.raises(ValueError, match="webhook_id"):
        webhooks.sign(BODY, SECRET, webhook_id=webhook_id)


def test_no_signature_matches_another_split_of_the_signed_text() -> None:
    headers = webhooks.sign(f"{NOW}.payload", SECRET, webhook_id="a", timestamp=NOW)
    with pytest.raises(
        WebhookVerificationError, match="webhook-id is not printable ASCII without blanks, dots"
    ):
        webhooks.verify("payload", headers | {"webhook-id": f"a.{NOW}"}, SECRET, clock=clock)


def test_a_repr_of_a_call_event_shows_no_number() -> None:
    fields = [{"name": "From", "value": "<sip:+14155559876@h>"}]
    data = {"call_id": "rtc_1", "sip_headers": fields}
    body = json.dumps({"type": "realtime.call.incoming", "id": "e", "created_at": 1, "data": data})
    event = webhooks.unwrap(body, signed(body), SECRET, clock=clock)
    assert "From" in repr(event) and "415" not in repr(event)


@each("timestamp", [-1, float("nan"), float("inf"), "now", 10**12])
def test_an_invalid_timestamp_is_refused(timestamp: Any) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        webhooks.sign(BODY, SECRET, timestamp=timestamp)


@pytest.mark.parametrize("timestamp", [0, 10**12 - 1])
def test_the_first_and_last_timestamps_are_accepted(timestamp: int) -> None:
    assert signed(timestamp=timestamp)["webhook-timestamp"] == str(timestamp)


@each("body", [None, {}, "\ud800"])
def test_a_body_that_cannot_be_sent_is_not_signed(body: Any) -> None:
    with pytest.raises(ValueError, match="body"):
        webhooks.sign(body, SECRET)


# ---- repetitions


def test_a_repeated_delivery_is_seen_by_webhook_and_by_call() -> None:
    deduplicator = webhooks.Deduplicator()
    assert not deduplicator.seen("wh_1", "rtc_1")
    assert deduplicator.seen("wh_1", "rtc_1")
    assert deduplicator.seen("wh_1")
    assert deduplicator.seen("wh_2", "rtc_1")
    assert deduplicator.seen("wh_2", "rtc_2")
    assert deduplicator.seen("wh_3", "rtc_2")
    assert not deduplicator.seen("rtc_1", "wh_1")


def test_the_memory_is_bounded_and_forgets_the_longest_unasked() -> None:
    deduplicator = webhooks.Deduplicator(max_entries=2)
    for webhook in ("a", "b", "a", "c"):
        deduplicator.seen(webhook, f"call {webhook}")
    assert deduplicator.seen("a")
    assert not deduplicator.seen("new", "call b")
    assert not deduplicator.seen("b")


def test_one_of_many_threads_sees_a_delivery_first() -> None:
    deduplicator = webhooks.Deduplicator()
    barrier = threading.Barrier(8)
    answers: list[bool] = []

    def ask() -> None:
        barrier.wait()
        answers.extend(deduplicator.seen(f"wh_{number}", f"rtc_{number}") for number in range(200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(False) == 200
    assert len(answers) == 1600


def test_bad_arguments_of_the_deduplicator_are_refused() -> None:
    with pytest.raises(ValueError, match="max_entries"):
        webhooks.Deduplicator(0)
    for ids in (("",), ("wh_1", "")):
        with pytest.raises(ValueError, match="must not be empty"):
            webhooks.Deduplicator().seen(*ids)
    wrong: list[Any] = [(None,), (5,), ("wh_1", 5)]
    for ids in wrong:
        with pytest.raises(TypeError, match="expected a str"):
            webhooks.Deduplicator().seen(*ids)


# ---- others


@pytest.mark.slow
def test_the_official_package_and_standardwebhooks_agree() -> None:
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    now = int(time.time())
    bodies = [
        BODY.decode(),
        sample("realtime_call_incoming")[0].decode(),
        '{"type":"x","text":"Zoë ☎ \\u0000"}',
    ]
    cases: list[dict[str, Any]] = []
    for body in bodies:
        for secret, timestamp in ((SECRET, now), (OTHER, now - 200), (secret_of(b"\x00\xff"), now - 900)):
            headers = webhooks.sign(body, secret, webhook_id=f"wh_{len(cases)}", timestamp=timestamp)
            case = {
                "secret": secret,
                "webhook_id": headers["webhook-id"],
                "timestamp": timestamp,
                "body": body,
            }
            cases.append(case | {"headers": headers})
            cases.append(case | {"headers": headers, "body": body + " "})
            cases.append(case | {"headers": signed(body, [OTHER, secret], timestamp=timestamp)})
    script = PEERS / "webhooks.py"
    run = subprocess.run(
        [PEER_PYTHON, script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    for case, answer in zip(cases, json.loads(run.stdout), strict=True):
        ours: str | None = None
        with contextlib.suppress(WebhookVerificationError):
            ours = webhooks.unwrap(case["body"], case["headers"], case["secret"]).type
        assert answer["official"] == ours
        assert answer["standard"] == (ours is not None)
        theirs = webhooks.sign(
            case["body"], case["secret"], webhook_id=case["webhook_id"], timestamp=case["timestamp"]
        )
        assert answer["signature"] == theirs["webhook-signature"]
    assert {answer["standard"] for answer in json.loads(run.stdout)} == {True, False}
