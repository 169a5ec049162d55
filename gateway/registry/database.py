"""The registry's tables in SQLite: organisations, sites, devices, deployments, consents.

Several processes may use it at once (`meetnet device add` beside a running gateway): what is cached
here is thrown away as soon as another connection has written.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from gateway.dbfile import REMEDY, open_database
from gateway.errors import RegistryError, StoreError
from gateway.model import DeviceKeys
from gateway.registry import answers, corrections, foreign, rules
from gateway.registry.atomic import atomic
from gateway.registry.bounded import Bounded
from gateway.registry.model import (
    PUBLIC,
    Calibration,
    Consent,
    Correction,
    Deployment,
    Device,
    NodeAnswer,
    NodeOrder,
    SharedSite,
    Site,
)
from gateway.registry.secrets import Secrets, matches
from gateway.registry.spots import Spot, Spots
from gateway.registry.standing import Standing, standing
from gateway.statements import pieces
from gateway.vault import Vault

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE organisations(id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sites(
    id TEXT PRIMARY KEY, organisation TEXT NOT NULL REFERENCES organisations(id), name TEXT NOT NULL,
    kind TEXT NOT NULL, longitude REAL NOT NULL, latitude REAL NOT NULL, precision_m INTEGER NOT NULL,
    licence TEXT NOT NULL, empty_mm REAL, full_mm REAL, rain_mm_per_tip REAL) WITHOUT ROWID;
CREATE TABLE devices(
    dev_eui TEXT PRIMARY KEY, kind TEXT NOT NULL, transport TEXT NOT NULL, join_eui TEXT) WITHOUT ROWID;
CREATE TABLE deployments(
    dev_eui TEXT NOT NULL REFERENCES devices(dev_eui), site_id TEXT NOT NULL REFERENCES sites(id),
    from_ms INTEGER NOT NULL, to_ms INTEGER, PRIMARY KEY(dev_eui, from_ms)) WITHOUT ROWID;
CREATE TABLE consents(
    site_id TEXT NOT NULL REFERENCES sites(id), recipient TEXT NOT NULL,
    from_ms INTEGER NOT NULL, to_ms INTEGER, PRIMARY KEY(site_id, recipient, from_ms)) WITHOUT ROWID;
INSERT INTO organisations VALUES ('city', 'City');
"""
# Older Meetnets pass it by, so it needs no new schema.
_CALIBRATIONS = """CREATE TABLE IF NOT EXISTS calibrations(
    dev_eui TEXT NOT NULL, at_ms INTEGER NOT NULL, token INTEGER NOT NULL, outcome TEXT NOT NULL,
    level_db REAL NOT NULL, correction_db REAL NOT NULL, instrument TEXT NOT NULL,
    PRIMARY KEY(dev_eui, at_ms, token)) WITHOUT ROWID"""


