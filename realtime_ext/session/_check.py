"""Check a session, given as a builder, a model or a dict, and return the JSON object that is sent.

The job: apply the schemas, the beta names and the rules, and order the problems: beta names,
`type`, the schema's fields in its own order, the rules. Limits are the schema's alone; rules are about
several fields at once, or about what a session would do later. A rule about fields that an update leaves out
finds nothing in the update; it is applied again to the merged session.

Every operation with a session comes through here. The session is not changed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, cast

import attrs

from .. import models
from .._core.json import value_at
from .._core.schema import ABSENT, SECRET_FIELDS, Violation, bounds, check, place, shown
from .._core.warnings import warn
from ..errors import ModelDeprecationWarning, SessionConfigError, SessionConfigWarning, SessionProblem
from ._coerce import Coerced, SessionInput, merge, problem, read
from ._counterparts import counterpart, unfolded
from ._kinds import (
    BETA_FIELDS,
    BETA_FORMATS,
    KINDS,
    SHORT_FORMATS,
    Kind,
    fields,
    known_names,
    nearest,
    owner,
    reasons,
    schema_fields,
)
from ._languages import is_language, nearest_language

_DATE = re.compile(r"-\d{4}-\d\d-\d\d")
_FORMAT = re.compile(r"audio\.(?:input|output)\.format(?:\.type)?")
_GONE = {
    "temperature": "a beta name without a successor",
    "client_secret": "a beta name; pass the lifetime as expires_after, not in the session",
}
_REASONING = {"parallel_tool_calls": "parallel tool calls", "reasoning": "reasoning settings"}
_LIVE, _REALTIME = re.compile(r"gpt-live(-.*)?"), re.compile(r"gpt-realtime(-.*)?")
_SETTINGS = "delegation.responses"  # of a Live session: those of the model that works for it
_WITHOUT_MODEL = (("translation",), ("live",))  # whose updates can't name one
_warned_of: set[str] = set()  # models
# Where names stand that the API may add to: they are compared with the known ones for misspellings alone.
_NAMED = ("model", "audio.output.voice", "audio.input.transcription.model")
_LANGUAGES = (
    "audio.input.transcription.language",
    "audio.input.transcription.languages",
    "audio.output.language",
    "input_audio_transcription.language",
)
_WITHOUT_DETECTION = ("gpt-live-transcribe", "gpt-realtime-whisper")
_LIKELY = 0.8  # how alike a misspelt name and the known one are
_LOCATIONS = ("server_url", "connector_id", "tunnel_id")


def resolve(
    session: SessionInput,
    *,
    validate: bool,
    kinds: tuple[str, ...] = ("realtime", "transcription"),
    model: str | None = None,
) -> dict[str, Any]:
    """Turn a new session into the JSON object that is sent.

    Args:
        session: A builder, a generated model or a dict.
        validate: Whether to check it.
        kinds: The kinds that the operation accepts: `realtime`, `transcription`, `translation`, and
            `realtime_older` or `transcription_older` for the forms without `type`, in which beta names are
            right; or one of the Live API, alone: `live`, or `live_call` over WebRTC and telephone.
        model: The model that serves it unless the session names one: the one in a connection's address.

    Returns:
        The object, new.

    Raises:
        SessionConfigError: The API would refuse it; `problems` has everything that is wrong.
        TypeError: It is none of the three.

    Warns:
        SessionConfigWarning: A field is unknown, or it is unknown whether the model supports it.
    """
    given = read(session)
    if validate:
        report(examine(given, kinds, model=model))
    return given.body


_SECRETS = {
    "realtime": "RealtimeCreateClientSecretRequest",
    "translation": "RealtimeTranslationClientSecretCreateRequest",
}


def resolve_lifetime(
    expires_after: int | timedelta | None,
    *,
    validate: bool,
    of: Literal["realtime", "translation"] = "realtime",
) -> dict[str, Any]:
    """Turn the lifetime of a client secret into the part of the request that has it.

    Args:
        expires_after: How long the secret may be used to begin a session: seconds, or a timedelta, 10 to
            7200 s; None for the API's default.
        validate: Whether to check the bounds.
        of: Whether the secret is for conversations and transcriptions, or for a translation.

    Returns:
        A new object with `expires_after`; empty for None.

    Raises:
        SessionConfigError: The API would refuse the lifetime.
    """
    if expires_after is None:
        return {}
    seconds: object = expires_after
    if isinstance(expires_after, timedelta):
        total = expires_after.total_seconds()
        seconds = int(total) if total.is_integer() else total
    low, high = bounds(_SECRETS[of], "expires_after", "seconds")
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not whole or (validate and not low <= cast(int, seconds) <= high):
        allowed = f"{low} to {high} whole seconds, as an int or a timedelta"
        field = "expires_after.seconds"
        message = f"{field}: expected {allowed}, got {expires_after!r}"
        raise SessionConfigError([SessionProblem(field, expires_after, allowed, message)])
    return {"expires_after": {"anchor": "created_at", "seconds": seconds}}


def resolve_update(
    session: SessionInput,
    current: SessionInput | None = None,
    *,
    validate: bool,
    kinds: tuple[str, ...] = ("realtime", "transcription"),
) -> dict[str, Any]:
    """Turn an update of a running session into the JSON object that is sent.

    Args:
        session: What changes: a builder, a generated model or a dict.
        current: The session as it is, as far as it is known; rules across fields are applied to the two
            merged.
        validate: Whether to check it. Problems of the current session itself are not reported.
        kinds: The kinds that the connection serves; a known `type` of the current session narrows them.

    Returns:
        The object, new. The model of a translation or Live session, which an update can't name, is left out.

    Raises:
        SessionConfigError: The API would refuse it; `problems` has everything that is wrong.
        TypeError: It is none of the three.

    Warns:
        SessionConfigWarning: A field is unknown, or it is unknown whether the model supports it.
    """
    given = read(session)
    before = {} if current is None else read(current).body
    body = dict(given.body)
    if kinds in _WITHOUT_MODEL:
        body.pop("model", None)
    if validate:
        kinds = (before["type"],) if before.get("type") in kinds else kinds
        findings = examine(
            Coerced(body, given.extras, given.problems),
            kinds,
            is_update=True,
            is_partial=True,
            model=_model(before),
        )
        after = _across(before, body) if current is not None else []
        fields = {found.field for found in findings.problems}
        more = [found for found in (*_changed(given.body, before), *after) if found.field not in fields]
        report(attrs.evolve(findings, problems=(*findings.problems, *more)))
    return body


def _model(session: dict[str, Any]) -> str | None:
    model = session.get("model")
    return model if isinstance(model, str) else None


def _changed(update: dict[str, Any], before: dict[str, Any]) -> list[SessionProblem]:
    found = []
    was, now = _model(before), update.get("model")
    if was is not None and now is not None and not _may_be_same(was, now):
        found.append(
            problem("model", now, (was,), f"expected {was!r}", hint="a session's model never changes")
        )
    kinds = [one.get("type") for one in map(_delegation, (before, update))]
    if None not in kinds and kinds[0] != kinds[1]:
        hint = "a session's kind of delegation never changes"
        found.append(problem("delegation.type", kinds[1], (kinds[0],), f"expected {kinds[0]!r}", hint=hint))
    return found


def _may_be_same(was: str, now: Any) -> bool:
    """Return whether two names may be of one model: sessions name a dated release of an alias."""
    if was == now or not isinstance(now, str):
        return bool(was == now)
    first, second = sorted((was, now), key=len)
    return second.startswith(first) and _DATE.fullmatch(second.removeprefix(first)) is not None


def _delegation(session: dict[str, Any]) -> dict[str, Any]:
    given = session.get("delegation")
    return given if isinstance(given, dict) else {}


def _across(before: dict[str, Any], update: dict[str, Any]) -> list[SessionProblem]:
    """Return the problems of the merged session that the current one does not have."""
    after = merge(before, update)
    known = _find_problems(before, _model(before), is_partial=False)
    return [found for found in _find_problems(after, _model(after), is_partial=False) if found not in known]


@attrs.frozen
class Findings:
    """The findings of a check.

    Args:
        problems: The fields that the API would refuse, in order, one problem each.
        warnings: Probable mistakes.
        endings: Model → when it ends and what replaces it, for models that end soon.
    """

    problems: tuple[SessionProblem, ...] = ()
    warnings: tuple[str, ...] = ()
    endings: Mapping[str, str] = attrs.field(factory=dict)


def examine(
    given: Coerced,
    kinds: tuple[str, ...],
    *,
    is_update: bool = False,
    is_partial: bool = False,
    model: str | None = None,
) -> Findings:
    """Check a session.

    Args:
        given: The session.
        kinds: Names of the kinds that are accepted.
        is_update: Whether it changes a session that runs.
        is_partial: Whether absent fields may be set elsewhere.
        model: The model that serves it unless the session names one.

    Returns:
        All findings.
    """
    body = given.body
    kind, type_problem = _kind(body, kinds)
    own = body.get("model")
    model = own if isinstance(own, str) else model
    violations = check(place(kind.update if is_update else kind.schema), body, with_notes=True)
    rules = [*_other_api(model, kind), *_find_problems(body, model, is_partial=is_partial)]
    questions = [] if _REASONING.keys().isdisjoint(body) else _open_questions(body, model)
    questions += _misspelt(body if model is None else {**body, "model": model}, kind)
    betas: dict[str, SessionProblem] = {}
    if not (BETA_FIELDS.keys().isdisjoint(body) or kind.is_older or kind.is_live):
        found = _beta_fields(body, fields(kind.name), f"a {kind.label} session", "")
        betas = {one.field: one for one in found}
    endings = _endings(body, model)
    if not (violations or rules or questions or betas or type_problem or given.problems or endings):
        return Findings()

    fitting, foreign, strange = list(given.problems), [], []
    for violation in violations:
        if elsewhere := _elsewhere(violation, kind, is_update=is_update):
            foreign += elsewhere
        elif violation.kind != "undescribed":
            fitting.append(
                SessionProblem(violation.path, violation.value, violation.allowed, violation.message)
            )
        elif violation.path not in betas:
            is_type = violation.path == "type" and kind.name == body["type"]
            other = None if is_type else owner(violation.path, kind)
            if other is not None:
                foreign.append(_foreign(violation, kind, other))
            elif violation.path not in given.extras:
                strange.append(_strange(violation, kind))
    across = {one.field: one for one in rules}
    fitting = [across.pop(one.field, _with_format_hint(one)) for one in fitting]
    unique: dict[str, SessionProblem] = {}
    for one in (*betas.values(), *type_problem, *fitting, *foreign, *across.values()):
        unique.setdefault(one.field, one)
    return Findings(tuple(unique.values()), (*strange, *questions), endings)


def report(findings: Findings) -> None:
    """Raise an error for problems, with the warnings as its notes, or warn at the caller's line.

    Raises:
        SessionConfigError: There are problems.
    """
    if findings.problems:
        error = SessionConfigError(findings.problems)
        for message in findings.warnings:
            error.add_note(message)
        raise error
    for message in findings.warnings:
        warn(message, SessionConfigWarning)
    for model, message in findings.endings.items():
        if model not in _warned_of:  # two threads may both warn, which does no harm
            _warned_of.add(model)
            warn(message, ModelDeprecationWarning)


def _kind(body: dict[str, Any], kinds: tuple[str, ...]) -> tuple[Kind, list[SessionProblem]]:
    """Return a session's kind, and the problem of its `type`."""
    found = body.get("type", ABSENT)
    for name in kinds:
        kind = KINDS[name]
        if (kind.type or kind.name) == found or (found is ABSENT and kind.type is None):
            return kind, []
    if KINDS[kinds[0]].is_live:
        return KINDS[kinds[0]], []  # has no `type`, which is refused as a field of the other API
    types = tuple(KINDS[name].type for name in kinds if KINDS[name].type is not None)
    words = " or ".join(map(repr, types)) or "no such field"
    hint = "it is required" if found is ABSENT else ""
    named = next((kind for kind in KINDS.values() if kind.type is not None and kind.type == found), None)
    if named is not None:
        hint = f"a {named.label} session is not accepted here"
    return named or KINDS[kinds[0]], [problem("type", found, types or None, f"expected {words}", hint=hint)]


