"""The key that signs updates: ECDSA on P-256, a PEM file of mode 0600 that never leaves the operator.

Nodes get the public half (`update_key` in config.json) when they are provisioned.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import UpdateError

PrivateKey = ec.EllipticCurvePrivateKey


def generate(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """Make a key and write it to a new file of mode 0600; UpdateError when the file is there already."""
    key = ec.generate_private_key(ec.SECP256R1())
    guard = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guard)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UpdateError(f"{path} is there already: nodes trust what it holds; give another name") from None
    except OSError as error:
        raise UpdateError(f"{path}: {error.strerror}; give another name") from error
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def load_private(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """Return the key of a file; UpdateError when there is none, or of another kind."""
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise UpdateError(f"{path}: {error.strerror}; `meetnet update keygen` makes one") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UpdateError(f"{path}: {error}; give the file of `meetnet update keygen`") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise UpdateError(f"{path} holds no key on P-256: give the file of `meetnet update keygen`")
    return found


def public_bytes(key: PrivateKey) -> bytes:
    """Return the public half as nodes keep it: X and Y, 32 bytes each."""
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return point[1:]


def public_hex(key: PrivateKey) -> str:
    """Return the public half as it stands in config.json."""
    return public_bytes(key).hex()
