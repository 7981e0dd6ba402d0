"""The protocol of a session, without sockets, threads or clocks.

Client events and audio go in, with the time; effects come out. The entry points are `session` and
`translation`; `turn` has the words of a scenario.
"""
