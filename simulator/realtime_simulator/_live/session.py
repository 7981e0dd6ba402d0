"""A Live session, sans I/O: full duplex along a timeline, with a backend that works while the voice talks.

Neither speech recognition nor a model are here: words and answers come from the session's driver, as for
Realtime's sessions. The model of the scenario decides when to speak; what the user says meanwhile stops it.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._engine import messages
from realtime_simulator._engine.base import BaseSession
from realtime_simulator._engine.effects import (
    AnswerDropped,
    AnswerNeeded,
    AudioIn,
    Emit,
    SpeechNeeded,
)
from realtime_simulator._engine.plan import Utterance, speech_of
from realtime_simulator._engine.turn import (
    Action,
    CallTool,
    Cue,
    Delegate,
    Fail,
    Pacing,
    Pause,
    Say,
    Transcript,
    Turn,
)
from realtime_simulator._live.backend import Backend
from realtime_simulator._live.config import LiveConfig
from realtime_simulator._live.context import Appends, Context, check_length
from realtime_simulator._live.decisions import Decisions
from realtime_simulator._live.events import answering, live_error, text_of
from realtime_simulator._live.hearing import Hearing
from realtime_simulator._live.output import Output
from realtime_simulator._live.recording import StereoRecording
from realtime_simulator._live.speech import Voice
from realtime_simulator._live.standby import Standby
from realtime_simulator._live.timeline import FRAME, STEP, Timeline, milliseconds
from realtime_simulator._media.formats import Decoder, Encoder
from realtime_simulator._media.speech import RATE
from realtime_simulator._records.session import Transport

_START = "session.start"
INTERNAL_ERROR = 1011
"""The close code of a session that failed; it ends without `session.closed`."""
_APPENDS = ("instructions", "thinking", "commentary")
_LATENCY_SECONDS = 0.6
_ENDS = {"hangup": "close_requested", "expired": "expired"}
"""The reasons of `session.closed` where a call was ended from outside."""
_USAGE_SECONDS = 15.0
_NO_AUDIO_SECONDS = 31.0
_DRAIN_SECONDS = 2.0
"""How long a close waits for the words and answers that are being made, where everything comes at once."""
_LAST_AUDIO_SECONDS = 0.33
_DECISIONS_MODEL = "gpt-5.6-luna"
_HOLDING = "One moment, please."
_MAX_FIXTURE_SECONDS = 30


@attrs.define
class _Request:
    """A request to the backend model or the voice.

    Args:
        actions: The answer so far.
        whole: Whether no more comes.
    """

    actions: list[Action] = attrs.field(factory=list)
    whole: bool = False


class LiveSession(BaseSession):
    """One Live session; it begins with `session.start`.

    Args:
        session_id: Its id.
        ids: The source of identifiers.
        now: The time at which it begins.
        unix: The same time in unix seconds.
        lifetime: Seconds until it expires.
        pacing: How fast it answers.
        transport: What carries it; over WebRTC and SIP, audio is not in events.
        config: The configuration of a session that was started by a request; None to wait for
            `session.start`.
        source: The stored session that it continues; None for none.
        cues: What the model does along the timeline, and then it speaks only as these say; None for a model
            that answers.
        draw: Decides whether a fault happens now, given its name; returns its settings, or None.
    """

    def __init__(
        self,
        session_id: str,
        ids: Ids,
        now: float,
        unix: float,
        *,
        lifetime: float = 7200.0,
        pacing: Pacing | None = None,
        transport: Transport = "websocket",
        config: LiveConfig | None = None,
        source: LiveSession | None = None,
        cues: Sequence[Cue] | None = None,
        draw: Callable[[str], Mapping[str, Any] | None] = lambda name: None,
    ) -> None:
        union = "LiveClientEvent" if source is None else "LiveForkClientEvent"
        if transport == "sip":
            union = "LiveSidebandClientEvent"
        super().__init__(ids, now, lifetime, union)
        self.id = session_id
        self.config: LiveConfig | None = config
        self._source = source
        self._draw = draw
        self._cues: deque[Cue] | None = None if cues is None else deque(cues)
        self._pacing = pacing or Pacing()
        self._begun, self._unix_begun = now, unix
        self._transport = transport
        self.recording: StereoRecording | None = None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timeline = Timeline(_LATENCY_SECONDS if self._pacing.speed else None)
        self._voice = Voice()
        self._hearing = Hearing(ids, self.effect, interrupt=self._user_began, understood=self._understand)
        self._todo: deque[Action] = deque()
        self._silent_until = 0
        self._asked: str | None = None
        self._has_spoken = False
        self._closing: tuple[str | None, float] | None = None
        self._stopped = self._is_closing = False
        self._stall: Mapping[str, Any] | None = None
        self._requests: dict[str, _Request] = {}
        self._appends = Appends()
        self._output = Output(self.effect, paced=bool(self._pacing.speed))
        self._muted = False
        self._delegations: set[str] = set()
        self._decisions = Decisions(ids, self.emit)
        self._acknowledging: str | None = None
        self._fixture: dict[str, Any] | None = None
        self._standby = Standby(None)
        self._context = Context()
        self._decoder: Decoder | None = None
        self._backend = Backend(
            lambda: self.config.backend if self.config is not None else {},
            ids,
            self._pacing,
            emit=self.emit,
            after=self._after,
            ask=self._ask_backend,
            unix=self._unix,
            on_item=self._context.remember,
            on_idle=self._delegate_held,
        )
        self._held: deque[Callable[[], None]] = deque()
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {_START: self._start}
        if config is not None:
            self._begin(config, None)

    def view(self) -> dict[str, Any]:
        return self.config.view() if self.config is not None else {"id": self.id, "type": "live"}

    def items(self) -> list[dict[str, Any]]:
        return list(self._context.items)

    def greeting(self) -> dict[str, Any]:
        return self.stamped({"type": "session.started", "session": self.view()})

    def stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["type"] == "error":
            event = live_error(event)
        return super().stamped(event)

    # Input

    def receive(self, event: Mapping[str, Any], now: float) -> None:
        if event.get("type") == "session.update" and self.config is not None:
            try:
                self.config.check_update(event.get("session"))
            except ApiProblem as problem:
                self.tick(now)
                self.emit(problem.event(messages.event_id(event)))
                return
        super().receive(event, now)

    def press(self, key: str, unix: float) -> None:
        self.emit({"type": "transport.dtmf.received", "event": key})

    def _send_key(self, event: Mapping[str, Any]) -> None:
        sent = {"event": event["event"]}
        self.emit(answering("transport.dtmf.sent", messages.event_id(event), **sent))

    @property
    def position_ms(self) -> int:
        """Where its timeline is."""
        return milliseconds(self._timeline.position)

    @property
    def _media(self) -> bool:
        """Whether the transport carries the audio."""
        return self._transport != "websocket"

    def hear(self, pcm: bytes, now: float) -> None:
        self.tick(now)
        if self.ended or self.config is None:
            return
        if self._standby.paused:
            woken = self._standby.wakes(bytes(len(pcm)) if self._muted else pcm, now)
            if woken is None:
                return
            pcm = woken
            self._timeline.resume(now)
            self.emit({"type": "session.resumed"})
        elif not self._timeline.begun:
            self._standby.active(now)
        self._timeline.append(pcm, now)
        self._advance()

    def _start(self, event: Mapping[str, Any]) -> None:
        if (refusal := self._draw("live_refusal")) is not None:
            error = {key: refusal[key] for key in ("type", "code", "message")}
            self.emit({"type": "error", "error": {**error, "event_id": messages.event_id(event)}})
            return
        expires = int(self._unix() + self._lifetime)
        session = event["session"]
        if self._source is not None and self._source.config is not None:
            session = self._source.config.fork(session)
        config = LiveConfig(self.id, expires, session, media=self._media)
        self._begin(config, messages.event_id(event))
        self.emit(answering("session.started", messages.event_id(event), session=self.view()))

    def _begin(self, config: LiveConfig, client_event_id: str | None) -> None:
        self.config = config
        format, rate = config.format
        self._decoder = Decoder(format, rate)
        if not self._media:
            self._output.encode(Encoder(format, rate))
        self._standby = Standby(config.standby)
        self._context.items = [{"type": "message", **message} for message in config.input]
        if self._source is not None:
            self._context.items = self._source.items()
            self._source = None
        self._handlers = {
            _START: self._start_again,
            "session.update": self._update,
            "session.input_audio.append": self._append,
            "session.input_audio.mute": self._mute,
            "session.input_audio.unmute": self._mute,
            **{f"session.{kind}.append": self._inject for kind in _APPENDS},
            "response.item.create": self._item,
            "response.create": self._respond,
            "decision.item.create": self._decision_item,
            "decision.item.delete": self._decision_item,
            "decision.create": self._decide,
            "session.output_audio.fixture.play": self._play,
            "session.close": self._close,
        }
        if self._media:
            del self._handlers[_START], self._handlers["session.input_audio.append"]
        if self._transport == "sip":
            self._handlers["transport.dtmf.send"] = self._send_key
        self.recording = StereoRecording() if config.stored else None
        self._stall = self._draw("live_stall")
        self._after(_USAGE_SECONDS, self._usage)
        if (replacement := self._draw("live_replacement")) is not None:
            self._after(replacement["at"], self._context.fill)
        if not self._media:
            self._after(_NO_AUDIO_SECONDS, self._expire_unheard)

    def _start_again(self, event: Mapping[str, Any]) -> None:
        raise ApiProblem("The session has been started.", code="invalid_value", param="type")

    def _update(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        self.config.update(event["session"])
        self.emit(answering("session.updated", messages.event_id(event), session=self.view()))

    def _append(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None and self._decoder is not None
        data = messages.decode_audio(event["audio"])
        if self.config.format[0] == "audio/pcm" and len(data) % 2:
            raise ApiProblem(
                "PCM16 audio must contain an even number of bytes.", code="invalid_audio", param="audio"
            )
        pcm = self._decoder.push(data)
        self.effect(AudioIn(pcm))
        self._timeline.append(pcm, self._now)
        self._advance()

    def _mute(self, event: Mapping[str, Any]) -> None:
        self._muted = event["type"].endswith(".mute")
        kind = "session.input_audio." + ("muted" if self._muted else "unmuted")
        self.emit(answering(kind, messages.event_id(event)))

    def _inject(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        kind, content = event["type"].split(".")[1], event["content"]
        check_length(content)
        delegation = event["delegation_id"]
        if delegation is not None and delegation not in self._delegations:
            raise ApiProblem(
                f"Unknown client delegation: '{delegation}'.", code="invalid_value", param="delegation_id"
            )
        lost = self._draw("live_injection") is not None
        self._appends.add(kind, messages.event_id(event), self._timeline.position, lost=lost)
        if lost:
            return
        if kind != "instructions":
            self._acknowledging = None
        if kind == "commentary":
            self._speak(content)
        self._context.appended(kind, content)

    def _item(self, event: Mapping[str, Any]) -> None:
        self._need_backend("response.item.create")
        self._backend.add(event["item"])

    def _respond(self, event: Mapping[str, Any]) -> None:
        self._need_backend("response.create")
        self._backend.create(self._delegate_by_client)

    def _need_backend(self, kind: str) -> None:
        assert self.config is not None
        if self.config.delegation != "responses":
            raise ApiProblem(f"{kind} requires Responses delegation.", code="invalid_value", param="type")

    def _decision_item(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        if not self.config.decisions and not self.config.triggers:
            raise ApiProblem(
                f"{event['type']} requires Decisions delegation or triggers.",
                code="invalid_value",
                param="type",
            )
        self.emit(self._decisions.change(event))

    def _decide(self, event: Mapping[str, Any]) -> None:
        assert self.config is not None
        if not self.config.decisions:
            raise ApiProblem(
                f"{event['type']} requires Decisions delegation.", code="invalid_value", param="type"
            )
        self._decisions.use(event["event_id"])
        self._delegate([], client_event_id=event["event_id"])

    def _play(self, event: Mapping[str, Any]) -> None:
        """Play a fixture in place of the model's voice; the user is not heard meanwhile."""
        if self._fixture is not None:
            raise ApiProblem("An audio fixture is playing.", code="invalid_value", param="type")
        pcm = messages.decode_audio(event["audio"])
        if not pcm or len(pcm) % 2 or len(pcm) > _MAX_FIXTURE_SECONDS * RATE * 2:
            raise ApiProblem(
                f"A fixture is PCM16 mono at 24 kHz, at most {_MAX_FIXTURE_SECONDS} seconds.",
                code="invalid_audio",
                param="audio",
            )
        self._interrupt()
        self._fixture = dict(event)
        self._voice_for(Say("", sound=pcm))
        self.emit(answering("session.output_audio.fixture.playing", messages.event_id(event)))

    def _close(self, event: Mapping[str, Any]) -> None:
        self._handlers = {"session.input_audio.append": lambda event: None}
        self._is_closing = True
        self._closing = messages.event_id(event), self._now + _DRAIN_SECONDS
        self._timeline.finish()
        if self._pacing.speed:
            # The timeline stops; one more message of audio is on its way.
            self._stopped = True
            self._output.clear()
            self._after(_LAST_AUDIO_SECONDS, self._send_last)
        self._after(_DRAIN_SECONDS, self._finish)
        self._advance()

    def _send_last(self) -> None:
        self._output.add(self._voice.take()[0])
        self._send_frames()

    def _finish(self) -> None:
        """Continue the close that a client has asked for, once nothing is awaited for it."""
        if self._closing is None or (self._is_waiting and self._now < self._closing[1]):
            return
        client_event_id, self._closing = self._closing[0], None
        pause = 0.2 if self._pacing.speed else 0.0
        self._after(pause, self._fail_appends)
        self._after(3.5 * pause, lambda: self.close("close_requested", client_event_id))

    def close(self, reason: str, client_event_id: str | None = None) -> None:
        """End the session with `session.closed`.

        Args:
            reason: `close_requested`, `expired`, `content`, `remote_hangup` or `connection_lost`.
            client_event_id: The id of the event that asked for it.
        """
        if self.ended:
            return
        if self.config is not None:
            if self.config.stored and self._draw("live_storage") is not None:
                problem = ApiProblem(
                    "The session could not be stored.", type="server_error", code="session_storage_failed"
                )
                self.emit(problem.event(client_event_id))
                self.config.stored, self.recording = False, None
            usage = self._standby.usage(self._seconds(), self._now)
            fields = {"reason": reason, "session": self.view(), "usage": usage}
            self.emit(answering("session.closed", client_event_id, **fields))
        super().end(1000, reason)

    def end(self, code: int, reason: str) -> None:
        if code == INTERNAL_ERROR:
            super().end(code, reason)
        else:
            left = "remote_hangup" if self._transport == "sip" else "connection_lost"
            self.close(_ENDS.get(reason, left if reason in ("peer", "referred") else "connection_lost"))

    # Words and answers, from the driver

    def heard(self, item_id: str, transcript: Transcript | None, now: float) -> None:
        self.tick(now)
        text = transcript.text if transcript is not None and transcript.error is None else ""
        if self._hearing.heard(item_id, text):
            self._advance()

    def _understand(self, text: str, samples: int) -> None:
        """Add what the user has said to the context, and request the answer."""
        self._context.user_said(text, samples)
        self._send_words()
        if self._cues is None:
            self._ask()

    def answer(self, response_id: str, actions: Sequence[Action], now: float, *, whole: bool = True) -> None:
        self.tick(now)
        if response_id == self._asked:
            if whole:
                self._asked = None
            self._todo.extend(actions)
        elif response_id in self._requests:
            self._requests[response_id].actions.extend(actions)
            self._requests[response_id].whole = whole
            self._take_answers()
        self._advance()

    def _take_answers(self) -> None:
        """Process the answers that are complete, in the order in which they were requested."""
        while self._requests and next(iter(self._requests.values())).whole:
            request_id = next(iter(self._requests))
            done = self._requests.pop(request_id).actions
            if self._backend.answers(request_id):
                said = self._backend.answer(request_id, done)
                done = [] if said is None or self._cues is not None else [said]
            self._todo.extend(done)

    def ahead(self, response_id: str) -> int:
        return len(self._todo) if response_id == self._asked else 0

    def _turn(self, *, backend: bool) -> Turn:
        assert self.config is not None
        settings = self.config.backend
        items = self.items()
        users = [item for item in items if item.get("role") == "user"]
        return Turn(
            text=text_of(users[-1]) if users else "",
            items=items,
            session=self.view(),
            response={"tool_choice": settings.get("tool_choice", "auto")} if backend else {},
            tools=settings.get("tools", ()),
            format=self.config.format[0],
            voice=self.config.voice,
        )

    def _ask(self) -> None:
        """Request what the model says next, in place of what was requested before."""
        if self._asked is not None:
            self.effect(AnswerDropped(self._asked))
        self._asked, self._has_spoken = self.ids.new("turn"), False
        self.effect(AnswerNeeded(self._asked, self._turn(backend=False)))

    def _ask_backend(self, response_id: str) -> None:
        self._requests[response_id] = _Request()
        self.effect(AnswerNeeded(response_id, self._turn(backend=True)))

    def _speak(self, text: str) -> None:
        """Say a text as soon as it has its sound, after what is being said."""
        if self._cues is None:
            self._voice_for(Say(text))

    def _voice_for(self, said: Say) -> None:
        """Say something once it has its sound."""
        speech_id = self.ids.new("speech")
        self._requests[speech_id] = _Request()
        self.effect(SpeechNeeded(speech_id, said, self._turn(backend=False)))

    # The timeline

    def _advance(self) -> None:
        while not (self.ended or self.config is None or self._is_waiting or self._is_still):
            if self._stall is not None and self._timeline.position >= self._stall["at"] * RATE:
                self._stand_still(self._stall["seconds"])
                break
            pcm = self._timeline.step(self._now, ahead=self._is_busy)
            if pcm is None:
                break
            self._step(pcm)
        self._rest()
        self._send_frames()
        self._finish()
        while self._agenda and self._agenda[0][0] <= self._now and not self.ended:
            heapq.heappop(self._agenda)[2]()

    def _rest(self) -> None:
        """Pause the session if it has been idle for long enough."""
        if self._now < self._standby.due:
            return
        if self._is_at_work or self._is_closing:
            self._standby.active(self._now)
            return
        self._standby.pause(self._now)
        self.emit({"type": "session.paused"})

    def _stand_still(self, seconds: float | None) -> None:
        """Stop the timeline, for some time or for good."""
        self._stall, self._stopped = None, True
        if seconds is not None:
            self._after(seconds, self._move_on)

    def _move_on(self) -> None:
        if not self._is_closing:
            self._stopped = False
            self._timeline.resume(self._now)
            self._advance()

    def _due(self) -> float:
        times = [self._agenda[0][0]] if self._agenda else []
        times += [self._output.due, self._standby.due]
        if self.config is not None and not (self._is_waiting or self._is_still):
            times.append(self._timeline.deadline(ahead=self._is_busy))
        return min(times, default=math.inf)

    def _drop(self) -> None:
        self._agenda.clear()
        self._output.clear()

    def tick(self, now: float) -> None:
        if not self.ended and now >= self._expires:
            self._now = now
            self.close("expired")
        super().tick(now)

    def _after(self, seconds: float, function: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._now + seconds, next(self._order), function))

    def _unix(self) -> float:
        return self._unix_begun + self._now - self._begun

    def _seconds(self) -> float:
        return float(self._timeline.position // RATE)

    @property
    def _is_still(self) -> bool:
        """Whether the timeline was stopped."""
        return self._stopped or self._standby.paused

    @property
    def _is_at_work(self) -> bool:
        """Whether somebody speaks, or something is on its way to be said."""
        is_heard = self._hearing.is_speaking or self._hearing.is_waiting or self._hearing.has_words
        is_said = self._voice.speaking or self._todo or self._asked or self._requests or self._appends
        return bool(is_heard or is_said or self._fixture or self._backend.working)

    @property
    def _is_busy(self) -> bool:
        """Whether the timeline may run ahead of the user's audio: always in real time, otherwise while there
        is something to say."""
        has_more = self._voice.speaking or self._todo or self._appends or self._hearing.has_words
        return bool(self._pacing.speed or has_more)

    @property
    def _is_waiting(self) -> bool:
        """Whether the timeline waits for words or an answer; in real time it never does."""
        return not self._pacing.speed and bool(self._asked or self._requests or self._hearing.is_waiting)

    def _step(self, pcm: bytes) -> None:
        """Advance by 100 ms.

        Args:
            pcm: The user's audio of that time.
        """
        end = self._timeline.position
        start = end - STEP
        heard = bytes(len(pcm)) if self._muted or self._fixture else pcm
        self._hearing.listen(heard, start, end)
        if self._is_at_work:
            self._standby.active(self._now)
        if start % FRAME == 0:
            self._frame(start)
        sound, said = self._voice.take()
        if self.recording is not None:
            self.recording.add(pcm, sound.pcm)
        if said is not None:
            self._end_utterance(said)
        self._output.copy(pcm, sound.pcm, end)
        if self._timeline.catching_up and self._output.due < math.inf and not any(sound.pcm):
            return  # the track drops silence to get level
        self._output.add(sound)
        self._send_frames()

    def _end_utterance(self, said: str) -> None:
        self._context.model_said(said)
        if self._fixture is not None and not said:
            fixture, self._fixture = self._fixture, None
            self.emit(answering("session.output_audio.fixture.played", messages.event_id(fixture)))

    def follow(self, cues: Sequence[Cue] | None) -> None:
        """Do these cues from now on, in place of those before.

        Args:
            cues: The cues, of which those of the past are left out; None for a model that answers by itself,
                also what the user has said last.
        """
        self._cues = None if cues is None else deque(cue for cue in cues if cue.at_ms >= self.position_ms)
        is_at_work = self._voice.speaking or self._todo or self._backend.working or self._backend.waiting
        items = self._context.items
        if cues is None and not is_at_work and items and items[-1].get("role") == "user":
            self._ask()

    def _user_began(self) -> None:
        if self._cues is None:
            self._interrupt()

    def _interrupt(self) -> None:
        """Stop the model, because the user speaks."""
        if self._asked is not None:
            self.effect(AnswerDropped(self._asked))
            self._asked = None
        self._todo.clear()
        self._silent_until = 0
        said = self._voice.stop()
        if said:
            self._context.model_said(said)

    def _frame(self, start: int) -> None:
        """Process what is due at the start of a frame of 200 ms."""
        for done in self._appends.complete(start):
            self._send_at(f"session.{done.kind}.appended", done.start, client_event_id=done.client_event_id)
        self._send_words()
        while self._cues and self._cues[0].at_ms <= milliseconds(start):
            for action in self._cues.popleft().actions:
                if isinstance(action, Say) and speech_of(action) is None:
                    self._voice_for(action)
                else:
                    self._todo.append(action)
        while self._todo and not self._voice.speaking and start >= self._silent_until:
            self._act(self._todo.popleft(), start)
        words = self._voice.words()
        if words:
            self._send_at("session.output_transcript.delta", start, delta=words)

    def _act(self, action: Action, start: int) -> None:
        match action:
            case Say():
                self._has_spoken = True
                self._voice.say(action if isinstance(action, Utterance) else Utterance(action.text))
            case Pause(seconds):
                self._silent_until = start + int(seconds * RATE)
            case CallTool():
                calls: list[Action] = [action]
                while self._todo and isinstance(self._todo[0], CallTool):
                    calls.append(self._todo.popleft())
                self._acknowledge()
                self._delegate(calls)
            case Delegate(answers):
                assert self.config is not None
                if self.config.decisions:
                    self._acknowledge()
                try:
                    self._delegate([], answers)
                except ApiProblem as problem:
                    self.emit(problem.event())
            case Fail():
                self.emit(ApiProblem(action.message, type=action.type, code=action.code).event())

    def _acknowledge(self) -> None:
        """Say that the user has to wait, unless the model has said something or the client is quicker."""
        assert self.config is not None
        if self._has_spoken:
            return
        delay = self.config.acknowledgement_seconds
        if not delay:
            self._speak(_HOLDING)
            return
        self._acknowledging = waiting = self.ids.new("acknowledgement")

        def speak() -> None:
            if self._acknowledging == waiting:
                self._acknowledging = None
                self._speak(_HOLDING)

        self._after(delay, speak)

    def _delegate(
        self,
        actions: Sequence[Action],
        answers: Mapping[str, Any] | None = None,
        client_event_id: str | None = None,
    ) -> None:
        """Hand the work over to the backend, to decisions, or to the client."""
        assert self.config is not None
        delegation = {"id": self.ids.new("item"), "type": "delegation"}
        if (decisions := self.config.decisions) != {}:
            self._send_delegation({**delegation, "target": "decisions"}, client_event_id)
            self._decisions.decide(
                decisions["questions"],
                answers or {},
                model=decisions["model"],
                conversation=self._context.items,
                delegation=delegation["id"],
            )
            return
        if self.config.delegation == "client":
            self._delegations.add(delegation["id"])
            self._send_delegation({**delegation, "target": "client"})
            return
        if self._backend.waiting:  # an app that has missed the calls learns their ids from the refusal
            self.emit(self._backend.outputs_required().event())
            self._held.append(lambda: self._delegate(actions))
            return
        response_id = self._backend.begin(delegation["id"])
        self._send_delegation({**delegation, "response_id": response_id, "target": "responses"})
        self._backend.started()
        if actions:
            self._backend.answer(response_id, actions)
        else:
            self._ask_backend(response_id)

    def _delegate_held(self) -> None:
        """Hand over what was asked while outputs of function calls were missing."""
        if self._held:
            self._held.popleft()()

    def _delegate_by_client(self) -> None:
        """Begin a delegation because the client has asked for a response."""
        self._speak(_HOLDING)
        self._delegate([])

    def _send_delegation(self, delegation: Mapping[str, Any], client_event_id: str | None = None) -> None:
        offset = milliseconds(self._timeline.position // FRAME * FRAME)
        created = {"offset_ms": offset, "delegation": delegation}
        self.emit(answering("session.delegation.created", client_event_id, **created))

    def _send_words(self) -> None:
        """Send the user's words whose frame is over, a frame at a time."""
        for start, text in self._hearing.words(self._timeline.position):
            self._send_at("session.input_transcript.delta", start, delta=text)

    def _send_at(self, kind: str, start: int, **fields: Any) -> None:
        at = {"start_ms": milliseconds(start), "end_ms": milliseconds(start + FRAME)}
        given = {key: value for key, value in fields.items() if value is not None}
        event = self.stamped({"type": kind, **at, **given})
        self.effect(Emit(event))
        if "delta" in given:
            assert self.config is not None
            model = self.config.decisions.get("model", _DECISIONS_MODEL)
            self._decisions.trigger(
                event, self.config.triggers, model=model, conversation=self._context.items
            )

    def _send_frames(self) -> None:
        if not self.ended:
            self._output.send(self._now)

    def _usage(self) -> None:
        usage = self._standby.usage(self._seconds(), self._now)
        window = {"usage_ratio": self._context.ratio}
        self.emit({"type": "session.usage.updated", "usage": usage, "context_window": window})
        if self._context.is_full:
            self._context.shorten()
        self._after(_USAGE_SECONDS, self._usage)

    def _expire_unheard(self) -> None:
        if not self._timeline.begun:
            self.close("expired")

    def _fail_appends(self) -> None:
        """Report the appends whose injection will not be completed."""
        for append in self._appends.fail():
            problem = ApiProblem(
                "The session closed before the estimated context injection completed.",
                type="server_error",
                code="context_injection_incomplete",
            )
            self.emit(problem.event(append.client_event_id))
