"""Devices and sites as CSV, in and out: what a spreadsheet can edit. Keys never go out; they may come in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gateway import sheet
from gateway.errors import RegistryError, SheetError
from gateway.registry.database import Registry
from gateway.registry.model import PUBLIC, RowReport
from gateway.registry.street import eui_in, put_row
from gateway.sheet import Sheet, SheetRow

COLUMNS = (
    "dev_eui", "join_eui", "kind", "transport", "site_id", "site_name", "longitude", "latitude",
    "precision_m", "licence", "empty_mm", "full_mm", "rain_mm_per_tip", "public", "from_ms",
    "profile", "alias",
)  # fmt: skip
SECRET_COLUMNS = ("app_key", "mqtt_password", "token")
NEEDED = ("dev_eui", "kind", "transport", "site_id", "longitude", "latitude")
# As people head their columns; without case, blanks and hyphens count as _.
_OTHERWISE = {
    "deveui": "dev_eui", "joineui": "join_eui", "appeui": "join_eui", "app_eui": "join_eui",
    "appkey": "app_key", "lon": "longitude", "lng": "longitude", "lat": "latitude",
}  # fmt: skip
# What tells one place from another.
_PLACE = ("kind", "site_name", "longitude", "latitude")
_DEGREES, _BIN = ("longitude", "latitude"), ("empty_mm", "full_mm")


def read_sheet(path: Path) -> Sheet:
    """Return a list of devices with our names for its columns; SheetError."""
    return sheet.read(path, _column)


def _column(head: str) -> str:
    name = re.sub(r"[\s-]+", "_", head.lower())
    return _OTHERWISE.get(name, name)


def export_csv(registry: Registry) -> str:
    """Return all devices with the site where they are now. Exact positions: this is for the operator."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    public = {site.id for site in registry.consenting_sites(PUBLIC, 2**62)}
    for device in registry.devices():
        deployments = registry.deployments(device.dev_eui)
        newest = deployments[-1] if deployments else None
        site = registry.site(newest.site_id) if newest else None
        writer.writerow(
            (device.dev_eui, device.join_eui or "", device.kind, device.transport)
            + ("",) * 11
            + (device.profile, device.alias or "")
            if site is None or newest is None
            else (
                device.dev_eui, device.join_eui or "", device.kind, device.transport, site.id, site.name,
                site.longitude, site.latitude, site.precision_m, site.licence, _blank(site.empty_mm),
                _blank(site.full_mm), _blank(site.rain_mm_per_tip), "yes" if site.id in public else "no",
                newest.from_ms, device.profile, device.alias or "",
            )
        )  # fmt: skip
    return out.getvalue()


def import_csv(registry: Registry, path: Path, profiles: Collection[str] | None = None) -> list[RowReport]:
    """Import a CSV file with a header; a report per row. RegistryError, SheetError for one that is none.

    A device that is known keeps its key or password when the column is empty.
    """
    found = read_sheet(path)
    missing = sheet.missing(found, NEEDED)
    if missing:
        raise RegistryError(f"{path}: {', '.join(missing)}")
    before = _Before()
    with registry.atomic():
        return [_row(registry, row, before, profiles) for row in found.rows]


def _row(registry: Registry, row: SheetRow, before: _Before, profiles: Collection[str] | None) -> RowReport:
    dev_eui = ""
    try:
        if row.fault:
            raise RegistryError(row.fault)
        dev_eui = eui_in(row.cells)
        known = registry.device(dev_eui) is not None
        moment = row.cells.get("from_ms")
        from_ms = sheet.moment_ms("from_ms", moment) if moment else None
        before.check(row, dev_eui)
        changed = put_row(registry, dev_eui, device_fields(row.cells), from_ms, known, profiles)
    except (RegistryError, SheetError) as error:
        return RowReport(row.line, dev_eui, "refused", str(error))
    before.add(row, dev_eui)
    return RowReport(row.line, dev_eui, "unchanged" if not changed else "updated" if known else "added")


class _Before:
    """The rows that were taken: what is copied from one and was meant to be changed is told by it."""

    def __init__(self) -> None:
        self._devices: dict[str, SheetRow] = {}
        self._sites: dict[str, SheetRow] = {}
        self._keys: dict[str, tuple[str, int]] = {}

    def add(self, row: SheetRow, dev_eui: str) -> None:
        """Remember a row."""
        self._devices.setdefault(dev_eui, row)
        self._sites.setdefault(row.cells["site_id"], row)
        self._keys.setdefault(row.cells.get("app_key", "").lower(), (dev_eui, row.line))

    def check(self, row: SheetRow, dev_eui: str) -> None:
        """Raise RegistryError; a stranger's keys are its maker's business."""
        device, site = self._devices.get(dev_eui), self._sites.get(row.cells["site_id"])
        if device is not None and not row.cells.get("from_ms") and device.cells != row.cells:
            raise RegistryError(f"dev_eui: {dev_eui} is on line {device.line} too; each device has its own")
        other = [name for name in _PLACE if site and row.cells.get(name) != site.cells.get(name)]
        if site is not None and other:
            raise RegistryError(
                f"site_id: {row.cells['site_id']!r} is on line {site.line} too, with another "
                f"{', '.join(other)}; give each place a site_id of its own"
            )
        of, line = self._keys.get(row.cells.get("app_key", "").lower(), (dev_eui, 0))
        if of != dev_eui and row.cells.get("app_key") and not row.cells.get("profile"):
            raise RegistryError(f"app_key: is that of line {line} too; each device has its own")


def device_fields(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of a provisioning file (`put_row`) of the cells of a spreadsheet; RegistryError."""
    site: dict[str, Any] = {"id": cells["site_id"], "name": cells.get("site_name") or cells["site_id"]}
    site |= {name: sheet.number(name, cells[name]) for name in _DEGREES if cells.get(name)}
    site |= {name: sheet.length(name, cells[name]) for name in ("precision_m",) if cells.get(name)}
    if cells.get("licence"):
        site["licence"] = cells["licence"]
    if cells.get("empty_mm") or cells.get("full_mm"):
        site["bin"] = {name: sheet.length(name, cells[name]) for name in _BIN if cells.get(name)}
    if cells.get("rain_mm_per_tip"):
        site["rain_mm_per_tip"] = sheet.number("rain_mm_per_tip", cells["rain_mm_per_tip"])
    site["public"] = sheet.truth("public", cells.get("public") or "yes")
    names = ("join_eui", "profile", "alias", *SECRET_COLUMNS)
    fields: dict[str, Any] = {name: cells.get(name) or None for name in names}
    words = {name: cells[name].lower() for name in ("kind", "transport")}
    return {**fields, **words, "site": site}


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
