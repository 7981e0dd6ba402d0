"""What waits between a sync connection's threads and its event loop: received events, and audio to be sent.

Order, back-pressure and the handling of failures are decided here: an event is fetched before it is asked
for, audio is queued up to a limit, and everything else is sent behind the audio before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .._core.arguments import check_seconds
from .._core.time_limit import look
from ..errors import APITimeoutError, ConnectionClosedError
from ._portal import Portal, Sleepers, acquire

if TYPE_CHECKING:
    from ._async_events import AsyncEvents
    from ._io import Deadline

P = ParamSpec("P")
T = TypeVar("T")

AHEAD = 256 * 2**10  # characters of audio events that may be on their way to the loop
_LATE = "nothing was sent within {:g} s: the audio before it is still being sent"


class Inbox:
    """Events on their way from the loop to the reading threads; it must not hold the connection.

    Attributes:
        events: Events and their numbers.
    """

    def __init__(self, inner: AsyncEvents[Any, Any], portal: Portal) -> None:
        self.events: deque[tuple[Any, int]] = deque()
        self._fetch = inner._state.queue.fetch
        self._portal = portal
        self._sleepers = Sleepers()
        portal.wake_on_death(self._sleepers)
        self._is_read = False  # whether a thread has waited for an event
        self._is_fetching = False
        self._is_over = False

    def wait(self, deadline: Deadline) -> tuple[Any, int] | None:
        """Wait for an event, and return it with its number; None if none will come.

        An interrupt or the deadline loses no event: the next reader gets those that come later.

        Raises:
            APITimeoutError: There was none in time.
            RealtimeError: The loop has died, or this is its thread.
        """
        hold = self._portal.hold()
        self._is_read = True
        try:
            while True:
                sleeper = self._sleepers.enter()
                try:
                    with contextlib.suppress(IndexError):
                        return self.events.popleft()
                    if self._is_over:
                        return None
                    if not self._is_fetching:
                        self._portal.post(self._begin)
                    if not acquire(sleeper, deadline.left()):
                        self._portal.run(look)
                        if not self.events and not self._is_over:
                            raise APITimeoutError(f"an event did not arrive within {deadline.seconds:g} s")
                finally:
                    self._sleepers.leave(sleeper)
                self._portal.check()
        finally:
            hold.release()

    def sent(self) -> None:
        """Fetch ahead what answers a sent event, if the events are read; it must be called on the loop."""
        if self._is_read:
            self._begin()

    def _begin(self) -> None:
        if not self._is_fetching:
            self._is_fetching = True
            self._fetch(self.events, self._done)

    def _done(self, are_there: bool) -> None:
        self._is_fetching = False
        self._is_over = not are_there
        self._sleepers.wake()


class Outbox:
    """What threads send, in order: audio is queued, and other events wait for the audio before them."""

    def __init__(self, inner: AsyncEvents[Any, Any], portal: Portal, inbox: Inbox) -> None:
        self._inner = inner
        self._portal = portal
        self._inbox = inbox
        self._lock = threading.Lock()
        self._messages: deque[tuple[str, str]] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._is_sending = False  # whether there is unsent audio

    def append(self, data: Any) -> str:
        """Queue audio, and return its id; wait while the queue is full, or if the connection has ended."""
        self._portal.check()
        messages = list(self._inner._state.client_events.audio(data))
        if self._failure is not None or self._inner.is_closed:
            return self._portal.run(self._before, partial(self._inner._io.send_audio, iter(messages)))
        with self._lock:
            self._messages.extend(messages)
            self._size += sum(len(text) for _, text in messages)
            is_first, self._is_sending = not self._is_sending, True
            is_full = self._size > AHEAD
        if (is_first and not self._portal.post(self._start)) or is_full:
            self._portal.run(self._sent)
        return messages[-1][0]

    def send(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a coroutine function on the loop once the audio before has been sent."""

        async def send() -> T:
            result = await self._before(partial(function, *args, **kwargs))
            self._inbox.sent()
            return result

        return self._portal.run(send)

    def send_within(
        self, timeout: float | None, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any
    ) -> T:
        """Send with a function that has a time limit, which includes waiting for the audio."""
        deadline = self._inner._io.deadline(check_seconds("timeout", timeout))

        async def send() -> T:
            waits = self._is_sending
            await self.sent_within(deadline)
            return await function(*args, timeout=deadline.left() if waits else timeout, **kwargs)

        return self._portal.run(send)

    async def sent_within(self, deadline: Deadline, what: str = "") -> None:
        """Wait until all audio is sent; an error is raised once.

        Raises:
            APITimeoutError: The deadline has passed; `what` begins the message.
        """
        late = what + _LATE
        await within(deadline, self._sent, lambda: APITimeoutError(late.format(deadline.seconds)))

    async def _sent(self) -> None:
        while self._is_sending:
            self._start()  # the callback may still be pending
            assert self._task is not None
            await asyncio.wait([self._task])
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def _before(self, function: Callable[[], Awaitable[T]]) -> T:
        """Wait until all audio is sent, then call a function that sends; an error's `unsent` has both."""
        try:
            await self._sent()
        except ConnectionClosedError as earlier:
            if not self._inner.is_closed:
                raise
            try:
                return await function()
            except ConnectionClosedError as error:
                unsent = (*earlier.unsent, *error.unsent)
                raise type(error)(error.code, error.reason, unsent) from error
        return await function()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send(), name="realtime_ext audio")

    async def _send(self) -> None:
        try:
            await self._inner._io.send_audio(self._rest())
        except Exception as error:
            self._failure = error
            self._is_sending = False
        finally:
            self._task = None

    def _rest(self) -> Iterator[tuple[str, str]]:
        while True:
            with self._lock:
                if not self._messages:
                    self._is_sending = False
                    return
                message = self._messages.popleft()
                self._size -= len(message[1])
            yield message


async def within(
    deadline: Deadline, function: Callable[[], Awaitable[T]], late: Callable[[], Exception]
) -> T:
    """Call a coroutine function; raise what `late` makes if the deadline passes before its end."""
    limit = deadline.limit()
    try:
        async with limit:
            return await function()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise late() from error
