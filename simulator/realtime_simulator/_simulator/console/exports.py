"""Exports of a session: as a recording, as a test for pytest, as commands for curl, as a scenario.

Keys and secrets are in none of them; nor is sound, of which a session's events hold only the length.
"""

from __future__ import annotations

import json
import pprint
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from realtime_simulator._engine.config import REALTIME
from realtime_simulator._engine.conversation import words_of
from realtime_simulator._recordings.lines import LEFT_OUT
from realtime_simulator._recordings.recording import AUDIO_CHARACTERS, text_of
from realtime_simulator._records.session import SessionEvent, SessionRecord, is_copy, kind_of
from realtime_simulator._simulator.console.replay import scenario
from realtime_simulator.scrub import Scrubber

_SOUND = "A" * AUDIO_CHARACTERS
_READ_ONLY = ("id", "object", "expires_at")
_SPEECH = "(speech)"
_SAID = "conversation.item.input_audio_transcription.completed"


def recording(session: SessionRecord, base_url: str) -> str:
    """Return a session as what `realtime-simulator conform` plays: YAML, or JSON lines of a Live session.

    Args:
        session: The session.
        base_url: The simulator's address; a recording has none.
    """
    scrub = Scrubber()
    if kind_of(session.config) == "live":
        return "".join(
            json.dumps(_line(session, one, scrub), ensure_ascii=False) + "\n"
            for one in session.events
            if not is_copy(one)
        )
    directions = {"sent": "received", "received": "sent"}  # in a recording they are the client's
    begun = session.begun
    return text_of(
        [
            {
                "kind": "message",
                "direction": directions[one.direction],
                "at": round(max(0.0, one.time - begun), 3),
                "data": _with_sound(scrub.value(one.event)),
            }
            for one in session.events
        ]
    )


def _line(session: SessionRecord, one: SessionEvent, scrub: Scrubber) -> dict[str, Any]:
    """Return an event as a line of a recording, with the length of its audio."""
    at = round(max(0.0, one.time - session.begun), 3)
    data = {key: _with_length(value) for key, value in scrub.value(one.event).items()}
    return {"dir": "c2s" if one.direction == "received" else "s2c", "t": at, "data": data}


