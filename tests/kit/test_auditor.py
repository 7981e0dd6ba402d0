"""The auditor: one folder per call, with all data for a later audit, readable by its owner only."""

# ruff: noqa: SIM117 - a file is one thing, a connection another

from __future__ import annotations

import json
import os
import time
import wave
from pathlib import Path
from typing import Any

import pytest
from realtime_kit.auditor import Auditor
from realtime_kit.budget import PriceTable
from realtime_simulator import Fail, Simulator, call_tool, sequence, speech

from realtime_ext import LiveSessionBuilder, SessionBuilder
from realtime_ext.events import parse_event
from tests.ext.connection.driver import Driven, async_only
from tests.support.runner import Runner

SESSION = SessionBuilder("gpt-realtime-2.1").instructions("You answer for the front desk.")
RATES = {"input": 4, "cached": 1, "output": 16}
PRICES = {"models": {"gpt-realtime-2.1": {"since": "2026-01-31", "text": RATES, "audio": RATES}}}


def report(auditor: Auditor) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((auditor.folder / "report.json").read_text())
    return read


def book(room: str, key: str) -> str:
    """Book a room."""
    return f"booked {room} with {key}"


def test_a_folder_has_audio_words_latency_tools_and_cost(runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "audits" / "call-1"
    arguments = {"room": "Elm", "key": "sk-0123456789"}
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_response(sequence(call_tool("book", arguments), "Done.", Fail("server_error", "no")))
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with Auditor(folder, prices=PRICES) as auditor:
            with Driven(client.connect(SESSION, tools=[book], observer=[auditor]), runner) as connection:
                connection.ask("Book Elm")
                early = report(auditor)
                connection.ask("And now?")
                usage, latency = connection.usage, connection.latency
    found = report(auditor)
    assert early["responses"] == {"completed": 2} and found["responses"] == {"completed": 2, "failed": 1}
    assert (found["model"], found["session_id"][:5]) == ("gpt-realtime-2.1", "sess_")
    (called,) = found["tool_calls"]
    assert (called["name"], json.loads(called["arguments"])) == ("book", {"room": "Elm", "key": "***"})
    assert "booked Elm" in called["output"] and called["ms"] >= 0
    assert found["cost"] == {"amount": str(PriceTable.from_dict(PRICES).cost(usage)), "currency": "USD"}
    assert found["missing_prices"] == [] and found["usage"][0]["amount"]["count"] == 3
    assert auditor.usage == usage
    assert len(found["latency_ms"]["responses"]) == len(latency.responses) == 3
    assert found["latency_ms"]["p50"]["done_ms"] > 0
    words = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert {line["role"] for line in words} == {"user", "assistant", "tool"}
    with wave.open(str(folder / "call.wav")) as file:
        assert file.getnframes() > 0
    assert {path.name for path in folder.iterdir()} == {"call.wav", "transcript.jsonl", "report.json"}
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@async_only
def test_a_price_that_is_missing_is_named_and_errors_are_kept(runner: Runner, tmp_path: Path) -> None:
    with Simulator(pacing="none", espeak=False) as simulator:
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with Auditor(tmp_path / "a", prices={"models": {}}, sound=False) as auditor:
            with Driven(client.connect(SESSION, observer=auditor), runner) as connection:
                connection.ask("Hello")
                connection.delete_item("item_of_nobody")
                connection.wait_for("error")
    found = report(auditor)
    assert found["cost"] is None and found["missing_prices"] == ["gpt-realtime-2.1"]
    (error,) = found["errors"]
    assert error["message"] and error["at"] > 0
    assert not (tmp_path / "a" / "call.wav").exists()


def test_a_folder_with_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("mine")
    with pytest.raises(FileExistsError, match="expected an empty or new folder"):
        Auditor(tmp_path)
    assert (tmp_path / "report.json").read_text() == "mine"
    with pytest.raises(ValueError, match="models"):
        Auditor(tmp_path / "b", prices={})
    assert not (tmp_path / "b").exists()


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    auditor = Auditor(tmp_path / "a")
    auditor.said(bytes(4800))
    auditor.heard(bytes(4800))
    auditor.close()
    auditor.close()
    written = (tmp_path / "a" / "report.json").read_bytes()
    auditor("in", object(), 0)
    assert (tmp_path / "a" / "report.json").read_bytes() == written


@async_only
@pytest.mark.slow
def test_a_live_session_has_the_same_folder(runner: Runner, tmp_path: Path) -> None:
    prices = {
        "models": {
            "gpt-live-1": {"since": "2026-01-31", "per_minute": "0.05"},
            "gpt-5.6-sol": {"since": "2026-01-31", "text": RATES},
        }
    }
    session = LiveSessionBuilder("gpt-live-1").delegate_to("gpt-5.6-sol")
    with Simulator(pacing="none", espeak=False) as simulator:
        simulator.on_speech(lambda heard: "Book Elm." if heard.finished else None)
        booking = call_tool("book", {"room": "Elm", "key": "sk-0123456789"})
        simulator.on_response(sequence(["One moment.", booking], "It is booked."))
        client = runner.client(api_key=simulator.api_key, base_url=simulator.base_url)
        with Auditor(tmp_path / "call", prices=prices) as auditor:
            connecting = client.live.connect(session, tools=[book], observer=auditor)
            with Driven(connecting, runner) as connection:
                connection.send_audio(speech("Book Elm.") + bytes(48_000))
                said = lambda event: "booked" in event.delta  # noqa: E731
                connection.wait_for("session.output_transcript.delta", where=said)
                usage = connection.close().usage
    found = report(auditor)
    assert (found["model"], found["session_id"][:5]) == ("gpt-live-1", "live_")
    (called,) = found["tool_calls"]
    assert json.loads(called["arguments"]) == {"room": "Elm", "key": "***"}
    assert "booked Elm" in called["output"] and called["ms"] >= 0
    assert found["responses"] == {"completed": 2} and found["errors"] == []
    assert auditor.usage == usage.total
    assert found["cost"] == {"amount": str(PriceTable.from_dict(prices).cost(usage)), "currency": "USD"}
    assert found["latency_ms"]["responses"][0]["after_speech_ms"] >= 0
    words = [json.loads(line) for line in (tmp_path / "call" / "transcript.jsonl").read_text().splitlines()]
    assert {line["role"] for line in words} == {"user", "assistant", "tool"}


def test_a_live_report_counts_each_session_and_what_a_sideband_gets_again_once(tmp_path: Path) -> None:
    prices = {"models": {"gpt-live-1": {"since": "2026-01-31", "per_minute": "0.05"}}}
    with Auditor(tmp_path / "call", prices=prices, sound=False) as auditor:

        def happens(kind: str, event_id: str, direction: str = "in", **fields: Any) -> None:
            content = {"type": kind, "event_id": event_id, **fields}
            auditor(direction, parse_event(content, live=True), time.monotonic_ns())

        def used(seconds: float) -> dict[str, Any]:
            return {"usage": {"seconds": seconds}, "context_window": {"usage_ratio": 0.1}}

        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "book", "arguments": "{}"}
        done = {"type": "response.output_item.done", "item": item, "output_index": 0, "sequence_number": 3}
        output = {"type": "function_call_output", "call_id": "call_1", "output": "booked"}
        error = {"type": "invalid_request_error", "code": "c", "message": "m", "param": None}
        session = {"id": "live_1", "model": "gpt-live-1"}
        happens("session.started", "event_1", session=session)
        for is_again in (False, True):
            happens("response.event", "event_2", delegation_id="item_1", event=done)
            happens("error", "event_3", error=error)
            happens("session.usage.updated", "event_4", **used(60.0))
            if not is_again:
                happens("response.item.create", "event_5", "out", item=output)
        happens("session.started", "event_1", session=session | {"id": "live_2"})
        happens("session.usage.updated", "event_4", **used(30.0))
    found = report(auditor)
    assert [(one["call_id"], one["output"]) for one in found["tool_calls"]] == [("call_1", "booked")]
    assert len(found["errors"]) == 1
    assert [entry["amount"]["seconds"] for entry in found["usage"]] == [90.0]
    assert found["cost"] == {"amount": "0.075", "currency": "USD"}
