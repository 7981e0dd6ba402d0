"""What a connection knows and decides, without I/O: messages and time in, events and what is to be sent out.

| module           | its subject                                                                     |
|------------------|---------------------------------------------------------------------------------|
| `core`           | applies each event to the components, follows the link's life                   |
| `connect_plan`   | address, role and first update of a connection; retries of its handshake        |
| `messages`       | messages decoded into events                                                    |
| `event_queue`    | the bounded queue of events for the program, and the program's place in it      |
| `event_kinds`    | kinds of events, and waiters for one of them                                    |
| `handlers`       | functions registered for kinds of events                                        |
| `client_events`  | events to be sent: checked, given an id, encoded                                |
| `turns`          | turns, and what they amount to                                                  |
| `function_calls` | the model's function calls, and when the next response is created               |
| `responses`      | active responses, and the queue for the next one                                |
| `session_state`  | configuration, acknowledgements, expiry                                         |
| `conversation`   | the items in order, their words, and the same for a new session                 |
| `playback`       | audio received and audio played                                                 |
| `reconnect`      | how a connection ends, whether and when it reconnects, what could not be sent   |
| `refusals`       | error events as exceptions                                                      |
| `waiters`        | outcomes that something waits for                                               |

Nothing here opens a socket, reads a clock, sleeps, or starts a thread or task.
"""

from .client_events import (
    Outgoing,
    appended,
    contents_of,
    create_item,
    create_response,
    marked_response,
    text_item,
)
from .connect_plan import Handshake, Plan, Role, call_id_in, confirming_plan, make_plan
from .conversation import TranscriptLine, read_item
from .core import MAX_QUEUE_BYTES, ConnectionState
from .event_kinds import EventWaiter, Kind, Several, Where, name_of
from .event_queue import Budget
from .function_calls import ApprovalJob, CallJob, FollowUpJob, Job, output_item
from .handlers import Handler, Handlers
from .messages import Message, read_message
from .playback import Interruption, Position
from .reconnect import OF_PARENT, Attempt, CloseInfo, Reconnect, Reconnecting, Unsent, policy_for, unconfirmed
from .session_state import UNCLEAR_FOR, Acknowledgement
from .turns import ToolCall, Turn, TurnStream
from .waiters import Waiter

__all__ = [
    "MAX_QUEUE_BYTES",
    "OF_PARENT",
    "UNCLEAR_FOR",
    "Acknowledgement",
    "ApprovalJob",
    "Attempt",
    "Budget",
    "CallJob",
    "CloseInfo",
    "ConnectionState",
    "EventWaiter",
    "FollowUpJob",
    "Handler",
    "Handlers",
    "Handshake",
    "Interruption",
    "Job",
    "Kind",
    "Message",
    "Outgoing",
    "Plan",
    "Position",
    "Reconnect",
    "Reconnecting",
    "Role",
    "Several",
    "ToolCall",
    "TranscriptLine",
    "Turn",
    "TurnStream",
    "Unsent",
    "Waiter",
    "Where",
    "appended",
    "call_id_in",
    "confirming_plan",
    "contents_of",
    "create_item",
    "create_response",
    "make_plan",
    "marked_response",
    "name_of",
    "output_item",
    "policy_for",
    "read_item",
    "read_message",
    "text_item",
    "unconfirmed",
]
