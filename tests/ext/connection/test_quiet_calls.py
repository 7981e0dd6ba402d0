"""What logs show of calls: neither keys, nor secrets, nor ICE passwords, nor what was said, at any level."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest
from realtime_simulator import Simulator

from realtime_ext import AsyncRealtimeClient, SessionBuilder
from realtime_ext._resources import calls
from tests.ext.connection.driver import Driven, async_only
from tests.support.runner import Runner

pytestmark = pytest.mark.real_time

INSTRUCTIONS = "never tell anybody of the blue door"
QUESTION, ANSWER = "where is the blue door", "behind the green curtain"
SESSION = SessionBuilder("gpt-realtime").instructions(INSTRUCTIONS).push_to_talk()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    # The simulator is a peer in the same process; what its server logs is not the client's doing.
    for name in (
        "websockets.server",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "realtime_simulator.events",
    ):
        caplog.set_level(logging.CRITICAL, logger=name)
    for name in ("", "realtime_ext", "aiortc", "aioice", "websockets.client", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def written(log: pytest.LogCaptureFixture) -> str:
    lines = (f"{record.name} {record.getMessage()} {record.exc_text}" for record in log.records)
    return "\n".join(lines)


def assert_quiet(text: str, *secrets: str) -> None:
    assert [secret for secret in (INSTRUCTIONS, QUESTION, ANSWER, *secrets) if secret in text] == []
    assert "connection ended" in text


def passwords(*descriptions: str) -> list[str]:
    found = [word for text in descriptions for word in re.findall(r"a=ice-pwd:(\S+)", text)]
    assert len(set(found)) >= 2
    return found


@pytest.mark.parametrize("with_secret", [False, True])
def test_dialling_shows_neither_key_nor_passwords(log: pytest.LogCaptureFixture, with_secret: bool) -> None:
    offers: list[str] = []

    async def main(simulator: Simulator, monkey: pytest.MonkeyPatch) -> list[str]:
        for name in ("build_create", "build_create_with_secret"):
            monkey.setattr(calls, name, _keeping_offers(getattr(calls, name), offers))
        async with AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            secret = await client.client_secrets.create(SESSION)
            options: dict[str, Any] = {"client_secret": secret} if with_secret else {"session": SESSION}
            async with client.dial(**options) as connection:
                await connection.send_text(QUESTION)
                with connection.expect("response.done") as done:
                    await connection.create_response()
                await done
                shown = repr(connection) + repr(connection.call)
                assert not any(word in shown for word in passwords(connection.call.sdp_answer, offers[0]))
                return [secret.value, *passwords(connection.call.sdp_answer, offers[0])]

    with Simulator(pacing="none") as simulator, pytest.MonkeyPatch.context() as monkey:
        simulator.on_response(ANSWER)
        secrets = asyncio.run(main(simulator, monkey))
    assert_quiet(written(log), simulator.api_key, *secrets)


def test_a_call_with_a_client_secret_alone_ends_without_a_warning(log: pytest.LogCaptureFixture) -> None:
    async def main(simulator: Simulator) -> None:
        async with AsyncRealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            secret = await client.client_secrets.create(SESSION)
        async with (
            AsyncRealtimeClient(base_url=simulator.base_url) as client,
            client.dial(client_secret=secret),
        ):
            pass

    with Simulator(pacing="none") as simulator:
        asyncio.run(main(simulator))
        simulator.wait_for(lambda: simulator.calls[0].ended is not None)
    # asyncio warns of slow steps where Python is in its development mode.
    warned = [one.getMessage() for one in log.records if one.levelname == "WARNING"]
    assert [text for text in warned if not text.startswith("Executing ")] == []


def _keeping_offers(build: Any, offers: list[str]) -> Any:
    def keeping(offer: str, *args: Any, **options: Any) -> Any:
        offers.append(offer)
        return build(offer, *args, **options)

    return keeping


@async_only
def test_answering_shows_neither_key_nor_payload(runner: Runner, log: pytest.LogCaptureFixture) -> None:
    with Simulator(pacing="none") as simulator:
        simulator.on_response(ANSWER)
        call = simulator.incoming_call("http://127.0.0.1:9/nobody", wait=False)
        client = runner.client(base_url=simulator.base_url, api_key=simulator.api_key)
        with Driven(client.answer(call.id, SESSION), runner) as connection:
            assert connection.ask(QUESTION).transcript == ANSWER
            shown = repr(connection)
        simulator.wait_for(lambda: call.ended is not None)
        assert call.ended == "hangup"
    assert_quiet(written(log) + shown, simulator.api_key, simulator.webhook_secret)
