"""What the workers for connections share: their loop and memory, and what programs of the packages do.

It must run with nothing but the standard library.
"""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LOOP = asyncio.new_event_loop()
PAGE = os.sysconf("SC_PAGE_SIZE")


def memory():
    """Return the bytes of memory that this process holds now."""

    def work():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE

    return work


def idle(seconds):
    """Run the loop for some seconds, and return the nanoseconds of processor time that it used."""

    def work():
        before = time.process_time_ns()
        LOOP.run_until_complete(asyncio.sleep(seconds))
        return time.process_time_ns() - before

    return work


@dataclass
class Program:
    """What a program does by a package, with threads or, where the functions return awaitables, with asyncio.

    Args:
        one: Given the port, opens a connection and takes its first event.
        ask: Given the connection, as the following: asks for audio.
        done: The type of the event that ends it.
        append: Returns the function that sends a piece of audio.
        settle: Sends an event that is answered once all audio has come.
        settled: The type of the answer.
        clear: Sends an event that is answered at once.
        cleared: The type of the answer.
    """

    one: Callable[[int], Any]
    ask: Callable[[Any], Any]
    done: str
    append: Callable[[Any], Callable[[bytes], Any]]
    settle: Callable[[Any], Any]
    settled: str
    clear: Callable[[Any], Any]
    cleared: str


class Sync(Program):
    """With threads."""

    def receive(self, port):
        """Ask for audio and read it."""
        connection, ask, done = self.one(port), self.ask, self.done

        def work():
            ask(connection)
            for event in connection:
                if event.type == done:
                    break

        return work

    def send(self, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = self.one(port), bytes(size)
        append = self.append(connection)

        def work():
            for _ in range(chunks):
                append(sound)
            self.settle(connection)
            assert connection.recv().type == self.settled

        return work

    def round_trip(self, port):
        """Send an event and wait for its answer."""
        connection, clear, cleared = self.one(port), self.clear, self.cleared

        def work():
            clear(connection)
            assert connection.recv().type == cleared

        return work

    def open(self, port, connections):
        """Open connections, and keep them."""
        return lambda: OPENED.extend(self.one(port) for _ in range(connections))


class Async(Program):
    """With asyncio."""

    def receive(self, port):
        """Ask for audio and read it."""
        connection, ask, done = LOOP.run_until_complete(self.one(port)), self.ask, self.done

        async def work():
            await ask(connection)
            async for event in connection:
                if event.type == done:
                    break

        return work

    def send(self, port, chunks, size):
        """Send audio, and see that it came."""
        connection, sound = LOOP.run_until_complete(self.one(port)), bytes(size)
        append = self.append(connection)

        async def work():
            for _ in range(chunks):
                await append(sound)
            await self.settle(connection)
            assert (await connection.recv()).type == self.settled

        return work

    def round_trip(self, port):
        """Send an event and wait for its answer."""
        connection, clear, cleared = LOOP.run_until_complete(self.one(port)), self.clear, self.cleared

        async def work():
            await clear(connection)
            assert (await connection.recv()).type == cleared

        return work

    def open(self, port, connections):
        """Open connections, and keep them."""

        async def work():
            for _ in range(connections):
                OPENED.append(await self.one(port))

        return work


OPENED = []


def tasks(**programs):
    """Return the tasks of a contender, each for the mode that is asked for.

    Args:
        programs: By the API that a task names, one with threads and one with asyncio. Both have `receive`,
            `send`, `round_trip` and `open`; each takes `port` and the task's other fields and returns the
            function to repeat, which of the latter gives awaitables.
    """

    def task(name):
        def prepare(mode, api="realtime", **fields):
            sync, asynchronous = programs[api]
            if mode == "sync":
                return getattr(sync, name)(**fields)
            work = getattr(asynchronous, name)(**fields)
            return lambda: LOOP.run_until_complete(work())

        return prepare

    return {
        "memory": memory,
        "idle": idle,
        **{name: task(name) for name in ("receive", "send", "round_trip", "open")},
    }
