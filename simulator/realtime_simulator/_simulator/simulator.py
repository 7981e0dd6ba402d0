"""`Simulator`: a Realtime API in this process, on a free loopback port."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from starlette.types import ASGIApp

from realtime_simulator._calls.webhooks import (
    SECRET_PREFIX,
    signing_key,
)
from realtime_simulator._core.clock import read_time
from realtime_simulator._core.profile import ProfileName
from realtime_simulator._engine.turn import AT_ONCE, REAL, PacingLike, chosen_pacing
from realtime_simulator._records.sound import MAX_AUDIO_SECONDS
from realtime_simulator._server.certificate import ensure_certificate
from realtime_simulator._server.thread import ServerThread
from realtime_simulator._sessions.settings import LOOPBACK, Settings, check_modes
from realtime_simulator._simulator.assembly import assemble
from realtime_simulator._simulator.controls import Controls, checked_number

_START_SECONDS = 30.0
_API = "https://api.openai.com/v1"


class Simulator(Controls):
    """A Realtime API for tests and for building without a key.

    It serves from its own thread, for sync and async code:

        with Simulator() as simulator:
            client = RealtimeClient(api_key=simulator.api_key, base_url=simulator.base_url)

    Args:
        host: The address to listen on. Other machines can reach it unless it is loopback.
        port: The port; 0 chooses a free one.
        api_key: The project key to accept; random if None.
        keys: The keys of additional projects, by the projects' names. Each has its own calls, sessions,
            client secrets and request counts, isolated from the others; faults can be limited to one.
        webhook_secret: The secret that signs webhooks, `whsec_…`; random if None.
        pacing: How fast the model answers: about like the service if None (0.3 s until the first output, then
            12 times real time), immediately if `none`, for fast tests.
        session_seconds: How long a session lasts; 3600 in the API.
        rtc_addresses: The addresses on which calls receive audio and data; loopback by default.
        rtc_loopback_only: Whether only the loopback candidates of an offer are used.
        espeak: Whether to speak with espeak-ng if it is installed; otherwise with a synthetic voice.
        kept: How many requests, sessions and calls are kept.
        keep_audio: Whether `received_audio` and `sent_audio` of sessions and calls are kept for tests: True
            for ten minutes of each direction, a number for at most that many seconds; 256 MiB in all.
        seed: Makes ids reproducible; None for random ones.
        clock: A fixed time of day, which only `advance` changes: unix seconds, an aware
            datetime or ISO 8601. With a seed, the same conversation has the same bytes each time. The real
            time if None.
        models: Model names to accept in addition to those of the API description; others are refused.
        profile: `openai`, or a service that differs in some points and accepts any model's name: `azure`
            refuses a wrong key with 401 at the WebSocket's handshake, `xai` reads voice and turn detection in
            the session itself, `beta` uses the names of the API's beta.
        record: A file: everything is forwarded to `upstream`, and recorded there without secrets: WebSocket
            sessions on a tape that can be replayed, or, if the name ends with `.yaml`, sessions and HTTP with
            little of their audio, for `realtime-simulator conform`.
        upstream: The base URL of the API that is recorded, such as `https://api.openai.com/v1`.
        upstream_key: Its key, which replaces `api_key` when a request is forwarded; other keys are forwarded
            unchanged.
        replay: A recorded file: its sessions are replayed to clients that send the recorded messages.
        tls: A PEM file of a certificate and its key, for clients that require TLS; `base_url` then begins
            with `https`. A missing file is created, with a self-signed certificate.

    Raises:
        ValueError: The webhook secret is malformed, a project has no proper name or key, `keep_audio` is out
            of range, `clock` is not a time, or `tls` has no certificate with its key.
        OSError: The file for `tls` can't be read or created; on entering, the port is in use.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        api_key: str | None = None,
        keys: Mapping[str, str] | None = None,
        webhook_secret: str | None = None,
        pacing: PacingLike = None,
        session_seconds: float = 3600.0,
        rtc_addresses: Sequence[str] = (LOOPBACK,),
        rtc_loopback_only: bool = True,
        espeak: bool = True,
        kept: int = 256,
        keep_audio: bool | float = False,
        seed: int | None = None,
        clock: datetime | str | float | None = None,
        models: Sequence[str] = (),
        profile: ProfileName = "openai",
        record: str | os.PathLike[str] | None = None,
        upstream: str | None = None,
        upstream_key: str | None = None,
        replay: str | os.PathLike[str] | None = None,
        tls: str | os.PathLike[str] | None = None,
    ) -> None:
        if webhook_secret is not None:
            signing_key(webhook_secret)  # a malformed one is an error now, not at the first webhook
        random_secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        settings = Settings(
            host=host,
            port=port,
            keys=dict(keys or {}),
            api_key=api_key or f"sk-sim-{secrets.token_hex(16)}",
            webhook_secret=webhook_secret or random_secret,
            pacing=chosen_pacing(pacing, REAL if replay is None else AT_ONCE),
            session_seconds=session_seconds,
            rtc_addresses=tuple(rtc_addresses),
            rtc_loopback_only=rtc_loopback_only,
            espeak=espeak,
            kept=kept,
            keep_audio=_audio_seconds(keep_audio),
            seed=seed,
            clock=None if clock is None else read_time(clock),
            models=tuple(models),
            profile=profile,
            record=record,
            upstream=upstream,
            upstream_key=upstream_key,
            replay=replay,
            tls=tls,
        )
        check_modes(settings)
        if tls is not None:
            ensure_certificate(tls, host)
        super().__init__(settings)

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url if self._thread else 'not running'}>"

    # Start and end

    def __enter__(self) -> Self:
        thread = self._launch()
        try:
            thread.started.result(_START_SECONDS)
        except BaseException:
            self._thread = None
            thread.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all calls and stop; calling it again has no effect."""
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

    async def __aexit__(self, *_: object) -> None:
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
        self._at_start = (self._behavior.copy(), self._settings.pacing)
        settings = self._settings
        self._thread = ServerThread(settings.host, settings.port, self._build, settings.tls)
        self._thread.start()
        return self._thread

    def _build(self) -> tuple[ASGIApp, Callable[[], Awaitable[None]]]:
        """Assemble the parts, inside the thread's event loop."""
        parts = self._parts = assemble(self._settings, self._records, self._behavior, self._faults, self)

        async def close() -> None:
            self._parts = None
            await parts.close()

        return parts.application, close


