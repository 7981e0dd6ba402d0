"""Compatible servers with other dialects: programs use the current names, and the wire has the server's."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, call_tool, sequence
from realtime_simulator._recordings.recording import read as read_recording
from websockets.sync.client import ClientConnection, connect

from realtime_ext import (
    BadRequestError,
    RealtimeClient,
    RealtimeError,
    SessionBuilder,
    TranslationSessionBuilder,
    audio,
)
from realtime_ext.connection._dialects import DialectLink, VoiceLive
from realtime_ext.connection._link import OnEnd, OnMessage
from realtime_ext.events import UnknownEvent, parse_event
from tests.simulator.receiver import receiving
from tests.support.paths import QUESTION, SAMPLES
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SESSION = (
    SessionBuilder("qwen3-omni-flash-realtime")
    .instructions("Answer briefly.")
    .voice("Cherry", speed=1.1)
    .server_vad(silence_duration_ms=400)
    .transcribe("whisper-1")
    .max_output_tokens(200)
)
TEXT = SessionBuilder("qwen3-omni-flash-realtime").output("text")


def simulator_of(profile: Any) -> Simulator:
    return Simulator(pacing="none", espeak=False, profile=profile)


@pytest.fixture(params=["beta", "azure-voice-live", "xai"])
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def simulator(profile: str) -> Iterator[Simulator]:
    with simulator_of(profile) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator, profile: Any) -> Iterator[RealtimeClient]:
    with RealtimeClient(simulator.api_key, base_url=simulator.base_url, dialect=profile) as client:
        yield client


def raw(simulator: Simulator, model: str = "m", **headers: str) -> ClientConnection:
    url = f"{simulator.base_url.replace('http', 'ws')}/realtime?model={model}"
    return connect(url, additional_headers={"authorization": f"Bearer {simulator.api_key}", **headers})


def read(socket: ClientConnection, until: str) -> list[dict[str, Any]]:
    events = []
    while not events or events[-1]["type"] != until:
        events.append(json.loads(socket.recv(10)))
    return events


# The client


def test_a_session_is_configured_and_shown_with_todays_names(client: RealtimeClient) -> None:
    with client.connect(SESSION) as connection:
        session: Any = connection.session
        assert session.audio.output.voice == "Cherry"
        assert session.audio.input.turn_detection.type == "server_vad"
        assert session.audio.output.format.type == "audio/pcm"
        assert session.instructions == "Answer briefly."


def test_text_and_speech_are_heard_with_todays_names(client: RealtimeClient, simulator: Simulator) -> None:
    simulator.on_response("Breakfast starts at seven.")
    with client.connect(TEXT) as connection:
        with connection.stream("When is breakfast?") as stream:
            types = [event.type for event in stream]
        assert "response.output_text.delta" in types
        assert not {"response.text.delta", "conversation.item.created"} & set(types)
        assert stream.turn.text == "Breakfast starts at seven."
        assert [item.type for item in connection.items] == ["message", "message"]
    with client.connect(SESSION) as connection:
        turn = connection.ask("When is breakfast?")
        assert turn.transcript == "Breakfast starts at seven."
        assert len(turn.audio) > 24000
        assert turn.usage is not None
        # What the assistant said can be put into the next session.
        for item in connection.replay_items():
            connection.create_item(item)
        assert connection.ask().status == "completed"


def test_tools_run(client: RealtimeClient, simulator: Simulator) -> None:
    def book_room(room: str) -> str:
        """Book a room."""
        return f"{room} is booked"

    simulator.on_response(sequence(call_tool("book_room", {"room": "Elm"}), "Done."))
    with client.connect(TEXT, tools=[book_room]) as connection:
        turn = connection.ask("Book Elm.")
        assert turn.text == "Done."
        assert turn.tool_calls[0].output == '"Elm is booked"'


def test_a_spoken_question_is_heard_and_answered(client: RealtimeClient, simulator: Simulator) -> None:
    simulator.on_speech(lambda heard: "What time does breakfast start?")
    simulator.on_response("At seven.", match="breakfast")
    with client.connect(SESSION) as connection, connection.expect("response.done") as done:
        connection.append_audio(audio.read_wav(QUESTION) + audio.silence(1500))
        assert done.wait(PATIENCE).response.status == "completed"
        texts = [line.text for line in connection.transcript]
        assert texts == ["What time does breakfast start?", "At seven."]


def test_a_refusal_names_the_event_that_it_is_of(client: RealtimeClient) -> None:
    with client.connect(TEXT) as connection, connection.expect("error") as error:
        sent = connection.delete_item("item_nobody_knows")
        assert error.wait(PATIENCE).error.event_id == sent


def test_the_beta_is_asked_for_in_the_handshake() -> None:
    with (
        simulator_of("beta") as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url, dialect="beta") as client,
        client.connect("m"),
    ):
        assert simulator.requests[-1].headers["openai-beta"] == "realtime=v1"


def test_a_dialect_that_is_unknown_is_refused() -> None:
    with pytest.raises(
        ValueError, match="dialect: expected 'beta', 'xai', 'azure-voice-live' or None, got 'ga'"
    ):
        RealtimeClient("k", dialect="ga")  # type: ignore[arg-type]


# That it is needed


def test_without_the_dialect_the_beta_refuses_sessions() -> None:
    with (
        simulator_of("beta") as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
        pytest.raises(BadRequestError, match="Unknown parameter: 'session"),
        client.connect(SESSION),
    ):
        raise AssertionError


def test_without_the_dialect_xai_ignores_the_voice() -> None:
    with (
        simulator_of("xai") as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
        client.connect(SESSION),
    ):
        assert simulator.sessions[0].config["audio"]["output"]["voice"] != "Cherry"


# The wire


def test_the_beta_is_spoken_on_the_wire() -> None:
    with simulator_of("beta") as simulator:
        simulator.on_response("At seven.")
        with raw(simulator, **{"openai-beta": "realtime=v1"}) as socket:
            (created,) = read(socket, "session.created")
            assert created["session"]["modalities"] == ["text", "audio"]
            assert created["session"]["input_audio_format"] == "pcm16"
            assert "audio" not in created["session"]
            update = {"voice": "Cherry", "modalities": ["text"], "turn_detection": None, "temperature": 0.7}
            socket.send(json.dumps({"type": "session.update", "session": update}))
            updated = read(socket, "session.updated")[-1]["session"]
            assert (updated["voice"], updated["modalities"]) == ("Cherry", ["text"])
            assert updated["turn_detection"] is None
            item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
            socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            (made,) = read(socket, "conversation.item.created")
            assert made["item"]["content"] == [{"type": "text", "text": "Hello."}]
            socket.send(json.dumps({"type": "response.create"}))
            events = read(socket, "response.done")
            assert "response.text.delta" in [event["type"] for event in events]
            assert "conversation.item.done" not in [event["type"] for event in events]
            assert events[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": "At seven."}]
            assert events[-1]["response"]["modalities"] == ["text"]
            for refused, param in (
                ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
                (
                    {"type": "session.update", "session": {"input_audio_format": "pcm8"}},
                    "session.input_audio_format",
                ),
                ({"type": "response.create", "response": {"audio": {}}}, "response.audio"),
                (
                    {
                        "type": "conversation.item.create",
                        "item": {**item, "content": [{"type": "output_text", "text": "Hello."}]},
                    },
                    "item.content[0].type",
                ),
            ):
                socket.send(json.dumps({**refused, "event_id": "mine"}))
                (error,) = read(socket, "error")
                assert (error["error"]["param"], error["error"]["event_id"]) == (param, "mine")
            socket.send("no JSON")
            assert read(socket, "error")[-1]["error"]["code"] == "invalid_json"


def test_xai_is_spoken_on_the_wire() -> None:
    with simulator_of("xai") as simulator:
        simulator.on_response("At seven.")
        with raw(simulator) as socket:
            read(socket, "ping")
            session = {
                "voice": "eve",
                "turn_detection": None,
                "audio": {"input": {"format": {"type": "audio/pcmu"}}},
            }
            socket.send(json.dumps({"type": "session.update", "session": session}))
            updated = read(socket, "session.updated")[-1]["session"]
            assert (updated["voice"], updated["turn_detection"]) == ("eve", {"type": None})
            assert updated["audio"]["input"]["format"] == {"type": "audio/pcmu"}
            assert "turn_detection" not in updated["audio"]["input"]
            response = {"output_modalities": ["text"]}
            socket.send(json.dumps({"type": "response.create", "response": response}))
            types = [event["type"] for event in read(socket, "response.done")]
            assert "response.text.delta" in types
            assert "rate_limits.updated" not in types


class Replayed:
    """A server that sends the events of a recording."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
        for event in self._events:
            on_message(json.dumps(event))


