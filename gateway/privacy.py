"""Everything that is kept about a site: handed out, or erased (GDPR articles 15 and 17).

PLACES says in which file and table something stands beside the store, the raw log and the register, which
know by themselves. A new table that names a site, a device or a person is one row here; a test looks
through every file afterwards.
"""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway import exports
from gateway.erasures import Backup, note_erasure, pseudonym
from gateway.errors import StoreError
from gateway.model import Uplink
from gateway.registry import Registry
from gateway.store import SqlitePublicReader, Store
from gateway.store.history.erasing import Heard
from gateway.store.history.erasing import erase_site as erase_history

LATE_MS = 86_400_000  # frames that come this long after a device left still speak of the site


@dataclass(frozen=True, slots=True)
class Place:
    """Rows of a table that are about a site (:site), or a device that was there (:device)."""

    file: str
    table: str
    where: str
    change: str = ""  # what is set there instead of deleting the row; :name stands for the site then

    @property
    def of_device(self) -> bool:
        """Whether it is asked for each device."""
        return ":device" in self.where


_IN_SITES = "instr(sites, '\"' || :site || '\"') > 0"
PLACES: tuple[Place, ...] = (
    Place("review.db", "assessments", "site_id = :site"),
    Place("commissioning.db", "reports", "site_id = :site"),
    Place("waste.db", "reports", "site_id = :site"),
    Place("notes.db", "notes", "site_id = :site"),
    Place("siting.db", "siting", "site_id = :site"),
    Place("access.db", "hosts", "site_id = :site"),
    Place("access.db", "audit", "subject = :site", "subject = :name, detail = ''"),
    Place(
        "events.db",
        "events",
        _IN_SITES,
        "sites = replace(sites, '\"' || :site || '\"', '\"' || :name || '\"')",
    ),
    Place("health.db", "incidents", "subject = :site OR instr(key, :site) > 0"),
    Place(
        "health.db",
        "incidents",
        "subject = :device OR instr(key, :device) > 0 OR instr(devices, :device) > 0",
    ),
    Place("windows.db", "frames", "dev_eui = :device"),
)
# Only of devices that are at no other site: nothing is left that they need.
PLACES_OF_GONE: tuple[Place, ...] = (
    Place("gaps.db", "gaps", "dev_eui = :device"),
    Place("bench.db", "boards", "dev_eui = :device"),
    Place("bench.db", "tries", "dev_eui = :device"),
    Place("registry.db", "calibrations", "dev_eui = :device"),
    Place("registry.db", "corrections", "dev_eui = :device"),
    Place("registry.db", "node_answers", "dev_eui = :device"),
)


@dataclass(slots=True)
class Erased:
    """What went: records, frames of the raw log, rows by place. backups: those that hold it still."""

    records: int = 0
    frames: int = 0
    rows: dict[str, int] = field(default_factory=dict[str, int])
    backups: list[Backup] = field(default_factory=list[Backup])
    left_in: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class House:
    """Where things are. erase_frames: overwrites frames in the raw log; frames: yields them."""

    directory: Path
    store: Store
    registry: Registry
    erase_frames: Callable[[Callable[[Uplink], bool]], int]
    frames: Callable[[], Iterator[Uplink]]
    forget_side: Callable[[str], int] = lambda _site_id: 0


def erase_site(house: House, site_id: str, now_ms: int) -> Erased:
    """Erase a site with all that was measured there, in every place; raise StoreError, RegistryError.

    Cut off anywhere, do it again. Publishers hear of it from the register, and tell the platforms; what those
    know of it stays in the publishers' books until they did.
    """
    registry, found = house.registry, Erased()
    heard = _heard(registry, site_id)
    gone = {dev_eui for dev_eui, _, _ in heard if _only_here(registry, dev_eui, site_id)}
    # First the list: a backup of this moment must not bring back what is half erased.
    found.backups = note_erasure(house.directory, site_id, now_ms)
    photos = _photos(house.directory, site_id)
    found.records = erase_history(house.store, site_id, heard, gone)
    found.frames = house.erase_frames(lambda uplink: _is_of(uplink, heard))
    devices = sorted({dev_eui for dev_eui, _, _ in heard})
    for place in PLACES:
        _erase_place(house.directory, place, site_id, devices, found)
    for place in PLACES_OF_GONE:
        _erase_place(house.directory, place, site_id, sorted(gone), found)
    for photo in photos:
        photo.unlink(missing_ok=True)
    found.rows["photos"] = len(photos)
    found.rows["side lists"] = house.forget_side(site_id)
    registry.erase_site(site_id)
    found.left_in = [
        str(path.relative_to(house.directory)) for path in holding(house.directory, [site_id.encode()])
    ]
    return found


def holding(directory: Path, needles: Sequence[bytes]) -> list[Path]:
    """Return the files in which any of some texts stands."""
    found: list[Path] = []
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                found.append(path)
    return found


