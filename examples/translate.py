"""Translate speech: a WAV file in, a WAV file in another language and its words out."""

from __future__ import annotations

from pathlib import Path

import where
from realtime_api.models import (
    RealtimeTranslationServerEventSessionOutputAudioDelta,
    RealtimeTranslationServerEventSessionOutputTranscriptDelta,
)

from realtime_ext import RealtimeClient, TranslationSessionBuilder, audio


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("speech", nargs="?", type=Path, default=where.QUESTION)
    parser.add_argument("translated", nargs="?", type=Path, default=Path("translated.wav"))
    parser.add_argument("--to", default="es", metavar="LANGUAGE")
    options = parser.parse_args()
    session = TranslationSessionBuilder("gpt-realtime-translate").to_language(options.to)
    spoken = bytearray()
    with (
        where.api(options.live) as simulator,
        RealtimeClient() as client,
        client.connect(session=session) as connection,
    ):
        if simulator is not None:  # it does not translate
            simulator.on_speech(lambda heard: "What time does breakfast start?")
            simulator.on_translation(lambda words, language: "¿A qué hora empieza el desayuno?")
        connection.append_audio(audio.read_wav(options.speech))
        connection.append_audio(audio.silence(1000))  # so that the end of the sentence is detected
        connection.send({"type": "session.close"})  # no more audio: finish, then end
        for event in connection:
            match event:
                case RealtimeTranslationServerEventSessionOutputTranscriptDelta():
                    print(event.delta, end="", flush=True)
                case RealtimeTranslationServerEventSessionOutputAudioDelta():
                    spoken += audio.decode(event)
    audio.write_wav(options.translated, spoken)
    print(f"\n{audio.duration_ms(spoken) / 1000:.1f} s in {options.translated}")


if __name__ == "__main__":
    main()