def replayed(name: str, dialect: Any) -> list[Any]:
    """Return the typed events that a client receives from a recorded server."""
    (recording,) = read_recording(SAMPLES / "recordings" / f"{name}.yaml")
    server: Any = Replayed([message.data for message in recording.messages("received")])
    received: list[Any] = []
    DialectLink(server, dialect).receive(received.append, received.append)
    return [parse_event(message) for message in received]


RECORDED = [
    ("xai_tool_round", "xai"),
    ("xai_spoken_turn", "xai"),
    ("voice_live_tool_round", "azure-voice-live"),
    ("voice_live_spoken_turn", "azure-voice-live"),
]


@each("name, dialect", RECORDED)
def test_recorded_events_are_typed_and_each_item_ends_once(name: str, dialect: str) -> None:
    received = replayed(name, dialect)
    assert [event for event in received if isinstance(event, UnknownEvent)] == []
    kinds = ("conversation.item.added", "conversation.item.done")
    begun, ended = ([event.item.id for event in received if event.type == kind] for kind in kinds)
    assert begun == list(dict.fromkeys(begun)) and sorted(ended) == sorted(begun)
    for response in (event.response for event in received if event.type == "response.done"):
        assert response.usage.output_tokens > 0
        assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


@each("name, dialect", [one for one in RECORDED if "spoken" in one[0]])
def test_recorded_transcripts_are_completed_once(name: str, dialect: str) -> None:
    prefix = "conversation.item.input_audio_transcription."
    received = [event for event in replayed(name, dialect) if event.type.startswith(prefix)]
    assert [event.transcript for event in received if event.type == prefix + "completed"] == ["Good evening."]
    words = "".join(event.delta for event in received if event.type == prefix + "delta")
    assert words and "Good evening.".startswith(words)


