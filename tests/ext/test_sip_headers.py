"""SIP headers: look-up, repetition, addresses, and what is refused."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st
from realtime_api.models import WebhookRealtimeCallIncoming

from realtime_ext.sip import SipAddress, SipHeaders
from tests.support.paths import SAMPLES
from tests.support.rows import each

SAMPLE = SAMPLES / "webhooks" / "realtime_call_incoming" / "body.json"


def from_sample() -> SipHeaders:
    return SipHeaders(json.loads(SAMPLE.read_text(encoding="utf-8"))["data"]["sip_headers"])


# ---- look-up


def test_names_are_found_in_any_case_and_in_compact_form() -> None:
    headers = from_sample()
    for name in ("Call-ID", "call-id", "CALL-ID", "i", "I"):
        assert headers[name] == "03782086-4ce9-44bf-8b0d-4e303d2cc590"
        assert name in headers
    assert SipHeaders([("f", "<sip:a@b.example>")])["From"] == "<sip:a@b.example>"
    assert "Subject" not in headers
    assert 5 not in headers
    assert headers.get("Subject") is None
    assert headers.get_list("Subject") == []
    with pytest.raises(KeyError):
        headers["Subject"]


def test_repeated_fields_are_kept_in_order() -> None:
    headers = from_sample()
    first, second = "SIP/2.0/TLS 192.0.2.4:5061;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK0"
    assert headers.get_list("via") == [first, second]
    assert headers["v"] == f"{first}, {second}"
    assert len(headers.multi_items()) == 7
    assert len(headers) == 6
    assert list(headers) == ["from", "to", "call-id", "via", "p-asserted-identity", "diversion"]


def test_the_fields_go_back_as_they_came() -> None:
    fields = json.loads(SAMPLE.read_text(encoding="utf-8"))["data"]["sip_headers"]
    assert SipHeaders(fields).to_list() == fields


def test_every_shape_of_fields_gives_the_same_headers() -> None:
    event = WebhookRealtimeCallIncoming.from_dict(json.loads(SAMPLE.read_text(encoding="utf-8")))
    expected = from_sample()
    assert SipHeaders(event.data.sip_headers) == expected
    assert SipHeaders(expected.multi_items()) == expected
    assert SipHeaders(expected) == expected
    assert SipHeaders({name: expected.get_list(name) for name in expected}) == expected
    assert SipHeaders({"From": "<sip:a@b.example>"}) != expected
    assert SipHeaders() == SipHeaders([])
    assert (expected == 5) is False


def test_a_repr_shows_names_and_no_numbers() -> None:
    assert "Via" in repr(from_sample())
    assert "415" not in repr(from_sample())
    address = SipAddress(uri="sip:+14155550123@h", display_name="Alice", params={"x-number": "+1415"})
    assert repr(address) == "SipAddress(uri='sip:***', display_name='***', params=['x-number'])"
    assert repr(SipAddress(uri="tel:+1415")) == "SipAddress(uri='tel:***', display_name=None, params=[])"


def test_headers_that_were_refused_have_a_repr() -> None:
    assert repr(SipHeaders.__new__(SipHeaders)) == "SipHeaders([])"


# ---- addresses


def test_the_headers_that_name_people_are_read() -> None:
    headers = from_sample()
    assert headers.from_ == SipAddress(
        uri="sip:+14155550123@carrier.example;user=phone", display_name="Zoë Ångström", params={"tag": "8f2a"}
    )
    assert headers.to == SipAddress(uri="sip:proj_example@sip.example;transport=tls")
    assert [identity.uri for identity in headers.p_asserted_identity] == [
        "sip:+14155550123@carrier.example",
        "tel:+14155550123",
    ]
    assert [identity.display_name for identity in headers.p_asserted_identity] == ["Zoë Ångström", None]
    (diversion,) = headers.diversion
    assert diversion.params == {"reason": "no-answer", "counter": "1"}


def test_identities_are_gathered_over_repeated_fields() -> None:
    headers = SipHeaders(
        [("P-Asserted-Identity", "<sip:a@b.example>"), ("p-asserted-identity", "<tel:+1>, sip:c@d.example")]
    )
    assert [identity.user for identity in headers.p_asserted_identity] == ["a", "+1", "c"]


def test_missing_headers_give_no_address() -> None:
    headers = SipHeaders()
    assert headers.from_ is None
    assert headers.to is None
    assert headers.p_asserted_identity == headers.diversion == ()


@each(
    "text, name, uri, params",
    [
        ("sip:alice@example.com", None, "sip:alice@example.com", {}),
        ("<sip:alice@example.com>", None, "sip:alice@example.com", {}),
        ("sip:alice@example.com;tag=1", None, "sip:alice@example.com", {"tag": "1"}),
        ("<sip:alice@example.com;user=phone>;tag=1", None, "sip:alice@example.com;user=phone", {"tag": "1"}),
        ("Alice <sips:alice@example.com>", "Alice", "sips:alice@example.com", {}),
        ("Alice van Dam<sip:a@b.example>", "Alice van Dam", "sip:a@b.example", {}),
        ('"Alice" <sip:a@b.example>', "Alice", "sip:a@b.example", {}),
        ('"Alice"<sip:a@b.example>', "Alice", "sip:a@b.example", {}),
        (r'"5\" pipe, Inc." <sip:a@b.example>', '5" pipe, Inc.', "sip:a@b.example", {}),
        (r'"A \"quoted\" \\ name" <sip:a@b.example>', r'A "quoted" \ name', "sip:a@b.example", {}),
        ('"Dam, Alice <x>; y" <sip:a@b.example>;lr', "Dam, Alice <x>; y", "sip:a@b.example", {"lr": None}),
        ('"" <tel:+1-415-555-0123>', None, "tel:+1-415-555-0123", {}),
        (" \t <sip:a@b.example> ; Tag = 9 ", None, "sip:a@b.example", {"tag": "9"}),
        (
            '<sip:a@b.example>;reason="no; answer, yet"',
            None,
            "sip:a@b.example",
            {"reason": "no; answer, yet"},
        ),
        ("<sip:a@b.example?subject=x,y>", None, "sip:a@b.example?subject=x,y", {}),
        ("<sip:[2001:db8::1]:5060>", None, "sip:[2001:db8::1]:5060", {}),
        ("Zoë <sip:a@b.example>", "Zoë", "sip:a@b.example", {}),
    ],
)
def test_addresses_are_read_as_rfc_3261_writes_them(text: str, name: Any, uri: str, params: Any) -> None:
    address = SipAddress.parse(text)
    assert (address.display_name, address.uri, address.params) == (name, uri, params)
    assert SipAddress.parse(str(address)) == address


@each(
    "uri, scheme, user",
    [
        ("sip:+14155550123@carrier.example;user=phone", "sip", "+14155550123"),
        ("SIPS:alice:secret@example.com", "sips", "alice"),
        ("sip:+1;ext=5@example.com", "sip", "+1"),
        ("sip:example.com", "sip", None),
        ("tel:+14155550123;phone-context=x", "tel", "+14155550123"),
    ],
)
def test_an_address_tells_scheme_and_user(uri: str, scheme: str, user: str | None) -> None:
    address = SipAddress(uri=uri)
    assert (address.scheme, address.user) == (scheme, user)


BAD_ADDRESSES = [
    "",
    " ",
    "Alice",
    "<>",
    "<alice@example.com>",
    "sip:",
    "<sip:a@b.example",
    '"Alice <sip:a@b.example>',
    '"Alice" sip:a@b.example',
    "<sip:a@b.example> Alice",
    "<sip:a@b.example>;=1",
    '<sip:a@b.example>;x="1"2',
    '<sip:a@b.example>;x="1',
    "<sip:a b@c.example>",
    "sip:a@b.example, sip:c@d.example",
    "Alice\r\nX-Evil: 1 <sip:a@b.example>",
    "<sip:a@b.example\r\nX-Evil: 1>",
    "<sip:a@b.example>;x=1\n2",
]


@each("text", BAD_ADDRESSES)
def test_malformed_addresses_are_value_errors_and_left_out_of_headers(text: str) -> None:
    with pytest.raises(ValueError):
        SipAddress.parse(text)
    if not {"\r", "\n"} & set(text) and "," not in text:
        assert SipHeaders([("From", text)]).from_ is None
        assert SipHeaders([("From", text)]).get_list("from") == [text]


def test_unreadable_addresses_do_not_hide_readable_ones() -> None:
    headers = SipHeaders(
        [("Diversion", "nobody, <sip:a@b.example>"), ("Diversion", '"'), ("Diversion", "tel:+1")]
    )
    assert [address.uri for address in headers.diversion] == ["sip:a@b.example", "tel:+1"]


@each("text", [None, 5, b"<sip:a@b.example>"])
def test_addresses_are_read_from_text_alone(text: Any) -> None:
    with pytest.raises(ValueError, match="str"):
        SipAddress.parse(text)
    with pytest.raises(ValueError, match="str"):
        SipAddress.parse_list(text)


@given(st.text(alphabet='<>"\\;,= :@.asip\t\r\n', max_size=60) | st.text(max_size=60))
def test_no_text_raises_anything_but_value_errors(text: str) -> None:
    try:
        addresses = SipAddress.parse_list(text)
    except ValueError:
        return
    assert SipAddress.parse_list(", ".join(map(str, addresses))) == addresses


@each(
    "fields",
    [
        {"uri": "sip:a@b.example", "display_name": "x\r\nEvil: 1"},
        {"uri": "sip:a@b.example\r\nEvil: 1"},
        {"uri": "sip:a@b.example>;x=<"},
        {"uri": "sip:a@b.example", "params": {"x\r\n": "1"}},
        {"uri": "sip:a@b.example", "params": {"x": "1\r\nEvil: 1"}},
        {"uri": "a@b.example"},
        {"uri": ""},
    ],
)
def test_an_address_cannot_be_made_to_smuggle_a_header(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SipAddress(**fields)


def test_a_written_address_is_quoted_and_pickles() -> None:
    address = SipAddress(uri="sip:a@b.example", display_name='A "b" \\', params={"x": "1 2", "lr": None})
    assert str(address) == r'"A \"b\" \\" <sip:a@b.example>;x="1 2";lr'
    assert pickle.loads(pickle.dumps(address)) == address
    assert len({address, SipAddress.parse(str(address))}) == 1


# ---- what is refused


@each("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x0bb", "a\x7f"])
def test_a_value_that_would_inject_a_header_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="X-Note: control characters"):
        SipHeaders([("X-Note", value)])
    assert SipHeaders([("X-Note", "a\tb")])["x-note"] == "a\tb"


@each("name", ["", " ", "From:", "Fr om", "From\r\n", "Ünicode", "a\x00"])
def test_an_invalid_header_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"SIP header 1: .* is not a header name"):
        SipHeaders([("To", "x"), (name, "value")])


@each(
    "fields",
    [
        None,
        5,
        "From: x",
        b"From",
        [5],
        [None],
        ["ab"],
        [("a",)],
        [("a", 5)],
        [{"name": "a"}],
        [{"value": "a"}],
        {"a": None},
    ],
)
def test_malformed_lists_of_fields_are_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match="SIP header"):
        SipHeaders(fields)
