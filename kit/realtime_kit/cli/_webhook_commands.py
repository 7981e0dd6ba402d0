"""`realtime webhook …`: sign, verify and send deliveries as the API does."""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import Annotated, Any

import typer

from ._failures import FAILED, NO_ANSWER, WRONG_USE, CommandError
from ._options import Json, group, read_bytes
from ._output import print_fields, working, write

deliveries: typer.Typer = group("Sign, verify and send webhooks.")

Body = Annotated[str, typer.Argument(help="File with the body; - for standard input.")]
Secret = Annotated[
    str | None,
    typer.Option("--secret", help="The webhook's secret, whsec_…; by default OPENAI_WEBHOOK_SECRET."),
]


def _check_tolerance(seconds: float) -> float:
    if not seconds >= 0:  # a range accepts nan
        raise typer.BadParameter(f"expected seconds, 0 or more, got {seconds:g}")
    return seconds


Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance", metavar="SECONDS", callback=_check_tolerance, help="The maximum age of a delivery."
    ),
]
WebhookId = Annotated[str | None, typer.Option("--id", help="The delivery's id; random by default.")]


@deliveries.command()
def sign(
    body: Body,
    secret: Secret = None,
    webhook_id: WebhookId = None,
    timestamp: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=0, help="The delivery's Unix time; by default now.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the signature headers of a body, as `name: value` lines."""
    from realtime_ext import webhooks

    headers = webhooks.sign(read_bytes(body), secret_of(secret), webhook_id=webhook_id, timestamp=timestamp)
    if as_json:
        print_fields(headers, as_json=True)
    else:
        write("\n".join(f"{name}: {value}" for name, value in headers.items()))


@deliveries.command()
def verify(
    body: Body,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header of the delivery."),
    ] = None,
    headers: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File with its headers, one per line, as printed by sign."),
    ] = None,
    secret: Secret = None,
    tolerance: Tolerance = 300,
    as_json: Json = False,
) -> None:
    """Check that a delivery has a valid signature and is recent.

    The exit status is 1 otherwise.
    """
    from realtime_ext import webhooks

    lines = list(header or ())
    if headers is not None:
        lines += read_bytes(headers).decode("utf-8", "replace").splitlines()
    pairs = [_header(line) for line in lines if line.strip()]
    event = webhooks.unwrap(read_bytes(body), pairs, secret_of(secret), tolerance)
    print_fields({"genuine": True, **describe(event.to_dict())}, as_json=as_json)


@deliveries.command()
def send(
    url: Annotated[str, typer.Argument(help="The webhook's URL, such as http://127.0.0.1:8000/webhook.")],
    body: Annotated[
        str | None, typer.Argument(help="File with the body, - for standard input; by default a sample call.")
    ] = None,
    secret: Secret = None,
    webhook_id: WebhookId = None,
    call_id: Annotated[str | None, typer.Option(help="The sample call's id.")] = None,
    caller: Annotated[str, typer.Option("--from", help="The caller.")] = "sip:+14155550100@example.com",
    called: Annotated[str, typer.Option("--to", help="The called number.")] = "sip:proj_1@sip.example.com",
    as_json: Json = False,
) -> None:
    """Sign a delivery and send it.

    The exit status is 1 if the response is not a success. Without a body it announces a phone call that does
    not exist at the API, to test your endpoint.
    """
    from realtime_ext import webhooks

    content = _sample(secret_of(secret), call_id, caller, called) if body is None else read_bytes(body)
    headers = webhooks.sign(content, secret_of(secret), webhook_id=webhook_id)
    with working(f"Sending to {url}"):
        status, milliseconds = post(url, content, headers)
    fields = {"webhook_id": headers["webhook-id"], "status": status, "ms": milliseconds}
    print_fields(fields, as_json=as_json)
    if not 200 <= status < 300:
        raise typer.Exit(FAILED)


def secret_of(given: str | None) -> str:
    """Return the webhook secret of the option or the environment.

    Raises:
        CommandError: There is none.
    """
    secret = given or os.environ.get("OPENAI_WEBHOOK_SECRET")
    if not secret:
        hint = "pass --secret, or set OPENAI_WEBHOOK_SECRET"
        raise CommandError("there is no webhook secret", hint, WRONG_USE)
    return secret


def post(url: str, content: bytes, headers: dict[str, str]) -> tuple[int, int]:
    """Post a delivery.

    Returns:
        The answer's status, and the milliseconds that it took.

    Raises:
        CommandError: There is no answer, or it is not a URL.
    """
    import httpx

    began = time.monotonic()
    try:
        # Sent as it came: no redirects, and no proxy, since the app is usually on this machine.
        with httpx.stream(
            "POST",
            url,
            content=content,
            headers={"content-type": "application/json"} | headers,
            timeout=30,
            trust_env=False,
        ) as response:
            status = response.status_code  # all that counts; the body may never end
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CommandError(f"{url}: {error}", status=WRONG_USE) from error
    except httpx.HTTPError as error:
        message = f"{url} does not answer: {str(error) or type(error).__name__}"
        raise CommandError(message, "is your app running there?", NO_ANSWER) from error
    return status, round((time.monotonic() - began) * 1000)


def describe(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a webhook's event to show: its type, ids, caller and called."""
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    headers = data.get("sip_headers")
    named = {
        str(header.get("name", "")).lower(): header.get("value")
        for header in (headers if isinstance(headers, list) else ())
        if isinstance(header, dict)
    }
    fields = {
        "type": event.get("type"),
        "event_id": event.get("id"),
        "call_id": data.get("call_id") or data.get("session_id"),
        "from": named.get("from"),
        "to": named.get("to"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise CommandError(f"--header: expected 'name: value', got {line!r}", status=WRONG_USE)
    return name.strip(), value.strip()


def _sample(secret: str, call_id: str | None, caller: str, called: str) -> bytes:
    """Return the sample webhook with new ids, so that no receiver drops it as a duplicate."""
    from realtime_ext.testing import sample_webhook

    number = secrets.token_hex(12)
    body = sample_webhook(secret, call_id=call_id or f"rtc_{number}", caller=caller, called=called).body
    event = json.loads(body)
    event |= {"id": f"evt_{number}", "created_at": int(time.time())}
    event["data"]["sip_headers"][-1]["value"] = f"{number}@example.com"
    return json.dumps(event).encode()