@contextlib.contextmanager
def record_session(
    path: str | os.PathLike[str],
    *,
    upstream: str | None = None,
    api_key: str | None = None,
    **options: Any,
) -> Iterator[Simulator]:
    """Forward everything to an API, and record its WebSocket sessions, in both directions and with their
    timing.

        with record_session("tests/tapes/greeting.jsonl") as simulator:
            client = RealtimeClient(simulator.api_key, base_url=simulator.base_url)

    The file has no keys, client secrets or other values that look like a secret.

    Args:
        path: The file, JSON lines, or a recording for `realtime-simulator conform` if its name ends with
            `.yaml`; an existing one is replaced.
        upstream: The API's base URL; OPENAI_BASE_URL or the API itself if None.
        api_key: Its key; OPENAI_API_KEY if None.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is the simulator that clients connect to.

    Raises:
        OSError: The file can't be written.
        ValueError: The address is not an http or https URL.
    """
    address = upstream or os.environ.get("OPENAI_BASE_URL") or _API
    key = api_key or os.environ.get("OPENAI_API_KEY")
    with Simulator(record=path, upstream=address, upstream_key=key, **options) as simulator:
        yield simulator


@contextlib.contextmanager
def replay_session(path: str | os.PathLike[str], **options: Any) -> Iterator[Simulator]:
    """Replay a file of `record_session` to a client that sends the recorded messages.

    Messages are compared by type and content; event and item ids that the client creates may differ.

    Args:
        path: The file.
        options: Further arguments of `Simulator`.

    Returns:
        A context manager; its value is the simulator that clients connect to.

    Raises:
        AssertionError: The client sent something else; the message names the first difference.
        OSError: The file can't be read.
        ValueError: It is not a recording; the message names the line.
    """
    with Simulator(replay=path, **options) as simulator:
        yield simulator
    if simulator.differences:
        raise AssertionError(simulator.differences[0])


def _audio_seconds(keep: bool | float) -> float:
    if isinstance(keep, bool):
        return MAX_AUDIO_SECONDS if keep else 0.0
    return checked_number("keep_audio", keep, 0, MAX_AUDIO_SECONDS)
