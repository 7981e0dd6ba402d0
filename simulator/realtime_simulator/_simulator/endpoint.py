"""The control endpoint: `Simulator`'s methods over HTTP, for other processes.

It answers requests from loopback only, whatever the simulator listens on and whatever name resolves to it,
and requires the project's key. Its requests are not recorded.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.operations import FAULT_TARGETS
from realtime_simulator._core.outgoing import is_loopback
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._faults.catalog import FAULTS, Fault, Word
from realtime_simulator._media.files import wav
from realtime_simulator._records.session import SessionLog, SessionRecord, event_view
from realtime_simulator._records.state import events_of, state_after
from realtime_simulator._records.store import Call, Records, RequestRecord
from realtime_simulator._server import body
from realtime_simulator._server.credentials import Credentials
from realtime_simulator._simulator.console import exports
from realtime_simulator._simulator.console.har import archive
from realtime_simulator._simulator.console.pages import is_page
from realtime_simulator._simulator.console.replay import compare
from realtime_simulator._simulator.console.run_on import Runs
from realtime_simulator._simulator.controls import Controls
from realtime_simulator.scrub import Scrubber

PREFIX = "/simulator/"
_EVENT_STREAM = "text/event-stream"
_PCM = "application/octet-stream"
_SHOWN = 1000
"""The characters that are shown of a path, or of an error's message."""
_KEEP_ALIVE_SECONDS = 15.0
_LOOK_SECONDS = 0.25
"""The interval at which changes are detected while a client watches."""
_INCOMING = inspect.signature(Controls.incoming_call).parameters.keys() - {"self", "phone"}

_Operation = Callable[..., Any]
"""Called with the request and the parts of its path; returns, or awaits, a response, JSON or None."""


