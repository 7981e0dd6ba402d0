from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st
from realtime_simulator import (
    CallTool,
    Fail,
    Pacing,
    Say,
    ScenarioError,
    Simulator,
    Turn,
    call_tool,
    pause,
    say,
    sequence,
)
from realtime_simulator._media import voice
from realtime_simulator._scenario.rules import Script, actions, default
from realtime_simulator._scenario.scenario_file import parse
from realtime_simulator._scenario.tool_arguments import fitting, matching_text
from websockets.sync.client import connect

from tests.simulator.checking import fits
from tests.simulator.receiver import receiving
from tests.simulator.wire import Socket
from tests.support.examples import examples
from tests.support.rows import each

BOOK: dict[str, Any] = {
    "type": "function",
    "name": "book_room",
    "parameters": {
        "type": "object",
        "properties": {
            "hotel": {"type": "string"},
            "nights": {"type": "integer", "minimum": 1, "maximum": 30},
            "view": {"type": "string", "enum": ["garden", "sea"]},
            "smoking": {"type": "boolean"},
        },
        "required": ["hotel", "nights"],
        "additionalProperties": False,
    },
}
WEATHER = {"type": "function", "name": "getWeather", "parameters": {"type": "object", "properties": {}}}


def turn(text: str = "", *after: dict[str, Any], session_id: str = "sess_1", **fields: Any) -> Turn:
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    given = {"session": {"id": session_id, "tool_choice": "auto"}, "response": {}, "tools": [], **fields}
    return Turn(text=text, items=[user, *after] if text else list(after), **given)


