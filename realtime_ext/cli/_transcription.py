"""`realtime transcribe`: transcribe WAV files."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .._core.models import TRANSCRIPTION_MODEL
from ._failures import CommandError
from ._options import Json, ServerDialect, Simulated, read_bytes
from ._output import is_terminal, print_line, working, write


def transcribe(
    files: Annotated[list[str], typer.Argument(help="WAV files; - for standard input.")],
    model: Annotated[str, typer.Option(help="The model that listens.")] = TRANSCRIPTION_MODEL,
    language: Annotated[str | None, typer.Option(help="The language spoken, such as en.")] = None,
    simulator: Simulated = False,
    dialect: ServerDialect = None,
    as_json: Json = False,
) -> None:
    """Transcribe WAV files.

    With --json, each is an object a line.
    """
    from .. import audio
    from ..session import TranscriptionSessionBuilder

    live = is_terminal(sys.stdout) and not as_json
    sounds = [(file, _read(file)) for file in files]
    session = TranscriptionSessionBuilder(model).push_to_talk()
    session = session.transcribe(language=language) if language else session
    with api(simulator, dialect) as client, client.connect(session) as connection:
        for file, pcm in sounds:
            seconds = audio.duration_ms(pcm) / 1000
            if not pcm:
                raise CommandError(f"{file}: there is no sound in it")
            with contextlib.nullcontext() if live else working(f"Listening to {file}, {seconds:.1f} s"):
                connection.append_audio(pcm)
                connection.commit_audio()
                text = _words(connection, live=live)
            if as_json:
                print_line({"file": file, "seconds": round(seconds, 3), "text": text})
            elif not live:
                write(text)


@contextlib.contextmanager
def api(simulator: bool, dialect: Any = None) -> Iterator[Any]:
    """Yield a sync client of the API that the environment names, or of a simulator made for it."""
    from ..client import RealtimeClient

    if not simulator:
        with RealtimeClient(dialect=dialect) as client:
            yield client
        return
    from realtime_simulator import Simulator

    with (
        Simulator(profile=dialect or "openai") as made,
        RealtimeClient(made.api_key, base_url=made.base_url, dialect=dialect) as client,
    ):
        yield client


def _words(connection: Any, *, live: bool) -> str:
    """Wait for the transcript of the committed audio; on a terminal, show it as it arrives."""
    prefix = "conversation.item.input_audio_transcription."
    for event in connection:
        if event.type == f"{prefix}delta" and live:
            write(event.delta, end="")
        elif event.type == f"{prefix}completed":
            if live:
                write()
            return str(event.transcript)
        elif event.type in (f"{prefix}failed", "error"):
            raise CommandError(f"transcription failed: {event.error.message}")
    raise CommandError("the connection ended before the words came")


def _read(file: str) -> bytes:
    from .. import audio

    if file != "-":
        return audio.read_wav(file)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "standard input")
        with open(path, "wb") as sound:
            sound.write(read_bytes("-"))
        try:
            return audio.read_wav(path)
        except ValueError as error:  # names the temporary file
            raise CommandError(str(error).removeprefix(folder + os.sep)) from error
