"""Browser calls: routes for Starlette and FastAPI: a short name for `realtime_ext.integrations.web`."""

from .integrations.web import *  # noqa: F403
