"""A WebRTC peer in Python (extra ``webrtc``): offer, answer, audio both ways, a data channel for events.

It carries text messages and audio, and knows nothing of HTTP or of the messages' meaning: `_dialing` makes
the call. The code that uses internals of aiortc and aioice is at the end; it changes single connections and
nothing global, because the application's own peers share the libraries.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from .._core.extras import install
from .._core.time_limit import TimeLimit

try:
    from aiortc import (
        MediaStreamTrack,
        RTCBundlePolicy,
        RTCConfiguration,
        RTCIceTransport,
        RTCPeerConnection,
        RTCRtpSender,
        RTCSessionDescription,
    )
    from aiortc.exceptions import InvalidStateError
except ImportError as _missing:
    raise ImportError(
        f"WebRTC in Python needs the extra 'webrtc': {install('webrtc')}", name=_missing.name
    ) from _missing

from .._core.network import is_loopback
from ..errors import APIConnectionError, APITimeoutError, ConnectionClosedError, RealtimeError, SdpError
from ._call_media import AsyncAudioIn, AsyncAudioOut, check_host_addresses, check_media, report
from ._webrtc_audio import (
    BYTES_PER_MS,
    IncomingAudio,
    OutgoingAudio,
    open_sink,
    open_source,
)
from ._webrtc_packets import internal, receive_packets, send_packets

Progress: TypeAlias = Literal["ice", "dtls", "data channel"]

logger: logging.Logger = logging.getLogger("realtime_ext.webrtc")

DATA_CHANNEL = "oai-events"
NORMAL, LOST, BROKEN = 1000, 1006, 1011  # RFC 6455 §7.4.1; a data channel has no codes of its own
CLOSE_TIMEOUT_S = 5.0
SEND_AHEAD_BYTES = 1 << 20
LOOPBACK = "127.0.0.1"
LONGEST_SRTP = 1500  # bytes: the buffer of pylibsrtp, and what a network passes in one piece
# Before Python 3.12 `asyncio.wait_for`, where a handshake waits, loses a cancellation that meets an arrival.
AGAIN_S = 0.05
# Internals of aiortc (1.16) that are used where they exist; without them its documented interface is.
AGENT, RECEIVE, CONNECT = "_connection", "_recv", "_RTCPeerConnection__connect"
HANDLE_RTP, HANDLE_RTCP, HANDLE_SCTP = "_handle_rtp_data", "_handle_rtcp_data", "_handle_data"


class WebRtcPeer:
    """The caller's side of a WebRTC call, for one call and one event loop.

    `create_offer`, then `connect` with the answer; after that it is a text transport: `send`, and iterate
    over what the other side sends, which ends when the call does. Then `close_code` and `close_reason` say
    why.

    Args:
        audio_in: The audio to send: the path of a WAV file, or an async iterator of PCM16 24 kHz mono in
            pieces of any length. It starts when the data channel is open, and silence follows it. None:
            silence.
        audio_out: The sink of received audio: the path of a WAV file to write, or an async callable that is
            called with PCM16 24 kHz mono, 20 ms at a time. None: discard it.
        connect_timeout: Seconds from the answer to an open data channel.
        host_addresses: IP addresses of this machine to be reached at. None: all that it has, and 127.0.0.1 if
            it has no other. A server on this machine may need `host_addresses_towards` its URL.
        on_progress: Called when ICE, DTLS and the data channel have connected; its exceptions are logged.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that can't work.

    Example:
        >>> async with WebRtcPeer(audio_in="question.wav", audio_out="reply.wav") as peer:
        ...     call = await client.calls.create(await peer.create_offer())
        ...     await peer.connect(call.sdp_answer)
        ...     async for text in peer: ...
    """

    def __init__(
        self,
        *,
        audio_in: AsyncAudioIn | None = None,
        audio_out: AsyncAudioOut | None = None,
        connect_timeout: float = 20.0,
        host_addresses: Sequence[str] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        check_media(audio_in, audio_out, connect_timeout, on_progress)
        self._audio_in = audio_in
        self._audio_out = audio_out
        self._connect_timeout = connect_timeout
        self._host_addresses = check_host_addresses(host_addresses)
        self._on_progress = on_progress
        self._pc: RTCPeerConnection | None = None
        self._incoming: IncomingAudio | None = None
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        self._settled = asyncio.Event()  # the data channel is open, or the call has ended
        self._room = asyncio.Event()
        self._failure: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def sent_ms(self) -> int:
        """How much of ``audio_in`` has been sent, in milliseconds; silence doesn't count."""
        return self._outgoing.sent_bytes // BYTES_PER_MS if self._pc is not None else 0

    @property
    def received_ms(self) -> int:
        """How much audio has been received, in milliseconds; silence that the other side sends does count."""
        return self._incoming.received_bytes // BYTES_PER_MS if self._incoming is not None else 0

    async def create_offer(self) -> str:
        """Return the SDP offer: Opus audio, then the data channel, with this machine's host candidates.

        No STUN or TURN server is asked: the API's side has a public address, so that host candidates do.

        Returns:
            The offer, lines ended by CRLF, to be sent byte for byte.

        Raises:
            OSError: A file to read or write can't be opened.
            ValueError: ``audio_in`` is a file that isn't a WAV file, or none of ``host_addresses`` is this
                machine's.
            APIConnectionError: This machine has no address at all.
            RealtimeError: An offer was made before; a peer is for one call.
        """
        if self._pc is not None or self.close_code is not None:
            raise RealtimeError(
                "this peer has made its offer or is closed; make a new WebRtcPeer for each call"
            )
        source = await open_source(self._audio_in)
        self._outgoing = OutgoingAudio(source, lambda exc: self._broken("audio_in", exc))
        sink, self._close_sink = open_sink(self._audio_out)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._connecting = connecting_tasks(pc)
        self._pc = pc
        pc.on("connectionstatechange", self._on_state)
        # Audio before the data channel: with max-bundle the other order never connects in aiortc.
        transceiver = pc.addTransceiver(self._outgoing, direction="sendrecv")
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType.lower() == "audio/opus"])
        self._incoming = IncomingAudio(sink, lambda exc: self._broken("audio_out", exc))
        send_packets(transceiver.sender, self._outgoing.next_payload)
        self._decodes = receive_packets(transceiver.receiver, self._incoming.push)
        pc.on("track", self._on_track)
        channel = self._channel = pc.createDataChannel(DATA_CHANNEL)
        channel.bufferedAmountLowThreshold = SEND_AHEAD_BYTES // 2
        channel.on("open", self._on_open)
        channel.on("message", self._on_message)
        channel.on("close", self._on_channel_close)
        channel.on("bufferedamountlow", self._room.set)
        dtls = channel.transport.transport
        dtls.transport.on("statechange", lambda: self._progress("ice", dtls.transport.state == "completed"))
        dtls.on("statechange", self._on_dtls_state)
        use_host_addresses(pc, self._host_addresses)
        drop_invalid_datagrams(pc)
        drop_malformed_packets(pc)
        await pc.setLocalDescription(await pc.createOffer())
        if not dtls.transport.iceGatherer.getLocalCandidates():
            if self._host_addresses is None:
                raise APIConnectionError("this machine has no address at which it can be reached")
            given = ", ".join(self._host_addresses)
            raise ValueError(f"host_addresses: expected addresses of this machine, got {given}")
        return pc.localDescription.sdp

    async def connect(self, answer: str) -> None:
        """Apply the SDP answer and wait until the data channel is open; then ``audio_in`` starts.

        Args:
            answer: The answer's text, as the API sent it.

        Raises:
            SdpError: The answer can't be applied to the offer.
            APITimeoutError: No connection came about within ``connect_timeout``; it names what did not
                connect: ICE, DTLS or the data channel.
            APIConnectionError: The same, known before the time was up.
        """
        if self._pc is None:
            raise RealtimeError("connect: call create_offer first")
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        except Exception as exc:  # aiortc's parser lets IndexError, KeyError and its own kinds through
            raise SdpError(f"the answer can't be applied to the offer: {exc or type(exc).__name__}") from exc
        try:
            async with TimeLimit(self._connect_timeout):
                await self._settled.wait()
        except TimeoutError as exc:
            raise APITimeoutError(
                f"{self._unconnected()} did not connect within {self._connect_timeout:g} s"
            ) from exc
        if self.close_code is not None:
            raise APIConnectionError(self.close_reason or "the call ended") from self._failure
        logger.info("webrtc connected")
        self._outgoing.start()

    async def send(self, text: str) -> None:
        """Send one message over the data channel; waits while more than 1 MiB is on its way.

        Raises:
            ConnectionClosedError: The data channel is not open, or no longer.
            ValueError: The message is longer than the other side takes (RFC 8841 §6, max-message-size).
        """
        while self.close_code is None and self._is_open() and self._channel.bufferedAmount > SEND_AHEAD_BYTES:
            self._room.clear()
            await self._room.wait()
        if self.close_code is not None or not self._is_open():
            code, reason = self.close_code or LOST, self.close_reason or "the data channel is not open"
            raise ConnectionClosedError(code, reason) from self._failure
        try:
            self._channel.send(text)
        except InvalidStateError as exc:
            raise ConnectionClosedError(LOST, "the data channel closed while sending") from exc

    async def recv(self) -> str:
        """Wait for the next message.

        Raises:
            ConnectionClosedError: The call has ended; code 1000 if one of the sides ended it, 1006 if the
                connection was lost, 1011 if ``audio_in`` or ``audio_out`` raised, which is then the cause.
        """
        text = await self._messages.get()
        if text is None:
            self._messages.put_nowait(None)  # for the next call
            raise ConnectionClosedError(self.close_code, self.close_reason or "") from self._failure
        return text

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield the messages that come in, until one of the sides ends the call.

        Raises:
            ConnectionClosedError: It ended otherwise, as for `recv`.
        """
        while True:
            try:
                text = await self.recv()
            except ConnectionClosedError as exc:
                if exc.code == NORMAL:
                    return
                raise
            yield text

    async def finished_speaking(self) -> None:
        """Wait until all of ``audio_in`` has been sent, or the call has ended."""
        if self._pc is not None:
            await self._outgoing.finished()

    async def close(self) -> None:
        """End the call on this side: data channel, audio and sockets; within 5 s. May be called again.

        The API's side ends by itself some time later; `calls.hangup` ends it at once.
        """
        self._end(NORMAL, "closed by this side")
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        cancelled: asyncio.CancelledError | None = None
        while not self._closing.done():
            try:
                await asyncio.wait([self._closing])
            except asyncio.CancelledError as error:
                cancelled = error  # the close has to complete
        if cancelled is not None:
            raise cancelled
        self._closing.result()

    async def _close(self) -> None:
        if self._pc is None:
            return
        try:
            async with TimeLimit(CLOSE_TIMEOUT_S):
                await self._outgoing.aclose()
                if self._incoming is not None:
                    await self._incoming.aclose()
                await close_connection(self._pc, self._connecting)
        except TimeoutError:
            logger.warning("webrtc did not close within %g s", CLOSE_TIMEOUT_S)
        finally:
            self._close_sink()

    def _is_open(self) -> bool:
        return self._pc is not None and self._channel.readyState == "open"

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and not self._decodes:
            self._decodes = True
            assert self._incoming is not None
            self._incoming.listen(track)

    def _on_open(self) -> None:
        self._progress("data channel", True)
        self._settled.set()

    def _on_dtls_state(self) -> None:
        assert self._pc is not None and self._pc.sctp is not None
        state = self._pc.sctp.transport.state
        self._progress("dtls", state == "connected")
        # aiortc closes DTLS in a `finally`: an exception that is being handled there is not the peer's close.
        error = sys.exc_info()[1]
        if state == "closed" and isinstance(error, Exception):
            self._end(LOST, f"the transport failed: {type(error).__name__}", error)

    def _on_message(self, message: str | bytes) -> None:
        self._messages.put_nowait(message if isinstance(message, str) else message.decode("utf-8", "replace"))

    def _on_channel_close(self) -> None:
        self._end(NORMAL, "the other side closed the data channel")

    def _on_state(self) -> None:
        if self._pc is not None and self._pc.connectionState == "failed":
            happened = "was lost" if self._settled.is_set() else "did not connect"
            self._end(LOST, f"{self._unconnected()} {happened}")

    def _progress(self, layer: Progress, connected: bool) -> None:
        if connected:
            report(self._on_progress, layer)

    def _unconnected(self) -> str:
        """Name the first of the three layers that isn't connected."""
        assert self._pc is not None and self._pc.sctp is not None
        dtls = self._pc.sctp.transport
        if dtls.transport.state != "completed":
            return f"ICE (no path to the addresses in the answer; state {dtls.transport.state!r})"
        if dtls.state != "connected":
            return f"DTLS (state {dtls.state!r})"
        return f"the data channel {DATA_CHANNEL!r} (state {self._channel.readyState!r})"

    def _broken(self, side: str, failure: BaseException) -> None:
        self._end(BROKEN, f"{side} failed: {str(failure) or type(failure).__name__}", failure)

    def _end(self, code: int, reason: str, failure: BaseException | None = None) -> None:
        if self.close_code is not None:
            return
        self.close_code, self.close_reason, self._failure = code, reason, failure
        logger.info("webrtc ended: %s", reason)
        self._messages.put_nowait(None)
        self._settled.set()
        self._room.set()
        if self._pc is not None:
            self._outgoing.give_up()


