"""`realtime talk`: a conversation in the terminal; `_conversation` and `_live_conversation` do the work."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from realtime_ext.models import TRANSCRIPTION_MODEL

from ._failures import WRONG_USE, CommandError
from ._options import (
    MICROPHONE,
    Instructions,
    Json,
    Live,
    Model,
    ServerDialect,
    SessionFile,
    Simulated,
    Voice,
    is_translation,
    read_session,
)
from ._output import working


def talk(
    messages: Annotated[
        list[str] | None, typer.Argument(help="Messages to send; by default lines of standard input.")
    ] = None,
    session: SessionFile = None,
    model: Model = None,
    instructions: Instructions = None,
    voice: Voice = None,
    audio_in: Annotated[
        list[str] | None,
        typer.Option(help="A WAV file to send after the messages, or mic for the microphone."),
    ] = None,
    audio_out: Annotated[
        str | None,
        typer.Option(help="A WAV file for the replies, or speaker. Without it, replies are text."),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Record both sides as a stereo WAV, and the transcript as .jsonl."),
    ] = None,
    tools: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="A Toolbox, a function or a list of functions.")
    ] = None,
    live: Live = False,
    simulator: Simulated = False,
    dialect: ServerDialect = None,
    as_json: Json = False,
) -> None:
    """Talk to the model: type or speak.

    Ctrl-C interrupts an answer, or ends the conversation, like Ctrl-D. Without --audio-out the model only
    writes, so only text is billed. With --json, each message is an object per line. With --live the model
    always speaks, and only receives audio: it says typed lines in its own words, and Ctrl-C ends the session.
    """
    import asyncio

    spoken = list(audio_in or ())
    files = [name for name in spoken if name != MICROPHONE]
    has_microphone = MICROPHONE in spoken
    if has_microphone and files:
        raise CommandError("--audio-in: either files or mic", status=WRONG_USE)
    if session == "-" and not (messages or spoken or sys.stdin.isatty()):
        raise CommandError(
            "standard input is the session, so there are no messages to send", "name a file", WRONG_USE
        )
    body = read_session(session, model, instructions, voice, with_profile=not simulator, live=live)
    assert body is not None
    if live and dialect is not None:
        raise CommandError("--dialect: servers with a dialect have no Live API", status=WRONG_USE)
    from ._conversation import Conversation

    kind = Conversation
    if live:
        from ._live_conversation import LiveConversation

        kind = LiveConversation
    else:
        if body.get("type", "realtime") != "realtime" or is_translation(body):
            hint = "`realtime transcribe` transcribes WAV files"
            raise CommandError("--session: expected a conversation session", hint)
        _set_audio(body, speaks=audio_out is not None, files=bool(files), microphone=has_microphone)
    conversation = kind(
        session=body,
        messages=messages or [],
        files=files,
        has_microphone=has_microphone,
        audio_out=audio_out,
        record=record,
        tools=None if tools is None else load_tools(tools),
        simulated=simulator,
        dialect=dialect,
        as_json=as_json,
    )
    with working("Loading"):
        conversation.load()
    asyncio.run(conversation.run())


def load_tools(place: str) -> Any:
    """Return what `--tools module:name` names.

    Raises:
        CommandError: There is no such module or name, or it is no tool.
    """
    from importlib import import_module

    from realtime_ext.tools import Toolbox

    module, colon, name = place.partition(":")
    if not colon or not module or not name:
        raise CommandError(f"--tools: expected module:name, got {place!r}", status=WRONG_USE)
    sys.path.insert(0, "")  # as `python -m` has it: modules in the current folder are found
    try:
        found: Any = getattr(import_module(module), name)
        return found if isinstance(found, Toolbox) else Toolbox([found] if callable(found) else found)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise CommandError(f"--tools: {error}", status=WRONG_USE) from error
    except Exception as error:  # whatever the module does while it is loaded
        hint = "REALTIME_DEBUG=1 shows where"
        raise CommandError(f"--tools: {module}: {type(error).__name__}: {error}", hint, WRONG_USE) from error


def _set_audio(session: dict[str, Any], *, speaks: bool, files: bool, microphone: bool) -> None:
    """Set in a session what the options ask for and the session itself leaves open."""
    session.setdefault("output_modalities", ["audio"] if speaks else ["text"])
    if not (files or microphone):
        return
    heard = session.setdefault("audio", {}).setdefault("input", {})
    heard.setdefault("transcription", {"model": TRANSCRIPTION_MODEL})
    if files:
        heard["turn_detection"] = None  # each file is one turn
