"""The builder of Live sessions: a JSON object that grows, and becomes a generated model.

This module must not check a session; `check` does, with `build` or when it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .._core.schema import place
from ..models import DELEGATION_MARKS
from ._builders import AudioFormat, Builder, McpBuilder, Tool, present, tool_choice_object, tool_definitions
from ._coerce import SupportsToDict, plain, read

if TYPE_CHECKING:
    from typing import Self

    from realtime_api.models import (
        LiveMediaSessionCreateParams,
        LiveSessionCreateParams,
        LiveSessionUpdateParams,
    )

    from ..tools import Toolbox

Message = tuple[Literal["user", "assistant", "developer"], str] | Mapping[str, Any] | SupportsToDict
Question = Mapping[str, Any] | SupportsToDict
_POLICIES = {"backchannel": "Backchannels", "interruption": "Interruptions", "delegation": "Delegation"}
_HEADING = "# Policies"
_STANDBY = ("idle_timeout_s", "wake_policy")
_SERVER_EVENTS = "client.data_channel.allowed_server_events"
_CLIENT_EVENTS = "client.data_channel.allowed_client_events"


@attrs.frozen(init=False, repr=False)
class LiveSessionBuilder(McpBuilder, Builder):
    """Builds a session of the Live API, in which a model listens and speaks all the time.

        session = (
            LiveSessionBuilder("gpt-live-1")
            .instructions("You answer for the front desk.")
            .voice("marin")
            .delegate_to("gpt-5.6-sol", tools=[book_room])
            .build()
        )

    Every method returns a new builder. Nothing is checked before `build`, or before the session is sent, so
    that all problems are reported at once. Only requested fields are written.

    Args:
        model: The model, such as `gpt-live-1.1`; left out for updates, which can change the settings of the
            delegation and the triggers alone.
    """

    _kind = "live"

    def build(
        self, *, validate: bool = True
    ) -> LiveSessionCreateParams | LiveMediaSessionCreateParams | LiveSessionUpdateParams:
        """Build the generated model: of a new session, or without a model, of an update.

        With a standby it is a session over WebRTC, the only ones that have one.

        Args:
            validate: Whether to check it.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known, or a name is probably misspelt.
        """
        from realtime_api import models

        if self._is_partial:
            return self._build(models.LiveSessionUpdateParams, validate=validate)
        if not self._body.keys().isdisjoint(_STANDBY):
            return self._build(models.LiveMediaSessionCreateParams, validate=validate, kind="live_call")
        return self._build(models.LiveSessionCreateParams, validate=validate)

    def instructions(self, text: str) -> Self:
        """Set the system text, at most 16,384 tokens with the policies, which stay as they are."""
        _, policies = _policies_of(self._body)
        return self._with("instructions", _with_policies(text, policies) if policies else text)

    def policies(
        self,
        *,
        backchannel: str | None = None,
        interruption: str | None = None,
        delegation: str | None = None,
    ) -> Self:
        """Set how the model behaves in a conversation, as a list below the instructions.

        The API has no fields for this: its models read it in their instructions. `gpt-live-1` begins to
        delegate with a mark of its own, which is added to its policy; later models understand plain words.

        Args:
            backchannel: When it says "mhm" while the user talks, such as `sparse`.
            interruption: What it does when the user talks over it, such as `yield`.
            delegation: What it hands to its backend, and when. What is left out stays as it is.

        Raises:
            TypeError: One is not a text.
            ValueError: None is given, or one is blank.
        """
        given = present(backchannel=backchannel, interruption=interruption, delegation=delegation)
        if not given:
            raise ValueError("policies: expected backchannel, interruption or delegation, got none of them")
        for name, policy in given.items():
            if not isinstance(policy, str):
                raise TypeError(f"{name}: expected a str, got {type(policy).__name__}")
            if not policy.strip():
                raise ValueError(f"{name}: expected what the model does, got {policy!r}")
        mark = DELEGATION_MARKS.get(str(self._body.get("model")))
        if mark is not None and delegation is not None and mark not in delegation:
            given["delegation"] = f"{delegation} To delegate, write {mark}."
        text, policies = _policies_of(self._body)
        return self._with("instructions", _with_policies(text, policies | given))

    def voice(self, voice: str | Mapping[str, Any] | SupportsToDict) -> Self:
        """Set the voice: its name, or `{"id": …}` for a custom one."""
        return self._with("audio.output.voice", voice)

    def format(self, audio: AudioFormat, *, rate: int | None = None) -> Self:
        """Set the encoding of the audio in events, the same in both directions.

        WebRTC and telephone calls carry the audio themselves: their sessions have no format.

        Args:
            audio: `pcm` (16 bit, mono), `pcmu` or `pcma`, or the API's own object.
            rate: Samples a second: 24000 or 16000 for `pcm`. Left out, it is 24000, or 8000 for the others.
        """
        if not isinstance(audio, str):
            return self._with("audio.format", audio)
        name = audio if audio.startswith("audio/") else f"audio/{audio}"
        if rate is None:
            known = [form for form in place("LiveAudioFormat").forms if form.tag == name]
            rate = next((int(form.properties["rate"].forms[0].limits[1]) for form in known), None)
        return self._with("audio.format", {"type": name, **present(rate=rate)})

    def delegate_to_client(self, *, acknowledgement_delay_ms: int | None = None) -> Self:
        """Delegate work to the app. The last call about delegation wins, as a whole.

        Args:
            acknowledgement_delay_ms: Milliseconds after which the model says that work has begun.
        """
        return self._delegation("client", None, acknowledgement_delay_ms)

    def delegate_to(
        self,
        model: str | None = None,
        *,
        tools: Toolbox | Iterable[Tool] | None = None,
        instructions: str | None = None,
        reasoning: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None,
        tool_choice: str | Callable[..., Any] | Mapping[str, Any] | SupportsToDict | None = None,
        parallel_tool_calls: bool | None = None,
        max_output_tokens: int | None = None,
        verbosity: Literal["low", "medium", "high"] | None = None,
        service_tier: str | None = None,
        acknowledgement_delay_ms: int | None = None,
    ) -> Self:
        """Delegate work to a model of the Responses API. The last call about delegation wins, as a whole.

        Args:
            model: The model; left out only in updates.
            tools: Its tools, or a toolbox: functions, generated models or dicts.
            instructions: Its system text.
            reasoning: How much it thinks before it answers.
            tool_choice: `auto`, `none` or `required`; or the function that must be called, or its name.
            parallel_tool_calls: Whether one response may call several tools.
            max_output_tokens: The most tokens of one response.
            verbosity: How long its texts are.
            service_tier: The tier that serves it.
            acknowledgement_delay_ms: Milliseconds after which the Live model says that work has begun.

        Raises:
            SessionConfigError: A function can't be described to the model under its name.
            TypeError: A tool is none of these, or its parameters can't be described.
        """
        at = "delegation.responses.tools"
        settings = present(
            model=model,
            instructions=instructions,
            reasoning=None if reasoning is None else {"effort": reasoning},
            tools=None if tools is None else tool_definitions(tools, at),
            tool_choice=None if tool_choice is None else tool_choice_object(tool_choice, None, None),
            parallel_tool_calls=parallel_tool_calls,
            max_output_tokens=max_output_tokens,
            text=None if verbosity is None else {"verbosity": verbosity},
            service_tier=service_tier,
        )
        return self._delegation("responses", settings, acknowledgement_delay_ms)

    def decisions(
        self,
        model: str | None = None,
        *,
        questions: Iterable[Question] | None = None,
        acknowledgement_delay_ms: int | None = None,
    ) -> Self:
        """Delegate to a model that answers questions. The last call about delegation wins, as a whole.

        Args:
            model: The model; left out only in updates.
            questions: Predicates, choices and scores, as dicts or generated models; left out only in updates.
            acknowledgement_delay_ms: Milliseconds after which the Live model says that work has begun; the
                API's default is 400.
        """
        asked = None if questions is None else list(questions)
        return self._delegation("decisions", present(model=model, questions=asked), acknowledgement_delay_ms)

    def trigger(
        self,
        event_type: Literal["session.input_transcript.delta", "session.output_transcript.delta"],
        questions: Iterable[Question],
    ) -> Self:
        """Add questions that are asked with each piece of a transcript.

        Args:
            event_type: The event: the user's words, or the model's.
            questions: As for `decisions`.
        """
        given = self._body.get("triggers")
        asked = {"type": "decisions", "event_type": event_type, "decisions": {"questions": list(questions)}}
        return self._with("triggers", [*(given if isinstance(given, list) else []), asked])

    def standby(self, after: int, *, threshold: float | None = None) -> Self:
        """Pause a session over WebRTC in silence; the user's speech resumes it.

        A paused session keeps its connection and its history, and costs less.

        Args:
            after: Whole seconds without speech after which it pauses.
            threshold: How sure the detection of speech must be, from 0 to 1; the API's default is 0.5.
        """
        policy = {"type": "speech", **present(vad_threshold=threshold)}
        return self._with("idle_timeout_s", after)._with("wake_policy", policy)

    def history(self, messages: Iterable[Message]) -> Self:
        """Set the messages that the session begins with, at most 128.

        Args:
            messages: Each as `("user", "Hello")`, with the role `user`, `assistant` or `developer`; or the
                API's own object.

        Raises:
            TypeError: It is one message, not several.
        """
        if isinstance(messages, str | Mapping):
            raise TypeError('messages: expected several, such as [("user", "Hello")], got one')
        return self._with("input", [_message(message) for message in messages])

    def store(self, keep: bool = True) -> Self:
        """Set whether the API keeps the session, so that it can be forked and its recording fetched."""
        return self._with("store", keep)

    def data_channel(
        self,
        *,
        client_events: Literal["all"] | Iterable[str] | None = None,
        server_events: Literal["all"] | Iterable[str | Mapping[str, Any] | SupportsToDict] | None = None,
    ) -> Self:
        """Limit the events of the data channel of a browser. Omitted lists stay as they were: all events.

        Args:
            client_events: The types that the browser may send; an empty list allows none.
            server_events: The types that it gets, or the API's own objects; an empty list allows none.
        """
        builder = self
        if client_events is not None:
            allowed: Any = client_events if isinstance(client_events, str) else list(client_events)
            builder = builder._with(_CLIENT_EVENTS, allowed)
        if server_events is not None:
            allowed = server_events
            if not isinstance(server_events, str):
                allowed = [{"type": one} if isinstance(one, str) else one for one in server_events]
            builder = builder._with(_SERVER_EVENTS, allowed)
        return builder

    def safety_identifier(self, identifier: str | None) -> Self:
        """Set a stable identifier of the user, by which the API recognizes abuse, such as a hash."""
        return self._with("safety_identifier", identifier)

    def _with_server(self, server: dict[str, Any]) -> Self:
        given = self._body.get("delegation")
        delegation = given if isinstance(given, dict) and given.get("type") == "responses" else {}
        settings = delegation.get("responses") or {}
        tools = [*(settings.get("tools") or ()), server]
        return self._with(
            "delegation", {"type": "responses", **delegation, "responses": {**settings, "tools": tools}}
        )

    def _delegation(self, type: str, settings: Mapping[str, Any] | None, delay: int | None) -> Self:
        own = {} if settings is None else {type: settings}
        return self._with("delegation", {"type": type, **own, **present(acknowledgement_delay_ms=delay)})


def _policies_of(body: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the instructions of a session without its policies, and those."""
    whole = body.get("instructions")
    if not isinstance(whole, str):
        return "", {}
    text, heading, listed = whole.rpartition(f"{_HEADING}\n")
    lines = [line.removeprefix("- ").partition(": ") for line in listed.splitlines()]
    names = {label: name for name, label in _POLICIES.items()}
    if not heading or any(label not in names for label, _, _ in lines):  # a list of the app's own
        return whole, {}
    return text.rstrip(), {names[label]: policy for label, _, policy in lines}


