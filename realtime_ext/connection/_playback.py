"""What the application has played of the model's audio. It must not play or stop anything itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .state import _shortcuts as shortcuts

if TYPE_CHECKING:
    from ._connection import AsyncConnection
    from .state._playback import Interruption, Position

__all__ = ["AsyncPlayback"]


class AsyncPlayback:
    """Counts what was played, so that an interruption cuts the conversation where the user stopped hearing.

    Where the API plays the audio itself (WebRTC, SIP), all of this does nothing.

        connection.playback.played_bytes(len(chunk))           # after each chunk, oldest audio first
        ...
        case RealtimeServerEventInputAudioBufferSpeechStarted():
            speaker.flush()
            await connection.playback.interrupt()
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._state = connection._core.effects.playback

    def played_bytes(self, count: int) -> None:
        """Count bytes that were played, in the session's output format.

        Raises:
            TypeError: `count` is not an int.
            ValueError: It is negative.
        """
        self._state.played_bytes(count)

    def played_ms(self, ms: float) -> None:
        """Count milliseconds that were played.

        Raises:
            TypeError: `ms` is not a number.
            ValueError: It is negative or not finite.
        """
        self._state.played_ms(ms)

    @property
    def position(self) -> Position | None:
        """Where playing stands; None if there is nothing to play, nor anything to come."""
        return self._state.position

    @property
    def to_flush(self) -> Interruption | None:
        """What there was to throw away when the user last began to speak; None if there was nothing."""
        return self._state.to_flush

    async def interrupt(self) -> Interruption | None:
        """Throw away what was not played, and cut the item in the conversation where it was heard last.

        Nothing is sent if nothing of it was heard.

        Returns:
            What there is to flush; None if there is nothing.

        Raises:
            ConnectionClosedError: The connection has ended.
        """
        found = self._state.interrupt()
        if found is not None and found.played_ms > 0:
            event = shortcuts.truncate(found.item_id, found.content_index, found.played_ms)
            await self._connection._send_own(event)
        return found
