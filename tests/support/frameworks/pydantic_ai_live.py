"""Runs in build/pydantic-ai: an agent on a Live model against a simulator; prints what it got.

It speaks; a tool is called on the way to the answer; it speaks again, and closes.
"""

import asyncio
import json
import os
import sys

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.messages import SpeechPart
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import openai_live
from waiting import Line, until


async def main():
    given = json.load(sys.stdin)
    facts = {"called": [], "said": [], "heard": [], "errors": []}
    client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
    model = openai_live.OpenAILiveModel(
        "gpt-live-1+gpt-5.6-sol",
        provider=OpenAIProvider(openai_client=client),
        settings=openai_live.OpenAILiveModelSettings(
            openai_live_instructions="Be brief.", openai_voice="cedar", openai_live_turn_silence_ms=800
        ),
    )
    agent = Agent(instructions="Use your tools.")

    @agent.tool_plain
    async def get_weather(city: str) -> str:
        """Return the weather."""
        facts["called"].append(city)
        return "sunny"

    line = Line()
    async with agent.realtime(model).session() as session:

        async def speak():
            async for piece in line.pieces():
                await session.send_audio(piece)

        async def listen():
            async for part in session.stream_transcripts():
                if isinstance(part, SpeechPart) and part.transcript:
                    facts["said" if part.speaker == "assistant" else "heard"].append(part.transcript.strip())

        async def play():
            async for _ in session.stream_audio():
                pass

        async def watch():
            async for event in session:
                if "Error" in type(event).__name__:
                    facts["errors"].append(str(event))

        tasks = [asyncio.create_task(work()) for work in (speak, listen, play, watch)]
        try:
            for number, sound in enumerate(given["sounds"]):
                line.say(bytes.fromhex(sound))
                await until(lambda: any(given["answers"][number] in said for said in facts["said"]))  # noqa: B023
        finally:
            facts["failed"] = [repr(task.exception()) for task in tasks if task.done() and task.exception()]
            for task in tasks:
                task.cancel()
    print(json.dumps(facts))


asyncio.run(main())
