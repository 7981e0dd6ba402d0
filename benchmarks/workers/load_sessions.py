"""Many WebSocket sessions at once: each streams audio in real time, is answered, and looks whether all came.

Arguments: base URL, key, sessions, seconds of audio. Prints JSON: the sessions in which nothing was lost,
events out and in, and how late the latest chunk was sent, in seconds.
"""

import asyncio
import base64
import json
import sys

import orjson
from websockets.asyncio.client import connect

CHUNK_SECONDS = 0.02
CHUNK_BYTES = 960  # of PCM16 at 24 kHz
OPENING = 20  # sessions that are opened at a time


class Session:
    """One session.

    Args:
        number: Which one; it decides on what is sent.
        gate: Held while it opens.
    """

    def __init__(self, number, gate):
        self.sound = b"".join(
            ((number * 7919 + n) % 251 - 125).to_bytes(2, "little", signed=True) * (CHUNK_BYTES // 2)
            for n in range(chunks)
        )
        self.gate = gate
        self.sent = self.received = 0
        self.late = 0.0

    async def send(self, **event):
        """Send an event."""
        self.sent += 1
        await self.socket.send(orjson.dumps(event), text=True)

    async def until(self, kind):
        """Return the events up to one of a type."""
        events = []
        while not events or events[-1]["type"] != kind:
            events.append(orjson.loads(await self.socket.recv(decode=False)))
            self.received += 1
            assert events[-1]["type"] != "error", events[-1]
        return events

    async def audio_of(self, item_id):
        """Return an item's audio, as the server has it."""
        await self.send(type="conversation.item.retrieve", item_id=item_id)
        item = (await self.until("conversation.item.retrieved"))[-1]["item"]
        return base64.b64decode(item["content"][0]["audio"])

    async def run(self, begin):
        """Open, stream when all have opened, and compare."""
        url = base_url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime-2.1"
        headers = {"Authorization": f"Bearer {api_key}"}
        async with self.gate:
            self.socket = await connect(
                url, additional_headers=headers, compression=None, max_size=None, proxy=None
            )
            await self.until("session.created")
            no_turns = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            await self.send(type="session.update", session=no_turns)
            await self.until("session.updated")
        await begin.wait()
        await self.stream()
        await self.send(type="input_audio_buffer.commit")
        heard = (await self.until("conversation.item.done"))[-1]["item"]
        is_whole = await self.audio_of(heard["id"]) == self.sound
        await self.send(type="response.create")
        events = await self.until("response.done")
        deltas = [event for event in events if event["type"] == "response.output_audio.delta"]
        said = b"".join(base64.b64decode(event["delta"]) for event in deltas)
        is_whole &= bool(said) and await self.audio_of(deltas[0]["item_id"]) == said
        await self.socket.close()
        return is_whole

    async def stream(self):
        """Send the audio in real time."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n in range(chunks):
            wait = start + n * CHUNK_SECONDS - loop.time()
            await asyncio.sleep(max(wait, 0))
            self.late = max(self.late, -wait)
            chunk = self.sound[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES]
            await self.send(type="input_audio_buffer.append", audio=base64.b64encode(chunk).decode())


async def main():
    """Run them all."""
    gate, begin = asyncio.Semaphore(OPENING), asyncio.Event()
    sessions = [Session(number, gate) for number in range(count)]
    tasks = [asyncio.ensure_future(session.run(begin)) for session in sessions]
    while any(session.received < 2 for session in sessions):  # created and updated
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks), "a session ended early"
    begin.set()
    whole = sum(await asyncio.gather(*tasks))
    out, into = sum(session.sent for session in sessions), sum(session.received for session in sessions)
    print(json.dumps({"whole": whole, "out": out, "in": into, "late": max(s.late for s in sessions)}))


base_url, api_key = sys.argv[1:3]
count = int(sys.argv[3])
chunks = round(float(sys.argv[4]) / CHUNK_SECONDS)
asyncio.run(main())
