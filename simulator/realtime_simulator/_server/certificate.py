"""A self-signed certificate for this machine, for clients that only speak TLS."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["ensure_certificate"]

_DAYS = 365
_NAMES = ("localhost", "127.0.0.1", "::1")


def ensure_certificate(file: str | os.PathLike[str], host: str) -> None:
    """Check a PEM file with a certificate and its private key, and create it if it is missing.

    The new one is self-signed, valid for a year, for `localhost`, `127.0.0.1`, `::1` and the host, and can be
    read by its owner alone.

    Args:
        file: The file.
        host: The address that the server listens on.

    Raises:
        ValueError: The file has no certificate with its key.
        OSError: It can't be read or written.
    """
    path = Path(file)
    if not path.exists():
        content = _self_signed(host)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(
            f"tls: {path} needs a certificate and its private key, both as PEM and without a password "
            f"({error.reason or 'they do not match'}); a missing file is created"
        ) from None


def _no_password() -> bytes:
    return b""  # without this, OpenSSL would prompt on the terminal


def _self_signed(host: str) -> bytes:
    """Return a new certificate and its key, as PEM."""
    # Imported here, because it is rarely needed.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "realtime-simulator")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(one) for one in dict.fromkeys((*_NAMES, host))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _alternative(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
