"""Keep what happened in a call: both sides' audio, the words, latencies, tool calls and cost, in one folder.

An `Auditor` is an observer of a connection. It must not change events.

    with Auditor(Path("audits") / call.id, prices=PRICES) as auditor:
        with client.answer(call, session, observer=auditor) as connection: …

The folder has `call.wav` and `transcript.jsonl`, as `Recorder` writes them, and `report.json`.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from realtime_ext.connection import LatencyMeter
from realtime_ext.errors import mask
from realtime_ext.usage import Usage, UsageMeter

from ._core.files import private_opener
from .budget import PriceTable
from .budget._prices import table_of
from .recorder import Recorder

__all__ = ["Auditor"]


def __dir__() -> list[str]:
    return __all__


_PERCENTILES = (50, 95)
_WRITTEN_AFTER = ("response.done", "session.usage.updated")
_MOST = 10_000  # tool calls and errors that a report has at most, of each


class Auditor(Recorder):
    """Writes a folder about one call, as its observer.

    `report.json` is written after every response and at the end, so that it exists if the process is
    killed; in a Live session as often as the API reports its usage. What looks like a key or a password is
    masked in it. Only the owner can read the folder (mode 0700, files 0600).

    Args:
        folder: The folder; it is created, and may exist if it is empty.
        prices: Your prices, a table or a dict as for `PriceTable.from_dict`; None omits the cost.
        model: The model, until an event names it: a connection to an existing call gets no
            `session.created`.
        sound: Whether to record the audio.

    Raises:
        OSError: The folder can't be written, or is not empty.
        TypeError, ValueError: `prices` is not a price table.

    Example:
        ```python
        with Auditor("audits/call-1") as auditor:
            with client.connect("gpt-realtime-2.1", observer=auditor) as connection:
                connection.ask("Is breakfast included?")
        ```
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        prices: PriceTable | Mapping[str, Any] | None = None,
        model: str | None = None,
        sound: bool = True,
    ) -> None:
        self._prices = table_of(prices)
        self._folder = Path(folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self._folder.iterdir()):
            raise FileExistsError(f"folder: expected an empty or new folder, got {str(self._folder)!r}")
        super().__init__(self._folder / "call.wav" if sound else None, self._folder / "transcript.jsonl")
        self._began = datetime.datetime.now(datetime.UTC)
        self._is_closed = False
        self._session: Any = None
        self._usage = UsageMeter(model)
        self._latency = LatencyMeter()
        self._calls: dict[str, dict[str, Any]] = {}  # by the function call's id
        self._responses: dict[str, int] = {}  # status → how many
        self._errors: list[dict[str, Any]] = []

    @property
    def folder(self) -> Path:
        """The call's folder."""
        return self._folder

    @property
    def usage(self) -> Usage:
        """The tokens so far."""
        return self._usage.usage

    def _observe(self, direction: str, event: Any, monotonic_ns: int) -> None:
        super()._observe(direction, event, monotonic_ns)
        self._latency(direction, event, monotonic_ns)
        if direction == "in":
            self._usage.observe(event)
        self._note(event, round((monotonic_ns - self._began_ns) / 1e9, 3))
        if event.type in _WRITTEN_AFTER:
            self._write_report()

    def close(self) -> None:
        """Write the report, and close the files; closing again has no effect."""
        with self._lock:
            if not self._is_closed:
                super().close()
                self._write_report()
                self._is_closed = True

    def _note(self, event: Any, at: float) -> None:
        match getattr(event, "type", None):  # a nested event of a new type is a dict
            case "session.created" | "session.updated" | "session.started":
                self._session = event.session
            case "response.event":
                self._note(event.event, at)
            case "response.completed" | "response.incomplete" | "response.failed":  # of a Live backend
                status = event.type.partition(".")[2]
                self._responses[status] = self._responses.get(status, 0) + 1
            case "response.done":
                status = str(event.response.status)
                self._responses[status] = self._responses.get(status, 0) + 1
            case "response.output_item.done" if getattr(event.item, "type", None) == "function_call":
                item = event.item
                if len(self._calls) < _MOST:
                    called = {"at": at, "name": item.name, "arguments": mask(item.arguments or "")}
                    self._calls[str(item.call_id)] = {**called, "output": None, "ms": None}
            case "conversation.item.create" | "response.item.create" if (
                getattr(event.item, "type", None) == "function_call_output"
            ):
                call = self._calls.get(str(event.item.call_id))
                if call is not None and call["ms"] is None:
                    call["output"] = mask(str(event.item.output))
                    call["ms"] = round((at - call["at"]) * 1000)
            case "error" if len(self._errors) < _MOST:
                error = event.error
                self._errors.append({"at": at, "code": error.code, "message": mask(str(error.message))})

    def _report(self) -> dict[str, Any]:
        latencies = self._latency.latencies
        usage = self._usage.usage
        prices = self._prices
        cost = None if prices is None else prices.cost(usage)
        return {
            "began": self._began.isoformat(timespec="milliseconds"),
            "seconds": round((time.monotonic_ns() - self._began_ns) / 1e9, 3),
            "session_id": getattr(self._session, "id", None),
            "model": getattr(self._session, "model", None),
            "responses": self._responses,
            "latency_ms": {
                "responses": [attrs.asdict(one) for one in latencies.responses],
                **{f"p{percent}": attrs.asdict(latencies.percentile(percent)) for percent in _PERCENTILES},
            },
            "tool_calls": [{"call_id": call_id, **call} for call_id, call in self._calls.items()],
            "errors": self._errors,
            "usage": [attrs.asdict(entry) for entry in usage.entries],
            "cost": None
            if cost is None or prices is None
            else {"amount": str(cost), "currency": prices.currency},
            "missing_prices": [] if prices is None else list(prices.missing(usage)),
        }

    def _write_report(self) -> None:
        text = json.dumps(self._report(), ensure_ascii=False, indent=1)
        begun = self._folder / "report.json.new"
        with open(begun, "w", encoding="utf-8", errors="backslashreplace", opener=private_opener) as file:
            file.write(text + "\n")
        begun.replace(self._folder / "report.json")
