"""HTTP: settings of clients and requests, what is asked and answered, retries, and the only sending.

Everything about the network but WebSockets and WebRTC belongs here; what the API's operations are does not.
"""

from .operation import Operation
from .sending import AsyncHttp, Clock, Http, asend, send
from .settings import RequestOptions, Settings

__all__ = ["AsyncHttp", "Clock", "Http", "Operation", "RequestOptions", "Settings", "asend", "send"]
