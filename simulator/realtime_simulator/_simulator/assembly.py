"""The assembly of a simulator's parts, in its event loop, each time that it is started."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from realtime_simulator._calls.registry import CallRegistry
from realtime_simulator._calls.sip import IncomingCalls
from realtime_simulator._core.clock import AdvancingClock
from realtime_simulator._core.ids import Ids
from realtime_simulator._faults.catalog import Faults
from realtime_simulator._media.voice import Speaker
from realtime_simulator._recordings import recording
from realtime_simulator._recordings.tape import Writer, read
from realtime_simulator._records.store import Records
from realtime_simulator._scenario import remote
from realtime_simulator._scenario.rules import Behavior
from realtime_simulator._server import app
from realtime_simulator._server.credentials import Credentials
from realtime_simulator._server.fault_middleware import FaultMiddleware
from realtime_simulator._server.live import LiveRoutes
from realtime_simulator._server.live_operations import LiveOperations
from realtime_simulator._server.operations import Operations
from realtime_simulator._server.player import Player
from realtime_simulator._server.projects import Project, by_key
from realtime_simulator._server.recorder import Recorder
from realtime_simulator._server.websockets import WebSocketRoutes
from realtime_simulator._sessions.live_sessions import LiveSessions
from realtime_simulator._sessions.services import Services
from realtime_simulator._sessions.settings import Settings
from realtime_simulator._simulator.console import pages
from realtime_simulator._simulator.controls import Controls, Parts
from realtime_simulator._simulator.endpoint import Endpoint, beside


def assemble(
    settings: Settings, records: Records, behavior: Behavior, faults: Faults, controls: Controls
) -> Parts:
    """Assemble the parts of a simulator.

    Args:
        settings: Its settings.
        records: Its records.
        behavior: The behavior of the model and the users.
        faults: The requested faults.
        controls: Its methods, for the control endpoint.
    """
    ids = Ids(settings.seed)
    clock = AdvancingClock(settings.clock)
    workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="realtime-simulator-worker")
    services = Services(
        settings=settings,
        ids=ids,
        clock=clock,
        speaker=Speaker(use_espeak=settings.espeak),
        workers=workers,
        records=records,
        behavior=behavior,
        faults=faults,
    )
    recorder = None
    if settings.record is not None and settings.upstream is not None:
        as_yaml = os.fspath(settings.record).endswith((".yaml", ".yml"))
        written = recording.Writer(settings.record) if as_yaml else Writer(settings.record, settings.upstream)
        recorder = Recorder(settings.upstream, settings.api_key, settings.upstream_key, written)

    def project(name: str, key: str) -> Project:
        credentials = Credentials(key, clock, ids)
        calls = CallRegistry(services)
        incoming = IncomingCalls(calls, services)
        websockets: app.WebSockets = WebSocketRoutes(services, calls, credentials)
        live_sessions = LiveSessions(services)
        live: app.LiveWebSockets = LiveRoutes(live_sessions, credentials, ids)
        if settings.replay is not None:
            recorded = read(settings.replay)
            player = Player(recorded, credentials, clock, ids, records.differs, settings.pacing.speed)
            websockets, live = player, player
        api = app.build(
            Operations(
                calls=calls,
                incoming=incoming,
                credentials=credentials,
                ids=ids,
                clock=clock,
                profile=services.profile,
                live=LiveOperations(calls=calls, incoming=incoming, sessions=live_sessions),
            ),
            websockets,
            live,
            records,
            ids,
            lambda inner: FaultMiddleware(inner, faults, clock, ids, records),
        )
        return Project(name=name, credentials=credentials, calls=calls, incoming=incoming, api=api)

    projects = [project("", settings.api_key), *(project(*item) for item in settings.keys.items())]

    async def close() -> None:
        if recorder is not None:
            recorder.close()
        for one in projects:
            await one.incoming.close()
            await one.calls.close()
        await remote.close()
        workers.shutdown(wait=True, cancel_futures=True)

    api = by_key(projects) if recorder is None else app.Frame(recorder, records, ids, clock)
    endpoint = Endpoint(controls, records, projects[0].credentials, clock)
    return Parts(
        application=beside(api, endpoint.application(), pages.application()),
        projects=projects,
        clock=clock,
        ids=ids,
        close=close,
    )
