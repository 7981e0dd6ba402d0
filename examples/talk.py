"""Talk: by text, by a WAV file, or by the microphone and the loudspeaker of this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import where
from realtime_kit.devices import Headset

from realtime_ext import AsyncConnection, AsyncRealtimeClient, SessionBuilder, audio

INSTRUCTIONS = (
    "You answer for the front desk of a small hotel, in one short sentence. Breakfast starts at seven."
)


async def by_text(connection: AsyncConnection, lines: list[str]) -> None:
    """Ask each line, and print the answers word by word."""
    for line in lines:
        print(f"> {line}")
        async with connection.stream(line) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="", flush=True)
        print()


async def by_file(connection: AsyncConnection, question: Path, reply: Path) -> None:
    """Ask the question in a WAV file, and write the answer to another."""
    await connection.append_audio(audio.read_wav(question))
    await connection.commit_audio()
    turn = await connection.ask()
    audio.write_wav(reply, turn.audio)
    print(f"{turn.transcript} ({audio.duration_ms(turn.audio) / 1000:.1f} s in {reply})")


async def by_microphone(connection: AsyncConnection) -> None:
    """Talk until Ctrl-C; speaking interrupts the model."""
    async with Headset(connection):
        async for event in connection:
            match event.type:
                case "conversation.item.input_audio_transcription.completed":
                    print(f"> {event.transcript}", flush=True)
                case "response.output_audio_transcript.done":
                    print(event.transcript, flush=True)


async def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("messages", nargs="*", help="what to say; lines of standard input if there are none")
    parser.add_argument("--audio-in", type=Path, metavar="WAV", help="a question to ask")
    parser.add_argument(
        "--audio-out", type=Path, metavar="WAV", default="reply.wav", help="where its answer goes"
    )
    parser.add_argument("--microphone", action="store_true", help="talk until Ctrl-C")
    options = parser.parse_args()
    session = SessionBuilder("gpt-realtime-2.1").instructions(INSTRUCTIONS)
    if options.audio_in is not None:
        session = session.voice("marin").push_to_talk()  # the file is the whole question
    elif options.microphone:
        session = session.voice("marin").semantic_vad().transcribe("gpt-realtime-whisper")
    else:
        session = session.output("text")
    with where.api(options.live) as simulator:
        if simulator is not None:  # it does not recognize speech, so set the words here
            simulator.on_speech(lambda heard: "What time does breakfast start?")
            simulator.on_response("Breakfast starts at seven.", match="breakfast")
        async with AsyncRealtimeClient() as client, client.connect(session) as connection:
            if options.audio_in is not None:
                await by_file(connection, options.audio_in, options.audio_out)
            elif options.microphone:
                await by_microphone(connection)
            else:
                await by_text(connection, options.messages or [line.strip() for line in sys.stdin])
            print(f"{connection.usage.total_tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main())
