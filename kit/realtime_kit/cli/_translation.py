"""`realtime translate`: translate the speech of a WAV file."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from realtime_ext.models import TRANSLATION_MODEL

from ._failures import CommandError
from ._options import Json, Simulated
from ._output import is_terminal, print_json, working, write
from ._transcription import api, read_sound

_SILENCE_MS = 2000  # so that the end of the last sentence is heard


def translate(
    file: Annotated[str, typer.Argument(help="The WAV file; - for standard input.")],
    to: Annotated[str, typer.Option(metavar="LANGUAGE", help="The target language, such as es.")],
    audio_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the translated speech to this WAV file.")
    ] = None,
    model: Annotated[str, typer.Option(help="The translation model.")] = TRANSLATION_MODEL,
    simulator: Simulated = False,
    as_json: Json = False,
) -> None:
    """Translate the speech of a WAV file to text and speech."""
    from realtime_ext import audio
    from realtime_ext.session import TranslationSessionBuilder

    try:
        session = TranslationSessionBuilder(model).to_language(to)
        session.build()
    except ValueError as error:
        what = str(error).partition("language: ")[2]
        if not what:
            raise
        raise typer.BadParameter(what, param_hint="--to") from error
    pcm = read_sound(file)
    seconds = audio.duration_ms(pcm) / 1000
    if not pcm:
        raise CommandError(f"{file}: it contains no audio")
    if audio_out is not None:
        audio.write_wav(audio_out, b"")  # before it costs anything
    live = is_terminal(sys.stdout) and not as_json
    words: list[str] = []
    spoken = bytearray()
    is_over = False
    with (
        contextlib.nullcontext() if live else working(f"Translating {file}, {seconds:.1f} s"),
        api(simulator) as client,
        client.connect(session) as connection,
    ):
        connection.append_audio(pcm + audio.silence(_SILENCE_MS))
        connection.send({"type": "session.close"})  # it translates the rest before it ends
        for event in connection:
            match event.type:
                case "session.output_transcript.delta":
                    words.append(event.delta)
                    if live:
                        write(event.delta, end="")
                case "session.output_audio.delta":
                    spoken += audio.decode(event)
                case "session.closed":
                    is_over = True
                case "error":
                    raise CommandError(f"translation failed: {event.error.message}")
    if live:
        write()
    if not is_over:
        raise CommandError("the connection ended before the translation was complete")
    text = "".join(words)
    if as_json:
        print_json({"file": file, "seconds": round(seconds, 3), "language": to, "text": text})
    elif not live:
        write(text)
    if audio_out is not None:  # last, since this may fail
        audio.write_wav(audio_out, spoken)