class Endpoint:
    """The operations.

    Args:
        controls: The simulator's methods.
        records: Its records.
        credentials: Checks the key.
        clock: The simulator's clock.
    """

    def __init__(self, controls: Controls, records: Records, credentials: Credentials, clock: Clock) -> None:
        self._controls = controls
        self._runs = Runs(records, clock)
        self._records = records
        self._credentials = credentials

    def application(self) -> ASGIApp:
        """Return the ASGI application."""
        controls = self._controls
        operations: dict[str, tuple[str, _Operation]] = {
            "incoming": ("POST", self._incoming),
            "calls": ("GET", lambda _: {"calls": self._call_views()}),
            "overview": ("GET", self._overview),
            "requests": ("GET", self._requests),
            "requests/har": (
                "GET",
                lambda _: self._archive(list(controls.requests), list(controls.sessions)),
            ),
            "requests/clear": ("POST", lambda _: controls.clear_requests()),
            "sessions": ("GET", lambda _: {"sessions": self._session_views()}),
            "sessions/clear": ("POST", lambda _: controls.clear_sessions()),
            "sessions/{session_id}/audio": ("GET", self._audio),
            "sessions/{session_id}/audio/{direction}": ("GET", self._wav),
            "sessions/{session_id}/replay": ("POST", self._replay),
            "sessions/{session_id}/compare/{other_id}": ("GET", self._compare),
            "sessions/{session_id}/name": ("POST", self._name),
            "sessions/{session_id}/events": ("GET", self._events),
            "sessions/{session_id}/state": ("GET", self._state),
            "sessions/{session_id}/run_on": ("POST", self._run_on),
            "sessions/{session_id}/inject": ("POST", self._inject),
            "sessions/{session_id}/export/{form}": ("GET", self._export),
            "calls/{call_id}/hang_up": ("POST", lambda _, call_id: controls.hang_up(call_id)),
            "calls/{call_id}/press": ("POST", self._press),
            "calls/{call_id}/say": ("POST", self._say),
            "calls/{call_id}/hear": ("GET", self._hear),
            "refer": ("POST", self._refer),
            "faults": ("POST", self._fault),
            "faults/known": ("GET", lambda _: _known_faults()),
            "faults/clear": ("POST", lambda _: controls.clear_faults()),
            "scenario": ("POST", self._scenario),
            "advance": ("POST", self._advance),
        }
        return Starlette(
            routes=[
                Route(PREFIX + path, self._guarded(operation), methods=[method])
                for path, (method, operation) in operations.items()
            ],
            exception_handlers={HTTPException: _http},
        )

    def _guarded(self, operation: _Operation) -> Callable[[Request], Awaitable[Response]]:
        async def run(request: Request) -> Response:
            request.state.record = RequestRecord(
                method=request.method, path=request.url.path, headers={}, request_id=""
            )
            try:
                _require_loopback(request)
                self._credentials.require_project_key(request.headers)
                answer = operation(request, **request.path_params)
                if inspect.isawaitable(answer):
                    answer = await answer
                return answer if isinstance(answer, Response) else JSONResponse(answer or {})
            except ApiProblem as problem:
                return JSONResponse(problem.envelope(), problem.status, problem.headers)
            except RuntimeError as error:
                return _refused(str(error), 409)
            except LookupError as error:
                return _refused(error.args[0] if error.args else "not found", 404)
            except (ValueError, TypeError, OSError, OverflowError) as error:
                return _refused(str(error), 400)

        return run

    async def _incoming(self, request: Request) -> Any:
        asked = await body.read_json_object(request)
        unknown = asked.keys() - _INCOMING
        if unknown or "to" not in asked:
            known = ", ".join(sorted(_INCOMING))
            raise ValueError(f"'to' is needed, and allowed are {known}; got {', '.join(asked) or 'nothing'}")
        if isinstance(asked.get("headers"), list):
            asked["headers"] = [tuple(pair) for pair in asked["headers"]]
        asked.setdefault("wait", False)
        # In another thread: the audio file may be long, and the receiver slow.
        return _shown(await asyncio.to_thread(self._controls.incoming_call, **asked))

    async def _overview(self, request: Request) -> Any:
        if _is_stream(request):
            return _streamed(self._overviews())
        return self._view()

    async def _overviews(self) -> AsyncIterator[str]:
        """Yield the overview as server-sent events: at once, and again after changes."""
        shown, quiet = "", 0.0
        while True:
            view = json.dumps(self._view(), separators=(",", ":"))
            if view != shown or quiet >= _KEEP_ALIVE_SECONDS:
                yield ": \n\n" if view == shown else f"data: {view}\n\n"
                shown, quiet = view, 0.0
            await asyncio.sleep(_LOOK_SECONDS)
            quiet += _LOOK_SECONDS

    def _view(self) -> dict[str, Any]:
        controls = self._controls
        return {
            "sessions": self._session_views(),
            "calls": self._call_views(),
            "faults": [_fault_view(fault) for fault in controls.faults],
            "scenario": controls.scenario,
            "replaying": controls.replaying,
            "requests": self._request_counts(),
        }

    def _session_views(self) -> list[dict[str, Any]]:
        return [session.view() for session in list(self._records.logs)]

    def _call_views(self) -> list[dict[str, Any]]:
        return [_shown(call) for call in list(self._controls.calls)]

    def _request_counts(self) -> dict[str, int]:
        """Return how many requests there were, are kept, are open and were refused."""
        kept = list(self._records.requests)
        return {
            "all": self._records.requested,
            "kept": len(kept),
            "open": sum(one.ended is None for one in kept),
            "refused": sum(one.refused for one in kept),
        }

    async def _requests(self, request: Request) -> Any:
        records = list(self._records.requests)

        def views() -> Any:
            scrub = self._scrubber()
            return {"requests": [_request_view(one, scrub) for one in records]}

        return await asyncio.to_thread(views)  # scrubbing is slow

    def _scrubber(self) -> Scrubber:
        """Return a scrubber that masks every key that came with a request, wherever it occurs."""
        scrub = Scrubber([self._controls.api_key])
        for record in list(self._records.requests):
            for name, value in record.headers.items():
                if "auth" in name or "key" in name:
                    scrub.header(name, value)
        return scrub

    async def _archive(self, requests: Sequence[RequestRecord], sessions: Sequence[SessionRecord]) -> Any:
        def write() -> str:
            return archive(requests, sessions, self._controls.base_url, self._scrubber())

        # In another thread: there may be thousands of events.
        return Response(await asyncio.to_thread(write), media_type="application/json")

    async def _replay(self, request: Request, session_id: str) -> None:
        # In another thread: there may be thousands of events.
        await asyncio.to_thread(self._controls.replay, session_id)

    async def _compare(self, request: Request, session_id: str, other_id: str) -> Any:
        before, after = (self._controls.session(one) for one in (session_id, other_id))
        return await asyncio.to_thread(compare, before, after)

    async def _audio(self, request: Request, session_id: str) -> Any:
        session = self._records.session(session_id)
        tracks = {"received": session.audio_in, "sent": session.audio_out}
        return {direction: track.view(session.begun) for direction, track in tracks.items()}

    async def _wav(self, request: Request, session_id: str, direction: str) -> Any:
        session = self._controls.session(session_id)
        if direction not in ("received", "sent"):
            raise LookupError(f"unknown direction {direction[:80]!r}; known are received, sent")
        pcm = session.received_audio if direction == "received" else session.sent_audio
        headers = {"cache-control": "no-store"}
        return Response(await asyncio.to_thread(wav, pcm), headers=headers, media_type="audio/wav")

    async def _name(self, request: Request, session_id: str) -> None:
        asked = await body.read_json_object(request)
        self._controls.session(session_id).name = asked.get("name")

    async def _inject(self, request: Request, session_id: str) -> None:
        self._controls.inject(session_id, await body.read_json_object(request))

    async def _export(self, request: Request, session_id: str, form: str) -> Any:
        session = self._controls.session(session_id)
        if form == "har":
            requests = [one for one in self._records.requests if one.session == session.id]
            return await self._archive(requests, [session])
        if form not in exports.FORMS:
            raise LookupError(f"unknown export {form[:80]!r}; known are {', '.join(exports.FORMS)}, har")
        # In another thread: there may be thousands of events.
        text = await asyncio.to_thread(exports.FORMS[form], session, self._controls.base_url)
        return Response(text, media_type="text/plain")

    async def _events(self, request: Request, session_id: str) -> Any:
        session = self._records.session(session_id)
        given = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        after = _event_number("after", given)
        if _is_stream(request):
            return _streamed(_event_stream(session, after))
        return {"session": session.view(), "events": [event_view(one) for one in session.since(after)]}

    async def _state(self, request: Request, session_id: str) -> Any:
        session = self._records.session(session_id)
        at = _event_number("at", request.query_params.get("at", ""))
        past = [one for one in events_of(session.record) if one.number <= at]
        # In another thread: there may be thousands of events.
        return attrs.asdict(await asyncio.to_thread(state_after, past))

    async def _run_on(self, request: Request, session_id: str) -> Any:
        asked = await body.read_json_object(request)
        return {"session": await self._runs.run(session_id, asked)}

    async def _say(self, request: Request, call_id: str) -> None:
        if body.media_type(request) == _PCM:
            audio: str | bytes = await body.read(request)
        else:
            audio = (await body.read_json_object(request)).get("audio", "")
            if not isinstance(audio, str) or not audio:
                raise ValueError(f"audio: the path of a sound file is needed, or PCM16 as {_PCM}")
        await asyncio.to_thread(self._controls.caller_says, call_id, audio)

    async def _hear(self, request: Request, call_id: str) -> Any:
        return _streamed(self._controls.caller_hears(call_id), _PCM)

    async def _refer(self, request: Request) -> None:
        asked = await body.read_json_object(request)
        self._controls.on_refer(asked.get("status"), delay=asked.get("delay", 0.0))

    async def _press(self, request: Request, call_id: str) -> None:
        asked = await body.read_json_object(request)
        self._controls.press(call_id, asked.get("keys"))  # type: ignore[arg-type]

    async def _fault(self, request: Request) -> Any:
        asked = await body.read_json_object(request)
        if not isinstance(asked.get("name"), str):
            raise ValueError("name: the fault's name is needed")
        fault = self._controls.fault(**asked)
        return {
            "name": fault.name,
            "on": fault.on,
            "rate": fault.rate,
            "times": fault.times,
            **fault.settings,
        }

    async def _scenario(self, request: Request) -> None:
        text = (await body.read(request)).decode("utf-8", "replace")
        query = request.query_params
        # In another thread: its sound files may be long.
        await asyncio.to_thread(
            self._controls.play_scenario,
            text,
            query.get("name", "scenario")[:200],
            query.get("folder"),
            replace=query.get("replace") == "true",
        )

    async def _advance(self, request: Request) -> None:
        asked = await body.read_json_object(request)
        if "seconds" not in asked:
            raise ValueError("seconds: the number of seconds is needed")
        await asyncio.to_thread(self._controls.advance, asked["seconds"])


