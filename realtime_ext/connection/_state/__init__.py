"""What a connection knows and decides, without I/O: messages and time in, events and what is to be sent out.

| module           | its job                                                                     |
|------------------|-----------------------------------------------------------------------------|
| `core`           | the front: what each event does, and all that a connection asks             |
| `targets`        | where a connection goes, what refusals mean, when opening is tried again    |
| `mailbox`        | events on their way to the program, handlers and those who wait for one     |
| `turns`          | turns, and what they amount to                                              |
| `function_calls` | the model's function calls, and when it is asked to go on                   |
| `responses`      | which responses are going on, and who may ask for the next one              |
| `session_state`  | configuration, acknowledgements, expiry                                     |
| `conversation`   | the items, in order, and the same for a new session                         |
| `playback`       | audio that came and audio that was played                                   |
| `linkage`        | losing the link: what a close means, what is tried again, what wasn't sent  |
| `outbox`         | events that go out: checked, numbered, written                              |
| `waiters`        | outcomes that are waited for                                                |

Nothing here opens a socket, reads a clock, sleeps or starts a thread or task. What is exported is what the
rest of `connection` uses.
"""

from .client_events import Outgoing, appended, contents_of, create_item, create_response, text_item
from .connect_plan import Handshake, Plan, Role, call_id_in, check_reconnect, confirming_plan, make_plan
from .conversation import TranscriptLine, read_item
from .core import MAX_QUEUE_BYTES, ConnectionState
from .function_calls import ApprovalJob, CallJob, FollowUpJob, Job
from .mailbox import (
    Budget,
    EventWaiter,
    Handler,
    Handlers,
    Kind,
    Message,
    Several,
    Where,
    name_of,
    read_message,
)
from .playback import Interruption, Position
from .reconnect import OF_PARENT, Attempt, Ending, Reconnect, Reconnecting, Unsent, unconfirmed
from .session_state import Acknowledgement
from .turns import ToolCall, Turn, TurnStream
from .waiters import Waiter

__all__ = [
    "MAX_QUEUE_BYTES",
    "OF_PARENT",
    "Acknowledgement",
    "ApprovalJob",
    "Attempt",
    "Budget",
    "CallJob",
    "ConnectionState",
    "Ending",
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
    "check_reconnect",
    "confirming_plan",
    "contents_of",
    "create_item",
    "create_response",
    "make_plan",
    "name_of",
    "read_item",
    "read_message",
    "text_item",
    "unconfirmed",
]