def _elsewhere(violation: Violation, kind: Kind, *, is_update: bool) -> list[SessionProblem]:
    """Return the problems of a field that stands elsewhere in the other API, or only in a new session."""
    path, value = violation.path, violation.value
    if violation.kind not in ("undescribed", "unknown") or (path, value) == ("type", "live"):
        return []
    if kind.is_live and is_update and path in fields(kind.name):
        return [problem(path, value, None, "set when a Live session starts, and never changed")]
    owner = "Realtime sessions, which Live" if kind.is_live else "Live sessions, which Realtime"
    is_media = kind.name == "live_call"
    if is_media and path in fields("live"):
        owner = "Live sessions over WebSockets, which other"
    elif kind.is_live and path in fields("live_call"):
        owner = "Live sessions over WebRTC, which other"
    found = []
    for field, inner in unfolded(path, value) if kind.is_live else [(path, value)]:
        other = counterpart(field, to_live=kind.is_live, is_media=is_media)
        if other is not None:
            there, reason = other
            hint = reason if there is None else f"its counterpart is {there}{reason and f' ({reason})'}"
            reason = f"a field of {owner} sessions don't have"
            found.append(problem(field, inner, there, reason, hint=hint))
    return found


def _foreign(violation: Violation, kind: Kind, other: Kind) -> SessionProblem:
    reason = f"a field of {other.label} sessions, which {kind.label} sessions don't have"
    hint = ""
    if kind.is_older and other.type is not None:
        hint = f"with type {other.type!r} it is a session in the current format"
    elif same := [path for path in sorted(fields(kind.name)) if path.rpartition(".")[2] == violation.name]:
        hint = f"there is {same[0]}"
    is_secret = violation.name in SECRET_FIELDS
    return problem(violation.path, violation.value, None, reason, secret=is_secret, hint=hint)


