"""This project's side of the benchmarks."""

from serve import serve

from realtime_ext import RealtimeClient, events


def decode(event):
    """Read one event."""
    return lambda: events.parse_event(event)


def create(base_url, offer, session):
    """Make one call."""
    client = RealtimeClient("sk-benchmark", base_url=base_url)
    return lambda: client.calls.create(offer, session)


serve({"decode": decode, "create": create})
