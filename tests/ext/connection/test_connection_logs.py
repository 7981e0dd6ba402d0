"""What logs show: lifecycle, types and sizes; never keys, secrets or what people said."""

from __future__ import annotations

import logging

import pytest

from tests.ext.connection.driver import connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.runner import Runner

SECRETS = (
    "test-key-0123",
    "ek_verysecret",
    "said in confidence",
    "query-token-1",
    "header-token-1",
    "answer 1",
)


def test_at_debug_no_logger_shows_keys_or_payloads(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    def script(peer: Peer) -> None:
        peer.send("session.created", session=session(client_secret={"value": "ek_verysecret"}))
        peer.send("error", error={"type": "t", "message": "ek_verysecret said in confidence"})
        Model()(peer)

    loggers = ("", "realtime_ext", "websockets", "websockets.client", "httpx", "httpcore", "asyncio")
    # The scripted server is a peer in the same process; what it logs is not the client's doing.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    options = {"extra_query": {"token": "query-token-1"}, "extra_headers": {"x-token": "header-token-1"}}
    refusals = ((503, "said in confidence test-key-0123", {}),)
    for name in loggers:
        caplog.set_level(logging.DEBUG, logger=name)
    with (
        ScriptedServer(script, refusals=refusals) as server,
        connect(runner, server, **options) as connection,
    ):
        connection.append_audio(b"12")
        connection.ask("said in confidence")
        text = repr(connection)
    text += "\n".join(f"{record.name} {record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert [secret for secret in SECRETS if secret in text] == []
    assert "connected" in text
    assert "connection ended" in text
