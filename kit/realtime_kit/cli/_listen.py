"""`realtime listen`: receive webhooks, verify, show, save and forward them; replay saved ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._failures import FAILED, WRONG_USE, CommandError
from ._options import Json, read_bytes
from ._output import note
from ._webhook_commands import Secret, Tolerance, describe, post, secret_of


def listen(
    forward_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Forward verified deliveries to this URL, unchanged.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 chooses a free one.")] = 8766,
    secret: Secret = None,
    tolerance: Tolerance = 300,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append deliveries to this file, readable only by its owner."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Sign saved deliveries again, send them to --forward-to, and exit; - for standard input.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Receive webhooks: verify, show, save, forward and replay them.

    It runs until Ctrl-C. The sender gets your app's response; 400 for invalid signatures, 502 if your app
    does not respond, 200 without --forward-to. To receive webhooks from the API, open a tunnel to this port
    and set its URL as the webhook's.
    """
    key = secret_of(secret)
    if replay is not None:
        if forward_to is None:
            raise CommandError("--replay needs --forward-to", status=WRONG_USE)
        if not _replay(replay, forward_to, key, as_json=as_json):
            raise typer.Exit(FAILED)
        return
    from realtime_ext.webhooks import sign

    from ._receiver import Receiver

    sign(b"", key)  # a malformed secret is an error now, not at the first delivery
    try:
        server = Receiver(host, port, key, tolerance, forward_to=forward_to, save=save, as_json=as_json)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise CommandError(message, "--port 0 chooses a free port") from error
    with server:
        try:
            to = f" for {forward_to}" if forward_to else ""
            note(f"listening on http://{host}:{server.server_port}/{to}")
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _replay(file: str, url: str, key: str, *, as_json: bool) -> bool:
    """Send saved webhooks, freshly signed; return whether all were answered with success."""
    from realtime_ext import webhooks

    from ._receiver import show

    good = True
    for number, text in enumerate(read_bytes(file).decode("utf-8", "replace").splitlines(), 1):
        try:
            kept = json.loads(text)
            body, webhook_id = kept["body"].encode(), kept["webhook_id"]
            event = json.loads(body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{file}: line {number} was not written by listen --save") from error
        status, milliseconds = post(url, body, webhooks.sign(body, key, webhook_id=webhook_id))
        good = good and 200 <= status < 300
        line = {
            "webhook_id": webhook_id,
            "genuine": True,
            **describe(event),
            "status": status,
            "ms": milliseconds,
        }
        show(line, as_json=as_json)
    return good