def _strange(violation: Violation, kind: Kind) -> str:
    if violation.path == "type":
        return f"type: not a field of {kind.label} sessions, sent unchanged; leave it out"
    near = nearest(violation.name, violation.known, kind)
    hint = f"did you mean {near}?" if near else f"known are {', '.join(violation.known)}"
    return f"{violation.path}: not a known field, sent unchanged; {hint}"


def check_response(response: Mapping[str, Any]) -> list[SessionProblem]:
    """Find beta fields in a `response.create`, with their replacements.

    Args:
        response: Its `response`.

    Returns:
        The problems, with paths that begin with `response`; empty if there is no beta name.
    """
    return _beta_fields(response, schema_fields("RealtimeResponseCreateParams"), "a response", "response.")


def _beta_fields(
    body: Mapping[str, Any], known: frozenset[str], owner: str, prefix: str
) -> list[SessionProblem]:
    problems = []
    for name, path in BETA_FIELDS.items():
        if name not in body or name in known:
            continue
        value, hint = body[name], ""
        if path is None:
            reason = _GONE[name]
        elif path not in known:
            path = f"{prefix}{path}"
            reason = f"the beta name of {path}, which {owner} doesn't have"
        else:
            path = f"{prefix}{path}"
            reason = f"a beta name, which the API refuses; use {path}"
            if isinstance(value, str) and value in BETA_FORMATS:
                hint = f"write {path} = {BETA_FORMATS[value]}"
        is_secret = name in SECRET_FIELDS
        problems.append(problem(f"{prefix}{name}", value, path, reason, secret=is_secret, hint=hint))
    return problems


