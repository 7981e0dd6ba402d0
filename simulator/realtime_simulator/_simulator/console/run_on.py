"""Sessions that run on from an event of an earlier one, as the console and the control endpoint ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from realtime_simulator._core.clock import Clock
from realtime_simulator._core.ids import Ids
from realtime_simulator._core.problem import did_you_mean
from realtime_simulator._records.session import MAX_NAME, SessionLog
from realtime_simulator._records.state import events_of, state_after
from realtime_simulator._records.store import Records
from realtime_simulator._stepping.change import Change, RerunError
from realtime_simulator._stepping.history import History
from realtime_simulator._stepping.rerun import run_on

MOST_AT_ONCE = 2
"""The sessions that run on at the same time."""
MAX_ANSWER = 2_000
"""The characters of a changed answer."""
_FIELDS = ("at", "event", "answer")


class Runs:
    """Runs sessions on, outside of the simulator: nothing of its scenario, clock or ids is part of it.

    Args:
        records: The records of the simulator, to which the new sessions are added.
        clock: Its clock, for the time at which a session was added.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._running = 0

    async def run(self, session_id: str, asked: Mapping[str, Any]) -> str:
        """Run on from an event of a session.

        Args:
            session_id: The session.
            asked: `at`, the number of the event, and perhaps `event`, what the client sends in its place, and
                `answer`, what the model says next.

        Returns:
            The id of the new session.

        Raises:
            LookupError: There is no such session.
            RuntimeError: Others are running on already.
            ValueError, TypeError: A field is wrong, or the session can't be run on from there; the message
                begins with the field's name.
        """
        log = self._records.session(session_id)
        number, change = _checked(asked)
        events = events_of(log.record)
        if not events or events[0].number != 1:
            raise ValueError(f"at: the first events of the session {session_id!r} are no longer kept")
        if self._running >= MOST_AT_ONCE:
            raise RuntimeError(f"{MOST_AT_ONCE} sessions are being run on; try again when one is done")
        self._running += 1
        try:  # in another thread: a quarter of an hour of a session takes two seconds
            ran = await asyncio.to_thread(run_on, History(session_id, events), number, change)
        except RerunError as error:
            raise ValueError(f"{error.field}: {error}") from error
        finally:
            self._running -= 1
        new = await asyncio.to_thread(self._log, log, number, ran)
        self._records.keep(new)
        return new.id

    def _log(self, source: SessionLog, number: int, ran: History) -> SessionLog:
        """Return the log of a session that was run on."""
        ids, live = Ids(), source.id.startswith("live_")
        log = SessionLog(f"live_u1_{ids.new('', 32)[1:]}" if live else ids.new("sess"), source.transport)
        log.name = f"run on from {number} of {source.name or source.id}"[:MAX_NAME]
        log.begun = self._clock.unix()
        for event in ran.events:
            log.add("received" if event.side == "client" else "sent", event.data, log.begun + event.at)
        state = state_after(ran.events)
        log.audio_in.count(state.audio["heard_seconds"])
        log.audio_out.count(state.audio["made_seconds"])
        log.config, log.items = lambda: state.session, lambda: state.items
        log.close("run on")
        return log


def _checked(asked: Mapping[str, Any]) -> tuple[int, Change]:
    """Return the number of the event, and the change.

    Raises:
        ValueError, TypeError: A field is unknown, missing or wrong.
    """
    for name in asked:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise ValueError(f"{name[:80]}: unknown field; known are {known}{did_you_mean(name, _FIELDS)}")
    number, event, answer = (asked.get(name) for name in _FIELDS)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"at: the number of an event is needed, got {_kind(number)}")
    if event is not None and not isinstance(event, Mapping):
        raise TypeError(f"event: expected an object, got {_kind(event)}")
    if event is not None and not isinstance(event.get("type"), str):
        raise ValueError(f"event.type: expected a text, got {_kind(event.get('type'))}")
    if answer is not None and not isinstance(answer, str):
        raise TypeError(f"answer: expected a text, got {_kind(answer)}")
    if answer is not None and not answer.strip():
        raise ValueError("answer: expected words, got an empty text")
    if answer is not None and len(answer) > MAX_ANSWER:
        raise ValueError(f"answer: allowed are up to {MAX_ANSWER} characters, got {len(answer)}")
    return number, Change(event=event, answer=answer)


def _kind(value: object) -> str:
    """Return what a JSON value is."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return "nothing" if value is None else names.get(type(value), "an object")
