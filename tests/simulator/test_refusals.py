"""The table of refusals: each row has examples, which are sent to a simulator and refused in its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from realtime_simulator import Simulator
from realtime_simulator._engine.refusals import TABLE, transcription_models, voices

from tests.simulator.wire import Socket
from tests.support.refusals_page import PAGE, page
from tests.support.rows import each
from tests.support.waiting import PATIENCE

Error = dict[str, Any]
Example = Callable[[Simulator], Error]
LISTED = ", ".join(f"'{name}'" for name in voices()[:-1]) + f", and '{voices()[-1]}'"
MODELS = transcription_models()
LISTED_MODELS = ", ".join(f"'{name}'" for name in MODELS[:-1]) + f", and '{MODELS[-1]}'"
NESTED = {"type": "function", "function": {"name": "look", "description": "x", "parameters": {}}}
WHISPER = {"transcription": {"model": "gpt-realtime-whisper"}}
VAD = {"turn_detection": {"type": "server_vad"}}


def sent(type: str, *, query: str = "model=gpt-realtime", **fields: Any) -> Example:
    """An event of a client."""

    def example(sim: Simulator) -> Error:
        with Socket(sim, query) as socket:
            socket.recv()
            socket.send(type, event_id="mine", **fields)
            error: Error = socket.until("error")["error"]
            assert error.pop("event_id") == "mine"
            return error

    return example


def updated(query: str = "model=gpt-realtime", type: str = "realtime", **session: Any) -> Example:
    return sent("session.update", query=query, session={"type": type, **session})


def posted(**session: Any) -> Example:
    """A client secret with a session."""

    def example(sim: Simulator) -> Error:
        answer = httpx.post(
            f"{sim.base_url}/realtime/client_secrets",
            json={"session": {"type": "realtime", **session}},
            headers={"authorization": f"Bearer {sim.api_key}"},
        )
        assert answer.status_code == 400
        error: Error = answer.json()["error"]
        return error

    return example


def connected(query: str, headers: Mapping[str, str] | None = None) -> Example:
    """A handshake."""

    def example(sim: Simulator) -> Error:
        with Socket(sim, query, headers=headers) as socket:
            error: Error = socket.recv()["error"]
            error.pop("event_id")
            return error

    return example


def item(**fields: Any) -> Example:
    return sent("conversation.item.create", item=fields)


def spoken_then(type: str, **fields: Any) -> Example:
    """An event after the model has spoken."""

    def example(sim: Simulator) -> Error:
        with Socket(sim) as socket:
            socket.send("response.create")
            socket.until("response.done")
            socket.send(type, **fields)
            error: Error = socket.until("error")["error"]
            error.pop("event_id")
            return error

    return example


def voice(name: str) -> dict[str, Any]:
    return {"audio": {"output": {"voice": name}}}


def message(role: str, *content: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content)}


EXAMPLES: dict[str, list[tuple[Example, dict[str, object]]]] = {
    "voice": [
        (updated(**voice("nova")), {"got": "nova", "listed": LISTED}),
        (posted(**voice("nova")), {"got": "nova", "listed": LISTED}),
    ],
    "transcription_model": [
        (
            updated(audio={"input": {"transcription": {"model": "gpt-4o-transcribe-latest"}}}),
            {"got": "gpt-4o-transcribe-latest", "listed": LISTED_MODELS},
        ),
        (
            posted(type="transcription", audio={"input": {"transcription": {"model": "ears"}}}),
            {"got": "ears", "listed": LISTED_MODELS},
        ),
    ],
    "turn_detection": [
        (updated("intent=transcription", "transcription", audio={"input": {**WHISPER, **VAD}}), {}),
        (posted(type="transcription", audio={"input": {**WHISPER, **VAD}}), {}),
    ],
    "tool_name": [
        (updated(tools=[{"type": "function"}]), {"at": "session", "index": 0}),
        (updated(tools=[NESTED]), {"at": "session", "index": 0}),
        (posted(tools=[{"type": "function", "name": "a"}, NESTED]), {"at": "session", "index": 1}),
        (sent("response.create", response={"tools": [NESTED]}), {"at": "response", "index": 0}),
    ],
    "modalities": [
        (updated(output_modalities=["audio", "text"]), {"at": "session", "got": "['audio', 'text']"}),
        (posted(output_modalities=["text", "audio"]), {"at": "session", "got": "['text', 'audio']"}),
        (
            sent("response.create", response={"output_modalities": ["audio", "text"]}),
            {"at": "response", "got": "['audio', 'text']"},
        ),
    ],
    "session_type": [
        (updated(type="transcription"), {"given": "transcription", "own": "realtime"}),
        (updated("intent=transcription"), {"given": "realtime", "own": "transcription"}),
    ],
    "call_id_unknown": [
        (item(type="function_call_output", call_id="call_none", output="1"), {"got": "call_none"}),
    ],
    "call_id_length": [
        (
            item(type="function_call", name="f", call_id="c" * 33, arguments="{}"),
            {"limit": 32, "length": 33},
        ),
    ],
    "assistant_audio": [
        (item(**message("assistant", {"type": "output_audio", "transcript": "Hi."})), {"index": 0}),
    ],
    "audio_empty": [(sent("input_audio_buffer.append", audio=""), {"at": "audio"})],
    "audio_invalid": [
        (sent("input_audio_buffer.append", audio="no!"), {"at": "audio"}),
        (
            item(**message("user", {"type": "input_audio", "audio": "no!"})),
            {"at": "item.content[0].audio"},
        ),
    ],
    "transcription_query": [(connected("intent=transcription&model=gpt-realtime-whisper"), {})],
    "session_model": [(connected("model=gpt-realtime-whisper"), {"got": "gpt-realtime-whisper"})],
    "beta": [(connected("model=gpt-realtime", {"OpenAI-Beta": "realtime=v1"}), {})],
    "voice_after_audio": [
        (spoken_then("session.update", session={"type": "realtime", **voice("cedar")}), {}),
    ],
}


@pytest.mark.slow
@each("name", TABLE)
def test_every_refusal_of_the_table_is_made_in_its_words(name: str, sim: Simulator) -> None:
    row = TABLE[name]
    if not row.message:
        assert name in ("voice_of_response", "tracing") and row.unknown  # below
        return
    for example, parts in EXAMPLES[name]:
        problem = row.problem(**parts)
        assert example(sim) == problem.envelope()["error"]


def test_events_permitted_by_a_row_are_accepted(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        socket.update(**voice("cedar"), output_modalities=["text"], tools=[{"type": "function", "name": "f"}])
        socket.update(audio={"output": {"voice": {"id": "voice_1234"}}, "input": {**WHISPER, **VAD}})
        call = {"type": "function_call", "name": "f", "call_id": "c" * 32, "arguments": "{}"}
        socket.send("conversation.item.create", item=call)
        socket.until("conversation.item.done")
        output = {"type": "function_call_output", "call_id": "c" * 32, "output": "1"}
        socket.send("conversation.item.create", item=output)
        assert socket.until("conversation.item.done")["item"]["call_id"] == "c" * 32
        said = message("assistant", {"type": "output_text", "text": "Hi."})
        socket.send("conversation.item.create", item=said)
        socket.until("conversation.item.done")
        assert "error" not in {event["type"] for event in socket.events}


def test_a_transcription_session_without_turn_detection_waits_for_commits(sim: Simulator) -> None:
    with Socket(sim, "intent=transcription") as socket:
        assert socket.recv()["session"]["audio"]["input"]["turn_detection"] is not None
        socket.send("session.update", session={"type": "transcription", "audio": {"input": WHISPER}})
        assert socket.until("session.updated")["session"]["audio"]["input"]["turn_detection"] is None


def test_a_response_keeps_the_voice_that_was_heard(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.send("response.create", response=voice("cedar"))
        assert socket.until("response.done")["response"]["audio"]["output"]["voice"] == "cedar"
        socket.send("response.create", response=voice("marin"))
        assert socket.until("response.done")["response"]["audio"]["output"]["voice"] == "cedar"


def test_tracing_stays_as_it_was_once_it_is_on(sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        for given, shown in (("auto", "auto"), ({"workflow_name": "x"}, "auto"), (None, "auto")):
            session = socket.update(tracing=given, instructions=str(given))
            assert (session["tracing"], session["instructions"]) == (shown, str(given))


def test_other_services_accept_their_own_names() -> None:
    with Simulator(pacing="none", espeak=False, profile="xai") as sim, Socket(sim) as socket:
        socket.send("session.update", session={"type": "realtime", "voice": "Eve"})
        told = ""
        while "session.updated" not in told:
            told = str(socket.ws.recv(timeout=PATIENCE))
            assert '"error"' not in told


def test_an_mcp_server_that_cannot_be_reached_fails(sim: Simulator) -> None:
    sim.mcp_server("shop", [{"name": "buy", "input_schema": {"type": "object"}}])
    servers = [
        {"type": "mcp", "server_label": label, "server_url": "https://127.0.0.1:9/mcp"}
        for label in ("shop", "nowhere")
    ]
    with Socket(sim) as socket:
        socket.send("session.update", session={"type": "realtime", "tools": servers})
        assert socket.until("mcp_list_tools.completed")
        failed = socket.until("mcp_list_tools.failed")["item_id"]
        item = socket.until("conversation.item.done")["item"]
        assert (item["id"], item["server_label"], item["tools"]) == (failed, "nowhere", [])


@each(
    "metadata, code, said",
    [
        (
            {f"k{n}": "v" for n in range(17)},
            "object_above_max_properties",
            "Invalid 'response.metadata': too many properties. Expected an object with at most 16 "
            "properties, but got an object with 17 properties instead.",
        ),
        (
            {"k": "v" * 513},
            "string_above_max_length",
            "Invalid 'response.metadata.k': string too long. Expected a string with maximum length 512, "
            "but got a string with length 513 instead.",
        ),
        (
            {"k" * 65: "v"},
            "property_name_above_max_length",
            f"Invalid 'response.metadata.{'k' * 65}': string too long. Expected a string with maximum "
            "length 64, but got a string with length 65 instead.",
        ),
    ],
)
def test_metadata_has_bounds(sim: Simulator, metadata: dict[str, str], code: str, said: str) -> None:
    error = sent("response.create", response={"metadata": metadata})(sim)
    assert (error["code"], error["message"]) == (code, said)


def test_a_decimal_number_is_named_as_the_service_does(sim: Simulator) -> None:
    fields = {"item_id": "item_1", "content_index": 0, "audio_end_ms": 1.5}
    error = sent("conversation.item.truncate", **fields)(sim)
    said = "Invalid type for 'audio_end_ms': expected an integer, but got a decimal number instead."
    assert (error["code"], error["message"]) == ("invalid_type", said)


def test_a_format_in_its_older_form_is_of_the_wrong_type(sim: Simulator) -> None:
    error = updated(audio={"input": {"format": "pcm16"}})(sim)
    said = "Invalid type for 'session.audio.input.format': expected an object, but got a string instead."
    assert (error["code"], error["message"]) == ("invalid_type", said)
    error = updated(audio={"input": {"format": {"type": "pcm16"}}})(sim)
    said = "Invalid value: 'pcm16'. Supported values are: 'audio/pcm', 'audio/pcmu', and 'audio/pcma'."
    assert (error["code"], error["message"]) == ("invalid_value", said)


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run .venv/bin/python -m tests.support.refusals_page"
