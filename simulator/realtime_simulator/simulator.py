"""`Simulator`: a Realtime API in this process, on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from starlette.types import ASGIApp

from realtime_simulator.assembly import assemble
from realtime_simulator.control.controls import Controls
from realtime_simulator.control.stage import Stage
from realtime_simulator.engine.pacing import Pacing
from realtime_simulator.records import Call, Records, RequestRecord
from realtime_simulator.server import ServerThread
from realtime_simulator.session_record import SessionRecord
from realtime_simulator.settings import LOOPBACK, Settings, check_modes
from realtime_simulator.sip.announcement import SECRET_PREFIX, signing_key

_START_SECONDS = 30.0
_API = "https://api.openai.com/v1"


class Simulator(Stage, Controls):
    """A Realtime API for tests and for building without a key.

    It serves from a thread of its own, so that synchronous and asynchronous code can use it alike:

        with Simulator() as sim:
            client = RealtimeClient(api_key=sim.api_key, base_url=sim.base_url)

    Args:
        host: The address to listen on. Others than loopback let other machines in.
        port: The port; 0 takes a free one.
        api_key: The project key to accept; a random one if None.
        webhook_secret: What webhooks are signed with, `whsec_…`; a random one if None.
        pacing: How fast the model answers; at once unless told otherwise.
        session_seconds: How long a session lasts; 3600 in the API.
        rtc_addresses: The addresses on which calls take audio and data, loopback unless told otherwise.
        rtc_loopback_only: Whether the loopback candidates of an offer are the only ones that are followed.
        espeak: Whether espeak-ng speaks where it is installed; otherwise a synthetic voice does.
        kept: How many requests, sessions and calls are remembered.
        seed: Makes ids repeatable; None for random ones.
        record: A file: everything is passed on to `upstream`, and WebSocket sessions are written there,
            without secrets.
        upstream: The base URL of the API that is recorded, such as `https://api.openai.com/v1`.
        upstream_key: Its key; clients that come with `api_key` are passed on with it, others with their own.
        replay: A file that was recorded: its sessions are played to clients that send what was recorded.

    Raises:
        ValueError: The webhook secret is malformed.
        OSError: The port is taken, on entering.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        api_key: str | None = None,
        webhook_secret: str | None = None,
        pacing: Pacing | None = None,
        session_seconds: float = 3600.0,
        rtc_addresses: Sequence[str] = (LOOPBACK,),
        rtc_loopback_only: bool = True,
        espeak: bool = True,
        kept: int = 256,
        seed: int | None = None,
        record: str | os.PathLike[str] | None = None,
        upstream: str | None = None,
        upstream_key: str | None = None,
        replay: str | os.PathLike[str] | None = None,
    ) -> None:
        if webhook_secret is not None:
            signing_key(webhook_secret)  # what is wrong with it is said now
        settings = Settings(
            host=host,
            port=port,
            api_key=api_key or f"sk-sim-{secrets.token_hex(16)}",
            webhook_secret=webhook_secret or _webhook_secret(),
            pacing=pacing or Pacing(),
            session_seconds=session_seconds,
            rtc_addresses=tuple(rtc_addresses),
            rtc_loopback_only=rtc_loopback_only,
            espeak=espeak,
            kept=kept,
            seed=seed,
            record=record,
            upstream=upstream,
            upstream_key=upstream_key,
            replay=replay,
        )
        check_modes(settings)
        Stage.__init__(self)
        Controls.__init__(self, settings)
        self._records = Records(kept)

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url if self._thread else 'not running'}>"

    # What it is

    @property
    def base_url(self) -> str:
        """The address of the API, up to and with `/v1`.

        Raises:
            RuntimeError: It doesn't run.
        """
        if self._thread is None:
            raise RuntimeError("the simulator is not running; enter it with `with` first")
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http://{host}:{self._thread.port}/v1"

    @property
    def api_key(self) -> str:
        """The project key that it accepts."""
        return self._settings.api_key

    @property
    def webhook_secret(self) -> str:
        """What its webhooks are signed with."""
        return self._settings.webhook_secret

    @property
    def calls(self) -> Sequence[Call]:
        """All calls, oldest first, also those that have ended."""
        return self._records.calls

    @property
    def sessions(self) -> Sequence[SessionRecord]:
        """All sessions, oldest first; a call's session too."""
        return self._records.sessions

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """All HTTP requests, oldest first."""
        return self._records.requests

    @property
    def differences(self) -> Sequence[str]:
        """Where clients didn't send what is being replayed, oldest first."""
        return self._records.differences

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until a condition on the records holds.

        Args:
            condition: Asked again whenever something was recorded.
            timeout: Seconds.

        Raises:
            TimeoutError: It doesn't hold in time.
        """
        if not self._records.wait_for(condition, timeout):
            raise TimeoutError(f"the condition did not hold within {timeout:g} s")

    # Its life

    def __enter__(self) -> Self:
        thread = self._launch()
        try:
            thread.started.result(_START_SECONDS)
        except BaseException:
            self._thread = None
            thread.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all calls and stop; doing it twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
            thread.ended.result()
            thread.join()

    async def __aenter__(self) -> Self:
        thread = self._launch()
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.wrap_future(thread.started)
        except BaseException:
            self._thread = None
            thread.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all calls and stop, without blocking the caller's event loop."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
            await asyncio.wrap_future(thread.ended)
            thread.join()

    def _launch(self) -> ServerThread:
        if self._thread is not None:
            raise RuntimeError("the simulator is running already")
        self._thread = ServerThread(self._settings.host, self._settings.port, self._build)
        self._thread.start()
        return self._thread

    def _build(self) -> tuple[ASGIApp, Callable[[], Awaitable[None]]]:
        """Put the parts together, inside the thread's event loop."""
        assembly = assemble(self._settings, self._records, self._direction, self._faults, self)
        self._parts = assembly.parts

        async def close() -> None:
            self._parts = None
            await assembly.close()

        return assembly.application, close


