"""The bare libraries' side of the benchmarks: what can be had without any package about the Realtime API."""

import asyncio
import base64
import json

import httpx
import msgspec
import orjson
from serve import held, serve


def decode_with_msgspec(event):
    """Read one event as a dict."""
    decode = msgspec.json.Decoder().decode
    return lambda: decode(event)


def decode_with_orjson(event):
    """Read one event as a dict."""
    return lambda: orjson.loads(event)


def memory(event, count):
    """Keep many events as dicts."""
    return held(msgspec.json.Decoder().decode, event, count)


def append(size):
    """Write audio as text for the wire by base64 and concatenation."""
    sound = bytes(size)
    return lambda: (
        '{"type":"input_audio_buffer.append","audio":"' + base64.b64encode(sound).decode("ascii") + '"}'
    )


def parts(offer, session):
    """Return the parts of the body."""
    return {
        "sdp": (None, offer, "application/sdp"),
        "session": (None, json.dumps(session), "application/json"),
    }


def create(base_url, offer, session):
    """Make one call: the same multipart body, and what of the answer is needed."""
    client = httpx.Client(headers={"Authorization": "Bearer sk-benchmark"}, timeout=30)

    def work():
        response = client.post(f"{base_url}/realtime/calls", files=parts(offer, session))
        response.raise_for_status()
        return response.headers["location"].rsplit("/")[-1], response.text

    return work


def acreate(base_url, offer, session):
    """Make one call with asyncio."""
    client = httpx.AsyncClient(headers={"Authorization": "Bearer sk-benchmark"}, timeout=30)
    loop = asyncio.new_event_loop()

    async def work():
        response = await client.post(f"{base_url}/realtime/calls", files=parts(offer, session))
        response.raise_for_status()
        return response.headers["location"].rsplit("/")[-1], response.text

    return lambda: loop.run_until_complete(work())


serve(
    {
        "msgspec": decode_with_msgspec,
        "orjson": decode_with_orjson,
        "memory": memory,
        "append": append,
        "create": create,
        "acreate": acreate,
    }
)