def _with_format_hint(found: SessionProblem) -> SessionProblem:
    """Add what to write to a problem with an audio format that is a beta name, or a bare name."""
    if not _FORMAT.fullmatch(found.field) or not isinstance(found.value, str):
        return found
    short = found.value.removeprefix("audio/")
    beta = SHORT_FORMATS.get(short, short)
    if beta not in BETA_FORMATS:
        return found
    path = found.field.removesuffix(".type")
    origin = f"{found.value!r} is a beta name" if found.value in BETA_FORMATS else "a format is an object"
    return attrs.evolve(found, message=f"{found.message}; {origin}: write {path} = {BETA_FORMATS[beta]}")


def _find_problems(session: dict[str, Any], model: str | None, *, is_partial: bool) -> list[SessionProblem]:
    """Apply the rules that a schema can't state.

    Args:
        session: The session, of any shape; what a rule can't read is the schema's to refuse.
        model: The model that serves it; None if none is named.
        is_partial: Whether absent fields may be set elsewhere, as in an update.

    Returns:
        The problems, rule by rule.
    """
    problems: list[SessionProblem] = []
    modalities = session.get("output_modalities")
    if isinstance(modalities, list) and "text" in modalities and "audio" in modalities:
        problems.append(
            problem(
                "output_modalities",
                modalities,
                (["audio"], ["text"]),
                "expected ['audio'] or ['text'], which exclude each other",
                hint="audio includes its transcript",
            )
        )
    tools = session.get("tools")
    tools = tools if isinstance(tools, list) else []
    if tools:
        problems += _tool_names(tools)
    problems += _languages(session)
    problems += _turn_detection(session)
    if settings := _delegation(session).get("responses"):
        problems += _backend(settings, is_partial=is_partial)
    choice = session.get("tool_choice")
    # A stored prompt may have tools of its own; an update may keep those that there are.
    elsewhere = is_partial or session.get("prompt") is not None
    if isinstance(choice, dict) and ("tools" in session or not elsewhere):
        problems += _forced_tool(choice, tools)
    for field, what in _REASONING.items():
        value = session.get(field)
        if value not in (None, False) and model is not None and reasons(model) is False:
            reason = f"{model!r} has no {what}"
            problems.append(problem(field, value, None, reason, hint="reasoning models have"))
    return problems


