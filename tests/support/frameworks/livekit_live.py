"""Runs in build/livekit: an agent with OpenAI's Live model against a simulator; prints what it got.

It speaks; a tool is called on the way to the answer; it speaks again, and closes.
"""

import asyncio
import json
import os
import sys

from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.voice import io
from livekit.plugins.openai.realtime import GPTLiveModel
from waiting import Line, until

FACTS = {"called": [], "said": [], "heard": [], "errors": []}


class Desk(Agent):
    def __init__(self):
        super().__init__(instructions="Be brief.")

    @function_tool
    async def get_weather(self, context: RunContext, city: str) -> str:
        """Return the weather."""
        FACTS["called"].append(city)
        return "sunny"


class Microphone(io.AudioInput):
    """An open line."""

    def __init__(self, line):
        super().__init__(label="microphone")
        self._pieces = line.pieces()

    async def __anext__(self):
        piece = await anext(self._pieces)
        return rtc.AudioFrame(piece, 24000, 1, len(piece) // 2)


async def main():
    given = json.load(sys.stdin)
    model = GPTLiveModel(
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
        voice="cedar",
        responses_options={"model": "gpt-5.6-sol"},
    )
    session = AgentSession(llm=model)
    session.on("error", lambda event: FACTS["errors"].append(str(event.error)))

    def added(event):
        role = getattr(event.item, "role", None)
        if role in ("assistant", "user"):
            FACTS["said" if role == "assistant" else "heard"].append(event.item.text_content.strip())

    session.on("conversation_item_added", added)
    line = Line()
    session.input.audio = Microphone(line)
    await session.start(Desk())
    try:
        for answer, sound in zip(given["answers"], given["sounds"], strict=True):
            line.say(bytes.fromhex(sound))
            await until(lambda: any(answer in said for said in FACTS["said"]))  # noqa: B023
    finally:
        await session.aclose()
        print(json.dumps(FACTS))


asyncio.run(main())
