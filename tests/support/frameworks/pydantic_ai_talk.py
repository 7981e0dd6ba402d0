"""Runs in build/pydantic-ai: an agent on a Realtime model against a simulator; prints what it got.

It asks in writing, with a tool; then it speaks, and speaks into the answer, which it truncates.
"""

import asyncio
import json
import os
import sys

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.messages import SpeechPart
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import openai
from waiting import Line, until


async def main():
    given = json.load(sys.stdin)
    facts = {"called": [], "said": [], "heard": [], "errors": []}
    client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
    model = openai.OpenAIRealtimeModel(
        "gpt-realtime",
        provider=OpenAIProvider(openai_client=client),
        settings=openai.OpenAIRealtimeModelSettings(
            input_transcription_model="gpt-4o-mini-transcribe",
            openai_voice="marin",
            openai_turn_detection={"type": "server_vad", "silence_duration_ms": 300},
        ),
    )
    agent = Agent(instructions="Be brief.")

    @agent.tool_plain
    async def get_weather(city: str) -> str:
        """Return the weather."""
        facts["called"].append(city)
        return "sunny"

    line, spoke, played = Line(), asyncio.Event(), 0  # bytes of the answers
    async with agent.realtime(model).session() as session:

        async def speak():
            async for piece in line.pieces():
                await session.send_audio(piece)

        async def listen():
            async for part in session.stream_transcripts():
                if isinstance(part, SpeechPart) and part.transcript:
                    facts["said" if part.speaker == "assistant" else "heard"].append(part.transcript.strip())

        async def play():
            nonlocal played
            async for piece in session.stream_audio():
                spoke.set()
                await asyncio.sleep(len(piece) / 48_000)
                played += len(piece)

        async def watch():
            async for event in session:
                if "Error" in type(event).__name__:
                    facts["errors"].append(str(event))
                if "SpeechStart" in type(event).__name__ and spoke.is_set():
                    await session.interrupt(played_bytes=played)

        tasks = [asyncio.create_task(work()) for work in (speak, listen, play, watch)]
        try:
            await session.send(given["question"])
            await until(lambda: given["answer"] in facts["said"])
            spoke.clear()
            sound = bytes.fromhex(given["sound"])
            line.say(sound)
            await until(lambda: len(facts["heard"]) == 1)
            spoke.clear()
            await spoke.wait()
            line.say(sound)
            await until(lambda: given["last"] in facts["said"])
        finally:
            facts["failed"] = [repr(task.exception()) for task in tasks if task.done() and task.exception()]
            for task in tasks:
                task.cancel()
    print(json.dumps(facts))


asyncio.run(main())
