"""A user's app: dicts, builders and classes where methods accept them; mistakes are planted. Never run."""

from __future__ import annotations

import httpx

from realtime_ext import (
    AsyncRealtimeClient,
    RealtimeClient,
    SessionBuilder,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    types,
    webhooks,
)


def make_calls(client: RealtimeClient, offer: str) -> None:
    call = client.calls.create(offer, {"type": "realtime", "audio": {"output": {"voice": "marin"}}})
    client.calls.create(offer, SessionBuilder("gpt-realtime").voice("marin"))
    client.calls.create(offer, SessionBuilder("gpt-realtime").build())
    client.calls.create(offer, {"type": "realtime", "audio": {"output": {"voise": "marin"}}})  # wrong
    client.calls.create(offer, {"type": "realtime", "instrutions": "Be brief."})  # wrong
    client.calls.create(offer, {"instructions": "Be brief."})  # wrong
    client.calls.create(offer, {"type": "transcription"})  # wrong
    client.calls.create(offer, TranscriptionSessionBuilder("gpt-4o-transcribe"))  # wrong
    client.calls.create(offer, types.RealtimeFunctionTool(name="book"))  # wrong
    client.calls.hangup(call)
    client.calls.hangup(42)  # wrong
    with client.connect(call_id=call) as sideband:
        sideband.update_session({"instructions": "The guest is a regular."})
        sideband.update_session({"instrutions": "The guest is a regular."})  # wrong


def bring_an_http_client() -> None:
    RealtimeClient(http_client=httpx.Client())
    RealtimeClient(http_client=httpx.AsyncClient())  # wrong
    AsyncRealtimeClient(http_client=httpx.AsyncClient())
    AsyncRealtimeClient(http_client=httpx.Client())  # wrong


def answer(client: RealtimeClient, body: bytes, headers: dict[str, str]) -> None:
    event = webhooks.unwrap(body, headers)
    if event.type == "realtime.call.incoming":
        with client.answer(event.data, SessionBuilder("gpt-realtime")) as connection:
            connection.run()
        client.answer(event, SessionBuilder("gpt-realtime"))  # wrong


def mint(client: RealtimeClient) -> None:
    secret = client.client_secrets.create({"type": "transcription"})
    print(secret.session.nothing)  # wrong
    client.client_secrets.create(TranslationSessionBuilder("gpt-realtime-translate"))  # wrong
    client.translation_client_secrets.create(SessionBuilder("gpt-realtime"))  # wrong


def talk(client: RealtimeClient) -> None:
    client.connect(SessionBuilder("gpt-realtime"))
    client.connect({"type": "realtime", "model": "gpt-realtime"})
    client.connect("gpt-realtime").ask("Hi")  # wrong
    with client.connect("gpt-realtime") as connection:
        connection.create_item(
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        )
        connection.create_item(42)  # wrong
        connection.create_item({"type": "mesage", "role": "user"})  # wrong
        tool: types.RealtimeFunctionToolParam = {"type": "function", "name": "book"}
        connection.create_response(tools=[tool], audio={"output": {"voice": "marin"}}, tool_choice="auto")
        connection.create_response(tools=[1, 2])  # wrong
        connection.create_response(audio="loud")  # wrong
        connection.create_response(tool_choice="sometimes")  # wrong
        connection.create_response(reasoning={"efort": "low"})  # wrong
        connection.create_response(input=[{"type": "message", "role": "nobody"}])  # wrong
        connection.stream(response={"instructions": "Be brief."})
        connection.stream(response=object())  # wrong
        connection.send({"type": "input_audio_buffer.commit"})
        connection.send({"type": "input_audio_buffer.comit"})  # wrong
        connection.run_tools([], approve=lambda request: request.name == "search")
        connection.run_tools([], approve=lambda request: request.nothing)  # wrong
        turn = connection.ask("Hi")
        print(turn.text, turn.transcript, [call.name for call in turn.tool_calls])
        for item in turn.items:
            if isinstance(item, types.RealtimeConversationItemFunctionCall):
                print(item.name, item.nmae)  # wrong
        if turn.status_details is not None and turn.status_details.error is not None:
            print(turn.status_details.reason, turn.status_details.error.code)
            print(turn.status_details.raeson)  # wrong
        connection.create_response(output_modalities=["audio"], max_output_tokens="inf")
        connection.create_response(output_modalities=["adio"])  # wrong
        connection.create_response(output_modalities=("audio",))  # wrong
        found = connection.interrupt()
        print(found.unplayed_ms if found is not None else 0)
        if not isinstance(connection.session, types.RealtimeSessionCreateResponse):
            return
        print(connection.session.modle)  # wrong


async def talk_async(client: AsyncRealtimeClient) -> None:
    async with client.connect(TranslationSessionBuilder("gpt-realtime-translate")) as connection:
        await connection.update_session({"audio": {"output": {"language": "es"}}})
        await connection.create_item(42)  # wrong
        await connection.interrupt()
    client.connect(42)  # wrong
