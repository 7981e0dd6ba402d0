"""Commands with --live: they use the Live API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from realtime_simulator import Simulator

from realtime_ext import RealtimeClient, audio
from realtime_ext.testing import sample_offer
from tests.simulator.receiver import Receiver, receiving
from tests.support.command import realtime_here
from tests.support.paths import QUESTION
from tests.support.waiting import PATIENCE

TRUNK = {
    "provider_url": "sips:sip.example.com",
    "auth": {"type": "digest", "username": "me", "password": "not telling"},
    "caller_number": "+14155550100",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


def ring(simulator: Simulator, receiver: Receiver) -> str:
    """Start a telephone call; return its Live session's id."""
    del receiver.deliveries[:]
    simulator.incoming_call(receiver.url, events=["live.transport.incoming"])
    session_id: str = json.loads(receiver.deliveries[0].body)["data"]["session_id"]
    return session_id


def test_a_call_is_made_and_hung_up(simulator: Simulator, tmp_path: Path) -> None:
    offer, answer = tmp_path / "offer.sdp", tmp_path / "answer.sdp"
    offer.write_bytes(sample_offer().encode())
    options = ("--live", "--voice=cedar", "--answer", answer, "--json")
    made = realtime_here("call", "create", offer, *options, simulator=simulator)
    session_id = made.json["session_id"]
    assert (made.status, made.err, session_id[:5]) == (0, "", "live_")
    assert "a=ice-pwd:" in answer.read_text()
    assert simulator.session(session_id).config["audio"]["output"]["voice"] == "cedar"
    done = realtime_here("call", "hangup", session_id, "--live", simulator=simulator)
    assert (done.status, done.out) == (0, f"session_id\t{session_id}\nstatus\thung up\n")


def test_a_telephone_call_is_accepted_referred_and_rejected(simulator: Simulator, receiver: Receiver) -> None:
    session_id = ring(simulator, receiver)
    accept = ("call", "accept", session_id, "--live", "--instructions=Be brief.", "--json")
    assert realtime_here(*accept, simulator=simulator).json == {
        "session_id": session_id,
        "status": "accepted",
    }
    refer = ("call", "refer", session_id, "tel:+14155550123", "--live")
    assert realtime_here(*refer, simulator=simulator).status == 0
    session_id = ring(simulator, receiver)
    done = realtime_here("call", "reject", session_id, "--live", simulator=simulator)
    assert (done.status, done.out) == (0, f"session_id\t{session_id}\nstatus\trejected\n")


def test_a_number_is_called_without_showing_the_lines_password(simulator: Simulator, tmp_path: Path) -> None:
    trunk = tmp_path / "trunk.json"
    trunk.write_text(json.dumps(TRUNK))
    place = ("call", "place", "+14155550123", "--trunk", trunk, "--json")
    made = realtime_here(*place, simulator=simulator)
    assert made.status == 0 and made.json["session_id"].startswith("live_")
    assert realtime_here("call", "hangup", made.json["session_id"], "--live", simulator=simulator).status == 0
    trunk.write_text(json.dumps(TRUNK | {"caller_number": 14155550100}))
    refused = realtime_here(*place, simulator=simulator)
    assert refused.status == 1
    assert "caller_number" in refused.err and "not telling" not in refused.err


def test_events_of_a_session_are_shown_until_it_ends(simulator: Simulator, receiver: Receiver) -> None:
    session_id = ring(simulator, receiver)
    assert realtime_here("call", "accept", session_id, "--live", simulator=simulator).status == 0
    done = realtime_here(
        "tail", session_id, "--live", "-n", "1", "-t", "session.started", simulator=simulator
    )
    assert done.status == 0 and "session.started" in done.out
    assert f"attached to {session_id}" in done.err
    sound = ("-n", "1", "-t", "session.output_audio.delta")
    assert "9,600 bytes" in realtime_here("tail", session_id, "--live", *sound, simulator=simulator).out
    with ThreadPoolExecutor() as threads:
        tail = threads.submit(realtime_here, "tail", session_id, "--live", simulator=simulator)
        attached = lambda: [one for one in simulator.requests if one.path.endswith("/attach")][2:]  # noqa: E731
        simulator.wait_for(attached)
        with (
            RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client,
            client.live.attach(session_id) as other,
        ):
            for _ in range(3):
                with other.expect("session.output_audio.delta") as sounded:
                    sounded.wait(PATIENCE)
            client.live.calls.hangup(session_id)
    assert "session.closed" in tail.result().out and "bytes" not in tail.result().out


@pytest.mark.slow
@pytest.mark.early
def test_a_file_is_transcribed_with_times(simulator: Simulator) -> None:
    simulator.on_speech(lambda heard: "Is breakfast included?" if heard.finished else None)
    done = realtime_here("transcribe", "--live", "--timestamps", "--json", QUESTION, simulator=simulator)
    assert (done.json["text"], done.json["seconds"]) == ("Is breakfast included?", 2.24)
    (utterance,) = done.json["utterances"]
    assert 0 <= utterance["start"] < utterance["end"] <= 2.24


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--language", "en"), "--language: the Live API has none"),
        (("--dialect", "xai"), "--dialect: the Live API has none"),
    ],
)
def test_options_that_live_does_not_have_are_refused(option: tuple[str, str], message: str) -> None:
    done = realtime_here("transcribe", "--live", *option, QUESTION)
    assert done.status == 2 and message in done.err


@pytest.mark.slow
@pytest.mark.early
def test_a_file_is_said_and_answered_and_both_sides_are_kept(simulator: Simulator, tmp_path: Path) -> None:
    simulator.on_speech(lambda heard: "Is breakfast included?" if heard.finished else None)
    simulator.on_response("It is included.", match="included")
    reply, record = tmp_path / "reply.wav", tmp_path / "both.wav"
    files = ("--audio-in", QUESTION, "--audio-out", reply, "--record", record)
    done = realtime_here("talk", "--live", *files, "--voice=cedar", "--json", simulator=simulator)
    assert (done.status, done.err) == (0, "")
    assert [(line["role"], line["text"]) for line in done.lines] == [
        ("user", "Is breakfast included?"),
        ("assistant", "It is included."),
    ]
    assert simulator.sessions[-1].config["audio"]["output"]["voice"] == "cedar"
    assert any(audio.read_wav(reply)) and record.stat().st_size > 100_000
    assert len(record.with_suffix(".jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
@pytest.mark.early
def test_the_model_says_typed_words(simulator: Simulator) -> None:
    done = realtime_here("talk", "--live", "Good morning to you.", simulator=simulator)
    assert (done.status, done.out) == (0, "model: Good morning to you.\n")


def test_talking_live_in_a_dialect_is_refused() -> None:
    done = realtime_here("talk", "--live", "--dialect", "xai", "Hello")
    assert done.status == 2 and "--dialect: servers with a dialect have no Live API" in done.err
