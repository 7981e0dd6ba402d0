"""`connect`, `attach`, `fork`, `answer` and `dial` of `client.live`: arguments in, context managers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from .._core.arguments import QueryValue
from .._core.call import check_session_id
from .._http.operation import Operation
from .._http.sending import AsyncHttp, Http
from . import live_requests
from .connections import AnsweringT, AudioInT, AudioOutT, ConnectingT, DialingT, Opens, given

if TYPE_CHECKING:
    import ssl

    from .._core.argument_types import LiveCallLike
    from .._core.arguments import Timeout
    from .._core.call import LiveCall

    # Some are named in strings alone.
    from ..connection import (  # noqa: F401
        AsyncAudioIn,
        AsyncAudioOut,
        AsyncLiveAnswering,
        AsyncLiveConnecting,
        AsyncLiveDialing,
        AudioIn,
        AudioOut,
        DialStep,
        LiveAnswering,
        LiveConnecting,
        LiveDialing,
        Observers,
        Reconnect,
    )
    from ..session import LiveSessionLike
    from ..tools import Toolbox


class _LiveConnections(Opens[ConnectingT, AnsweringT, DialingT, AudioInT, AudioOutT]):
    """Methods that return connections, as sync or async context managers."""

    def connect(
        self,
        session: LiveSessionLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        idle_audio: bool = True,
        reconnect: Reconnect | Literal["fork", "history"] | None = None,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ConnectingT:
        """Start a session over a WebSocket, and enter when it has started.

        Args:
            session: Its configuration: a builder, a generated model or a dict.
            tools: A toolbox, or functions to create one from: declared to the model that the session
                delegates to, and run from the start.
            idle_audio: Whether to send silence while the program sends no audio: without input audio the
                session's time stops.
            reconnect: `"fork"` continues a session whose link was lost, or that expired, in another one: a
                fork if it is stored and can be forked, otherwise a new one with the conversation so far, as
                much as the API accepts. `"history"` always takes the latter. `Reconnect(replay=…)` also
                chooses the attempts. None: the connection ends.
            observer: As for `client.connect`.
            max_queue_bytes: As for `client.connect`.
            proxy, ssl_context, websocket_options: As for `client.connect`.
            timeout: Seconds for the handshake, and again for the start; None for the client's.
            extra_headers: Additional headers of the handshake; they override all others.
            extra_query: Additional query parameters.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection.

        Raises:
            TypeError, ValueError: An argument can't be used.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError, APIStatusError, APIConnectionError: As with `client.connect`, on entering.

        Example:
            ```python
            with client.live.connect({"model": "gpt-live-1"}) as connection:
                connection.say("Good morning.")
            ```
        """
        options = given(locals(), "session")
        declared, toolbox = _declared(session, tools)
        resolved = live_requests.resolved_live(declared, self._http.settings.validate, "live")
        made: ConnectingT = self._open(
            "LiveConnecting", toolbox, path="/live/sessions", session=resolved, session_id="", **options
        )
        return made

    def fork(
        self,
        session_id: LiveCallLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        idle_audio: bool = True,
        reconnect: Reconnect | Literal["fork", "history"] | None = None,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ConnectingT:
        """Continue a stored session that has ended as a new one; as `connect`.

        Args:
            session_id: The session's call, or its id.
            tools: As for `connect`; they replace those of the session.
            idle_audio, reconnect, observer, max_queue_bytes: As for `connect`.
            proxy, ssl_context, websocket_options: As for `client.connect`.
            timeout, extra_headers, extra_query: As for `connect`.
        """
        options = given(locals(), "session_id")
        session, toolbox = _declared({}, tools, is_update=True)
        made: ConnectingT = self._open(
            "LiveConnecting",
            toolbox,
            path=_path(session_id, "fork"),
            session=session,
            session_id="",
            **options,
        )
        return made

    def attach(
        self,
        session_id: LiveCallLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        reconnect: Reconnect | Literal[False] | None = None,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> ConnectingT:
        """Attach a sideband to a session; it goes on when the block ends. A lost link is replaced.

        Args:
            session_id: The session's call, its id, or the data of its webhook.
            tools: As for `connect`; they replace those of the session.
            reconnect: What to do when the link is lost. None: attach again, with the defaults of
                `Reconnect`. False: nothing.
            observer, max_queue_bytes: As for `connect`.
            proxy, ssl_context, websocket_options: As for `client.connect`.
            timeout, extra_headers, extra_query: As for `connect`.
        """
        options = given(locals(), "session_id")
        update, toolbox = _declared({}, tools, is_update=True)
        made: ConnectingT = self._open(
            "LiveConnecting",
            toolbox,
            **_sideband(session_id),
            update=update or None,
            **options,
        )
        return made

    sideband = attach
    """Another name of `attach`."""

    def answer(
        self,
        session_id: LiveCallLike,
        session: LiveSessionLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        hangup_on_exit: bool = True,
        reconnect: Reconnect | Literal[False] | None = None,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        proxy: str | Literal[True] | None = True,
        ssl_context: ssl.SSLContext | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> AnsweringT:
        """Answer an incoming telephone call: accept it, and enter when a sideband is attached to it.

        Args:
            session_id: The id from the webhook, or the webhook's data.
            session: The session's configuration: a builder, a generated model or a dict.
            tools: As for `connect`.
            hangup_on_exit: Whether the call ends with the block, within 5 s, also when that is cancelled.
            reconnect: As for `attach`.
            observer, max_queue_bytes: As for `connect`.
            proxy, ssl_context, websocket_options: As for `client.connect`.
            timeout, extra_headers, extra_query: As for `connect`.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection. Audio flows
            on the telephone line.

        Raises:
            TypeError, ValueError: An argument can't be used.
            SessionConfigError: The API would refuse the session; nothing was sent.
            NotFoundError: There is no such call, or it has ended. This and the following are raised on
                entering.
            ConflictError: It was already accepted or rejected, by either API.
            MissingApiKeyError, APIStatusError, APIConnectionError: As with `client.connect`.

        Example:
            ```python
            with client.live.answer(event.data, session) as connection:
                connection.say("Good morning, this is the front desk.")
                connection.run()
            ```
        """
        options = given(locals(), "session_id", "session")
        declared, toolbox = _declared(session, tools)
        accept = live_requests.build_accept(session_id, declared, validate=self._http.settings.validate)
        made: AnsweringT = self._open(
            "LiveAnswering",
            toolbox,
            accept=accept,
            hangup=_hangup,
            **_sideband(session_id),
            **options,
        )
        return made

    def dial(
        self,
        session: LiveSessionLike,
        *,
        audio_in: AudioInT | None = None,
        audio_out: AudioOutT | None = None,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        hangup_on_exit: bool = True,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        connect_timeout: float = 20.0,
        host_addresses: Sequence[str] | None = None,
        on_progress: Callable[[DialStep], object] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> DialingT:
        """Start a session over WebRTC, with audio both ways (extra `webrtc`), and enter when it is connected.

        Args:
            session: The session's configuration: a builder, a generated model or a dict.
            audio_in, audio_out: As for `client.dial`. Silence is sent where there is no sound.
            tools: As for `connect`.
            hangup_on_exit: Whether the session ends with the block, within 5 s, also when that is cancelled.
            observer, max_queue_bytes: As for `connect`.
            connect_timeout, host_addresses, on_progress: As for `client.dial`.
            timeout: Seconds for the request that starts the session; None for the client's.
            extra_headers: Additional headers of that request.
            extra_query: Additional query parameters of that request.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection.
            `connection.call` is the call; `send_audio` is refused, since audio flows on the track.

        Raises:
            TypeError, ValueError: An argument can't be used; nothing was sent. On entering, before the
                session is started: `audio_in` is not a WAV file, or `host_addresses` are not this machine's.
            SessionConfigError: The API would refuse the session; nothing was sent.
            ImportError: The extra `webrtc` isn't installed. This and the following are raised on entering.
            OSError: A file can't be read or written; no session was started.
            MissingApiKeyError, APIStatusError, APIResponseError: As with `calls.create`.
            APIConnectionError: It did not connect; the message says which of ICE, DTLS and the data channel
                didn't.

        Example:
            ```python
            with client.live.dial(session, audio_in="question.wav", audio_out="reply.wav") as connection:
                connection.wait_for("session.output_transcript.delta")
            ```
        """
        options = given(locals(), "session")
        declared, toolbox = _declared(session, tools)
        body: Any = live_requests.resolved_live(declared, self._http.settings.validate)

        def create(offer: str) -> Operation[LiveCall]:
            return live_requests.build_create(offer, body, validate=False)

        made: DialingT = self._open(
            "LiveDialing", toolbox, create=create, hangup=_hangup, session=body, **options
        )
        return made


class LiveConnections(
    _LiveConnections["LiveConnecting", "LiveAnswering", "LiveDialing", "AudioIn", "AudioOut"]
):
    """What makes connections of the sync client."""

    _http: Http


class AsyncLiveConnections(
    _LiveConnections[
        "AsyncLiveConnecting", "AsyncLiveAnswering", "AsyncLiveDialing", "AsyncAudioIn", "AsyncAudioOut"
    ]
):
    """What makes connections of the async client."""

    _http: AsyncHttp
    _prefix = "Async"


def _path(session_id: LiveCallLike, what: str) -> str:
    return f"/live/sessions/{quote(check_session_id(session_id), safe='')}/{what}"


def _sideband(session_id: LiveCallLike) -> dict[str, Any]:
    return {
        "path": _path(session_id, "attach"),
        "session": None,
        "session_id": check_session_id(session_id),
        "idle_audio": False,
    }


def _hangup(session_id: str) -> Operation[None]:
    return live_requests.build_hangup(session_id, not_found_ok=True)


def _declared(
    session: Any, tools: Toolbox | Iterable[Callable[..., Any]] | None, *, is_update: bool = False
) -> tuple[Any, Toolbox | None]:
    """Return a session whose backend has these tools, and the toolbox that runs them."""
    if tools is None:
        return session, None
    from ..session import with_backend_tools
    from ..tools import Toolbox

    toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    return with_backend_tools(session, toolbox, is_update=is_update), toolbox