def _webhook_secret() -> str:
    import base64

    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode("ascii")


@contextlib.contextmanager
def record_session(
    path: str | os.PathLike[str],
    *,
    upstream: str | None = None,
    api_key: str | None = None,
    **options: Any,
) -> Iterator[Simulator]:
    """Pass everything on to an API, and record what goes over WebSockets, in both directions and with its
    timing.

        with record_session("tests/tapes/greeting.jsonl") as sim:
            client = RealtimeClient(sim.api_key, base_url=sim.base_url)

    Keys, client secrets and what else looks like a secret are not in the file.

    Args:
        path: The file, JSON lines; it is written anew.
        upstream: The API's base URL; OPENAI_BASE_URL or the API itself if None.
        api_key: Its key; OPENAI_API_KEY if None.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is what clients connect to.

    Raises:
        OSError: The file can't be written.
        ValueError: The address is no http or https URL.
    """
    address = upstream or os.environ.get("OPENAI_BASE_URL") or _API
    key = api_key or os.environ.get("OPENAI_API_KEY")
    with Simulator(record=path, upstream=address, upstream_key=key, **options) as simulator:
        yield simulator


@contextlib.contextmanager
def replay_session(path: str | os.PathLike[str], **options: Any) -> Iterator[Simulator]:
    """Replay what `record_session` wrote to a client that sends what was recorded.

    Messages are compared by type and content; event and item ids that the client makes up may differ.

    Args:
        path: The file.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is what clients connect to.

    Raises:
        AssertionError: The client sent something else; the message names the first difference.
        OSError: The file can't be read.
        ValueError: It is no recording; the message names the line.
    """
    with Simulator(replay=path, **options) as simulator:
        yield simulator
    if simulator.differences:
        raise AssertionError(simulator.differences[0])
