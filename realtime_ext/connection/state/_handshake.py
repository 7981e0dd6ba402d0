"""The attempts at opening a link: what failures mean, and when it is tried again.

It must not open anything or sleep.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from ...errors import APIConnectionError, APIStatusError, APITimeoutError, NotFoundError
from ...http.operation import status_error
from ...http.retry import Failure, Outcome, decide, parse_retry_after
from ...secrets import mask

__all__ = ["Handshake"]

logger = logging.getLogger("realtime_ext")

# A call is often not ready some 100 ms after it was made or accepted; together these are 4.5 s.
_NOT_READY = (0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT})
_CAUSES = (
    "there is no such call to attach to: it isn't ready yet, has ended, belongs to another project, or was "
    "made with a client secret"
)


class Handshake:
    """One opening, with its repeats.

    Args:
        uri: Where it goes; only its host is ever shown.
        proxy: The proxy's host and port, where there is one, without its password.
        is_sideband: Whether a 404 may mean that a call is not ready yet.
        waits_for_call: Whether to wait for that.
        max_retries: Repeats where nothing was done: no connection, 429, 503.
        now: Returns unix seconds, for a Retry-After that is a date.
        random: Returns numbers in [0, 1).
    """

    def __init__(
        self,
        uri: str,
        *,
        proxy: str | None = None,
        is_sideband: bool,
        waits_for_call: bool,
        max_retries: int,
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._host = urlsplit(uri).netloc
        self._proxy = proxy
        self._is_sideband = is_sideband
        self._waits = list(_NOT_READY) if is_sideband and waits_for_call else []
        self._max_retries = max_retries
        self._repeats = 0
        self._now = now
        self._random = random

    def refused(
        self, status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]
    ) -> float | APIStatusError:
        """Take a refusal.

        Args:
            status: The HTTP status that stood in place of 101.
            headers: The answer's headers.
            body: The answer's body.
            secrets: What was sent as authorization.

        Returns:
            Seconds until the next attempt, or the error to raise.
        """
        if status == 404 and self._waits:
            return self._waits.pop(0)
        retry_after = parse_retry_after(headers.get("retry-after"), self._now)
        pause = self._decide(Failure(Outcome.ANSWERED, status, retry_after), f"status {status}")
        if pause is not None:
            return pause
        error = status_error(status, headers, body, now=self._now, secrets=secrets)
        if isinstance(error, NotFoundError) and self._is_sideband:
            error.message = f"{_CAUSES} ({error.message})"
            error.args = (error.message,)
        return error

    def failed(self, fault: BaseException, secrets: Iterable[str]) -> float | APIConnectionError:
        """Take a failure without an answer: seconds until the next attempt, or the error to raise."""
        text = mask(str(fault), secrets) or type(fault).__name__
        pause = self._decide(Failure(Outcome.NOT_CONNECTED), text)
        if pause is not None:
            return pause
        if self._proxy is not None and _is_of_proxy(fault):
            return APIConnectionError(f"proxy: no connection through the proxy {self._proxy}: {text}")
        return APIConnectionError(f"connect: no connection to {self._host}{self._through}: {text}")

    def timed_out(self, seconds: float | None) -> APITimeoutError:
        """Give the error for an opening that took too long."""
        return APITimeoutError(f"connect: {self._host} did not let us in{self._through} within {seconds:g} s")

    @property
    def _through(self) -> str:
        return "" if self._proxy is None else f" through the proxy {self._proxy}"

    def _decide(self, failure: Failure, text: str) -> float | None:
        pause = decide(
            failure,
            acts_twice=True,
            repeats=self._repeats,
            max_retries=self._max_retries,
            random=self._random,
        )
        if pause is not None:
            self._repeats += 1
            logger.info("connect: %s; repeat %d of %d", text, self._repeats, self._max_retries)
        return pause


def _is_of_proxy(fault: BaseException) -> bool:
    """Whether a failure behind a proxy is the proxy's: nobody else is connected to, nor looked up."""
    is_of_address = isinstance(fault, ConnectionRefusedError | socket.gaierror)
    is_of_network = isinstance(fault, OSError) and fault.errno in _UNREACHABLE
    return is_of_address or is_of_network or any(cls.__name__ == "ProxyError" for cls in type(fault).__mro__)
