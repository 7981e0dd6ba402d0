"""A simulator in a process of its own.

Prints where it is as JSON, and answers each line on stdin with the memory and processor time that it uses.

The argument is the speed of what the model says: 1 for real time, 0 for at once.
"""

import gc
import json
import os
import resource
import sys

from realtime_simulator import Pacing, Simulator

PAGE = os.sysconf("SC_PAGE_SIZE")

with Simulator(pacing=Pacing(speed=float(sys.argv[1])), espeak=False) as simulator:
    print(json.dumps({"base_url": simulator.base_url, "api_key": simulator.api_key}), flush=True)
    for _ in sys.stdin:
        gc.collect()
        with open("/proc/self/statm") as file:
            memory = int(file.read().split()[1]) * PAGE
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"memory": memory, "seconds": used.ru_utime + used.ru_stime}), flush=True)
