"""Recording real sessions and playing them again: for WebSockets what vcrpy is for HTTP.

`tape` is the file, `scrub` keeps secrets out of it, `passage` passes a session through and writes it down,
and `player` plays it to a client.
"""