def _with_policies(text: str, policies: Mapping[str, str]) -> str:
    lines = [
        f"- {label}: {' '.join(policies[name].split())}"
        for name, label in _POLICIES.items()
        if name in policies
    ]
    return "\n".join([*([text.rstrip(), ""] if text else []), _HEADING, *lines])


def with_backend_tools(session: Any, tools: Toolbox, *, is_update: bool = False) -> Any:
    """Return a session of the Live API whose backend has the tools of a toolbox besides its own.

    Args:
        session: A builder, a generated model or a dict.
        tools: The toolbox. Tools that the session has already, by their names, stay as they are there.
        is_update: Whether it changes a session, whose own delegation is not known here.

    Raises:
        ValueError: The session does not delegate to a model that could call them.
    """
    body = read(session).body
    given = body.get("delegation")
    delegation = dict(given) if isinstance(given, Mapping) else {}
    if is_update:
        delegation.setdefault("type", "responses")
    if (kind := delegation.get("type", "client")) != "responses":
        raise ValueError(
            f"tools: expected a session that delegates to a model, by delegate_to(…), got one with {kind!r}; "
            "for a session that delegates to the program use connection.delegate"
        )
    responses = delegation.get("responses")
    responses = dict(responses) if isinstance(responses, Mapping) else {}
    before = responses["tools"] if isinstance(responses.get("tools"), list) else []
    names = {tool.get("name") for tool in before if isinstance(tool, Mapping)}
    added = [tool.to_dict() for tool in tools.definitions if tool.name not in names]
    delegation["responses"] = {**responses, "tools": [*before, *added]}
    if isinstance(session, LiveSessionBuilder):
        return session._with("delegation", delegation)
    return {**body, "delegation": delegation}


def _message(message: Message) -> Any:
    if not isinstance(message, tuple) or len(message) != 2:
        return plain(message)
    role, text = message
    part = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}
