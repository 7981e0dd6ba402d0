"""The network between this machine and the API: proxies of the environment, certificate authorities.

Servers of this machine itself are never reached through a proxy.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine: 127.0.0.0/8, ::1 or localhost."""
    host = ""
    try:
        host = urlsplit(url).hostname or ""
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def certificate_hint(error: BaseException | None) -> str:
    """Return what to do about a failure to verify a server's certificate; empty for other failures."""
    for _ in range(10):
        if error is None:
            break
        if type(error).__name__ == "SSLCertVerificationError":
            return (
                "; if a proxy of your network signs certificates, set SSL_CERT_FILE to a PEM file with its "
                "authority, or use the system's trust store with truststore"
            )
        error = error.__cause__ or error.__context__
    return ""


def environment_proxy(url: str) -> str | None:
    """Return the host and port of the environment's proxy for a URL, without its password; None for none.

    Args:
        url: The URL of a request, with the scheme `http` or `https`.
    """
    if is_loopback(url):
        return None
    from urllib.request import getproxies, proxy_bypass  # loads slowly, with ssl and email

    proxies, parts = getproxies(), urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    try:
        found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return found.hostname if found.port is None else f"{found.hostname}:{found.port}"
    except ValueError:  # not a URL; connecting reports that
        return None
