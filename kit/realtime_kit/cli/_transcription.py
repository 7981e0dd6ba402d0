"""`realtime transcribe`: transcribe WAV files."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, TypeAlias

import typer

from realtime_ext.models import LIVE_MODEL, TRANSCRIPTION_MODEL

from ._failures import WRONG_USE, CommandError
from ._options import Json, Live, ServerDialect, Simulated, read_bytes
from ._output import is_terminal, print_line, print_rows, progress, working, write
from ._profiles import server

_TIMED = "gpt-transcribe"  # the default model has no voice detection
_PIECE = 48_000 * 10  # bytes of ten seconds, between two steps of the progress bar
_STALLED_S = 30.0  # without sound of a Live session
_Listen: TypeAlias = Callable[[Any, str, bytes], list[dict[str, Any]]]
_SILENCE_MS = 2000  # more than the pause at which the API's voice detection ends an utterance


def transcribe(
    files: Annotated[list[str], typer.Argument(help="WAV files; - for standard input.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="The transcription model.", show_default=f"{TRANSCRIPTION_MODEL}; with times {_TIMED}"
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="The spoken language, such as en.")] = None,
    live: Live = False,
    simulator: Simulated = False,
    dialect: ServerDialect = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Print the times of each utterance.")
    ] = False,
    srt: Annotated[bool, typer.Option("--srt", help="Print subtitles in SRT format.")] = False,
    vtt: Annotated[bool, typer.Option("--vtt", help="Print subtitles in WebVTT format.")] = False,
    as_json: Json = False,
) -> None:
    """Transcribe WAV files.

    With --json, each file is an object per line. Times come from the API's voice detection. With --live the
    files are played in real time, and the session is billed by its duration.
    """
    from realtime_ext import audio
    from realtime_ext.session import TranscriptionSessionBuilder

    if timestamps + srt + vtt > 1:
        raise CommandError("--timestamps, --srt and --vtt exclude each other", status=WRONG_USE)
    if (srt or vtt) and (as_json or len(files) > 1):
        message = f"{'--srt' if srt else '--vtt'} prints the subtitles of one file, without --json"
        raise CommandError(message, "--timestamps has both", WRONG_USE)
    if live and (dialect or language):
        option = "--dialect" if dialect else "--language"
        raise CommandError(f"{option}: the Live API has none", status=WRONG_USE)
    is_shown = is_terminal(sys.stdout) and not as_json
    sounds = [(file, read_sound(file)) for file in files]
    timed = timestamps or srt or vtt
    if live:
        listen: _Listen = partial(_live_utterances, model or LIVE_MODEL, as_json=as_json)
        _print_utterances(sounds, listen, simulator, srt=srt, vtt=vtt, timed=timed, as_json=as_json)
        return
    session = TranscriptionSessionBuilder(model or (_TIMED if timed else TRANSCRIPTION_MODEL))
    session = session.transcribe(language=language) if language else session
    if timed:
        listen = partial(_timed_utterances, session.server_vad(), as_json=as_json)
        _print_utterances(sounds, listen, simulator, dialect, srt=srt, vtt=vtt, as_json=as_json)
        return
    session = session.push_to_talk()
    with api(simulator, dialect) as client, client.connect(session) as connection:
        for file, pcm in sounds:
            seconds = audio.duration_ms(pcm) / 1000
            if not pcm:
                raise CommandError(f"{file}: it contains no audio")
            with progress(f"Sending {file}", len(pcm), is_shown=not as_json) as sent:
                _send(connection, pcm, sent)
            with (
                contextlib.nullcontext()
                if is_shown or as_json
                else working(f"Listening to {file}, {seconds:.1f} s")
            ):
                connection.commit_audio()
                text = _words(connection, is_shown=is_shown)
            if as_json:
                print_line({"file": file, "seconds": round(seconds, 3), "text": text})
            elif not is_shown:
                write(text)


@contextlib.contextmanager
def api(simulator: bool, dialect: Any = None) -> Iterator[Any]:
    """Yield a sync client of the API that the environment names, or of a simulator made for it."""
    from realtime_ext.client import RealtimeClient

    if not simulator:
        with RealtimeClient(**server(dialect)) as client:
            yield client
        return
    from realtime_simulator import Simulator

    with (
        Simulator(profile=dialect or "openai") as made,
        RealtimeClient(made.api_key, base_url=made.base_url, dialect=dialect) as client,
    ):
        yield client


def _print_utterances(
    sounds: list[tuple[str, bytes]],
    listen: _Listen,
    simulator: bool,
    dialect: Any = None,
    *,
    srt: bool,
    vtt: bool,
    timed: bool = True,
    as_json: bool,
) -> None:
    from realtime_ext import audio

    with api(simulator, dialect) as client:
        for file, pcm in sounds:
            if not pcm:
                raise CommandError(f"{file}: it contains no audio")
            utterances = listen(client, file, pcm)
            text = " ".join(one["text"] for one in utterances)
            if as_json:
                line = {"file": file, "seconds": round(audio.duration_ms(pcm) / 1000, 3), "text": text}
                print_line(line | ({"utterances": utterances} if timed else {}))
            elif srt or vtt:
                write(_subtitles(utterances, vtt=vtt), end="")
            elif timed:
                print_rows(utterances, as_json=False)
            else:
                write(text)


def _timed_utterances(
    session: Any, client: Any, file: str, pcm: bytes, *, as_json: bool
) -> list[dict[str, Any]]:
    from realtime_ext import audio

    seconds = audio.duration_ms(pcm) / 1000
    # A session for each file, since times count from a session's first sound.
    with client.connect(session) as connection:
        with progress(f"Sending {file}", len(pcm), is_shown=not as_json) as sent:
            _send(connection, pcm + audio.silence(_SILENCE_MS), sent)
        with progress(f"Listening to {file}", seconds, is_shown=not as_json) as heard:
            return _utterances(connection, seconds, heard)


def _live_utterances(
    model: str, client: Any, file: str, pcm: bytes, *, as_json: bool
) -> list[dict[str, Any]]:
    """Return what is said, as `_utterances`, by a Live session that hears the audio in real time."""
    from realtime_ext import audio

    session = {"model": model, "instructions": "Listen. Never say anything."}
    seconds = audio.duration_ms(pcm) / 1000
    with (
        client.live.connect(session) as connection,
        progress(f"Listening to {file}", seconds, is_shown=not as_json) as heard,
    ):
        sending = threading.Thread(target=_speak, args=(connection, pcm), daemon=True)
        sending.start()
        # The session's time is that of what it says, silence included; words come a second later.
        position_ms, end_ms = 0.0, seconds * 1000 + _SILENCE_MS
        while position_ms < end_ms:
            event = connection.recv(timeout=_STALLED_S)
            if event.type == "error":
                raise CommandError(f"transcription failed: {event.error.message}")
            if event.type == "session.output_audio.delta":
                position_ms += audio.duration_ms(audio.decode(event))
                heard(position_ms / 1000)
        said = [one for one in connection.transcript if one.speaker == "user"]
    return [_row(one.start_ms / 1000, min(one.end_ms / 1000, seconds), one.text) for one in said]


def _speak(connection: Any, pcm: bytes) -> None:
    from realtime_ext.errors import RealtimeError

    with contextlib.suppress(RealtimeError):  # `wait_for` raises it, too
        connection.send_audio(pcm)


def _send(connection: Any, pcm: bytes, sent: Callable[[float], None]) -> None:
    """Send audio in pieces, and call a function with the bytes that are sent."""
    for start in range(0, len(pcm), _PIECE):
        connection.append_audio(pcm[start : start + _PIECE])
        sent(start + _PIECE)


def _utterances(connection: Any, seconds: float, heard: Callable[[float], None]) -> list[dict[str, Any]]:
    """Return what is said, in order, with its times in seconds, and its speaker where the model names it.

    Args:
        connection: A connection to which the audio was sent.
        seconds: The length of the audio.
        heard: Called with the seconds that are transcribed.

    Raises:
        CommandError: An utterance could not be transcribed, or the connection ended.
    """
    prefix = "conversation.item.input_audio_transcription."
    connection.commit_audio()  # of the rest: once that is answered, no utterance begins any more
    times: dict[str, list[float]] = {}  # by item: the start, and the end once it is known
    texts: dict[str, str] = {}
    segments: list[tuple[str, Any]] = []
    events, all_sent = iter(connection), False
    while not all_sent or not times.keys() <= texts.keys():
        event = next(events, None)
        if event is None:
            raise CommandError("the connection ended before the transcript was complete")
        match event.type:
            case "input_audio_buffer.speech_started":
                times[event.item_id] = [event.audio_start_ms / 1000]
            case "input_audio_buffer.speech_stopped" if event.item_id in times:
                times[event.item_id].append(event.audio_end_ms / 1000)
            case "input_audio_buffer.committed":
                all_sent = all_sent or len(times.get(event.item_id, ())) < 2
            case "error" if event.error.code == "input_audio_buffer_commit_empty":
                all_sent = True
            case kind if kind == f"{prefix}segment":
                segments.append((event.item_id, event))
            case kind if kind == f"{prefix}completed":
                texts[event.item_id] = event.transcript
                heard(times.get(event.item_id, [0.0])[-1])
            case kind if kind == "error" or (kind == f"{prefix}failed" and event.item_id in times):
                raise CommandError(f"transcription failed: {event.error.message}")
    rows = []
    for item, (start, *stop) in times.items():
        end = min(*stop, seconds) if stop else seconds
        parts = [part for owner, part in segments if owner == item]
        rows += [_row(start + one.start, start + one.end, one.text, one.speaker) for one in parts]
        if not parts:
            rows.append(_row(start, end, texts[item]))
    return [row for row in rows if row["text"]]


def _row(start: float, end: float, text: str, speaker: str | None = None) -> dict[str, Any]:
    named = {} if speaker is None else {"speaker": " ".join(speaker.split())}
    return {"start": round(start, 3), "end": round(end, 3), **named, "text": " ".join(text.split())}


def _subtitles(utterances: list[dict[str, Any]], *, vtt: bool) -> str:
    blocks = ["WEBVTT\n"] if vtt else []
    for number, one in enumerate(utterances, 1):
        text = f"{one['speaker']}: {one['text']}" if "speaker" in one else one["text"]
        if vtt:
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = " --> ".join(_clock(one[name], "." if vtt else ",") for name in ("start", "end"))
        blocks.append(f"{times}\n{text}\n" if vtt else f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"


def _words(connection: Any, *, is_shown: bool) -> str:
    """Wait for the transcript of the committed audio; on a terminal, show it as it arrives."""
    prefix = "conversation.item.input_audio_transcription."
    for event in connection:
        if event.type == f"{prefix}delta" and is_shown:
            write(event.delta, end="")
        elif event.type == f"{prefix}completed":
            if is_shown:
                write()
            return str(event.transcript)
        elif event.type in (f"{prefix}failed", "error"):
            raise CommandError(f"transcription failed: {event.error.message}")
    raise CommandError("the connection ended before the transcript was complete")


def read_sound(file: str) -> bytes:
    """Read a WAV file into the API's PCM; `-` is standard input.

    Raises:
        CommandError: Standard input is not a WAV file, or was read before.
        OSError: It can't be read.
        ValueError: It is not a WAV file.
    """
    from realtime_ext import audio

    if file != "-":
        return audio.read_wav(file)
    sound = io.BytesIO(read_bytes("-"))
    try:
        return audio.read_wav(sound)
    except ValueError as error:
        raise CommandError(f"standard input: {error}") from error
