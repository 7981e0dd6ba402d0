"""A telephone service for tests: one call's media stream over a real WebSocket, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

FRAME = 160  # bytes of 20 ms of G.711
SILENCE = b"\xff" * FRAME


class MediaPhone:
    """A caller: it sends 20 ms every 20 ms, and hears what it is sent at the same pace.

    Attributes:
        heard: What was played so far, without the silence in between.
        messages: What came in, without the audio's text.
        most_ahead: The most audio that ever waited to be played, in bytes.
        is_stalled: Whether nothing is played for now, as on a bad link.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._says: deque[bytes] = deque()
        self._plays: deque[bytes | str] = deque()  # frames, and marks in between
        self._sequence = 0
        self.heard = bytearray()
        self.messages: list[dict[str, Any]] = []
        self.most_ahead = 0
        self.is_over = False
        self.is_stalled = False

    def say(self, pcmu: bytes) -> None:
        """Queue speech behind what is being said."""
        for begin in range(0, len(pcmu), FRAME):
            self._says.append(pcmu[begin : begin + FRAME].ljust(FRAME, b"\xff"))

    def count(self, event: str) -> int:
        return sum(message["event"] == event for message in self.messages)

    @property
    def is_silent(self) -> bool:
        """Whether everything that came was played."""
        return not self._plays

    async def send(self, event: str, **fields: Any) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": "MZ1", **fields}
        await self._socket.send(json.dumps(message))

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": "AC1", "callSid": "CA1"})
        await self._socket.close()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        begun, frames = loop.time(), 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = self._says.popleft() if self._says else SILENCE
                media = {"track": "inbound", "chunk": str(frames + 1), "timestamp": str(frames * 20)}
                await self.send("media", media={**media, "payload": b64encode(frame).decode()})
                await self._play()
                frames += 1
                await asyncio.sleep(max(0.0, begun + frames * 0.02 - loop.time()))

    async def _play(self) -> None:
        if self.is_stalled:
            return
        while self._plays and isinstance(self._plays[0], str):
            await self.send("mark", mark={"name": self._plays.popleft()})
        if self._plays:
            self.heard += self._plays.popleft()  # type: ignore[arg-type]

    async def hear(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                assert message["streamSid"] == "MZ1"
                match message["event"]:
                    case "media":
                        audio = b64decode(message["media"].pop("payload"))
                        self._plays += [audio[n : n + FRAME] for n in range(0, len(audio), FRAME)]
                        waiting = sum(len(part) for part in self._plays if isinstance(part, bytes))
                        self.most_ahead = max(self.most_ahead, waiting)
                    case "mark":
                        self._plays.append(message["mark"]["name"])
                    case "clear":  # what is cleared sends its marks back at once
                        marks = [part for part in self._plays if isinstance(part, str)]
                        self._plays.clear()
                        for name in marks:
                            await self.send("mark", mark={"name": name})
                self.messages.append(message)
        self.is_over = True


@contextlib.asynccontextmanager
async def media_call(
    url: str, *, encoding: str = "audio/x-mulaw", **parameters: str
) -> AsyncIterator[MediaPhone]:
    """Begin a call's media stream, with what the app put into its `<Stream>`."""
    async with connect(url) as socket:
        phone = MediaPhone(socket)
        await phone.send("connected", protocol="Call", version="1.0.0")
        start = {
            "accountSid": "AC1",
            "callSid": "CA1",
            "streamSid": "MZ1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": encoding, "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        await phone.send("start", start=start)
        tasks = [asyncio.create_task(phone.run()), asyncio.create_task(phone.hear())]
        try:
            yield phone
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
