"""Runs in build/livekit: an agent with OpenAI's realtime model against a simulator; prints what it got.

It asks in writing, with a tool; then it speaks, and speaks into the answer, which it truncates.
"""

import asyncio
import json
import os
import sys
import time

from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai
from openai.types.beta.realtime.session import InputAudioTranscription, TurnDetection
from waiting import until

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
    """What is said into it, in pieces of 20 ms."""

    def __init__(self):
        super().__init__(label="microphone")
        self._pieces = asyncio.Queue()

    def say(self, sound):
        for start in range(0, len(sound), 960):
            piece = sound[start : start + 960]
            self._pieces.put_nowait(rtc.AudioFrame(piece, 24000, 1, len(piece) // 2))

    async def __anext__(self):
        return await self._pieces.get()


class Loudspeaker(io.AudioOutput):
    """Plays in real time, without a listener.

    Attributes:
        plays: Set while something is played.
    """

    def __init__(self):
        super().__init__(
            label="loudspeaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=24000
        )
        self.plays, self._begun, self._seconds, self._end = asyncio.Event(), 0.0, 0.0, None

    async def capture_frame(self, frame):
        await super().capture_frame(frame)
        if not self.plays.is_set():
            self._begun, self._seconds = time.monotonic(), 0.0
            self.plays.set()
            self.on_playback_started(created_at=time.time())
        self._seconds += frame.duration

    def flush(self):
        super().flush()
        if self.plays.is_set():
            left = self._seconds - (time.monotonic() - self._begun)
            self._end = asyncio.get_running_loop().call_later(max(left, 0), self._finish, False)

    def clear_buffer(self):
        if self.plays.is_set():
            self._finish(True)

    def _finish(self, interrupted):
        if self._end is not None:
            self._end.cancel()
        self.plays.clear()
        heard = min(time.monotonic() - self._begun, self._seconds)
        self.on_playback_finished(playback_position=heard, interrupted=interrupted)


async def main():
    given = json.load(sys.stdin)
    model = openai.realtime.RealtimeModel(
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
        model="gpt-realtime",
        voice="marin",
        input_audio_transcription=InputAudioTranscription(model="gpt-4o-mini-transcribe", language="en"),
        turn_detection=TurnDetection(type="server_vad", silence_duration_ms=300),
    )
    session = AgentSession(llm=model)
    session.on("error", lambda event: FACTS["errors"].append(str(event.error)))

    def transcribed(event):
        if event.is_final:
            FACTS["heard"].append(event.transcript)

    def added(event):
        if getattr(event.item, "role", None) == "assistant":
            FACTS["said"].append(event.item.text_content)

    session.on("user_input_transcribed", transcribed)
    session.on("conversation_item_added", added)
    microphone, loudspeaker = Microphone(), Loudspeaker()
    session.input.audio, session.output.audio = microphone, loudspeaker
    sound = bytes.fromhex(given["sound"])
    await session.start(Desk())
    try:
        await session.generate_reply(user_input=given["question"])
        await until(lambda: given["answer"] in FACTS["said"])
        microphone.say(sound)
        await asyncio.wait_for(loudspeaker.plays.wait(), 40)
        await asyncio.sleep(1)  # of the answer, which then is interrupted
        microphone.say(sound)
        await until(lambda: given["last"] in FACTS["said"] and len(FACTS["heard"]) >= 2)
    finally:
        await session.aclose()
        print(json.dumps(FACTS))


asyncio.run(main())
