"""How a simulator is put together; runs in its event loop, once each time that it is started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import attrs
from starlette.types import ASGIApp

from realtime_simulator.calls import Calls
from realtime_simulator.clock import AdvancingClock
from realtime_simulator.control.controls import Parts
from realtime_simulator.control.endpoint import Controlled, Endpoint, beside
from realtime_simulator.control.stage import Direction
from realtime_simulator.credentials import Credentials
from realtime_simulator.engine.ids import Ids
from realtime_simulator.faults.faults import Faults
from realtime_simulator.http import app
from realtime_simulator.http.calls import CallRoutes
from realtime_simulator.http.client_secrets import ClientSecretRoutes
from realtime_simulator.http.faults import FaultLayer
from realtime_simulator.http.sessions import SessionRoutes
from realtime_simulator.http.sip import SipRoutes
from realtime_simulator.http.translations import TranslationRoutes
from realtime_simulator.live import Studio
from realtime_simulator.media.speaker import Speaker
from realtime_simulator.recordings.player import Player
from realtime_simulator.recordings.recorder import Passage
from realtime_simulator.recordings.tape import Writer, read
from realtime_simulator.records import Records
from realtime_simulator.settings import Settings
from realtime_simulator.sip.desk import Desk
from realtime_simulator.ws.routes import WebSocketRoutes
from realtime_simulator.ws.sessions import Sessions


@attrs.frozen
class Assembly:
    """A simulator that can be served.

    Args:
        application: What is served.
        parts: What can be acted on.
        close: Ends everything in it.
    """

    application: ASGIApp
    parts: Parts
    close: Callable[[], Awaitable[None]]


def assemble(
    settings: Settings, records: Records, direction: Direction, faults: Faults, simulator: Controlled
) -> Assembly:
    """Put the parts of a simulator together.

    Args:
        settings: Its settings.
        records: What it remembers.
        direction: What is played.
        faults: What goes wrong.
        simulator: The simulator itself, for its control endpoint.
    """
    ids = Ids(settings.seed)
    clock = AdvancingClock()
    workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="realtime-simulator-worker")
    studio = Studio(
        clock=clock,
        speaker=Speaker(use_espeak=settings.espeak),
        workers=workers,
        records=records,
        scenario=direction.script,
        hearing=lambda: direction.hearing,
        translation=lambda: direction.translation,
        mcp_servers=direction.mcp_servers,
        faults=faults,
    )
    credentials = Credentials(settings.api_key, clock, ids)
    calls = Calls(settings, studio, ids)
    desk = Desk(calls, studio, settings, ids)

    passage = None
    if settings.record is not None and settings.upstream is not None:
        tape = Writer(settings.record, settings.upstream)
        passage = Passage(settings.upstream, settings.api_key, settings.upstream_key, tape)
    websockets: app.WebSockets = WebSocketRoutes(Sessions(settings, studio, ids), calls, credentials, ids)
    if settings.replay is not None:
        websockets = Player(
            read(settings.replay), credentials, clock, ids, records.differs, settings.pacing.speed
        )

    async def close() -> None:
        if passage is not None:
            passage.close()
        await desk.close()
        await calls.close()
        workers.shutdown(wait=True, cancel_futures=True)

    api = app.build(
        app.Routes(
            calls=CallRoutes(calls, credentials),
            secrets=ClientSecretRoutes(credentials, ids),
            sessions=SessionRoutes(credentials, ids),
            sip=SipRoutes(desk, credentials),
            translations=TranslationRoutes(credentials, ids),
        ),
        websockets,
        records,
        ids,
        lambda inner: FaultLayer(inner, faults, clock, ids, records),
    )
    if passage is not None:
        api = app.Frame(passage, records, ids)
    application = beside(api, Endpoint(simulator, credentials).application())
    return Assembly(application, Parts(calls, desk, clock), close)
