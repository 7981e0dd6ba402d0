"""The refusals of the service that the API description does not state: one table, and its checks.

The checks run after the schema's. Some rows word a fault that the schema finds too. The table is shown in
docs/reference/refusals.md, which a test keeps in step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from realtime_api import schemas

from realtime_simulator._core.problem import ApiProblem
from realtime_simulator._core.profile import Profile
from realtime_simulator._core.schema import not_supported

MAX_CALL_ID = 32
"""Characters of a `call_id` that a client sends."""
_WITHOUT_DETECTION = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Transcription models whose sessions have no turn detection."""
_LISTED_FIRST = ("whisper-1", "gpt-realtime-whisper", "gpt-4o-transcribe")
"""The order in which the service lists transcription models, as far as it is known."""


@attrs.frozen
class Refusal:
    """A row of the table.

    Args:
        condition: What is refused.
        code: The error's code; None for null, or where the request is not refused.
        param: The field that the error names; None for null. Parts in braces vary.
        message: Its message; parts in braces vary. Empty where nothing is refused: the change is ignored.
        source: Where the service was seen to do this.
        unknown: What of the row no source decides; empty if nothing.
    """

    condition: str
    code: str | None
    param: str | None
    message: str
    source: str
    unknown: str = ""

    def problem(self, **parts: object) -> ApiProblem:
        """Return the error, with its varying parts."""
        param = None if self.param is None else self.param.format(**parts)
        return ApiProblem(self.message.format(**parts), code=self.code, param=param)


_REPORTS = "reports of users"
_DESCRIBED = "API description"
TABLE: Mapping[str, Refusal] = {
    "voice": Refusal(
        "a voice that the API description does not list",
        "invalid_value",
        "session.audio.output.voice",
        "Invalid value: '{got}'. Supported values are: {listed}.",
        "measurement of July 2026 with gpt-realtime-2.1 and -mini; also for client secrets (400)",
    ),
    "transcription_model": Refusal(
        "a transcription model that the API description does not list",
        "invalid_value",
        "session.audio.input.transcription.model",
        "Invalid value: '{got}'. Supported values are: {listed}.",
        _REPORTS,
        "the order of the names after the third",
    ),
    "turn_detection": Refusal(
        "turn detection in a transcription session with gpt-realtime-whisper or gpt-live-transcribe",
        "invalid_value",
        "session.audio.input.turn_detection",
        "Turn detection is not supported for this transcription model.",
        f"{_DESCRIBED}; {_REPORTS} of August and September 2026",
        "the code",
    ),
    "tool_name": Refusal(
        "a function without a name, also in the form of Chat Completions (`function: {…}`)",
        "missing_required_parameter",
        "{at}.tools[{index}].name",
        "Missing required parameter: '{at}.tools[{index}].name'.",
        _REPORTS,
    ),
    "modalities": Refusal(
        "both output modalities together",
        "invalid_value",
        "{at}.output_modalities",
        "Invalid modalities: {got}. Supported combinations are: ['text'] and ['audio'].",
        f"{_REPORTS}; tests of clients",
    ),
    "session_type": Refusal(
        "an update with the type of the other kind of session",
        "invalid_parameter",
        None,
        "Passing a {given} session update event to a {own} session is not allowed.",
        _REPORTS,
        "param",
    ),
    "call_id_unknown": Refusal(
        "a `function_call_output` for a call that the conversation lacks",
        "invalid_tool_call_id",
        None,
        "Tool call ID '{got}' not found in conversation.",
        f"livekit/agents, September 2025; {_DESCRIBED}",
    ),
    "call_id_length": Refusal(
        f"a `call_id` of more than {MAX_CALL_ID} characters",
        "string_above_max_length",
        "item.call_id",
        "Invalid 'item.call_id': string too long. Expected a string with maximum length {limit}, but got a "
        "string with length {length} instead.",
        "logs of clients",
    ),
    "assistant_audio": Refusal(
        "an assistant's item with audio",
        "missing_required_parameter",
        "item.content[{index}].text",
        "Missing required parameter: 'item.content[{index}].text'.",
        f"openai-agents-js, February 2026; {_DESCRIBED}",
    ),
    "audio_empty": Refusal(
        "`input_audio_buffer.append` without audio",
        "invalid_value",
        "{at}",
        "Invalid '{at}'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got empty bytes.",
        _REPORTS,
        "the words in brackets for G.711",
    ),
    "audio_invalid": Refusal(
        "audio that is not base64",
        "invalid_value",
        "{at}",
        "Invalid '{at}'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got an invalid value.",
        _REPORTS,
        "the words in brackets for G.711",
    ),
    "transcription_query": Refusal(
        "`intent=transcription` together with `model` in the address",
        "invalid_model",
        None,
        "You must not provide a model parameter for transcription sessions.",
        "live test of September 2026; several reports",
    ),
    "session_model": Refusal(
        "a transcription model in the address of a conversation",
        "invalid_model",
        None,
        'Model "{got}" is a transcription model and cannot be used as the realtime session model. Use a '
        "realtime model for the session model. Pass this transcription model as "
        "audio.input.transcription.model instead.",
        _REPORTS,
    ),
    "beta": Refusal(
        "the header or subprotocol of the beta",
        "beta_api_shape_disabled",
        None,
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        "live test of September 2026; several reports",
    ),
    "voice_after_audio": Refusal(
        "another voice in `session.update` after the model has spoken",
        "cannot_update_voice",
        None,
        "Cannot update a conversation's voice if assistant audio is present.",
        "openai-agents-python, openai-python",
    ),
    "voice_of_response": Refusal(
        "another voice in `response.create` after the model has spoken",
        None,
        None,
        "",
        _DESCRIBED,
        "whether it is refused or ignored; the simulator ignores it",
    ),
    "tracing": Refusal(
        "another `tracing` once it is on",
        None,
        None,
        "",
        _DESCRIBED,
        "whether it is refused or ignored; the simulator ignores it",
    ),
}


