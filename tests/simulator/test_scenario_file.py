"""What a scenario has beyond words: pauses, groups, sound files, failing transcripts, callers, the time."""

from __future__ import annotations

import asyncio
import json
import re
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from realtime_simulator import (
    CallTool,
    Fail,
    Pause,
    Say,
    ScenarioError,
    Simulator,
    call_mcp,
    call_tool,
    pause,
    say,
    sequence,
)
from realtime_simulator._core.clock import read_time
from realtime_simulator._scenario import expressions
from realtime_simulator._scenario.rules import Script
from realtime_simulator._scenario.scenario_file import parse
from realtime_simulator._scenario.tool_arguments import fitting

from tests.simulator.receiver import Receiver, receiving
from tests.simulator.sounds import silence, vowel
from tests.simulator.test_scenario import ask, turn
from tests.simulator.wire import Socket
from tests.support.rows import each

TEXT = {"output_modalities": ["text"]}
TRANSCRIBED = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
TRANSCRIPT = "conversation.item.input_audio_transcription"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


def written(path: Path, pcm: bytes, rate: int = 24_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


def script_of(text: str) -> Script:
    script = Script()
    for rule in reversed(parse(text).rules):
        script.add(rule.answer, rule.match, rule.times, rule.delay)
    return script


# Pauses


def test_an_answer_may_be_late_and_parts_of_it_too() -> None:
    script = script_of(
        """
        responses:
          - {match: slow, say: Here., delay: 2}
          - match: both
            all: [{say: One.}, {say: Two., delay: 1.5}]
          - match: now
            steps: [{call_tool: t, delay: 0.5}, {say: Later.}]
            delay: 3
        """
    )
    assert ask(script, turn("slow")) == [Pause(2), Say("Here.")]
    assert ask(script, turn("both")) == [Say("One."), Pause(1.5), Say("Two.")]
    assert ask(script, turn("now")) == [Pause(3), Pause(0.5), CallTool("t", "{}")]
    assert ask(script, turn("now")) == [Pause(3), Say("Later.")]


def test_a_pause_ends_with_the_simulators_time_and_with_a_cancel(sim: Simulator) -> None:
    sim.on_response("Finally.", delay=1000)
    with Socket(sim) as socket:
        socket.update(**TEXT)
        socket.send("response.create")
        socket.until("response.created")
        sim.advance(1001)
        assert socket.until("response.done")["response"]["status"] == "completed"
        socket.send("response.create")
        socket.until("response.created")
        socket.send("response.cancel")
        done = socket.until("response.done")["response"]
        assert (done["status"], done["output"]) == ("cancelled", [])
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="seconds: a number of at least 0"):
            pause(wrong)
        with pytest.raises(ValueError, match="seconds: a number of at least 0"):
            sim.on_response("x", delay=wrong)


def test_a_streamed_answer_may_be_late() -> None:
    async def one(turn: Any) -> Any:
        yield "x"

    async def main() -> list[Any]:
        script = Script()
        script.add(one, delay=2)
        answer = await script(turn("x"))
        return [part async for part in answer]  # type: ignore[union-attr]

    assert asyncio.run(main()) == [Pause(2), "x"]


# Groups


def test_the_groups_of_a_match_are_put_into_the_answer() -> None:
    script = script_of(
        r"""
        responses:
          - match: 'room (\w+) for (?P<nights>\d+) nights(, please)?'
            all:
              - {say: "Room {1}, {nights} nights{3}."}
              - {call_tool: book, arguments: {room: "{1}"}}
              - {call_tool: book, arguments: '{"nights": {nights}}'}
              - {call_mcp: shop, name: buy, arguments: {n: "{2}"}, output: "bought {2}"}
              - {fail: no_room, message: "No {1}."}
          - match: 'say (.+)'
            steps: [{say: "{1}!"}, {call_tool: t, arguments: {text: "{1}"}}]
        """
    )
    answer = ask(script, turn("Room Seven for 3 nights"))
    assert answer == [
        Say("Room Seven, 3 nights."),
        call_tool("book", {"room": "Seven"}),
        CallTool("book", '{"nights": 3}'),
        call_mcp("shop", "buy", {"n": "3"}, output="bought 3"),
        Fail("no_room", "No Seven."),
    ]
    assert ask(script, turn("say hello")) == [Say("hello!")]
    quoted = ask(script, turn('say "no" \\'))
    assert json.loads(quoted[0].arguments) == {"text": '"no" \\'}


