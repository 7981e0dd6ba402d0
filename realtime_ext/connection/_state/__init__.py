"""The state and decisions of a connection, without I/O: messages and time in, events and messages out.

| module           | its subject                                                                     |
|------------------|---------------------------------------------------------------------------------|
| `core`           | applies each event to the components, follows the link's life                   |
| `connect_plan`   | address, role and first update of a connection; retries of its handshake        |
| `messages`       | messages decoded into events                                                    |
| `event_queue`    | the bounded queue of events for the program, and the program's place in it      |
| `event_kinds`    | kinds of events, and waiters for one of them                                    |
| `handlers`       | functions registered for kinds of events                                        |
| `client_events`  | events to be sent: checked, given an id, encoded                                |
| `turns`          | turns, and their results                                                        |
| `function_calls` | the model's function calls, and when the next response is created               |
| `responses`      | active responses, and the queue for the next one                                |
| `session_state`  | configuration, acknowledgements, expiry                                         |
| `conversation`   | the items in order, their words, and the same for a new session                 |
| `playback`       | audio received and audio played                                                 |
| `live`           | a Live session: what was said, its usage, the appends to its context            |
| `tasks`          | what a Live model delegates to the program, and the words that belong to it     |
| `claims`         | what is done once over all connections of a session                             |
| `reconnect`      | how a connection ends, whether and when it reconnects, what could not be sent   |
| `refusals`       | error events as exceptions                                                      |
| `waiters`        | outcomes that something waits for                                               |

Nothing here opens a socket, reads a clock, sleeps, or starts a thread or task.
"""
