"""The seam to `realtime_api`: its request builders, and models.

The job: be the only module that touches the generated functions with a leading underscore, and load generated
code on first use alone. It must not send anything, nor change what it is given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from . import _json
from .errors import SessionConfigError, SessionProblem

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeCreateClientSecretResponse,
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
        RealtimeTranslationClientSecretCreateResponse,
    )

__all__ = [
    "accept_call",
    "create_call",
    "create_call_with_secret",
    "create_client_secret",
    "create_session",
    "create_transcription_session",
    "create_translation_client_secret",
    "hangup_call",
    "read_client_secret",
    "read_session",
    "read_transcription_session",
    "read_translation_client_secret",
    "refer_call",
    "reject_call",
]

JSON = dict[str, Any]


def _encoded(kwargs: JSON) -> JSON:
    """Encode a JSON body now, so that what has no JSON form is refused before anything is sent."""
    if "json" in kwargs:
        kwargs["content"] = _json_bytes(kwargs.pop("json"))
        kwargs["headers"] = {**kwargs.get("headers", {}), "Content-Type": "application/json"}
    return kwargs


def _json_bytes(value: Any) -> bytes:
    try:
        return _json.encode(value).encode()
    except ValueError as error:
        message = f"session: cannot be written as JSON: {error}"
        raise SessionConfigError([SessionProblem("session", value, "JSON values", message)]) from error


def _in_one_piece(kwargs: JSON) -> JSON:
    """Encode multipart now: httpx would do it for every attempt, and write each line to the socket by itself.

    Source: RFC 7578 §4; 128 random bits cannot stand in a part (RFC 2046 §5.1.1).
    """
    boundary = os.urandom(16).hex()
    body = []
    for name, (_, content, content_type) in kwargs.pop("files"):
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {content_type}'
        )
        body += [head.encode(), b"\r\n\r\n", content, b"\r\n"]
    kwargs["content"] = b"".join([*body, f"--{boundary}--\r\n".encode()])
    kwargs["headers"] = {**kwargs["headers"], "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return kwargs


def create_call(offer: bytes, session: Mapping[str, Any] | None) -> JSON:
    """Build the multipart request that starts a call."""
    from realtime_api.api.realtime import create_realtime_call
    from realtime_api.models import RealtimeCallCreateRequest

    # Bytes go out as they are, so neither the offer nor the session is written anew.
    part = None if session is None else _json_bytes(session)
    body = RealtimeCallCreateRequest(sdp=cast(Any, offer), session=cast(Any, part))
    return _in_one_piece(create_realtime_call._get_kwargs(body=body))


def create_call_with_secret(offer: bytes) -> JSON:
    """Build the raw SDP request that starts a call on a client secret."""
    from realtime_api.api.realtime import create_realtime_call

    return create_realtime_call._get_kwargs(body=cast(Any, offer))


def accept_call(call_id: str, session: Mapping[str, Any]) -> JSON:
    """Build the request that takes an incoming call."""
    from realtime_api.api.realtime import accept_realtime_call

    return _encoded(accept_realtime_call._get_kwargs(call_id, body=cast(Any, session)))


def reject_call(call_id: str, body: Mapping[str, Any] | None) -> JSON:
    """Build the request that turns an incoming call away."""
    from realtime_api.api.realtime import reject_realtime_call

    return _encoded(reject_realtime_call._get_kwargs(call_id, body=cast(Any, body)))


def refer_call(call_id: str, body: Mapping[str, Any]) -> JSON:
    """Build the request that passes a call on."""
    from realtime_api.api.realtime import refer_realtime_call

    return _encoded(refer_realtime_call._get_kwargs(call_id, body=cast(Any, body)))


def hangup_call(call_id: str) -> JSON:
    """Build the request that ends a call."""
    from realtime_api.api.realtime import hangup_realtime_call

    return hangup_realtime_call._get_kwargs(call_id)


def create_client_secret(body: Mapping[str, Any]) -> JSON:
    """Build the request for a client secret."""
    from realtime_api.api.realtime import create_realtime_client_secret

    return _encoded(create_realtime_client_secret._get_kwargs(body=cast(Any, body)))


def create_translation_client_secret(body: Mapping[str, Any]) -> JSON:
    """Build the request for a client secret of a translation session."""
    from realtime_api.api.realtime import create_realtime_translation_client_secret

    return _encoded(create_realtime_translation_client_secret._get_kwargs(body=cast(Any, body)))


def create_session(body: Mapping[str, Any]) -> JSON:
    """Build the request for a session of the older form."""
    from realtime_api.api.realtime import create_realtime_session

    return _encoded(create_realtime_session._get_kwargs(body=cast(Any, body)))


def create_transcription_session(body: Mapping[str, Any]) -> JSON:
    """Build the request for a transcription session of the older form."""
    from realtime_api.api.realtime import create_realtime_transcription_session

    return _encoded(create_realtime_transcription_session._get_kwargs(body=cast(Any, body)))


def read_client_secret(data: JSON) -> RealtimeCreateClientSecretResponse:
    """Read the answer that holds a client secret; raises what the generated class raises."""
    from realtime_api.models import RealtimeCreateClientSecretResponse

    return RealtimeCreateClientSecretResponse.from_dict(data)


def read_translation_client_secret(data: JSON) -> RealtimeTranslationClientSecretCreateResponse:
    """Read the answer that holds a translation client secret; raises what the generated class raises."""
    from realtime_api.models import RealtimeTranslationClientSecretCreateResponse

    return RealtimeTranslationClientSecretCreateResponse.from_dict(data)


def read_session(data: JSON) -> RealtimeSessionCreateResponse:
    """Read a session of the older form; raises what the generated class raises."""
    from realtime_api.models import RealtimeSessionCreateResponse

    return RealtimeSessionCreateResponse.from_dict(data)


def read_transcription_session(data: JSON) -> RealtimeTranscriptionSessionCreateResponse:
    """Read a transcription session of the older form; raises likewise."""
    from realtime_api.models import RealtimeTranscriptionSessionCreateResponse

    return RealtimeTranscriptionSessionCreateResponse.from_dict(data)
