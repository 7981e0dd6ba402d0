"""Recordings of both sides of a conversation: a short name for `realtime_ext.integrations.recorder`."""

from .integrations.recorder import *  # noqa: F403
