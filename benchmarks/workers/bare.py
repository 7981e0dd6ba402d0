"""The bare libraries' side of the benchmarks: what can be had without any package about the Realtime API."""

import json

import httpx
import msgspec
import orjson
from serve import serve


def decode_with_msgspec(event):
    """Read one event as a dict."""
    return lambda: msgspec.json.decode(event)


def decode_with_orjson(event):
    """Read one event as a dict."""
    return lambda: orjson.loads(event)


def create(base_url, offer, session):
    """Make one call: the same multipart body, and what of the answer is needed."""
    client = httpx.Client(headers={"Authorization": "Bearer sk-benchmark"}, timeout=30)

    def work():
        files = {
            "sdp": (None, offer, "application/sdp"),
            "session": (None, json.dumps(session), "application/json"),
        }
        response = client.post(f"{base_url}/realtime/calls", files=files)
        response.raise_for_status()
        return response.headers["location"].rsplit("/")[-1], response.text

    return work


serve({"msgspec": decode_with_msgspec, "orjson": decode_with_orjson, "create": create})
