"""The async connection of the Live API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .._core.arguments import check_seconds
from .._core.time_limit import TimeLimit
from ..audio import AudioFormat, audio_format, pcm16_to_pcma, pcm16_to_pcmu, read_wav, silence
from ..errors import APITimeoutError, ConnectionClosedError, RealtimeError
from ..tools import Toolbox
from ._delegation import (
    AsyncDelegation,
    DelegationRunner,
    append,
    check_handler,
    check_text,
    live_session,
    quiet,
)
from ._io import ConnectionIO
from ._lifetime import AsyncLifetime
from ._live_playback import LivePlayback
from ._live_transcript import AsyncLiveTranscript
from ._state.handover import Handover
from ._state.live import LiveResult, LiveSession, LiveUsage
from ._state.reconnect import CloseInfo

if TYPE_CHECKING:
    from realtime_api.models import LiveSessionResource, MCPApprovalRequest

    from .._core.argument_types import LiveClientEventLike  # noqa: F401  (of the base class)
    from ..events import LiveEvent  # noqa: F401  (of the base class)
    from ..session import LiveSessionChanges
    from ..usage import Prices

logger: logging.Logger = logging.getLogger("realtime_ext")

HandlerT = TypeVar("HandlerT", bound=Callable[[AsyncDelegation], Any])

_FRAME_MS = 100  # of silence, and of sound that is sent in real time
_AT_ONCE_MS = 1000  # of sound that is sent without a pause: longer sound is of a file
_AHEAD = 0.2  # seconds by which such a file is ahead of the time
_PATIENCE = 0.3  # seconds without sound before silence is sent: the next piece may be late
_LONGEST_GAP = 2.0  # seconds of silence that are made up for at once, as after a stall of the program
_LAST_WORDS = 15.0  # seconds for `session.closed`
_LAST_PAUSE = 3.0  # seconds without words after which a goodbye was said


class AsyncLiveConnection(AsyncLifetime["LiveEvent", "LiveClientEventLike"]):
    """A Live session, or a sideband of one, made by `connect`, `fork` or `attach`, for one event loop.

    Iterating yields the events. Reading an event, by iteration, `recv` or `run`, calls its handlers first.
    The session's time advances with its input audio: while the program sends none, silence is sent, unless
    that is switched off. If a program reads no events, the latest 1,000 are kept.
    """

    def __init__(
        self,
        io: ConnectionIO,
        session_id: str,
        *,
        server: str,
        idle_audio: bool = False,
        ends_session: bool = True,
    ) -> None:
        super().__init__(io)
        self._live: LiveSession = live_session(io)
        self._live.join(server, session_id)
        self._session_id = session_id
        content: Any = self._state.session.content or {}
        self._format = audio_format((content.get("audio") or {}).get("format") or "pcm")
        self._sound_until = io.monotonic()  # of a clock, up to where sound or silence was sent
        self._is_silent = idle_audio
        self._sending = asyncio.Lock()  # files, which take their time
        self._silence: asyncio.Task[None] | None = None
        self._delegations: DelegationRunner | None = None
        self._playback: LivePlayback | None = None
        self._ends_session = ends_session
        if idle_audio:
            sending = _send_silence(weakref.ref(self), io)
            self._silence = io.loop.create_task(sending, name="realtime_ext silence")
        self._is_made = True

    def __repr__(self) -> str:
        about = f"session_id={self.session_id!r}"
        return f"<{type(self).__name__} {about}{' closed' if self.is_closed else ''}>"

    @property
    def session_id(self) -> str:
        """The session's id; it changes when the connection continues in another session."""
        return self._live.session_id or self._session_id

    @property
    def session(self) -> LiveSessionResource | None:
        """The session as last reported by the server; None if unknown to a sideband."""
        content = self._state.session.content
        if content is None:
            return None
        from realtime_api.models import LiveSessionResource

        return LiveSessionResource.from_dict(content)

    @property
    def expires_at(self) -> float | None:
        """The latest end of the session, in unix seconds; None if unknown to a sideband."""
        content = self._state.session.content or {}
        return content.get("expires_at")

    @property
    def transcript(self) -> AsyncLiveTranscript:
        """What both sides have said so far, split at pauses; and segments as they come."""
        return AsyncLiveTranscript(self._io, self._live)

    @property
    def usage(self) -> LiveUsage:
        """What the session has used so far: seconds, and tokens of its backend."""
        return self._live.usage

    @property
    def playback(self) -> LivePlayback:
        """The model's audio for a program that plays it, from the first use on.

        Raises:
            RealtimeError: In a WebRTC call audio flows on the track.
        """
        if self._playback is None:
            if not (self._state.role.carries_audio or self._state.role.is_sideband):
                raise RealtimeError("playback: in a WebRTC call audio flows on the track; use audio_out=…")
            # A sideband's copies are PCM16 at 24 kHz, whatever the session's format.
            is_sideband = self._state.role.is_sideband
            self._playback = LivePlayback(audio_format("pcm") if is_sideband else self._format)
            self._live.on_sound = self._playback._received
            self._live.on_talked_over = self._playback.clear
        return self._playback

    async def send_audio(
        self, data: bytes | bytearray | memoryview | str | os.PathLike[str], *, pace: bool = True
    ) -> str:
        """Send audio. More than a second of it is sent in real time, and this waits until it is sent.

        Args:
            data: Audio in the session's format: a piece from a microphone or a telephone line, which is sent
                at once; or a whole recording. Or the same as base64 text. Or the path of a WAV file, which is
                converted to that format: a PathLike, or a str that ends in `.wav`.
            pace: Whether to send what is longer than a second in real time. Otherwise it is sent at once, and
                the session's time runs faster than the clock.

        Returns:
            The `event_id` of the last event sent.

        Raises:
            TypeError, ValueError: It is none of these, or is cut within a sample.
            OSError, ImportError: As `realtime_ext.audio.read_wav`.
            RealtimeError: A sideband sends no audio, and in a WebRTC call it flows on the track.
            ConnectionClosedError: The connection has ended; `unsent` has what wasn't sent.
        """
        sound = read_sound(data, self._format)
        duration = self._duration(sound)
        if not self._takes_time(duration, pace):
            messages = self._state.client_events.audio(sound)
            self._sounds(duration)
            return await self._io.send_audio(messages)
        messages = self._state.client_events.audio(sound, self._format.bytes_in(_FRAME_MS) // 6 * 6)
        async with self._sending:
            return await self._io.send_audio(messages, partial(self._due, [duration]))

    async def say(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Make the model say something in its own words, and wait for the acknowledgement.

        Args:
            text: What to say; a long one is split at the ends of sentences.
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            TypeError, ValueError: The text is not a str or is blank, or `timeout` is not a time limit.
            APIStatusError: The API refused it.
            APITimeoutError: It was not acknowledged in time, for example because the session's time has
                stopped.
            ConnectionClosedError: The connection has ended.
        """
        await append(self._io, "commentary", text, timeout)

    async def say_goodbye(self, text: str, *, timeout: float = 30.0) -> LiveResult:
        """Make the model say last words, wait until they have been heard, and end the session.

        A telephone call is hung up, also from a sideband. The session always ends: also if the words take
        too long, or if this is cancelled. They are over when the model has been silent for 3 seconds.

        Args:
            text: What to say, in the model's own words.
            timeout: Seconds until the session is ended at the latest.

        Returns:
            How it ended, as `close`.

        Raises:
            TypeError, ValueError: The text is not a str or is blank, or `timeout` is not a time limit.
            APITimeoutError: The words were not over in time; the session has ended.
            APIStatusError, ConnectionClosedError: As for `say`; the session has ended.
        """
        check_text(text)
        limit = TimeLimit(check_seconds("timeout", timeout), is_real=True)
        try:
            async with limit:
                await self._say_last(text)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise APITimeoutError(f"the last words were not finished within {timeout:g} s") from error
        finally:
            self._ends_session = True
            result = await self.close()
        return result

    async def instruct(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Send instructions, which may interrupt the model; arguments and result are those of `say`."""
        await append(self._io, "instructions", text, timeout)

    async def think(self, text: str, *, timeout: float | None = 60.0) -> None:
        """Add something that the model should know, without speaking; as `say`."""
        await append(self._io, "thinking", text, timeout)

    async def append_commentary(self, text: str, *, timeout: float | None = 60.0) -> None:
        """The same as `say`."""
        await self.say(text, timeout=timeout)

    async def append_instructions(self, text: str, *, timeout: float | None = 60.0) -> None:
        """The same as `instruct`."""
        await self.instruct(text, timeout=timeout)

    async def append_thinking(self, text: str, *, timeout: float | None = 60.0) -> None:
        """The same as `think`."""
        await self.think(text, timeout=timeout)

    async def mute(self) -> str:
        """Make the session ignore its input audio."""
        return await self._send_own({"type": "session.input_audio.mute"})

    async def unmute(self) -> str:
        """Make the session accept its input audio again."""
        return await self._send_own({"type": "session.input_audio.unmute"})

    @overload
    def delegate(
        self,
        handler: HandlerT,
        *,
        timeout: float | None = None,
        on_timeout: str | None = None,
        parallel: bool = True,
    ) -> HandlerT: ...
    @overload
    def delegate(
        self,
        handler: None = None,
        *,
        timeout: float | None = None,
        on_timeout: str | None = None,
        parallel: bool = True,
    ) -> Callable[[HandlerT], HandlerT]: ...
    def delegate(
        self,
        handler: HandlerT | None = None,
        *,
        timeout: float | None = None,
        on_timeout: str | None = None,
        parallel: bool = True,
    ) -> HandlerT | Callable[[HandlerT], HandlerT]:
        """Register a function that does the work delegated by the model; may be used as a decorator.

            @connection.delegate(timeout=120, on_timeout="I could not finish that.")
            async def work(task):
                return await look_up(await task.finished())

        It is called once for each task, in its own task. If several connections of this process have a
        handler for the same session, one of them is called. If it raises an exception, the model is told
        that the task failed.

        Args:
            handler: Called with an `AsyncDelegation`. If it returns text, the model says it. It may be async.
                None returns a decorator.
            timeout: Seconds that a task may last; then it is cancelled, and the model is told. None for
                no limit.
            on_timeout: What the model says then; None for a text of the client's.
            parallel: Whether a task begins while others are being worked on; otherwise it waits for them.

        Returns:
            The function, or a decorator.

        Raises:
            TypeError: It can't be called with the task; or an argument is of the wrong type.
            ValueError: `timeout` is not a time limit, or `on_timeout` is blank, or given without `timeout`.
            RealtimeError: There is a handler already, or the session delegates to a model.
        """
        check_seconds("timeout", timeout)
        if on_timeout is not None:
            check_text(on_timeout, "on_timeout")
            if timeout is None:
                raise ValueError("on_timeout: it has no effect without timeout")

        def begin(handler: HandlerT) -> HandlerT:
            self._delegate(handler, timeout, on_timeout, parallel)
            return handler

        return begin if handler is None else begin(handler)

    def _delegate(
        self,
        handler: Callable[[AsyncDelegation], Any],
        timeout: float | None,
        on_timeout: str | None,
        parallel: bool,
    ) -> None:
        check_handler(handler)
        if self._delegations is not None:
            raise RealtimeError("delegate: there is already a handler")
        kind = self._delegates_to
        if kind not in (None, "client"):
            raise RealtimeError(f"delegate: this session delegates to {kind}, not to the program")
        self._delegations = DelegationRunner(self._io, handler, timeout, on_timeout, parallel)

    def run_tools(
        self,
        toolbox: Toolbox | Iterable[Callable[..., Any]],
        *,
        timeout: float | None = 60.0,
        approve: Callable[[MCPApprovalRequest], bool | Awaitable[bool]] | None = None,
        max_rounds: int = 10,
    ) -> None:
        """Answer the function calls of the model that the session delegates to; returns at once.

        Each call is run once, in order; if several connections of this process run tools for the same
        session, one of them runs a response's calls. When all calls of a response have their outputs, the
        model is asked once to continue, unless all outputs are silent.

        Args:
            toolbox: The tools, or functions to create them from. The session has to declare them separately.
            timeout: Seconds that a call may last; then its output is an error. None for no limit.
            approve: Called with each `MCPApprovalRequest`; only True allows the call. None refuses all.
            max_rounds: How many responses to one request may call functions. Calls of the next response get
                an error that asks for an answer; those of later responses are not answered.

        Raises:
            RealtimeError: Tools are registered already, or the session delegates to the program.
            TypeError, ValueError: As `Toolbox`; or `timeout` is not a time limit,
                or `max_rounds` is below 1.

        Warns:
            SessionConfigWarning: The session's `tool_choice` requires endless calls, or it declares other
                tools.
        """
        checked = self._check_tools(toolbox, timeout)
        kind = self._delegates_to
        if kind not in (None, "responses"):
            raise RealtimeError(
                f"run_tools: this session delegates to {kind}, not to a model that calls tools"
            )
        if isinstance(max_rounds, bool) or not isinstance(max_rounds, int):
            raise TypeError(f"max_rounds: expected an int, got {type(max_rounds).__name__}")
        if max_rounds < 1:
            raise ValueError(f"max_rounds: expected 1 or more, got {max_rounds}")
        if kind is not None:
            self._state.session.warn_of_tools({str(tool.name) for tool in checked.definitions})
            self._state.session.warn_of_loops()
        self._live.backend.most_rounds = max_rounds
        self._run_tools(self._live.backend, checked, timeout, approve, _request_for_permission)

    def take_over(self, handover: Handover) -> None:
        """Complete the unfinished work of an earlier program; call it before `run_tools` and `delegate`.

        Function calls get their outputs, and the model is asked to continue; tasks are passed to the handler.
        Finished work is skipped, although a sideband gets the events of the last seconds again.

        Args:
            handover: The unfinished work.

        Raises:
            RealtimeError: Tools, or a handler of tasks, are registered already.
        """
        if self._tools is not None or self._delegations is not None:
            raise RealtimeError("take_over: call it before run_tools and delegate")
        self._live.backend.take_over(handover.functions, handover.done)
        self._live.tasks.take_over(handover.tasks, handover.done)

    async def update_session(
        self, session: LiveSessionChanges, *, wait: bool = True, timeout: float | None = 15.0
    ) -> str:
        """Change the settings of the session's backend, or its triggers; nothing else can be changed.

        Args:
            session: The changes: a builder, a generated model or a dict; absent fields stay.
            wait: Whether to wait for the server's acknowledgement.
            timeout: Seconds to wait at most, for a lost link too; None for no limit.

        Returns:
            The event's `event_id`.

        Raises:
            SessionConfigError: The API would refuse it; nothing was sent.
            APIStatusError: The API refused it.
            TypeError, ValueError: `timeout` is not a time limit.
            APITimeoutError: There was no acknowledgement in time; or no link, and nothing was sent.
            ConnectionClosedError: The connection has ended.
        """
        return await self._update(session, wait, timeout)

    @property
    def _delegates_to(self) -> str | None:
        """Where the session delegates to; None if that isn't known."""
        content = self._state.session.content
        if content is None:
            return None
        return str((content.get("delegation") or {}).get("type") or "client")

    @property
    def _farewell(self) -> float | None:
        return _LAST_WORDS if self._ends_session and self._live.close_reason is None else None

    async def _say_last(self, text: str) -> None:
        """Ask the model to say a text, and wait until it has been silent for some time."""
        await append(self._io, "commentary", text, None)
        await quiet(self._io, lambda: self._live.spoken_ms, _LAST_PAUSE)

    async def close(self, *, prices: Prices | None = None) -> LiveResult:
        """End the session, wait until the API confirms it, and return how it ended; a sideband only leaves.

        Events received before can still be read, and then iteration ends. It may be called again.

        Args:
            prices: What the session's usage costs, such as a `realtime_kit.budget.PriceTable`.

        Returns:
            The result. Its `reason` is None if the end was not confirmed within 15 seconds.

        Raises:
            TypeError: `prices` is no table of prices; the session goes on.
        """
        check_prices(prices)
        await self._end(CloseInfo.by_user())
        return self._result(prices)

    def _result(self, prices: Prices | None) -> LiveResult:
        """Return how the session ended, with its cost at some prices."""
        live, content = self._live, self._state.session.content or {}
        return LiveResult(
            reason=live.close_reason,
            usage=live.usage,
            cost=None if prices is None else prices.cost(live.usage.total),
            stored=bool(content.get("store")) and not live.is_storage_failed,
        )

    async def _close(self, ending: CloseInfo, caller: asyncio.Task[Any] | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        await super()._close(ending, caller)

    def _tasks(self) -> list[asyncio.Task[Any]]:
        own = (self._silence, None if self._delegations is None else self._delegations.task)
        return [*super()._tasks(), *(task for task in own if task is not None)]

    async def _fill(self) -> None:
        if not self._state.is_linked:
            self._sound_until = self._io.monotonic()
            return
        if self._sending.locked():  # of a file, whose next frame may be late
            return
        now = self._io.monotonic()
        if now - self._sound_until < _PATIENCE and not self._is_silent:
            return
        self._is_silent = True
        self._sound_until = max(self._sound_until, now - _LONGEST_GAP)
        while self._sound_until <= now and self._is_silent:
            self._sound_until += _FRAME_MS / 1000
            await self._io.send_audio(self._state.client_events.audio(silence(_FRAME_MS, self._format)))

    def _duration(self, data: Any) -> float:
        """Return the length of audio in milliseconds.

        Raises:
            ValueError: It is cut within a sample, or within base64 text, which the API would refuse.
        """
        size, width = _bytes_of(data), self._format.width
        if size % width:
            raise ValueError(f"send_audio: expected whole samples of {width} bytes, got {size} bytes")
        return self._format.ms_in(size)

    def _takes_time(self, ms: float, pace: bool) -> bool:
        """Whether sound of this length is sent in real time, or behind such sound."""
        return (pace and ms > _AT_ONCE_MS) or self._sending.locked()

    def _sounds(self, ms: float) -> None:
        """Count sound that is sent now."""
        self._is_silent = False
        self._sound_until = max(self._io.monotonic(), self._sound_until) + ms / 1000

    async def _due(self, left: list[float]) -> None:
        """Wait until the next frame of a file is due, and count it."""
        while (early := self._sound_until - _AHEAD - self._io.monotonic()) > 0:
            await self._io.sleep(early)
        self._sounds(min(_FRAME_MS, left[0]))
        left[0] -= _FRAME_MS


async def _send_silence(connection: weakref.ref[AsyncLiveConnection], io: ConnectionIO) -> None:
    """Send silence where there is no sound, as much as time has passed."""
    while (there := connection()) is not None and not there.is_closed:
        with contextlib.suppress(ConnectionClosedError):  # another link may follow
            await there._fill()
        del there  # or it could not be dropped
        await io.sleep(_FRAME_MS / 1000)


def read_sound(data: Any, form: AudioFormat) -> Any:
    """Return the audio of a WAV file in a format; other values as they are."""
    if not isinstance(data, os.PathLike) and not (isinstance(data, str) and data.lower().endswith(".wav")):
        return data
    pcm = read_wav(data, form.rate)
    return {"pcmu": pcm16_to_pcmu, "pcma": pcm16_to_pcma}.get(form.name, bytes)(pcm)


def _request_for_permission(item: dict[str, Any]) -> Any:
    """Return an approval request as its generated class; as it is, if its shape is not the API's."""
    from realtime_api.models import MCPApprovalRequest

    try:
        return MCPApprovalRequest.from_dict(item)
    except Exception:
        return item


def check_prices(prices: Prices | None) -> None:
    """Raise TypeError for what is no table of prices."""
    if prices is not None and not callable(getattr(prices, "cost", None)):
        raise TypeError(
            f"prices: expected a table such as realtime_kit.budget.PriceTable, got {type(prices).__name__}"
        )


def _bytes_of(data: Any) -> int:
    """Return the size of audio; 0 for other values, which are refused when they are sent."""
    if isinstance(data, str):
        if len(data) % 4:
            raise ValueError(
                f"send_audio: expected base64 text, got {len(data)} characters, not a multiple of 4"
            )
        return len(data) // 4 * 3 - data[-2:].count("=")
    try:
        return memoryview(data).nbytes
    except TypeError:
        return 0
