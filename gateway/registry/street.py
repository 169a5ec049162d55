"""Import of a provisioning file (`street.json`): one row a device, with its keys and its site.

A report per row: a bad row is refused with its reason and the others go in. Doing it twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from gateway.errors import RegistryError
from gateway.registry import rules
from gateway.registry.database import Registry
from gateway.registry.foreign import eui_of
from gateway.registry.model import DEFAULT_ORGANISATION, Device, RowReport, Site

DEFAULT_PRECISION_M = 100


def import_devices(
    registry: Registry, path: Path, profiles: Collection[str] | None = None
) -> list[RowReport]:
    """Import a file; raise RegistryError only when it is no provisioning file at all."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}; give the path of a provisioning file") from error
    except ValueError as error:
        raise RegistryError(f"{path}: not JSON ({error})") from error
    rows: Any = cast("dict[str, Any]", content).get("devices") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise RegistryError(f'{path}: no list "devices"; a provisioning file is {{"devices": [{{...}}]}}')
    with registry.atomic():
        return [
            _import_row(registry, number, row, profiles)
            for number, row in enumerate(cast("list[Any]", rows), 1)
        ]


def _import_row(registry: Registry, number: int, row: Any, profiles: Collection[str] | None) -> RowReport:
    dev_eui = ""
    try:
        if not isinstance(row, dict):
            raise RegistryError("not an object")
        fields = cast("dict[str, Any]", row)
        dev_eui = eui_in(fields)
        known = registry.device(dev_eui) is not None
        changed = put_row(registry, dev_eui, fields, profiles=profiles)
    except RegistryError as error:
        return RowReport(number, dev_eui, "refused", str(error))
    return RowReport(number, dev_eui, "unchanged" if not changed else "updated" if known else "added")


def eui_in(fields: dict[str, Any]) -> str:
    """Return the DevEUI of a row; one that only says what the device calls itself gets one of ours."""
    alias = fields.get("alias")
    if alias and not fields.get("dev_eui"):
        return eui_of(str(alias))
    return rules.eui("dev_eui", _get(fields, "dev_eui"))


def put_row(
    registry: Registry,
    dev_eui: str,
    fields: dict[str, Any],
    from_ms: int | None = None,
    keep_secrets: bool = False,
    profiles: Collection[str] | None = None,
) -> bool:
    """Put one device with its site into the registry; return False when nothing changed.

    With keep_secrets, a key or password that is absent stays as it is. profiles: those there are.
    """
    transport = str(_get(fields, "transport"))
    profile = str(fields.get("profile") or "")
    if profiles is not None and profile and profile not in profiles:
        raise RegistryError(f"profile: there is no {profile[:48]!r}: see meetnet profile list")
    # A stranger's keys are often another network server's, and its token is given out afterwards.
    may_lack = keep_secrets or bool(profile) or transport in ("http", "serial")
    app_key = _app_key(fields, may_lack) if transport == "lorawan" else None
    password = _password(fields, transport, may_lack and not (transport == "mqtt" and not keep_secrets))
    join_eui = (
        fields.get("join_eui") if profile else _get(fields, "join_eui") if transport == "lorawan" else None
    )
    device = Device(
        dev_eui=dev_eui,
        kind=str(_get(fields, "kind")),
        transport=transport,
        join_eui=rules.eui("join_eui", join_eui) if join_eui and transport == "lorawan" else None,
        profile=profile,
        alias=str(fields["alias"]) if fields.get("alias") else None,
    )
    rules.check_device(device)
    site = site_in(fields, device.kind)
    rules.check_pseudonym(site.id, dev_eui, device.alias)
    with registry.atomic():
        changed = registry.put_site(site)
        changed |= registry.put_device(device, app_key, password)
        changed |= registry.deploy(dev_eui, site.id, from_ms)
        if cast("dict[str, Any]", fields["site"]).get("public", True):
            changed |= registry.consent(site.id)
        return changed


def _app_key(fields: dict[str, Any], may_lack: bool) -> bytes | None:
    if may_lack and fields.get("app_key") is None:
        return None
    return rules.key("app_key", _get(fields, "app_key"))


def _password(fields: dict[str, Any], transport: str, may_lack: bool) -> str | None:
    """Return what a device says at the broker (mqtt_password) or when it pushes (token)."""
    name = {"mqtt": "mqtt_password", "http": "token"}.get(transport)
    if name is None or (may_lack and fields.get(name) is None):
        return None
    password = str(_get(fields, name))
    if len(password) < 8:
        raise RegistryError(f"{name}: shorter than 8 characters")
    return password


def site_in(row: dict[str, Any], kind: str) -> Site:
    """Return the site of a row, checked; RegistryError names the field."""
    site = _site(_get(row, "site"), kind)
    rules.check_site(site)
    return site


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
