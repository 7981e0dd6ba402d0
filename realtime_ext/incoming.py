"""Webhook endpoints that answer phone calls: a short name for `realtime_ext.integrations.incoming`."""

from .integrations.incoming import *  # noqa: F403
