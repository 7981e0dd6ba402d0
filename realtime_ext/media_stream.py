"""Phone audio over a provider's WebSocket: a short name for `realtime_ext.integrations.media_stream`."""

from .integrations.media_stream import *  # noqa: F403
