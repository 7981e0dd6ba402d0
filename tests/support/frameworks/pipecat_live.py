"""Runs in build/pipecat: a pipeline with OpenAI's Live service against a simulator; prints what it got.

It speaks; a tool is called on the way to the answer; it speaks again, and closes.
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
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.live.llm import OpenAILiveLLMService
from pipecat.services.openai.responses.llm import OpenAIResponsesLLMService
from pipecat.workers.runner import WorkerRunner
from waiting import Line, until

logger.remove()
logger.add(sys.stderr, level="WARNING")
PARAMETERS = {"properties": {"city": {"type": "string"}}, "required": ["city"]}


class Probe(FrameProcessor):
    """Records what the service sends, on either side of it.

    Args:
        facts: Where what was said and heard, and errors, are recorded.
    """

    def __init__(self, facts):
        super().__init__()
        self.facts, self._words = facts, ""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            self._words += frame.text
        elif isinstance(frame, TranscriptionFrame):
            self.facts["heard"].append(frame.text.strip())
        elif isinstance(frame, ErrorFrame):
            self.facts["errors"].append(frame.error)
        elif isinstance(frame, LLMFullResponseEndFrame) and self._words:
            self.facts["said"].append(self._words.strip())
            self._words = ""
        await self.push_frame(frame, direction)


async def main():
    given = json.load(sys.stdin)
    facts = {"called": [], "said": [], "heard": [], "errors": []}
    llm = OpenAILiveLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1) + "/live/sessions",
        settings=OpenAILiveLLMService.Settings(voice="cedar", system_instruction="Be brief."),
        delegation=OpenAILiveLLMService.ResponsesDelegation(
            settings=OpenAIResponsesLLMService.Settings(model="gpt-5.6-sol")
        ),
    )

    async def get_weather(params):
        facts["called"].append(params.arguments["city"])
        await params.result_callback({"weather": "sunny"})

    llm.register_function("get_weather", get_weather)
    weather = FunctionSchema(name="get_weather", description="Return the weather.", **PARAMETERS)
    context = LLMContextAggregatorPair(LLMContext([], ToolsSchema(standard_tools=[weather])))
    probes = Probe(facts), Probe(facts)
    worker = PipelineWorker(Pipeline([context.user(), probes[0], llm, probes[1], context.assistant()]))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    line = Line()

    async def speak():
        async for piece in line.pieces():
            await worker.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=24000, num_channels=1))

    async def talk():
        await worker.queue_frames([LLMRunFrame()])
        speaking = asyncio.create_task(speak())
        try:
            for answer, sound in zip(given["answers"], given["sounds"], strict=True):
                line.say(bytes.fromhex(sound))
                await until(lambda: any(answer in said for said in facts["said"]))  # noqa: B023
        finally:
            speaking.cancel()
            await worker.queue_frames([EndFrame()])

    try:
        await asyncio.gather(runner.run(), talk())
    finally:
        print(json.dumps(facts))


asyncio.run(main())
