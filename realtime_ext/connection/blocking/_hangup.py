"""Ending a call, blocking, within a time that no server can draw out.

It must not raise: whoever leaves a call has nothing to do about it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from ...http.sending import HTTP_LOGGERS, Done, Exchange, Http, quiet, silence
from ...http.settings import checked_key
from ...resources.calls import build_hangup
from .._request import ConnectRequest
from ._sockets import shut_down

if TYPE_CHECKING:
    import httpx

__all__ = ["hang_up"]

logger = logging.getLogger("realtime_ext")

HANGUP_TIMEOUT = 5.0  # seconds
_LAST_STEPS = 1.0  # seconds more, for a thread that was just stopped


def hang_up(http: Http, call_id: str) -> None:
    """End a call within 5 s; what fails is logged."""
    request = _HangUp(http, call_id)
    # Looking a name up, asking for a key and the user's own transport take what time they take.
    thread = threading.Thread(target=request.run, name="realtime_ext hangup", daemon=True)
    thread.start()
    try:
        thread.join(HANGUP_TIMEOUT)
    finally:
        if thread.is_alive():
            logger.warning("hanging up %s took longer than %g s", call_id, HANGUP_TIMEOUT)
        request.stop()
        thread.join(_LAST_STEPS)


class _HangUp:
    """The request, with its repeats.

    Each step of an attempt may take the time that is left, and at its end the connection is shut down: a
    server that sends a byte now and then would never run into a limit.
    """

    def __init__(self, http: Http, call_id: str) -> None:
        self._http = http
        self._call_id = call_id
        self._deadline = time.monotonic() + HANGUP_TIMEOUT
        self._limits: dict[str, float] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[Any] = []

    def run(self) -> None:
        """Send it until it is answered or the time is over."""
        import httpx

        own: httpx.Client | None = None
        try:
            if self._http.handed_in is None:
                # Connections that other requests made can't be shut down.
                own = httpx.Client()
            self._send(own or self._http.open())
        except Exception as fault:
            if not self._over.is_set():
                logger.warning("hanging up %s failed: %s", self._call_id, fault)
        finally:
            if own is not None:
                own.close()

    def stop(self) -> None:
        """Break off what is under way."""
        self._over.set()
        with self._lock:
            for sock in self._sockets:
                shut_down(sock)

    def _send(self, client: httpx.Client) -> None:
        import httpx

        silence(HTTP_LOGGERS)
        settings = self._http.settings
        operation = build_hangup(self._call_id, missing_ok=True)
        exchange = Exchange(operation, settings, ConnectRequest.plain_options(), self._http.clock, client)
        while not self._over.is_set():
            key = checked_key(settings.ask_key()) if exchange.needs_key else None
            self._limit()
            extensions = {"timeout": self._limits, "trace": self._trace}
            try:
                with quiet():
                    response = client.request(**exchange.request(key), extensions=extensions)
            except httpx.HTTPError as error:
                outcome: Done[None] | float = exchange.failed(error)
            else:
                outcome = exchange.answered(response)
            if isinstance(outcome, Done):
                return
            self._over.wait(outcome)

    def _limit(self) -> None:
        left = max(0.001, self._deadline - time.monotonic())
        self._limits.update(connect=left, read=left, write=left, pool=left)

    def _trace(self, step: str, about: dict[str, Any]) -> None:
        """Take a step of httpcore's, which reads its limits anew at each, and learn what it connected."""
        self._limit()
        made = about.get("return_value")
        if step.endswith(".complete") and callable(find := getattr(made, "get_extra_info", None)):
            with self._lock:
                self._sockets.append(find("socket"))
                if self._over.is_set():
                    shut_down(self._sockets[-1])
