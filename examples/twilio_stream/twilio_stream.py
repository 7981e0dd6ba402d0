"""Answer phone calls that come over Twilio's Media Streams, or a service like it: G.711 over a WebSocket.

    pip install fastapi
    python examples/twilio_stream/twilio_stream.py --public wss://example.com

Set `https://example.com/voice` as the URL that Twilio requests for incoming calls. The simulator answers
instead of the API; with --live the API answers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qs
from xml.sax.saxutils import quoteattr

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where
from realtime_kit.media_stream import MediaStream

from realtime_ext import AsyncRealtimeClient, RealtimeError, SessionBuilder


def app(public: str | None) -> FastAPI:
    """Create the web app.

    Args:
        public: Its public URL for Twilio, `wss://…`; None for the address of each request.
    """
    made = FastAPI()
    client = AsyncRealtimeClient()

    @made.post("/voice")
    async def voice(request: Request) -> Response:
        """Answer Twilio's webhook with TwiML that streams the call, with the caller's number."""
        numbers = parse_qs((await request.body()).decode()).get("From", [])
        url = public or str(request.base_url).replace("http", "ws", 1).rstrip("/")
        twiml = (
            f"<Response><Connect><Stream url={quoteattr(f'{url}/media')}>"
            f'<Parameter name="caller" value={quoteattr(numbers[0] if numbers else "unknown")}/>'
            "</Stream></Connect></Response>"
        )
        return Response(twiml, media_type="application/xml")

    @made.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        """Connect a call to a session until one of them ends."""
        await websocket.accept()
        async with MediaStream(websocket) as stream:
            start = await stream.start()
            print(f"{start.parameters.get('caller', 'unknown')} calls", flush=True)
            session = (
                SessionBuilder("gpt-realtime-2.1")
                .instructions("You answer for the front desk of a small hotel. Greet the caller.")
                .telephony(start.format)
                .server_vad(silence_duration_ms=500)
            )
            try:
                async with client.connect(session) as connection:

                    @connection.on("response.output_audio_transcript.done")
                    def said(event: object) -> None:
                        print(f"desk: {getattr(event, 'transcript', '')}", flush=True)

                    await connection.create_response()  # the greeting
                    await stream.bridge(connection, on_dtmf=lambda key: print(f"key {key}", flush=True))
            except RealtimeError as error:
                print(f"the call failed: {error}", flush=True)
        print("the call is over", flush=True)

    return made


def main() -> None:
    parser = where.parser(__doc__)
    parser.add_argument("--port", type=int, default=8082, help="where it is served; a free one if 0")
    parser.add_argument("--public", help="where Twilio reaches it: wss://…")
    options = parser.parse_args()
    with where.api(options.live) as simulator:
        if simulator is not None:
            simulator.on_speech(lambda heard: "What time does breakfast start?")
            simulator.on_response("Breakfast starts at seven.", match="breakfast")
            simulator.on_response("Front desk, good morning.", match="^$")
        config = uvicorn.Config(app(options.public), host="127.0.0.1", port=options.port, log_level="warning")
        socket = config.bind_socket()
        socket.listen()  # from now on connections are accepted
        print(f"http://127.0.0.1:{socket.getsockname()[1]}/voice", flush=True)
        uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    main()
