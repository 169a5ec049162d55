"""Site reports: what was checked, by whom, with which photo. commissioning.db and photos/, owner only.

A report is filed once however often a phone in a street without reception sends it: it carries a key of
the page's making. The photo is on the disk before the row that names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from gateway.commissioning.model import Check, Position
from gateway.commissioning.photo import clean_photo
from gateway.dbfile import REMEDY, open_database
from gateway.errors import GatewayError, StoreError
from gateway.registry.atomic import atomic

SCHEMA_VERSION = 1
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TABLE = """CREATE TABLE reports(
    key TEXT PRIMARY KEY, dev_eui TEXT NOT NULL, site_id TEXT NOT NULL, technician TEXT NOT NULL,
    at_ms INTEGER NOT NULL, passed INTEGER NOT NULL, checks TEXT NOT NULL, position TEXT, note TEXT NOT NULL,
    photo TEXT) WITHOUT ROWID"""


class ReportError(GatewayError):
    """A report that cannot be filed; the message names the field and the remedy."""


@dataclass(frozen=True, slots=True)
class SiteReport:
    """One visit. key: made by the page, once a report. photo: SHA-256 of the stored JPEG, None without."""

    key: str
    dev_eui: str
    site_id: str
    technician: str
    at_ms: int
    passed: bool
    checks: tuple[Check, ...]
    position: Position | None = None
    note: str = ""
    photo: str | None = None


class SiteReports:
    """The reports of one data directory. Safe to call from several threads."""

    def __init__(self, directory: Path) -> None:
        """Open or create commissioning.db and photos/ in a directory; raise StoreError."""
        self._lock = threading.RLock()
        self._photos = directory / "photos"
        path = directory / "commissioning.db"
        try:
            self._photos.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"photos: {error}; {REMEDY}") from error
        self._db = open_database(path, SCHEMA_VERSION, _TABLE)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def file(self, report: SiteReport, photo: bytes | None = None) -> SiteReport:
        """File a report and return it as it is kept; one with the same key is kept as it was.

        photo: as the camera gave it; what it tells of the photographer is not kept. Raises ReportError,
        PhotoError, StoreError.
        """
        if not _KEY.fullmatch(report.key):
            raise ReportError("key: give 8 to 64 of A-Z a-z 0-9 _ -, new for each report")
        if not report.technician.strip() or len(report.technician) > 254:
            raise ReportError("technician: give 1 to 254 characters")
        if len(report.note) > 4000:
            raise ReportError("note: at most 4000 characters")
        if not report.passed and not report.note.strip():
            raise ReportError("note: say in a few words why the site is left although it did not pass")
        known = self.report(report.key)
        if known is not None:
            return known
        name = self._keep(clean_photo(photo)) if photo is not None else None
        position = report.position
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    report.key, report.dev_eui, report.site_id, report.technician, report.at_ms,
                    report.passed,
                    json.dumps([[c.name, c.verdict, c.reason, c.figures] for c in report.checks]),
                    position and json.dumps([position.longitude, position.latitude, position.accuracy_m]),
                    report.note, name,
                ),
            )  # fmt: skip
        kept = self.report(report.key)
        assert kept is not None
        return kept

    def report(self, key: str) -> SiteReport | None:
        """Return a report, or None."""
        with self._lock:
            row = self._db.execute("SELECT * FROM reports WHERE key = ?", (key,)).fetchone()
        return None if row is None else _report(row)

    def reports_of(self, site_id: str) -> list[SiteReport]:
        """Return the reports of a site, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM reports WHERE site_id = ? ORDER BY at_ms DESC, key", (site_id,)
            ).fetchall()
        return [_report(row) for row in rows]

    def newest(self, most: int) -> list[SiteReport]:
        """Return the newest reports of all sites."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM reports ORDER BY at_ms DESC, key LIMIT ?", (most,)
            ).fetchall()
        return [_report(row) for row in rows]

    def photo(self, name: str) -> bytes | None:
        """Return a stored photo by its SHA-256, or None."""
        if not re.fullmatch(r"[0-9a-f]{64}", name):
            return None
        try:
            return (self._photos / f"{name}.jpg").read_bytes()
        except FileNotFoundError:
            return None

    def forget_site(self, site_id: str) -> int:
        """Delete the reports of a site, photos and positions included; return how many there were."""
        with self._lock, atomic(self._db):
            photos = {
                row[0] for row in self._db.execute("SELECT photo FROM reports WHERE site_id = ?", (site_id,))
            }
            gone = self._db.execute("DELETE FROM reports WHERE site_id = ?", (site_id,)).rowcount
            kept = {row[0] for row in self._db.execute("SELECT photo FROM reports")}
        for name in photos - kept - {None}:
            (self._photos / f"{name}.jpg").unlink(missing_ok=True)
        return gone

    def _keep(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        path = self._photos / f"{name}.jpg"
        if path.exists():
            return name
        waiting = self._photos / f".{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            with waiting.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(path)
            folder = os.open(self._photos, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            waiting.unlink(missing_ok=True)
            raise StoreError(f"the photo cannot be kept ({error.strerror}): make room on the disk") from error
        return name


def _report(row: tuple[str, str, str, str, int, int, str, str | None, str, str | None]) -> SiteReport:
    key, dev_eui, site_id, technician, at_ms, passed, checks, position, note, photo = row
    return SiteReport(
        key,
        dev_eui,
        site_id,
        technician,
        at_ms,
        bool(passed),
        tuple(Check(*found) for found in json.loads(checks)),
        None if position is None else Position(*json.loads(position)),
        note,
        photo,
    )
