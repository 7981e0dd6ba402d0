"""The official package's side of the benchmarks; runs in build/peers."""

import asyncio

import openai
from openai.resources.realtime.realtime import RealtimeConnection
from serve import serve


def decode(event):
    """Read one event in the way in which the package's own connection does."""
    connection = RealtimeConnection.__new__(RealtimeConnection)
    return lambda: connection.parse_event(event)


def create(base_url, offer, session):
    """Make one call, and take what of the answer is needed."""
    client = openai.OpenAI(api_key="sk-benchmark", base_url=base_url)

    def work():
        response = client.realtime.calls.create(sdp=offer, session=session)
        return response.response.headers["location"].rsplit("/")[-1], response.text

    return work


def acreate(base_url, offer, session):
    """Make one call with asyncio."""
    client, loop = openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base_url), asyncio.new_event_loop()

    async def work():
        response = await client.realtime.calls.create(sdp=offer, session=session)
        return response.response.headers["location"].rsplit("/")[-1], response.text

    return lambda: loop.run_until_complete(work())


serve({"decode": decode, "create": create, "acreate": acreate})
