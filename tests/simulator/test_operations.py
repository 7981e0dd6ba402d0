from __future__ import annotations

import httpx
from realtime_simulator import Simulator

from tests.simulator.checking import body_fits
from tests.simulator.test_http import problem
from tests.support.rows import each

SESSIONS = "/realtime/sessions"
TRANSCRIPTIONS = "/realtime/transcription_sessions"
TRANSLATIONS = "/realtime/translations/client_secrets"


def made(api: httpx.Client, path: str, asked: object, name: str) -> dict:
    response = api.post(path, json=asked)
    assert response.status_code == 200, response.text
    body_fits(name, response.json())
    return response.json()


def test_an_older_session_has_its_secret_inside_and_the_current_names(
    sim: Simulator, api: httpx.Client
) -> None:
    answer = made(
        api,
        SESSIONS,
        {
            "model": "gpt-realtime-mini",
            "modalities": ["text"],
            "instructions": "Be brief.",
            "voice": "marin",
            "speed": 1.25,
            "input_audio_format": "g711_ulaw",
            "output_audio_format": "g711_alaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "input_audio_noise_reduction": {"type": "far_field"},
            "turn_detection": {"type": "server_vad", "threshold": 0.7},
            "tools": [{"type": "function", "name": "book_room", "parameters": {"type": "object"}}],
            "tool_choice": "book_room",
            "temperature": 0.8,
            "max_response_output_tokens": 100,
        },
        "RealtimeSessionCreateResponse",
    )
    assert answer["id"].startswith("sess_") and answer["object"] == "realtime.session"
    assert answer["model"] == "gpt-realtime-mini"
    assert answer["output_modalities"] == ["text"]
    assert answer["max_output_tokens"] == 100 and answer["tool_choice"] == "book_room"
    assert answer["audio"]["output"] == {"format": {"type": "audio/pcma"}, "voice": "marin", "speed": 1.25}
    assert answer["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert answer["audio"]["input"]["transcription"]["model"] == "whisper-1"
    assert answer["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert answer["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
    }
    assert answer["client_secret"]["value"].startswith("ek_")


def test_an_older_session_accepts_an_empty_body_null_and_the_current_form(api: httpx.Client) -> None:
    plain = made(api, SESSIONS, {}, "RealtimeSessionCreateResponse")
    assert plain["output_modalities"] == ["audio"] and plain["turn_detection"]["type"] == "server_vad"
    both = made(api, SESSIONS, {"modalities": ["text", "audio"]}, "RealtimeSessionCreateResponse")
    assert both["output_modalities"] == ["audio"]
    off = made(
        api,
        SESSIONS,
        {"turn_detection": None, "tracing": None, "prompt": None},
        "RealtimeSessionCreateResponse",
    )
    assert off["turn_detection"] is None
    todays = {"type": "realtime", "model": "gpt-realtime", "audio": {"output": {"voice": "cedar"}}}
    assert made(api, SESSIONS, todays, "RealtimeSessionCreateResponse")["audio"]["output"]["voice"] == "cedar"


def test_an_older_transcription_session(api: httpx.Client) -> None:
    name = "RealtimeTranscriptionSessionCreateResponse"
    answer = made(
        api,
        TRANSCRIPTIONS,
        {
            "input_audio_format": "g711_alaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": None,
            "include": ["item.input_audio_transcription.logprobs"],
        },
        name,
    )
    assert answer["input_audio_format"] == "g711_alaw"
    transcription = answer["input_audio_transcription"]
    assert transcription == {"model": "gpt-4o-transcribe", "language": "en", "prompt": None}
    assert answer["turn_detection"] is None and answer["client_secret"]["value"].startswith("ek_")
    plain = made(api, TRANSCRIPTIONS, {}, name)
    assert plain["input_audio_format"] == "pcm16" and plain["turn_detection"]["type"] == "server_vad"
    made(api, TRANSCRIPTIONS, {"type": "transcription"}, name)


def test_a_translation_secret_carries_its_session(api: httpx.Client) -> None:
    name = "RealtimeTranslationClientSecretCreateResponse"
    asked = {
        "expires_after": {"anchor": "created_at", "seconds": 30},
        "session": {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}},
    }
    answer = made(api, TRANSLATIONS, asked, name)
    assert answer["value"].startswith("ek_")
    assert answer["session"]["type"] == "translation"
    assert answer["session"]["model"] == "gpt-realtime-translate"
    assert answer["session"]["audio"]["output"] == {"language": "es"}
    headers = {"authorization": f"Bearer {answer['value']}", "content-type": "application/sdp"}
    refused = problem(api.post("/realtime/calls", content=b"v=0\r\n", headers=headers), 400)
    assert "translation" in refused["message"]


