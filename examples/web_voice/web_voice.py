"""Talk to a page: the offer goes through this app, which attaches to the call and runs its tools.

    pip install fastapi
    python examples/web_voice/web_voice.py

`/` calls through this app. `/secret.html` calls the API directly, with a client secret that this app creates.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where
from realtime_kit.web import RunningCalls, router
from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import AsyncConnection, SessionBuilder

PAGES = Path(__file__).parent
SESSION = (
    SessionBuilder("gpt-realtime-2.1")
    .instructions("You answer for the front desk of a small hotel. Greet first.")
    .voice("marin")
    .transcribe("gpt-realtime-whisper")
)
ROOMS = {"Elm": 90, "Oak": 120}


def book_room(room: str, nights: Annotated[int, msgspec.Meta(ge=1, le=14)]) -> dict[str, Any]:
    """Book a room.

    Args:
        room: The room's name, as on its door.
        nights: How many nights.
    """
    return {"room": room, "price": ROOMS[room] * nights}


def is_allowed(request: Request) -> bool:
    """Admit requests from this app's own page; a real app checks the user's session."""
    return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


async def greet(connection: AsyncConnection) -> None:
    """Make the model speak first, as soon as the sideband is connected."""
    await connection.create_response()


def app() -> FastAPI:
    """Create the web app; environment variables configure its client."""
    calls = RunningCalls()
    made = FastAPI(lifespan=calls.lifespan)
    made.mount(
        "/realtime", router(calls, SESSION, tools=[book_room], on_connection=greet, authorize=is_allowed)
    )

    @made.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGES / "index.html")

    @made.get("/secret.html")
    async def secret_page() -> FileResponse:
        return FileResponse(PAGES / "secret.html")

    return made


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where the page is served; a free one if 0")
    options = parser.parse_args()
    with where.api(options.live) as simulator:
        if simulator is not None:
            rehearse(simulator)
        config = uvicorn.Config(app(), host="127.0.0.1", port=options.port, log_level="warning")
        socket = config.bind_socket()
        socket.listen()  # from now on connections are accepted
        print(f"http://127.0.0.1:{socket.getsockname()[1]}/", flush=True)
        uvicorn.Server(config).run([socket])


def rehearse(simulator: Simulator) -> None:
    """Configure the simulator's model: it greets, and makes the requested booking."""
    simulator.on_response("Good morning. How can I help you?", match="^$")
    simulator.on_response(
        sequence(call_tool("book_room", {"room": "Elm", "nights": 2}), "Elm is yours for 180."), match="book"
    )


if __name__ == "__main__":
    main()
