"""The protocol of a session, without sockets, threads or clocks.

Client events and audio go in, with the time; effects come out. `session` and `translation` are the ways in.
"""
