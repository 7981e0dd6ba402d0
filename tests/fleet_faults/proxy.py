"""A proxy between workers and their database, which is slow, cuts connections, or passes nothing on.

As a program (`python -m tests.fleet_faults.proxy PORT SEED`) it prints its own port, and does what each line
of its input says, such as `losing 0.1` or `cut`. There the simulator does not slow it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys

CHUNK = 65_536


class Proxy:
    """It passes everything on, or loses replies to statements and cuts their connections.

    Args:
        port: The database's.
        chance: What decides whether a reply is lost.

    Attributes:
        losing: The share of replies that are lost, 0–1.
        delay: Seconds that each reply takes longer.
        passing: Unset to pass nothing on.
    """

    def __init__(self, port: int, chance: random.Random) -> None:
        self._to = port
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.losing = 0.0
        self.delay = 0.0
        self.passing = asyncio.Event()
        self.passing.set()

    async def start(self) -> int:
        """Serve; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Cut all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """End."""
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # at the end of the run
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_db, to_db = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        both = {writer, to_db}
        self._open |= both
        try:
            up = asyncio.create_task(self._pass(reader, to_db, is_reply=False))
            down = asyncio.create_task(self._pass(from_db, writer, is_reply=True))
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in (up, down):
                task.cancel()
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        try:
            while data := await source.read(CHUNK):
                if is_reply and self._chance.random() < self.losing:
                    return
                if is_reply and self.delay:
                    await asyncio.sleep(self.delay)
                await self.passing.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass


async def main(port: int, seed: int) -> None:
    """Serve until the end of the input."""
    proxy = Proxy(port, random.Random(seed))
    print(await proxy.start(), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split():
            case ["cut"]:
                proxy.cut()
            case ["losing", share]:
                proxy.losing = float(share)
            case ["delay", seconds]:
                proxy.delay = float(seconds)
            case ["pass", "on"]:
                proxy.passing.set()
            case ["pass", "nothing"]:
                proxy.passing.clear()
            case words:
                raise ValueError(f"expected a command, got {words}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
