"""Record tests/cassettes/snapshots from the simulator: `python -m tests.support.record_snapshots`.

Makes each request once with each client while vcrpy records, with the settings that users get. Values that
differ between runs (the simulator's port, a call id in a path) are replaced by fixed ones, so that tests can
make the same requests. Needs no network and no key.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import vcr
from realtime_simulator import Simulator

from realtime_ext import (
    APIStatusError,
    AsyncRealtimeClient,
    RealtimeClient,
    SessionBuilder,
    TranscriptionSessionBuilder,
    TranslationSessionBuilder,
    sdp,
)
from realtime_ext.testing import vcr_settings
from tests.support.paths import ROOT

FOLDER = ROOT / "tests" / "cassettes" / "snapshots"
OFFER = (ROOT / "tests" / "samples" / "sdp" / "offer-chromium-audio-datachannel.sdp").read_bytes().decode()
MODES = ("sync", "async")

BASE_URL = "http://127.0.0.1/v1"
"""Replaces the simulator's address in snapshots; nothing listens there."""
CALL_ID = "rtc_u1_recorded"
"""Replaces the call id of a request in snapshots."""
API_KEY = "sk-simulator-of-the-cassettes"
WEBHOOK_SECRET = "whsec_c2ltdWxhdG9yIG9mIHRoZSBjYXNzZXR0ZXM="
MCP_TOKEN = "oauth-token-of-the-cassettes"

Client = RealtimeClient | AsyncRealtimeClient


def book_room(guests: int, night: str) -> str:
    """Book a room.

    Args:
        guests: How many guests.
        night: The date of arrival.
    """
    return f"booked for {guests} on {night}"


CONVERSATION = (
    SessionBuilder("gpt-realtime")
    .instructions("You answer for the front desk.")
    .voice("marin", speed=1.1)
    .semantic_vad(eagerness="low")
    .transcribe("gpt-4o-transcribe", language="en")
    .tool(book_room)
    .mcp("shop", server_url="https://mcp.example.test/?token=in-a-query", authorization=MCP_TOKEN)
)
TRANSCRIPTION = TranscriptionSessionBuilder("gpt-4o-transcribe").server_vad(threshold=0.6)
TRANSLATION = TranslationSessionBuilder("gpt-realtime-translate").to_language("es")


@attrs.frozen(kw_only=True)
class Case:
    """One request.

    Args:
        name: The snapshot's name.
        operation: The generated function's name.
        send: Makes the request, with the client and the result of `prepare`.
        prepare: Creates what the request needs, unrecorded, and returns its id or value.
        api_key: The key to send.
    """

    name: str
    operation: str
    send: Callable[[Any, str], Any]
    prepare: Callable[[Simulator], str] = lambda simulator: CALL_ID
    api_key: str = API_KEY


def _incoming(simulator: Simulator) -> str:
    # Nothing listens on the discard port: the webhook is not recorded.
    return simulator.incoming_call("http://127.0.0.1:9/", attempts=1, wait=False).id


def _accepted(simulator: Simulator) -> str:
    call_id = _incoming(simulator)
    with _client_of(simulator) as client:
        client.calls.accept(call_id, {"type": "realtime", "model": "gpt-realtime"})
    return call_id


def _connected(simulator: Simulator) -> str:
    with _client_of(simulator) as client:
        return client.calls.create(OFFER).id


def _secret(simulator: Simulator) -> str:
    with _client_of(simulator) as client:
        return client.client_secrets.create(CONVERSATION).value


def _translation_secret(simulator: Simulator) -> str:
    with _client_of(simulator) as client:
        return client.translation_client_secrets.create(TRANSLATION).value


def _client_of(simulator: Simulator) -> RealtimeClient:
    return RealtimeClient(api_key=simulator.api_key, base_url=simulator.base_url)


