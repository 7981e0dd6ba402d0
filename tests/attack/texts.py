"""Borders where text is read: events, descriptions of peers, headers, webhooks, tools' arguments, schemas."""

from __future__ import annotations

import contextlib
import hmac
import json
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

import attrs
import jsonschema_rs
from realtime_api import schemas

from realtime_ext import audio, events, sdp, webhooks
from realtime_ext._core.schema import Place, check, place
from realtime_ext.errors import RealtimeError, SdpError, SessionConfigError, WebhookVerificationError
from realtime_ext.sdp import SessionDescription
from realtime_ext.session._check import resolve, resolve_update
from realtime_ext.sip import SipAddress, SipHeaders, check_target_uri
from realtime_ext.tools import Toolbox
from tests.attack.target import Target, plain, text_of
from tests.samples.sdp import NAMES, sample
from tests.support.paths import SAMPLES

__all__ = ["TARGETS", "event_samples"]

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
NOW = 1_800_000_000


def event_samples(*names: str) -> list[dict[str, Any]]:
    """Return the recorded events of these files, without the longest."""
    lines = [
        line for name in names for line in (SAMPLES / "events" / f"{name}.jsonl").read_text().splitlines()
    ]
    return [json.loads(line) for line in lines if len(line) < 6000]


def _written(value: Any) -> str | None:
    try:
        return json.dumps(value)
    except RecursionError:
        return None


def _event(case: Any) -> None:
    # Anything but a JSON object is an UnknownEvent; nothing that a server sends raises.
    text = case if isinstance(case, str) else _written(case)
    if text is None:
        return
    for form in (text, text.encode(errors="surrogatepass")):
        event = events.parse_event(form)
        assert isinstance(event.type, str)
        repr(event)
        with contextlib.suppress(TypeError, ValueError):
            audio.decode(event)  # type: ignore[arg-type]
        with contextlib.suppress(TypeError, ValueError):
            events.encode_event(event)  # type: ignore[arg-type]


def _sdp(case: Any) -> None:
    text = text_of(case)
    try:
        description = SessionDescription.parse(text)
    except SdpError:
        pass
    else:
        assert str(description) == text
        _ = (
            description.candidates,
            description.codecs,
            description.bundle,
            description.ice_pwd,
        )
        _ = [(media.direction, media.fingerprint, media.attributes) for media in description.media]
    for problem in sdp.check_offer(text):
        str(problem)
    try:
        repaired = sdp.repair(text)
    except SdpError:
        return
    assert sdp.repair(repaired) == repaired


def _sip(case: Any) -> None:
    value = text_of(case.get("value") if isinstance(case, dict) else case)
    for read in (SipAddress.parse, SipAddress.parse_list, check_target_uri):
        with contextlib.suppress(ValueError):
            repr(read(value))
    try:
        headers = SipHeaders(case.get("headers") if isinstance(case, dict) else case)
    except (TypeError, ValueError):
        return
    repr(headers)
    for read in (
        lambda: headers.from_,
        lambda: headers.to,
        lambda: headers.diversion,
        lambda: headers.p_asserted_identity,
    ):
        with contextlib.suppress(ValueError):
            repr(read())


def _webhook(case: Any) -> None:
    if not isinstance(case, dict):
        return
    body, headers = case.get("body"), case.get("headers")
    if case.get("signed"):
        try:
            headers = webhooks.sign(body, SECRET, webhook_id="wh_1", timestamp=NOW)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return
    try:
        repr(webhooks.unwrap(body, headers, SECRET, clock=lambda: NOW))  # type: ignore[arg-type]
    except (WebhookVerificationError, TypeError):
        return
    # Accepted: then it has the signature of exactly this body, id and time.
    own = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    if len(own) < len(headers):
        return
    signed = f"{own['webhook-id']}.{own['webhook-timestamp']}.".encode() + body.encode()
    expected = b64encode(hmac.digest(b64decode(SECRET.removeprefix("whsec_")), signed, sha256)).decode()
    assert abs(int(own["webhook-timestamp"]) - NOW) <= 300
    assert f"v1,{expected}" in own["webhook-signature"].split()


@attrs.define
class Guest:
    """A guest, as a tool has one."""

    name: str
    age: int | None = None


def _toolbox() -> Toolbox[Any]:
    def book(
        nights: int, names: list[str], notes: dict[str, float | None] | None = None, kind: str = "double"
    ) -> str:
        """Book a room."""
        return f"{nights} {len(names)} {notes} {kind}"

    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "uniqueItems": True, "items": {"type": ["string", "integer"]}},
            "at": {
                "anyOf": [{"type": "string", "pattern": "^[0-9]+$"}, {"type": "number", "multipleOf": 0.5}]
            },
        },
        "required": ["tags"],
    }
    tools: Toolbox[Any] = Toolbox([book])
    tools.add({"type": "function", "name": "tag", "parameters": schema}, lambda **given: given)
    return tools


_TOOLS = _toolbox()


def _tool(case: Any) -> None:
    if not isinstance(case, dict):
        return
    arguments = case.get("arguments")
    text = arguments if isinstance(arguments, str) else _written(arguments)
    if text is None:
        return
    for name in ("book", "tag", text_of(case.get("name"))):
        assert isinstance(_TOOLS.call(name, text), str)