def voices() -> Sequence[str]:
    """Return the voices that the API description lists."""
    return _listed(schemas.get("VoiceIdsShared"))


def transcription_models() -> Sequence[str]:
    """Return the transcription models that the API description lists, in the service's order."""
    names = _listed(schemas.get("AudioTranscription")["properties"]["model"])
    return [*_LISTED_FIRST, *(name for name in names if name not in _LISTED_FIRST)]


def _listed(schema: Mapping[str, Any]) -> Sequence[str]:
    return [name for option in schema["anyOf"] for name in option.get("enum", ())]


def check_session(
    session: Mapping[str, Any],
    *,
    profile: Profile,
    kind: str = "realtime",
    transcription_model: str | None = None,
    at: str = "session",
) -> None:
    """Refuse a session, or an update of one.

    Args:
        session: The object, already checked against its schema.
        profile: The service that is simulated.
        kind: The kind of the running session; a `type` in the object wins.
        transcription_model: That of the running session.
        at: The object's name for errors.

    Raises:
        ApiProblem: The service would refuse it.
    """
    if not profile.is_strict:
        return
    _check_tools(session, at)
    audio = session.get("audio") or {}
    heard, spoken = audio.get("input") or {}, audio.get("output") or {}
    named = (heard.get("transcription") or {}).get("model")
    if profile.lists_names:
        _check_name("voice", spoken.get("voice"), voices())
        _check_name("transcription_model", named, transcription_models())
    is_transcription = session.get("type", kind) == "transcription"
    model = named or transcription_model
    if is_transcription and heard.get("turn_detection") is not None and not has_turn_detection(model):
        raise TABLE["turn_detection"].problem()


def has_turn_detection(transcription_model: str | None) -> bool:
    """Whether transcription sessions with this model can detect turns."""
    return transcription_model not in _WITHOUT_DETECTION


def check_type(given: str, own: str) -> None:
    """Refuse an update for another kind of session.

    Raises:
        ApiProblem: The kinds differ.
    """
    if given != own:
        raise TABLE["session_type"].problem(given=given, own=own)


def check_item(item: Mapping[str, Any], call_ids: Iterable[str | None], *, profile: Profile) -> None:
    """Refuse an item of a client.

    Args:
        item: The item, already checked against its schema.
        call_ids: The calls of the conversation.
        profile: The service that is simulated.

    Raises:
        ApiProblem: The service would refuse it.
    """
    if not profile.is_strict:
        return
    call_id = item.get("call_id")
    if isinstance(call_id, str) and len(call_id) > MAX_CALL_ID:
        raise TABLE["call_id_length"].problem(limit=MAX_CALL_ID, length=len(call_id))
    if item["type"] == "function_call_output" and call_id not in set(call_ids):
        raise TABLE["call_id_unknown"].problem(got=call_id)
    if item.get("role") == "assistant":
        for index, part in enumerate(item.get("content") or ()):
            if part.get("type") == "output_audio":
                raise TABLE["assistant_audio"].problem(index=index)


def check_response(response: Mapping[str, Any], *, profile: Profile) -> None:
    """Refuse the parameters of a response, already checked against their schema.

    Raises:
        ApiProblem: The service would refuse them.
    """
    if not profile.is_strict:
        return
    _check_tools(response, "response")
    if profile.lists_names:
        voice = ((response.get("audio") or {}).get("output") or {}).get("voice")
        _check_name("voice", voice, voices(), param="response.audio.output.voice")


def reworded(problem: ApiProblem, event: Mapping[str, Any]) -> ApiProblem:
    """Return the refusal of a schema in the words of the table, if it has a row for that fault.

    Args:
        problem: The refusal.
        event: The event, or a request's body, in which `problem.param` is a path.
    """
    at, _, field = (problem.param or "").rpartition(".")
    owner = _part(event, at)
    if field.partition("[")[0] == "output_modalities" and isinstance(owner, Mapping):
        given = owner.get("output_modalities")
        if isinstance(given, list) and sorted(map(str, given)) == ["audio", "text"]:
            return TABLE["modalities"].problem(at=at, got=given)
    if field == "function" and isinstance(owner, Mapping) and "name" not in owner:
        tools_at, _, index = at.rpartition(".tools[")
        if tools_at and problem.code == "unknown_parameter":
            return TABLE["tool_name"].problem(at=tools_at, index=index.rstrip("]"))
    return problem


def _part(value: Any, path: str) -> Any:
    for step in path.replace("[", ".[").split(".") if path else ():
        if step.startswith("["):
            index = int(step[1:-1])
            value = value[index] if isinstance(value, list) and index < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _check_tools(owner: Mapping[str, Any], at: str) -> None:
    for index, tool in enumerate(owner.get("tools") or ()):
        if tool.get("type", "function") == "function" and not tool.get("name"):
            raise TABLE["tool_name"].problem(at=at, index=index)


def _check_name(row: str, name: Any, listed: Sequence[str], *, param: str | None = None) -> None:
    if isinstance(name, str) and name not in listed:
        refusal = TABLE[row]
        raise ApiProblem(not_supported(name, listed), code=refusal.code, param=param or refusal.param)
