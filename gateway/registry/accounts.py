"""People and what they may do: roles, sites they host, sign-in links, sessions, API tokens, the audit log.

A file of its own, access.db, mode 0600. Links, sessions and tokens are 256 random bits; only their SHA-256
is kept, so whoever reads the file can sign in as nobody. Several processes may use it at once
(`meetnet user link` beside a running gateway).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path

from gateway.dbfile import REMEDY, open_database
from gateway.errors import RegistryError, StoreError
from gateway.registry.atomic import atomic
from gateway.registry.people import (
    GRANTED_ROLES,
    HOST,
    LANGUAGES,
    SCOPES,
    ApiToken,
    AuditEntry,
    Person,
)

SCHEMA_VERSION = 1
LINK_MS = 15 * 60_000
SESSION_MS = 30 * 86_400_000
SEEN_EVERY_MS = 3_600_000  # a session's last use is written at most this often
TOKEN_PREFIX = "mnt_"  # noqa: S105 - lets scanners of published code find a token that leaked
_EMAIL = re.compile(r"[^\s@<>\"',;:\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_TABLES = """
CREATE TABLE people(
    id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    language TEXT NOT NULL, created_ms INTEGER NOT NULL);
CREATE TABLE roles(
    person INTEGER NOT NULL REFERENCES people(id) ON DELETE CASCADE, role TEXT NOT NULL,
    PRIMARY KEY(person, role)) WITHOUT ROWID;
CREATE TABLE hosts(
    person INTEGER NOT NULL REFERENCES people(id) ON DELETE CASCADE, site_id TEXT NOT NULL,
    from_ms INTEGER NOT NULL, PRIMARY KEY(person, site_id)) WITHOUT ROWID;
