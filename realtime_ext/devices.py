"""The microphone and the loudspeaker: a short name for `realtime_ext.integrations.devices`."""

from .integrations.devices import *  # noqa: F403
