"""Events of the Live API that a program sends as dicts, each as the service accepts it. Never run."""

from __future__ import annotations

from realtime_ext.connection import AsyncLiveConnection, LiveConnection

IMAGE = "data:image/png;base64,iVBORw0KGgo="


def add_context(connection: LiveConnection) -> None:
    connection.send(
        {"type": "session.instructions.append", "delegation_id": None, "content": "Answer briefly."}
    )
    connection.send(
        {"type": "session.thinking.append", "delegation_id": "item_1", "content": "Closed today."}
    )
    connection.send(
        {"type": "session.commentary.append", "delegation_id": None, "content": "Hello.", "event_id": "my_1"}
    )
    connection.send({"type": "session.thinking.append", "content": "Whose delegation?"})  # wrong
    connection.send({"type": "session.thinking.append", "delegation_id": None})  # wrong


def control_the_session(connection: LiveConnection) -> None:
    connection.send({"type": "session.input_audio.append", "audio": "AAAA"})
    connection.send({"type": "session.input_audio.mute"})
    connection.send({"type": "session.input_audio.unmute", "event_id": "my_2"})
    connection.send({"type": "session.output_audio.fixture.play", "audio": "AAAA"})
    connection.send({"type": "transport.dtmf.send", "event": "5"})
    connection.send({"type": "session.update", "session": {}})
    connection.send(
        {
            "type": "session.update",
            "session": {
                "delegation": {
                    "type": "responses",
                    "responses": {"reasoning": {"effort": "low"}, "tools": [{"type": "web_search"}]},
                }
            },
        }
    )
    connection.send({"type": "session.update", "session": {"voice": "marin"}})  # wrong
    connection.send({"type": "session.close"})


def use_the_backend(connection: LiveConnection) -> None:
    connection.send(
        {
            "type": "response.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": "14 degrees"},
        }
    )
    connection.send(
        {
            "type": "response.item.create",
            "item": {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": [
                    {"type": "input_text", "text": "A map:"},
                    {"type": "input_image", "image_url": IMAGE},
                ],
            },
        }
    )
    connection.send(
        {
            "type": "response.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": IMAGE},
                ],
            },
        }
    )
    connection.send({"type": "response.item.create", "item": {"role": "user", "content": "Good morning."}})
    connection.send({"type": "response.create"})


async def decide(connection: AsyncLiveConnection) -> None:
    await connection.send(
        {
            "type": "decision.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        }
    )
    await connection.send({"type": "decision.item.delete", "item_id": "item_1"})
    await connection.send({"type": "decision.create", "event_id": "my_3"})
