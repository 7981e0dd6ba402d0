"""Conversations in which a chat model answers and others listen and speak, at endpoints served here."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import signal
import threading
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from realtime_simulator import (
    Pacing,
    Simulator,
    Turn,
    brain_at,
    call_tool,
    ears_at,
    say,
    voice_at,
)
from realtime_simulator._scenario.streaming import MOST, Sentences
from realtime_simulator._sessions.work import MOST_AHEAD

from tests.simulator.checking import in_order, message
from tests.simulator.endpoints import Answering, Asked, serving
from tests.simulator.receiver import receiving
from tests.simulator.sounds import silence, vowel
from tests.simulator.test_server import command
from tests.simulator.wire import Socket
from tests.support.rows import each
from tests.support.waiting import PATIENCE

TEXT = {"output_modalities": ["text"]}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


def answer_of(socket: Socket) -> dict[str, Any]:
    response: dict[str, Any] = socket.until("response.done")["response"]
    return response


def said(response: dict[str, Any]) -> str:
    part = response["output"][0]["content"][0]
    return str(part.get("text") or part.get("transcript"))


# Text by the sentence


@each(
    "pieces, sentences",
    [
        (["Hello there, how", " are you? I am", " fine."], ["Hello there, how are you?", " I am fine."]),
        (["It costs 3.", "50 euros. Yes."], ["It costs 3.50 euros.", " Yes."]),
        (["Mr. Smith is in the garden. He waits."], ["Mr. Smith is in the garden.", " He waits."]),
        (["你好，今天天气非常好，对不对。我们走吧。"], ["你好，今天天气非常好，对不对。", "我们走吧。"]),
        (['He said "go away now!" ', "Then he left."], ['He said "go away now!"', " Then he left."]),
        (["first line of it\n\nsecond line  "], ["first line of it", "\n\nsecond line"]),
        ([" ", ""], []),
    ],
)
def test_text_is_cut_into_sentences_that_join_to_it_again(pieces: list[str], sentences: list[str]) -> None:
    for given in (pieces, list("".join(pieces))):
        cutter = Sentences()
        cut = [sentence for piece in given for sentence in cutter.push(piece)] + cutter.flush()
        assert cut == sentences
        assert "".join(cut) == "".join(pieces).rstrip()


def test_text_without_sentence_ends_is_cut_at_a_blank() -> None:
    cutter = Sentences()
    cut = cutter.push("word " * 300) + cutter.flush()
    assert max(map(len, cut)) <= MOST and "".join(cut) == ("word " * 300).rstrip()
    assert [len(part) for part in Sentences().push("x" * 900)] == [MOST, MOST]


# A scenario that answers bit by bit


@pytest.mark.parametrize("output", ["text", "audio"])
def test_an_answer_may_come_bit_by_bit(sim: Simulator, output: str) -> None:
    async def think(turn: Turn) -> AsyncIterator[Any]:
        for piece in ("Well, let me see. ", "It is ", "sunny today. ", "Enjoy it!"):
            yield piece
        yield call_tool("note")
        yield say("Noted.")

    sim.on_response(think)
    with Socket(sim) as socket:
        socket.update(output_modalities=[output])
        socket.send("response.create")
        response = answer_of(socket)
        first, call, last = response["output"]
        assert said(response) == "Well, let me see. It is sunny today. Enjoy it!"
        assert call["name"] == "note" and last["status"] == "completed"
        name = "text" if output == "text" else "audio_transcript"
        deltas = [
            event["delta"]
            for event in socket.all(f"response.output_{name}.delta")
            if event["item_id"] == first["id"]
        ]
        assert "".join(deltas) == said(response)
        assert response["status"] == "completed"
        # It is one message: one part, one end.
        done = [one for one in socket.all("response.content_part.done") if one["item_id"] == first["id"]]
        assert len(done) == 1
        if output == "audio":
            sim.wait_for(lambda: sim.sessions[0].sent_audio == socket.audio())


def test_a_sentence_is_played_while_the_next_one_is_generated(sim: Simulator) -> None:
    more = threading.Event()

    def answer(asked: Asked, out: Answering) -> None:
        out.begin()
        out.chunk(role="assistant", content="")
        out.chunk(content="This is the first sentence. And")
        assert more.wait(PATIENCE)
        out.chunk(content=" this is the second.")
        out.write(b"data: [DONE]\n\n")

    with serving(answer) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        transcript = "".join(event["delta"] for event in socket.all("response.output_audio_transcript.delta"))
        assert "This is the first sentence. ".startswith(transcript)
        more.set()
        assert said(answer_of(socket)) == "This is the first sentence. And this is the second."


def test_an_endless_answer_is_not_far_ahead_of_its_playback(sim: Simulator) -> None:
    made: list[int] = []

    async def endless(turn: Turn) -> AsyncIterator[str]:
        while True:
            made.append(len(made))
            yield "A sentence of some length. "

    sim.on_response(endless)
    sim.on_voice(lambda text, voice: vowel(0.2))
    sim.pace(Pacing(speed=0.001))
    with Socket(sim) as socket:
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        sim.wait_for(lambda: len(made) > MOST_AHEAD)
        sim.advance(1000)  # five sentences are heard
        sim.wait_for(lambda: len(made) > MOST_AHEAD + 4)
        socket.send("response.cancel")
        assert answer_of(socket)["status"] == "cancelled"
    assert len(made) < MOST_AHEAD + 12


# The brain


def test_the_brain_gets_the_conversation_and_calls_tools(sim: Simulator) -> None:
    def answer(asked: Asked, out: Answering) -> None:
        if len(brain.asked) > 1:
            out.text("It is ", "sunny.")
            return
        out.begin()
        call = {"index": 0, "id": "x", "function": {"name": "get_weather", "arguments": ""}}
        out.chunk(tool_calls=[call])
        for piece in ('{"city": ', '"Rome"}'):
            out.chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}])
        out.write(b'data: {"choices": [], "usage": {}}\n\ndata: [DONE]\n\n')

    with serving(answer) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "llama", key="sk-brain"))
        socket.update(**TEXT, instructions="Be brief.", tools=[WEATHER])
        picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
        socket.send(
            "conversation.item.create",
            item=message([{"type": "output_text", "text": "Hello!"}], role="assistant"),
        )
        item = message([{"type": "input_text", "text": "The weather here?"}, picture])
        socket.send("conversation.item.create", item=item)
        socket.send("response.create", response={"tool_choice": {"type": "function", "name": "get_weather"}})
        call = answer_of(socket)["output"][0]
        assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "Rome"})
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        socket.send("conversation.item.create", item=output)
        socket.send("response.create")
        assert said(answer_of(socket)) == "It is sunny."
    first, second = brain.asked
    assert first.path == "/v1/chat/completions" and first.headers["authorization"] == "Bearer sk-brain"
    asked = first.json()
    assert (asked["model"], asked["stream"]) == ("llama", True)
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    [tool] = asked["tools"]
    assert tool == {"type": "function", "function": {key: WEATHER[key] for key in WEATHER if key != "type"}}
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Hello!"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The weather here?"},
                {"type": "image_url", "image_url": {"url": picture["image_url"]}},
            ],
        },
    ]
    assert second.json()["tool_choice"] == "auto"
    made, tool_output = second.json()["messages"][3:]
    function = {"name": "get_weather", "arguments": '{"city": "Rome"}'}
    assert made["tool_calls"] == [{"id": call["call_id"], "type": "function", "function": function}]
    assert tool_output == {"role": "tool", "tool_call_id": call["call_id"], "content": "sunny"}


def test_the_brain_gets_spoken_words_but_no_call_without_output(sim: Simulator) -> None:
    with serving(lambda asked, out: out.text("Fine.")) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        sim.on_speech(lambda heard: "How are you?")
        socket.update(**TEXT)
        call = {"type": "function_call", "call_id": "call_1", "name": "x", "arguments": "{}"}
        socket.send("conversation.item.create", item=call)
        socket.append(silence(0.3) + vowel() + silence(1))
        assert said(answer_of(socket)) == "Fine."
    assert "authorization" not in brain.asked[0].headers
    assert brain.asked[0].json()["messages"][1:] == [{"role": "user", "content": "How are you?"}]


def test_a_brain_that_does_not_stream_answers_too(sim: Simulator) -> None:
    calls = [{"function": {"name": "get_weather", "arguments": ""}}]
    choice = {"message": {"content": "Let me look.", "tool_calls": calls}}
    body = json.dumps({"choices": [choice]}, indent=1).encode()
    with serving(lambda asked, out: out.whole(body)) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(f"{brain.url}/chat/completions", "m", key=""))
        socket.update(**TEXT, tools=[WEATHER])
        socket.send("response.create")
        first, call = answer_of(socket)["output"]
    assert brain.asked[0].path == "/v1/chat/completions"
    assert first["content"][0]["text"] == "Let me look." and call["arguments"] == "{}"


@pytest.mark.slow
def test_cancelling_in_the_middle_of_a_sentence_stops_the_brain(sim: Simulator) -> None:
    gone = threading.Event()

    def answer(asked: Asked, out: Answering) -> None:
        out.begin()
        out.chunk(content="The first sentence is here. The second")
        if out.until_gone():
            gone.set()

    sim.pace(Pacing(speed=0.5))
    with serving(answer) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        socket.send("response.create")
        socket.until("response.output_audio.delta")
        socket.send("response.cancel")
        response = answer_of(socket)
        assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "client_cancelled")
        assert response["output"][0]["status"] == "incomplete"
        assert gone.wait(PATIENCE)
        # The next turn is as usual.
        brain.answer = lambda asked, out: out.text("Again.")
        sim.pace(Pacing())
        socket.send("response.create")
        assert said(answer_of(socket)) == "Again."
        history = brain.asked[-1].json()["messages"]
        assert history[-1]["role"] == "assistant" and "The first sentence is here.".startswith(
            history[-1]["content"].strip()
        )


def test_cancelling_before_the_first_word_stops_the_brain(sim: Simulator) -> None:
    gone, came = threading.Event(), threading.Event()

    def answer(asked: Asked, out: Answering) -> None:
        out.begin()
        came.set()
        if out.until_gone():
            gone.set()

    with serving(answer) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        socket.send("response.create")
        assert came.wait(PATIENCE)
        socket.send("response.cancel")
        response = answer_of(socket)
        assert response["status"] == "cancelled" and response["output"] == []
        assert gone.wait(PATIENCE)


def test_a_limit_of_tokens_stops_the_brain(sim: Simulator) -> None:
    gone = threading.Event()

    def answer(asked: Asked, out: Answering) -> None:
        out.begin()
        with contextlib.suppress(OSError):  # the client goes as soon as it has enough
            for _ in range(20):
                out.chunk(content="Some more words come here. ")
        if out.until_gone():
            gone.set()

    with serving(answer) as brain, Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        socket.update(**TEXT)
        socket.send("response.create", response={"max_output_tokens": 10})
        response = answer_of(socket)
        assert (response["status"], response["status_details"]["reason"]) == (
            "incomplete",
            "max_output_tokens",
        )
        assert gone.wait(PATIENCE)


def refused(asked: Asked, out: Answering) -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-brain"}}
    out.whole(json.dumps(body).encode(), 401)


def crashed(asked: Asked, out: Answering) -> None:
    out.whole(b"<html>gateway</html>", 502, "text/html")


def silent(asked: Asked, out: Answering) -> None:
    out.closing.wait()


def broken_off(asked: Asked, out: Answering) -> None:
    out.begin()
    out.chunk(content="I was about to say. But")
    out.write(b'data: {"error": {"message": "out of memory"}}\n\n')


def nonsense(asked: Asked, out: Answering) -> None:
    out.begin()
    out.write(b"data: nonsense\n\n")


def moved(asked: Asked, out: Answering) -> None:
    out.whole(b"", 307)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refused, "the brain answered 401: Incorrect API key provided: …"),
        (crashed, "the brain answered 502: <html>gateway</html>"),
        (silent, "the brain sent nothing for 0.2 s"),
        (broken_off, "the brain failed: out of memory"),
        (nonsense, "the brain sent invalid JSON: b'nonsense'"),
        (moved, "the brain answered 307"),
    ],
)
def test_a_brain_that_fails_or_hangs_only_fails_the_response(
    sim: Simulator, answer: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answer) as brain, Socket(sim) as socket:
        limit = 0.2 if answer is silent else PATIENCE
        sim.on_response(brain_at(brain.url, "m", key="sk-brain", timeout=limit), times=1)
        socket.send("response.create")
        response = answer_of(socket)
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["message"] == f"RemoteError: {why}"
        assert [item["status"] for item in response["output"]] == ["incomplete"] * (answer is broken_off)
        socket.user_says("hello")
        sim.on_response("Still here.")
        socket.send("response.create")
        assert said(answer_of(socket)) == "Still here."
    assert "sk-brain" not in caplog.text


def test_an_unreachable_brain_is_named(sim: Simulator) -> None:
    with serving(crashed) as brain:
        pass
    with Socket(sim) as socket:
        sim.on_response(brain_at(brain.url, "m", key=""))
        socket.send("response.create")
        error = answer_of(socket)["status_details"]["error"]
    assert error["message"].startswith("RemoteError: the brain can't be reached: ConnectError")


@each("make", [lambda url: brain_at(url, "m"), ears_at, voice_at])
@each("url", ["", "localhost:11434", "ftp://x/v1", "http://"])
def test_an_invalid_address_is_refused_at_once(make: Any, url: str) -> None:
    with pytest.raises(ValueError, match="http or https URL"):
        make(url)
    with pytest.raises(ValueError, match="model"):
        brain_at("http://127.0.0.1/v1", "")


def test_no_key_is_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    for made in (brain_at("http://127.0.0.1/v1", "m"), ears_at("http://127.0.0.1/v1", key="sk-env")):
        assert "sk-env" not in repr(made)


# Ears and voice


def test_ears_get_a_wav_file_and_the_language(sim: Simulator) -> None:
    with serving(lambda asked, out: out.whole(b'{"text": " Good morning. "}')) as ears, Socket(sim) as socket:
        sim.on_speech(ears_at(ears.url, "whisper", key="sk-ears"))
        transcription = {"model": "gpt-4o-transcribe", "language": "en"}
        socket.update(**TEXT, audio={"input": {"transcription": transcription}})
        socket.append(silence(0.3) + vowel() + silence(1))
        completed = socket.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "Good morning."
    [asked] = ears.asked
    assert asked.path == "/v1/audio/transcriptions" and asked.headers["authorization"] == "Bearer sk-ears"
    for field, value in (("model", b"whisper"), ("language", b"en"), ("response_format", b"json")):
        assert f'name="{field}"\r\n\r\n'.encode() + value in asked.body
    start = asked.body.index(b"RIFF")
    with wave.open(io.BytesIO(asked.body[start:])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() > 24_000


@each("body", [b"nonsense", b"[]", b"{}"])
def test_an_unexpected_response_of_the_ears_fails_the_transcript(sim: Simulator, body: bytes) -> None:
    with serving(lambda asked, out: out.whole(body)) as ears, Socket(sim) as socket:
        sim.on_speech(ears_at(ears.url, key=""))
        socket.update(**TEXT, audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
        socket.append(silence(0.3) + vowel() + silence(1))
        failed = socket.until("conversation.item.input_audio_transcription.failed")
        assert "the ears did not answer with a transcription" in failed["error"]["message"]


def wav(pcm: bytes, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return out.getvalue()


@each("form", ["pcm", "wav"])
def test_a_voice_speaks_sentence_by_sentence(sim: Simulator, form: str) -> None:
    sound = vowel(0.4)
    body = sound if form == "pcm" else wav(sound, 24_000)
    with serving(lambda asked, out: out.whole(body, kind="audio/pcm")) as voice, Socket(sim) as socket:

        async def two(turn: Turn) -> AsyncIterator[str]:
            yield "This is the first sentence. This is the second."

        sim.on_response(two)
        sim.on_voice(voice_at(voice.url, "kokoro", key=""))
        socket.update(audio={"output": {"voice": "cedar"}})
        socket.send("response.create")
        response = answer_of(socket)
        assert said(response) == "This is the first sentence. This is the second."
        assert socket.audio() == sound + sound
    asked = [one.json() for one in voice.asked]
    assert voice.asked[0].path == "/v1/audio/speech"
    assert [one["input"] for one in asked] == ["This is the first sentence.", "This is the second."]
    assert {(one["model"], one["voice"], one["response_format"]) for one in asked} == {
        ("kokoro", "cedar", "pcm")
    }


def test_a_voice_in_python_is_a_function_of_text_and_name(sim: Simulator) -> None:
    heard: list[tuple[str, str, bool]] = []
    main = threading.main_thread()

    def speak(text: str, voice: str) -> bytes:
        heard.append((text, voice, threading.current_thread() is main))
        return vowel(0.1)

    async def speak_later(text: str, voice: str) -> bytes:
        return speak(text, voice) * 2

    with Socket(sim) as socket:
        sim.on_response("Hello.")
        for voice, times in ((speak, 1), (speak_later, 2)):
            sim.on_voice(voice)
            socket.send("response.create")
            answer_of(socket)
            assert socket.audio() == vowel(0.1) * times
            socket.events.clear()
        sim.on_voice(None)
        socket.send("response.create")
        answer_of(socket)
        assert len(socket.audio()) > len(vowel(0.1))
    assert heard == [("Hello.", "alloy", False)] * 2


@each(
    "made, why",
    [("text", "expected PCM16"), (b"", "it is empty"), (b"abc", "two bytes per sample"), (None, "NoneType")],
)
def test_a_voice_that_makes_no_sound_fails_the_response(sim: Simulator, made: Any, why: str) -> None:
    sim.on_voice(lambda text, voice: made)
    with Socket(sim) as socket:
        socket.send("response.create")
        response = answer_of(socket)
    assert response["status"] == "failed" and why in response["status_details"]["error"]["message"]


@pytest.mark.early
@pytest.mark.slow
def test_an_interruption_keeps_the_heard_part_of_two_sentences(sim: Simulator) -> None:
    async def two(turn: Turn) -> AsyncIterator[str]:
        yield "This is the first sentence. This is the second."

    sim.on_response(two)
    sim.on_voice(lambda text, voice: vowel(1 if "first" in text else 3))
    with receiving() as receiver:
        call = sim.incoming_call(receiver.url, audio=silence(0.2) + vowel(0.5) + silence(3.2) + vowel(0.5))
        accept = f"{sim.base_url}/realtime/calls/{call.id}/accept"
        httpx.post(accept, json={"type": "realtime"}, headers={"authorization": f"Bearer {sim.api_key}"})
        truncated = "conversation.item.truncated"
        sim.wait_for(lambda: truncated in call.session.types_sent())
    [event] = [event for event in call.session.sent if event["type"] == truncated]
    assert 1000 < event["audio_end_ms"] < 4000
    assert in_order(["output_audio_buffer.started", "output_audio_buffer.cleared"], call.session.types_sent())


def test_a_custom_voice_speaks_g711_too(sim: Simulator) -> None:
    sim.on_voice(lambda text, voice: vowel(0.5))
    with Socket(sim) as socket:
        socket.update(audio={"output": {"format": {"type": "audio/pcmu"}}})
        socket.send("response.create")
        answer_of(socket)
        deltas = socket.all("response.output_audio.delta")
    assert sum(len(base64.b64decode(event["delta"])) for event in deltas) == 4_000


# The command


@pytest.mark.programs
def test_the_command_converses_with_keys_from_the_environment(tmp_path: Path) -> None:
    def answer(asked: Asked, out: Answering) -> None:
        if asked.path.endswith("/audio/speech"):
            out.whole(vowel(0.2), kind="audio/pcm")
        elif asked.path.endswith("/audio/transcriptions"):
            out.whole(b'{"text": "Hello?"}')
        else:
            out.text("Hello, this is the brain.")

    scenario = tmp_path / "play.yaml"
    scenario.write_text("responses: [{match: rule, say: From the file.}]")
    with serving(answer) as endpoint:
        words = (
            "--brain",
            endpoint.url,
            "--brain-model",
            "llama",
            "--ears",
            endpoint.url,
            "--voice",
            endpoint.url,
        )
        more = ("--ears-model", "whisper", "--voice-model", "kokoro", "--scenario", str(scenario))
        keys = {"OPENAI_API_KEY": "sk-all", "VOICE_API_KEY": "sk-voice"}
        with command("--port", "0", "--json", *words, *more, **keys) as process:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            with Socket(facts["base_url"], key=facts["api_key"]) as socket:
                socket.append(silence(0.3) + vowel() + silence(1))
                assert said(answer_of(socket)) == "Hello, this is the brain."
                assert socket.audio() == vowel(0.2)
                socket.user_says("the rule")
                socket.send("response.create")
                assert said(answer_of(socket)) == "From the file."
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=PATIENCE)
    asked = {one.path.rpartition("/")[2]: one for one in endpoint.asked[:3]}
    assert {name: one.headers["authorization"] for name, one in asked.items()} == {
        "transcriptions": "Bearer sk-all",
        "completions": "Bearer sk-all",
        "speech": "Bearer sk-voice",
    }
    assert asked["completions"].json()["model"] == "llama" and asked["speech"].json()["model"] == "kokoro"
    assert b"whisper" in asked["transcriptions"].body
    assert "sk-all" not in out