def _definition(case: Any) -> None:
    try:
        tools: Toolbox[Any] = Toolbox()
        tools.add(case, lambda **given: "done")
    except (TypeError, ValueError):
        return
    for tool in tools.definitions:
        assert isinstance(
            tools.call(str(tool.name), '{"text": "x", "n": 1, "list": [1, [2], {"a": null}]}'), str
        )


def _schema(case: Any) -> None:
    # A schema that the standard's own rules refuse may do anything but hang.
    if not isinstance(case, dict) or not isinstance(case.get("schema"), dict):
        return
    try:
        is_schema = bool(jsonschema_rs.meta.is_valid(case["schema"]))
    except (ValueError, RecursionError):
        return
    if not is_schema:
        return
    try:
        for violation in check(Place(case["schema"]), case.get("value"), with_notes=True):
            str(violation)
    except RecursionError:
        pass


def _api_value(case: Any) -> None:
    for name in ("RealtimeSessionCreateRequestGA", "RealtimeConversationItem"):
        with contextlib.suppress(RecursionError):
            check(place(name), case, with_notes=True)


def _session(case: Any) -> None:
    for act in (
        lambda: resolve(case, validate=True),
        lambda: resolve(case, validate=False),
        lambda: resolve(case, validate=True, kinds=("translation",)),
        lambda: resolve_update(case, {"type": "realtime", "audio": {"input": {}}}, validate=True),
    ):
        try:
            act()
        except SessionConfigError as error:
            str(error)
        except (TypeError, ValueError, RealtimeError):
            pass


def _real_webhooks() -> list[Any]:
    cases: list[Any] = []
    for folder in sorted((SAMPLES / "webhooks").iterdir()):
        body = (folder / "body.json").read_text(encoding="utf-8")
        headers = webhooks.sign(body, SECRET, webhook_id="wh_1", timestamp=NOW)
        cases += [{"body": body, "headers": headers}, {"body": body, "headers": {}, "signed": True}]
    return cases


def _real_schemas() -> list[Any]:
    values = event_samples("conversation", "client")
    named = [schemas.get(name) for name in sorted(schemas.document()["$defs"])]
    inline = [schema for schema in named if "$ref" not in str(schema)]
    return [{"schema": schema, "value": value} for schema, value in zip(inline, values * 5, strict=False)]


def _real_definitions() -> list[Any]:
    parts = {
        "text": {"type": "string", "minLength": 1, "pattern": "^x"},
        "n": {"$ref": "#/$defs/n"},
        "list": {
            "type": "array",
            "items": {"anyOf": [{"type": "integer"}, {"type": "array"}]},
            "uniqueItems": True,
        },
        "more": {"allOf": [{"type": "object"}, {"not": {"required": ["x"]}}], "additionalProperties": False},
    }
    schema = {
        "type": "object",
        "properties": parts,
        "required": ["text"],
        "$defs": {"n": {"type": "integer"}},
    }
    return [
        {"type": "function", "name": "act", "description": "Act.", "parameters": schema},
        *[
            {"type": "function", "name": "act", "parameters": {"type": "object", "properties": {"text": one}}}
            for one in parts.values()
        ],
    ]


def _real_arguments() -> list[Any]:
    book = {"nights": 2, "names": ["Ann", "Bo"], "notes": {"late": 1.5, "x": None}, "kind": "single"}
    tag = {"tags": ["a", 1, "b"], "at": 7.5}
    return [
        {"name": name, "arguments": one}
        for name, given in (("book", book), ("tag", tag))
        for one in (given, json.dumps(given))
    ]


def _real_sessions() -> list[Any]:
    found = [
        event["session"]
        for event in event_samples("client", "conversation", "transcription", "translation")
        if isinstance(event.get("session"), dict)
    ]
    tools = [
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "mcp", "server_label": "s", "server_url": "https://example.com"},
    ]
    return [*found, {"type": "realtime", "model": "gpt-realtime", "tools": tools, "tool_choice": "auto"}]


def _real_headers() -> list[Any]:
    address = '"Ann \\"A\\" B" <sip:+14155550123;tag=x@example.com:5060;transport=udp?a=b>;tag=88;x="y z"'
    headers = [
        {"name": name, "value": address}
        for name in ("From", "To", "P-Asserted-Identity", "Diversion", "X-Other")
    ]
    return [
        {"value": value, "headers": headers}
        for value in (
            address,
            f"{address}, <tel:+1-415-555-0123>",
            "tel:+14155550123;ext=1",
            "sip:ann@example.com",
        )
    ]


def _real_events() -> list[Any]:
    found = event_samples("conversation", "transcription", "translation", "client")
    return [*found, *[json.dumps(event) for event in found[:40]]]


TARGETS = (
    Target("events", _real_events, plain(_event)),
    Target("sdp", lambda: [sample(name) for name in NAMES], plain(_sdp)),
    Target("sip", _real_headers, plain(_sip), share=0.5),
    Target("webhooks", _real_webhooks, plain(_webhook), share=0.5),
    Target("arguments", _real_arguments, plain(_tool)),
    Target("definitions", _real_definitions, plain(_definition), share=0.5),
    Target("schemas", _real_schemas, plain(_schema), share=0.5),
    Target("sessions", _real_sessions, plain(_session)),
    Target("api values", _real_sessions, plain(_api_value), share=0.3),
)
