"""Organisations and sites."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from gateway.errors import RegistryError
from gateway.registry import rules
from gateway.registry.atomic import atomic
from gateway.registry.bounded import Bounded
from gateway.registry.files import RegistryFiles
from gateway.registry.model import Site


class Sites(RegistryFiles):
    """Where something is measured, with exact positions, and whose it is."""

    def __init__(self, directory: Path) -> None:
        """As RegistryFiles."""
        super().__init__(directory)
        self._sites: Bounded[str, Site] = Bounded()

    def site(self, site_id: str) -> Site | None:
        """Return a site with its exact position, or None."""
        with self._lock:
            self._refresh()
            site = self._sites.get(site_id)
            if site is None:
                row = self._db.execute("SELECT * FROM sites WHERE id = ?", (site_id,)).fetchone()
                if row is None:
                    return None
                site = self._sites[site_id] = Site(*row)
            return site

    def sites(self) -> list[Site]:
        """Return all sites, by id."""
        return [Site(*row) for row in self._whole("SELECT * FROM sites ORDER BY id")]

    def places(self) -> list[tuple[str, float, float]]:
        """Return id, longitude and latitude of all sites, by id: a sixth of what `sites` takes."""
        return self._whole("SELECT id, longitude, latitude FROM sites ORDER BY id")

    def put_organisation(self, organisation_id: str, name: str) -> None:
        """Add or rename an organisation (a tenant)."""
        with self._lock:
            self._db.execute(
                "INSERT INTO organisations VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET name = excluded.name",
                (organisation_id, name),
            )

    def put_site(self, site: Site) -> bool:
        """Add or change a site; return False when nothing changed. Raise RegistryError."""
        rules.check_site(site)
        with self._lock:
            if self.site(site.id) == site:
                return False
            if not self._db.execute(
                "SELECT 1 FROM organisations WHERE id = ?", (site.organisation,)
            ).fetchone():
                raise RegistryError(
                    f"site.organisation of {site.id}: {site.organisation!r} is not registered"
                )
            marks = ",".join("?" * 11)
            self._db.execute(
                f"INSERT INTO sites VALUES ({marks}) ON CONFLICT(id) DO UPDATE SET "  # noqa: S608
                "organisation=excluded.organisation, name=excluded.name, kind=excluded.kind, "
                "longitude=excluded.longitude, latitude=excluded.latitude, "
                "precision_m=excluded.precision_m, licence=excluded.licence, "
                "empty_mm=excluded.empty_mm, full_mm=excluded.full_mm, "
                "rain_mm_per_tip=excluded.rain_mm_per_tip",
                astuple(site),
            )
            self._forget_cache()
            return True

    def erase_site(self, site_id: str) -> bool:
        """Delete a site with place, consents and deployments for good; return False when there is none."""
        with self._lock:
            self._db.execute("PRAGMA secure_delete=ON")
            with atomic(self._db):
                for table in ("consents", "deployments"):
                    self._db.execute(f"DELETE FROM {table} WHERE site_id = ?", (site_id,))  # noqa: S608
                n = self._db.execute("DELETE FROM sites WHERE id = ?", (site_id,)).rowcount
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # or the old pages stay readable
            self._forget_cache()
            return n > 0

    def _forget_cache(self) -> None:
        super()._forget_cache()
        self._sites.clear()
