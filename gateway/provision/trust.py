"""What a new node must trust: the key that signs its updates, and who signed the broker's certificate."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.node_config import keys

_UPDATE_KEY = re.compile(r"[0-9a-fA-F]{128}")


def trust_of(config: Config) -> dict[str, Any]:
    """Return keys of a node's config.json for nodes of any kind: update_key where the gateway knows it."""
    found = config.text("updates.public_key").strip()
    if not found:
        return {}
    if not _UPDATE_KEY.fullmatch(found):
        raise ConfigError(
            "updates.public_key", "is not 128 hex digits; copy what `meetnet update keygen` printed"
        )
    return {"update_key": found.lower()}


def broker_of(config: Config) -> dict[str, Any]:
    """Return keys of config.json for nodes on Wi-Fi: port, and with TLS the certificate to trust.

    Of the built-in broker, or of the city's where that is the one in use. ConfigError names what is missing.
    """
    section = "broker" if config.flag("broker.enabled") or not config.flag("mqtt.enabled") else "mqtt"
    found: dict[str, Any] = {"mqtt.port": config.whole(f"{section}.port")}
    chain = config.path("broker.tls_certificate") if section == "broker" else None
    if section == "broker" and chain is None:
        return found
    if section == "mqtt" and not config.flag("mqtt.tls"):
        return found
    signer = config.path(f"{section}.tls_ca")
    if signer is None and chain is None:
        raise ConfigError(
            "mqtt.tls_ca", "is empty: nodes must know who signed the broker's certificate; give it as PEM"
        )
    return found | {
        "mqtt.tls": True,
        "mqtt.ca": _anchor(signer or chain, f"{section}.tls_ca", signer is None),
    }


def _anchor(path: Path | None, setting: str, is_chain: bool) -> str:
    """Return the last certificate of a PEM file in base64 of DER; in a chain it must be a signer's."""
    assert path is not None
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(setting, f"{path}: {error}; give certificates as PEM") from error
    last = found[-1]
    if is_chain and len(found) == 1 and last.issuer != last.subject:
        raise ConfigError(
            setting,
            f"is empty and {path} has no signer in it: give the PEM of {last.issuer.rfc4514_string()}",
        )
    text = base64.b64encode(last.public_bytes(Encoding.DER)).decode()
    most = keys()["mqtt.ca"].rules["maxLength"]
    if len(text) > most:
        raise ConfigError(
            setting,
            f"{path} has {len(text)} characters in base64, a node takes {most}: use an EC key",
        )
    return text
