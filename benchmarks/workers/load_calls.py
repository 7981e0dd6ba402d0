"""WebRTC calls, more and more, whose packets are timed as they arrive and not decoded.

Arguments: base URL, key. Each line on stdin is a number of calls: as many are then open, and are listened to
for some seconds. The answer is JSON: packets that came, that came late, that are missing, and the share of a
core that this process took.
"""

import asyncio
import json
import resource
import sys
import time

from aiortc import rtcrtpreceiver

from realtime_ext import AsyncRealtimeClient

CLOCK = 48000
TICKS = 960  # 20 ms
LATE_SECONDS = 0.04  # what a receiver's buffer makes up for
LISTENING_SECONDS = 2.5
STREAMS = {}  # SSRC -> arrival and timestamp of each packet


async def see(self, packet, arrival_time_ms):
    """Count a packet in place of decoding it."""
    STREAMS.setdefault(packet.ssrc, []).append((time.monotonic(), packet.timestamp))


rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet = see


def judge(packets):
    """Count the packets of one stream: all, late ones and missing ones."""
    times = [arrival - stamp / CLOCK for arrival, stamp in packets]
    first = min(times)
    stamps = {stamp for _, stamp in packets}
    due = (max(stamps) - min(stamps)) // TICKS + 1
    return len(packets), sum(moment - first > LATE_SECONDS for moment in times), due - len(stamps)


async def main(base_url, api_key):
    """Serve."""
    client = AsyncRealtimeClient(api_key, base_url=base_url)
    loop = asyncio.get_running_loop()
    calls = []
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        while len(calls) < int(line):
            dialing = client.dial(session={"type": "realtime", "model": "gpt-realtime-2.1"})
            calls.append((dialing, await dialing.__aenter__()))
        for _, call in calls:
            await call.create_response(instructions="Speak for a while.")
        await asyncio.sleep(0.5)  # what dialling and answering took is not to be counted
        STREAMS.clear()
        used = resource.getrusage(resource.RUSAGE_SELF)
        before = used.ru_utime + used.ru_stime
        await asyncio.sleep(LISTENING_SECONDS)
        used = resource.getrusage(resource.RUSAGE_SELF)
        found = [judge(packets) for packets in tuple(STREAMS.values())]
        came, late, missing = (sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0)
        silent = len(calls) - len(found)
        answer = {"came": came, "late": late, "missing": missing + silent * int(LISTENING_SECONDS / 0.02)}
        answer["seconds"] = (used.ru_utime + used.ru_stime - before) / LISTENING_SECONDS
        print(json.dumps(answer), flush=True)
    await asyncio.gather(*(dialing.__aexit__(None, None, None) for dialing, _ in calls))


asyncio.run(main(*sys.argv[1:3]))