class Registry:
    """Sites, devices and deployments of one data directory. Safe to call from several threads.

    It is the KeySource of the network server and the judge of MQTT passwords.
    """

    def __init__(self, directory: Path) -> None:
        """Open or create registry.db and secrets.db in a directory; raise StoreError, StoreVersionError."""
        self._lock = threading.RLock()
        self._writes_in: int | None = None  # the thread that is within `atomic`
        self._seen_version = -1
        self._devices: Bounded[str, Device] = Bounded()
        self._sites: Bounded[str, Site] = Bounded()
        self._deployments: Bounded[str, list[Deployment]] = Bounded()
        self._corrections: dict[tuple[str, str], list[Correction]] | None = None
        self._profiles: dict[str, str] | None = None
        self._spots = Spots(self._find_spot, self._find_spots)
        path = self._path = directory / "registry.db"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"registry.db in {directory}: {error}; {REMEDY}") from error
        self._db = open_database(path, SCHEMA_VERSION, _TABLES, remedy=f"{REMEDY}, or restore a backup")
        for table in (_CALIBRATIONS, *answers.TABLES, *corrections.TABLES, *foreign.TABLES):
            self._db.execute(table)
        self._secrets = Secrets(directory / "secrets.db")

    # -- reading

    def _whole(self, sql: str, keys: Sequence[Any] = ()) -> list[Any]:
        """Return many rows without holding up others for it: of a connection of its own.

        A thread that is writing several rows at once (`atomic`) sees them too.
        """
        if self._writes_in == threading.get_ident():
            return self._db.execute(sql, keys).fetchall()
        db = sqlite3.connect(self._path, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout=5000")
            return db.execute(sql, keys).fetchall()
        finally:
            db.close()

    def version(self) -> tuple[int, int]:
        """Return what differs after anybody, in whatever process, has written. Quick."""
        with self._lock:
            return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def secrets_version(self) -> tuple[int, int]:
        """Return what differs after anybody has changed a key or password. Quick."""
        with self._lock:
            return self._secrets.version()

    def device(self, dev_eui: str) -> Device | None:
        """Return a registered device, or None."""
        with self._lock:
            self._refresh()
            device = self._devices.get(dev_eui)
            if device is None:
                row = self._db.execute(f"{foreign.DEVICES} WHERE d.dev_eui = ?", (dev_eui,)).fetchone()
                if row is None:
                    return None
                device = self._devices[dev_eui] = Device(*row)
            return device

    def devices(self) -> list[Device]:
        """Return all devices, by DevEUI."""
        return [Device(*row) for row in self._whole(f"{foreign.DEVICES} ORDER BY 1")]

    def profile_of(self, dev_eui: str) -> str:
        """Return the profile of a device that is none of ours, "" of all others. Quick; see `refresh`."""
        profiles = self._profiles
        if profiles is None:
            with self._lock:
                profiles = self._profiles = foreign.profiles(self._db)
        return profiles.get(dev_eui, "")

    def refresh(self) -> None:
        """Forget what another process has changed since."""
        with self._lock:
            self._refresh()

    def named(self, alias: str) -> str | None:
        """Return the DevEUI under which a device is kept that calls itself so, or None."""
        with self._lock:
            return foreign.named(self._db, alias)

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

    def site_count(self) -> int:
        """Return how many sites there are."""
        with self._lock:
            return self._db.execute("SELECT COUNT(*) FROM sites").fetchone()[0]

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

    def consents(self, site_id: str | None = None) -> list[Consent]:
        """Return the consents on record, also those that ended, by site, recipient and time."""
        with self._lock:
            rows = self._db.execute(
                "SELECT site_id, recipient, from_ms, to_ms FROM consents WHERE site_id = ? OR ? IS NULL "
                "ORDER BY 1, 2, 3",
                (site_id, site_id),
            )
            return [Consent(*row) for row in rows]

    def calibrations(self, dev_eui: str | None = None) -> list[Calibration]:
        """Return calibrations by device and time; one that is done holds until the next that is done."""
        with self._lock:
            rows = self._db.execute(
                "SELECT *, CASE WHEN outcome = 'done' THEN (SELECT MIN(b.at_ms) FROM calibrations b WHERE "
                "b.dev_eui = a.dev_eui AND b.at_ms > a.at_ms AND b.outcome = 'done') END "
                "FROM calibrations a WHERE dev_eui = ? OR ? IS NULL ORDER BY dev_eui, at_ms, token",
                (dev_eui, dev_eui),
            )
            return [Calibration(*row) for row in rows]

    def corrections(self, dev_eui: str | None = None) -> list[Correction]:
        """Return the corrections on record, also those that ended, by device, quantity and time."""
        with self._lock:
            return corrections.read(self._db, dev_eui)

    def corrected_devices(self) -> frozenset[str]:
        """Return the devices of which any correction is on record."""
        with self._lock:
            self._refresh()
            return frozenset(dev_eui for dev_eui, _ in self._all_corrections())

    def _all_corrections(self) -> dict[tuple[str, str], list[Correction]]:
        if self._corrections is None:
            self._corrections = {}
            for row in corrections.read(self._db):
                self._corrections.setdefault((row.dev_eui, row.quantity), []).append(row)
        return self._corrections

    def correction(self, dev_eui: str, quantity: str, at_ms: int) -> Correction | None:
        """Return the correction on record for a value observed at a time, or None."""
        with self._lock:
            self._refresh()
            for row in self._all_corrections().get((dev_eui, quantity), ()):
                if row.from_ms <= at_ms and (row.to_ms is None or at_ms < row.to_ms):
                    return row
        return None

    def node_answers(self, dev_eui: str) -> list[NodeAnswer]:
        """Return the latest answers of a device to configuration commands, oldest first."""
        with self._lock:
            return answers.answers(self._db, dev_eui)

    def node_orders(self, dev_eui: str) -> list[NodeOrder]:
        """Return the latest orders to a device to change its configuration, oldest first."""
        with self._lock:
            return answers.orders(self._db, dev_eui)

    def node_config(self, dev_eui: str) -> dict[str, Any] | None:
        """Return what is known of a device's configuration (see gateway.registry.answers), or None."""
        with self._lock:
            return answers.known(self._db, dev_eui)

    def device_keys(self, dev_eui: str) -> DeviceKeys | None:
        """Return the keys of a registered LoRaWAN device, or None."""
        with self._lock:
            device = self.device(dev_eui)
            if device is None or device.join_eui is None:
                return None
            app_key = self._secrets.app_key(dev_eui)
            return None if app_key is None else DeviceKeys(dev_eui, device.join_eui, app_key)

    def check_password(self, dev_eui: str, password: str) -> bool:
        """Tell whether a device may log in at the broker. Takes some 10 ms on purpose."""
        with self._lock:
            known = self._secrets.password_of(dev_eui)
            registered = self.device(dev_eui) is not None
        return matches(password, known) and registered  # hashing holds up nobody else

    def broker_hashes(self) -> dict[str, tuple[str, bytes]]:
        """Return (salt, hash) of the passwords of devices, as brokers of others read them."""
        with self._lock:
            return self._secrets.broker_hashes()

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

    # -- writing

    @contextlib.contextmanager
    def atomic(self) -> Generator[None]:
        """Keep what a block writes, or nothing of it when it raises. One flush for many rows."""
        with self._lock:
            before, self._writes_in = self._writes_in, threading.get_ident()
            try:
                with atomic(self._db), self._secrets.atomic():
                    yield
            except BaseException:
                self._forget_cache()
                raise
            finally:
                self._writes_in = before

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

    def put_device(
        self, device: Device, app_key: bytes | None = None, mqtt_password: str | None = None
    ) -> bool:
        """Add or change a device and its secrets; return False when nothing changed. Raise RegistryError."""
        rules.check_device(device)
        with self._lock:
            changed = self.device(device.dev_eui) != device
            if changed:
                self._db.execute(
                    "INSERT INTO devices VALUES (?, ?, ?, ?) ON CONFLICT(dev_eui) DO UPDATE SET "
                    "kind=excluded.kind, transport=excluded.transport, join_eui=excluded.join_eui",
                    (device.dev_eui, device.kind, device.transport, device.join_eui),
                )
                foreign.put(self._db, device)
            if app_key is not None and self._secrets.app_key(device.dev_eui) != app_key:
                self._secrets.put_app_key(device.dev_eui, app_key)
                changed = True
            if mqtt_password is not None and not matches(
                mqtt_password, self._secrets.password_of(device.dev_eui)
            ):
                self._secrets.put_password(device.dev_eui, mqtt_password)
                changed = True
            self._forget_cache()
            return changed

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

    def revoke(self, dev_eui: str) -> None:
        """Delete key and password of a device: it can neither join nor log in any more."""
        with self._lock:
            self._secrets.forget(dev_eui)

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

    def put_calibration(self, found: Calibration) -> None:
        """Keep what a node told of a calibration; told twice, it is kept once."""
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO calibrations VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(found)[:7]
            )

    def put_correction(self, found: Correction) -> bool:
        """Put a correction on record; return False when it already is. Raise RegistryError."""
        with self._lock:
            if self.device(found.dev_eui) is None:
                raise RegistryError(f"{found.dev_eui} is not registered: add it with meetnet device add")
            with atomic(self._db):
                changed = corrections.put(self._db, found)
            self._forget_cache()
            return changed

    def end_correction(self, dev_eui: str, quantity: str, at_ms: int) -> bool:
        """Let a correction end at a time; return False when none goes on."""
        with self._lock:
            ended = corrections.end(self._db, dev_eui, quantity, at_ms)
            self._forget_cache()
            return ended

    def put_node_answer(self, found: NodeAnswer) -> None:
        """Keep what a node answered to a configuration command; handed over twice, it is kept once."""
        with self._lock, atomic(self._db):
            answers.put(self._db, found)

    def put_node_order(self, order: NodeOrder) -> None:
        """Keep what a node was asked to change."""
        with self._lock, atomic(self._db):
            answers.put_order(self._db, order)

    def seal_secrets(self, vault: Vault) -> int:
        """Keep every application key as a vault keeps it; return how many changed. Raise StoreError."""
        with self._lock:
            return self._secrets.seal_all(vault)

    def withdraw(self, site_id: str, recipient: str, at_ms: int) -> bool:
        """Record that consent ends; return False when there was none."""
        with self._lock:
            cursor = self._db.execute(
                "UPDATE consents SET to_ms = ? WHERE site_id = ? AND recipient = ? AND to_ms IS NULL",
                (at_ms, site_id, recipient),
            )
            return cursor.rowcount > 0

    def close(self) -> None:
        """Close both files."""
        with self._lock:
            self._db.close()
            self._secrets.close()

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

    # -- cache

    def _refresh(self) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._seen_version = version
            self._forget_cache()

    def _forget_cache(self) -> None:
        self._devices.clear()
        self._sites.clear()
        self._deployments.clear()
        self._corrections = None
        self._profiles = None
        self._spots.forget()
