"""Recognition of the model's speech by its sound: which speech a caller hears, and how far it has come.

The sound comes through codecs, networks and the app, which may convert it, cut it off, or add its own. It is
compared with what the session has said, in the order in which it was said.
"""

from __future__ import annotations

import functools
from collections import deque

import attrs
import numpy as np
from numpy.typing import NDArray

from realtime_simulator._engine.effects import Play
from realtime_simulator._media.speech import G711_RATE, PACKET_SAMPLES, RATE, Speech
from realtime_simulator._rehearsal.phone import SILENT_PEAK, is_sound

Samples = NDArray[np.float64]
_EVERY = RATE // G711_RATE
_FRAME = PACKET_SAMPLES // _EVERY
_WINDOW = 5 * _FRAME
"""Samples compared with the speech that is expected next: the last 0.1 s."""
_SHORT_WINDOW = 2 * _FRAME
"""The same right after sound was lost."""
_LONG_WINDOW = 15 * _FRAME
"""Samples looked up in all speech after sound was lost."""
_SHIFT = 240
"""Samples by which codecs may shift the sound."""
_GAP = _WINDOW + _SHIFT
_ALIKE, _SURELY_ALIKE, _CERTAINLY_ALIKE = 0.6, 0.7, 0.8
_MOST_LOST, _MOST_LATE = 50, 8
"""Frames that may be missing where sound is not recognized, and those that are not known to be missing."""
_DRIFT = 0.1
"""How much less alike sound counts that is shifted by `_SHIFT`: vowels repeat themselves."""
_SEARCH_EVERY = 5
_END = 8 * _FRAME
"""A message whose sound is heard up to here is heard whole."""
_MOST_SAMPLES = 60 * G711_RATE


@attrs.frozen
class _Stretch:
    """A part of a message among all speech.

    Args:
        place: Where it begins.
        length: Its samples.
        play: The message.
    """

    place: int
    length: int
    play: Play


class Recognizer:
    """Recognizes what the model says, in the order in which it says it.

    Args:
        coming: The stretches of speech that the session makes; they are removed.
    """

    def __init__(self, coming: deque[Play]) -> None:
        self._coming = coming
        self._known: Samples = np.zeros(_GAP)
        self._stretches: list[_Stretch] = []
        self._begins: list[int] = []  # where messages begin to sound
        self._dropped = 0
        self._place = 0  # what was heard last ends here
        self._last: Samples = np.zeros(_LONG_WINDOW)
        self._unknown = 0  # frames since the last one that was recognized

    def hear(self, pcm: bytes) -> tuple[Play, int, int] | None:
        """Return what 20 ms of sound are of the model's speech.

        Args:
            pcm: PCM16 mono at 24 kHz.

        Returns:
            A message, with its first sample and the one after the last; None if it is not known.
        """
        self._learn()
        frame = np.zeros(_FRAME) if not pcm else _narrow(pcm)
        self._last = np.concatenate((self._last[_FRAME:], frame))
        if not is_sound(pcm):
            self._skip_pause()
            return None
        found = self._follow()
        if found is None and self._unknown % _SEARCH_EVERY == _SEARCH_EVERY - 1:
            found = self._search()
        if found is None:
            self._unknown += 1
            return None
        self._unknown = 0
        self._place = found
        return self._heard()

    def _learn(self) -> None:
        """Read what the model has said since."""
        while self._coming:
            play = self._coming.popleft()
            last = self._stretches[-1].play if self._stretches else None
            is_new = last is None or (last.item_id, last.speech) != (play.item_id, play.speech)
            sound = _narrow(play.speech.pcm[play.start * 2 : play.end * 2])
            gap = _GAP if is_new else 0
            place = len(self._known) + gap
            self._known = np.concatenate((self._known, np.zeros(gap), sound))
            self._stretches.append(_Stretch(place, len(sound), play))
            if is_new:
                heard = _loud(sound)
                self._begins.append(place + (int(heard[0]) if len(heard) else 0))
        if len(self._known) > 2 * _MOST_SAMPLES:
            self._forget(len(self._known) - _MOST_SAMPLES)

    def _forget(self, samples: int) -> None:
        """Drop the oldest speech."""
        samples = min(samples, max(self._place - _GAP, 0))
        self._known = self._known[samples:]
        self._place -= samples
        self._stretches = [
            attrs.evolve(one, place=one.place - samples)
            for one in self._stretches
            if one.place + one.length > samples
        ]
        self._begins = [place - samples for place in self._begins if place >= samples]

    def _skip_pause(self) -> None:
        """Follow the speech through 20 ms of a pause that it has."""
        if len(_loud(self._known[self._place : self._place + _FRAME])):
            self._unknown += 1  # it may be lost
        else:
            self._place = min(self._place + _FRAME, len(self._known))

    def _follow(self) -> int | None:
        """Return where the sound ends if it continues what was heard, or begins a later message."""
        here = self._place + _FRAME
        lost = min(self._unknown + _MOST_LATE, _MOST_LOST) if self._unknown else 0
        starts = [(here, here + lost * _FRAME)]
        if not len(_loud(self._known[self._place : here])):
            sounding = _loud(self._known[self._place :])
            if len(sounding):
                begin = self._place + int(sounding[0]) + _FRAME
                starts.append((begin, begin))
        starts += [(place + _FRAME, place + _FRAME) for place in self._begins if place > self._place]
        for window, least in ((_WINDOW, _ALIKE), (_SHORT_WINDOW, _SURELY_ALIKE)):
            found = [_most_alike(self._known, self._last[-window:], *ends) for ends in starts]
            best, at = max(found)
            if best > least:
                return at
        return None

    def _search(self) -> int | None:
        """Return where the sound ends, anywhere in what was not heard yet."""
        begin = max(self._place - _SHIFT, 0)
        unheard = self._known[begin:]
        if len(unheard) < _LONG_WINDOW or np.count_nonzero(self._last) < _LONG_WINDOW // 2:
            return None
        alike = _alike(unheard, self._last)
        best = float(alike.max())
        if best < _CERTAINLY_ALIKE:
            return None
        return begin + int(np.argmax(alike >= best - 0.02)) + _LONG_WINDOW

    def _heard(self) -> tuple[Play, int, int] | None:
        """Return the message of the place that was reached."""
        for one in reversed(self._stretches):
            if one.place < self._place:
                play, end = one.play, one.play.start + (self._place - one.place) * _EVERY
                end = min(end, play.end)
                start = max(0, end - PACKET_SAMPLES)
                sounding = _sounding(play.speech)
                if end >= sounding - _END * _EVERY:
                    end = play.speech.samples
                return play, start, end
        return None