CASES: Sequence[Case] = (
    Case(
        name="calls.create",
        operation="create_realtime_call",
        send=lambda client, _: client.calls.create(OFFER, CONVERSATION, safety_identifier="hash-of-a-user"),
    ),
    Case(
        name="calls.create_with_secret",
        operation="create_realtime_call",
        prepare=_secret,
        send=lambda client, value: client.calls.create_with_secret(OFFER, value),
    ),
    Case(
        name="calls.create_with_secret.translation",
        operation="create_realtime_translation_call",
        prepare=_translation_secret,
        send=lambda client, value: client.calls.create_with_secret(OFFER, value, translation=True),
    ),
    Case(
        name="calls.accept",
        operation="accept_realtime_call",
        prepare=_incoming,
        send=lambda client, call_id: client.calls.accept(call_id, CONVERSATION),
    ),
    Case(
        name="calls.reject",
        operation="reject_realtime_call",
        prepare=_incoming,
        send=lambda client, call_id: client.calls.reject(call_id, 486),
    ),
    Case(
        name="calls.refer",
        operation="refer_realtime_call",
        prepare=_accepted,
        send=lambda client, call_id: client.calls.refer(call_id, "tel:+14155550123"),
    ),
    Case(
        name="calls.hangup",
        operation="hangup_realtime_call",
        prepare=_connected,
        send=lambda client, call_id: client.calls.hangup(call_id),
    ),
    Case(
        name="client_secrets.create",
        operation="create_realtime_client_secret",
        send=lambda client, _: client.client_secrets.create(CONVERSATION, 120),
    ),
    Case(
        name="translation_client_secrets.create",
        operation="create_realtime_translation_client_secret",
        send=lambda client, _: client.translation_client_secrets.create(TRANSLATION, 120),
    ),
    Case(
        name="sessions.create",
        operation="create_realtime_session",
        send=lambda client, _: client.sessions.create(CONVERSATION),
    ),
    Case(
        name="transcription_sessions.create",
        operation="create_realtime_transcription_session",
        send=lambda client, _: client.transcription_sessions.create(TRANSCRIPTION),
    ),
    Case(
        name="refused.unknown_call",
        operation="hangup_realtime_call",
        send=lambda client, call_id: client.calls.hangup(call_id),
    ),
    Case(
        name="refused.wrong_key",
        operation="create_realtime_client_secret",
        send=lambda client, _: client.client_secrets.create(),
        api_key="sk-not-the-one-of-the-cassettes",
    ),
)


def send(case: Case, mode: str, base_url: str, argument: str) -> Any:
    """Make a case's request and return its result; an APIStatusError is returned as a result.

    Args:
        case: What to send.
        mode: "sync" or "async".
        base_url: Target of the request.
        argument: The result of the case's `prepare`, or its replacement.
    """
    if mode == "sync":
        with RealtimeClient(api_key=case.api_key, base_url=base_url) as client:
            try:
                return case.send(client, argument)
            except APIStatusError as error:
                return error
    return asyncio.run(_send_async(case, base_url, argument))


async def _send_async(case: Case, base_url: str, argument: str) -> Any:
    async with AsyncRealtimeClient(api_key=case.api_key, base_url=base_url) as client:
        try:
            result: Awaitable[Any] = case.send(client, argument)
            return await result
        except APIStatusError as error:
            return error


def record(folder: Path) -> set[str]:
    """Record every case with both clients.

    Args:
        folder: Target folder; existing snapshots are replaced.

    Returns:
        The secrets that were sent or received, so that a test can look for leaks.
    """
    secrets = {API_KEY, WEBHOOK_SECRET, MCP_TOKEN, "hash-of-a-user", "in-a-query", *_passwords(OFFER)}
    for mode in MODES:
        shutil.rmtree(folder / mode, ignore_errors=True)
        with Simulator(
            pacing="none", api_key=API_KEY, webhook_secret=WEBHOOK_SECRET, espeak=False
        ) as simulator:
            for case in CASES:
                argument = case.prepare(simulator)
                settings = vcr_settings()
                hooks = [settings["before_record_request"], _neutral(simulator.base_url, argument)]
                settings |= {"before_record_request": hooks, "record_mode": "all"}
                with vcr.VCR(**settings).use_cassette(str(folder / mode / f"{case.name}.yaml")):
                    result = send(case, mode, simulator.base_url, argument)
                secrets |= {case.api_key, *_secrets_of(result)}
                secrets |= {argument} if argument.startswith("ek_") else set()
            secrets.update(*(_passwords(call.answer) for call in simulator.calls if call.answer))
    return secrets


def _neutral(base_url: str, argument: str) -> Callable[[Any], Any]:
    def hook(request: Any) -> Any:
        request.uri = request.uri.replace(base_url, BASE_URL).replace(argument, CALL_ID)
        request.headers["host"] = "127.0.0.1"
        return request

    return hook


def _secrets_of(result: Any) -> Iterable[str]:
    found = getattr(result, "value", None) or getattr(getattr(result, "client_secret", None), "value", None)
    return [found] if isinstance(found, str) else []


def _passwords(text: str) -> set[str]:
    return {media.ice_pwd for media in sdp.SessionDescription.parse(text).media if media.ice_pwd}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Record the snapshots from the simulator.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="target folder")
    folder = parser.parse_args().folder
    secrets = record(folder)
    paths = sorted(folder.glob("*/*.yaml"))
    leaks = [path for path in paths if any(secret in path.read_text() for secret in secrets)]
    if leaks:
        raise SystemExit(f"secrets leaked into {', '.join(map(str, leaks))}; don't commit them")
    print(f"{len(paths)} snapshots in {folder}")


if __name__ == "__main__":
    main()
