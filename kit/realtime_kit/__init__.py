"""Ready-made parts for voice apps, built on the public names of `realtime_ext` alone.

| module         | for                                                       | extra     |
|----------------|-----------------------------------------------------------|-----------|
| `web`          | browser calls: routes for Starlette and FastAPI           | `web`     |
| `incoming`     | webhook endpoints that answer phone calls                 | `web`     |
| `media_stream` | phone audio over a provider's WebSocket, such as Twilio's |           |
| `devices`      | the microphone and the loudspeaker                        | `devices` |
| `recorder`     | recordings of both sides of a conversation                |           |
| `auditor`      | a folder about each call: audio, words, latency, cost     |           |
| `budget`       | prices, and limits of what connections may spend          |           |
| `fleet`        | many calls on many machines                               | `fleet`   |
| `cli`          | the command `realtime`                                    | `cli`     |
"""

from ._core.version import __version__

__all__ = ["__version__"]


def __dir__() -> list[str]:
    return __all__
