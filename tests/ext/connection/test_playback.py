"""Interruptions: what was played, what to flush, and where the conversation is cut."""

from __future__ import annotations

from typing import Any

from tests.ext.connection.driver import async_only, connect
from tests.ext.connection.scripted import Model, Peer, ScriptedServer
from tests.support.runner import Runner


class Interrupted(Model):
    """Speaks 8 ms, the user speaks up, and truncations are acknowledged."""

    def respond(self, peer: Peer, asked: dict[str, Any]) -> None:
        super().respond(peer, asked)
        peer.send("input_audio_buffer.speech_started", audio_start_ms=1, item_id="item_9")

    def handle(self, peer: Peer, event: dict[str, Any]) -> None:
        super().handle(peer, event)
        if event["type"] == "conversation.item.truncate":
            fields = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
            peer.send("conversation.item.truncated", **fields)


def _heard(runner: Runner, server: ScriptedServer, played_ms: float) -> Any:
    connection = connect(runner, server).__enter__()
    connection.create_response()
    while connection.recv().type != "response.done":
        pass
    connection.playback.played_ms(played_ms)
    while connection.recv().type != "input_audio_buffer.speech_started":
        pass
    return connection


def test_an_interruption_cuts_where_the_user_stopped_hearing(runner: Runner) -> None:
    with ScriptedServer(Interrupted(lambda number: "one two six")) as server:
        connection = _heard(runner, server, 8)
        assert connection.playback.position.played_ms == 8
        found = connection.playback.interrupt()
        assert (found.item_id, found.played_ms, found.unplayed_ms, found.unplayed_bytes) == (
            "item_1",
            8,
            3,
            144,
        )
        assert connection.playback.to_flush is not None
        assert connection.recv().type == "conversation.item.truncated"
        assert connection.playback.interrupt() is None
        [item] = connection.replay_items()
        connection.close()
    [event] = server.of("conversation.item.truncate")
    assert (event["item_id"], event["content_index"], event["audio_end_ms"]) == ("item_1", 0, 8)
    assert item.content[0].text == "one two"


@async_only
def test_an_item_of_which_nothing_was_heard_is_deleted(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server:
        connection = _heard(runner, server, 0)
        found = connection.interrupt()
        assert (found.played_ms, found.unplayed_ms) == (0, 8)
        assert connection.truncate("item_1", 0) is None
        assert connection.truncate("item_of_text", 500) is None
        server.wait_for("conversation.item.delete")
        connection.close()
    assert server.of("conversation.item.truncate") == []
    assert server.of("response.cancel") == []
    assert [event["item_id"] for event in server.of("conversation.item.delete")] == ["item_1"]


@async_only
def test_an_interruption_stops_the_active_response(runner: Runner) -> None:
    def script(peer: Peer) -> None:
        peer.expect("response.create")
        peer.send("response.created", response={"id": "resp_1", "status": "in_progress", "output": []})
        peer.until_closed()

    with ScriptedServer(script) as server, connect(runner, server) as connection:
        connection.create_response()
        assert connection.interrupt() is None
        server.wait_for("response.cancel")
        assert server.of("output_audio_buffer.clear") == []


@async_only
def test_without_playback_counts_only_the_latest_item_is_deleted(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server, connect(runner, server) as connection:
        for _ in range(2):
            connection.create_response()
            while connection.recv().type != "input_audio_buffer.speech_started":
                pass
        connection.interrupt()
        server.wait_for("conversation.item.delete")
        connection.send_text("Hi")
        server.wait_for("conversation.item.create")
    assert [event["item_id"] for event in server.of("conversation.item.delete")] == ["item_2"]


@async_only
def test_nothing_is_unplayed_after_all_audio_was_heard(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server:
        connection = _heard(runner, server, 8)
        assert connection.playback.position is None
        assert connection.playback.interrupt() is None
        connection.close()
    assert server.of("conversation.item.truncate") == []


def test_truncating_stays_within_the_audio_that_came(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server:
        connection = _heard(runner, server, 2)
        assert connection.truncate("item_1", 5000.7) is not None
        server.wait_for("conversation.item.truncate")
        connection.close()
    assert server.of("conversation.item.truncate")[0]["audio_end_ms"] == 8


@async_only
def test_a_truncated_item_is_not_truncated_beyond_its_end(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server:
        connection = _heard(runner, server, 2)
        for played_ms in (5, 3):
            with connection.expect("conversation.item.truncated") as truncated:
                assert connection.truncate("item_1", played_ms) is not None
            truncated.result()
            assert connection.truncate("item_1", played_ms) is None
            assert connection.truncate("item_1", 7) is None
        connection.close()
    assert [event["audio_end_ms"] for event in server.of("conversation.item.truncate")] == [5, 3]


def test_a_sideband_plays_nothing(runner: Runner) -> None:
    with ScriptedServer(Interrupted()) as server, connect(runner, server, call_id="rtc_1") as connection:
        connection.create_response()
        while connection.recv().type != "input_audio_buffer.speech_started":
            pass
        connection.playback.played_bytes(48)
        assert connection.playback.position is None
        assert connection.playback.interrupt() is None
        assert connection.truncate("item_1", 5) is None
        server.wait_for("output_audio_buffer.clear")
