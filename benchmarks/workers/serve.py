"""What all workers share: take a task a line, repeat it, answer with the time of one repetition.

It must run with nothing but the standard library, for some workers run outside of the project's environment.
"""

import gc
import json
import sys
import time
import tracemalloc


def held(decode, event, count):
    """Return the function that measures the bytes of memory that so many decoded events take."""

    def work():
        decode(event)  # what is loaded once doesn't count
        gc.collect()
        tracemalloc.start()
        events = [decode(event) for _ in range(count)]
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del events
        return used

    return work


def serve(tasks):
    """Run tasks until stdin ends.

    Args:
        tasks: By name; each takes the task's other fields and returns the function to repeat. A function
            that returns a number has measured by itself, and that is the answer. With `"clock": "processor"`
            a task is timed by what it used, for it waits for nothing.
    """
    prepared = {}
    for line in sys.stdin:
        if line not in prepared:
            task = json.loads(line)
            prepared[line] = tasks[task.pop("task")], task.pop("repeat"), task
            make, repeat, task = prepared[line]
            clock = time.process_time if task.pop("clock", "") == "processor" else time.perf_counter
            prepared[line] = make(**task), repeat, clock
        work, repeat, clock = prepared[line]
        gc.collect()
        start = clock()
        for _ in range(repeat):
            answer = work()
        seconds = (clock() - start) / repeat
        print(answer if isinstance(answer, int) else seconds, flush=True)
