"""A caller on a media stream: what Twilio's service is to an app, from TwiML to G.711 on a WebSocket.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from realtime_simulator._calls.line import FRAME_SECONDS
from realtime_simulator._media.codecs import G711Encoder, decode_g711
from realtime_simulator._media.speech import G711_RATE, PCMU, RATE
from realtime_simulator._records.session import SessionLog
from realtime_simulator._rehearsal.phone import ScriptedPhone
from realtime_simulator._rehearsal.recognition import Recognizer
from realtime_simulator._rehearsal.transport import NextSession, NotAnsweredError, post

_FRAME = G711_RATE // 50
_EVERY = RATE // G711_RATE
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_SESSION_SECONDS = 10.0
_LATE_SECONDS = 0.2
_NO_TWIML = (404, 405)


class MediaStreamTransport:
    """A call whose sound is streamed over a WebSocket.

    Args:
        url: Where the app answers a call with TwiML, or its WebSocket.
        phone: What speaks and listens.
        sessions: Tells which session the app begins.
    """

    def __init__(self, url: str, phone: ScriptedPhone, sessions: NextSession) -> None:
        self._url = url
        self._phone = phone
        self._sessions = sessions
        self._call_id, self._stream_id = f"CA{secrets.token_hex(16)}", f"MZ{secrets.token_hex(16)}"
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: deque[bytes | str] = deque()  # sound to hear, 20 ms each, and marks in between
        self._rest = b""
        self._sent = 0
        self._recognizer: Recognizer | None = None
        self.call: None = None

    async def dial(self) -> None:
        url, parameters = await self._stream()
        async with self._sessions.expected() as begun:
            try:
                self._socket = await connect(url, open_timeout=_OPEN_SECONDS, proxy=None)
            except (OSError, WebSocketException, InvalidURI, ValueError) as error:
                raise NotAnsweredError(f"{url} can't be reached: {error or type(error).__name__}") from error
            await self._begin(parameters)
            self._tasks = [asyncio.create_task(self._talk()), asyncio.create_task(self._receive())]
            try:
                log = await asyncio.wait_for(begun, _SESSION_SECONDS)
            except TimeoutError:
                raise NotAnsweredError(
                    f"the app began no session within {_SESSION_SECONDS:g} s of the stream's start"
                ) from None
        self._answered(log)
        self._sessions.follow(self._phone, log, self._answered)

    async def press(self, keys: str) -> None:
        if self._phone.is_over:
            raise LookupError("the call has ended")
        for key in keys:
            await self._message("dtmf", dtmf={"track": "inbound_track", "digit": key})

    def lose(self, seconds: float) -> NoReturn:
        raise ValueError("only a caller over WebRTC has a network")

    async def hang_up(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._message("stop", stop={"accountSid": "AC0", "callSid": self._call_id})
        self._phone.ended("peer")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._socket.close()

    def _answered(self, log: SessionLog) -> None:
        """Process that the app has begun a session; any thread."""
        self._recognizer = Recognizer(log.speech if log.speech is not None else deque())
        self._phone.answered(log)

    async def _stream(self) -> tuple[str, Mapping[str, str]]:
        """Return the address of the app's WebSocket, and the parameters that it wants."""
        if urlsplit(self._url).scheme in ("ws", "wss"):
            return self._url, {}
        form = {"CallSid": self._call_id, "From": "+15550100", "To": "+15550199", "CallStatus": "ringing"}
        response = await post(self._url, data=form)
        if response.status_code in _NO_TWIML:  # it is the WebSocket itself
            return self._url.replace("http", "ws", 1), {}
        try:
            found = ElementTree.fromstring(response.text).find(".//Stream")
            if found is None:
                raise ValueError("no <Stream> in it")
        except (ElementTree.ParseError, ValueError) as error:
            answered = f"{self._url} answered the call with {response.status_code}"
            raise NotAnsweredError(f"{answered}, and no TwiML that streams: {error}") from error
        parameters = {one.get("name", ""): one.get("value", "") for one in found.iter("Parameter")}
        return found.get("url", ""), parameters

    async def _begin(self, parameters: Mapping[str, str]) -> None:
        await self._message("connected", protocol="Call", version="1.0.0")
        await self._message(
            "start",
            start={
                "accountSid": "AC0",
                "callSid": self._call_id,
                "streamSid": self._stream_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": G711_RATE, "channels": 1},
                "customParameters": parameters,
            },
        )

    async def _message(self, event: str, **fields: Any) -> None:
        """Send a message of the telephone service."""
        assert self._socket is not None
        self._sent += 1
        message = {"event": event, "sequenceNumber": str(self._sent), "streamSid": self._stream_id, **fields}
        await self._socket.send(json.dumps(message))

    async def _talk(self) -> None:
        """Speak and listen, 20 ms at a time."""
        loop, encoder, frames = asyncio.get_running_loop(), G711Encoder(PCMU), 0
        due = loop.time()
        with contextlib.suppress(ConnectionClosed):
            while not self._phone.is_over:
                payload = b64encode(encoder.push(self._phone.speak())).decode()
                frames += 1
                media = {"track": "inbound", "chunk": str(frames), "timestamp": str(frames * 20)}
                await self._message("media", media={**media, "payload": payload})
                heard = await self._play()
                known = None if self._recognizer is None else self._recognizer.hear(heard)
                self._phone.hear(heard, known)
                due = max(due + FRAME_SECONDS, loop.time() - _LATE_SECONDS)
                await asyncio.sleep(due - loop.time())

    async def _play(self) -> bytes:
        """Return the next 20 ms of what came, as PCM16 at 24 kHz; its marks are sent back before."""
        while self._queue:
            one = self._queue.popleft()
            if isinstance(one, str):
                await self._message("mark", mark={"name": one})
                continue
            samples = np.frombuffer(decode_g711(one, PCMU), "<i2")
            return bytes(np.repeat(samples, _EVERY).tobytes())
        return b""

    async def _receive(self) -> None:
        """Process what the app sends, until it closes the WebSocket."""
        assert self._socket is not None
        reason = "lost"
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                await self._read(text)
            reason = "hangup"
        self._phone.ended(reason)

    async def _read(self, text: str | bytes) -> None:
        try:
            message = json.loads(text)
            event = message["event"]
            if message["streamSid"] != self._stream_id:
                raise ValueError("another streamSid")
            if event == "media":
                sound = self._rest + b64decode(message["media"]["payload"], validate=True)
                whole = len(sound) // _FRAME * _FRAME
                self._queue += [sound[at : at + _FRAME] for at in range(0, whole, _FRAME)]
                self._rest = sound[whole:]
            elif event == "mark":
                if self._rest:
                    self._queue.append(self._rest.ljust(_FRAME, b"\xff"))
                    self._rest = b""
                self._queue.append(str(message["mark"]["name"]))
            elif event == "clear":
                marks = [one for one in self._queue if isinstance(one, str)]
                self._queue.clear()
                self._rest = b""
                for name in marks:
                    await self._message("mark", mark={"name": name})
            else:
                raise ValueError(f"the event {event!r}")
        except (ValueError, KeyError, TypeError) as error:
            await self._refuse(error)

    async def _refuse(self, error: Exception) -> None:
        """End the call: the telephone service closes a stream that sends invalid messages."""
        assert self._socket is not None
        self._phone.ended("invalid")
        with contextlib.suppress(ConnectionClosed):
            await self._socket.close(1008, f"invalid message: {type(error).__name__}: {error}"[:100])
