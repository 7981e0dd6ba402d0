"""Records of requests, sessions, their sound and calls, within bounds, for tests to read.

The simulator's thread writes them; any thread may read them at any time. Users see the
read-only records; the simulator writes them through other classes.
"""
