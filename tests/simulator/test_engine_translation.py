from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from realtime_simulator import Pacing
from realtime_simulator._core.ids import Ids
from realtime_simulator._engine.config import TranslationConfig
from realtime_simulator._engine.effects import Emit, End, HearingNeeded, TranslationNeeded
from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.settings import SessionSettings
from realtime_simulator._engine.translation import TranslationSession
from realtime_simulator._engine.turn import AT_ONCE, Action, Fail, Transcript

from tests.simulator.checking import fits, speech, types
from tests.simulator.sounds import hiss, silence, vowel
from tests.support.rows import each

UNION = "RealtimeTranslationServerEvent"


class Translated:
    """A translation session driven by hand, every event of which is checked against its schema."""

    def __init__(self, session: Mapping[str, Any] | None = None, pacing: Pacing = AT_ONCE) -> None:
        config = TranslationConfig("sess_1", 2_000_000_000, session)
        self.now = 100.0
        settings = SessionSettings(pacing=pacing)
        self.session = TranslationSession(config, Ids(seed=1), self.now, settings)
        self.others: list[Any] = []

    def take(self) -> list[dict[str, Any]]:
        events = []
        for effect in self.session.take():
            if isinstance(effect, Emit):
                fits(effect.event, UNION)
                events.append(dict(effect.event))
            elif isinstance(effect, HearingNeeded | TranslationNeeded | End):
                self.others.append(effect)
        return events

    def send(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        self.session.receive({"type": type, **fields}, self.now)
        return self.take()

    def append(self, pcm: bytes) -> list[dict[str, Any]]:
        return self.send("session.input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def hear(self, text: str, error: str | None = None) -> list[dict[str, Any]]:
        spoken = next(effect for effect in reversed(self.others) if isinstance(effect, HearingNeeded))
        self.session.heard(spoken.item_id, Transcript(text, error=error), self.now)
        return self.take()

    def answer(self, action: Action) -> list[dict[str, Any]]:
        needed = self.others[-1]
        assert isinstance(needed, TranslationNeeded)
        self.session.answer(needed.spoken_id, [action], self.now)
        return self.take()

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        self.now += seconds
        self.session.tick(self.now)
        return self.take()


def spanish(**fields: Any) -> dict[str, Any]:
    audio = {"output": {"language": "es"}, "input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    return {"model": "gpt-realtime-translate", "audio": audio, **fields}


def test_the_greeting_shows_the_session() -> None:
    it = Translated(spanish())
    created = it.session.greeting()
    fits(created, UNION)
    assert created["session"]["audio"]["output"]["language"] == "es"
    assert created["session"]["type"] == "translation"


def test_speech_is_translated_to_the_other_language() -> None:
    it = Translated(spanish())
    assert it.append(silence(2) + vowel() + silence()) == []
    heard = it.hear("good morning")
    assert types(heard) == ["session.input_transcript.delta"] * 2
    assert heard[0]["elapsed_ms"] == pytest.approx(1700, abs=60)
    assert it.others[-1].text == "good morning" and it.others[-1].language == "es"
    events = it.answer(Utterance("buenos días", speech=speech(milliseconds=1000)))
    words = [event["delta"] for event in events if event["type"] == "session.output_transcript.delta"]
    sound = [event for event in events if event["type"] == "session.output_audio.delta"]
    assert "".join(words) == "buenos días"
    assert sum(len(base64.b64decode(event["delta"])) for event in sound) == 48000
    assert [event["elapsed_ms"] - sound[0]["elapsed_ms"] for event in sound] == [0, 200, 400, 600, 800]


def test_hiss_is_not_translated() -> None:
    it = Translated()
    assert it.append(silence() + hiss(3) + silence()) == [] and it.others == []


def test_without_transcription_only_the_translation_is_sent() -> None:
    it = Translated()
    it.append(vowel() + silence())
    assert it.hear("good morning") == []
    assert it.others[-1].language == "en"


def test_an_update_changes_what_it_names() -> None:
    it = Translated(spanish())
    shown = it.send("session.update", session={"audio": {"output": {"language": "de"}}})[0]["session"]
    assert shown["audio"]["output"]["language"] == "de"
    assert shown["audio"]["input"]["transcription"] == {"model": "gpt-4o-transcribe"}
    shown = it.send("session.update", session={"audio": {"input": {"transcription": None}}})[0]["session"]
    assert shown["audio"]["input"]["transcription"] is None
    assert shown["audio"]["output"]["language"] == "de"


@each(
    "event, code",
    [
        ({"type": "response.create"}, "invalid_value"),
        ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_value"),
        ({"type": "session.update", "session": {"instructions": "x"}}, "unknown_parameter"),
        ({"type": "session.input_audio_buffer.append", "audio": "*"}, "invalid_value"),
        ({"type": "session.input_audio_buffer.append"}, "missing_required_parameter"),
    ],
)
def test_events_of_other_sessions_and_bad_ones_are_refused(event: dict[str, Any], code: str) -> None:
    it = Translated()
    (error,) = it.send(**event, event_id="e1")
    assert (error["error"]["code"], error["error"]["event_id"]) == (code, "e1")


def test_closing_waits_for_pending_translations() -> None:
    it = Translated()
    it.append(vowel())  # still speaking
    assert it.send("session.close") == []
    assert it.append(vowel())[0]["error"]["code"] == "session_closing"
    assert it.hear("adiós") == []
    events = it.answer(Utterance("goodbye", speech=speech()))
    assert types(events)[-1] == "session.closed" and "session.output_audio.delta" in types(events)
    assert it.others[-1] == End(1000, "session closed")


def test_closing_without_speech() -> None:
    it = Translated()
    assert types(it.send("session.close")) == ["session.closed"]
    assert it.session.ended


@each("text", ["", "x"])
def test_speech_without_words_or_translation_leaves_the_session_open(text: str) -> None:
    it = Translated()
    it.append(vowel() + silence())
    events = it.hear(text)
    if text:
        events = it.answer(Fail())
        assert events[0]["error"]["code"] == "translation_failed"
    else:
        assert events == []
    assert types(it.send("session.close")) == ["session.closed"]


def test_failed_hearing_is_an_error() -> None:
    it = Translated()
    it.append(vowel() + silence())
    assert it.hear("", "KeyError: x")[0]["error"]["code"] == "translation_failed"


def test_translations_follow_each_other_at_their_pace() -> None:
    it = Translated(pacing=Pacing(first_audio=0.5, speed=1))
    for text in ("one", "two"):
        it.append(vowel() + silence())
        it.hear(text)
        assert it.answer(Utterance(text, speech=speech(milliseconds=400))) == []
    got = [it.wait(0.25) for _ in range(8)]
    said = [event["delta"] for events in got for event in events if "transcript" in event["type"]]
    assert said == ["one", "two"]
    assert [len(events) for events in got] == [0, 2, 1, 0, 0, 2, 1, 0]


def test_a_session_expires_in_the_middle_of_a_translation() -> None:
    it = Translated(pacing=Pacing(speed=1))
    it.append(vowel() + silence())
    it.hear("one")
    it.answer(Utterance("one", speech=speech(milliseconds=4000)))
    it.now += 3600
    it.session.tick(it.now)
    assert it.take()[-1]["error"]["code"] == "session_expired"
    assert (
        it.others[-1] == End(1001, "Your session hit the maximum duration of 60 minutes.")
        and it.session.deadline() is None
    )
