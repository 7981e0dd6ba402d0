"""Wrong use: pyright must say so on each line that ends in `# wrong`, and on no other. Never run."""

from realtime_api import models

import realtime_ext
from realtime_ext import RealtimeClient, SessionBuilder

realtime_ext.RealtimeCleint  # wrong
client = RealtimeClient(api_kye="…")  # wrong
session = SessionBuilder("gpt-realtime-2.1").voise("marin")  # wrong
models.RealtimeSesion  # wrong
event = models.RealtimeServerEventResponseDone.from_dict({})
event.respons  # wrong
client.calls.create(42)  # wrong
client.calls.hangup("rtc_1").id  # wrong
client.client_secrets.create(expires_after="60")  # wrong
