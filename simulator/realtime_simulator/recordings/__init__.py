"""Recordings of sessions: writing them, scrubbed, while an API is used, and playing them to clients."""