@each(
    "path, asked, code, param",
    [
        (SESSIONS, {"audio": {}}, "unknown_parameter", "audio"),
        (SESSIONS, {"speed": 2}, "decimal_above_max_value", "speed"),
        (SESSIONS, {"temperature": 1.3}, "decimal_above_max_value", "temperature"),
        (SESSIONS, {"modalities": "text"}, "invalid_type", "modalities"),
        (SESSIONS, {"model": 3}, "invalid_type", "model"),
        (SESSIONS, {"input_audio_format": "audio/pcm"}, "invalid_value", "input_audio_format"),
        (
            SESSIONS,
            {"input_audio_noise_reduction": {"type": "x"}},
            "invalid_value",
            "input_audio_noise_reduction.type",
        ),
        (SESSIONS, {"type": "transcription"}, "invalid_value", "type"),
        (SESSIONS, {"type": "realtime", "voice": "marin"}, "unknown_parameter", "voice"),
        (TRANSCRIPTIONS, {"voice": "marin"}, "unknown_parameter", "voice"),
        (TRANSCRIPTIONS, {"input_audio_format": "mp3"}, "invalid_value", "input_audio_format"),
        (TRANSCRIPTIONS, {"type": "realtime"}, "invalid_value", "type"),
        (TRANSLATIONS, {}, "missing_required_parameter", "session"),
        (TRANSLATIONS, {"session": {}}, "missing_required_parameter", "session.model"),
        (TRANSLATIONS, {"session": {"model": "m", "voice": "x"}}, "unknown_parameter", "session.voice"),
        (
            TRANSLATIONS,
            {"session": {"model": "m"}, "expires_after": {"seconds": 9}},
            "integer_below_min_value",
            "expires_after.seconds",
        ),
    ],
)
def test_invalid_fields_are_named(api: httpx.Client, path: str, asked: dict, code: str, param: str) -> None:
    refused = problem(api.post(path, json=asked), 400)
    assert (refused["code"], refused["param"]) == (code, param)


def test_only_the_projects_key_makes_sessions(sim: Simulator, api: httpx.Client) -> None:
    secret = made(api, SESSIONS, {}, "RealtimeSessionCreateResponse")["client_secret"]["value"]
    for path in (
        SESSIONS,
        TRANSCRIPTIONS,
        TRANSLATIONS,
        "/realtime/calls/x/accept",
        "/realtime/calls/x/refer",
    ):
        problem(api.post(path, json={}, headers={"authorization": f"Bearer {secret}"}), 401)
        problem(httpx.post(sim.base_url + path, json={}), 401)


def test_the_older_sessions_secret_lasts_a_minute(sim: Simulator, api: httpx.Client) -> None:
    secret = made(api, SESSIONS, {}, "RealtimeSessionCreateResponse")["client_secret"]["value"]
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/sdp"}
    problem(api.post("/realtime/calls", content=b"v=0", headers=headers), 400)
    sim.advance(61)
    assert "expired" in problem(api.post("/realtime/calls", content=b"v=0", headers=headers), 401)["message"]