@each(
    "answer, message",
    [
        ("say: 'Room {room}, {0}'", r"responses[0].say: the match has no group 'room'; it has 1, nights"),
        ("say: '{night}'", "no group 'night'; it has 1, nights; did you mean 'nights'?"),
        ("{call_tool: book, arguments: {name: ['{2}']}}", "responses[0].arguments.name[0]: the match has"),
        ("{call_tool: book, arguments: '{\"n\": {2}}'}", "responses[0].arguments: the match has no"),
        ("{call_mcp: s, name: n, output: '{2}'}", "responses[0].output: "),
        ("{fail: x, message: '{2}'}", "responses[0].message: "),
        ("all: [{say: '{1}'}, {say: '{2}'}]", "responses[0].all[1].say: "),
        ("steps: [{all: [{say: '{2}'}]}]", "responses[0].steps[0].all[0].say: "),
    ],
)
def test_a_group_that_the_match_does_not_have_is_refused(answer: str, message: str) -> None:
    rule = answer if answer.startswith("{") else "{" + answer + "}"
    match = "match: '(?P<nights>\\d+) nights', "
    with pytest.raises(ScenarioError, match="^play.yaml, line 3: .*" + re.escape(message)):
        parse("responses:\n\n  - {" + match + rule[1:], "play.yaml")
    with pytest.raises(ScenarioError, match="it has none"):
        parse("responses: [{match: nights, say: '{nights}'}]")


def test_an_answer_without_groups_stays_as_it_is() -> None:
    script = Script()
    script.add("A {1} and {x}.", match="plain")
    script.add(lambda turn: "{1}", match="(function)")
    script.add(sequence("{1}"), match="(sequence)")
    assert ask(script, turn("plain")) == "A {1} and {x}."
    assert ask(script, turn("function")) == "{1}"
    assert ask(script, turn("sequence")) == [Say("sequence")]


def test_a_call_with_groups_is_not_made_again_once_its_output_is_in() -> None:
    script = script_of("responses: [{match: 'book (\\w+)', call_tool: book, arguments: {what: '{1}'}}]")
    [call] = ask(script, turn("book it"))
    made = {"type": "function_call", "name": "book", "call_id": "c", "arguments": call.arguments}
    output = {"type": "function_call_output", "call_id": "c", "output": "ok"}
    assert ask(script, turn("book it", made, output)) == Say("book answered: ok")


# Expressions that would never end

ENDLESS = [
    r"(a+)+$",
    r"(a|aa)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(.*a){20}$",
    r"(?:a?){40}a{40}b",
    r"(a+)+\1b",
]


@pytest.mark.parametrize("pattern", ENDLESS)
@pytest.mark.slow
def test_an_expression_that_would_never_end_fails_the_response_alone(
    sim: Simulator, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expressions, "SECONDS", 0.2)
    sim.play_scenario(f"responses:\n  - {{match: '{pattern}', say: x}}\n  - {{match: '{pattern}', say: y}}\n")
    with Socket(sim) as socket, Socket(sim) as other:
        socket.update(**TEXT)
        socket.user_says("a" * 5_000 + "!")
        socket.send("response.create")
        done = socket.until("response.done")["response"]
        assert done["status"] == "failed"
        assert "takes too long to search for" in done["status_details"]["error"]["message"]
        other.update(**TEXT)
        other.send("response.create")
        assert other.until("response.done")["response"]["status"] == "completed"


def test_all_expressions_of_a_turn_share_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SECONDS", 0.0)
    script = Script()
    script.add("x", match="x")
    with pytest.raises(TimeoutError, match="'x' takes too long"):
        ask(script, turn("x"))


def test_a_tools_pattern_that_would_never_end_is_given_up() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}},
        "required": ["x"],
    }
    found = fitting(schema, " ".join(["a" * 200 + "!"] * 200))
    assert found in ({}, {"x": "a"})


def test_expressions_are_pythons() -> None:
    script = Script()
    script.add("x", match=r"(?i)^(?P<a>\w+) (?=b)(?:b|c)\b(?<!d)")
    assert ask(script, turn("A b")) == [Say("x")]
    with pytest.raises(ValueError, match=r"match: '\(' is not a regular expression: missing \)"):
        script.add("x", match="(")