def _known_faults() -> dict[str, Any]:
    return {
        "faults": {
            name: {
                "what": kind.doc,
                "settings": {
                    key: {
                        "allowed": setting.allowed,
                        "default": setting.default,
                        "choices": list(setting.choices) if isinstance(setting, Word) else [],
                    }
                    for key, setting in kind.settings.items()
                },
            }
            for name, kind in FAULTS.items()
        },
        "operations": FAULT_TARGETS,
    }


def _event_number(field: str, given: str) -> int:
    """Return the number of an event.

    Raises:
        ValueError: It is something else.
    """
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise ValueError(f"{field}: the number of an event is needed, got {given[:80]!r}")
    return int(given)


async def _event_stream(session: SessionLog, after: int) -> AsyncIterator[str]:
    """Yield a session's events as server-sent events, and at its end why it ended."""
    while True:
        is_over = session.ended is not None
        for event in session.since(after):
            after = event.number
            yield f"id: {after}\ndata: {json.dumps(event_view(event), separators=(',', ':'))}\n\n"
        if is_over:
            yield f"event: ended\ndata: {json.dumps({'ended': session.ended})}\n\n"
            return
        try:
            async with asyncio.timeout(_KEEP_ALIVE_SECONDS):
                await session.changed(after)
        except TimeoutError:
            yield ": \n\n"  # so that a client that has disconnected is noticed


