"""Import of a provisioning file (`street.json`): one row a device, with its keys and its site.

A report per row: a bad row is refused with its reason and the others go in. Doing it twice changes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from gateway.errors import RegistryError
from gateway.registry import rules
from gateway.registry.database import Registry
from gateway.registry.model import DEFAULT_ORGANISATION, Device, RowReport, Site

DEFAULT_PRECISION_M = 100


def import_devices(registry: Registry, path: Path) -> list[RowReport]:
    """Import a file; raise RegistryError only when it is no provisioning file at all."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}; give the path of a provisioning file") from error
    except ValueError as error:
        raise RegistryError(f"{path}: not JSON ({error})") from error
    rows: Any = cast("dict[str, Any]", content).get("devices") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise RegistryError(f'{path}: no list "devices"; a provisioning file is {{"devices": [{{...}}]}}')
    with registry.atomic():
        return [_import_row(registry, number, row) for number, row in enumerate(cast("list[Any]", rows), 1)]


def _import_row(registry: Registry, number: int, row: Any) -> RowReport:
    dev_eui = ""
    try:
        if not isinstance(row, dict):
            raise RegistryError("not an object")
        fields = cast("dict[str, Any]", row)
        dev_eui = rules.eui("dev_eui", _get(fields, "dev_eui"))
        known = registry.device(dev_eui) is not None
        changed = put_row(registry, dev_eui, fields)
    except RegistryError as error:
        return RowReport(number, dev_eui, "refused", str(error))
    return RowReport(number, dev_eui, "unchanged" if not changed else "updated" if known else "added")


def put_row(
    registry: Registry,
    dev_eui: str,
    fields: dict[str, Any],
    from_ms: int | None = None,
    keep_secrets: bool = False,
) -> bool:
    """Put one device with its site into the registry; return False when nothing changed.

    With keep_secrets, a key or password that is absent stays as it is.
    """
    transport = str(_get(fields, "transport"))
    lorawan = transport == "lorawan"
    app_key = password = None
    if lorawan and not (keep_secrets and fields.get("app_key") is None):
        app_key = rules.key("app_key", _get(fields, "app_key"))
    if transport == "mqtt" and not (keep_secrets and fields.get("mqtt_password") is None):
        password = str(_get(fields, "mqtt_password"))
    if password is not None and len(password) < 8:
        raise RegistryError("mqtt_password: shorter than 8 characters")
    device = Device(
        dev_eui=dev_eui,
        kind=str(_get(fields, "kind")),
        transport=transport,
        join_eui=rules.eui("join_eui", _get(fields, "join_eui")) if lorawan else None,
    )
    rules.check_device(device)
    site = _site(_get(fields, "site"), device.kind)
    rules.check_site(site)
    rules.check_pseudonym(site.id, dev_eui)
    with registry.atomic():
        changed = registry.put_site(site)
        changed |= registry.put_device(device, app_key, password)
        changed |= registry.deploy(dev_eui, site.id, from_ms)
        if cast("dict[str, Any]", fields["site"]).get("public", True):
            changed |= registry.consent(site.id)
        return changed


def _site(found: Any, kind: str) -> Site:
    if not isinstance(found, dict):
        raise RegistryError("site: not an object")
    fields = cast("dict[str, Any]", found)
    geometry = fields.get("bin")
    bin_mm: dict[str, Any] = cast("dict[str, Any]", geometry) if isinstance(geometry, dict) else {}
    site_id = str(_get(fields, "id"))
    return Site(
        id=site_id,
        organisation=str(fields.get("organisation", DEFAULT_ORGANISATION)),
        name=str(fields.get("name", site_id)),
        kind=kind,
        longitude=_number(fields, "longitude"),
        latitude=_number(fields, "latitude"),
        precision_m=int(_number(fields, "precision_m", DEFAULT_PRECISION_M)),
        licence=str(fields.get("licence", "CC-BY-4.0")),
        empty_mm=_number(bin_mm, "empty_mm") if bin_mm else None,
        full_mm=_number(bin_mm, "full_mm") if bin_mm else None,
        rain_mm_per_tip=_number(fields, "rain_mm_per_tip")
        if fields.get("rain_mm_per_tip") is not None
        else None,
    )


def _get(fields: dict[str, Any], name: str) -> Any:
    if fields.get(name) is None:
        raise RegistryError(f"{name}: missing")
    return fields[name]


def _number(fields: dict[str, Any], name: str, default: float | None = None) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RegistryError(f"{name}: {value!r} is not a number")
    return value
