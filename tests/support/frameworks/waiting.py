"""What the scripts beside it share; each runs in an environment of its own."""

import asyncio


async def until(condition):
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.02)