def _backend(settings: Any, *, is_partial: bool) -> list[SessionProblem]:
    """Apply the rules about tools to the model that works for a Live session."""
    if not isinstance(settings, dict):
        return []
    tools, choice = settings.get("tools"), settings.get("tool_choice")
    tools = tools if isinstance(tools, list) else []
    problems = _tool_names(tools, f"{_SETTINGS}.tools")
    if isinstance(choice, dict) and ("tools" in settings or not is_partial):
        problems += _forced_tool(choice, tools, f"{_SETTINGS}.")
    return problems


def _turn_detection(session: dict[str, Any]) -> list[SessionProblem]:
    """Some transcription models know no turns: their audio is committed by the client."""
    if session.get("type") != "transcription":
        return []
    heard = value_at(session, "audio", "input")
    model, detection = value_at(heard, "transcription", "model"), value_at(heard, "turn_detection")
    if detection is None or model not in _WITHOUT_DETECTION:
        return []
    hint = "leave it out, and commit the audio"
    reason = f"expected None, because {model!r} has no turn detection"
    return [problem("audio.input.turn_detection", detection, (None,), reason, hint=hint)]


def _languages(session: dict[str, Any]) -> list[SessionProblem]:
    """Every language is an ISO 639-1 code, perhaps with a region."""
    problems = []
    for path in _LANGUAGES:
        value = value_at(session, *path.split("."))
        several = value if isinstance(value, list) else [value]
        for index, text in enumerate(several):
            if isinstance(text, str) and not is_language(text):
                field = f"{path}[{index}]" if isinstance(value, list) else path
                near = nearest_language(text)
                hint = "" if near is None else f"did you mean {near!r}?"
                allowed = "an ISO 639-1 code such as 'es', also with a region as in 'pt-BR'"
                problems.append(problem(field, text, allowed, f"expected {allowed}", hint=hint))
    return problems


def _open_questions(session: dict[str, Any], model: str | None) -> list[str]:
    """Return warnings for settings that an unknown model may not have."""
    asked = [field for field in _REASONING if session.get(field) not in (None, False)]
    if not asked or model is None or reasons(model) is not None:
        return []
    return [f"{field}: only reasoning models have it, and {model!r} is not known" for field in asked]


def _other_api(model: str | None, kind: Kind) -> list[SessionProblem]:
    """Return the problem of a model that another API serves."""
    own, other, names = ("Live", "Realtime", _REALTIME) if kind.is_live else ("Realtime", "Live", _LIVE)
    if model is None or not names.fullmatch(model):
        return []
    hint = f"this one belongs to the {other} API, and is not available in the {own} API"
    return [problem("model", model, f"a {own} model", f"expected a {own} model", hint=hint)]


def _endings(session: dict[str, Any], model: str | None) -> dict[str, str]:
    """Return the models of a session that end soon, the transcription model among them."""
    from realtime_api.shutdowns import MODEL_SHUTDOWNS  # a client is made without it

    transcriptions = (("audio", "input", "transcription"), ("input_audio_transcription",))
    names = (model, *(value_at(session, *path, "model") for path in transcriptions))
    found = {name: models.ending(name) for name in names if isinstance(name, str) and name in MODEL_SHUTDOWNS}
    return {name: message for name, message in found.items() if message is not None}


def _misspelt(session: dict[str, Any], kind: Kind) -> list[str]:
    """Return warnings for probably misspelt names, of those that the API may add to.

    A name that goes on where a known one ends (`gpt-realtime-3`, a dated release) counts as a newer one.
    """
    found = []
    for path in _NAMED:
        name = value_at(session, *path.split("."))
        if not isinstance(name, str):
            continue
        known = known_names(kind.schema, path)
        if name not in known and not any(name.startswith(f"{one}-") for one in known):
            near = difflib.get_close_matches(name, known, 1, _LIKELY)
            found += [f"{path}: {name!r} is not known; did you mean {one!r}?" for one in near]
    found += _unknown_tools(session)
    return found + (_misspelt_events(session) if "client" in session else [])