def host_addresses_towards(url: str) -> Sequence[str] | None:
    """Return the addresses for a call that is made through a server on this machine, or elsewhere.

    Args:
        url: The server's address, such as a client's base URL.

    Returns:
        Loopback alone if the server is on loopback, where other addresses may not reach it; otherwise None,
        which stands for this machine's own.
    """
    return (LOOPBACK,) if is_loopback(url) else None


def _transports(connection: RTCPeerConnection) -> set[RTCIceTransport]:
    """Return a peer connection's ICE transports; one where media is bundled."""
    found = {transceiver.receiver.transport.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        found.add(connection.sctp.transport.transport)
    return found


def use_host_addresses(connection: RTCPeerConnection, addresses: Sequence[str] | None = None) -> None:
    """Choose the host addresses from which ``connection`` gathers its candidates.

    Call it once tracks and data channel are there, before ``setLocalDescription``, which gathers.

    Args:
        connection: A peer connection that has not gathered yet.
        addresses: IP addresses of this machine. None: all that it has, and 127.0.0.1 if it has no other.

    Source: RFC 8445 §5.1.1.1 (host candidates; loopback addresses are left out where there are others).
    """
    for transport in _transports(connection):
        agent = internal(transport.iceGatherer, AGENT)
        if agent is not None:  # otherwise all addresses of the machine but loopback are used
            _gather_from(agent, addresses)


def drop_invalid_datagrams(connection: RTCPeerConnection) -> None:
    """Drop received datagrams from any sender that aiortc (1.16) doesn't survive.

    `RTCDtlsTransport._recv_next` reads `data[0]`, so that an empty datagram raises IndexError. It passes what
    looks like RTP to pylibsrtp, which raises ValueError, and not `pylibsrtp.Error`, for packets longer than
    its buffer. Both end the DTLS task, and so the call. The fix there would be to return if `data` is empty,
    and to catch ValueError beside `pylibsrtp.Error`.

    Args:
        connection: A peer connection that is not connected yet.
    """
    for transport in _transports(connection):
        receive = internal(transport, RECEIVE)
        if receive is not None:
            setattr(transport, RECEIVE, functools.partial(_receive_valid, receive))


def drop_malformed_packets(connection: RTCPeerConnection) -> None:
    """Drop packets of the other side that aiortc (1.16) doesn't survive, although they are authentic.

    `RtpPacket.parse` raises struct.error for header extensions of unexpected length, and `unpack_remb_fci`
    for a list that is cut; aiortc expects ValueError alone. SCTP raises AssertionError and
    UnicodeDecodeError. Each of them ends the DTLS task, and so the call.

    Args:
        connection: A peer connection that is not connected yet.
    """
    transports: set[Any] = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    handlers = [(transport, name) for transport in transports for name in (HANDLE_RTP, HANDLE_RTCP)]
    if connection.sctp is not None:
        handlers.append((connection.sctp, HANDLE_SCTP))
    for owner, name in handlers:
        handle = internal(owner, name)
        if handle is not None:
            setattr(owner, name, functools.partial(_handle_valid, handle))


async def _handle_valid(handle: Callable[..., Awaitable[None]], *args: Any, **kwargs: Any) -> None:
    try:
        await handle(*args, **kwargs)
    except ConnectionError:
        raise  # the connection is closed
    except Exception:
        logger.debug("a packet was dropped that aiortc can't process", exc_info=True)


async def _receive_valid(receive: Callable[[], Awaitable[bytes]]) -> bytes:
    while True:
        data = await receive()
        if data and (len(data) <= LONGEST_SRTP or not 127 < data[0] < 192):
            return data


def connecting_tasks(connection: RTCPeerConnection) -> set[asyncio.Task[Any]]:
    """Collect the tasks in which a peer connection connects, which aiortc (1.16) itself forgets.

    Args:
        connection: A peer connection that has no remote description yet.

    Returns:
        The tasks that run, kept up to date; for `close_connection`.
    """
    tasks: set[asyncio.Task[Any]] = set()
    connect = internal(connection, CONNECT)
    if connect is None:
        return tasks

    async def connect_as_task() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await connect()
        finally:
            tasks.discard(task)

    setattr(connection, CONNECT, connect_as_task)
    return tasks


async def close_connection(connection: RTCPeerConnection, connecting: set[asyncio.Task[Any]]) -> None:
    """Close a peer connection and all its tasks; only the caller bounds the time.

    Closing alone does not stop connecting, which would go on to start tasks that never end: for consent in
    aioice (0.13), and for the reports of sender and receiver in aiortc (1.16).

    Args:
        connection: The connection, connected or not.
        connecting: What `connecting_tasks` returned for it.
    """
    while tasks := set(connecting):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=AGAIN_S)
    await connection.close()


def _gather_from(agent: Any, addresses: Sequence[str] | None) -> None:
    gather = agent.get_component_candidates

    async def gather_from_chosen(component: int, addresses: list[str], **kwargs: Any) -> Any:
        hosts = chosen if chosen is not None else addresses or [LOOPBACK]
        # A cancellation in the middle would leave sockets that no close knows of.
        gathering = asyncio.ensure_future(gather(component=component, addresses=hosts, **kwargs))
        try:
            return await asyncio.shield(gathering)
        except asyncio.CancelledError:
            await asyncio.wait([gathering])
            raise

    chosen = None if addresses is None else list(addresses)
    agent.get_component_candidates = gather_from_chosen


class _MaskIcePasswords(logging.Filter):
    """aiortc logs whole descriptions at DEBUG; the ICE password would let a reader join the call."""

    _password = re.compile(r"(a=ice-pwd:)\S+")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "a=ice-pwd:" in message:
            record.msg, record.args = self._password.sub(r"\1***", message), ()
        return True


logging.getLogger("aiortc.rtcpeerconnection").addFilter(_MaskIcePasswords())
