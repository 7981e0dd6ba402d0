"""Servers that speak the beta's names, and xAI's: programs see today's, and what goes out is theirs."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from realtime_simulator import Simulator, call_tool, sequence
from websockets.sync.client import ClientConnection, connect

from realtime_ext import BadRequestError, RealtimeClient, RealtimeError, SessionBuilder, audio
from realtime_ext.connection._dialects import DialectLink
from realtime_ext.connection._link import OnEnd, OnMessage
from realtime_ext.events import parse_event
from tests.simulator.receiver import receiving
from tests.support.paths import QUESTION

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


@pytest.fixture(params=["beta", "xai"])
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
        assert done.wait(20).response.status == "completed"
        texts = [line.text for line in connection.transcript]
        assert texts == ["What time does breakfast start?", "At seven."]


def test_a_refusal_names_the_event_that_it_is_of(client: RealtimeClient) -> None:
    with client.connect(TEXT) as connection, connection.expect("error") as error:
        sent = connection.delete_item("item_nobody_knows")
        assert error.wait(10).error.event_id == sent


def test_the_beta_is_asked_for_in_the_handshake() -> None:
    with (
        simulator_of("beta") as simulator,
        RealtimeClient(simulator.api_key, base_url=simulator.base_url, dialect="beta") as client,
        client.connect("m"),
    ):
        assert simulator.requests[-1].headers["openai-beta"] == "realtime=v1"


def test_a_dialect_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="dialect: expected 'beta', 'xai' or None, got 'ga'"):
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
            first, _ = read(socket, "session.created")
            assert first["type"] == "conversation.created"
            session = {
                "voice": "eve",
                "turn_detection": None,
                "audio": {"input": {"format": {"type": "audio/pcmu"}}},
            }
            socket.send(json.dumps({"type": "session.update", "session": session}))
            updated = read(socket, "session.updated")[-1]["session"]
            assert (updated["voice"], updated["turn_detection"]) == ("eve", None)
            assert updated["audio"]["input"]["format"] == {"type": "audio/pcmu"}
            assert "turn_detection" not in updated["audio"]["input"]
            response = {"output_modalities": ["text"]}
            socket.send(json.dumps({"type": "response.create", "response": response}))
            types = [event["type"] for event in read(socket, "response.done")]
            assert "response.text.delta" in types
            assert "rate_limits.updated" not in types


def test_what_servers_leave_out_is_filled_in() -> None:
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


@pytest.mark.parametrize("dialect", ["beta", "xai"])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.done", "response": {"output": 5, "modalities": 5}},
        {"type": "response.output_item.added", "item": {"role": "assistant", "content": 5}},
        {"type": "session.updated", "session": {"audio": [1], "voice": "x", "modalities": 7}},
        {"type": "session.updated", "session": {"audio": {"output": "x", "input": 5}, "voice": "x"}},
    ],
)
def test_an_event_of_another_shape_comes_as_it_is(event: dict[str, Any], dialect: Any) -> None:
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
                assert done.wait(10).response.status == "completed"
    assert call.ended == "hangup"
