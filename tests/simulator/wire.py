"""A WebSocket client for tests: sends events, keeps what comes, checks it against the API description."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from realtime_simulator import Simulator
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.simulator.checking import fits, message
from tests.support.waiting import PATIENCE


class Socket:
    """One connection to a simulator.

    Args:
        sim: The simulator, or its base URL if it runs in another process.
        query: The address's query.
        path: What comes after `/v1/realtime`, or after `/v1/` if it has no leading slash.
        key: The bearer; the simulator's key if None, no header at all if empty.
        headers: Further headers.
        subprotocols: What the client offers.
    """

    def __init__(
        self,
        sim: Simulator | str,
        query: str = "model=gpt-realtime",
        *,
        path: str = "",
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        sent = dict(headers or {})
        base_url, own_key = (sim, "") if isinstance(sim, str) else (sim.base_url, sim.api_key)
        if key != "":
            sent["authorization"] = f"Bearer {key or own_key}"
        place = path if path.startswith("live/") else f"realtime{path}"
        self._context = connect(
            f"{base_url.replace('http', 'ws', 1)}/{place}?{query}",
            additional_headers=sent,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=None,
            max_queue=None,  # closing waits for room for unread messages
            open_timeout=PATIENCE,
        )
        # From 17.1 on, websockets wants to be entered; before, that gives the connection itself.
        self.ws = self._context.__enter__()
        self._union = "RealtimeTranslationServerEvent" if path else "RealtimeServerEvent"
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def send(self, type: str, **fields: Any) -> None:
        self.ws.send(json.dumps({"type": type, **fields}))

    def recv(self) -> dict[str, Any]:
        """Return the next event."""
        event = json.loads(self.ws.recv(timeout=PATIENCE))
        fits(event, self._union)
        self.events.append(event)
        return event

    def until(self, type: str) -> dict[str, Any]:
        """Return the next event of a type; what comes before it is in `events`."""
        while (event := self.recv())["type"] != type:
            pass
        return event

    def all(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def closed(self) -> tuple[int, str]:
        """Read until the server closes; returns the code and the reason."""
        try:
            while True:
                self.recv()
        except ConnectionClosed as error:
            return (1006, "") if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)

    def update(self, **session: Any) -> dict[str, Any]:
        self.send("session.update", session={"type": "realtime", **session})
        updated: dict[str, Any] = self.until("session.updated")["session"]
        return updated

    def user_says(self, text: str) -> None:
        item = message([{"type": "input_text", "text": text}])
        self.send("conversation.item.create", item=item)

    def append(self, sound: bytes, chunk: int = 48_000) -> None:
        for start in range(0, len(sound), chunk):
            part = base64.b64encode(sound[start : start + chunk]).decode()
            self.send("input_audio_buffer.append", audio=part)

    def audio(self) -> bytes:
        """All the model's sound so far."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.all("response.output_audio.delta"))


class LiveSocket(Socket):
    """A connection of the Live API.

    Args:
        sim: The simulator.
        attach: The session whose sideband it is.
        fork: The stored session that it continues.
        key: The bearer; the simulator's key if None.
        start: Whether it starts the session, with `session`.
        session: The `session` of `session.start`.
    """

    def __init__(
        self,
        sim: Simulator,
        *,
        attach: str | None = None,
        fork: str | None = None,
        start: bool = True,
        key: str | None = None,
        **session: Any,
    ) -> None:
        path = f"/{attach}/attach" if attach else f"/{fork}/fork" if fork else ""
        super().__init__(sim, "", path=f"live/sessions{path}", key=key)
        self._union = "LiveSidebandServerEvent" if attach else "LiveServerEvent"
        self.session: dict[str, Any] = {}
        if start and attach is None:
            self.send("session.start", session=session if fork else {"model": "gpt-live-1", **session})
            self.session = self.until("session.started")["session"]

    def append(self, sound: bytes, chunk: int = 4_800) -> None:
        for start in range(0, len(sound), chunk):
            part = base64.b64encode(sound[start : start + chunk]).decode()
            self.send("session.input_audio.append", audio=part)

    def silence(self, seconds: float) -> None:
        self.append(bytes(int(seconds * 24_000) * 2))

    def audio(self) -> bytes:
        return b"".join(base64.b64decode(event["delta"]) for event in self.all("session.output_audio.delta"))

    def spoken(self) -> str:
        """What the model has said so far."""
        return "".join(event["delta"] for event in self.all("session.output_transcript.delta"))

    def finish(self) -> dict[str, Any]:
        """Close the session; return `session.closed`."""
        self.send("session.close")
        return self.until("session.closed")
