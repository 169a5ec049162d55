"""Certificates of our own listeners, checked at the start, so that a fault is named by its setting."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.config import Config
from gateway.errors import ConfigError

SECTIONS = ("basics_station", "broker", "push", "web")  # those that listen, and may speak TLS


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the chain of a server, and its private key."""

    certificate: Path
    key: Path


def tls_files(config: Config, section: str) -> TlsFiles | None:
    """Return the files of `<section>.tls_certificate` and `.tls_key`, None when neither is set.

    Raise ConfigError when one is missing, cannot be read, is no PEM, or does not fit the other.
    """
    certificate, key = config.path(f"{section}.tls_certificate"), config.path(f"{section}.tls_key")
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "tls_certificate" if certificate is None else "tls_key"
        raise ConfigError(
            f"{section}.{missing}", "is empty: give both the certificate and its key, or neither"
        )
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{section}.{name}", f"cannot read {path} ({error.strerror}); correct the path or its mode"
            ) from error
    if key.stat().st_mode & 0o007:
        raise ConfigError(f"{section}.tls_key", f"{key} can be read by everybody: chmod 640 {key}")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{section}.tls_certificate",
            f"{certificate} and {key} do not make a pair ({error.reason}); give a chain and its own key",
        ) from error
    return TlsFiles(certificate, key)


def listener_certificates(config: Config) -> list[tuple[str, Path]]:
    """Return section and certificate of each listener that is on and speaks TLS."""
    found = [
        (one, config.path(f"{one}.tls_certificate")) for one in SECTIONS if config.flag(f"{one}.enabled")
    ]
    return [(section, path) for section, path in found if path is not None]


def expiry_of(certificate: Path) -> datetime | None:
    """Return until when the first certificate of a PEM chain holds (UTC); None when it cannot be read."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
