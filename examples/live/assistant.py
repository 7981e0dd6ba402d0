"""Do the work that a Live model delegates to this program: no backend model, just a function.

python examples/live/assistant.py
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for where.py, which all examples share

import where
from realtime_simulator import delegate

from realtime_ext import AsyncRealtimeClient, LiveSessionBuilder
from realtime_ext.connection import AsyncDelegation

SESSION = LiveSessionBuilder("gpt-live-1").instructions("Look everything up.").delegate_to_client()
HOURS = {"breakfast": "seven to ten", "dinner": "six to nine"}


async def look_up(task: AsyncDelegation) -> str:
    """Find the meal that the user asked for; the model says the result."""
    words = await task.finished()  # the model may delegate in mid-sentence
    print(f"delegated: {words}")
    await task.think("The kitchen is closed on Mondays.")  # known to the model, but not said
    meal = next((meal for meal in HOURS if meal in words), "breakfast")
    return f"The hours of {meal} are {HOURS[meal]}."


async def main(live: bool) -> None:
    with where.api(live) as simulator:
        if simulator is not None:
            simulator.on_speech(lambda heard: "What time does breakfast start?" if heard.finished else None)
            simulator.on_response(["One moment.", delegate()], times=1)
        async with AsyncRealtimeClient() as client, client.live.connect(SESSION) as connection:
            connection.delegate(look_up)
            await connection.send_audio(where.QUESTION)
            with contextlib.suppress(TimeoutError):
                while True:  # until the model has been silent for five seconds
                    await connection.wait_for("session.output_transcript.delta", timeout=5)
            for line in connection.transcript:
                print(f"{line.speaker}: {line.text}")


if __name__ == "__main__":
    asyncio.run(main(where.parser(__doc__).parse_args().live))