def _loud(samples: Samples) -> NDArray[np.intp]:
    """Return where samples are more than the rest of silence."""
    return np.flatnonzero(np.abs(samples) > SILENT_PEAK)


@functools.lru_cache(maxsize=256)
def _sounding(speech: Speech) -> int:
    """Return where the sound of speech ends, in samples; voices may fade out after it."""
    loud = _loud(np.frombuffer(speech.pcm, "<i2").astype(np.float64))
    return int(loud[-1]) + 1 if len(loud) else 0


def _narrow(pcm: bytes) -> Samples:
    """Return PCM16 mono at 24 kHz as samples at 8 kHz."""
    samples = np.frombuffer(pcm, "<i2")
    narrow: Samples = samples[: len(samples) // _EVERY * _EVERY].reshape(-1, _EVERY).mean(axis=1)
    return narrow


def _most_alike(known: Samples, heard: Samples, first: int, last: int) -> tuple[float, int]:
    """Return how alike a sound and known sound are that ends about here, and where that ends.

    Args:
        known: All known sound.
        heard: The sound.
        first: Where it should end at the earliest.
        last: Where it should end at the latest.
    """
    begin = max(first - len(heard) - _SHIFT, 0)
    near = known[begin : last + _SHIFT]
    if len(near) < len(heard):
        return 0.0, first
    alike = _alike(near, heard)
    ends = begin + len(heard) + np.arange(len(alike))
    alike = alike - _DRIFT * (np.maximum(first - ends, 0) + np.maximum(ends - last, 0)) / _SHIFT
    best = int(alike.argmax())
    return float(alike[best]), int(ends[best])


def _alike(known: Samples, heard: Samples) -> Samples:
    """Return how alike a sound is to known sound, for each place where it can begin there, up to 1."""
    size = len(heard)
    length = 1 << int(len(known) + size - 1).bit_length()
    product = np.fft.rfft(known, length) * np.conj(np.fft.rfft(heard, length))
    both = np.fft.irfft(product, length)[: len(known) - size + 1]
    energy = np.concatenate(([0.0], np.cumsum(known**2)))
    power = energy[size:] - energy[:-size]
    norm = np.sqrt(np.maximum(power, 1e-9) * max(float((heard**2).sum()), 1e-9))
    quiet = power < size * 100
    alike: Samples = np.where(quiet, 0.0, both / norm)
    return alike