# Sound files


def test_the_model_may_speak_from_a_file(sim: Simulator, tmp_path: Path) -> None:
    sound = vowel(0.5)
    written(tmp_path / "hello.wav", sound)
    path = tmp_path / "play.yaml"
    path.write_text(
        "responses:\n  - {match: loud, say: {wav: hello.wav}}\n  - say: {wav: hello.wav, text: Hello.}\n"
    )
    sim.load_scenario(path)
    with Socket(sim) as socket:
        socket.send("response.create")
        item = socket.until("response.done")["response"]["output"][0]
        assert item["content"][0]["transcript"] == "Hello."
        assert socket.audio() == sound
        socket.user_says("loud")
        socket.send("response.create", response={"output_modalities": ["text"]})
        item = socket.until("response.done")["response"]["output"][0]
        assert item["content"][0]["text"] == "" and item["status"] == "completed"


def test_a_file_may_have_any_rate_and_python_gives_samples(sim: Simulator, tmp_path: Path) -> None:
    sim.on_response(
        say("From a file.", audio=written(tmp_path / "low.wav", vowel(0.5)[:8_000], 8_000)), match="file"
    )
    sim.on_response(say("Samples.", audio=vowel(0.2)), match="samples")
    with Socket(sim) as socket:
        for text, size in (("file", 24_000), ("samples", 9_600)):
            socket.events.clear()
            socket.user_says(text)
            socket.send("response.create")
            socket.until("response.done")
            assert len(socket.audio()) == pytest.approx(size, abs=960)
    with pytest.raises(ValueError, match="it is empty"):
        say("x", audio=b"")


# What users say


def test_a_transcript_may_fail_or_be_late(sim: Simulator) -> None:
    sim.play_scenario(
        """
        heard:
          - {text: The first., delay: 1000}
          - {text: The second., fail: The line was too noisy., code: audio_unintelligible}
          - {fail: Again.}
          - The last.
        """
    )
    with Socket(sim) as socket:
        socket.update(**TEXT, **TRANSCRIBED)
        spoken = silence(0.3) + vowel() + silence(1)
        socket.append(spoken)
        # The model has heard it all the same.
        answer = socket.until("response.done")["response"]["output"][0]["content"][0]["text"]
        assert answer == "You said: The first." and f"{TRANSCRIPT}.completed" not in socket.types()
        sim.advance(1001)
        assert socket.until(f"{TRANSCRIPT}.completed")["transcript"] == "The first."
        socket.append(spoken)
        failed = socket.until(f"{TRANSCRIPT}.failed")["error"]
        assert (failed["code"], failed["message"]) == ("audio_unintelligible", "The line was too noisy.")
        socket.append(spoken)
        assert socket.until(f"{TRANSCRIPT}.failed")["error"]["message"] == "Again."
        socket.append(spoken)
        assert socket.until(f"{TRANSCRIPT}.completed")["transcript"] == "The last."


# Callers


def accepted(sim: Simulator, receiver: Receiver) -> Any:
    call = sim.incoming_call(receiver.url)
    act(sim, call.id, "accept", type="realtime")
    return call


def act(sim: Simulator, call_id: str, what: str, **fields: Any) -> None:
    url = f"{sim.base_url}/realtime/calls/{call_id}/{what}"
    response = httpx.post(url, json=fields, headers={"authorization": f"Bearer {sim.api_key}"})
    assert response.status_code == 200, response.text


def keys_of(call: Any) -> str:
    dtmf = "input_audio_buffer.dtmf_event_received"
    return "".join(event["event"] for event in call.session.sent if event["type"] == dtmf)


