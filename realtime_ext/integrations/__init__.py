"""Integrations: built on the client alone, each could be a package of its own.

| module         | for                                                       | extra     |
|----------------|-----------------------------------------------------------|-----------|
| `web`          | browser calls: routes for Starlette and FastAPI           | `web`     |
| `incoming`     | webhook endpoints that answer phone calls                 | `web`     |
| `media_stream` | phone audio over a provider's WebSocket, such as Twilio's |           |
| `devices`      | the microphone and the loudspeaker                        | `devices` |
| `recorder`     | recordings of both sides of a conversation                |           |
| `auditor`      | a folder about each call: audio, words, latency, cost     |           |
| `fleet`        | many calls on many machines                               | `fleet`   |

Nothing below this package may import it.
"""
