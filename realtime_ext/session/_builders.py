"""Builders of the three kinds of session: JSON objects that grow, and become generated models.

This module must not check a session; `check` does, with `build` or when it is sent.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import attrs
from realtime_api.types import UNSET, Unset

from .._core.schema import member, place
from ..errors import SessionConfigError, SessionProblem
from ..models import TRANSCRIPTION_MODEL
from ._check import examine, report
from ._coerce import Extras, SessionInput, SupportsToDict, as_request, plain, problem, read
from ._kinds import KINDS

if TYPE_CHECKING:
    from typing import Self

    from realtime_api.models import (
        RealtimeSessionCreateRequestGA,
        RealtimeTranscriptionSessionCreateRequestGA,
        RealtimeTranslationSessionCreateRequest,
        RealtimeTranslationSessionUpdateRequest,
    )

    from ..tools import Toolbox

Tool = Callable[..., Any] | Mapping[str, Any] | SupportsToDict
AudioFormat = Literal["pcm", "pcmu", "pcma"] | Mapping[str, Any] | SupportsToDict
ModelT = TypeVar("ModelT")


@attrs.frozen(init=False, repr=False)
class Builder:
    """A session that is being built: a JSON object that is never changed in place.

    Every method returns a new builder. Nothing is checked before `build`, or before the session is sent, so
    that all problems are reported at once. Only requested fields are written.
    """

    _kind: ClassVar[str]

    _body: dict[str, Any]
    _extra_paths: frozenset[str]

    def __init__(self, model: str | None = None) -> None:
        self.__attrs_init__(present(type=KINDS[self._kind].type, model=model), frozenset())

    @classmethod
    def from_dict(cls, session: SessionInput) -> Self:
        """Return a builder of a session that exists already.

        Args:
            session: A dict, a generated model or a builder. It is copied, with every field that it has;
                `type` may be left out. Of a session as the server describes it, what only the server sets
                is left out.

        Raises:
            SessionConfigError: It is another kind of session, or nested too deeply.
            TypeError: It is none of the three.
        """
        given = read(session)
        kind = KINDS[cls._kind]
        body = as_request(given.body, kind, from_model=not isinstance(session, Mapping))
        if kind.type is not None:
            found = body.get("type", kind.type)
            if found != kind.type:
                reason, hint = f"expected {kind.type!r}", f"{cls.__name__} makes that"
                raise SessionConfigError([problem("type", found, (kind.type,), reason, hint=hint)])
            body = {"type": kind.type, **body}
        return cls._made(body, given.extras)

    def extra(self, **fields: Any) -> Self:
        """Add fields that this package doesn't know.

        Args:
            **fields: Their values. A dict is merged into the current value, field by field:
                `extra(audio={"input": {"new": 1}})` adds `audio.input.new`. Known fields are checked as ever.
        """
        more = plain(fields)
        return self._made(_deepened(self._body, more), self._extra_paths | frozenset(_paths(more, "")))

    def to_dict(self) -> dict[str, Any]:
        """Return the session as a JSON object, as it stands and unchecked."""
        copied: dict[str, Any] = plain(self._body)
        return copied

    def __repr__(self) -> str:
        # Names alone: instructions are long, and tools may hold keys.
        names = [name for name in self._body if name not in ("type", "model")]
        model = self._body.get("model")
        first = [repr(model)] if isinstance(model, str) else []
        return f"<{type(self).__name__} {', '.join([*first, *map(str, names)])}>".replace(" >", ">")

    @property
    def _is_partial(self) -> bool:
        """Whether it has too little to be a session of its own."""
        return "model" not in self._body

    def _build(self, model: type[ModelT], *, validate: bool, kind: str | None = None) -> ModelT:
        """Build the generated model, checked if asked."""
        if validate:
            partial = self._is_partial
            report(examine(read(self), (kind or self._kind,), is_update=partial, is_partial=partial))
        read_model: Any = model
        built = read_model.from_dict(self.to_dict())
        if self._extra_paths:
            built.additional_properties = Extras(built.additional_properties, self._extra_paths)
        result: ModelT = built
        return result

    def _with(self, path: str, value: Any) -> Self:
        """Return a builder in which one field is set, whatever it was."""
        return self._made(_put(self._body, path.split("."), plain(value)), self._extra_paths)

    def _with_fields(self, path: str, **fields: Any) -> Self:
        """Return a builder in which those of an object's fields are set that are not None."""
        builder = self
        for name, value in present(**fields).items():
            builder = builder._with(f"{path}.{name}", value)
        return builder

    @classmethod
    def _made(cls, body: dict[str, Any], extra_paths: frozenset[str]) -> Self:
        builder = cls.__new__(cls)
        builder.__attrs_init__(body, extra_paths)
        return builder


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _put(body: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = body.get(name)
    return {**body, name: _put(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}


def _deepened(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(body)
    for name, value in more.items():
        old = body.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _deepened(old, value)
        result[name] = value
    return result


def _paths(fields: Mapping[str, Any], path: str) -> list[str]:
    found = []
    for name, value in fields.items():
        at = member(path, name)
        found.append(at)
        found += _paths(value, at) if isinstance(value, dict) else []
    return found


_INPUT = "audio.input"
_LOGPROBS = "item.input_audio_transcription.logprobs"


@attrs.frozen(init=False, repr=False)
class InputBuilder(Builder):
    """A builder of a session that listens: conversation and transcription sessions share these methods."""

    def input_format(self, audio: AudioFormat) -> Self:
        """Set the encoding of the audio that is sent.

        Args:
            audio: `pcm` (16 bit, 24 kHz, mono), `pcmu` or `pcma` (8 kHz), or the API's own object.
        """
        return self._with(f"{_INPUT}.format", _audio_format(audio))

    def transcribe(
        self,
        model: str | Unset | None = UNSET,
        *,
        language: str | None = None,
        languages: Sequence[str] | None = None,
        keywords: Sequence[str] | None = None,
        prompt: str | None = None,
        delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None,
    ) -> Self:
        """Transcribe the input. Omitted settings stay as an earlier call set them.

        Args:
            model: A transcription model; None turns transcription off. Left out, it stays as it was set, or
                else is `gpt-realtime-whisper`; an update that only has other settings names no model.
            language: The language spoken, as ISO 639-1 code.
            languages: The languages that may be spoken, for the models that accept several.
            keywords: Terms that are likely to be heard, for the models that accept them.
            prompt: A hint, in words or keywords as the model wants it.
            delay: How long the model may wait for accuracy, for the models that can.
        """
        path = f"{_INPUT}.transcription"
        if model is None:
            return self._with(path, None)
        settings = present(
            language=language, languages=languages, keywords=keywords, prompt=prompt, delay=delay
        )
        if isinstance(model, Unset):
            model = self._default_transcription_model(is_alone=not settings)
        return self._with_fields(path, model=model, **settings)

    def _default_transcription_model(self, *, is_alone: bool) -> str | None:
        """Return the model for a call of `transcribe` without one; None if that names none."""
        at = self._body
        for name in ("audio", "input", "transcription"):
            inner = at.get(name)
            at = inner if isinstance(inner, dict) else {}
        return TRANSCRIPTION_MODEL if "model" not in at and (is_alone or "model" in self._body) else None

    def noise_reduction(
        self, type: Literal["near_field", "far_field"] | None, *, strength: float | None = None
    ) -> Self:
        """Set the noise filter.

        Args:
            type: `near_field` for a headset, `far_field` for a laptop or a room; None turns it off.
            strength: How much noise is suppressed, more with higher values; the API's default is 1.
        """
        return self._with(f"{_INPUT}.noise_reduction", _noise_reduction(type, strength))

    def server_vad(
        self,
        *,
        threshold: float | None = None,
        prefix_padding_ms: int | None = None,
        silence_duration_ms: int | None = None,
        idle_timeout_ms: int | None = None,
        create_response: bool | None = None,
        interrupt_response: bool | None = None,
    ) -> Self:
        """Detect turns by loudness. The last call about turns wins, as a whole.

        Args:
            threshold: How loud speech is, 0 to 1.
            prefix_padding_ms: Milliseconds of audio kept from before speech.
            silence_duration_ms: Milliseconds of silence that end a turn.
            idle_timeout_ms: Milliseconds of silence after which the model speaks by itself, 5000 to 30000.
            create_response: Whether the end of a turn starts a response.
            interrupt_response: Whether speech stops the response that is being played.
        """
        return self._turns(
            "server_vad",
            threshold=threshold,
            prefix_padding_ms=prefix_padding_ms,
            silence_duration_ms=silence_duration_ms,
            idle_timeout_ms=idle_timeout_ms,
            create_response=create_response,
            interrupt_response=interrupt_response,
        )

    def semantic_vad(
        self,
        *,
        eagerness: Literal["low", "medium", "high", "auto"] | None = None,
        create_response: bool | None = None,
        interrupt_response: bool | None = None,
    ) -> Self:
        """Detect turns by the meaning of speech. The last call about turns wins, as a whole.

        Args:
            eagerness: How soon to answer.
            create_response: Whether the end of a turn starts a response.
            interrupt_response: Whether speech stops the response that is being played.
        """
        return self._turns(
            "semantic_vad",
            eagerness=eagerness,
            create_response=create_response,
            interrupt_response=interrupt_response,
        )

    def push_to_talk(self) -> Self:
        """Detect no turns: the app commits the audio itself. The last call about turns wins."""
        return self._with(f"{_INPUT}.turn_detection", None)

    def include_logprobs(self, include: bool = True) -> Self:
        """Request the log probabilities of transcripts.

        Args:
            include: False writes an empty list, which asks for none.
        """
        return self._with("include", [_LOGPROBS] if include else [])

    def _turns(self, type: str, **settings: Any) -> Self:
        return self._with(f"{_INPUT}.turn_detection", {"type": type, **present(**settings)})


class McpBuilder:
    """What sessions have in common whose model may use MCP servers."""

    __slots__ = ()

    def mcp(
        self,
        server_label: str,
        *,
        server_url: str | None = None,
        connector_id: str | None = None,
        tunnel_id: str | None = None,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
        server_description: str | None = None,
        allowed_tools: Sequence[str] | Mapping[str, Any] | SupportsToDict | None = None,
        allowed_callers: Sequence[Literal["direct", "programmatic"]] | None = None,
        require_approval: Literal["always", "never"] | Mapping[str, Any] | SupportsToDict | None = None,
        defer_loading: bool | None = None,
    ) -> Self:
        """Add an MCP server, which the API calls by itself.

        Args:
            server_label: The server's name in tool calls.
            server_url: Its address; or else `connector_id` or `tunnel_id`.
            connector_id: A service that OpenAI hosts, such as `connector_gmail`.
            tunnel_id: A secure tunnel, `tunnel_…`.
            authorization: An OAuth access token; never shown.
            headers: HTTP headers for the server; never shown.
            server_description: A description of the server for the model.
            allowed_tools: Names of the tools that may be used, or a filter.
            allowed_callers: From where they may be called.
            require_approval: Which calls wait for the app's approval, or a filter for each.
            defer_loading: Whether the tools are only loaded by tool search.
        """
        fields = present(
            server_url=server_url,
            connector_id=connector_id,
            tunnel_id=tunnel_id,
            authorization=authorization,
            headers=headers,
            server_description=server_description,
            allowed_tools=allowed_tools,
            allowed_callers=allowed_callers,
            require_approval=require_approval,
            defer_loading=defer_loading,
        )
        return self._with_server({"type": "mcp", "server_label": server_label, **fields})

    @abstractmethod
    def _with_server(self, server: dict[str, Any]) -> Self:
        """Return a builder with one more server."""


@attrs.frozen(init=False, repr=False)
class SessionBuilder(McpBuilder, InputBuilder):
    """Builds a conversation session, in which a model listens and answers.

        session = (
            SessionBuilder("gpt-realtime-2.1")
            .instructions("You answer for the front desk.")
            .voice("marin", speed=1.1)
            .semantic_vad(eagerness="low")
            .tool(book_room)
            .build()
        )

    Every method returns a new builder. Nothing is checked before `build`, or before the session is sent, so
    that all problems are reported at once. Only requested fields and `type` are written.

    Args:
        model: The model, such as `gpt-realtime-2.1`; left out for updates, and where the model is named
            elsewhere.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions
    """

    _kind = "realtime"

    def build(self, *, validate: bool = True) -> RealtimeSessionCreateRequestGA:
        """Build the generated model, and check it.

        Args:
            validate: Whether to check it. Without a model it counts as an update: each field is checked, and
                rules about fields that are not there apply when it is sent.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known, or it is not known whether the model has what is
                asked.
        """
        from realtime_api.models import RealtimeSessionCreateRequestGA

        return self._build(RealtimeSessionCreateRequestGA, validate=validate)

    def instructions(self, text: str) -> Self:
        """Set the system text; an empty one clears it."""
        return self._with("instructions", text)

    def output(self, modality: Literal["audio", "text"]) -> Self:
        """Set the modality of the answers: speech and its transcript, or text."""
        return self._with("output_modalities", [modality])

    def voice(
        self, voice: str | Mapping[str, Any] | SupportsToDict | None = None, *, speed: float | None = None
    ) -> Self:
        """Set how the model speaks. Omitted settings stay as an earlier call set them.

        Args:
            voice: A voice's name, or `{"id": …}` for a custom one.
            speed: The factor of its speed, 0.25 to 1.5.
        """
        return self._with_fields("audio.output", voice=voice, speed=speed)

    def output_format(self, audio: AudioFormat) -> Self:
        """Set the encoding of the model's speech: `pcm`, `pcmu`, `pcma`, or the API's own object."""
        return self._with("audio.output.format", _audio_format(audio))

    def telephony(self, codec: Literal["pcmu", "pcma"]) -> Self:
        """Set a telephone's codec, in both directions.

        Raises:
            SessionConfigError: It is none of a telephone's codecs.
        """
        if codec not in ("pcmu", "pcma"):
            reason = "expected 'pcmu' or 'pcma' for a telephone"
            raise SessionConfigError([problem("audio.input.format", codec, ("pcmu", "pcma"), reason)])
        return self.input_format(codec).output_format(codec)

    def tool(self, tool: Tool) -> Self:
        """Add a tool.

        Args:
            tool: A typed Python function, a generated `RealtimeFunctionTool` or `MCPTool`, or such a dict.

        Raises:
            SessionConfigError: The function can't be described to the model under its name.
            TypeError: It is none of these, or the function's parameters can't be described.
        """
        return self._with("tools", [*self._tools, _tool_definition(tool, f"tools[{len(self._tools)}]")])

    def tools(self, tools: Toolbox | Iterable[Tool]) -> Self:
        """Set all tools at once; an empty list removes all that a session has.

        Args:
            tools: A toolbox, or several tools as for `tool`.

        Raises:
            SessionConfigError: A function can't be described to the model under its name.
            TypeError: One of them is not a tool.
        """
        return self._with("tools", tool_definitions(tools))

    def tool_choice(
        self,
        choice: str | Callable[..., Any] | Mapping[str, Any] | SupportsToDict | None = None,
        *,
        mcp: str | None = None,
        name: str | None = None,
    ) -> Self:
        """Set whether and which tool is called.

        Args:
            choice: `auto`, `none` or `required`; or the function that must be called, or its name.
            mcp: The label of the MCP server that must be used, in place of `choice`.
            name: Which of its tools.

        Raises:
            TypeError: Neither or both of `choice` and `mcp` are given.
        """
        return self._with("tool_choice", tool_choice_object(choice, mcp, name))

    def parallel_tool_calls(self, allowed: bool = True) -> Self:
        """Set whether one response may call several tools; reasoning models only."""
        return self._with("parallel_tool_calls", allowed)

    def reasoning(self, effort: Literal["minimal", "low", "medium", "high", "xhigh"]) -> Self:
        """Set how much the model thinks before it answers; reasoning models only."""
        return self._with("reasoning", {"effort": effort})

    def max_output_tokens(self, most: int | Literal["inf"]) -> Self:
        """Limit the tokens of one response, tool calls included: 1 to 4096, or `inf`."""
        return self._with("max_output_tokens", most)

    def truncation(
        self,
        strategy: Literal["auto", "disabled"] | float | Mapping[str, Any] | SupportsToDict,
        *,
        post_instructions: int | None = None,
    ) -> Self:
        """Set the truncation of a conversation that outgrows the model.

        Args:
            strategy: `auto` drops the oldest items, `disabled` makes it an error; a ratio, 0 to 1, is what is
                kept of the limit after a cut.
            post_instructions: With a ratio: the most tokens beyond the instructions.

        Raises:
            TypeError: `post_instructions` is used without a ratio.
        """
        is_ratio = isinstance(strategy, int | float)
        if post_instructions is not None and not is_ratio:
            raise TypeError(f"post_instructions: expected a ratio as the strategy, got {strategy!r}")
        if not is_ratio:
            return self._with("truncation", strategy)
        limits = (
            {} if post_instructions is None else {"token_limits": {"post_instructions": post_instructions}}
        )
        return self._with("truncation", {"type": "retention_ratio", "retention_ratio": strategy, **limits})

    def tracing(
        self,
        tracing: Literal["auto"] | Mapping[str, Any] | SupportsToDict | None = "auto",
        *,
        workflow_name: str | None = None,
        group_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Trace the session.

        Args:
            tracing: `auto` for default names, the API's own object, or None for none.
            workflow_name: The name under which the trace is listed. It and the next two write the object.
            group_id: The id of a group of traces.
            metadata: Keys and values to find the trace by.
        """
        fields = present(workflow_name=workflow_name, group_id=group_id, metadata=metadata)
        return self._with("tracing", fields or tracing)

    def prompt(
        self, id: str | None, *, version: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Self:
        """Use a stored prompt.

        Args:
            id: Its id, `pmpt_…`; None for none.
            version: Its version; left out for the current one.
            variables: The values of its variables: text, or content parts.
        """
        fields = present(version=version, variables=variables)
        return self._with("prompt", None if id is None else {"id": id, **fields})

    def _with_server(self, server: dict[str, Any]) -> Self:
        return self._with("tools", [*self._tools, server])

    @property
    def _tools(self) -> list[Any]:
        tools = self._body.get("tools")
        return tools if isinstance(tools, list) else []


@attrs.frozen(init=False, repr=False)
class TranscriptionSessionBuilder(InputBuilder):
    """Builds a transcription session, which transcribes speech and never answers.

        session = TranscriptionSessionBuilder("gpt-realtime-whisper").noise_reduction("near_field").build()

    Every method returns a new builder; all problems are reported together, by `build` or when it is sent.

    Args:
        model: The transcription model; left out for updates.

    Source: https://platform.openai.com/docs/guides/realtime-transcription
    """

    _kind = "transcription"

    def __init__(self, model: str | None = None) -> None:
        super().__init__()
        if model is not None:
            self._body["audio"] = {"input": {"transcription": {"model": model}}}

    @property
    def _is_partial(self) -> bool:
        return False

    def build(self, *, validate: bool = True) -> RealtimeTranscriptionSessionCreateRequestGA:
        """Build the generated model, and check it.

        Args:
            validate: Whether to check it.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known.
        """
        from realtime_api.models import RealtimeTranscriptionSessionCreateRequestGA

        return self._build(RealtimeTranscriptionSessionCreateRequestGA, validate=validate)


@attrs.frozen(init=False, repr=False)
class TranslationSessionBuilder(Builder):
    """Builds a translation session, which repeats what it hears in another language.

        session = TranslationSessionBuilder("gpt-realtime-translate").to_language("es").build()

    Every method returns a new builder; all problems are reported together, by `build` or when it is sent. The
    API describes no `type` for this kind, so none is written.

    Args:
        model: The translation model; left out for updates, since it never changes.

    Source: https://platform.openai.com/docs/guides/realtime-translation
    """

    _kind = "translation"

    def build(
        self, *, validate: bool = True
    ) -> RealtimeTranslationSessionCreateRequest | RealtimeTranslationSessionUpdateRequest:
        """Build the generated model: of a new session, or without a model, of an update.

        Args:
            validate: Whether to check it.

        Raises:
            SessionConfigError: The API would refuse it; `problems` has everything that is wrong.

        Warns:
            SessionConfigWarning: A field is not known.
        """
        from realtime_api import models

        if self._is_partial:
            return self._build(models.RealtimeTranslationSessionUpdateRequest, validate=validate)
        return self._build(models.RealtimeTranslationSessionCreateRequest, validate=validate)

    def to_language(self, language: str) -> Self:
        """Set the language into which speech is translated, as a code such as `es`."""
        return self._with("audio.output.language", language)

    def transcribe(self, model: str | None) -> Self:
        """Transcribe the source speech by a model; None for no source text."""
        return self._with("audio.input.transcription", None if model is None else {"model": model})

    def noise_reduction(
        self, type: Literal["near_field", "far_field"] | None, *, strength: float | None = None
    ) -> Self:
        """Set the noise filter, as `SessionBuilder.noise_reduction` does."""
        return self._with("audio.input.noise_reduction", _noise_reduction(type, strength))


def _noise_reduction(type: str | None, strength: float | None) -> dict[str, Any] | None:
    if type is None:
        return None
    return {"type": type} if strength is None else {"type": type, "strength": strength}


def _tool_definition(tool: Tool, path: str) -> dict[str, Any]:
    """Return a tool as the API accepts it.

    Args:
        tool: A function, a generated model or a dict.
        path: Where it will stand, for messages.

    Raises:
        SessionConfigError: The function can't be described under its name.
        TypeError: It is none of these, or can't be described.
    """
    if isinstance(tool, Mapping) or (hasattr(tool, "to_dict") and not isinstance(tool, type)):
        definition: dict[str, Any] = plain(tool)
        return definition
    from ..tools import function_tool

    if not callable(tool):
        raise TypeError(f"{path}: expected a function, a generated tool or a dict, got {type(tool).__name__}")
    try:
        return function_tool(tool).to_dict()
    except ValueError as error:
        name = getattr(tool, "__name__", None)
        message = f"{path}: {error}"
        raise SessionConfigError([SessionProblem(f"{path}.name", name, None, message)]) from error


def tool_definitions(tools: Toolbox | Iterable[Tool], path: str = "tools") -> list[dict[str, Any]]:
    """Return several tools as the API accepts them; raises as `_tool_definition` does."""
    listed: Any = getattr(tools, "definitions", tools)
    return [_tool_definition(tool, f"{path}[{index}]") for index, tool in enumerate(listed)]


def tool_choice_object(choice: Any, mcp: str | None, name: str | None) -> Any:
    """Return a choice as the API accepts it.

    Args:
        choice: A policy, a function, its name, or the API's own object.
        mcp: An MCP server's label.
        name: A tool of that server.

    Raises:
        TypeError: Neither or both of `choice` and `mcp` are given.
    """
    if (choice is None) == (mcp is None) or (name is not None and mcp is None):
        raise TypeError("tool_choice: expected either a choice, or mcp= with an optional name=")
    if mcp is not None:
        return {"type": "mcp", "server_label": mcp, **({} if name is None else {"name": name})}
    if isinstance(choice, str):
        policies = place("ToolChoiceOptions").allowed
        return choice if choice in policies else {"type": "function", "name": choice}
    if isinstance(choice, Mapping) or hasattr(choice, "to_dict") or not callable(choice):
        return choice
    while isinstance(choice, functools.partial):
        choice = choice.func
    return {"type": "function", "name": getattr(choice, "__name__", type(choice).__name__)}


_SHORT = frozenset({"pcm", "pcmu", "pcma"})


def _audio_format(given: AudioFormat | str) -> Any:
    """Return the API's object for a format.

    Args:
        given: A short name, the object's own type such as `audio/pcm`, or the object itself.

    Returns:
        The object, with the rate where the API knows a single one; any other text as the `type`, for the
        check to refuse.
    """
    if not isinstance(given, str):
        return given
    name = f"audio/{given}" if given in _SHORT else given
    for form in place("RealtimeAudioFormats").forms:
        if form.tag == name:
            return dict(form.constants)
    return {"type": name}


def with_tools(session: SessionInput | None, tools: Toolbox) -> SessionInput:
    """Return a session that has the tools of a toolbox besides its own.

    Args:
        session: A builder, a generated model or a dict; None for a conversation of which nothing else is set.
        tools: The toolbox. Tools that the session has already, by their names, stay as they are there.
    """
    session = {"type": "realtime"} if session is None else session
    body = read(session).body
    given = body.get("tools") or []
    names = (
        {tool.get("name") for tool in given if isinstance(tool, Mapping)} if isinstance(given, list) else ()
    )
    missing = [tool for tool in tools.definitions if tool.name not in names]
    if isinstance(session, SessionBuilder):
        for tool in missing:
            session = session.tool(tool)
        return session
    return {**body, "tools": [*given, *(tool.to_dict() for tool in missing)]}
