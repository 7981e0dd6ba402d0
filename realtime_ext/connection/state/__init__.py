"""A connection's state and decisions, without any I/O.

| module             | its job                                                             |
|--------------------|---------------------------------------------------------------------|
| `_core`            | ties the parts together; what shells call                           |
| `_opening`         | where a connection goes, what refusals mean, when to ask again      |
| `_effects`         | what each server event does                                         |
| `_mailbox`         | events on their way to the application, bounded in bytes            |
| `_turns`           | turns, their responses and their tools                              |
| `_early`           | events that come before their response's start                      |
| `_responses`       | whose turn it is to ask for a response                              |
| `_acknowledgement` | which descriptions answer which updates                             |
| `_session_state`   | configuration, acknowledgements, expiry                             |
| `_ledger`          | the conversation's items, in order                                  |
| `_playback`        | audio that came and audio that was played                           |
| `_requests`        | client events that are made of the state                            |
| `_repeats`         | what came before, so that it isn't added up twice                   |
| `_departures`      | what was handed over and hasn't gone out                            |
| `_outbox`          | events that go out: checked, numbered, written                      |
| `_reconnect`       | whether and when a lost link is made anew                           |
| `_linking`         | what becomes of a connection whose link is lost                     |

Nothing here opens a socket, reads a clock, sleeps or starts a thread or task.
"""
