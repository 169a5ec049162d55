"""Tags and claims of devices, in claims.db: what it said yes to survives a power cut.

A token is kept as its scrypt hash: whoever reads the file cannot claim with it. A claim is made in one
transaction that is on the disk before the host is told, so nobody is told yes twice and no two are told yes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from gateway.claims import tokens
from gateway.claims.errors import ClaimError
from gateway.dbfile import open_database
from gateway.registry.atomic import atomic

SCHEMA_VERSION = 1
VALID_MS = 365 * 86_400_000
_SCRYPT_N = 1 << 12  # 4 MiB, about 10 ms: 75 random bits need no more, and guessing stays slow
_TABLES = """
CREATE TABLE salt(salt BLOB NOT NULL);
CREATE TABLE tags(tag TEXT PRIMARY KEY, dev_eui TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE tokens(
    hash BLOB PRIMARY KEY, dev_eui TEXT NOT NULL, issued_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    replaced INTEGER NOT NULL DEFAULT 0, claimed_by TEXT) WITHOUT ROWID;
CREATE INDEX tokens_by_device ON tokens(dev_eui);
CREATE TABLE claims(
    dev_eui TEXT NOT NULL, from_ms INTEGER NOT NULL, owner TEXT NOT NULL, to_ms INTEGER,
    PRIMARY KEY(dev_eui, from_ms)) WITHOUT ROWID;
CREATE UNIQUE INDEX one_owner ON claims(dev_eui) WHERE to_ms IS NULL;
CREATE INDEX claims_by_owner ON claims(owner);
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A device belongs to an owner in [from_ms, to_ms); to_ms None = still."""

    dev_eui: str
    owner: str
    from_ms: int
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a token leads to. owner: who has claimed with it, None as long as nobody has."""

    dev_eui: str
    issued_ms: int
    until_ms: int
    owner: str | None


class ClaimBook:
    """The claims of one data directory. Safe to call from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open or create claims.db, mode 0600; raise StoreError."""
        self._lock = threading.RLock()
        # Written at once: a host was told yes, and that must not be taken back.
        self._db = open_database(path, SCHEMA_VERSION, _TABLES, synchronous="FULL", prepare=_salted)
        self._salt: bytes = self._db.execute("SELECT salt FROM salt").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- tags: for everybody

    def tag_of(self, dev_eui: str) -> str:
        """Return the tag of a device, made at the first call and the same for ever."""
        with self._lock:
            while True:
                row = self._db.execute("SELECT tag FROM tags WHERE dev_eui = ?", (dev_eui,)).fetchone()
                if row is not None:
                    return row[0]
                self._db.execute(
                    "INSERT OR IGNORE INTO tags VALUES (?, ?)", (tokens.new(tokens.TAG_LENGTH), dev_eui)
                )

    def device_of_tag(self, tag: str) -> str | None:
        """Return the DevEUI behind a tag as somebody typed or scanned it, or None."""
        code = tokens.normal(tag, tokens.TAG_LENGTH)
        if code is None:
            return None
        with self._lock:
            row = self._db.execute("SELECT dev_eui FROM tags WHERE tag = ?", (code,)).fetchone()
        return None if row is None else row[0]

    # -- tokens: for the host

    def issue(self, dev_eui: str, now_ms: int, valid_ms: int = VALID_MS) -> str:
        """Return a new claim token of a device: 16 characters, shown this once. Older ones end.

        ClaimError `taken` when somebody owns the device: it must be released first.
        """
        token = tokens.new(tokens.TOKEN_LENGTH)
        hashed = self._hash(token)
        with self._lock, atomic(self._db):
            if self.claim_of(dev_eui) is not None:
                raise ClaimError("taken")
            self._db.execute("UPDATE tokens SET replaced = 1 WHERE dev_eui = ?", (dev_eui,))
            self._db.execute(
                "INSERT INTO tokens(hash, dev_eui, issued_ms, until_ms) VALUES (?, ?, ?, ?)",
                (hashed, dev_eui, now_ms, now_ms + valid_ms),
            )
        return token

    def look(self, token: str, now_ms: int) -> Look:
        """Return what a token leads to, changing nothing; ClaimError when it leads nowhere."""
        code = tokens.normal(token, tokens.TOKEN_LENGTH)
        if code is None:
            raise ClaimError("typo")
        hashed = self._hash(code)
        with self._lock:
            return self._look(hashed, now_ms)

    def claim(self, token: str, owner: str, now_ms: int) -> Claim:
        """Make an owner of whoever shows a token; the claim is durable when this returns.

        Once more by the same owner is the same claim. ClaimError `typo`, `unknown`, `expired`, `replaced`,
        `taken`, `owner`.
        """
        if not owner.strip() or len(owner) > 254:
            raise ClaimError("owner")
        code = tokens.normal(token, tokens.TOKEN_LENGTH)
        if code is None:
            raise ClaimError("typo")
        hashed = self._hash(code)
        with self._lock, atomic(self._db):
            found = self._look(hashed, now_ms)
            held = self.claim_of(found.dev_eui)
            if held is not None:
                if held.owner == owner:
                    return held
                raise ClaimError("taken")
            if found.owner is not None:  # it was used, and the device released since
                raise ClaimError("replaced")
            self._db.execute("UPDATE tokens SET claimed_by = ? WHERE hash = ?", (owner, hashed))
            from_ms = self._after(found.dev_eui, now_ms)
            self._db.execute("INSERT INTO claims VALUES (?, ?, ?, NULL)", (found.dev_eui, from_ms, owner))
            return Claim(found.dev_eui, owner, from_ms)

    # -- claims

    def claim_of(self, dev_eui: str) -> Claim | None:
        """Return the claim that holds on a device, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT dev_eui, owner, from_ms, to_ms FROM claims WHERE dev_eui = ? AND to_ms IS NULL",
                (dev_eui,),
            ).fetchone()
        return None if row is None else Claim(*row)

    def claims_of(self, owner: str) -> list[Claim]:
        """Return what an owner has now, by DevEUI."""
        with self._lock:
            rows = self._db.execute(
                "SELECT dev_eui, owner, from_ms, to_ms FROM claims WHERE owner = ? AND to_ms IS NULL "
                "ORDER BY dev_eui",
                (owner,),
            )
            return [Claim(*row) for row in rows]

    def release(self, dev_eui: str, owner: str, now_ms: int) -> None:
        """End an owner's claim: to give the device back, or before a new card for the next host."""
        with self._lock:
            changed = self._db.execute(
                "UPDATE claims SET to_ms = MAX(?, from_ms + 1) WHERE dev_eui = ? AND owner = ? "
                "AND to_ms IS NULL",
                (now_ms, dev_eui, owner),
            ).rowcount
        if not changed:
            raise ClaimError("not_owner")

    def move(self, old_eui: str, new_eui: str, now_ms: int) -> Claim | None:
        """Give the owner of a device that is replaced the new one; return that claim or None.

        What cards of the old device said ends. Once more changes nothing.
        """
        with self._lock, atomic(self._db):
            held, new = self.claim_of(old_eui), self.claim_of(new_eui)
            self._db.execute("UPDATE tokens SET replaced = 1 WHERE dev_eui = ?", (old_eui,))
            if held is None:
                return new
            if new is not None and new.owner != held.owner:
                raise ClaimError("taken")
            self._db.execute(
                "UPDATE claims SET to_ms = MAX(?, from_ms + 1) WHERE dev_eui = ? AND to_ms IS NULL",
                (now_ms, old_eui),
            )
            if new is not None:
                return new
            self._db.execute("UPDATE tokens SET replaced = 1 WHERE dev_eui = ?", (new_eui,))
            from_ms = self._after(new_eui, now_ms)
            self._db.execute("INSERT INTO claims VALUES (?, ?, ?, NULL)", (new_eui, from_ms, held.owner))
            return Claim(new_eui, held.owner, from_ms)

    def forget(self, owner: str) -> int:
        """Take a person out of the book for good (a right under the GDPR); return how many claims went."""
        with self._lock, atomic(self._db):
            self._db.execute("UPDATE tokens SET claimed_by = '', replaced = 1 WHERE claimed_by = ?", (owner,))
            return self._db.execute("DELETE FROM claims WHERE owner = ?", (owner,)).rowcount

    # -- within

    def _hash(self, token: str) -> bytes:
        return hashlib.scrypt(token.encode(), salt=self._salt, n=_SCRYPT_N, r=8, p=1)

    def _look(self, hashed: bytes, now_ms: int) -> Look:
        row = self._db.execute(
            "SELECT dev_eui, issued_ms, until_ms, claimed_by, replaced FROM tokens WHERE hash = ?", (hashed,)
        ).fetchone()
        if row is None:
            raise ClaimError("unknown")
        if row[4]:
            raise ClaimError("replaced")
        found = Look(*row[:4])
        if found.owner is None and now_ms >= found.until_ms:
            raise ClaimError("expired")
        return found

    def _after(self, dev_eui: str, now_ms: int) -> int:
        newest = self._db.execute("SELECT MAX(from_ms) FROM claims WHERE dev_eui = ?", (dev_eui,)).fetchone()[
            0
        ]
        return now_ms if newest is None else max(now_ms, newest + 1)


def _salted(db: sqlite3.Connection, _version: int) -> None:
    db.execute("INSERT INTO salt VALUES (?)", (os.urandom(16),))