def beside(inner: ASGIApp, control: ASGIApp, console: ASGIApp) -> ASGIApp:
    """Return the applications as one.

    Args:
        inner: Serves everything else.
        control: Serves what begins with `/simulator/`.
        console: Serves the page at `/` and its files.
    """

    async def all_of_them(scope: Scope, receive: Receive, send: Send) -> None:
        app = inner
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            app = control
        elif scope["type"] == "http" and is_page(scope["method"], scope["path"]):
            app = console
        await app(scope, receive, send)

    return all_of_them


def _is_stream(request: Request) -> bool:
    return _EVENT_STREAM in request.headers.get("accept", "")


def _streamed(stream: AsyncIterator[str | bytes], media_type: str = _EVENT_STREAM) -> Response:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type=media_type, headers=headers)


def _require_loopback(request: Request) -> None:
    try:
        here = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise ApiProblem("The simulator is controlled from its own machine only.", status=403)
    # A web page can make its own name resolve to this machine (DNS rebinding); its requests carry that name.
    for header in ("host", "origin"):
        given = request.headers.get(header)
        if given is not None and not is_loopback(given if header == "origin" else f"//{given}"):
            raise ApiProblem(
                f"The simulator is controlled as localhost only, not by this {header}.", status=403
            )


def _request_view(record: RequestRecord, scrub: Scrubber) -> dict[str, Any]:
    """Return a request as JSON shows it, without secrets."""
    error = record.error and {
        key: scrub.text(str(record.error[key]))[:_SHOWN]
        for key in ("message", "type", "code", "param")
        if record.error.get(key) is not None
    }
    return {
        "id": record.request_id,
        "time": round(record.time, 6),
        "ended": None if record.ended is None else round(record.ended, 6),
        "method": record.method,
        "path": scrub.text(record.path)[:_SHOWN],
        "status": record.status,
        "refused": record.refused,
        "error": error,
        "session": record.session,
    }


def _shown(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "live_session_id": call.live_session_id,
        "kind": call.kind,
        "session": call.session.id,
        "state": call.state,
        "ended": call.ended,
        "reject_code": call.reject_code,
        "refers": list(call.refers),
        "refer_status": call.refer_status,
        "deliveries": [
            {"webhook_id": one.webhook_id, "type": one.type, "status": one.status, "error": one.error}
            for one in call.deliveries
        ],
    }


def _fault_view(fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "on": fault.on,
        "rate": fault.rate,
        "times": fault.times,
        "hits": fault.hits,
        "settings": dict(fault.settings),
    }


def _refused(message: str, status: int) -> Response:
    return JSONResponse(ApiProblem(message, status=status).envelope(), status)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refused(f"There is no {request.method} {request.url.path[:200]}.", error.status_code)
