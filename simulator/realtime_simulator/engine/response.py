"""One response of the model: its events in the API's order, as a plan that waits between them.

`Response.perform` is a generator: what stands between two yields happens at once, and each yielded number is
a pause in seconds. A session drives it and may interrupt it at any pause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime_simulator.engine.output import Host, Output, Plan
from realtime_simulator.engine.turn import Action, CallMcp, CallTool, Fail
from realtime_simulator.engine.usage import Tokens, usage
from realtime_simulator.media.speech import RATE


class Interrupted(Exception):
    """Thrown into a running plan: the response ends here.

    Args:
        reason: `client_cancelled` or `turn_detected`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Response:
    """One response.

    Args:
        host: The session.
        params: The `response` object of `response.create`; already checked.
        given: The tokens of its input.
        cached: The tokens of the previous response's input.
    """

    def __init__(self, host: Host, params: Mapping[str, Any], given: Tokens, cached: Tokens) -> None:
        self._host = host
        self.params = params
        self.id = host.ids.new("resp")
        self.out_of_band = params.get("conversation") == "none"
        self._given, self._cached = given, cached
        self._status, self._details = "in_progress", dict[str, Any]()
        self.modalities = list(params.get("output_modalities") or host.config["output_modalities"])
        limit = params.get("max_output_tokens") or host.config["max_output_tokens"]
        self._limit: int | str = limit
        audio = params.get("audio", {}).get("output", {})
        voice = audio.get("voice") or host.config.output["voice"]
        self.voice = str(voice["id"] if isinstance(voice, Mapping) else voice)
        self.format: Mapping[str, Any] = audio.get("format") or host.config.output["format"]
        self._output = Output(
            host,
            self.id,
            out_of_band=self.out_of_band,
            modalities=self.modalities,
            format=str(self.format["type"]),
            limit=limit,
        )

    @property
    def finished(self) -> bool:
        return self._status != "in_progress"

    @property
    def audio_seconds(self) -> float:
        """How long what was said takes to hear."""
        return sum(len(item.audio) for item in self._output.items) / 2 / RATE

    @property
    def output_tokens(self) -> int:
        return self._output.made.total

    def view(self) -> dict[str, Any]:
        """Return the response as `response.created` and `response.done` show it."""
        shown: dict[str, Any] = {
            "id": self.id,
            "object": "realtime.response",
            "status": self._status,
            "output": [item.view() for item in self._output.items],
            "output_modalities": self.modalities,
            "max_output_tokens": self._limit,
            "audio": {"output": {"format": self.format, "voice": self.voice}},
        }
        if not self.out_of_band:
            shown["conversation_id"] = "conv_" + self._host.config.session_id.removeprefix("sess_")
        if self.params.get("metadata") is not None:
            shown["metadata"] = self.params["metadata"]
        if self._details:
            shown["status_details"] = self._details
        if self.finished:
            shown["usage"] = usage(self._given, self._cached, self._output.made)
        return shown

    def begin(self) -> None:
        self._host.emit({"type": "response.created", "response": self.view()})

    def end(self, status: str, **details: Any) -> None:
        """Finish the response.

        Args:
            status: `completed`, `cancelled`, `failed` or `incomplete`.
            details: Further fields of `status_details`.
        """
        self._status = status
        self._details = {"type": status, **details} if status != "completed" else {}
        self._host.emit({"type": "response.done", "response": self.view()})

    def perform(self, actions: Sequence[Action]) -> Plan:
        """Make the output, event by event.

        Args:
            actions: What the model answers, in order; speech already synthesized.
        """
        try:
            for number, action in enumerate(actions):
                if isinstance(action, Fail):
                    error = {"type": "server_error", "code": action.code, "message": action.message}
                    self.end("failed", error=error)
                    return
                if self._output.used_up():
                    break
                if isinstance(action, CallTool):
                    yield from self._output.call(action)
                elif isinstance(action, CallMcp):
                    if self._host.mcp.needs_approval(action):
                        self._host.mcp.hold(self._output.ask_approval(action), actions[number:])
                        break
                    yield from self._output.call_mcp(action)
                else:
                    yield from self._output.message(action)
        except Interrupted as stop:
            self.end("cancelled", reason=stop.reason)
            return
        if self._output.used_up():
            self.end("incomplete", reason="max_output_tokens")
        else:
            self.end("completed")
