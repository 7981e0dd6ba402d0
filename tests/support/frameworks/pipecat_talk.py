"""Runs in build/pipecat: a pipeline with OpenAI's realtime service against a simulator; prints what it got.

It asks in writing, with a tool; then it speaks, and speaks into the answer, which it truncates.
"""

import asyncio
import json
import os
import sys

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from waiting import until

logger.remove()
logger.add(sys.stderr, level="WARNING")
PARAMETERS = {"properties": {"city": {"type": "string"}}, "required": ["city"]}
AUDIO = events.AudioConfiguration(
    input=events.AudioInput(
        transcription=events.InputAudioTranscription(model="gpt-4o-mini-transcribe", language="en"),
        turn_detection=events.TurnDetection(type="server_vad", silence_duration_ms=300),
        noise_reduction=events.InputAudioNoiseReduction(type="near_field"),
    ),
    output=events.AudioOutput(voice="marin"),
)


class Probe(FrameProcessor):
    """Records what the service sends, on either side of it.

    Args:
        facts: Where what was said and heard, and errors, are recorded.
        spoke: Set by each sound of the model's.
    """

    def __init__(self, facts, spoke):
        super().__init__()
        self.facts, self.spoke, self._words = facts, spoke, ""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.spoke.set()
        elif isinstance(frame, TTSTextFrame):
            self._words += frame.text
        elif isinstance(frame, TranscriptionFrame):
            self.facts["heard"].append(frame.text)
        elif isinstance(frame, ErrorFrame):
            self.facts["errors"].append(frame.error)
        elif isinstance(frame, LLMFullResponseEndFrame) and self._words:
            self.facts["said"].append(self._words.strip())
            self._words = ""
        await self.push_frame(frame, direction)


async def main():
    given = json.load(sys.stdin)
    facts, spoke = {"called": [], "said": [], "heard": [], "errors": []}, asyncio.Event()
    llm = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime",
            session_properties=events.SessionProperties(instructions="Be brief.", audio=AUDIO),
        ),
    )

    async def get_weather(params):
        facts["called"].append(params.arguments["city"])
        await params.result_callback({"weather": "sunny"})

    llm.register_function("get_weather", get_weather)
    weather = FunctionSchema(name="get_weather", description="Return the weather.", **PARAMETERS)
    question = [{"role": "user", "content": given["question"]}]
    context = LLMContextAggregatorPair(LLMContext(question, ToolsSchema(standard_tools=[weather])))
    probes = Probe(facts, spoke), Probe(facts, spoke)
    worker = PipelineWorker(Pipeline([context.user(), probes[0], llm, probes[1], context.assistant()]))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    sound = bytes.fromhex(given["sound"])

    async def speak():
        for start in range(0, len(sound), 960):
            piece = sound[start : start + 960]
            await worker.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=24000, num_channels=1))

    async def talk():
        try:
            await worker.queue_frames([LLMRunFrame()])
            await until(lambda: given["answer"] in facts["said"])
            spoke.clear()
            await speak()
            await asyncio.wait_for(spoke.wait(), 40)
            await speak()
            await until(lambda: given["last"] in facts["said"] and len(facts["heard"]) >= 2)
        finally:
            await worker.queue_frames([EndFrame()])

    try:
        await asyncio.gather(runner.run(), talk())
    finally:
        print(json.dumps(facts))


asyncio.run(main())