def _with_length(value: Any) -> Any:
    found = LEFT_OUT.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else {"$audio_bytes": int(found[1]) // 4 * 3}


def _with_sound(value: Any) -> Any:
    """Return an event with a little silence, in base64, where sound was left out."""
    if isinstance(value, Mapping):
        return {key: _with_sound(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_sound(inner) for inner in value]
    return _SOUND if isinstance(value, str) and LEFT_OUT.fullmatch(value) else value


# curl


def curl(session: SessionRecord, base_url: str) -> str:
    """Return the commands that open such a session, and read this one's events.

    Args:
        session: The session.
        base_url: The simulator's address.
    """
    config = Scrubber().value(_settings(session))
    lines = [
        f"# The session {session.id}, over {session.transport}; the key is what the simulator printed.",
        f"export OPENAI_BASE_URL={shlex.quote(base_url)}",
        "export OPENAI_API_KEY=…",
        "",
    ]
    key = '-H "Authorization: Bearer $OPENAI_API_KEY"'
    if kind_of(session.config) == "live":
        lines += _live_lines(session, key, config)
    elif session.transport == "webrtc":
        field = shlex.quote(f"session={_json(config)}")
        form = f"-F 'sdp=<offer.sdp;type=application/sdp' --form-string {field}"
        lines += [
            "# A call, from the offer in offer.sdp:",
            f'curl -i "$OPENAI_BASE_URL/realtime/calls" {key} {form}',
        ]
    elif session.transport == "sip":
        lines += [
            "# Accept the incoming call whose id the webhook named:",
            f'curl -i "$OPENAI_BASE_URL/realtime/calls/$CALL_ID/accept" {key} {_body(config)}',
        ]
    else:
        is_translation = "type" not in session.config
        path = "/realtime/translations/client_secrets" if is_translation else "/realtime/client_secrets"
        lines += [
            "# A client secret for such a session:",
            f'curl "$OPENAI_BASE_URL{path}" {key} {_body({"session": config})}',
        ]
    lines += [
        "",
        "# What went by in this session, and what still does:",
        f'curl -N "${{OPENAI_BASE_URL%/v1}}/simulator/sessions/{session.id}/events" {key} '
        "-H 'Accept: text/event-stream'",
    ]
    return "\n".join(lines) + "\n"


def _live_lines(session: SessionRecord, key: str, config: Mapping[str, Any]) -> list[str]:
    """Return the commands, or the message, that begin a Live session."""
    config = {name: value for name, value in config.items() if name not in ("status", "type")}
    if session.transport == "webrtc":
        body = '{session: $session, transport: {type: "webrtc", sdp: $sdp}}'
        given = f"--rawfile sdp offer.sdp --argjson session {shlex.quote(_json(config))}"
        return [
            "# A call, from the offer in offer.sdp:",
            f"jq -n {given} '{body}' | "
            f"curl -i \"$OPENAI_BASE_URL/live/sessions\" {key} -H 'Content-Type: application/json' -d @-",
        ]
    if session.transport == "sip":
        accepted = _body({"session": {"type": "live", **config}})
        return [
            "# Accept the incoming call whose session the webhook named:",
            f'curl -i "$OPENAI_BASE_URL/live/sessions/$SESSION_ID/accept" {key} {accepted}',
        ]
    start = shlex.quote(_json({"type": "session.start", "session": config}))
    return [
        "# Such a session, over a WebSocket:",
        f'echo {start} | websocat -n {key} "ws${{OPENAI_BASE_URL#http}}/live/sessions"',
    ]


def _body(content: Mapping[str, Any]) -> str:
    return f"-H 'Content-Type: application/json' -d {shlex.quote(_json(content))}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _settings(session: SessionRecord) -> dict[str, Any]:
    """Return the session's configuration as a client sends it, without fields that only the API sets."""
    return {key: _set(value) for key, value in session.config.items() if key not in _READ_ONLY and value}


def _set(value: Any) -> Any:
    if isinstance(value, Mapping):
        # Null turns turn detection off; elsewhere it means that a field is not set.
        return {
            key: _set(inner) for key, inner in value.items() if inner is not None or key == "turn_detection"
        }
    return [_set(inner) for inner in value] if isinstance(value, list) else value


# pytest


def pytest_file(session: SessionRecord, base_url: str) -> str:
    """Return a test in which a client has the same conversation with a simulator that answers the same.

    The user's words are part of the test; it has completed responses only.

    Args:
        session: The session.
        base_url: The simulator's address; the test has its own simulator.

    Raises:
        ValueError: It has no conversation.
    """
    if session.config.get("type") != REALTIME:
        what = "it is a Live session" if kind_of(session.config) == "live" else "this session has none"
        raise ValueError(f"only a conversation can be exported as a test; {what}")
    scrub = Scrubber()
    turns = list(_turns([scrub.value(one.event) for one in session.events]))
    config = pprint.pformat(scrub.value(_settings(session)), sort_dicts=False, width=100)
    answers = [_listed(turn.answers) for turn in turns if turn.answers]
    helpers = [*(["call_tool"] if any(turn.calls for turn in turns) else []), "sequence"]
    lines = [f'"""The session {session.id} as a test, exported from the simulator\'s console."""', ""]
    lines += ["from realtime_ext import RealtimeClient"]
    lines += [f"from realtime_simulator import {', '.join(helpers)}"] if answers else []
    lines += ["", f"SESSION = {config}", *_HELPERS]
    lines += ["def test_the_conversation_goes_as_before(realtime_simulator):"]
    if answers:
        lines += ["    realtime_simulator.on_response(", "        sequence("]
        lines += [f"            {answer}," for answer in answers]
        lines += ["        )", "    )"]
    lines += ["    with RealtimeClient() as client, client.connect(session=SESSION) as connection:"]
    steps = [line for number, turn in enumerate(turns, 1) for line in turn.lines(number)]
    lines += [f"        {line}" for line in steps or ["assert connection.session is not None"]]
    return "\n".join(lines) + "\n"


_HELPERS = """

def said(response):
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    return "".join(part.text or part.transcript or "" for part in parts)


def calls(response):
    return [item for item in response.output if item.type == "function_call"]


""".splitlines()


@attrs.define
class _Turn:
    """The input of one response, and its output.

    Args:
        words: The user's words.
        outputs: Outputs of tools: an expression for the call's id, and the output.
    """

    words: list[str] = attrs.field(factory=list)
    outputs: list[tuple[str, str]] = attrs.field(factory=list)
    answers: list[str] = attrs.field(factory=list)
    text: list[str] = attrs.field(factory=list)
    calls: list[tuple[str, str]] = attrs.field(factory=list)

    def lines(self, number: int) -> Iterator[str]:
        for call_id, output in self.outputs:
            yield (
                'connection.create_item({"type": "function_call_output", '
                f'"call_id": {call_id}, "output": {output!r}}})'
            )
        for words in self.words:
            yield f"connection.send_text({words!r})"
        yield 'with connection.expect("response.done") as done:'
        yield "    connection.create_response()"
        yield f"response_{number} = done.wait().response"
        yield f'assert response_{number}.status == "completed"'
        if self.calls:
            names = [name for _, name in self.calls]
            yield f"assert [call.name for call in calls(response_{number})] == {names!r}"
        if self.text:
            yield f"assert said(response_{number}) == {''.join(self.text)!r}"


def _turns(events: Sequence[Mapping[str, Any]]) -> Iterator[_Turn]:
    """Yield the turns whose responses were completed."""
    # Transcripts may come long after the turn.
    said = {event["item_id"]: event["transcript"] for event in events if event.get("type") == _SAID}
    begun: dict[str, _Turn] = {}
    places: dict[str, str] = {}
    turn, number = _Turn(), 0
    for event in events:
        given = event.get("item")
        item = given if isinstance(given, Mapping) else {}
        match event.get("type"):
            case "conversation.item.create" if item.get("type") == "function_call_output":
                call_id = str(item.get("call_id"))
                turn.outputs.append((places.get(call_id, repr(call_id)), str(item.get("output"))))
            case "conversation.item.create" if item.get("role") == "user":
                turn.words.append("".join(words_of(item)) or _SPEECH)
            case "input_audio_buffer.committed":
                turn.words.append(said.get(event["item_id"]) or _SPEECH)
            case "response.created":
                begun[event["response"]["id"]], turn = turn, _Turn()
            case "response.done" if event["response"].get("status") == "completed":
                number += 1
                done = begun.pop(event["response"]["id"], _Turn())
                _answer(done, event["response"].get("output", ()))
                for place, (call_id, _) in enumerate(done.calls):
                    places[call_id] = f"calls(response_{number})[{place}].call_id"
                yield done
            case _:
                pass


def _answer(turn: _Turn, output: Sequence[Mapping[str, Any]]) -> None:
    for item in output:
        if item.get("type") == "message":
            text = "".join(words_of(item))
            turn.answers.append(repr(text))
            turn.text.append(text)
        elif item.get("type") == "function_call":
            turn.answers.append(f"call_tool({item['name']!r}, {item['arguments']!r})")
            turn.calls.append((item["call_id"], item["name"]))


def _listed(answers: Sequence[str]) -> str:
    return answers[0] if len(answers) == 1 else f"[{', '.join(answers)}]"


FORMS: Mapping[str, Callable[[SessionRecord, str], str]] = {
    "recording": recording,
    "pytest": pytest_file,
    "curl": curl,
    "scenario": scenario,
}
"""The export formats by name."""
