"""What all workers share: take a task a line, repeat it, answer with the time of one repetition.

It must run with nothing but the standard library, for some workers run outside of the project's environment.
"""

import gc
import json
import sys
import time


def serve(tasks):
    """Run tasks until stdin ends.

    Args:
        tasks: By name; each takes the task's other fields and returns the function to repeat. A function
            that returns a number has measured by itself, and that is the answer.
    """
    prepared = {}
    for line in sys.stdin:
        if line not in prepared:
            task = json.loads(line)
            prepared[line] = tasks[task.pop("task")], task.pop("repeat"), task
            make, repeat, task = prepared[line]
            prepared[line] = make(**task), repeat
        work, repeat = prepared[line]
        gc.collect()
        start = time.perf_counter()
        for _ in range(repeat):
            answer = work()
        seconds = (time.perf_counter() - start) / repeat
        print(answer if isinstance(answer, int) else seconds, flush=True)