@pytest.mark.slow
def test_a_caller_presses_keys_speaks_and_hangs_up(
    sim: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    written(tmp_path / "question.wav", vowel(1))
    sim.play_scenario(
        """
        clock: 2026-01-15T12:00:00Z
        caller:
          - {press: "12#", delay: 100}
          - say: {wav: question.wav}
          - {hang_up: true, delay: 100}
        """,
        folder=tmp_path,
    )
    call = accepted(sim, receiver)
    assert keys_of(call) == ""
    sim.advance(101)
    sim.wait_for(lambda: keys_of(call) == "12#")
    received = [event for event in call.session.sent if "dtmf" in event["type"]]
    assert received[0]["received_at"] in (1768478499, 1768478500)
    sim.wait_for(lambda: "input_audio_buffer.speech_stopped" in call.session.types_sent())
    assert call.ended is None
    sim.advance(101)
    sim.wait_for(lambda: call.ended == "peer")


def test_keys_are_pressed_from_python_and_over_http(sim: Simulator, receiver: Receiver) -> None:
    call = accepted(sim, receiver)
    sim.press(call, "0A*")
    origin = sim.base_url.removesuffix("/v1")
    headers = {"authorization": f"Bearer {sim.api_key}"}
    press = f"{origin}/simulator/calls/{call.id}/press"
    assert httpx.post(press, json={"keys": "9"}, headers=headers).status_code == 200
    assert keys_of(call) == "0A*9"
    for wrong in ("", "x", "1 2", "1" * 65, 7):
        with pytest.raises(ValueError, match="keys: allowed are 1 to 64"):
            sim.press(call, wrong)  # type: ignore[arg-type]
    assert httpx.post(press, json={}, headers=headers).status_code == 400
    ringing = sim.incoming_call(receiver.url)
    for none in (ringing, "rtc_x"):
        with pytest.raises(LookupError):
            sim.press(none, "1")


@pytest.mark.parametrize(("status", "ended"), [(200, "referred"), (486, None), (603, None)])
@pytest.mark.slow
def test_a_referral_succeeds_or_fails(
    sim: Simulator, receiver: Receiver, status: int, ended: str | None
) -> None:
    sim.play_scenario(f"refer: {{status: {status}, delay: 100}}")
    call = accepted(sim, receiver)
    act(sim, call.id, "refer", target_uri="tel:+14155550123")
    assert call.refer_status is None
    sim.advance(101)
    sim.wait_for(lambda: call.refer_status == status)
    if ended:
        sim.wait_for(lambda: call.ended == ended)
    else:
        sim.press(call, "1")
        assert call.ended is None and keys_of(call) == "1"
    shown = httpx.get(
        f"{sim.base_url.removesuffix('/v1')}/simulator/calls",
        headers={"authorization": f"Bearer {sim.api_key}"},
    ).json()["calls"][-1]
    assert (shown["refer_status"], shown["refers"]) == (status, ["tel:+14155550123"])


def test_the_outcome_of_referrals_is_set_in_python(sim: Simulator, receiver: Receiver) -> None:
    sim.on_refer(202)
    call = accepted(sim, receiver)
    act(sim, call.id, "refer", target_uri="sip:x@example.org")
    sim.wait_for(lambda: call.ended == "referred")
    sim.on_refer(None)
    for wrong in (100, 700, True):
        with pytest.raises(ValueError, match="status: allowed is a final SIP status, 200 to 699"):
            sim.on_refer(wrong)


# The same bytes


def conversation(make: Callable[[], Simulator]) -> list[str]:
    """Everything that a session sends, as it comes over the socket."""
    frames: list[str] = []
    with make() as sim, Socket(sim) as socket:
        receive = socket.ws.recv

        def recv(timeout: float | None = None) -> Any:
            frames.append(receive(timeout))  # type: ignore[arg-type]
            return frames[-1]

        socket.ws.recv = recv  # type: ignore[method-assign]
        socket.recv()
        socket.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
        socket.append(silence(0.3) + vowel() + silence(1))
        socket.until("rate_limits.updated")
        socket.user_says("hello")
        socket.send("response.create")
        socket.until("rate_limits.updated")
    return frames


@pytest.mark.slow
def test_with_a_seed_and_a_fixed_clock_two_runs_have_the_same_bytes() -> None:
    def by_argument() -> Simulator:
        return Simulator(pacing="none", espeak=False, seed=7, clock="2026-01-15T12:00:00Z")

    def by_file() -> Simulator:
        simulator = Simulator(pacing="none", espeak=False)
        simulator.play_scenario("seed: 7\nclock: 2026-01-15T12:00:00Z\n")
        return simulator

    first = conversation(by_argument)
    assert first == conversation(by_argument) == conversation(by_file)
    assert json.loads(first[0])["session"]["expires_at"] == 1768478400 + 3600
    assert first != conversation(lambda: Simulator(pacing="none", espeak=False, seed=8, clock=1768478400))


def test_a_file_fixes_the_time_of_a_simulator_that_runs(sim: Simulator) -> None:
    sim.advance(5_000)
    sim.play_scenario("clock: 2026-01-15T12:00:00Z")
    with Socket(sim) as socket:
        assert socket.recv()["session"]["expires_at"] == 1768478400 + 3600
    sim.advance(100)
    with Socket(sim) as socket:
        assert socket.recv()["session"]["expires_at"] == 1768478500 + 3600


@each(
    "value, error, message",
    [
        ("noon", ValueError, "'noon' is not a time such as"),
        ("2026-01-15T12:00:00", ValueError, "a time zone is needed"),
        (-1, ValueError, "from 1970 to 9999"),
        (1e300, ValueError, "from 1970 to 9999"),
        (True, TypeError, "got bool"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_an_invalid_time_is_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_time(value)


# What is wrong


@each(
    "text, message",
    [
        ("responses: [{say: x, delay: -1}]", r"responses\[0\].delay: allowed is a number of at least 0"),
        ("responses: [{say: {text: x}}]", r"responses\[0\].say: 'wav' is needed"),
        ("responses: [{say: {wav: none.wav}}]", r"say.wav: cannot read it: No such file"),
        ("responses: [{say: {wav: play.yaml}}]", r"say.wav: audio: .* is not a readable audio file"),
        ("responses: [{say: [x]}]", r"say: expected a text, or \{wav: FILE, text: …\}, got a list"),
        ("heard: [{delay: 1}]", r"heard\[0\]: 'text' is needed, or 'fail'"),
        ("heard: [{text: x, code: y}]", r"heard\[0\].code: 'fail' is needed too"),
        ("caller: [{press: x}]", r"caller\[0\].press: keys: allowed are"),
        ("caller: [{press: 12}]", r"caller\[0\].press: expected a text \(in quotes"),
        ("caller: [{press: '1', hang_up: true}]", "one of press, say, hang_up is needed, and only one"),
        ("caller: [{delay: 1}]", "got delay"),
        ("caller: [{hang_up: false}]", "allowed is true"),
        ("caller: [{say: {text: x}}]", "unknown field; known are wav"),
        ("caller: [{say: {}}]", "'wav' is needed"),
        ("refer: {delay: 1}", "'status' is needed"),
        ("refer: {status: 180}", r"refer.status: status: allowed is a final SIP status"),
        ("clock: noon", "clock: clock: 'noon' is not a time"),
        ("clock: 2026-01-15 12:00:00", "a time zone is needed"),
        ("seed: x", "seed: expected a whole number"),
        ("pacing: fast", "pacing: allowed is none, .*slow.*, or a mapping; got 'fast'"),
        ("responses: [{match: '(', say: x}]", r"responses\[0\].match: '\(' is not a regular expression"),
        ("faults: [{name: slow, seconds: -1}]", r"faults\[0\].seconds: seconds: allowed is a number"),
    ],
)
def test_errors_in_a_file_name_the_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "play.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=r"^play.yaml, line 1: .*" + message):
        Simulator().load_scenario(tmp_path / "play.yaml")


def test_the_field_of_a_fault_that_is_wrong_has_the_line(sim: Simulator) -> None:
    with pytest.raises(ScenarioError, match="line 4: "):
        sim.play_scenario("faults:\n  - name: slow\n    on: connect\n    seconds: -1\n")


def test_speech_is_where_the_scenario_places_it(sim: Simulator, tmp_path: Path) -> None:
    (tmp_path / "placed.yaml").write_text("speech: [[0.25, 1.0], [1.5, 1.75]]\n")
    sim.load_scenario(tmp_path / "placed.yaml")
    with Socket(sim) as socket:
        socket.append(vowel(0.4) + silence(2), chunk=1_000)
        stops = [socket.until("input_audio_buffer.speech_stopped")["audio_end_ms"] for _ in range(2)]
        starts = [event["audio_start_ms"] for event in socket.all("input_audio_buffer.speech_started")]
        assert (starts, stops) == ([250, 1500], [1000, 1750])


@each("speech", ["[[1.0]]", "[[2, 1]]", "[[0, 2], [1, 3]]"])
def test_speech_is_placed_one_stretch_after_the_other(speech: str) -> None:
    with pytest.raises(ScenarioError, match="the start and end of speech in seconds"):
        parse(f"speech: {speech}")
