"""An answer's body, read within bounds: what a server sends, or what it unpacks to, can't fill the memory."""

from __future__ import annotations

import httpx

__all__ = ["CHUNK", "LIMIT", "Body", "too_slow"]

LIMIT = 16 * 2**20  # bytes of an answer, unpacked
CHUNK = 2**12  # bytes that are unpacked at once; gzip makes a thousand times as many of them at most
_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")


class Body:
    """Collects an answer's body, unpacked, chunk by chunk.

    Args:
        response: The answer, whose body wasn't read yet.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._encoding = response.headers.get("content-encoding", "")
        self._raw: list[bytes] = []
        self._size = 0
        if "," in self._encoding:
            raise _refused("it is packed more than once", response.request)

    def add(self, chunk: bytes) -> None:
        """Add what came over the wire.

        Raises:
            httpx.RemoteProtocolError: It is more than 16 MiB by now.
        """
        self._raw.append(chunk)
        self._size += len(chunk)
        if self._size > LIMIT:
            raise _too_long(self._response.request)

    def response(self) -> httpx.Response:
        """Return the answer with its body.

        Raises:
            httpx.RemoteProtocolError: It is more than 16 MiB, unpacked.
            httpx.DecodingError: It can't be unpacked.
        """
        response = self._response
        content = b"".join(self._unpacked() if self._encoding else self._raw)
        # As bytes, which need be no ASCII.
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _PACKING]
        return httpx.Response(
            response.status_code, headers=headers, content=content, request=response.request
        )

    def _unpacked(self) -> list[bytes]:
        # httpx knows how; it is handed little at a time.
        response = self._response
        packed = httpx.Response(
            response.status_code,
            headers={"content-encoding": self._encoding},
            content=iter(self._raw),
            request=response.request,
        )
        parts, size = [], 0
        for part in packed.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > LIMIT:
                raise _too_long(response.request)
        return parts


def too_slow(limit: float, request: httpx.Request) -> httpx.ReadTimeout:
    """Return the error for an answer that wasn't complete in time."""
    return httpx.ReadTimeout(f"the answer was not complete within {limit:g} s", request=request)


def _too_long(request: httpx.Request) -> httpx.RemoteProtocolError:
    return _refused(f"it has more than {LIMIT // 2**20} MiB", request)


def _refused(what: str, request: httpx.Request) -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"the answer is refused: {what}", request=request)
