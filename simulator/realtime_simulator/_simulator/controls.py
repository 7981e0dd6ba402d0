"""The methods of a running simulator: records, answers, phone calls, faults and time.

Any thread may call them; what touches the simulator's event loop is passed to its thread.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import attrs
from starlette.types import ASGIApp

from realtime_simulator._calls.line import AudioLike, Phone, read_audio
from realtime_simulator._calls.sip import HeadersLike, Incoming, build_headers
from realtime_simulator._calls.webhooks import (
    EVENT_TYPES,
    EventType,
    Plan,
    check_target,
)
from realtime_simulator._core.clock import AdvancingClock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine.turn import Pacing, PacingLike, chosen_pacing
from realtime_simulator._faults.catalog import Fault, Faults
from realtime_simulator._records.session import SessionLog, SessionRecord
from realtime_simulator._records.store import Call, Records, RequestRecord
from realtime_simulator._scenario import built_in_mcp
from realtime_simulator._scenario.callers import CallerAct, Referral, check_keys
from realtime_simulator._scenario.rules import (
    Answer,
    Behavior,
    Hearing,
    Match,
    Scenario,
    Translation,
    Voice,
    cues,
    in_turns_alone,
)
from realtime_simulator._server.projects import Project
from realtime_simulator._server.thread import ServerThread
from realtime_simulator._sessions.settings import Settings

T = TypeVar("T")
_FIRST_ATTEMPT_SECONDS = 20.0


@attrs.frozen(kw_only=True)
class Parts:
    """The parts of a running simulator.

    Args:
        application: The application to serve.
        projects: The projects and their calls; the first one is that of `api_key`.
        clock: The simulator's time.
        ids: The source of identifiers.
        close: Ends everything in it.
    """

    application: ASGIApp
    projects: Sequence[Project]
    clock: AdvancingClock
    ids: Ids
    close: Callable[[], Awaitable[None]]

    def project(self, name: str | None) -> Project:
        """Return a project by its name; the first one for None.

        Raises:
            ValueError: There is none with the name.
        """
        for one in self.projects:
            if name is None or (name and one.name == name):
                return one
        known = ", ".join(repr(one.name) for one in self.projects[1:]) or "none"
        raise ValueError(f"project: allowed is one of {known}, got {name!r}")

    def with_call(self, call_id: str) -> Project:
        """Return the project that a call belongs to; the first one for an unknown call."""
        return next((one for one in self.projects if one.calls.has(call_id)), self.projects[0])


class Controls:
    """The methods of a simulator.

    Args:
        settings: Its settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._behavior = Behavior()
        self._at_start: tuple[Behavior, Pacing] | None = None
        self._scenario: str | None = None
        self._faults = Faults(settings.seed, settings.keys)
        self._records = Records(settings.kept)
        self._thread: ServerThread | None = None
        self._parts: Parts | None = None

    # Addresses and records

    @property
    def base_url(self) -> str:
        """The address of the API, up to and with `/v1`.

        Raises:
            RuntimeError: The simulator is not running.
        """
        if self._thread is None:
            raise RuntimeError("the simulator is not running; enter it with `with` first")
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        scheme = "http" if self._settings.tls is None else "https"
        return f"{scheme}://{host}:{self._thread.port}/v1"

    @property
    def api_key(self) -> str:
        """The project key that it accepts."""
        return self._settings.api_key

    @property
    def webhook_secret(self) -> str:
        """What its webhooks are signed with."""
        return self._settings.webhook_secret

    @property
    def calls(self) -> Sequence[Call]:
        """All calls, oldest first, also those that have ended."""
        return self._records.calls

    @property
    def sessions(self) -> Sequence[SessionRecord]:
        """All sessions, oldest first; a call's session too."""
        return self._records.sessions

    def session(self, session_id: str) -> SessionRecord:
        """Return the session with this id.

        Args:
            session_id: `sess_…`.

        Raises:
            LookupError: It does not exist, or is no longer remembered.
        """
        return self._records.session(session_id).record

    @property
    def scenario(self) -> str | None:
        """The name of the scenario that was loaded last; None if there is none."""
        return self._scenario

    @property
    def faults(self) -> Sequence[Fault]:
        """The faults that may happen, oldest first."""
        return self._faults.active

    @property
    def console_url(self) -> str:
        """The address of the console page, with the key after `#`, which browsers never send."""
        return f"{self.base_url.removesuffix('v1')}#key={quote(self.api_key, safe='')}"

    def inject(self, session: SessionRecord | str, event: Mapping[str, Any]) -> None:
        """Process an event in a session as though one of its clients had sent it.

        Args:
            session: The session or its id.
            event: The client event.

        Raises:
            LookupError: The session does not exist, or has ended.
        """
        log = self._records.session(session) if isinstance(session, str) else SessionLog.of(session)
        self._inside(lambda: log.inject(event))

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """All HTTP requests and handshakes of WebSockets, oldest first, also those that were refused."""
        return self._records.requests

    def clear_sessions(self) -> None:
        """Drop the records of the sessions and calls that have ended."""
        self._inside(self._records.clear_sessions)

    def clear_requests(self) -> None:
        """Drop the records of the HTTP requests that were answered."""
        self._inside(self._records.clear_requests)

    @property
    def differences(self) -> Sequence[str]:
        """The differences between clients and the replayed session, oldest first."""
        return self._records.differences

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until a condition on the records holds.

        Args:
            condition: Called again whenever something was recorded.
            timeout: Seconds.

        Raises:
            TimeoutError: It doesn't hold in time.
        """
        if not self._records.wait_for(condition, timeout):
            raise TimeoutError(f"the condition did not hold within {timeout:g} s")

    # The behavior of the model and the users

    def on_response(
        self,
        answer: Answer | Scenario,
        *,
        match: Match | None = None,
        times: int | None = None,
        delay: float = 0.0,
    ) -> None:
        """Set the model's answer from now on; earlier rules apply where this one doesn't.

            simulator.on_response("It is sunny.", match="weather")
            booked = sequence(call_tool("book_room", {"nights": 2}), "It is booked.")
            simulator.on_response(booked, match="book")

        Without a rule, the simulator repeats the user's words; if they name one of the session's tools, the
        tool is called, and once its output is in, a message repeats the output.

        Args:
            answer: A text to say, `say(…)`, `call_tool(…)`, `call_mcp(…)`, `Fail(…)`, a list of them, or a
                function of the `Turn` that returns one; None passes the turn on to earlier rules. A function
                may be a coroutine function, or an async generator of pieces of text, which are spoken by the
                sentence as they come, and of actions; it runs in the simulator's thread.
            match: The turns that it applies to: a regular expression that is searched for in the user's
                words, ignoring case, or a function of the `Turn`; None for all. The groups of a match
                replace `{1}` or `{name}` in a fixed answer's texts.
            times: How often it answers; None for any number.
            delay: Seconds until it answers.

        Raises:
            TypeError: It is not an answer.
            ValueError: `match` is not a regular expression, `times` is not a whole number from 1, or
                `delay` is negative.
        """
        self._behavior.script.add(answer, match, times, delay)

    def on_speech(self, words: Hearing, *, pauses: bool = False) -> None:
        """Set the words of the user's audio from now on; speech is not recognized here.

        Args:
            words: Called with a `Heard` (`pcm`, `seconds`, `session`) for every turn of the user; returns
                the words. It may be a coroutine function, and runs in the simulator's thread. Models that
                transcribe during speech call it with `finished` false: None then means that the words are
                not known yet.
            pauses: Whether semantic turn detection calls it in each pause too (`paused`), and judges by the
                words so far whether the turn has ended; without, it judges by the sound alone.
        """
        self._behavior.hearing = words if pauses else in_turns_alone(words)

    def on_session(self, begun: Callable[[SessionRecord], object]) -> None:
        """Set what is called with the record of each session that begins from now on.

        Args:
            begun: Called in the simulator's thread, before the session does anything.
        """
        self._records.on_session = lambda log: begun(log.record)

    def on_timeline(self, timeline: Mapping[float, Answer] | None) -> None:
        """Set what the model does by itself in the Live sessions to come, at positions of their timelines.

            simulator.on_timeline({0.4: "Good morning.", 6.0: ["Let me see.", delegate()]})

        In such a session the model says nothing else, and what the user says does not interrupt it; a backend
        answers as `on_response` says.

        Args:
            timeline: The answers by their seconds from the session's start; None for a model that answers.

        Raises:
            TypeError: An answer or a position is of another type.
            ValueError: A position is negative or endless.
        """
        self._behavior.cues = None if timeline is None else cues(timeline)

    def on_voice(self, voice: Voice | None) -> None:
        """Set the voice from now on, in place of espeak-ng or the synthetic voice.

        Args:
            voice: Called with a text and the name of the session's voice; returns the sound, PCM16 mono at
                24 kHz. It may be a coroutine function, which runs in the simulator's thread; another function
                runs in its own thread. None for the simulator's voice.
        """
        self._behavior.voice = voice

    def on_translation(self, words: Translation) -> None:
        """Set the translations of translation sessions from now on; nothing is translated here.

        Args:
            words: Called with the words and the target language, such as `es`; returns the
                translation. It may be a coroutine function, and runs in the simulator's thread.
        """
        self._behavior.translation = words

    def mcp_server(
        self, server_label: str, tools: Sequence[Mapping[str, Any]] | Literal["built-in"] | None
    ) -> None:
        """Set the tools of an MCP server; without that it has those that the session allows by
        name, and can't be reached if there are none.

        Args:
            server_label: The session's name of the server.
            tools: Objects with `name`, `input_schema` and perhaps `description`; `built-in` for a server
                with the tools `echo`, `add` and `fail`, which are called when the user names them; None for
                a server that can't be reached.

        Raises:
            ValueError: `tools` is another text.
        """
        if isinstance(tools, str):
            if tools != "built-in":
                raise ValueError(f"tools: expected a list, 'built-in' or None, got {tools!r}")
            tools = built_in_mcp.TOOLS
        self._behavior.mcp_servers[server_label] = tools

    @property
    def pacing(self) -> Pacing:
        """How fast the model answers in the sessions to come."""
        return self._settings.pacing

    def pace(self, pacing: PacingLike) -> None:
        """Set how fast the model answers in the sessions to come.

        Args:
            pacing: Time to first output, and speed against real time; `none` is at once, None as the service.
        """
        self._settings.pacing = chosen_pacing(pacing)

    def load_scenario(self, scenario: str | os.PathLike[str]) -> None:
        """Add the rules of a YAML file; earlier rules apply where the file has none.

        Args:
            scenario: The file's path.

        Raises:
            ScenarioError: The file is invalid; the message has line and field. Nothing of it applies then.
            OSError: It can't be read.
        """
        from realtime_simulator._scenario.scenario_file import text_of

        path = Path(scenario)
        self.play_scenario(text_of(path), path.name, path.parent)

    def play_scenario(
        self,
        text: str,
        name: str = "scenario",
        folder: str | os.PathLike[str] | None = None,
        *,
        replace: bool = False,
    ) -> None:
        """Add the rules of a scenario given as text; see `load_scenario`.

        Args:
            text: The YAML.
            name: Its name, for messages.
            folder: Where the sound files are that it names; the current folder if None.
            replace: Whether to reset everything that was set since the simulator started: rules, users'
                words, voices, MCP servers, callers and the pace. Faults stay, and so do seed and clock.
        """
        from realtime_simulator._scenario.scenario_file import ScenarioFile, parse

        file = parse(text, name, None if folder is None else Path(folder), projects=self._settings.keys)
        if replace:
            self._records.replaying = None
        if replace and self._at_start is not None:
            behavior, self._settings.pacing = self._at_start
            self._behavior.become(behavior.copy())
        self._scenario = None if file == ScenarioFile() else name
        file.apply(self._behavior)
        if file.pacing is not None:
            self.pace(file.pacing)
        self._fix(file.seed, file.clock)
        for fault in file.faults:
            self._faults.add(**fault)

    def replay(self, session: SessionRecord | str) -> None:
        """Answer the sessions to come as a recorded one was answered, in place of the current scenario.

        The model's answers and failures come in the recorded order, and so do the words of the user's audio;
        telephone callers press the recorded keys, and speak where `keep_audio` kept what they said. Sessions
        that begin meanwhile have `replay_of`, until another scenario replaces this one.

        Args:
            session: The session or its id.

        Raises:
            LookupError: The session does not exist.
            ValueError: It is a translation, or its events are no longer kept.
        """
        from realtime_simulator._simulator.console.replay import scenario

        record = self.session(session) if isinstance(session, str) else session
        self.play_scenario(scenario(record, ""), f"replay of {record.name or record.id}", replace=True)
        track = SessionLog.of(record).audio_in
        if record.transport == "sip" and track.pieces:
            self._behavior.caller = [CallerAct(0, sound=track.pcm), *self._behavior.caller]
        self._records.replaying = record.id

    @property
    def replaying(self) -> str | None:
        """The id of the session that is replayed; None if none is."""
        return self._records.replaying

    def _fix(self, seed: int | None, clock: float | None) -> None:
        """Make ids repeatable and fix the time of day, from now on or once it runs."""
        self._settings.seed = self._settings.seed if seed is None else seed
        self._settings.clock = self._settings.clock if clock is None else clock
        if seed is not None:
            self._faults.reseed(seed)
        parts = self._parts
        if parts is not None and seed is not None:
            self._inside(functools.partial(parts.ids.reseed, seed))
        if parts is not None and clock is not None:
            self._inside(functools.partial(parts.clock.fix, clock))

    # Phone calls

    def incoming_call(
        self,
        to: str,
        headers: HeadersLike | None = None,
        *,
        audio: AudioLike | None = None,
        events: Sequence[EventType] | EventType = "realtime.call.incoming",
        duplicates: int = 0,
        delay: float = 0.0,
        age: float = 0.0,
        attempts: int = 5,
        ring_seconds: float = 60.0,
        line_speed: float = 1.0,
        wait: bool | None = None,
        project: str | None = None,
        phone: Phone | None = None,
    ) -> Call:
        """Start a SIP call to the API and announce it by webhook.

        The webhook is signed with `webhook_secret`. Without an answer of 200 it is delivered again,
        with the same `webhook-id`.

        Args:
            to: The receiver's URL.
            headers: Headers of the INVITE, by name or as pairs; they replace the usual ones of the same name.
            audio: The caller's sound once the call is accepted: a WAV file's path, or PCM16 mono at 24 kHz.
            events: One or more of `realtime.call.incoming`, `live.transport.incoming` and the deprecated
                `live.call.incoming`; the service announces a call by one event for each API.
            duplicates: How often each webhook comes again after it was acknowledged.
            delay: Seconds from the call to its webhook, for one that comes late.
            age: By how many seconds the webhook pretends to be older than it is.
            attempts: How often each webhook is tried at most.
            ring_seconds: How long the caller waits for an answer before hanging up.
            line_speed: How fast the line's time passes, 1 is real time; up to 100.
            wait: Whether to return only when the webhook was attempted once. If None, that is the case where
                no event loop runs in the caller's thread, because it might be the receiver's.
            project: The name in `keys` of the project that is called; None for the one of `api_key`.
            phone: What speaks and listens for the caller, as `rehearsal` has it; None for `audio` and
                `caller_says`.

        Returns:
            The call, which rings; it changes as the program acts on it.

        Raises:
            ValueError: An argument is out of range; the message names it.
            TypeError: An argument has the wrong type.
            OSError: The audio file can't be read.
            RuntimeError: The simulator is not running.
        """
        pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
        build_headers(pairs, "check")  # errors are raised before anything rings
        incoming = Incoming(
            plan=Plan(
                to=check_target(to),
                events=_checked_events(events),
                duplicates=int(checked_number("duplicates", duplicates, 0, 100)),
                delay=checked_number("delay", delay, 0, 3600),
                age=checked_number("age", age, -86400, 10 * 86400),
                attempts=int(checked_number("attempts", attempts, 1, 100)),
                secret=self._settings.webhook_secret,
            ),
            headers=functools.partial(build_headers, pairs),
            audio=b"" if audio is None else read_audio(audio),
            line_speed=checked_number("line_speed", line_speed, 0.01, 100),
            ring_seconds=checked_number("ring_seconds", ring_seconds, 0, 86400),
            phone=phone,
        )
        owner = self._running().project(project)
        attempted: Future[None] = Future()

        def ring() -> Call:
            call, first = owner.incoming.ring(incoming)
            first.add_done_callback(lambda _: attempted.set_result(None))
            return call

        call = self._inside(ring)
        if wait or (wait is None and not _in_event_loop()):
            attempted.result(_FIRST_ATTEMPT_SECONDS + incoming.plan.delay)
        return call

    def caller_says(self, call: Call | str, audio: AudioLike) -> None:
        """Queue audio of a SIP call's caller, after the audio that is already queued.

        Args:
            call: The call or its id.
            audio: A WAV file's path, or PCM16 mono at 24 kHz.

        Raises:
            LookupError: No such call is in progress.
            ValueError, OSError: The audio can't be read.
        """
        pcm = read_audio(audio)
        self._of_call(call, lambda project, call_id: project.incoming.find(call_id).line.say(pcm))

    def caller_hears(self, call: Call | str) -> AsyncIterator[bytes]:
        """Return the sound that a SIP call's caller hears from now on, until the call ends.

        The iterator belongs to the simulator's own event loop, as handlers of `on_response` do.

        Args:
            call: The call or its id.

        Returns:
            Pieces of PCM16 mono at 24 kHz; none while there is silence.

        Raises:
            LookupError: No such call is in progress.
        """
        return self._of_call(call, lambda project, call_id: project.incoming.find(call_id).playing())

    def press(self, call: Call | str, keys: str) -> None:
        """Press keys of the telephone of a SIP call's caller; each one is an event in the call's session.

        Args:
            call: The call or its id; it was accepted.
            keys: One or more of 0 to 9, *, #, A to D.

        Raises:
            LookupError: No such call is in progress.
            ValueError: The keys are invalid.
        """
        check_keys(keys)
        self._of_call(call, lambda project, call_id: project.incoming.find(call_id).press(keys))

    def on_refer(self, status: int | None, *, delay: float = 0.0) -> None:
        """Set how SIP referrals end. By default they never complete.

        Args:
            status: The SIP status with which the attempt to reach the target ends: from 200 to 299 the caller
                is transferred and the call ends as `referred`, with others it continues. None: never.
            delay: Seconds until then.

        Raises:
            ValueError: It is not a final SIP status, or `delay` is negative.
        """
        checked_number("delay", delay, 0, 86400)
        self._behavior.refer = None if status is None else Referral(status, delay)

    def hang_up(self, call: Call | str) -> None:
        """Hang up for the other side of a call: a SIP call's caller, accepted or not, or a WebRTC peer.

        Args:
            call: The call or its id.

        Raises:
            LookupError: No such call is in progress.
        """
        self._of_call(
            call, lambda project, call_id: project.calls.end_soon(project.calls.find(call_id), "peer")
        )
        # The call is ended in a task, which runs before this.
        self._inside(lambda: None)

    # Faults and time

    def fault(
        self,
        name: str,
        *,
        on: str | None = None,
        rate: float = 1.0,
        times: int | None = None,
        **settings: float | str,
    ) -> Fault:
        """Request a fault, also before the simulator runs.

            with simulator.fault("rate_limit", on="calls.create", times=1, retry_after=2):
                ...

        `realtime_simulator.FAULTS` lists the faults and their settings. A single request can request its own
        with the header `x-simulator-fault: rate_limit; retry_after=2`.

        Args:
            name: The fault's name.
            on: The operation (`calls.create`, `client_secrets.create`, `connect`, `sideband`, …) or the id
                of the call that it is for; None for all.
            rate: How often it happens, 0 to 1.
            times: How often it happens at most; None for any number.
            settings: The fault's own settings.

        Returns:
            The fault; it counts its `hits`, and `remove()` or the end of its block ends it.

        Raises:
            ValueError: The name, `on`, `rate`, `times` or a setting is not allowed; the message names what
                is.
        """
        return self._faults.add(name, on=on, rate=rate, times=times, settings=settings)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def advance(self, seconds: float) -> None:
        """Advance the simulator's clock: timers that become due on the way run at once, in order.

        Expiry of sessions and secrets, timeouts, pauses between deliveries and the pacing of answers all
        follow this clock. Without `advance` it runs in real time.

        Args:
            seconds: How far, 0 to 1e9.

        Raises:
            ValueError: It is out of range.
        """
        checked_number("seconds", seconds, 0, 1e9)
        parts, thread = self._running(), self._thread
        if thread is None or thread.inside:
            raise RuntimeError("advance cannot be called from the simulator's own thread")
        thread.run(parts.clock.advance(seconds))

    def run_at(self, speed: float) -> None:
        """Let the simulator's clock run faster or slower than real time from now on.

        Args:
            speed: How many seconds pass in a real one, 0 to 100; with 0, time passes by `advance` alone. The
                time of day keeps its pace.

        Raises:
            ValueError: It is out of range.
        """
        parts, factor = self._running(), checked_number("speed", speed, 0, 100)
        self._inside(functools.partial(parts.clock.run_at, factor))

    # Into the simulator's thread

    def _running(self) -> Parts:
        if self._parts is None or self._thread is None:
            raise RuntimeError("the simulator is not running; enter it with `with` first")
        return self._parts

    def _of_call(self, call: Call | str, function: Callable[[Project, str], T]) -> T:
        """Call a function, in the simulator's thread, with a call's project and id; return its result.

        Raises:
            LookupError: No such call is in progress.
        """
        parts, call_id = self._running(), call if isinstance(call, str) else call.id
        try:
            return self._inside(lambda: function(parts.with_call(call_id), call_id))
        except ApiProblem as problem:
            raise LookupError(problem.message) from problem

    def _inside(self, function: Callable[[], T]) -> T:
        """Call a function in the simulator's thread and return its result; directly if it does not run."""
        if self._thread is None or self._thread.inside:
            return function()
        return self._thread.call(function)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def checked_number(name: str, value: float, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}: allowed is {low:g} to {high:g}, got {value:g}")
    return value


def _checked_events(events: Sequence[EventType] | EventType) -> tuple[EventType, ...]:
    requested = (events,) if isinstance(events, str) else tuple(events)
    wrong = [event for event in requested if event not in EVENT_TYPES]
    if wrong or not requested or len(set(requested)) < len(requested):
        raise ValueError(f"events: allowed are {', '.join(EVENT_TYPES)}, got {events!r}")
    return requested
