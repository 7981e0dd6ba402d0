"""`realtime call …` and `realtime secret …`: one request each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .._core.files import private_opener
from ._options import (
    Instructions,
    Json,
    Live,
    Model,
    SessionFile,
    Voice,
    group,
    is_translation,
    read_bytes,
    read_json,
    read_session,
)
from ._output import note, print_fields, working, write_bytes
from ._profiles import server

calls: typer.Typer = group("Create, accept, reject, refer and hang up calls.")
secrets: typer.Typer = group("Create short-lived keys for browsers.")

CallId = Annotated[
    str, typer.Argument(help="The call's id, such as rtc_u1_…; with --live the session's, such as live_….")
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show secrets.")]


@calls.command()
def create(
    offer: Annotated[str, typer.Argument(help="File with the SDP offer; - for standard input.")],
    session: SessionFile = None,
    model: Model = None,
    instructions: Instructions = None,
    voice: Voice = None,
    answer: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the SDP answer to this file; - for standard output."),
    ] = None,
    live: Live = False,
    as_json: Json = False,
    reveal: Reveal = False,
) -> None:
    """Create a WebRTC call from an SDP offer."""
    from realtime_ext.client import RealtimeClient
    from realtime_ext.errors import mask

    given: Any = read_session(session, model, instructions, voice, default=live, live=live)
    content = read_bytes(offer)
    with RealtimeClient(**server()) as client, working("Making the call"):
        call: Any = (client.live.calls if live else client.calls).create(content, given)
    fields = {"session_id": call.session_id} if live else {"call_id": call.id, "location": call.location}
    fields["request_id"] = call.request_id
    if as_json:
        fields["sdp_answer"] = call.sdp_answer if reveal else mask(call.sdp_answer)
    if answer == "-":
        write_bytes(call.sdp_answer.encode())
        note("  ".join(next(iter(fields.items()))))
    else:
        print_fields(
            fields, as_json=as_json
        )  # before what can fail: without its id the call can't be hung up
        if answer is not None:
            with open(answer, "wb", opener=private_opener) as file:
                file.write(call.sdp_answer.encode())


@calls.command()
def place(
    number: Annotated[str, typer.Argument(help="The number to call, such as +14155550123.")],
    trunk: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The provider's trunk, as JSON: provider_url, auth, caller_number; - for standard input.",
        ),
    ],
    session: SessionFile = None,
    model: Model = None,
    instructions: Instructions = None,
    voice: Voice = None,
    as_json: Json = False,
) -> None:
    """Call a telephone number through the Live API. It is never retried."""
    from realtime_ext.client import RealtimeClient

    given: Any = read_session(session, model, instructions, voice, live=True)
    line: Any = read_json(trunk)
    with RealtimeClient(**server()) as client, working(f"Calling {number}"):
        call = client.live.calls.call(given, to=number, trunk=line)
    print_fields({"session_id": call.session_id, "request_id": call.request_id}, as_json=as_json)


@calls.command()
def accept(
    call_id: CallId,
    session: SessionFile = None,
    model: Model = None,
    instructions: Instructions = None,
    voice: Voice = None,
    live: Live = False,
    as_json: Json = False,
) -> None:
    """Accept an incoming phone call, with a session."""
    given: Any = read_session(session, model, instructions, voice, live=live)
    _control("accept", call_id, given, done="accepted", live=live, as_json=as_json)


@calls.command()
def reject(
    call_id: CallId,
    status_code: Annotated[
        int | None,
        typer.Option("--status", min=300, max=699, help="SIP status for the caller, such as 486 (busy)."),
    ] = None,
    live: Live = False,
    as_json: Json = False,
) -> None:
    """Reject an incoming phone call."""
    status = () if status_code is None else (status_code,)
    _control("reject", call_id, *status, done="rejected", live=live, as_json=as_json)


@calls.command()
def refer(
    call_id: CallId,
    target: Annotated[str, typer.Argument(help="The target, such as tel:+14155550123.")],
    live: Live = False,
    as_json: Json = False,
) -> None:
    """Transfer a phone call."""
    _control("refer", call_id, target, done="referred", live=live, as_json=as_json)


@calls.command()
def hangup(call_id: CallId, live: Live = False, as_json: Json = False) -> None:
    """Hang up a call."""
    _control("hangup", call_id, done="hung up", live=live, as_json=as_json)


@secrets.command("create")
def create_secret(
    session: SessionFile = None,
    model: Model = None,
    instructions: Instructions = None,
    voice: Voice = None,
    expires_after: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=10, max=7200, help="Its lifetime.")
    ] = None,
    as_json: Json = False,
    reveal: Reveal = False,
) -> None:
    """Create a client secret; its value is masked without --reveal.

    The session of a translation has no type, and a model such as gpt-realtime-translate.
    """
    from realtime_ext.client import RealtimeClient

    given: Any = read_session(session, model, instructions, voice, default=False)
    with RealtimeClient(**server()) as client, working("Creating a client secret"):
        resource: Any = client.translation_client_secrets if is_translation(given) else client.client_secrets
        made = resource.create(given, expires_after)
    value = made.value if reveal else made.value[:3] + "***"
    fields: dict[str, Any] = {"value": value, "expires_at": made.expires_at}
    if as_json:
        fields["expires_at"] = made.to_browser()["expires_at"]
    print_fields(fields, as_json=as_json)


def _control(operation: str, call_id: str, *arguments: Any, done: str, live: bool, as_json: bool) -> None:
    from realtime_ext.client import RealtimeClient

    with RealtimeClient(**server()) as client, working(f"{operation.capitalize()} {call_id}"):
        getattr(client.live.calls if live else client.calls, operation)(call_id, *arguments)
    print_fields({"session_id" if live else "call_id": call_id, "status": done}, as_json=as_json)