def _unknown_tools(session: dict[str, Any]) -> list[str]:
    """Return warnings for tools of a Live session's backend whose kind is not known."""
    tools = value_at(session, *_SETTINGS.split("."), "tools")
    tools = tools if isinstance(tools, list) else []
    known = {form.tag for form in place("LiveTool").forms} if tools else set()
    found = []
    for index, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind not in known:
            near = difflib.get_close_matches(kind, [one for one in known if one], 1, _LIKELY)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found.append(f"{_SETTINGS}.tools[{index}].type: {kind!r} is not known, sent unchanged{hint}")
    return found


def _misspelt_events(session: dict[str, Any]) -> list[str]:
    """Return warnings for probably misspelt events that the data channel of a Live session may carry."""
    from realtime_api import events

    found = []
    for field, table in (
        ("client", events.LIVE_CLIENT_EVENTS),
        ("server", events.LIVE_SIDEBAND_SERVER_EVENTS),
    ):
        path = f"client.data_channel.allowed_{field}_events"
        listed = value_at(session, *path.split("."))
        for index, one in enumerate(listed if isinstance(listed, list) else ()):
            name = one.get("type") if isinstance(one, dict) else one
            if isinstance(name, str) and name not in table:
                near = difflib.get_close_matches(name, list(table), 1, _LIKELY)
                found += [f"{path}[{index}]: {name!r} is not known; did you mean {hit!r}?" for hit in near]
    return found


def _tool_names(tools: list[Any], path: str = "tools") -> list[SessionProblem]:
    """Every function has a name, every MCP server an address, and none shares its name or label."""
    problems = []
    seen: dict[tuple[str, str], int] = {}
    for index, tool in enumerate(tools):
        kind = tool.get("type", "function") if isinstance(tool, dict) else None  # optional in a function
        if kind not in ("function", "mcp"):
            continue
        at, is_mcp = f"{path}[{index}]", kind == "mcp"
        if is_mcp and all(tool.get(name) is None for name in _LOCATIONS):
            words = f"{', '.join(_LOCATIONS[:-1])} or {_LOCATIONS[-1]}"
            hint = "an MCP server needs a location"
            problems.append(problem(f"{at}.server_url", ABSENT, words, f"expected {words}", hint=hint))
        key = "server_label" if is_mcp else "name"
        name = tool.get(key)
        if name is None and not is_mcp:
            hint = "the model calls a function by it"
            problems.append(problem(f"{at}.name", ABSENT, "a name", "expected a name", hint=hint))
        if not isinstance(name, str):
            continue
        first = seen.setdefault((key, name), index)
        if first != index:
            reason = f"expected one that {path}[{first}] doesn't have"
            problems.append(problem(f"{at}.{key}", name, "one that is not taken", reason))
    return problems


def _forced_tool(choice: dict[str, Any], tools: list[Any], prefix: str = "") -> list[SessionProblem]:
    """A tool that the model is forced to call is one that the session has."""
    kind = choice.get("type")
    key = {"function": "name", "mcp": "server_label"}.get(kind) if isinstance(kind, str) else None
    wanted = choice.get(key) if key else None
    if key is None or not isinstance(wanted, str):
        return []
    known = {
        tool[key]: tool
        for tool in tools
        if isinstance(tool, dict) and tool.get("type", "function") == kind and isinstance(tool.get(key), str)
    }
    if wanted not in known:
        return [problem(f"{prefix}tool_choice.{key}", wanted, tuple(known), _one_of(f"{prefix}tools", known))]
    allowed, name = known[wanted].get("allowed_tools"), choice.get("name")
    if isinstance(allowed, dict):
        allowed = allowed.get("tool_names")
    if kind != "mcp" or not isinstance(name, str) or not isinstance(allowed, list) or name in allowed:
        return []
    words = _one_of(f"the allowed tools of {wanted!r}", allowed)
    return [problem(f"{prefix}tool_choice.name", name, tuple(allowed), words)]


def _one_of(what: str, names: Any) -> str:
    return f"expected one of {what} ({', '.join(map(shown, names)) or 'none'})"
