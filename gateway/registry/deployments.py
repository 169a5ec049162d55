"""Which device is, or was, at which site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.errors import RegistryError
from gateway.registry import rules
from gateway.registry.atomic import atomic
from gateway.registry.bounded import Bounded
from gateway.registry.model import Deployment, Site
from gateway.registry.sites import Sites
from gateway.registry.spots import Spot, Spots
from gateway.registry.standing import Standing, standing
from gateway.statements import pieces


class Deployments(Sites):
    """A device at a site from a time to a time: a series goes on when its device is replaced."""

    def __init__(self, directory: Path) -> None:
        """As RegistryFiles."""
        super().__init__(directory)
        self._deployments: Bounded[str, list[Deployment]] = Bounded()
        self._spots = Spots(self._find_spot, self._find_spots)

    def deployments(self, dev_eui: str) -> list[Deployment]:
        """Return where a device has been, oldest first."""
        with self._lock:
            self._refresh()
            found = self._deployments.get(dev_eui)
            if found is None:
                rows = self._db.execute(
                    "SELECT * FROM deployments WHERE dev_eui = ? ORDER BY from_ms", (dev_eui,)
                )
                found = self._deployments[dev_eui] = [Deployment(*row) for row in rows]
            return found

    def site_of(self, dev_eui: str, at_ms: int) -> Site | None:
        """Return the site where a device was at a time, or None."""
        for deployment in reversed(self.deployments(dev_eui)):
            if deployment.from_ms <= at_ms and (deployment.to_ms is None or at_ms < deployment.to_ms):
                return self.site(deployment.site_id)
        return None

    def standing(self, at_ms: int) -> Iterator[list[Standing]]:
        """Yield the devices that are at a site at a time, by DevEUI, some at a time."""
        return standing(self._path, at_ms)

    def deploy(self, dev_eui: str, site_id: str, from_ms: int | None) -> bool:
        """Put a device at a site from a time on; what it did before there or elsewhere ends then.

        from_ms None: since ever if it was nowhere yet, otherwise refused unless it is there already.
        Return False when it is there already. Raise RegistryError.
        """
        rules.check_pseudonym(site_id, dev_eui)
        with self._lock:
            known = self.deployments(dev_eui)
            newest = known[-1] if known else None
            if newest is not None and newest.to_ms is None and newest.site_id == site_id:
                return False
            if newest is not None and newest.to_ms is not None and (from_ms or 0) < newest.to_ms:
                raise RegistryError(
                    f"{dev_eui} was at site {newest.site_id} until {newest.to_ms}: give a later time from "
                    "which it measures again"
                )
            if newest is not None and (from_ms is None or from_ms <= newest.from_ms):
                raise RegistryError(
                    f"{dev_eui} is at site {newest.site_id} since {newest.from_ms}: give a later time from "
                    "which it is elsewhere"
                )
            with atomic(self._db):
                if newest is not None:
                    self._db.execute(
                        "UPDATE deployments SET to_ms = ? WHERE dev_eui = ? AND to_ms IS NULL",
                        (from_ms, dev_eui),
                    )
                self._db.execute(
                    "INSERT INTO deployments VALUES (?, ?, ?, NULL)", (dev_eui, site_id, from_ms or 0)
                )
            self._forget_cache()
            return True

    def undeploy(self, dev_eui: str, to_ms: int) -> bool:
        """End where a device is, at a time; return False when it is nowhere. Raise RegistryError."""
        with self._lock:
            known = self.deployments(dev_eui)
            if not known or known[-1].to_ms is not None:
                return False
            if to_ms <= known[-1].from_ms:
                raise RegistryError(
                    f"{dev_eui} is at site {known[-1].site_id} since {known[-1].from_ms}: give a later time"
                )
            self._db.execute(
                "UPDATE deployments SET to_ms = ? WHERE dev_eui = ? AND to_ms IS NULL", (to_ms, dev_eui)
            )
            self._forget_cache()
            return True

    # -- many at a time

    def knows(self, dev_eui: str) -> bool:
        """Tell whether a device is registered: quick for one that was asked for before."""
        return dev_eui in self._spots.known or self._is_there(dev_eui)

    def _is_there(self, dev_eui: str) -> bool:
        with self._lock:
            return (
                self._db.execute("SELECT 1 FROM devices WHERE dev_eui = ?", (dev_eui,)).fetchone() is not None
            )

    def spots(self) -> Spots:
        """Return where devices are now, checked against what others have written since."""
        with self._lock:
            self._refresh()
        return self._spots

    def _find_spot(self, dev_eui: str) -> Spot | None:
        """Read where a device is now, or was last."""
        with self._lock:
            row = self._db.execute(
                "SELECT p.site_id, s.empty_mm, s.full_mm, s.rain_mm_per_tip, p.from_ms, p.to_ms "
                "FROM deployments p JOIN sites s ON s.id = p.site_id WHERE p.dev_eui = ? "
                "ORDER BY p.from_ms DESC LIMIT 1",
                (dev_eui,),
            ).fetchone()
        return None if row is None else Spot(dev_eui, *row)

    def _find_spots(self, dev_euis: Sequence[str]) -> list[Spot]:
        """Read the same of many devices; those that were never anywhere are left out."""
        found: dict[str, Spot] = {}
        with self._lock:
            for part in pieces(dev_euis):
                rows = self._db.execute(
                    "SELECT p.dev_eui, p.site_id, s.empty_mm, s.full_mm, s.rain_mm_per_tip, p.from_ms, "  # noqa: S608
                    "p.to_ms FROM deployments p JOIN sites s ON s.id = p.site_id "
                    f"WHERE p.dev_eui IN ({','.join('?' * len(part))}) ORDER BY p.from_ms",
                    part,
                )
                found.update((row[0], Spot(*row)) for row in rows)  # the newest comes last
        return list(found.values())

    def _forget_cache(self) -> None:
        super()._forget_cache()
        self._deployments.clear()
        self._spots.forget()
