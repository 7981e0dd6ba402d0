"""This project's side of the benchmarks."""

import asyncio

from serve import held, serve

from realtime_ext import AsyncRealtimeClient, RealtimeClient, events
from realtime_ext.connection._state.connect_plan import Role
from realtime_ext.connection._state.core import ConnectionState


def decode(event):
    """Read one event."""
    return lambda: events.parse_event(event)


def memory(event, count):
    """Keep many events."""
    return held(events.parse_event, event, count)


def append(size):
    """Write audio as text for the wire, without sending it."""
    state, sound = ConnectionState(Role(model="m"), id_prefix="benchmark"), bytes(size)
    return lambda: next(state.client_events.audio(sound))


def create(base_url, offer, session):
    """Make one call."""
    client = RealtimeClient("sk-benchmark", base_url=base_url)
    return lambda: client.calls.create(offer, session)


def acreate(base_url, offer, session):
    """Make one call with asyncio."""
    client, loop = AsyncRealtimeClient("sk-benchmark", base_url=base_url), asyncio.new_event_loop()
    return lambda: loop.run_until_complete(client.calls.create(offer, session))


serve({"decode": decode, "memory": memory, "append": append, "create": create, "acreate": acreate})
