"""A connection that is dropped without being closed: it is warned of, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

from realtime_ext import AsyncRealtimeClient, RealtimeClient
from realtime_ext.connection import Reconnect
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SAID = "a connection was never closed: use `with`, or call close()"


def tool() -> str:
    """Do nothing."""
    return ""


KINDS: dict[str, dict[str, Any]] = {
    "a session": {"model": "gpt-realtime"},
    "a session with tools": {"model": "gpt-realtime", "tools": [tool]},
    "a session that is made anew": {"model": "gpt-realtime", "reconnect": Reconnect(replay=True)},
}


def loops() -> list[threading.Thread]:
    """The threads of sync connections."""
    return [thread for thread in threading.enumerate() if thread.name == "realtime_ext loop"]


def dropped() -> list[str]:
    """Collect garbage; return the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gc.collect()
    return [str(one.message) for one in said if one.category is ResourceWarning]


@each("kind", KINDS)
def test_a_sync_connection_that_is_dropped_ends(kind: str) -> None:
    with ScriptedServer(Model(speaks=False)) as server:
        client = RealtimeClient("key", base_url=server.base_url)
        assert client.connect(**KINDS[kind]).__enter__().ask("One").text == "answer 1"
        (thread,) = loops()
        assert dropped() == [SAID]
        thread.join(PATIENCE)
        assert loops() == []
        client.close()


@each("kind", KINDS)
def test_an_async_connection_that_is_dropped_ends(kind: str) -> None:
    async def drop(base_url: str) -> None:
        async with AsyncRealtimeClient("key", base_url=base_url) as client:
            turn = await (await client.connect(**KINDS[kind]).__aenter__()).ask("One")
            assert turn.text == "answer 1"
            assert dropped() == [SAID]
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)

    with ScriptedServer(Model(speaks=False)) as server:
        asyncio.run(drop(server.base_url))


def test_a_connection_that_the_server_ended_may_be_dropped() -> None:
    with ScriptedServer(lambda peer: peer.close()) as server:
        client = RealtimeClient("key", base_url=server.base_url)
        client.connect("gpt-realtime").__enter__().run()
        assert dropped() == []
        for thread in loops():
            thread.join(PATIENCE)
        assert loops() == []
        client.close()
