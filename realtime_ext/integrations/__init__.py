"""What stands on the client and could be packages of their own.

| module         | for                                                       | extra     |
|----------------|-----------------------------------------------------------|-----------|
| `web`          | browser calls: routes for Starlette and FastAPI           | `web`     |
| `incoming`     | webhook endpoints that answer phone calls                 | `web`     |
| `media_stream` | phone audio over a provider's WebSocket, such as Twilio's |           |
| `devices`      | the microphone and the loudspeaker                        | `devices` |
| `recorder`     | recordings of both sides of a conversation                |           |
| `fleet`        | many calls on many machines                               | `fleet`   |

Nothing below this package may import it.
"""
