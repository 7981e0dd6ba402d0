"""Updates of a session that others change too: whose acknowledgement it is, and whose refusal."""

# ruff: noqa: SIM117 - a server is one thing, a connection to it another

from __future__ import annotations

from typing import Any

import pytest

from realtime_ext import APITimeoutError, BadRequestError
from realtime_ext.connection import Reconnect, Reconnected
from realtime_ext.connection._state.session_state import SessionState
from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer, session
from tests.support.rows import each
from tests.support.runner import Runner
from tests.support.waiting import PATIENCE

MARIN = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
AUDIO = {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}


def speaking(voice: str, **fields: Any) -> dict[str, Any]:
    """A session with a voice."""
    return session(audio={**AUDIO, "output": {"voice": voice, "speed": 1.0}}, **fields)


def refuse(peer: Peer, update: dict[str, Any]) -> None:
    error = {"type": "invalid_request_error", "code": "cannot_update_voice", "message": "too late"}
    peer.send("error", error={**error, "param": "session.audio", "event_id": update["event_id"]})


@each("foreign", [speaking("alloy"), session(instructions="another's"), speaking("alloy", instructions="x")])
def test_a_refusal_is_raised_although_another_update_is_acknowledged_first(
    runner: Runner, foreign: dict[str, Any]
) -> None:
    def script(peer: Peer) -> None:
        update = peer.expect("session.update")
        peer.send("session.updated", session=foreign)
        refuse(peer, update)
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        with pytest.raises(BadRequestError, match="too late") as caught:
            connection.update_session(MARIN)
    assert caught.value.code == "cannot_update_voice"


@async_only
def test_an_acknowledgement_is_distinguished_from_those_of_other_connections(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("session.update")
        peer.send("session.updated", session=speaking("alloy", instructions="another's"))
        peer.send("session.updated", session=speaking("alloy", instructions="a third one's"))
        peer.send("session.updated", session=speaking("marin", instructions="a third one's"))
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        connection.update_session(MARIN)
        assert connection.session.audio.output.voice == "marin"


@async_only
def test_the_acknowledgement_of_another_connection_does_not_count(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("session.update")
        peer.send("session.updated", session=speaking("alloy"))
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        with pytest.raises(APITimeoutError, match=r"session\.updated"):
            connection.update_session(MARIN, timeout=0.1)


@async_only
@pytest.mark.parametrize("timeout", [0.05, PATIENCE, None])
def test_an_answer_that_shows_nothing_of_it_counts_when_no_refusal_follows(
    runner: Runner, timeout: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime_ext.connection._io.UNCLEAR_FOR", 0.05)

    def script(peer: Peer) -> None:
        peer.expect("session.update")
        peer.send("session.updated", session={"type": "realtime"})
        peer.until_closed()

    with ScriptedServer(script) as server:
        with connect(runner, server, call_id="rtc_1", session=MARIN) as connection:
            assert connection.session is not None


@async_only
@each(
    "sent",
    [
        {"tools": []},
        {"instructions": ""},
        {"audio": {"input": {"turn_detection": None}}},
        {"prompt": {"id": "pmpt_1", "version": "2"}},
        {"model": "gpt-realtime-2025-08-28"},
        {"audio": {"output": {"speed": 1.1}}},
    ],
)
def test_an_update_echoed_in_another_form_is_acknowledged_at_once(
    runner: Runner, sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unclear(*_: Any) -> None:
        raise AssertionError("the answer was not clear")

    monkeypatch.setattr(SessionState, "confirm", unclear)
    speed = sent.get("audio", {}).get("output", {}).get("speed", 1.0)
    answer = session(instructions=None, prompt=None, audio={"output": {"speed": speed * 1.0000001}})

    def script(peer: Peer) -> None:
        peer.expect("session.update")
        peer.send("session.updated", session=answer)
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server, call_id="rtc_1") as connection:
        connection.update_session({"type": "realtime", **sent}, timeout=PATIENCE)


@async_only
def test_an_update_that_was_refused_is_not_replayed(runner: Runner) -> None:
    class Doubtful(Model):
        def handle(self, peer: Peer, event: dict[str, Any]) -> None:
            super().handle(peer, event)
            if event["type"] == "session.update" and "audio" in event["session"]:
                refuse(peer, event)
            elif event["type"] == "input_audio_buffer.commit":
                peer.abort()

    policy = Reconnect(replay=True, first_delay=0.0, max_delay=0.0)
    configured = {"type": "realtime", "model": "gpt-realtime", "instructions": "one"}
    with ScriptedServer(Doubtful(), Model()) as server:
        with connect(runner, server, session=configured, reconnect=policy) as connection:
            with connection.expect("error") as refused:
                connection.update_session(MARIN)
                connection.update_session({"instructions": "two"})
            refused.wait()
            connection.commit_audio()
            connection.wait_for(Reconnected)
        assert server.peers[1].received[0]["session"] == {**configured, "instructions": "two"}
