"""Transcribe the speech in a WAV file."""

from __future__ import annotations

from pathlib import Path

import where

from realtime_ext import RealtimeClient, TranscriptionSessionBuilder, audio


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("speech", nargs="?", type=Path, default=where.QUESTION)
    options = parser.parse_args()
    session = TranscriptionSessionBuilder("gpt-realtime-whisper").transcribe(language="en").push_to_talk()
    with (
        where.api(options.live) as simulator,
        RealtimeClient() as client,
        client.connect(session=session) as connection,
    ):
        if simulator is not None:  # it does not recognize speech, so set the words
            simulator.on_speech(lambda heard: "What time does breakfast start?")
        connection.append_audio(audio.read_wav(options.speech))
        connection.commit_audio()
        for event in connection:
            match event.type:
                case "conversation.item.input_audio_transcription.delta":
                    print(event.delta, end="", flush=True)
                case "conversation.item.input_audio_transcription.completed":
                    print()
                    break
                case "conversation.item.input_audio_transcription.failed":
                    raise SystemExit(f"transcription failed: {event.error.message}")


if __name__ == "__main__":
    main()
