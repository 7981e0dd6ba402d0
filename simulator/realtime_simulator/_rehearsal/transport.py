"""How a caller reaches an app: the interface of a transport, and the telephone, which the simulator has."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal, NoReturn, Protocol

import httpx

from realtime_simulator._records.session import SessionLog, SessionRecord
from realtime_simulator._records.store import Call
from realtime_simulator._rehearsal.phone import ScriptedPhone
from realtime_simulator._simulator.simulator import Simulator

Over = Literal["phone", "webrtc", "media-stream"]
_NOT_A_PHONE = "only a caller over WebRTC has a network"
HTTP_SECONDS = 10.0


class NotAnsweredError(Exception):
    """The app did not answer a call as its transport needs it; the message is a clause."""


class Transport(Protocol):
    """What carries a caller's call; the calls of its methods come from one event loop."""

    @property
    def call(self) -> Call | None:
        """The simulator's record of the call; None if there is none."""
        ...

    async def dial(self) -> None:
        """Call the app; the phone tells when it has answered.

        Raises:
            NotAnsweredError: It can't answer.
        """
        ...

    async def press(self, keys: str) -> None:
        """Press keys.

        Raises:
            LookupError: The call has ended.
            ValueError: It has no keys.
        """
        ...

    def lose(self, seconds: float) -> None:
        """Lose everything that is sent in both directions, for a while.

        Raises:
            ValueError: It has no network of its own.
        """
        ...

    async def hang_up(self) -> None:
        """Hang up, if the call goes on."""
        ...

    async def close(self) -> None:
        """Release what it has, once the call is over."""
        ...


class PhoneTransport:
    """A telephone call, announced by a SIP webhook.

    Args:
        simulator: The simulator, which has the line.
        ring: Makes the call.
    """

    def __init__(self, simulator: Simulator, ring: Callable[[], Call]) -> None:
        self._simulator = simulator
        self._ring = ring
        self.call: Call | None = None

    async def dial(self) -> None:
        self.call = await asyncio.to_thread(self._ring)

    async def press(self, keys: str) -> None:
        assert self.call is not None
        await asyncio.to_thread(self._simulator.press, self.call.id, keys)

    def lose(self, seconds: float) -> NoReturn:
        raise ValueError(_NOT_A_PHONE)

    async def hang_up(self) -> None:
        assert self.call is not None
        with contextlib.suppress(LookupError):  # it has just ended
            await asyncio.to_thread(self._simulator.hang_up, self.call.id)

    async def close(self) -> None:
        pass


class NextSession:
    """Tells callers on media streams which session an app has begun for them.

    Such a session does not name its caller. So callers are connected one after the other: the next session
    over a WebSocket is the caller's. One that begins while none is expected replaces a session that was lost.
    """

    def __init__(self) -> None:
        self._expected: Future[SessionLog] | None = None
        self._known: list[tuple[ScriptedPhone, SessionLog, Callable[[SessionLog], None]]] = []
        self._lock: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begun(self, record: SessionRecord) -> None:
        """Process that a session has begun, in the simulator's thread."""
        log = SessionLog.of(record)
        if log.transport == "sip":
            return
        log.speech = deque()
        if log.transport != "websocket":
            return
        expected, self._expected = self._expected, None
        if expected is not None:
            expected.set_result(log)
            return
        for place, (phone, old, replace) in enumerate(self._known):
            if old.ended is not None and not phone.is_over:
                self._known[place] = phone, log, replace
                replace(log)
                return

    @contextlib.asynccontextmanager
    async def expected(self) -> Any:
        """Yield a future of the next session's log; callers enter one after the other."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        async with self._lock:
            self._expected = future = Future[SessionLog]()
            try:
                yield asyncio.wrap_future(future)
            finally:
                self._expected = None

    def follow(self, phone: ScriptedPhone, log: SessionLog, replace: Callable[[SessionLog], None]) -> None:
        """Call a function with the log of a session that replaces a caller's."""
        self._known = [one for one in self._known if not one[0].is_over]
        self._known.append((phone, log, replace))


async def post(url: str, **content: Any) -> httpx.Response:
    """Send a request to the app under test.

    Raises:
        NotAnsweredError: It does not answer, or with an error.
    """
    try:
        async with httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False) as http:
            response = await http.post(url, **content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAnsweredError(f"{url} can't be reached: {error or type(error).__name__}") from error
    return response
