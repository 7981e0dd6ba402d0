"""Many calls on many machines: a short name for `realtime_ext.integrations.fleet`."""

from .integrations.fleet import *  # noqa: F403
