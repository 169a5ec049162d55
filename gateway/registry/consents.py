"""To whom a site's data may go, from when to when."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.registry.files import RegistryFiles
from gateway.registry.model import PUBLIC, Consent, SharedSite, Site
from gateway.statements import pieces


class Consents(RegistryFiles):
    """What hosts agreed to, recipient by recipient. Without a record of it nothing goes out."""

    def consents(self, site_id: str | None = None) -> list[Consent]:
        """Return the consents on record, also those that ended, by site, recipient and time."""
        with self._lock:
            rows = self._db.execute(
                "SELECT site_id, recipient, from_ms, to_ms FROM consents WHERE site_id = ? OR ? IS NULL "
                "ORDER BY 1, 2, 3",
                (site_id, site_id),
            )
            return [Consent(*row) for row in rows]

    def consent(self, site_id: str, recipient: str = PUBLIC, from_ms: int = 0) -> bool:
        """Record that a site's data may go to a recipient; return False when it already may."""
        with self._lock:
            if self._db.execute(
                "SELECT 1 FROM consents WHERE site_id = ? AND recipient = ? AND to_ms IS NULL",
                (site_id, recipient),
            ).fetchone():
                return False
            self._db.execute(
                "INSERT OR REPLACE INTO consents VALUES (?, ?, ?, NULL)", (site_id, recipient, from_ms)
            )
            return True

    def withdraw(self, site_id: str, recipient: str, at_ms: int) -> bool:
        """Record that consent ends; return False when there was none."""
        with self._lock:
            cursor = self._db.execute(
                "UPDATE consents SET to_ms = ? WHERE site_id = ? AND recipient = ? AND to_ms IS NULL",
                (at_ms, site_id, recipient),
            )
            return cursor.rowcount > 0

    def consenting_sites(self, recipient: str, at_ms: int) -> list[Site]:
        """Return the sites whose data may go to a recipient at a time, by id."""
        rows = self._whole(
            "SELECT sites.* FROM sites WHERE EXISTS (SELECT 1 FROM consents WHERE site_id = sites.id "
            "AND recipient = ? AND from_ms <= ? AND (to_ms IS NULL OR to_ms > ?)) ORDER BY id",
            (recipient, at_ms, at_ms),
        )
        return [Site(*row) for row in rows]

    def consented_since(self, recipient: str, at_ms: int) -> dict[str, int]:
        """Return from which observed time on a recipient may have the data of each consenting site."""
        rows = self._whole(
            "SELECT site_id, MIN(from_ms) FROM consents WHERE recipient = ? AND from_ms <= ? "
            "AND (to_ms IS NULL OR to_ms > ?) GROUP BY site_id",
            (recipient, at_ms, at_ms),
        )
        return dict(rows)

    def agreed(
        self, recipient: str, site_ids: Sequence[str], at_ms: int
    ) -> dict[str, tuple[SharedSite, int]]:
        """Return those of some sites whose data may go to a recipient at a time, observed from when on."""
        found: dict[str, tuple[SharedSite, int]] = {}
        with self._lock:
            for part in pieces(site_ids):
                marks = ",".join("?" * len(part))
                sql = (
                    "SELECT MIN(c.from_ms), s.id, s.name, s.kind, s.longitude, s.latitude, s.precision_m, "  # noqa: S608
                    "s.licence FROM consents c JOIN sites s ON s.id = c.site_id WHERE "
                    f"c.site_id IN ({marks}) AND c.recipient = ? AND c.from_ms <= ? "
                    "AND (c.to_ms IS NULL OR c.to_ms > ?) GROUP BY c.site_id"
                )
                for since_ms, *site in self._db.execute(sql, (*part, recipient, at_ms, at_ms)):
                    found[site[0]] = (SharedSite(*site), since_ms)
        return found

    def next_agreement(self, recipient: str, at_ms: int) -> int:
        """Return when the first consent begins or ends after a time, 2**62 when none does."""
        (found,) = self._whole(
            "SELECT MIN(MIN(CASE WHEN from_ms > ? THEN from_ms ELSE ? END, "
            "CASE WHEN to_ms > ? THEN to_ms ELSE ? END)) FROM consents WHERE recipient = ?",
            (at_ms, 2**62, at_ms, 2**62, recipient),
        )
        return 2**62 if found[0] is None else int(found[0])
