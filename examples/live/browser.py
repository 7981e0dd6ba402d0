"""Talk to a Live model on a page: the offer goes through this app, which runs the tools.

pip install fastapi
python examples/live/browser.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where
from realtime_kit.web import RunningCalls, router
from realtime_simulator import call_tool, sequence

from realtime_ext import LiveSessionBuilder
from realtime_ext.connection import AsyncLiveConnection

SESSION = (
    LiveSessionBuilder("gpt-live-1")
    .instructions("You answer for the front desk of a small hotel.")
    .delegate_to("gpt-5.6-sol")
    .data_channel(client_events=[])  # the page only receives events
)


def breakfast_time(weekend: bool = False) -> str:
    """Look up when breakfast starts."""
    return "8:00" if weekend else "7:00"


async def greet(connection: AsyncLiveConnection) -> None:
    """Make the model speak first, as soon as the sideband is connected."""
    await connection.say("Good morning. How can I help you?")


calls = RunningCalls()
app = FastAPI(lifespan=calls.lifespan)
app.mount("/realtime", router(calls, SESSION, api="live", tools=[breakfast_time], on_connection=greet))
app.get("/")(lambda: FileResponse(Path(__file__).with_name("browser.html")))


if __name__ == "__main__":
    parser = where.parser(__doc__)
    parser.add_argument("--port", type=int, default=8083, help="where the page is served")
    options = parser.parse_args()
    with where.api(options.live) as simulator:
        if simulator is not None:
            simulator.on_speech(lambda heard: "When is breakfast?" if heard.finished else None)
            simulator.on_response(sequence(["One moment.", call_tool("breakfast_time", {})], "At seven."))
        print(f"http://127.0.0.1:{options.port}/", flush=True)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
