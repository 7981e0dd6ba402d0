"""Let a browser call: this server has the key and mints a secret for each call, the page does the rest."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where

from realtime_ext import AsyncRealtimeClient, RealtimeError, SessionBuilder

SESSION = (
    SessionBuilder("gpt-realtime").instructions("You answer for the front desk. Greet first.").voice("marin")
)


def app() -> Starlette:
    """Make the web app; clients reach what the environment says."""
    client = AsyncRealtimeClient()
    api = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).with_name("index.html"))

    async def secret(request: Request) -> Response:
        try:
            minted = await client.client_secrets.create(SESSION, expires_after=60)
        except RealtimeError as error:
            return JSONResponse({"error": str(error)}, status_code=502)
        return JSONResponse({**minted.to_browser(), "calls_url": f"{api}/realtime/calls"})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    routes = [Route("/", page), Route("/secret", secret, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where the page is served; a free one if 0")
    options = parser.parse_args()
    with where.api(options.live):
        config = uvicorn.Config(app(), host="127.0.0.1", port=options.port, log_level="warning")
        socket = config.bind_socket()
        socket.listen()  # from now on nobody is refused
        print(f"http://127.0.0.1:{socket.getsockname()[1]}/", flush=True)
        uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    main()
