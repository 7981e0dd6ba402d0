"""Sessions of the Live API: what each method of the builder writes, and what is refused."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
from realtime_api import models

from realtime_ext import LiveSessionBuilder, SessionBuilder, SessionConfigError, SessionConfigWarning
from realtime_ext.session import merge, resolve, resolve_update, with_backend_tools
from realtime_ext.tools import Toolbox
from tests.support.rows import each

CRM = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example"}
URGENT = {"type": "predicate", "instructions": "Is it urgent?"}


def book_room(room: str) -> str:
    """Book a room."""
    return room


def channel(**allowed: Any) -> dict[str, Any]:
    return {"client": {"data_channel": allowed}}


def responses(**settings: Any) -> dict[str, Any]:
    return {"delegation": {"type": "responses", "responses": settings}}


def message(role: str, part: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


CASES: list[tuple[Any, dict[str, Any]]] = [
    (lambda b: b.instructions("Be brief."), {"instructions": "Be brief."}),
    (lambda b: b.voice("marin"), {"audio": {"output": {"voice": "marin"}}}),
    (lambda b: b.voice({"id": "voice_1"}), {"audio": {"output": {"voice": {"id": "voice_1"}}}}),
    (lambda b: b.format("pcm"), {"audio": {"format": {"type": "audio/pcm", "rate": 24000}}}),
    (lambda b: b.format("pcm", rate=16000), {"audio": {"format": {"type": "audio/pcm", "rate": 16000}}}),
    (lambda b: b.format("audio/pcma"), {"audio": {"format": {"type": "audio/pcma", "rate": 8000}}}),
    (
        lambda b: b.format({"type": "audio/pcmu", "rate": 8000}),
        {"audio": {"format": {"type": "audio/pcmu", "rate": 8000}}},
    ),
    (lambda b: b.delegate_to_client(), {"delegation": {"type": "client"}}),
    (
        lambda b: b.delegate_to_client(acknowledgement_delay_ms=400),
        {"delegation": {"type": "client", "acknowledgement_delay_ms": 400}},
    ),
    (lambda b: b.delegate_to("gpt-5.6-sol"), responses(model="gpt-5.6-sol")),
    (
        lambda b: b.delegate_to(
            "gpt-5.6-sol",
            instructions="Book.",
            reasoning="low",
            parallel_tool_calls=False,
            max_output_tokens=500,
            verbosity="low",
            service_tier="flex",
        ),
        responses(
            model="gpt-5.6-sol",
            instructions="Book.",
            reasoning={"effort": "low"},
            parallel_tool_calls=False,
            max_output_tokens=500,
            text={"verbosity": "low"},
            service_tier="flex",
        ),
    ),
    (
        lambda b: b.delegate_to("m", tools=[{"type": "web_search"}], tool_choice="required"),
        responses(model="m", tools=[{"type": "web_search"}], tool_choice="required"),
    ),
    (lambda b: b.delegate_to("m").delegate_to_client(), {"delegation": {"type": "client"}}),
    (
        lambda b: b.decisions("m", questions=[URGENT]),
        {"delegation": {"type": "decisions", "decisions": {"model": "m", "questions": [URGENT]}}},
    ),
    (
        lambda b: b.trigger("session.input_transcript.delta", [URGENT]),
        {
            "triggers": [
                {
                    "type": "decisions",
                    "event_type": "session.input_transcript.delta",
                    "decisions": {"questions": [URGENT]},
                }
            ]
        },
    ),
    (
        lambda b: b.history([("developer", "A"), ("user", "B"), ("assistant", "C")]),
        {
            "input": [
                message("developer", "input_text", "A"),
                message("user", "input_text", "B"),
                message("assistant", "output_text", "C"),
            ]
        },
    ),
    (
        lambda b: b.history([message("user", "input_text", "B")]),
        {"input": [message("user", "input_text", "B")]},
    ),
    (lambda b: b.store(), {"store": True}),
    (lambda b: b.store(False), {"store": False}),
    (lambda b: b.data_channel(client_events=[]), channel(allowed_client_events=[])),
    (lambda b: b.data_channel(client_events="all"), channel(allowed_client_events="all")),
    (
        lambda b: b.data_channel(server_events=["session.started"]).data_channel(client_events=["a.b"]),
        channel(allowed_server_events=[{"type": "session.started"}], allowed_client_events=["a.b"]),
    ),
    (lambda b: b.safety_identifier("a-hash"), {"safety_identifier": "a-hash"}),
    (
        lambda b: b.delegate_to("m", tools=[{"type": "web_search"}]).mcp(
            "crm", server_url="https://crm.example"
        ),
        responses(model="m", tools=[{"type": "web_search"}, CRM]),
    ),
    (
        lambda b: b.delegate_to("m").mcp(
            "crm",
            server_url="https://crm.example",
            authorization="token",
            allowed_tools=["find"],
            require_approval="never",
            defer_loading=True,
        ),
        responses(
            model="m",
            tools=[
                {
                    **CRM,
                    "authorization": "token",
                    "allowed_tools": ["find"],
                    "require_approval": "never",
                    "defer_loading": True,
                }
            ],
        ),
    ),
]
MODEL = "gpt-live-1"


@each("change, fields", CASES, ids=range(len(CASES)))
def test_a_method_writes_its_fields_into_a_new_builder(change: Any, fields: dict[str, Any]) -> None:
    builder = LiveSessionBuilder(MODEL)
    changed = change(builder)
    assert changed.to_dict() == {"model": MODEL, **fields}
    assert builder.to_dict() == {"model": MODEL}
    built = changed.build()
    assert type(built) is models.LiveSessionCreateParams
    assert built.to_dict() == {"model": MODEL, **fields}


def test_every_public_method_returns_a_new_builder_and_has_a_case() -> None:
    methods = dict(inspect.getmembers(LiveSessionBuilder, inspect.isfunction))
    for name, method in methods.items():
        if not name.startswith("_") and name not in ("build", "to_dict"):
            assert inspect.signature(method).return_annotation == "Self", name


@pytest.mark.parametrize("tools", [[book_room], Toolbox([book_room])], ids=["functions", "toolbox"])
def test_functions_become_tools_of_the_model_that_works(tools: Any) -> None:
    session = LiveSessionBuilder(MODEL).delegate_to("m", tools=tools, tool_choice=book_room).build()
    settings = session.to_dict()["delegation"]["responses"]
    assert [tool["name"] for tool in settings["tools"]] == ["book_room"]
    assert settings["tool_choice"] == {"type": "function", "name": "book_room"}


def test_misspelt_events_of_a_data_channel_are_named() -> None:
    builder = LiveSessionBuilder(MODEL).data_channel(
        client_events=["session.close", "session.input_audio.mut", "app.event"],
        server_events=["session.strated", {"type": "session.closed"}],
    )
    with pytest.warns(SessionConfigWarning) as caught:
        builder.build()
    found = "\n".join(str(one.message) for one in caught)
    assert "allowed_client_events[1]: 'session.input_audio.mut' is not known" in found
    assert (
        "allowed_server_events[0]: 'session.strated' is not known; did you mean 'session.started'?" in found
    )
    assert "app.event" not in found and "session.close'" not in found


@pytest.mark.parametrize("one", ["Hello", {"type": "message"}])
def test_one_message_is_not_a_history(one: Any) -> None:
    with pytest.raises(TypeError, match=r"messages: expected several, such as .*, got one"):
        LiveSessionBuilder(MODEL).history(one)


def test_standby_is_for_sessions_over_webrtc() -> None:
    session = LiveSessionBuilder("gpt-live-1.1").standby(30, threshold=0.7)
    body = {
        "model": "gpt-live-1.1",
        "idle_timeout_s": 30,
        "wake_policy": {"type": "speech", "vad_threshold": 0.7},
    }
    built = session.build()
    assert type(built) is models.LiveMediaSessionCreateParams
    assert built.to_dict() == body
    assert resolve(session, validate=True, kinds=("live_call",)) == body
    found = problems(session, "live")
    assert list(found) == ["idle_timeout_s", "wake_policy"]
    assert all("standby is for WebRTC alone" in message for message in found.values())
    with pytest.raises(SessionConfigError, match=r"vad_threshold.*from 0 to 1"):
        session.standby(30, threshold=7).build()


@each(
    "tool, words",
    [
        ({"type": "telepathy"}, "tools[0].type: 'telepathy' is not known, sent unchanged"),
        ({"type": "websearch"}, "did you mean 'web_search'?"),
        ({**CRM, "newest": 1}, "tools[0].newest: not a known field, sent unchanged"),
    ],
)
def test_a_tool_that_is_not_known_passes_with_a_warning(tool: dict[str, Any], words: str) -> None:
    with pytest.warns(SessionConfigWarning) as told:
        built = LiveSessionBuilder(MODEL).delegate_to("m", tools=[tool]).build()
    assert words in str(told[0].message)
    assert built.to_dict()["delegation"]["responses"]["tools"] == [tool]


def test_a_known_tool_with_a_wrong_value_is_refused_by_its_field() -> None:
    wrong = {**CRM, "server_label": 7, "defer_loading": "no"}
    found = problems(LiveSessionBuilder(MODEL).delegate_to("m", tools=[wrong]))
    at = "delegation.responses.tools[0]"
    assert found == {
        f"{at}.server_label": f"{at}.server_label: expected a string, got 7",
        f"{at}.defer_loading": f"{at}.defer_loading: expected true or false, got 'no'",
    }


@each(
    "session, before",
    [
        ({"model": MODEL, **responses(model="m")}, []),
        ({"model": MODEL, **responses(model="m", tools=[CRM])}, [CRM]),
        (LiveSessionBuilder(MODEL).delegate_to("m", tools=[CRM]), [CRM]),
        (LiveSessionBuilder(MODEL).delegate_to("m", tools=[book_room]), []),
    ],
)
def test_the_tools_of_a_toolbox_are_the_backends(session: Any, before: list[Any]) -> None:
    toolbox = Toolbox([book_room])
    added = with_backend_tools(session, toolbox)
    assert isinstance(added, LiveSessionBuilder) == isinstance(session, LiveSessionBuilder)
    body = added.to_dict() if isinstance(added, LiveSessionBuilder) else added
    own = [tool.to_dict() for tool in toolbox.definitions]
    assert body == {"model": MODEL, **responses(model="m", tools=[*before, *own])}


def test_an_update_may_have_tools_without_naming_the_backend() -> None:
    toolbox = Toolbox([book_room])
    own = [tool.to_dict() for tool in toolbox.definitions]
    assert with_backend_tools({}, toolbox, is_update=True) == responses(tools=own)
    for session in ({"model": MODEL}, LiveSessionBuilder(MODEL).delegate_to_client()):
        with pytest.raises(ValueError, match=r"expected a session that delegates to a model.*'client'"):
            with_backend_tools(session, toolbox)


@pytest.mark.parametrize(
    "session, kind, owner",
    [
        (LiveSessionBuilder(MODEL).format("pcm"), "live_call", "Live sessions over WebSockets, which other"),
        (LiveSessionBuilder(MODEL).standby(30), "live", "Live sessions over WebRTC, which other"),
        ({"model": MODEL, "tools": []}, "live", "Realtime sessions, which Live"),
        ({"model": MODEL, "tools": []}, "live_call", "Realtime sessions, which Live"),
        ({"type": "realtime", "store": True}, "realtime", "Live sessions, which Realtime"),
    ],
)
def test_a_foreign_field_is_said_to_be_of_the_sessions_that_have_it(
    session: Any, kind: str, owner: str
) -> None:
    for words in problems(session, kind).values():
        assert f"a field of {owner} sessions don't have" in words


def test_a_model_name_is_not_a_session() -> None:
    with pytest.raises(TypeError, match=r"got str; for a model's name use its builder, such as LiveSessionB"):
        resolve(MODEL, validate=True, kinds=("live",))  # type: ignore[arg-type]


def problems(session: Any, *kinds: str) -> dict[str, str]:
    with pytest.raises(SessionConfigError) as refused:
        resolve(session, validate=True, kinds=kinds or ("live",))
    return {one.field: one.message for one in refused.value.problems}


@each(
    "change, field, words",
    [
        (lambda b: b.format("mp3"), "audio.format.type", "'audio/pcm' or 'audio/pcmu' or 'audio/pcma'"),
        (lambda b: b.format("pcm", rate=44100), "audio.format.rate", "expected 16000 or 24000, got 44100"),
        (lambda b: b.history([("system", "A")]), "input[0].role", "expected 'developer' or 'user'"),
        (lambda b: b.history([("user", "A")] * 129), "input", "at most 128"),
        (
            lambda b: b.delegate_to("m", max_output_tokens=1),
            "delegation.responses.max_output_tokens",
            "at least 16",
        ),
        (
            lambda b: b.delegate_to("m", tools=[book_room, book_room]),
            "delegation.responses.tools[1].name",
            "expected one that delegation.responses.tools[0] doesn't have, got 'book_room'",
        ),
        (
            lambda b: b.delegate_to("m", tools=[book_room], tool_choice="cancel"),
            "delegation.responses.tool_choice.name",
            "expected one of delegation.responses.tools ('book_room'), got 'cancel'",
        ),
        (lambda b: b.delegate_to(), "delegation.responses.model", "got nothing"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(change: Any, field: str, words: str) -> None:
    found = problems(change(LiveSessionBuilder(MODEL)))
    assert list(found) == [field]
    assert words in found[field]


@each(
    "session, words",
    [
        ({"model": MODEL, "instrctions": "x"}, "did you mean instructions?"),
        ({"model": MODEL, "audio": {"output": {"voice": "marrin"}}}, "did you mean 'marin'?"),
        ({"model": "gpt-live1"}, "did you mean 'gpt-live-1'?"),
    ],
)
def test_a_misspelt_name_is_reported(session: dict[str, Any], words: str) -> None:
    with pytest.warns(SessionConfigWarning) as told:
        LiveSessionBuilder.from_dict(session).build()
    assert words in str(told[0].message)


TO_LIVE = {
    "type": "a Live session has no type",
    "model": "is not available in the Live API",
    "instructions": None,
    "output_modalities": "a Live model always speaks",
    "audio.input.format": "its counterpart is audio.format",
    "audio.input.turn_detection": "Live has no turns",
    "audio.input.transcription": "both sides are always transcribed",
    "audio.input.noise_reduction": "no noise filter",
    "audio.output.format": "its counterpart is audio.format",
    "audio.output.voice": None,
    "audio.output.speed": "can't be set",
    "include": "no log probabilities",
    "tools": "its counterpart is delegation.responses.tools",
    "tool_choice": "its counterpart is delegation.responses.tool_choice",
    "parallel_tool_calls": "its counterpart is delegation.responses.parallel_tool_calls",
    "reasoning": "its counterpart is delegation.responses.reasoning",
    "max_output_tokens": "its counterpart is delegation.responses.max_output_tokens",
    "truncation": "manages its context window itself",
    "tracing": "no traces",
    "prompt": "no stored prompts",
}


@pytest.mark.parametrize("kind", ["live", "live_call"])
def test_every_realtime_field_is_refused_with_its_counterpart_or_the_reason(kind: str) -> None:
    session = (
        SessionBuilder("gpt-realtime-2.1")
        .instructions("Be brief.")
        .output("audio")
        .telephony("pcmu")
        .push_to_talk()
        .transcribe("whisper-1")
        .noise_reduction("near_field")
        .voice("marin", speed=1.1)
        .include_logprobs()
        .tool(book_room)
        .tool_choice("auto")
        .parallel_tool_calls()
        .reasoning("low")
        .max_output_tokens(100)
        .truncation("auto")
        .tracing()
        .prompt("pmpt_1")
    )
    given = session.to_dict()
    top = {*given} - {"audio"}
    assert {name.partition(".")[0] for name in TO_LIVE} - {"audio"} == top
    assert set(models.RealtimeSessionCreateRequestGA.from_dict(given).to_dict()) == {*top, "audio"}
    found = problems(session, kind)
    assert set(found) == {name for name, words in TO_LIVE.items() if words is not None}
    for name, words in TO_LIVE.items():
        assert words is None or words in found[name]


@each(
    "name, words",
    [
        ("modalities", "a Live model always speaks"),
        ("voice", "its counterpart is audio.output.voice"),
        ("input_audio_format", "its counterpart is audio.format"),
        ("turn_detection", "Live has no turns"),
        ("temperature", "no temperature"),
    ],
)
def test_a_beta_name_is_refused_as_a_realtime_field(name: str, words: str) -> None:
    assert words in problems({"model": MODEL, name: "x"})[name]


def test_every_live_field_is_refused_in_a_realtime_session() -> None:
    session = (
        LiveSessionBuilder(MODEL)
        .format("pcm")
        .delegate_to_client()
        .trigger("session.input_transcript.delta", [URGENT])
        .history([("user", "A")])
        .store()
        .data_channel(client_events=[])
        .safety_identifier("a-hash")
        .standby(30)
    )
    found = problems({"type": "realtime", **session.to_dict()}, "realtime", "transcription")
    words = {
        "model": "is not available in the Realtime API",
        "audio.format": "its counterpart is audio.input.format and audio.output.format",
        "delegation": "its counterpart is tools",
        "triggers": "no decisions",
        "input": "conversation.item.create",
        "store": "doesn't keep",
        "client": "carries all events",
        "safety_identifier": "no such field",
        "idle_timeout_s": "doesn't pause",
        "wake_policy": "doesn't pause",
    }
    assert set(found) == set(words)
    for name, told in words.items():
        assert told in found[name]
    assert set(found) | {"instructions", "audio"} == {*words, "instructions", "audio"}


def test_a_call_has_no_audio_format_since_its_transport_carries_the_audio() -> None:
    session = LiveSessionBuilder(MODEL).voice("marin").format("pcm")
    found = problems(session, "live_call")
    assert list(found) == ["audio.format"]
    assert "carry the audio themselves" in found["audio.format"]
    assert resolve(LiveSessionBuilder(MODEL).voice("marin"), validate=True, kinds=("live_call",))


CURRENT = LiveSessionBuilder(MODEL).instructions("A").delegate_to("m", tools=[book_room])


def update(session: LiveSessionBuilder) -> dict[str, Any]:
    return resolve_update(session, CURRENT, validate=True, kinds=("live",))


def test_an_update_changes_the_settings_of_the_delegation() -> None:
    change = LiveSessionBuilder().delegate_to(instructions="Book.", tool_choice="book_room")
    assert type(change.build()) is models.LiveSessionUpdateParams
    after = merge(CURRENT, update(change))["delegation"]["responses"]
    assert after["model"] == "m"
    assert after["instructions"] == "Book."
    assert "model" not in update(LiveSessionBuilder(MODEL).delegate_to(instructions="Book."))


@each(
    "change, field, words",
    [
        (LiveSessionBuilder().instructions("B"), "instructions", "set when a Live session starts"),
        (LiveSessionBuilder().store(), "store", "set when a Live session starts"),
        (LiveSessionBuilder().delegate_to_client(), "delegation.type", "expected 'responses', got 'client'"),
        (LiveSessionBuilder("gpt-live-2"), "model", "a session's model never changes"),
        (
            LiveSessionBuilder().delegate_to(tool_choice="cancel"),
            "delegation.responses.tool_choice.name",
            "('book_room')",
        ),
    ],
)
def test_an_update_of_what_never_changes_is_refused(
    change: LiveSessionBuilder, field: str, words: str
) -> None:
    with pytest.raises(SessionConfigError) as refused:
        update(change)
    assert [one.field for one in refused.value.problems] == [field]
    assert words in str(refused.value)


def test_a_session_as_the_server_describes_it_can_be_asked_for_again() -> None:
    shown = {"id": "s", "expires_at": 1, "status": "active", "model": MODEL, "instructions": "A"}
    assert LiveSessionBuilder.from_dict(shown).to_dict() == {"model": MODEL, "instructions": "A"}


def test_unknown_fields_are_sent_without_a_warning_if_asked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LiveSessionBuilder(MODEL).extra(new=1).build().to_dict()["new"] == 1


def test_policies_are_a_list_below_the_instructions_in_any_order_of_calls() -> None:
    instructions = (
        "You are the front desk.\n\n# Policies\n- Backchannels: sparse\n- Delegation: Hand bookings over."
    )
    first = LiveSessionBuilder("gpt-live-1.1").instructions("You are the front desk.")
    last = LiveSessionBuilder("gpt-live-1.1").policies(delegation="Hand bookings\nover.")
    for session in (
        first.policies(backchannel="sparse", delegation="Hand bookings over."),
        last.policies(backchannel="sparse").instructions("Be brief.").instructions("You are the front desk."),
    ):
        assert session.to_dict()["instructions"] == instructions


def test_policies_without_instructions_are_all_that_the_model_reads() -> None:
    session = LiveSessionBuilder("gpt-live-1.1").policies(interruption="yield")
    assert session.to_dict()["instructions"] == "# Policies\n- Interruptions: yield"


def test_the_first_model_is_told_the_mark_with_which_it_delegates() -> None:
    def delegation(model: str, policy: str) -> str:
        return str(LiveSessionBuilder(model).policies(delegation=policy).to_dict()["instructions"])

    mark = "<|SpawnThinking|>"
    assert delegation("gpt-live-1", "Hand it over.").endswith(f"Hand it over. To delegate, write {mark}.")
    assert delegation("gpt-live-1", f"Write {mark} first.").count(mark) == 1
    assert mark not in delegation("gpt-live-1.1", "Hand it over.")


def test_policies_need_a_text() -> None:
    builder = LiveSessionBuilder("gpt-live-1.1")
    with pytest.raises(ValueError, match="expected backchannel, interruption or delegation"):
        builder.policies()
    with pytest.raises(ValueError, match="delegation: expected what the model does, got ' '"):
        builder.policies(delegation=" ")


def test_a_list_of_policies_of_the_app_s_own_stays() -> None:
    own = "# Policies\n- Refunds: none"
    session = LiveSessionBuilder("gpt-live-1.1").instructions(own).policies(interruption="yield")
    assert session.to_dict()["instructions"] == f"{own}\n\n# Policies\n- Interruptions: yield"
