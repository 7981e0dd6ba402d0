"""The snapshots: replayed through both clients, complete, and without a secret in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import vcr
import yaml
from realtime_api.models import RealtimeSessionCreateResponse, RealtimeTranscriptionSessionCreateResponse
from vcr.errors import CannotOverwriteExistingCassetteException

from realtime_ext import AuthenticationError, Call, ClientSecret, NotFoundError, sdp
from realtime_ext.testing import loopback_only, vcr_settings
from tests.support import record_snapshots
from tests.support.newcomers import PROVISIONAL
from tests.support.record_snapshots import BASE_URL, CALL_ID, CASES, FOLDER, MODES, Case
from tests.support.rows import each

PATHS = sorted(FOLDER.glob("*/*.yaml"))


def replayed(path: Path) -> Any:
    return vcr.VCR(**vcr_settings(), record_mode="none").use_cassette(str(path))


def path_of(case: Case, mode: str) -> Path:
    return FOLDER / mode / f"{case.name}.yaml"


def is_call(result: Any) -> None:
    assert isinstance(result, Call)
    assert result.id.startswith("rtc_u1_")
    assert result.location.endswith(result.id)
    answer = sdp.SessionDescription.parse(result.sdp_answer)
    assert answer.audio is not None
    assert {codec.name.lower() for codec in answer.audio.codecs} & {"opus", "pcmu", "pcma"}
    assert result.request_id


def is_nothing(result: Any) -> None:
    assert result is None


def is_secret(result: Any) -> None:
    assert isinstance(result, ClientSecret)
    assert result.value == "ek_***"
    assert result.session.type == "realtime"
    assert result.session.instructions == "You answer for the front desk."


def is_translation_secret(result: Any) -> None:
    assert isinstance(result, ClientSecret)
    assert result.value == "ek_***"
    assert result.session.audio.output.language == "es"


def is_session(result: Any) -> None:
    assert isinstance(result, RealtimeSessionCreateResponse)
    assert result.client_secret is not None
    assert result.client_secret.value == "ek_***"
    assert result.model == "gpt-realtime"


def is_transcription_session(result: Any) -> None:
    assert isinstance(result, RealtimeTranscriptionSessionCreateResponse)
    assert result.client_secret.value == "ek_***"


def is_not_found(result: Any) -> None:
    assert isinstance(result, NotFoundError)
    assert (result.status_code, result.param) == (404, "")


def is_unauthenticated(result: Any) -> None:
    assert isinstance(result, AuthenticationError)
    assert (result.status_code, result.code) == (401, "invalid_api_key")


RESULTS: dict[str, Callable[[Any], None]] = {
    "calls.create": is_call,
    "calls.create_with_secret": is_call,
    "calls.create_with_secret.translation": is_call,
    "calls.accept": is_nothing,
    "calls.reject": is_nothing,
    "calls.refer": is_nothing,
    "calls.hangup": is_nothing,
    "client_secrets.create": is_secret,
    "translation_client_secrets.create": is_translation_secret,
    "sessions.create": is_session,
    "transcription_sessions.create": is_transcription_session,
    "refused.unknown_call": is_not_found,
    "refused.wrong_key": is_unauthenticated,
}


@pytest.mark.parametrize("mode", MODES)
@each("case", CASES, ids=[case.name for case in CASES])
def test_a_snapshot_is_replayed_through_the_client(case: Case, mode: str) -> None:
    with loopback_only(), replayed(path_of(case, mode)) as snapshot:
        result = record_snapshots.send(
            case, mode, BASE_URL, "ek_of_today" if "secret" in case.name else CALL_ID
        )
    RESULTS[case.name](result)
    assert snapshot.all_played
    assert len(snapshot) == 1


@each("mode", MODES)
def test_another_request_is_not_answered(mode: str) -> None:
    case = next(case for case in CASES if case.name == "calls.reject")
    other = Case(
        name=case.name,
        operation=case.operation,
        send=lambda client, call_id: client.calls.reject(call_id, 603),
    )
    with (
        loopback_only(),
        replayed(path_of(case, mode)),
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        record_snapshots.send(other, mode, BASE_URL, CALL_ID)


def test_every_operation_has_its_snapshots_and_no_snapshot_is_left_over() -> None:
    import realtime_api.api.realtime as operations

    folder = Path(operations.__path__[0])
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("[!_]*.py")}
    assert {case.operation for case in CASES} == {
        name for name, text in texts.items() if PROVISIONAL not in text
    }
    assert {path.relative_to(FOLDER).as_posix() for path in PATHS} == {
        f"{mode}/{case.name}.yaml" for mode in MODES for case in CASES
    }


def test_both_clients_send_the_same() -> None:
    for case in CASES:
        sync, asynchronous = (interaction(path_of(case, mode))["request"] for mode in MODES)
        assert sync == asynchronous


def interaction(path: Path) -> dict[str, Any]:
    [found] = yaml.safe_load(path.read_text())["interactions"]
    return dict(found)


# What must not stand in a snapshot. `*` stands for what was taken out, so it ends every pattern.
PATTERNS = {
    "API key": r"\bsk-[A-Za-z0-9]",
    "client secret": r"\bek_[A-Za-z0-9]",
    "webhook secret": r"\bwhsec_[A-Za-z0-9]",
    "bearer": r"Bearer\s+[^*\s]",
    "ICE password": r"a=ice-pwd:(?!redactedredactedredacted)",
    "query token": r"[?&][^=\s\"']*(?:token|key|secret|signature)=[^*]",
    "cookie": r"(?i)\bset-cookie|\bcookie:",
    "path on a machine": r"(?:/home|/root|/work|/tmp|/Users|[A-Z]:\\\\)",
    "address": r"https?://(?!127\.0\.0\.1/v1|mcp\.example\.test|www\.webrtc\.org|www\.ietf\.org"
    r"|platform\.openai\.com/account/api-keys)",
}


def texts_of(path: Path) -> str:
    """A snapshot as it is written, and what it says, in which no line is folded."""

    def flat(value: Any) -> str:
        if isinstance(value, dict):
            return "\n".join(f"{key}: {flat(item)}" for key, item in value.items())
        return "\n".join(map(flat, value)) if isinstance(value, list) else str(value)

    text = path.read_text()
    return text + "\n" + flat(yaml.safe_load(text))


@pytest.mark.slow
@each("path", PATHS)
def test_no_snapshot_holds_a_secret(path: Path) -> None:
    text = texts_of(path)
    assert {name: found[0] for name, p in PATTERNS.items() if (found := re.search(p, text))} == {}
    known = {
        record_snapshots.API_KEY,
        record_snapshots.WEBHOOK_SECRET,
        record_snapshots.MCP_TOKEN,
        "sk-not-the-one-of-the-cassettes",
        "hash-of-a-user",
        "in-a-query",
        *(str(media.ice_pwd) for media in sdp.SessionDescription.parse(record_snapshots.OFFER).media),
    }
    assert [secret for secret in known if secret in text] == []


def test_the_patterns_match_their_targets() -> None:
    """Else the test above would pass on anything."""
    samples = {
        "API key": "Incorrect key: sk-proj-4711",
        "client secret": '"value":"ek_4711"',
        "webhook secret": "whsec_NDcxMQ==",
        "bearer": "Bearer 4711",
        "ICE password": "a=ice-pwd:abcdefghijklmnopqrstuv",
        "query token": "https://mcp.example.test/?token=4711",
        "cookie": "set-cookie: a=b",
        "path on a machine": "/home/me/tape.yaml",
        "address": "http://127.0.0.1:8080/v1",
    }
    assert {name for name in PATTERNS if re.search(PATTERNS[name], samples[name])} == set(PATTERNS)


@pytest.mark.slow
@pytest.mark.weekly
def test_recording_anew_writes_the_same_snapshots_without_the_secrets_of_the_wire(tmp_path: Path) -> None:
    """With the values that really went over the wire, which are unknown for saved snapshots."""
    secrets = record_snapshots.record(tmp_path)
    written = sorted(tmp_path.glob("*/*.yaml"))
    assert [path.relative_to(tmp_path) for path in written] == [path.relative_to(FOLDER) for path in PATHS]
    assert sum(secret.startswith("ek_") for secret in secrets) >= 5 * len(MODES)
    assert len(secrets) > 20
    for fresh, kept in zip(written, PATHS, strict=True):
        assert [secret for secret in secrets if secret in texts_of(fresh)] == []
        ours, theirs = interaction(fresh), interaction(kept)
        assert ours["request"] == theirs["request"], f"{kept.name}: record the snapshots anew"
        assert ours["response"]["status"] == theirs["response"]["status"]