CREATE TABLE links(
    hash BLOB PRIMARY KEY, person INTEGER NOT NULL REFERENCES people(id) ON DELETE CASCADE,
    expires_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions(
    hash BLOB PRIMARY KEY, person INTEGER NOT NULL REFERENCES people(id) ON DELETE CASCADE,
    seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tokens(
    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    person INTEGER NOT NULL REFERENCES people(id) ON DELETE CASCADE, name TEXT NOT NULL,
    scopes TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER)
    WITHOUT ROWID;
CREATE TABLE audit(
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, person INTEGER, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL);
"""
# Older Meetnets pass it by, so it needs no new schema.
_UNPROVED = "CREATE TABLE unproved(person INTEGER PRIMARY KEY REFERENCES people(id) ON DELETE CASCADE)"
_NEVER_CAME_BY_MAIL = """INSERT INTO unproved SELECT id FROM people
    WHERE id NOT IN (SELECT person FROM roles)
    AND id NOT IN (SELECT person FROM audit WHERE action = 'sign-in' AND person IS NOT NULL)"""


class Accounts:
    """The people of one data directory. Safe to call from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create access.db in a directory; raise StoreError, StoreVersionError."""
        self._lock = threading.RLock()
        path = directory / "access.db"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"{path.name}: {error}; {REMEDY}") from error
        self._db = open_database(path, SCHEMA_VERSION, _TABLES)
        with atomic(self._db):
            known = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'unproved'").fetchone()
            if known is None:
                self._db.execute(_UNPROVED)
                self._db.execute(_NEVER_CAME_BY_MAIL)

    # -- people

    def add(
        self, email: str, now_ms: int, name: str = "", language: str = "nl", is_proved: bool = True
    ) -> Person:
        """Return the person of an address, who is added when new. Raise RegistryError.

        is_proved False: whoever typed it may have typed another's. What such a person opens ends when the
        address turns out to be somebody's: with the first link that is used, or the first role that is given.
        """
        email = checked_email(email)
        if language not in LANGUAGES:
            raise RegistryError(f"language: {language!r}; allowed: {', '.join(LANGUAGES)}")
        if len(name) > 80 or not name.isprintable():
            raise RegistryError("name: longer than 80 characters, or with signs that cannot be printed")
        with self._lock, atomic(self._db):
            is_new = self.find(email) is None
            self._db.execute(
                "INSERT INTO people(email, name, language, created_ms) VALUES (?, ?, ?, ?) "
                "ON CONFLICT(email) DO UPDATE SET name = CASE excluded.name WHEN '' THEN name "
                "ELSE excluded.name END, language = excluded.language",
                (email, name, language, now_ms),
            )
            found = self.find(email)
            assert found is not None
            if is_new and not is_proved:
                self._db.execute("INSERT INTO unproved VALUES (?)", (found.id,))
        return found

    def prove(self, person_id: int) -> None:
        """Take an address for its owner's from now on; what was opened in its name before ends."""
        with self._lock, atomic(self._db):
            self._prove(person_id)

    def _prove(self, person_id: int) -> None:
        if self._db.execute("DELETE FROM unproved WHERE person = ?", (person_id,)).rowcount:
            self._db.execute("DELETE FROM sessions WHERE person = ?", (person_id,))
            self._db.execute("DELETE FROM tokens WHERE person = ?", (person_id,))

    def find(self, email: str) -> Person | None:
        """Return the person of an address, or None."""
        return self._person("email = ?", email.strip().lower())

    def person(self, person_id: int) -> Person | None:
        """Return a person, or None."""
        return self._person("id = ?", person_id)

    def people(self) -> list[Person]:
        """Return everybody, by address."""
        with self._lock:
            ids = [row[0] for row in self._db.execute("SELECT id FROM people ORDER BY email")]
            return [found for one in ids if (found := self.person(one)) is not None]

    def remove(self, person_id: int) -> bool:
        """Forget a person with all sessions, links, tokens and roles; return False when there was none."""
        with self._lock:
            return self._db.execute("DELETE FROM people WHERE id = ?", (person_id,)).rowcount > 0

    def set_roles(self, person_id: int, roles: Iterable[str]) -> None:
        """Give exactly these roles (host comes with a site, not from here). Raise RegistryError."""
        wanted = sorted(set(roles))
        for role in wanted:
            if role not in GRANTED_ROLES:
                raise RegistryError(f"role: {role!r}; allowed: {', '.join(GRANTED_ROLES)}")
        with self._lock, atomic(self._db):
            if wanted:
                self._prove(person_id)
            self._db.execute("DELETE FROM roles WHERE person = ?", (person_id,))
            self._db.executemany("INSERT INTO roles VALUES (?, ?)", [(person_id, role) for role in wanted])

    def host(self, person_id: int, site_id: str, now_ms: int) -> None:
        """Make a person a host of a site."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO hosts VALUES (?, ?, ?)", (person_id, site_id, now_ms))

    def leave(self, person_id: int, site_id: str) -> None:
        """End that a person hosts a site."""
        with self._lock:
            self._db.execute("DELETE FROM hosts WHERE person = ? AND site_id = ?", (person_id, site_id))

    def hosts_of(self, site_id: str) -> list[Person]:
        """Return who hosts a site."""
        with self._lock:
            rows = self._db.execute(
                "SELECT person FROM hosts WHERE site_id = ? ORDER BY 1", (site_id,)
            ).fetchall()
        return [found for row in rows if (found := self.person(row[0])) is not None]

    # -- signing in

    def make_link(self, person_id: int, now_ms: int) -> str:
        """Return the secret of a link that signs a person in once, within 15 minutes."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._db.execute("DELETE FROM links WHERE expires_ms <= ?", (now_ms,))
            self._db.execute(
                "INSERT INTO links VALUES (?, ?, ?)", (_hash(secret), person_id, now_ms + LINK_MS)
            )
        return secret

    def use_link(self, secret: str, now_ms: int) -> Person | None:
        """Return whom a link signs in and use it up; None for one that is unknown, used or too old."""
        with self._lock, atomic(self._db):
            row = self._db.execute(
                "DELETE FROM links WHERE hash = ? RETURNING person, expires_ms", (_hash(secret),)
            ).fetchone()
            if row is None or row[1] <= now_ms:
                return None
            self._prove(row[0])
            return self.person(row[0])

    def open_session(self, person_id: int, now_ms: int) -> str:
        """Return the secret of a new session."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._db.execute("DELETE FROM sessions WHERE seen_ms <= ?", (now_ms - SESSION_MS,))
            self._db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (_hash(secret), person_id, now_ms))
        return secret

    def session(self, secret: str, now_ms: int) -> Person | None:
        """Return whose session it is; it ends 30 days after its last use."""
        found = _hash(secret)
        with self._lock:
            row = self._db.execute("SELECT person, seen_ms FROM sessions WHERE hash = ?", (found,)).fetchone()
            if row is None or row[1] <= now_ms - SESSION_MS:
                return None
            if now_ms - row[1] > SEEN_EVERY_MS:
                self._db.execute("UPDATE sessions SET seen_ms = ? WHERE hash = ?", (now_ms, found))
            return self.person(row[0])

    def close_session(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._db.execute("DELETE FROM sessions WHERE hash = ?", (_hash(secret),))

    def close_sessions(self, person_id: int) -> None:
        """End all sessions and links of a person."""
        with self._lock:
            self._db.execute("DELETE FROM sessions WHERE person = ?", (person_id,))
            self._db.execute("DELETE FROM links WHERE person = ?", (person_id,))

    # -- tokens for programs

    def make_token(
        self, person_id: int, name: str, scopes: Iterable[str], now_ms: int, days: int = 365
    ) -> tuple[str, ApiToken]:
        """Return (secret, token); the secret is shown once and kept nowhere. Raise RegistryError."""
        wanted = tuple(sorted(set(scopes)))
        if not wanted or set(wanted) - set(SCOPES):
            raise RegistryError(f"scopes: {', '.join(wanted) or 'none'}; allowed: {', '.join(SCOPES)}")
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise RegistryError("name: say in 1 to 60 characters which program gets this token")
        if not 1 <= days <= 3660:
            raise RegistryError(f"days: {days}; allowed: 1 to 3660")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = ApiToken(secrets.token_hex(4), person_id, name, wanted, now_ms, now_ms + days * 86_400_000)
        with self._lock:
            self._db.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (_hash(secret), token.id, person_id, name, " ".join(wanted), now_ms, token.expires_ms),
            )
        return secret, token

    def token(self, secret: str, now_ms: int) -> tuple[Person, frozenset[str]] | None:
        """Return (owner, scopes) of a token; None for one that is unknown, revoked or too old."""
        found = _hash(secret)
        with self._lock:
            row = self._db.execute(
                "SELECT person, scopes, expires_ms, used_ms FROM tokens WHERE hash = ?", (found,)
            ).fetchone()
            if row is None or row[2] <= now_ms or (person := self.person(row[0])) is None:
                return None
            if row[3] is None or now_ms - row[3] > SEEN_EVERY_MS:
                self._db.execute("UPDATE tokens SET used_ms = ? WHERE hash = ?", (now_ms, found))
            return person, frozenset(row[1].split())

    def tokens(self, person_id: int) -> list[ApiToken]:
        """Return the tokens of a person, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, person, name, scopes, created_ms, expires_ms, used_ms FROM tokens "
                "WHERE person = ? ORDER BY created_ms DESC, id",
                (person_id,),
            )
            return [
                ApiToken(token_id, owner, name, tuple(scopes.split()), created, expires, used)
                for token_id, owner, name, scopes, created, expires, used in rows
            ]

    def revoke(self, person_id: int, token_id: str) -> bool:
        """Revoke a token of a person; return False when there was none."""
        with self._lock:
            return (
                self._db.execute(
                    "DELETE FROM tokens WHERE person = ? AND id = ?", (person_id, token_id)
                ).rowcount
                > 0
            )

    # -- who did what

    def note(self, person_id: int | None, action: str, subject: str, now_ms: int, detail: str = "") -> None:
        """Write down an act."""
        with self._lock:
            self._db.execute(
                "INSERT INTO audit(at_ms, person, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
                (now_ms, person_id, action, subject[:200], detail[:500]),
            )

    def audit(self, limit: int = 200) -> list[AuditEntry]:
        """Return the newest entries first; who has left is named by nothing but a number."""
        with self._lock:
            rows = self._db.execute(
                "SELECT at_ms, COALESCE(email, CASE WHEN person IS NULL THEN '' ELSE '#' || person END), "
                "action, subject, detail FROM audit LEFT JOIN people ON people.id = person "
                "ORDER BY audit.id DESC LIMIT ?",
                (limit,),
            )
            return [AuditEntry(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _person(self, where: str, key: str | int) -> Person | None:
        with self._lock:
            row = self._db.execute(
                f"SELECT id, email, name, language FROM people WHERE {where}",  # noqa: S608
                (key,),
            ).fetchone()
            if row is None:
                return None
            roles = {r[0] for r in self._db.execute("SELECT role FROM roles WHERE person = ?", row[:1])}
            sites = tuple(
                r[0]
                for r in self._db.execute("SELECT site_id FROM hosts WHERE person = ? ORDER BY 1", row[:1])
            )
        return Person(*row, roles=frozenset(roles | ({HOST} if sites else set[str]())), sites=sites)


def checked_email(email: str) -> str:
    """Return an address in lower case; raise RegistryError when it cannot be one."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or ".." in email:
        raise RegistryError(f"email: {email[:60]!r} is no mail address; write it like an@example.org")
    return email


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
