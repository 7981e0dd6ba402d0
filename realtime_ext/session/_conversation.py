"""The builder of conversation sessions, in which a model listens and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..errors import SessionConfigError
from ._builder import present
from ._format import AudioFormat, audio_format
from ._given import SupportsToDict
from ._input import InputBuilder
from ._problem import problem
from ._tool import Tool, tool_choice, tool_definition, tool_definitions

if TYPE_CHECKING:
    from typing import Self

    from realtime_api.models import RealtimeSessionCreateRequestGA

    from ..tools import Toolbox

__all__ = ["SessionBuilder"]


@attrs.frozen(init=False, repr=False)
class SessionBuilder(InputBuilder):
    """Puts a conversation session together.

        session = (
            SessionBuilder("gpt-realtime")
            .instructions("You answer for the front desk.")
            .voice("marin", speed=1.1)
            .semantic_vad(eagerness="low")
            .tool(book_room)
            .build()
        )

    Every method returns a new builder. Nothing is checked before `build`, or before the session is sent, so
    that all problems come at once. Only what was asked for is written, and `type`.

    Args:
        model: The model, such as `gpt-realtime`; left out for updates, and where the model is named
            elsewhere.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions
    """

    _kind = "realtime"

    def __init__(self, model: str | None = None) -> None:
        super().__init__()
        if model is not None:
            self._body["model"] = model

    def build(self, *, validate: bool = True) -> RealtimeSessionCreateRequestGA:
        """Make the generated model.

        Args:
            validate: Whether to check it. Without a model it counts as an update: each field is checked, and
                rules that concern fields which are not there are left for when it is sent.

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
        """Set what the model answers with: speech and its transcript, or text."""
        return self._with("output_modalities", [modality])

    def voice(
        self, voice: str | Mapping[str, Any] | SupportsToDict | None = None, *, speed: float | None = None
    ) -> Self:
        """Set how the model speaks. What is left out stays as an earlier call set it.

        Args:
            voice: A voice's name, or `{"id": …}` for a custom one.
            speed: The factor of its speed, 0.25 to 1.5.
        """
        return self._with_fields("audio.output", voice=voice, speed=speed)

    def output_format(self, audio: AudioFormat) -> Self:
        """Set the encoding of the speech that comes back: `pcm`, `pcmu`, `pcma`, or the API's own object."""
        return self._with("audio.output.format", audio_format(audio))

    def telephony(self, codec: Literal["pcmu", "pcma"]) -> Self:
        """Set a telephone's codec, in both directions.

        Raises:
            SessionConfigError: It is none of a telephone's codecs.
        """
        if codec not in ("pcmu", "pcma"):
            told = problem("audio.input.format", codec, ("pcmu", "pcma"), "'pcmu' or 'pcma' for a telephone")
            raise SessionConfigError([told])
        return self.input_format(codec).output_format(codec)

    def tool(self, tool: Tool) -> Self:
        """Add a tool.

        Args:
            tool: A typed Python function, a generated `RealtimeFunctionTool` or `MCPTool`, or such a dict.

        Raises:
            SessionConfigError: The function can't be described to the model under its name.
            TypeError: It is none of these, or the function's parameters can't be described.
        """
        return self._with("tools", [*self._tools, tool_definition(tool, f"tools[{len(self._tools)}]")])

    def tools(self, tools: Toolbox | Iterable[Tool]) -> Self:
        """Set all tools at once; an empty list removes all that a session has.

        Args:
            tools: A toolbox, or what `tool` takes.

        Raises:
            SessionConfigError: A function can't be described to the model under its name.
            TypeError: One of them is no tool.
        """
        return self._with("tools", tool_definitions(tools))

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
            server_description: What the server is good for.
            allowed_tools: Names of the tools that may be used, or a filter.
            allowed_callers: From where they may be called.
            require_approval: Which calls wait for the app's consent, or a filter for each.
            defer_loading: Whether the tools are loaded by tool search alone.
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
        return self._with("tools", [*self._tools, {"type": "mcp", "server_label": server_label, **fields}])

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
        return self._with("tool_choice", tool_choice(choice, mcp, name))

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
        """Set what happens when the conversation outgrows the model.

        Args:
            strategy: `auto` drops the oldest items, `disabled` makes it an error; a ratio, 0 to 1, is what is
                kept of the limit after a cut.
            post_instructions: With a ratio: the most tokens beyond the instructions.

        Raises:
            TypeError: `post_instructions` comes without a ratio.
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
        """Have the session traced.

        Args:
            tracing: `auto` for default names, the API's own object, or None for none.
            workflow_name: The name under which the trace is listed. It and the next two write the object.
            group_id: What ties traces together.
            metadata: What the trace can be found by.
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

    @property
    def _is_partial(self) -> bool:
        return "model" not in self._body

    @property
    def _tools(self) -> list[Any]:
        tools = self._body.get("tools")
        return tools if isinstance(tools, list) else []