@each("name, dialect", RECORDED)
def test_recorded_messages_of_the_model_have_their_words(name: str, dialect: str) -> None:
    done = [event.item for event in replayed(name, dialect) if event.type == "conversation.item.done"]
    said = [item.content[0] for item in done if item.type == "message" and item.role == "assistant"]
    assert said and all(part.text or part.transcript for part in said)


def test_revised_words_of_the_user_are_not_added_to_earlier_ones() -> None:
    prefix = "conversation.item.input_audio_transcription."
    words = [
        ("updated", "Hello?"),
        ("updated", "Hello, my"),
        ("updated", "Hello? Yes"),
        ("completed", "Hello."),
    ]
    server: Any = Replayed(
        [
            {"type": prefix + kind, "item_id": "i", "content_index": 0, "transcript": text}
            for kind, text in words
        ]
    )
    received: list[Any] = []
    DialectLink(server, "xai").receive(received.append, received.append)
    events: list[Any] = [parse_event(message) for message in received]
    assert [getattr(event, "delta", "") for event in events] == ["Hello?", " Yes", ""]
    assert events[-1].transcript == "Hello." and events[-1].usage is None


@each("voice, kind", [("marin", "openai"), ("en-US-Ava:DragonHDLatestNeural", "azure-standard")])
def test_voices_of_voice_live_are_objects_on_the_wire(voice: str, kind: str) -> None:
    with simulator_of("azure-voice-live") as simulator, raw(simulator) as socket:
        read(socket, "session.created")
        update = {"type": "session.update", "session": {"audio": {"output": {"voice": voice}}}}
        sent = VoiceLive().to_server(update)
        assert sent["session"] == {"voice": {"type": kind, "name": voice}}
        socket.send(json.dumps(sent))
        (updated,) = read(socket, "session.updated")
        assert updated["session"]["voice"] == {"type": kind, "name": voice}
        (shown,) = VoiceLive().from_server(updated)
        assert shown["session"]["audio"]["output"]["voice"] == voice


