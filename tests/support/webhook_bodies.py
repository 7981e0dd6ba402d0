"""Bodies of webhooks that are signed with the right secret, and hostile nevertheless."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["BODIES"]

_CALL = {"object": "event", "id": "evt_1", "type": "realtime.call.incoming", "created_at": 1}
_DATA = {"call_id": "rtc_1", "sip_headers": []}
_TEXT = json.dumps({**_CALL, "data": _DATA})

BODIES: Mapping[str, tuple[bytes, frozenset[int]]] = {
    "empty": (b"", frozenset({400})),
    "UTF-16": (_TEXT.encode("utf-16"), frozenset({400})),
    "UTF-8 with a mark": (_TEXT.encode("utf-8-sig"), frozenset({200, 400})),
    "no UTF-8": (_TEXT.replace("evt_1", "evt_\x80").encode("latin-1"), frozenset({400})),
    "a half character": (
        _TEXT.replace("evt_1", "evt_\ud800").encode("utf-8", "surrogatepass"),
        frozenset({400}),
    ),
    "NUL": (_TEXT.encode() + b"\0", frozenset({400})),
    "NUL in a text": (_TEXT.replace("evt_1", "evt_\0").encode(), frozenset({400})),
    "an escaped NUL as the call": (_TEXT.replace("rtc_1", "\\u0000").encode(), frozenset({200, 400})),
    "deep": (b"[" * 100_000 + b"]" * 100_000, frozenset({400})),
    "a deep call": (
        _TEXT.replace('"rtc_1"', "[" * 50_000 + "]" * 50_000).encode(),
        frozenset({200, 400}),
    ),
    "a long number": (
        _TEXT.replace('"created_at": 1', '"created_at": ' + "9" * 100_000).encode(),
        frozenset({200, 400}),
    ),
    "a list": (f"[{_TEXT}]".encode(), frozenset({400})),
    "no object as data": (json.dumps({**_CALL, "data": [1]}).encode(), frozenset({200, 400})),
    "headers of no form": (
        json.dumps({**_CALL, "data": {**_DATA, "sip_headers": [1, None, {"name": []}]}}).encode(),
        frozenset({200, 400}),
    ),
    "a key twice": (_TEXT.replace('"id"', '"id": "evt_0", "id"').encode(), frozenset({200, 400})),
}
