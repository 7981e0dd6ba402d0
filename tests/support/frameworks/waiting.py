"""What the scripts beside it share; each runs in an environment of its own."""

import asyncio
from collections import deque

PIECE = 960  # bytes of 20 ms


async def until(condition):
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.02)


class Line:
    """An open microphone: what is said into it, and silence otherwise, 20 ms each 20 ms."""

    def __init__(self):
        self._pieces = deque()

    def say(self, sound):
        """Say a sound, as PCM16 at 24 kHz, after what is being said."""
        self._pieces.extend(sound[start : start + PIECE] for start in range(0, len(sound), PIECE))

    async def pieces(self):
        """Yield 20 ms each 20 ms, without end."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            yield self._pieces.popleft() if self._pieces else bytes(PIECE)
            due += 0.02
            await asyncio.sleep(max(0.0, due - clock()))
