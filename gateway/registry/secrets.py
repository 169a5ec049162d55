"""Keys and passwords of devices, in a file of their own with mode 0600: never logged, exported or printed.

LoRaWAN application keys must be readable to answer a join: sealed where the operator gives a key for that
(gateway.vault). MQTT passwords are kept as scrypt hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import AbstractContextManager
from pathlib import Path

from gateway.dbfile import open_database
from gateway.registry.atomic import atomic
from gateway.vault import Vault, leave_no_trace, open_vault

_SCRYPT_N = 1 << 12  # 4 MiB, about 10 ms: provisioned passwords are random, not chosen by people
_TABLES = """
CREATE TABLE IF NOT EXISTS app_keys(dev_eui TEXT PRIMARY KEY, app_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passwords(
    dev_eui TEXT PRIMARY KEY, salt BLOB NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS broker_hashes(
    dev_eui TEXT PRIMARY KEY, salt TEXT NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
"""
BROKER_ITERATIONS = 5000  # about 3 ms, at each login at the broker


class Secrets:
    """The secrets file. Calls are serialised by the registry that owns it."""

    def __init__(self, path: Path) -> None:
        """Open or create; the file is 0600 before anything is written to it."""
        self._vault = open_vault(path.parent)
        self._db = open_database(path, 1, _TABLES)

    def put_app_key(self, dev_eui: str, app_key: bytes) -> None:
        """Keep the application key of a LoRaWAN device."""
        kept = self._vault.seal(app_key, _place(dev_eui))
        self._db.execute("INSERT OR REPLACE INTO app_keys VALUES (?, ?)", (dev_eui, kept))

    def app_key(self, dev_eui: str) -> bytes | None:
        """Return an application key, or None."""
        row = self._db.execute("SELECT app_key FROM app_keys WHERE dev_eui = ?", (dev_eui,)).fetchone()
        return None if row is None else self._vault.unseal(row[0], _place(dev_eui))

    def seal_all(self, vault: Vault) -> int:
        """Keep every key as a vault keeps it from now on; return how many changed. Raise StoreError."""
        rows = self._db.execute("SELECT dev_eui, app_key FROM app_keys").fetchall()
        changed = [
            (vault.seal(vault.unseal(kept, _place(dev_eui)), _place(dev_eui)), dev_eui)
            for dev_eui, kept in rows
            if not vault.is_current(kept)
        ]
        with self.atomic():
            self._db.executemany("UPDATE app_keys SET app_key = ? WHERE dev_eui = ?", changed)
        leave_no_trace(self._db)
        self._vault = vault
        return len(changed)

    def put_password(self, dev_eui: str, password: str) -> None:
        """Keep the hash of an MQTT password."""
        salt = os.urandom(16)
        self._db.execute(
            "INSERT OR REPLACE INTO passwords VALUES (?, ?, ?)", (dev_eui, salt, _hash(password, salt))
        )
        self._db.execute(
            "INSERT OR REPLACE INTO broker_hashes VALUES (?, ?, ?)", (dev_eui, *broker_hash(password))
        )

    def broker_hashes(self) -> dict[str, tuple[str, bytes]]:
        """Return (salt, hash) by device, in the form that brokers of others read (see `broker_hash`)."""
        rows = self._db.execute("SELECT dev_eui, salt, hash FROM broker_hashes ORDER BY dev_eui")
        return {dev_eui: (salt, found) for dev_eui, salt, found in rows}

    def password_of(self, dev_eui: str) -> tuple[bytes, bytes]:
        """Return (salt, hash) for `matches`; of an unknown device a pair that nothing matches."""
        row = self._db.execute("SELECT salt, hash FROM passwords WHERE dev_eui = ?", (dev_eui,)).fetchone()
        return (bytes(16), b"") if row is None else row

    def version(self) -> tuple[int, int]:
        """Return what differs after anybody, in whatever process, has written."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def atomic(self) -> AbstractContextManager[None]:
        """Keep what a block writes, or nothing of it when it raises."""
        return atomic(self._db)

    def forget(self, dev_eui: str) -> None:
        """Delete the secrets of a device."""
        self._db.execute("DELETE FROM app_keys WHERE dev_eui = ?", (dev_eui,))
        self._db.execute("DELETE FROM passwords WHERE dev_eui = ?", (dev_eui,))
        self._db.execute("DELETE FROM broker_hashes WHERE dev_eui = ?", (dev_eui,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _place(dev_eui: str) -> str:
    return f"app_key {dev_eui}"


def matches(password: str, known: tuple[bytes, bytes]) -> bool:
    """Tell whether a password is right; takes as long for an unknown device."""
    return hmac.compare_digest(_hash(password, known[0]), known[1])


def broker_hash(password: str) -> tuple[str, bytes]:
    """Return (salt, hash) as Mosquitto ($7$) and EMQX keep them: PBKDF2 with SHA-512, 64 bytes.

    Neither takes scrypt. The salt is text, because EMQX reads it as one, and 12 bytes, as Mosquitto wants it.
    """
    salt = os.urandom(6).hex()
    return salt, hashlib.pbkdf2_hmac("sha512", password.encode(), salt.encode(), BROKER_ITERATIONS, 64)


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_SCRYPT_N, r=8, p=1, dklen=32)