def test_fields_omitted_by_servers_are_filled_in() -> None:
    class Bare:
        """A server that sends no more than it must."""

        def __init__(self, *messages: Any) -> None:
            self.messages = list(messages)
            self.sent: list[Any] = []

        async def send(self, text: str) -> None:
            self.sent.append(json.loads(text))

        def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
            for message in self.messages:
                on_message(message if isinstance(message, str) else json.dumps(message))

    async def exchange() -> None:
        server: Any = Bare(
            {"type": "response.audio.delta", "response_id": "r", "item_id": "i", "delta": "AAAA"},
            {"type": "session.created", "session": {"voice": "Cherry", "output_audio_format": "pcm24"}},
            {"type": "response.output_item.done", "event_id": "e", "item": {"id": "i", "type": "message"}},
            {"type": "response.content_part.added", "item_id": "i", "part": {"type": "audio"}},
            "no JSON",
            "[1]",
        )
        link = DialectLink(server, "beta")
        came: deque[Any] = deque()
        link.receive(came.append, came.append)
        delta = json.loads(came.popleft())
        assert delta["event_id"]
        assert (delta["type"], delta["output_index"], delta["content_index"]) == (
            "response.output_audio.delta",
            0,
            0,
        )
        session = json.loads(came.popleft())["session"]
        assert session["audio"]["output"] == {
            "format": {"type": "audio/pcm", "rate": 24000},
            "voice": "Cherry",
        }
        done, item_done = json.loads(came.popleft()), json.loads(came.popleft())
        assert (done["type"], item_done["type"]) == ("conversation.item.done", "response.output_item.done")
        assert item_done["event_id"] == "e" != done["event_id"]
        assert json.loads(came.popleft())["part"] == {"type": "output_audio"}
        assert list(came) == ["no JSON", "[1]"]
        said = {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello."}],
        }
        response = {"output_modalities": ["audio"], "input": [said]}
        await link.send(json.dumps({"type": "response.create", "response": response}))
        old = {**said, "content": [{"type": "text", "text": "Hello."}]}
        assert server.sent == [
            {"type": "response.create", "response": {"modalities": ["text", "audio"], "input": [old]}}
        ]

    asyncio.run(exchange())


@each("dialect", ["beta", "azure-voice-live", "xai"])
@each(
    "event",
    [
        {"type": "response.done", "response": {"output": 5, "modalities": 5}},
        {"type": "response.output_item.added", "item": {"role": "assistant", "content": 5}},
        {"type": "session.updated", "session": {"audio": [1], "voice": "x", "modalities": 7}},
        {"type": "session.updated", "session": {"audio": {"output": "x", "input": 5}, "voice": "x"}},
    ],
)
def test_an_event_of_unexpected_shape_is_delivered_unchanged(event: dict[str, Any], dialect: Any) -> None:
    class One:
        def receive(self, on_message: OnMessage, on_end: OnEnd) -> None:
            on_message(json.dumps(event))

    came: list[Any] = []
    DialectLink(One(), dialect).receive(came.append, came.append)  # type: ignore[arg-type]
    received = json.loads(came[0])
    assert received["type"] == event["type"]
    parse_event(received)


def test_azure_is_reached_with_its_own_header_and_any_deployment() -> None:
    with simulator_of("azure") as simulator:
        client = RealtimeClient(
            lambda: simulator.api_key,
            base_url=simulator.base_url,
            auth_header="api-key",
            webhook_secret=simulator.webhook_secret,
        )
        with client, client.connect("my-deployment", session=SessionBuilder().output("text")) as connection:
            assert connection.ask("Hello").status == "completed"
        with (
            RealtimeClient("wrong", base_url=simulator.base_url, auth_header="api-key") as client,
            pytest.raises(RealtimeError, match="Incorrect API key"),
            client.connect("my-deployment"),
        ):
            raise AssertionError


@pytest.mark.slow
def test_azures_phone_calls_are_announced_and_answered_as_openais() -> None:
    with simulator_of("azure") as simulator, receiving() as receiver:
        call = simulator.incoming_call(receiver.url)
        client = RealtimeClient(
            simulator.api_key,
            base_url=simulator.base_url,
            auth_header="api-key",
            webhook_secret=simulator.webhook_secret,
        )
        delivered = receiver.deliveries[0]
        with client:
            event: Any = client.webhooks.unwrap(delivered.body, delivered.headers)
            assert event.data.call_id == call.id
            with client.answer(event.data, SessionBuilder("my-deployment")) as connection:
                with connection.expect("response.done") as done:
                    connection.create_response()
                assert done.wait(PATIENCE).response.status == "completed"
    assert call.ended == "hangup"


def test_a_translation_is_refused_before_it_is_sent(profile: Any) -> None:
    """No such server has them, and the dialect's names have no place for their language."""
    session = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")
    refused = pytest.raises(ValueError, match=f"dialect='{profile}' have no translations")
    with RealtimeClient("key", base_url="http://127.0.0.1:9/v1", dialect=profile) as client, refused:
        client.connect(session)
