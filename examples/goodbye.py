"""Answer a phone call, and hang up when the caller has heard the last words.

--live needs the id of a ringing call (rtc_…), which is in the webhook: see phone_line/.
"""

from __future__ import annotations

import where

from realtime_ext import RealtimeClient, SessionBuilder


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("call_id", nargs="?", help="the call to answer")
    options = parser.parse_args()
    session = SessionBuilder("gpt-realtime-2.1").instructions("You answer for the front desk. Be brief.")
    with where.api(options.live) as simulator, RealtimeClient() as client:
        call_id = options.call_id
        if simulator is not None:
            simulator.on_response("We close at ten. Goodbye.", match="")  # the words of the simulated model
            ringing = simulator.incoming_call("http://127.0.0.1:9/", attempts=1)  # no server listens there
            call_id = ringing.id
        elif call_id is None:
            parser.error("--live needs the id of a ringing call")
        with client.answer(call_id, session) as connection:
            turn = connection.say_goodbye("We close at ten. Goodbye.")
            print(f"said: {turn.transcript}")
        if simulator is not None:
            print(f"ended by: {ringing.ended}")


if __name__ == "__main__":
    main()
