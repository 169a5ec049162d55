"""Devices and sites as CSV, in and out: what a spreadsheet can edit. Keys never go out; they may come in."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

from gateway.errors import RegistryError
from gateway.registry.database import Registry
from gateway.registry.model import PUBLIC, RowReport
from gateway.registry.street import eui_in, put_row

COLUMNS = (
    "dev_eui", "join_eui", "kind", "transport", "site_id", "site_name", "longitude", "latitude",
    "precision_m", "licence", "empty_mm", "full_mm", "rain_mm_per_tip", "public", "from_ms",
    "profile", "alias",
)  # fmt: skip
SECRET_COLUMNS = ("app_key", "mqtt_password", "token")
_NUMBERS = ("longitude", "latitude", "precision_m", "empty_mm", "full_mm", "rain_mm_per_tip")


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
    """Import a CSV file with a header; a report per row. Raise RegistryError for a file that is none.

    A device that is known keeps its key or password when the column is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path}: {error}; give a CSV file in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text))
    names = set(reader.fieldnames or ())
    missing = {"dev_eui", "kind", "transport", "site_id", "longitude", "latitude"} - names
    if missing:
        raise RegistryError(f"{path}: column {', '.join(sorted(missing))} is missing")
    with registry.atomic():
        return [_row(registry, number, dict(row), profiles) for number, row in enumerate(reader, 1)]


def _row(registry: Registry, number: int, row: dict[Any, Any], profiles: Collection[str] | None) -> RowReport:
    dev_eui = ""
    try:
        if None in row or None in row.values():
            raise RegistryError("the row has not as many fields as the header")
        dev_eui = eui_in(row)
        known = registry.device(dev_eui) is not None
        from_ms = int(_number("from_ms", row["from_ms"])) if row.get("from_ms") else None
        changed = put_row(registry, dev_eui, _fields(row), from_ms, known, profiles)
    except RegistryError as error:
        return RowReport(number, dev_eui, "refused", str(error))
    return RowReport(number, dev_eui, "unchanged" if not changed else "updated" if known else "added")


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    site: dict[str, Any] = {"id": row["site_id"], "name": row.get("site_name") or row["site_id"]}
    site |= {name: _number(name, row[name]) for name in _NUMBERS[:3] if row.get(name)}
    if row.get("licence"):
        site["licence"] = row["licence"]
    if row.get("empty_mm") or row.get("full_mm"):
        site["bin"] = {name: _number(name, row[name]) for name in ("empty_mm", "full_mm") if row.get(name)}
    if row.get("rain_mm_per_tip"):
        site["rain_mm_per_tip"] = _number("rain_mm_per_tip", row["rain_mm_per_tip"])
    site["public"] = row.get("public", "yes").strip().lower() in ("yes", "true", "1", "ja", "oui")
    names = ("join_eui", "kind", "transport", "profile", "alias", *SECRET_COLUMNS)
    fields = {name: row.get(name) or None for name in names}
    return {**fields, "site": site}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RegistryError(f"{name}: {text!r} is not a number; use a point for decimals") from None


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
