"""`client.connect`, `client.answer` and `client.dial` of both clients.

The job: check the arguments and return the context manager that opens the connection. It must not open one,
and loads `connection` on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from .._core.arguments import QueryValue
from .._core.secrets import hidden
from .._http.sending import AsyncHttp, Clock, Http
from . import calls

if TYPE_CHECKING:
    import ssl

    from .._core.argument_types import CallLike
    from .._core.arguments import Timeout
    from .._core.call import Call
    from .._http.operation import Operation
    from ..connection import (  # noqa: F401  (named in strings)
        Answering,
        AsyncAnswering,
        AsyncAudioIn,
        AsyncAudioOut,
        AsyncConnecting,
        AsyncDialing,
        AudioIn,
        AudioOut,
        Connecting,
        Dialing,
        DialStep,
        Observers,
        Reconnect,
    )
    from ..session import ConversationLike, SessionChanges, SessionLike
    from ..tools import Toolbox
    from .client_secrets import ClientSecret

ConnectingT = TypeVar("ConnectingT")
AnsweringT = TypeVar("AnsweringT")
DialingT = TypeVar("DialingT")
AudioInT = TypeVar("AudioInT")
AudioOutT = TypeVar("AudioOutT")


class Opens(Generic[ConnectingT, AnsweringT, DialingT, AudioInT, AudioOutT]):
    """Methods that return sync or async context managers."""

    _http: Http | AsyncHttp
    _prefix = ""

    def _open(self, name: str, toolbox: Toolbox | None, **arguments: Any) -> Any:
        """Return the context manager that opens a connection for this client."""
        from .. import connection

        return getattr(connection, self._prefix + name)(self._http, toolbox, **arguments)


def use_clock(client: Opens[Any, Any, Any, Any, Any], clock: Clock) -> None:
    """Replace the clock of a client in a test."""
    client._http.clock = clock


def given(arguments: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """Return the arguments of a method, its `locals()`, without some of them."""
    return {name: value for name, value in arguments.items() if name not in ("self", "tools", *but)}


class _Connections(Opens[ConnectingT, AnsweringT, DialingT, AudioInT, AudioOutT]):
    """`connect`, `answer` and `dial`, which return sync or async context managers."""

    def connect(
        self,
        model: str | SessionLike | None = None,
        *,
        session: SessionLike | SessionChanges | None = None,
        call_id: CallLike | None = None,
        intent: Literal["transcription"] | None = None,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        safety_identifier: str | None = None,
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
        """Open a session, or attach to a call's, over a WebSocket.

        Pass exactly one of model (or a session that has one), `call_id` and `intent`. A session is sent and
        confirmed before the block starts. A `TranscriptionSessionBuilder` or `TranslationSessionBuilder`
        alone goes where such sessions are served.

        Args:
            model: The model of a new session, or that session: as `session`.
            session: Its configuration, or, with `call_id`, an update: a builder, a generated model or a dict.
            call_id: A call to attach to: its id, a `Call`, or a webhook's data; it is not hung up when the
                block ends.
            intent: `transcription`, for a session that transcribes alone.
            tools: A toolbox, or functions to create one from: declared in the session and run from the start.
                A call's own tools, with `call_id`, are replaced by them.
            safety_identifier: A stable, hashed id of the end user.
            reconnect: What to do when the link is lost. None: a sideband reconnects, a model's session
                doesn't. False: nothing.
            observer: A function, or a list of several, called with `"in"` or `"out"`, the event and
                monotonic nanoseconds, for every event, on the event loop; it must neither block nor send.
            max_queue_bytes: How much may wait for the application before the connection ends; None for 64
                MiB. From 1 MiB on, it bounds the memory that events take, which for small ones is more than
                their length.
            proxy: True for the environment's, None for none, or a URL; needs websockets 15 or newer.
            ssl_context: For `wss`; None for the default.
            websocket_options: Further arguments of the websockets library's `connect`, such as
                `ping_interval`, `ping_timeout`, `max_size` (64 MiB), `compression` (None). Its `max_queue`
                has no effect: what waits is bounded by `max_queue_bytes`.
            timeout: Seconds for the handshake, and again for the session's confirmation; None for the
                client's.
            extra_headers: Additional headers of the handshake; they override all others.
            extra_query: Additional query parameters.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection.

        Raises:
            TypeError, ValueError: An argument can't be used, or they contradict each other.
            SessionConfigError: The API would refuse the session; nothing was sent.
            MissingApiKeyError: The client has no key. This and the following are raised on entering.
            APIStatusError: The API refused; `NotFoundError` for a call that does not exist.
            APIConnectionError: There is no connection; `APITimeoutError` if it took too long.
            ConnectionClosedError: The API closed it before the session was confirmed.

        Example:
            ```python
            with client.connect(model="gpt-realtime-2.1") as connection:
                turn = connection.ask("Say hello.")
            ```
        """
        options = given(locals())
        if isinstance(model, Mapping) or callable(getattr(model, "to_dict", None)):
            if session is not None:
                raise ValueError("connect: the first argument is a session already; leave out session=")
            options |= {"model": None, "session": model}
        options["session"], toolbox = _declared(options["session"], tools)
        made: ConnectingT = self._open("Connecting", toolbox, hangup=_hangup, **options)
        return made

    def answer(
        self,
        call_id: CallLike,
        session: ConversationLike,
        *,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        hangup_on_exit: bool = True,
        safety_identifier: str | None = None,
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
        """Answer an incoming SIP call: accept it, attach to it, and enter when its session is confirmed.

        Args:
            call_id: The id from the webhook, or the webhook's data.
            session: The conversation's configuration: a builder, a generated model or a dict.
            tools: As for `connect`.
            hangup_on_exit: Whether the call ends with the block, within 5 s, also when that is cancelled.
            safety_identifier, reconnect, observer, max_queue_bytes: As for `connect`.
            proxy, ssl_context, websocket_options: As for `connect`.
            timeout, extra_headers, extra_query: As for `connect`.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection.

        Raises:
            TypeError, ValueError: An argument can't be used.
            SessionConfigError: The API would refuse the session; nothing was sent.
            NotFoundError: There is no such call, or it has ended. This and the following are raised on
                entering.
            MissingApiKeyError, APIStatusError, APIConnectionError, ConnectionClosedError: As with `connect`.
        """
        options = given(locals(), "session")
        session, toolbox = _declared(session, tools)
        accept = calls.build_accept(call_id, session, validate=self._http.settings.validate)
        made: AnsweringT = self._open("Answering", toolbox, accept=accept, hangup=_hangup, **options)
        return made

    def dial(
        self,
        session: ConversationLike | None = None,
        *,
        audio_in: AudioInT | None = None,
        audio_out: AudioOutT | None = None,
        client_secret: str | ClientSecret[Any] | None = None,
        tools: Toolbox | Iterable[Callable[..., Any]] | None = None,
        hangup_on_exit: bool = True,
        safety_identifier: str | None = None,
        observer: Observers = None,
        max_queue_bytes: int | None = None,
        connect_timeout: float = 20.0,
        host_addresses: Sequence[str] | None = None,
        on_progress: Callable[[DialStep], object] | None = None,
        timeout: Timeout | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, QueryValue] | None = None,
    ) -> DialingT:
        """Make a WebRTC call with audio in both directions (extra `webrtc`), and enter when it is connected.

        Args:
            session: The conversation's configuration: a builder, a generated model or a dict; None for the
                API's defaults, or for the client secret's session.
            audio_in: The audio to send: path of a WAV file, or an iterator of PCM16 24 kHz mono in pieces of
                any length: an async one for the async client; the sync client's may block, since it runs in
                worker threads. None: silence. An exception of it ends the connection, and is the cause.
            audio_out: The destination of received audio: path of a WAV file to write, or a function called
                with PCM16 24 kHz mono, 20 ms at a time: an async one, or one that may block. None: it is
                dropped. An exception of it ends the connection, and is the cause.
            client_secret: An `ek_…` value to make the call with, as a browser does; None for the API key.
            tools: As for `connect`; not with a client secret, which already has its session.
            hangup_on_exit: Whether the call ends with the block, within 5 s, also when that is cancelled.
            safety_identifier: A stable, hashed id of the end user; a client secret has its own.
            observer: As for `connect`.
            max_queue_bytes: As for `connect`.
            connect_timeout: Seconds from the answer to an open data channel.
            host_addresses: IP addresses of this machine at which it can be reached; None for all.
            on_progress: Called with `offer`, `call`, `ice`, `dtls` and `data channel`, each once it is done,
                on the event loop; it must not block. Its exceptions are logged.
            timeout: Seconds for the request that makes the call; None for the client's.
            extra_headers: Additional headers of that request.
            extra_query: Additional query parameters of that request.

        Returns:
            A context manager (`async with` for the async client) whose value is the connection.
            `connection.call` is the call; `append_audio` is refused, since audio flows on the track.

        Raises:
            TypeError, ValueError: An argument can't be used; nothing was sent. On entering, before the call
                is made: `audio_in` is not a WAV file, or `host_addresses` are not this machine's.
            SessionConfigError: The API would refuse the session; nothing was sent.
            ImportError: The extra `webrtc` isn't installed. This and the following are raised on entering.
            OSError: A file can't be read or written; no call was made.
            MissingApiKeyError, APIStatusError, APIResponseError: As with `calls.create`.
            APIConnectionError: It did not connect; the message says which of ICE, DTLS and the data channel
                didn't.

        Example:
            ```python
            with client.dial(session, audio_in="question.wav", audio_out="reply.wav") as connection:
                connection.wait_for("output_audio_buffer.stopped")
            ```
        """
        from ..session import resolve

        client_secret = hidden(client_secret)  # a traceback may show locals
        options = given(locals(), "session", "client_secret", "resolve")
        if client_secret is not None and session is not None:
            raise ValueError("dial: a client secret already has its session; pass one of the two")
        if client_secret is not None and safety_identifier is not None:
            raise ValueError("dial: safety_identifier belongs to client_secrets.create, not to its use")
        if client_secret is not None and tools is not None:
            raise ValueError("dial: declare the tools in the client secret's session, and use run_tools")
        if client_secret is not None:
            calls.check_client_secret(client_secret)
        session, toolbox = _declared(session, tools)
        validate = self._http.settings.validate
        body = None if session is None else resolve(session, validate=validate, kinds=("realtime",))

        def create(offer: str) -> Operation[Call]:
            if client_secret is not None:
                return calls.build_create_with_secret(offer, client_secret)
            return calls.build_create(offer, cast("ConversationLike | None", body), validate=False)

        made: DialingT = self._open(
            "Dialing", toolbox, create=create, hangup=_hangup, session=body, **options
        )
        return made


class Connections(_Connections["Connecting", "Answering", "Dialing", "AudioIn", "AudioOut"]):
    """`connect`, `answer` and `dial` of the sync client."""

    _http: Http


class AsyncConnections(
    _Connections["AsyncConnecting", "AsyncAnswering", "AsyncDialing", "AsyncAudioIn", "AsyncAudioOut"]
):
    """`connect`, `answer` and `dial` of the async client."""

    _http: AsyncHttp
    _prefix = "Async"


def _hangup(call_id: str) -> Operation[None]:
    return calls.build_hangup(call_id, not_found_ok=True)


def _declared(
    session: Any, tools: Toolbox | Iterable[Callable[..., Any]] | None
) -> tuple[Any, Toolbox | None]:
    """Return a session that has these tools, and the toolbox that runs them."""
    if tools is None:
        return session, None
    from ..session import with_tools
    from ..tools import Toolbox

    toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    return with_tools(session, toolbox), toolbox
