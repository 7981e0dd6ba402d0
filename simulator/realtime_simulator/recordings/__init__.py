"""Recordings of sessions: writing them, scrubbed, while an API is used; playing tapes to clients, and the
service's recordings to the simulator, which has to do the same."""
