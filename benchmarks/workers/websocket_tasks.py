"""What the workers for connections share: the loop that they run in, and their memory.

It must run with nothing but the standard library.
"""

import asyncio
import gc
import os
import time

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


def tasks(sync, asynchronous):
    """Return the tasks of a contender, each for the mode that is asked for.

    Args:
        sync: Has `receive`, `send`, `round_trip` and `open`; each takes `port` and the task's other fields
            and returns the function to repeat.
        asynchronous: The same; what its functions return gives awaitables.
    """

    def task(name):
        def prepare(mode, **fields):
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