def made(name: str, arguments: str = "{}", call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call", "name": name, "call_id": call_id, "arguments": arguments}


def output(text: str, call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def ask(script: Script, turn: Turn) -> Any:
    return asyncio.run(script(turn))


# The default


def test_it_repeats_the_users_words_and_greets_a_silent_user() -> None:
    assert default(turn("Is it warm?")) == Say("You said: Is it warm?")
    greeting = default(turn())
    assert isinstance(greeting, Say) and greeting.text


@each(
    "text",
    ["Please book_room 2", "please Book Room for me", "BOOK-ROOM!", "bookRoom", 'call "book_room" at once'],
)
def test_a_named_tool_is_called_with_arguments_that_fit(text: str) -> None:
    answer = default(turn(text, tools=[WEATHER, BOOK]))
    assert isinstance(answer, CallTool) and answer.name == "book_room"
    jsonschema_rs.validator_for(BOOK["parameters"]).validate(json.loads(answer.arguments))


@each("text", ["I booked rooms", "a notebook room", "book a room", "rebook_room", ""])
def test_other_words_are_not_tool_names(text: str) -> None:
    assert isinstance(default(turn(text, tools=[BOOK])), Say)


def test_the_users_words_are_in_the_arguments() -> None:
    answer = default(turn('book_room "Grand Hotel" for 3 nights with a Sea view', tools=[BOOK]))
    assert isinstance(answer, CallTool)
    assert json.loads(answer.arguments) == {"hotel": "Grand Hotel", "nights": 3, "view": "sea"}


def test_once_the_output_is_in_a_message_says_so() -> None:
    tools = [BOOK]
    answer = default(turn("book_room", made("book_room"), output('{"ok": true}'), tools=tools))
    assert answer == Say('book_room answered: {"ok": true}')
    again = default(turn("book_room", made("book_room"), tools=tools))
    assert isinstance(again, Say)
    long = default(turn("book_room", made("book_room"), output("x" * 5000), tools=tools))
    assert isinstance(long, Say) and len(long.text) < 600


def test_several_named_tools_are_called_one_after_the_other() -> None:
    text, tools = "book room and get weather", [WEATHER, BOOK]
    first = default(turn(text, tools=tools))
    assert isinstance(first, CallTool) and first.name == "getWeather"
    second = default(turn(text, made("getWeather"), output("sun"), tools=tools))
    assert isinstance(second, CallTool) and second.name == "book_room"
    outputs = (
        made("getWeather"),
        output("sun"),
        made("book_room", call_id="call_2"),
        output("done", "call_2"),
    )
    last = default(turn(text, *outputs, tools=tools))
    assert last == Say("getWeather answered: sun book_room answered: done")


def test_the_tool_choice_is_heeded() -> None:
    tools = [WEATHER, BOOK]
    none = default(turn("book_room", tools=tools, response={"tool_choice": "none"}))
    assert isinstance(none, Say)
    required = default(turn("hello", tools=tools, response={"tool_choice": "required"}))
    assert isinstance(required, CallTool) and required.name == "getWeather"
    chosen = {"tool_choice": {"type": "function", "name": "book_room"}}
    forced = default(turn("hello", tools=tools, session={"id": "s", **chosen}))
    assert isinstance(forced, CallTool) and forced.name == "book_room"
    done = default(turn("hello", made("book_room"), output("ok"), tools=tools, session={"id": "s", **chosen}))
    assert isinstance(done, Say)
    mcp = {"type": "mcp", "server_label": "shop"}
    assert isinstance(default(turn("shop", tools=[mcp])), Say)


# Arguments

LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({}),
    st.builds(lambda value: {"const": value}, st.integers() | st.text(max_size=3)),
    st.builds(lambda values: {"enum": values}, st.lists(st.text(max_size=5), min_size=1, max_size=3)),
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-50, 50),
        st.integers(0, 9),
    ),
    st.builds(
        lambda low, span: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + span},
        st.integers(-50, 50),
        st.integers(1, 9),
    ),
    st.builds(
        lambda step, low: {"type": "integer", "multipleOf": step, "minimum": low},
        st.integers(1, 9),
        st.integers(-20, 20),
    ),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 40),
        st.integers(0, 9),
    ),
    st.sampled_from(["date", "time", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"]).map(
        lambda name: {"type": "string", "format": name}
    ),
    st.sampled_from([r"^[A-Z]{3}-\d{4}$", r"^\+\d{6,15}$", r"^(yes|no)$", r"^[^a-z]+$", r"\bx\b"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["city", "room_number", "when", "x"])
    return st.builds(
        lambda properties, required: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if required],
            "additionalProperties": False,
        },
        st.dictionaries(names, inner, max_size=4),
        st.booleans(),
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(
            lambda items, low: {"type": "array", "items": items, "minItems": low}, inner, st.integers(0, 3)
        ),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
        st.builds(lambda one: {"oneOf": [{"type": "null"}, {"allOf": [one]}]}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=examples(60), deadline=None)
@given(
    objects(SCHEMAS), st.sampled_from(["", "Room number 12 in the city of Paris on 2026-03-04, x is 'yes'"])
)
def test_arguments_fit_any_schema(schema: dict[str, Any], text: str) -> None:
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    found = fitting(schema, text)
    if schema["required"] and not found:
        # Only where nothing can fit: a oneOf that two members take, say.
        with pytest.raises(jsonschema_rs.ValidationError):
            validator.validate(found)
        assert "oneOf" in json.dumps(schema)
    else:
        validator.validate(found)


def test_arguments_come_from_references_defaults_and_the_text() -> None:
    schema = {
        "type": "object",
        "$defs": {"Stay": {"type": "object", "properties": {"from": {"type": "string", "format": "date"}}}},
        "properties": {
            "stay": {"allOf": [{"$ref": "#/$defs/Stay"}, {"required": ["from"]}]},
            "guest": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "mail": {"type": "string", "format": "email"},
            "rate": {"type": "number", "maximum": 2.5},
            "lang": {"type": "string", "default": "de"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
        },
        "required": ["stay", "guest", "mail", "rate", "lang", "tags"],
    }
    text = "guest: Ada, from 2026-03-04, rate 2.5 or 7, mail ada@example.org"
    assert fitting(schema, text) == {
        "stay": {"from": "2026-03-04"},
        "guest": "Ada",
        "mail": "ada@example.org",
        "rate": 2.5,
        "lang": "de",
        "tags": ["a", "b"],
    }


def test_a_schema_that_cannot_be_met_or_read_gives_no_arguments() -> None:
    never = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": "^(?=a)b"}},
        "required": ["x"],
    }
    assert fitting(never, "") == {}
    assert fitting({"type": "object", "properties": {"x": {"type": 7}}, "required": ["x"]}, "") == {}
    endless = {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}
    assert fitting(endless, "") == {}
    assert fitting({}, "") == {} and fitting({"$ref": "#/nowhere"}, "") == {}


@each(
    "pattern",
    [
        r"^[A-Z]{2,3}\d+$",
        r"(?i)abc|def",
        r"[^\w]x?",
        r"\s\S\D\W",
        r"^(?P<y>\d{4})-(0[1-9]|1[0-2])$",
        r"a*b+?.",
    ],
)
def test_texts_match_their_pattern(pattern: str) -> None:
    assert re.search(pattern, matching_text(pattern))
    assert matching_text("(") == ""


# Scripts


def test_the_newest_scenario_answers_and_leaves_the_rest_to_those_before() -> None:
    script = Script()
    script.add("Sunny.", match="weather|sun")
    script.add(lambda turn: say("Loud.") if turn.text.isupper() else None)
    script.add("Once.", match=re.compile("^Once"), times=1)
    assert ask(script, turn("The WEATHER?")) == "Sunny."
    assert ask(script, turn("HELLO")) == Say("Loud.")
    assert ask(script, turn("Once more")) == "Once."
    assert ask(script, turn("Once more")) == Say("You said: Once more")
    script.add("Mine.", match=lambda turn: turn.session["id"] == "sess_2")
    assert ask(script, turn("weather", session_id="sess_2")) == "Mine."
    assert ask(Script(), turn("weather")) == Say("You said: weather")


def test_a_scenario_may_be_a_coroutine_function() -> None:
    async def later(turn: Turn) -> str:
        await asyncio.sleep(0)
        return turn.text[::-1]

    script = Script()
    script.add(later)
    assert ask(script, turn("abc")) == "cba"


def test_a_scenario_answers_as_often_as_it_may_also_for_sessions_that_ask_at_once() -> None:
    async def later(turn: Turn) -> str | None:
        await asyncio.sleep(0)
        return None if turn.text == "pass" else "Once."

    async def at_once(script: Script, *texts: str) -> list[Any]:
        return await asyncio.gather(*(script(turn(text)) for text in texts))

    script = Script()
    script.add(later, times=1)
    untouched = script.copy()
    assert asyncio.run(at_once(script, "pass")) == [Say("You said: pass")]
    assert asyncio.run(at_once(script, "a", "b")) == ["Once.", Say("You said: b")]
    assert asyncio.run(at_once(script, "c")) == [Say("You said: c")]
    assert asyncio.run(at_once(untouched, "d")) == ["Once."]


def test_a_fixed_call_is_not_made_again_once_its_output_is_in() -> None:
    script = Script()
    script.add(call_tool("book_room", {"nights": 2}), match="book")
    answer = ask(script, turn("book it"))
    assert answer == CallTool("book_room", '{"nights": 2}')
    done = turn("book it", made("book_room", answer.arguments), output("ok"))
    assert ask(script, done) == Say("book_room answered: ok")
    # The user asks anew: the call is made anew.
    later = turn("book it", made("book_room", answer.arguments), output("ok"), done.items[0])
    assert ask(script, later) == answer


def test_a_sequence_continues_in_each_session_by_itself() -> None:
    def shout(turn: Turn) -> str | Awaitable[str]:
        return turn.text.upper()

    script = Script()
    script.add(sequence("One.", call_tool("t"), shout))
    assert ask(script, turn("a")) == "One."
    assert ask(script, turn("a", session_id="sess_2")) == "One."
    assert ask(script, turn("a")) == CallTool("t", "{}")
    assert ask(script, turn("a")) == "A"
    assert ask(script, turn("a")) == Say("You said: a")
    script.add(sequence("x", "y", repeat=True))
    assert [ask(script, turn("a")) for _ in range(4)] == ["x", "y", "x", "y"]


def test_a_lone_pause_is_refused() -> None:
    with Simulator(pacing="none") as simulator:
        for answer in (pause(1), [pause(1), pause(2)]):
            with pytest.raises(ValueError, match=r"pause: expected an action after it"):
                simulator.on_response(answer)
        with pytest.raises(ValueError, match="pause"):
            sequence("Hello.", pause(1))
        simulator.on_response([pause(0), "Hello."])


def test_an_invalid_answer_is_refused_at_once() -> None:
    script = Script()
    with pytest.raises(TypeError, match="an answer is a text, say"):
        script.add(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got int"):
        actions(["x", 7])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="not a regular expression"):
        script.add("x", match="(")
    with pytest.raises(TypeError, match="match"):
        script.add("x", match=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="times"):
        script.add("x", times=0)
    with pytest.raises(ValueError, match="at least one"):
        sequence()


# Files

FILE = """
pacing: {first_audio: 0.25, speed: 2}
heard: ["Hello?", "Two nights."]
mcp_servers:
  shop: [{name: buy, input_schema: {type: object}}, {name: look}]
  gone: null
responses:
  - match: book
    call_tool: book_room
    arguments: {nights: 2}
  - after_tool: book_room
    say: Your room is booked.
  - match: everything
    all: [{say: Wait.}, {call_tool: a, arguments: "{broken"}, {call_mcp: shop, name: buy, output: bought}]
  - match: broken
    fail: overloaded
    message: Too much.
    times: 1
  - steps: [{say: One.}, {fail: server_error}]
faults:
  - {name: rate_limit, on: calls.create, times: 1, retry_after: 2}
"""


def test_a_file_can_express_what_python_can() -> None:
    file = parse(FILE)
    script = Script()
    for rule in reversed(file.rules):
        script.add(rule.answer, rule.match, rule.times)
    booked = ask(script, turn("book it"))
    assert booked == call_tool("book_room", {"nights": 2})
    done = turn("book it", made("book_room", booked.arguments), output("ok"))
    assert ask(script, done) == Say("Your room is booked.")
    every = ask(script, turn("everything"))
    assert every[:2] == [Say("Wait."), CallTool("a", "{broken")] and every[2].output == "bought"
    assert ask(script, turn("broken")) == Fail("overloaded", "Too much.")
    assert ask(script, turn("broken")) == Say("One.")
    assert ask(script, turn("x")) == Fail("server_error")
    assert ask(script, turn("x")) == Say("You said: x")
    assert file.pacing == Pacing(first_audio=0.25, speed=2)
    assert file.heard == ["Hello?", "Two nights."]
    assert file.mcp_servers["gone"] is None
    assert [tool["name"] for tool in file.mcp_servers["shop"] or ()] == ["buy", "look"]
    assert file.faults == [
        {"name": "rate_limit", "on": "calls.create", "times": 1, "settings": {"retry_after": 2}}
    ]
    assert parse("") == parse("{}") and not parse("").rules


@each(
    "text, message",
    [
        ("- a", "s.yaml, line 1: expected a mapping, got a list"),
        ("\nanswers: []", "s.yaml, line 2: answers: unknown field; known are responses, heard"),
        ("responses: x", r"line 1: responses: expected a list, got a text"),
        (
            "responses:\n  - say: 7",
            r"line 2: responses\[0\].say: expected a text, or .*, got a number",
        ),
        ("responses:\n  - say: yes", r"expected a text, or .*got true or false"),
        ("responses:\n  - saay: x", r"responses\[0\].saay: unknown field; known are match"),
        ("respnses:\n  - say: x", r"line 1: respnses: unknown field; .*; did you mean 'responses'\?"),
        ("responses:\n  - match: x", r"line 2: responses\[0\]: one of say, call_tool.* got match"),
        ("responses:\n  - {say: x, fail: y}", r"only one; got say, fail"),
        ("responses:\n  - {say: x, arguments: {}}", r"arguments: 'say' doesn't go with it"),
        ("responses:\n  - {match: '(', say: x}", r"match: .* is not a regular expression"),
        ("responses:\n  - {match: a, after_tool: b, say: x}", "either 'match' or 'after_tool'"),
        ("responses:\n  - {call_tool: x, arguments: 7}", "expected a mapping, or JSON"),
        ("responses:\n  - {call_mcp: shop}", "'name' is needed"),
        ("responses:\n  - {steps: []}", "at least 1 element"),
        ("responses:\n  - {steps: [{steps: [{say: x}]}]}", "unknown field"),
        ("responses:\n  - {steps: [{say: x}], repeat: 1}", "expected true or false"),
        ("responses:\n  - {say: x, times: 0}", "at least 1, got 0"),
        ("responses:\n  - {say: x, times: 1.5}", "whole number"),
        ("pacing: {speed: -1}", "pacing.speed: allowed is a number of at least 0"),
        (
            "pacing: {sped: 1}",
            "pacing.sped: unknown field; known are first_audio, speed, transcript",
        ),
        ("pacing: quick", "pacing: "),
        ("heard: [x, 3]", r"heard\[1\]: expected a text"),
        ("faults: [{name: flood}]", r"faults\[0\].name: name: unknown fault 'flood'"),
        ("faults: [{name: slow, rate: 2}]", "rate: allowed is"),
        ("faults: [{rate: 1}]", "'name' is needed"),
        ("mcp_servers: {shop: [{}]}", r"mcp_servers.shop\[0\]: 'name' is needed"),
        ("pacing: {}\npacing: {}", "line 2: the field 'pacing' is duplicated"),
        ("pacing:\n  speed: !!int abc", "s.yaml, line 2: pacing.speed: invalid literal"),
        ("responses: [", "s.yaml, line 1: "),
        ("a: !!python/object:os.system x", "s.yaml, line 1: "),
        ("heard: &a [*a]", "contains itself|recursive|more than"),
        ("heard: [" + "[" * 5000, "s.yaml"),
        ("heard: [\x00]", "s.yaml"),
    ],
)
def test_every_error_in_a_file_names_the_line(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse(text, "s.yaml")


def test_dates_are_texts_as_in_json() -> None:
    file = parse("responses: [{call_tool: book, arguments: {on: 2026-01-15}}]\nclock: 2026-01-15T00:00:00Z")
    [rule] = file.rules
    assert rule.answer == call_tool("book", {"on": "2026-01-15"})
    assert file.clock == 1768435200


def test_fields_that_are_merged_can_be_replaced() -> None:
    file = parse(
        "responses: [&base {match: hi, say: Hello, delay: 1}, {<<: *base, say: Bye}, {<<: *base, say: Ciao}]"
    )
    assert [(rule.match, rule.answer, rule.delay) for rule in file.rules] == [
        ("hi", say("Hello"), 1),
        ("hi", say("Bye"), 1),
        ("hi", say("Ciao"), 1),
    ]
    with pytest.raises(ScenarioError, match="the field 'say' is duplicated"):
        parse("responses: [&base {match: hi, say: Hello}, {<<: *base, say: Bye, say: Ciao}]")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_text("responses: []", encoding="utf-16")
    with pytest.raises(ScenarioError, match=r"windows\.yaml: it is not UTF-8"):
        Simulator().load_scenario(path)


def test_a_fault_of_a_file_can_be_for_a_project() -> None:
    simulator = Simulator(keys={"acme": "sk-1"})
    simulator.play_scenario("faults: [{name: rate_limit, on: acme}]")
    assert [one.on for one in simulator.faults] == ["acme"]
    with pytest.raises(ScenarioError, match="on: "):
        simulator.play_scenario("faults: [{name: rate_limit, on: acne}]")


# In a simulator


def ask_over_websocket(sim: Simulator, texts: list[str], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say several things in one session; answer every tool call; return all output items."""
    url = f"ws{sim.base_url.removeprefix('http')}/realtime?model=gpt-realtime-2.1"
    items: list[dict[str, Any]] = []
    headers = {"authorization": f"Bearer {sim.api_key}"}
    with connect(url, additional_headers=headers, proxy=None) as socket:

        def send(type: str, **fields: Any) -> None:
            socket.send(json.dumps({"type": type, **fields}))

        def respond() -> list[dict[str, Any]]:
            send("response.create")
            while True:
                event = json.loads(socket.recv(10))
                fits(event)
                if event["type"] == "response.done":
                    return event["response"]["output"]

        send("session.update", session={"type": "realtime", "output_modalities": ["text"], "tools": tools})
        for text in texts:
            content = [{"type": "input_text", "text": text}]
            send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
            made = respond()
            items += made
            while made and made[-1]["type"] == "function_call":
                answer = {"type": "function_call_output", "call_id": made[-1]["call_id"], "output": '"done"'}
                send("conversation.item.create", item=answer)
                made = respond()
                items += made
    return items


def said(item: dict[str, Any]) -> str:
    return item["content"][0]["text"]


def test_a_session_with_the_default_calls_a_named_tool_then_says_so() -> None:
    with Simulator(pacing="none", espeak=False) as sim:
        call, message = ask_over_websocket(sim, ["Please book room 7 nights"], [BOOK])
    assert (call["type"], call["name"]) == ("function_call", "book_room")
    assert json.loads(call["arguments"])["nights"] == 7
    jsonschema_rs.validator_for(BOOK["parameters"]).validate(json.loads(call["arguments"]))
    assert said(message) == 'book_room answered: "done"'


def test_a_simulator_plays_a_file_and_rules_added_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "play.yaml"
    path.write_text("responses:\n  - {match: book, call_tool: book_room, arguments: {nights: 2}}\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text("responses:\n  - {say: x}\n  - {sai: y}\n")
    with Simulator(pacing="none", espeak=False) as sim:
        sim.load_scenario(path)
        sim.on_response("Bye.", match="bye")
        with pytest.raises(ScenarioError, match=r"broken.yaml, line 3: responses\[1\].sai"):
            sim.load_scenario(broken)
        with pytest.raises(FileNotFoundError):
            sim.load_scenario(tmp_path / "none.yaml")
        call, done, bye, other = ask_over_websocket(sim, ["book it", "bye", "else"], [BOOK])
        assert call["arguments"] == '{"nights": 2}' and said(done) == 'book_room answered: "done"'
        assert (said(bye), said(other)) == ("Bye.", "You said: else")


@pytest.mark.slow
def test_a_file_sets_users_words_pace_and_failures(tmp_path: Path) -> None:
    sim = Simulator(pacing="none", espeak=False)
    sim.play_scenario(
        "heard: [One.]\npacing: {first_audio: 2}\nfaults: [{name: gateway_520, on: client_secrets.create}]"
    )
    with sim:
        url = f"{sim.base_url}/realtime/client_secrets"
        assert httpx.post(url, json={}, headers={"authorization": f"Bearer {sim.api_key}"}).status_code == 520
        with receiving() as receiver:
            call = sim.incoming_call(receiver.url, audio=voice.synthesize("la la la la"), line_speed=50)
            session = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
            accept = f"{sim.base_url}/realtime/calls/{call.id}/accept"
            httpx.post(accept, json=session, headers={"authorization": f"Bearer {sim.api_key}"})
            completed = "conversation.item.input_audio_transcription.completed"
            sim.wait_for(lambda: completed in call.session.types_sent())
        [heard] = [event for event in call.session.sent if event["type"] == completed]
        assert heard["transcript"] == "One."
        sim.wait_for(lambda: "response.created" in call.session.types_sent())
        assert "response.output_item.added" not in call.session.types_sent()
        sim.advance(2.1)
        sim.wait_for(lambda: "response.output_item.added" in call.session.types_sent())


@pytest.mark.slow
@each("bracket", ["[", "{a: ", "[{a: "])
def test_a_file_that_is_nested_too_deep_is_refused_before_it_is_read(bracket: str) -> None:
    for depth in (300, 100_000):
        with pytest.raises(ScenarioError, match="nested too deeply"):
            parse("heard: " + bracket * depth)


# The built-in MCP server


def spoken_by_tools(socket: Socket, words: str) -> list[dict[str, Any]]:
    """Say something; return the output of the response."""
    socket.user_says(words)
    socket.send("response.create")
    output: list[dict[str, Any]] = socket.until("response.done")["response"]["output"]
    return output


@each(
    "words, arguments, result, said",
    [
        ("Please add 2 and 3.", {"a": 2, "b": 3}, ("output", "5"), "add answered: 5"),
        ("Fail, please.", None, ("error", None), "fail failed: "),
    ],
)
def test_the_built_in_mcp_server_answers(
    words: str, arguments: Any, result: tuple[str, Any], said: str
) -> None:
    server = {
        "type": "mcp",
        "server_label": "tools",
        "server_url": "https://x.example",
        "require_approval": "never",
    }
    with Simulator(pacing="none", espeak=False) as fresh, Socket(fresh) as socket:
        fresh.play_scenario("mcp_servers: {tools: built-in}")
        socket.send(
            "session.update", session={"type": "realtime", "tools": [server], "output_modalities": ["text"]}
        )
        socket.until("mcp_list_tools.completed")
        call, answer = spoken_by_tools(socket, words)
        assert call["type"] == "mcp_call" and (
            arguments is None or json.loads(call["arguments"]) == arguments
        )
        assert call[result[0]] is not None and result[1] in (None, call[result[0]])
        assert answer["content"][0]["text"].startswith(said)


def test_calls_of_the_built_in_mcp_server_wait_for_approval() -> None:
    server = {"type": "mcp", "server_label": "tools", "server_url": "https://x.example"}
    with Simulator(pacing="none", espeak=False) as fresh, Socket(fresh) as socket:
        fresh.mcp_server("tools", "built-in")
        with pytest.raises(ValueError, match="expected a list, 'built-in' or None, got 'on'"):
            fresh.mcp_server("tools", "on")  # type: ignore[arg-type]
        socket.send("session.update", session={"type": "realtime", "tools": [server]})
        socket.until("mcp_list_tools.completed")
        [request] = spoken_by_tools(socket, "Echo hello")
        assert request["type"] == "mcp_approval_request"
        item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
        socket.send("conversation.item.create", item=item)
        call, _ = socket.until("response.done")["response"]["output"]
        assert call["output"] == json.loads(call["arguments"])["text"]
