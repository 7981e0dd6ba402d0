"""Runs in build/peers: the agents SDK for Python against a simulator; prints what it understood as JSON.

It asks with a tool, then speaks into the answer, which it truncates to what was heard.
"""

import asyncio
import itertools
import json
import math
import os
import struct

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner

called: list[str] = []
# The pitch of a voice is never steady.
CYCLES = itertools.accumulate((130 + 10 * math.sin(math.pi * n / 4000)) / 24000 for n in range(24000))
VOWEL = b"".join(struct.pack("<h", int(18000 * (cycles % 1) - 9000)) for cycles in CYCLES)


@function_tool
def get_weather(city: str) -> str:
    """Return the weather."""
    called.append(city)
    return "sunny"


async def main() -> None:
    set_tracing_disabled(True)
    agent = RealtimeAgent(name="Desk", instructions="Be brief.", tools=[get_weather])
    audio = {
        "input": {
            "format": "pcm16",
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "interrupt_response": True},
        },
        "output": {"format": "pcm16", "voice": "ash"},
    }
    # Of `tracing` it sends all parts, those that are not set as null.
    tracing = {"workflow_name": "desk"}
    settings = {"model_settings": {"model_name": "gpt-realtime", "audio": audio, "tracing": tracing}}
    url = os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1) + "/realtime?model=gpt-realtime"
    session = await RealtimeRunner(starting_agent=agent, config=settings).run(
        model_config={"url": url, "api_key": os.environ["OPENAI_API_KEY"]}
    )
    seen, errors, raw, ends, spoke = set(), [], set(), 0, False
    async with session, asyncio.timeout(300):
        await session.send_message("What is the weather like?")
        async for event in session:
            seen.add(event.type)
            if event.type == "error":
                errors.append(str(event.error))
            elif event.type == "raw_model_event" and isinstance(getattr(event.data, "data", None), dict):
                raw.add(event.data.data.get("type"))
            elif event.type == "audio" and called and not spoke:
                spoke = True
                sound = VOWEL + bytes(48000)
                for start in range(0, len(sound), 4800):
                    await session.send_audio(sound[start : start + 4800])
            elif event.type == "agent_end":
                ends += 1
                if ends == 3:
                    break
    facts = {"called": called, "errors": errors, "seen": sorted(seen), "raw": sorted(map(str, raw))}
    print(json.dumps(facts))


asyncio.run(main())
