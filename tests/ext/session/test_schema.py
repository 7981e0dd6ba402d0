"""Sessions against the API's schemas: what fits passes, and whatever breaks a limit is told."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from realtime_api import models, schemas

from realtime_ext import SessionBuilder, SessionConfigError, TranscriptionSessionBuilder
from realtime_ext.session import TranslationSessionBuilder, resolve
from tests.support.examples import check_each, examples
from tests.support.session_schemas import JSON, KEYWORDS, SCHEMAS, breaks, keywords, sessions, validator

# What breaks one member of a union may fit another.
BREAKS = [
    (kind, one)
    for kind, name in SCHEMAS.items()
    for one in breaks(schemas.get(name))
    if one.field and not validator(kind).is_valid(one.body)
]
BUILDERS: dict[str, Any] = {
    "realtime": SessionBuilder,
    "transcription": TranscriptionSessionBuilder,
    "translation": TranslationSessionBuilder,
}
QUICK = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def problems(session: Any, kind: str) -> list[Any]:
    try:
        resolve(session, validate=True, kinds=(kind,))
    except SessionConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_schemas_are_written_with_known_keywords(kind: str) -> None:
    found = {word for part in schemas.standalone(SCHEMAS[kind])["$defs"].values() for word in keywords(part)}
    assert found <= KEYWORDS


def test_limits_of_every_sort_are_broken() -> None:
    fields = {one.field for kind, one in BREAKS if kind == "realtime"}
    assert {
        "type",
        "output_modalities[0]",
        "max_output_tokens",
        "audio.input.turn_detection.idle_timeout_ms",
        "audio.input.transcription.languages",
        "audio.output.voice.surplus",
        "tools[0].name",
        "tools[0].tunnel_id",
        "tools[0].headers.key",
        "truncation.token_limits.post_instructions",
    } <= fields
    assert len(BREAKS) > 200


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_violation_of_a_limit_is_reported(kind: str, subtests: pytest.Subtests) -> None:
    def check(one: Any) -> None:
        found = next(found for found in problems(one.body, kind) if found.field == one.field)
        secret = any(name in found.field for name in ("authorization", "headers", "client_secret"))
        secret = secret and one.value is not None
        assert found.value == ("***" if secret else one.value)
        assert found.message.startswith(f"{one.field}: ")
        if not one.field.endswith("surplus"):
            assert found.allowed

    check_each(
        subtests,
        (one for of, one in BREAKS if of == kind),
        check,
        lambda one: f"{one.field}={one.value!r:.20}",
    )


@pytest.mark.parametrize("kind", SCHEMAS)
@given(data=st.data())
@QUICK
def test_matching_values_pass(kind: str, data: Any) -> None:
    session = data.draw(sessions(kind))
    assert validator(kind).is_valid(session)
    assert resolve(session, validate=True, kinds=(kind,)) == session


@pytest.mark.parametrize("kind", BUILDERS)
@given(data=st.data())
@QUICK
def test_builder_model_and_dict_are_one(kind: str, data: Any) -> None:
    session = data.draw(sessions(kind))
    builder = BUILDERS[kind].from_dict(session)
    built = builder.build()
    assert isinstance(built, getattr(models, SCHEMAS[kind]))
    assert builder.to_dict() == built.to_dict() == session
    assert BUILDERS[kind].from_dict(built) == builder
    for form in (session, builder, built):
        assert resolve(form, validate=True, kinds=(kind,)) == session


@pytest.mark.parametrize("kind", SCHEMAS)
@given(data=st.data())
@QUICK
def test_values_refused_by_the_schema_do_not_pass(kind: str, data: Any) -> None:
    session = copy.deepcopy(data.draw(sessions(kind).filter(bool)))
    node: Any = session
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not node[key] or not isinstance(node[key], dict | list) or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(JSON)
    assert validator(kind).is_valid(session) or problems(session, kind)
