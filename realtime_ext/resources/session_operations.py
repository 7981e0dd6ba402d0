"""Sessions of the older form: made ahead of a connection, with the client secret inside.

The job: build the two requests that make them. `client_secrets` is the newer way to the same end. It must not
send anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _wire
from ..http.operation import Operation, read_model, read_object

if TYPE_CHECKING:
    from realtime_api.models import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
    )

    from ..session import SessionLike

__all__ = ["build_create", "build_create_transcription"]


def build_create(session: SessionLike, *, validate: bool = True) -> Operation[RealtimeSessionCreateResponse]:
    """Build the request for a conversation session.

    Args:
        session: Its configuration, in the present form (with `type`) or in the older one, which this
            operation alone takes.
        validate: Whether to check the session.

    Returns:
        The operation; it is repeated freely. The result's client secret, if there is one, is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create
    """
    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("realtime", "realtime_older"))
    return Operation(
        name="sessions.create",
        request=_wire.create_session(body),
        read=lambda response: read_model(response, read_object(response), _wire.read_session),
        acts_twice=False,
    )


def build_create_transcription(
    session: SessionLike, *, validate: bool = True
) -> Operation[RealtimeTranscriptionSessionCreateResponse]:
    """Build the request for a transcription session.

    Args:
        session: Its configuration, in the present form (with `type`) or in the older one, which this
            operation alone takes.
        validate: Whether to check the session.

    Returns:
        The operation; it is repeated freely. The result's client secret is masked in reprs.

    Raises:
        SessionConfigError: The API would refuse the session.
        TypeError: The session is none.

    Source: https://platform.openai.com/docs/api-reference/realtime-sessions/create-transcription
    """
    from ..session import resolve

    body = resolve(session, validate=validate, kinds=("transcription", "transcription_older"))
    return Operation(
        name="transcription_sessions.create",
        request=_wire.create_transcription_session(body),
        read=lambda response: read_model(response, read_object(response), _wire.read_transcription_session),
        acts_twice=False,
    )
