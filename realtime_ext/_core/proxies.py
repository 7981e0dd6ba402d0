"""Which proxy a request goes through: the environment's, but never for this machine's own servers."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine: 127.0.0.0/8, ::1 or localhost."""
    host = ""
    try:
        host = urlsplit(url).hostname or ""
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def environment_proxy(url: str) -> str | None:
    """Return the host and port of the environment's proxy for a URL, without its password; None for none.

    Args:
        url: The URL of a request, with the scheme `http` or `https`.
    """
    if is_loopback(url):
        return None
    proxies, parts = getproxies(), urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    try:
        found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return found.hostname if found.port is None else f"{found.hostname}:{found.port}"
    except ValueError:  # not a URL; connecting reports that
        return None
