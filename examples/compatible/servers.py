"""The same conversation with Azure, with xAI, and with a server that uses the beta's names.

    python examples/compatible/servers.py azure
    python examples/compatible/servers.py xai --base-url https://api.x.ai/v1 \\
        --key "$XAI_API_KEY" --model grok-voice-latest --voice eve

Without --base-url, the simulator stands in for each of them.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import RealtimeClient, SessionBuilder

# The client's settings for each, in addition to URL and key.
SERVERS: dict[str, dict[str, Any]] = {
    "azure": {"auth_header": "api-key"},  # the model is the name of a deployment
    "xai": {"dialect": "xai"},
    "beta": {"dialect": "beta"},  # Qwen, speaches
    "localai": {},  # current names
}


def room_temperature() -> str:
    """Return the temperature in the room."""
    return "21 degrees"


def talk(client: RealtimeClient, model: str, voice: str | None) -> None:
    session = SessionBuilder(model).instructions("Answer in one short sentence.")
    if voice is not None:
        session = session.voice(voice)
    with client.connect(session, tools=[room_temperature]) as connection:
        for question in ("How warm is it in here?", "Thank you."):
            turn = connection.ask(question)
            tools = "".join(f"[{call.name}] " for call in turn.tool_calls)
            print(f"{tools}{turn.transcript} ({len(turn.audio)} bytes of audio)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--base-url", help="where it is; the simulator plays it if this is left out")
    parser.add_argument("--key", help="its key")
    parser.add_argument("--model", default="gpt-realtime-2.1")
    parser.add_argument("--voice")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url, key = options.base_url, options.key
        if url is None:
            profile: Any = "openai" if options.server == "localai" else options.server
            simulator = stack.enter_context(Simulator(profile=profile, pacing="none"))
            url, key = simulator.base_url, simulator.api_key
            rehearse(simulator)
        client = stack.enter_context(RealtimeClient(key, base_url=url, **SERVERS[options.server]))
        talk(client, options.model, options.voice)


def rehearse(simulator: Simulator) -> None:
    """Configure the simulator's model."""
    simulator.on_response("You are welcome.", match="Thank")
    simulator.on_response(sequence(call_tool("room_temperature"), "It is 21 degrees."), match="warm")


if __name__ == "__main__":
    main()
