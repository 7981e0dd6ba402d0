"""Recordings of sessions: writing them, scrubbed, while an API is used; playing tapes to clients, and recordings
of the service to the simulator, which has to do the same."""
