"""WebRTC calls, more and more, whose packets are timed as they arrive and not decoded.

Arguments: base URL, key, "realtime" or "live" for the API, and "speaking" for callers who speak all the time,
or "silent". Each line on stdin is a number of calls: as many are then open, and are listened to for some
seconds. The answer is JSON: packets that came, that came late, that are missing, and the share of a core that
this process took.
"""

import asyncio
import itertools
import json
import resource
import sys
import time

from aiortc import rtcrtpreceiver
from realtime_simulator._media.codecs import encode_opus
from realtime_simulator._media.voice import synthesize

from realtime_ext import AsyncRealtimeClient
from realtime_ext.connection._webrtc_audio import OutgoingAudio

CLOCK = 48000
TICKS = 960  # 20 ms
LATE_SECONDS = 0.04  # what a receiver's buffer makes up for
LISTENING_SECONDS = 2.5
WORDS = "I have a great deal to say, and I go on saying it without a pause, so that nobody else can speak. "
STREAMS = {}  # SSRC -> arrival and timestamp of each packet


async def see(self, packet, arrival_time_ms):
    """Count a packet in place of decoding it."""
    STREAMS.setdefault(packet.ssrc, []).append((time.monotonic(), packet.timestamp))


rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet = see


def speak():
    """Send speech that was encoded once in place of each call's silence."""
    packets = encode_opus(synthesize(WORDS * 3))
    spoken = {}
    OutgoingAudio.next_payload = lambda track: next(spoken.setdefault(track, itertools.cycle(packets)))


def judge(packets):
    """Count the packets of one stream: all, late ones and missing ones."""
    times = [arrival - stamp / CLOCK for arrival, stamp in packets]
    first = min(times)
    stamps = {stamp for _, stamp in packets}
    due = (max(stamps) - min(stamps)) // TICKS + 1
    return len(packets), sum(moment - first > LATE_SECONDS for moment in times), due - len(stamps)


def dial(client, api):
    """Return what makes a call."""
    if api == "live":
        return client.live.dial({"model": "gpt-live-1", "delegation": {"type": "client"}})
    return client.dial(session={"type": "realtime", "model": "gpt-realtime-2.1"})


async def answer(call, api):
    """Make the model speak for a while."""
    if api == "live":
        await call.say(WORDS)
    else:
        await call.create_response(instructions="Speak for a while.")


async def main(base_url, api_key, api, callers):
    """Serve."""
    if callers == "speaking":
        speak()
    client = AsyncRealtimeClient(api_key, base_url=base_url)
    loop = asyncio.get_running_loop()
    calls = []
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        while len(calls) < int(line):
            dialing = dial(client, api)
            calls.append((dialing, await dialing.__aenter__()))
        for _, call in calls:
            await answer(call, api)
        await asyncio.sleep(0.5)  # what dialling and answering took is not to be counted
        STREAMS.clear()
        used = resource.getrusage(resource.RUSAGE_SELF)
        before = used.ru_utime + used.ru_stime
        await asyncio.sleep(LISTENING_SECONDS)
        used = resource.getrusage(resource.RUSAGE_SELF)
        found = [judge(packets) for packets in tuple(STREAMS.values())]
        came, late, missing = (sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0)
        silent = len(calls) - len(found)
        result = {"came": came, "late": late, "missing": missing + silent * int(LISTENING_SECONDS / 0.02)}
        result["seconds"] = (used.ru_utime + used.ru_stime - before) / LISTENING_SECONDS
        print(json.dumps(result), flush=True)
    await asyncio.gather(*(dialing.__aexit__(None, None, None) for dialing, _ in calls))


asyncio.run(main(*sys.argv[1:5]))
