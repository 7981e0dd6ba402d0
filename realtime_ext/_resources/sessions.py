"""Sessions of the older form: made ahead of a connection, with the client secret inside.

The functions build requests, without I/O; the classes send them. `client_secrets` is the newer
way to the same end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._http.operation import Operation, encode_body, read_model

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
    )

    from ..session import OlderConversationLike, OlderTranscriptionLike


def build_create(
    session: OlderConversationLike, *, validate: bool = True
) -> Operation[RealtimeSessionCreateResponse]:
    """Build the request for a conversation session.

    Returns:
        The operation; it is idempotent. The result's client secret, if there is one, is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create
    """
    from realtime_api.api.realtime import create_realtime_session
    from realtime_api.models import RealtimeSessionCreateResponse

    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("realtime", "realtime_older"))
    return Operation(
        name="sessions.create",
        request=create_realtime_session.build_request(body=encode_body(body)),
        read=lambda response: read_model(response, RealtimeSessionCreateResponse.from_dict),
        idempotent=True,
    )


def build_create_transcription(
    session: OlderTranscriptionLike, *, validate: bool = True
) -> Operation[RealtimeTranscriptionSessionCreateResponse]:
    """Build the request for a transcription session.

    Returns:
        The operation; it is idempotent. The result's client secret is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-transcription
    """
    from realtime_api.api.realtime import create_realtime_transcription_session
    from realtime_api.models import RealtimeTranscriptionSessionCreateResponse

    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("transcription", "transcription_older"))
    return Operation(
        name="transcription_sessions.create",
        request=create_realtime_transcription_session.build_request(body=encode_body(body)),
        read=lambda response: read_model(response, RealtimeTranscriptionSessionCreateResponse.from_dict),
        idempotent=True,
    )
