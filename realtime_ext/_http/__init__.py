"""HTTP: settings of clients and requests, operations, retries, and sending.

All network code but that of WebSockets and WebRTC belongs here; the API's operations do not.
"""

from .operation import Operation
from .sending import AsyncHttp, Clock, Http, asend, send
from .settings import RequestOptions, Settings

__all__ = ["AsyncHttp", "Clock", "Http", "Operation", "RequestOptions", "Settings", "asend", "send"]
