"""WebSocket sessions one after the other, each with a spoken answer. Arguments: base URL, key, sessions."""

import sys

import orjson
from websockets.sync.client import connect

base_url, api_key, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
url = base_url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime-2.1"
item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good morning."}]}
for _ in range(count):
    headers = {"Authorization": f"Bearer {api_key}"}
    with connect(url, additional_headers=headers, compression=None, max_size=None, proxy=None) as socket:
        socket.send(orjson.dumps({"type": "conversation.item.create", "item": item}), text=True)
        socket.send(orjson.dumps({"type": "response.create"}), text=True)
        while orjson.loads(socket.recv())["type"] != "response.done":
            pass