def export_site(house: House, site_id: str, out: Path) -> dict[str, int]:
    """Write all that is kept about a site into a ZIP, for people and programs; return rows by file."""
    registry = house.registry
    site = next((one for one in registry.sites() if one.id == site_id), None)
    if site is None:
        raise StoreError(f"{site_id} is no site: see meetnet device list")
    heard = _heard(registry, site_id)
    counts: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        out.chmod(0o600)

        def put(name: str, rows: list[Any]) -> None:
            counts[name] = len(rows)
            archive.writestr(name, json.dumps(rows, indent=1, ensure_ascii=False, default=_plain))

        put("site.json", [asdict(site)])
        put("devices.json", [{"dev_eui": eui, "from_ms": a, "to_ms": b} for eui, a, b in heard])
        put(
            "consents.json",
            _select(house.directory / "registry.db", "consents", "site_id = :site", site_id, [""]),
        )
        reader = SqlitePublicReader(house.store, lambda: [site])
        with archive.open("observations.csv", "w") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
            counts["observations.csv"] = exports.write_csv(reader, 0, 2**53, text)
        put("raw_frames.json", [asdict_of(uplink) for uplink in house.frames() if _is_of(uplink, heard)])
        devices = sorted({dev_eui for dev_eui, _, _ in heard})
        for place in (*PLACES, *PLACES_OF_GONE):
            rows = _select(house.directory / place.file, place.table, place.where, site_id, devices)
            name = (
                f"{place.file.removesuffix('.db')}-{place.table}{'-devices' if place.of_device else ''}.json"
            )
            if rows:
                put(name, rows)
        for photo in _photos(house.directory, site_id):
            archive.write(photo, f"photos/{photo.name}")
    return counts


def asdict_of(uplink: Uplink) -> dict[str, Any]:
    """Return a frame as JSON-ready fields."""
    return {
        "dev_eui": uplink.dev_eui, "received_at": exports.iso_utc(uplink.received_at_ms),
        "source": uplink.source,
        "f_port": uplink.f_port, "f_cnt": uplink.f_cnt, "payload": uplink.payload.hex(),
        "gateways": [one.gateway_id for one in uplink.receptions],
    }  # fmt: skip


# -- within


def _heard(registry: Registry, site_id: str) -> list[Heard]:
    return [
        (device.dev_eui, one.from_ms, one.to_ms)
        for device in registry.devices()
        for one in registry.deployments(device.dev_eui)
        if one.site_id == site_id
    ]


def _only_here(registry: Registry, dev_eui: str, site_id: str) -> bool:
    return all(one.site_id == site_id for one in registry.deployments(dev_eui))


def _is_of(uplink: Uplink, heard: Sequence[Heard]) -> bool:
    return any(
        uplink.dev_eui == dev_eui
        and uplink.received_at_ms >= from_ms
        and (to_ms is None or uplink.received_at_ms < to_ms + LATE_MS)
        for dev_eui, from_ms, to_ms in heard
    )


def _photos(directory: Path, site_id: str) -> list[Path]:
    rows = _select(
        directory / "commissioning.db", "reports", "site_id = :site AND photo IS NOT NULL", site_id, [""]
    )
    others = _select(
        directory / "commissioning.db", "reports", "site_id <> :site AND photo IS NOT NULL", site_id, [""]
    )
    shared = {row["photo"] for row in others}
    return [
        photo
        for row in rows
        if row["photo"] not in shared
        for photo in (directory / "photos").glob(f"{row['photo']}*")
    ]


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA busy_timeout=5000")
    db.execute("PRAGMA secure_delete=ON")
    db.row_factory = sqlite3.Row
    return db


def _has(db: sqlite3.Connection, table: str) -> bool:
    return (
        db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
        is not None
    )


def _select(path: Path, table: str, where: str, site_id: str, devices: Sequence[str]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with closing(_opened(path)) as db:
        if not _has(db, table):
            return []
        found: list[dict[str, Any]] = []
        for device in devices if ":device" in where else [""]:
            rows = db.execute(
                f"SELECT * FROM {table} WHERE {where}",  # noqa: S608
                {"site": site_id, "device": device},
            )
            found += [dict(row) for row in rows]
        return found


def _erase_place(directory: Path, place: Place, site_id: str, devices: Sequence[str], found: Erased) -> None:
    path = directory / place.file
    if not path.exists():
        return
    name = f"{place.file} {place.table}"
    try:
        with closing(_opened(path)) as db:
            if not _has(db, place.table):
                return
            for device in devices if place.of_device else [""]:
                keys = {"site": site_id, "device": device, "name": pseudonym(site_id)}
                if place.change:
                    sql = f"UPDATE {place.table} SET {place.change} WHERE {place.where}"  # noqa: S608
                else:
                    sql = f"DELETE FROM {place.table} WHERE {place.where}"  # noqa: S608
                found.rows[name] = found.rows.get(name, 0) + db.execute(sql, keys).rowcount
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{place.file}: {error}; some of the site is erased, try again") from error


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
