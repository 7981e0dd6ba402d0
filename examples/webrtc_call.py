"""Call over WebRTC from Python: play a WAV file, and record the reply in another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import where

from realtime_ext import AsyncRealtimeClient, SessionBuilder


async def call(question: Path, reply: Path) -> None:
    session = (
        SessionBuilder("gpt-realtime-2.1")
        .instructions("Answer in one sentence.")
        .voice("marin")
        .semantic_vad()  # waits until a sentence is over; by default 200 ms of silence end a turn
    )
    async with (
        AsyncRealtimeClient() as client,
        client.dial(
            session=session,
            audio_in=question,
            audio_out=reply,
            on_progress=lambda step: print(f"done: {step}"),
        ) as connection,
    ):
        print(f"call {connection.call.id}")
        async for event in connection:
            match event.type:
                case "input_audio_buffer.speech_started":
                    print("the API hears speech")
                case "response.output_audio_transcript.done":
                    print(event.transcript)
                case "output_audio_buffer.stopped":
                    break  # the answer has been played to its end; leaving the block hangs up
    print(f"{connection.received_ms / 1000:.1f} s in {reply}")


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("question", nargs="?", type=Path, default=where.QUESTION)
    parser.add_argument("reply", nargs="?", type=Path, default=Path("reply.wav"))
    options = parser.parse_args()
    with where.api(options.live) as simulator:
        if simulator is not None:  # it does not recognize speech, so set the words
            simulator.on_speech(lambda heard: "What time does breakfast start?")
            simulator.on_response("Breakfast starts at seven.", match="breakfast")
        asyncio.run(call(options.question, options.reply))


if __name__ == "__main__":
    main()
