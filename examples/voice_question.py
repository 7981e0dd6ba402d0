"""Ask a question that is in a WAV file, and write the spoken answer to another."""

from __future__ import annotations

from pathlib import Path

import where

from realtime_ext import RealtimeClient, SessionBuilder, audio


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("question", nargs="?", type=Path, default=where.QUESTION)
    parser.add_argument("answer", nargs="?", type=Path, default=Path("answer.wav"))
    options = parser.parse_args()
    session = (
        SessionBuilder("gpt-realtime")
        .instructions("You answer for the front desk of a small hotel. Breakfast starts at seven.")
        .voice("marin")
        .push_to_talk()  # the file is the whole question, so nobody has to find its end
    )
    with (
        where.api(options.live) as simulator,
        RealtimeClient() as client,
        client.connect(session=session) as connection,
    ):
        if simulator is not None:  # it recognizes no speech, so it is told what was said
            simulator.on_speech(lambda heard: "What time does breakfast start?")
            simulator.on_response("Breakfast starts at seven.", match="breakfast")
        connection.append_audio(audio.read_wav(options.question))
        connection.commit_audio()
        turn = connection.ask()
        audio.write_wav(options.answer, turn.audio)
        seconds = audio.duration_ms(turn.audio) / 1000
        print(f"{turn.transcript} ({seconds:.1f} s in {options.answer})")


if __name__ == "__main__":
    main()
