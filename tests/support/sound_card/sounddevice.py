"""A sound card that is made of lists and files, with the interface of sounddevice 0.4.6 to 0.5.6.

Programs find it where the real one would be, on the module path. What the microphone hears is the file that
SOUND_CARD_IN names, or what a test puts into `microphone`; what is played is kept in `played`, and in the
file that SOUND_CARD_OUT names. As with PortAudio, a thread calls back, block after block, until the stream
is closed; here it needn't take as long as the sound does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

microphone: list[bytes] = []
played = bytearray()
most: float = float("inf")  # bytes that are played until a test allows more
opened: list[RawInputStream | RawOutputStream] = []
fault: str = os.environ.get("SOUND_CARD_FAULT", "")


class PortAudioError(Exception):
    """What PortAudio complains of."""


def query_devices(device: int | str | None = None, kind: str | None = None) -> Any:
    """Describe the default device of a kind."""
    if fault:
        raise PortAudioError(fault)
    return {"name": f"test {kind}", "max_input_channels": 1, "max_output_channels": 1}


class _Stream:
    def __init__(
        self,
        samplerate: float | None = None,
        blocksize: int | None = None,
        device: int | str | None = None,
        channels: int | None = None,
        dtype: str | None = None,
        latency: float | str | None = None,
        extra_settings: Any = None,
        callback: Callable[..., None] | None = None,
        finished_callback: Callable[[], None] | None = None,
        clip_off: bool | None = None,
        dither_off: bool | None = None,
        never_drop_input: bool | None = None,
        prime_output_buffers_using_stream_callback: bool | None = None,
    ) -> None:
        if fault:
            raise PortAudioError(fault, -9996)
        if isinstance(device, str) and "test" not in device:
            raise ValueError(f"No input/output device matching {device!r}")
        assert (samplerate, channels, dtype) == (24000, 1, "int16")
        assert blocksize
        assert callback is not None
        self.device, self.blocksize, self.callback = device, blocksize, callback
        self.closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        opened.append(self)  # type: ignore[arg-type]

    def start(self) -> None:
        """Start calling back."""
        self._thread.start()

    def close(self, ignore_errors: bool = True) -> None:
        """Stop calling back, and wait until that is so."""
        self._closing.set()
        self._thread.join()
        self.closed = True

    def _run(self) -> None:
        while not self._closing.wait(0.001):
            self._block()

    def _block(self) -> None:
        raise NotImplementedError


class RawInputStream(_Stream):
    """The microphone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if file := os.environ.get("SOUND_CARD_IN"):
            import wave

            with wave.open(file) as sound:
                while piece := sound.readframes(self.blocksize):
                    microphone.append(piece.ljust(self.blocksize * 2, b"\0"))

    def _block(self) -> None:
        piece = microphone.pop(0) if microphone else bytes(self.blocksize * 2)
        self.callback(memoryview(piece), self.blocksize, None, None)


class RawOutputStream(_Stream):
    """The loudspeaker."""

    def _block(self) -> None:
        if len(played) >= most:
            return
        block = bytearray(self.blocksize * 2)
        self.callback(memoryview(block), self.blocksize, None, None)
        if any(block):
            played.extend(block)
            if file := os.environ.get("SOUND_CARD_OUT"):
                with open(file, "ab") as out:
                    out.write(block)
