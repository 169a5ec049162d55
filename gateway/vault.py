"""Keys of devices at rest: sealed with a key that is not in the data directory, where the operator gives one.

`meetnet secrets seal --key-file F` writes vault.json, which says where the key is and which one it is; every
later start reads the key from there. Whoever copies the data directory, or a backup of it, has no keys of
devices. Without vault.json keys stand in clear in files of mode 0600.

A sealed value: 0x01, 8 bytes that name the key, a nonce of 12 bytes, AES-256-GCM of the value (NIST SP
800-38D) with the value's own place as additional data, so that no value can be put in another's place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
import sqlite3
from pathlib import Path
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import StoreError

NAME = "vault.json"
_VERSION = b"\x01"
_ID, _NONCE = 8, 12
_HEAD = 1 + _ID + _NONCE
PLAIN_BYTES = 16  # every secret that is kept is a key of 128 bits: longer is sealed


class Vault:
    """Seals and opens values of one data directory. `keys`: the one in use first, then older ones."""

    def __init__(self, keys: tuple[bytes, ...] = (), missing: str = "") -> None:
        """missing: why there is no key though there should be one; told when a value needs it."""
        self._keys = {key_id(key): AESGCM(key) for key in keys}
        self._current = key_id(keys[0]) if keys else b""
        self._missing = missing

    @property
    def seals(self) -> bool:
        """Tell whether values are sealed."""
        return bool(self._current)

    def seal(self, plain: bytes, place: str) -> bytes:
        """Return a value as it is kept; StoreError when it must be sealed and there is no key."""
        if self._missing:
            raise StoreError(self._missing)
        if not self._current:
            return plain
        nonce = secrets.token_bytes(_NONCE)
        return (
            _VERSION + self._current + nonce + self._keys[self._current].encrypt(nonce, plain, place.encode())
        )

    def unseal(self, kept: bytes, place: str) -> bytes:
        """Return the value; StoreError when it cannot be opened, with the remedy."""
        if len(kept) <= PLAIN_BYTES:
            return kept
        cipher = self._keys.get(kept[1 : 1 + _ID])
        if kept[:1] != _VERSION or cipher is None:
            raise StoreError(
                self._missing
                or f"a key of {place} was sealed with another key than that of {NAME}: give that key file too"
            )
        try:
            return cipher.decrypt(kept[1 + _ID : _HEAD], kept[_HEAD:], place.encode())
        except InvalidTag as error:
            raise StoreError(
                f"a key of {place} is damaged or was put there from elsewhere: restore it"
            ) from error

    def is_current(self, kept: bytes) -> bool:
        """Tell whether a value is kept as `seal` would keep it now."""
        return kept[1 : 1 + _ID] == self._current if len(kept) > PLAIN_BYTES else not self._current


def key_id(key: bytes) -> bytes:
    """Return what names a key without telling it."""
    return hashlib.sha256(b"meetnet vault" + key).digest()[:_ID]


def open_vault(directory: Path) -> Vault:
    """Return the vault of a data directory. A key that cannot be had is told when a value needs it."""
    path = directory / NAME
    if not path.exists():
        return Vault()
    try:
        told = cast("dict[str, str]", json.loads(path.read_text(encoding="utf-8")))
        key_file, wanted = Path(told["key_file"]), bytes.fromhex(told["key_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Vault(
            missing=f"{path} cannot be read ({error}): restore it, or run meetnet secrets seal again"
        )
    try:
        keys = read_keys(key_file)
    except StoreError as error:
        return Vault(missing=str(error))
    if key_id(keys[0]) != wanted:
        return Vault(
            missing=f"{key_file} holds another key than the one that {path} names: put that one first"
        )
    return Vault(keys)


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys of a key file: 32 bytes as Base64 a line, the one in use first. Raise StoreError."""
    try:
        mode = path.stat().st_mode & 0o077
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"the key file {path} cannot be read ({error}): the keys of devices stay shut without it"
        ) from error
    if mode:
        raise StoreError(f"the key file {path} can be read by others: chmod 600 {path}")
    keys: list[bytes] = []
    for number, line in enumerate(lines, start=1):
        try:
            key = base64.b64decode(line, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise StoreError(f"line {number} of {path} is no key: meetnet secrets keygen makes one")
        keys.append(key)
    if not keys:
        raise StoreError(f"{path} holds no key: meetnet secrets keygen makes one")
    return tuple(keys)


def write_key(path: Path) -> None:
    """Write a new key file of mode 0600; raise StoreError when there is one already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; a key file is never written over") from error
    with os.fdopen(handle, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())


def remember(directory: Path, key_file: Path, key: bytes) -> None:
    """Write vault.json, at once or not at all."""
    path = directory / NAME
    new = path.with_suffix(".new")
    told = {"key_file": str(key_file.absolute()), "key_id": key_id(key).hex()}
    with new.open("w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o600)
    new.replace(path)


def leave_no_trace(db: sqlite3.Connection) -> None:
    """Write a database anew without what was deleted or overwritten, and empty its log."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
