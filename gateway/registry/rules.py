"""What makes a site or a device acceptable: each refusal names the field, the value and what is allowed."""

from __future__ import annotations

import math
import re

from gateway.errors import RegistryError
from gateway.registry.model import KINDS, MAX_PRECISION_M, TRANSPORTS, Device, Site

_SITE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EUI = re.compile(r"[0-9a-f]{16}")
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SCIENTIFIC = re.compile(r"\d([.,]\d+)?e\+?\d+")
_AS_TEXT = "format the column as text, and paste them again"
_PROFILE = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


def eui(field: str, value: object) -> str:
    """Return an EUI as 16 lower-case hex digits; blanks, `:` and `-` between them are taken away."""
    text = re.sub(r"[\s:-]", "", str(value)).lower()
    if _SCIENTIFIC.fullmatch(text):
        raise RegistryError(f"{field}: {value!r} is what a spreadsheet made of an EUI; {_AS_TEXT}")
    if text.isascii() and text.isdigit() and 12 <= len(text) < 16:
        raise RegistryError(
            f"{field}: {value!r} has {len(text)} digits, not 16: a spreadsheet takes zeros away in front; "
            + _AS_TEXT
        )
    if not _EUI.fullmatch(text):
        raise RegistryError(f"{field}: {value!r} is not an EUI; give 16 hex digits")
    return text


def key(field: str, value: object) -> bytes:
    """Return a 128-bit key from 32 hex digits. The message never repeats the value."""
    try:
        found = bytes.fromhex(str(value))
    except ValueError:
        found = b""
    if len(found) != 16:
        made = str(value).isdigit() or _SCIENTIFIC.fullmatch(str(value).strip().lower())
        remedy = f"a spreadsheet made a number of it; {_AS_TEXT}" if made else "give 32 hex digits"
        raise RegistryError(f"{field}: not a 128-bit key; {remedy}")
    return found


def check_site(site: Site) -> None:
    """Raise RegistryError when a site cannot be."""
    if not _SITE_ID.fullmatch(site.id):
        raise RegistryError(f"site.id: {site.id!r}; give 1 to 64 of A-Z a-z 0-9 . _ - (it is public)")
    if not site.name.strip() or len(site.name) > 200:
        raise RegistryError(f"site.name of {site.id}: give 1 to 200 characters")
    if site.kind not in KINDS:
        raise RegistryError(f"site.kind of {site.id}: {site.kind!r}; allowed: {', '.join(KINDS)}")
    _between(site, "longitude", site.longitude, -180, 180)
    _between(site, "latitude", site.latitude, -90, 90)
    if _swapped(site.longitude, site.latitude):
        raise RegistryError(
            f"site of {site.id}: longitude {site.longitude:g}, latitude {site.latitude:g} is in the Indian "
            "Ocean; are the two swapped?"
        )
    _between(site, "precision_m", site.precision_m, 0, MAX_PRECISION_M)
    if not site.licence.strip():
        raise RegistryError(f"site.licence of {site.id}: empty; name the licence of its data, e.g. CC-BY-4.0")
    if (site.empty_mm is None) != (site.full_mm is None):
        raise RegistryError(f"site.bin of {site.id}: give both empty_mm and full_mm, or neither")
    if site.empty_mm is not None and site.full_mm is not None:
        _between(site, "bin.full_mm", site.full_mm, 0, 10_000)
        _between(site, "bin.empty_mm", site.empty_mm, 1, 10_000)
        if site.full_mm >= site.empty_mm:
            raise RegistryError(
                f"site.bin of {site.id}: full_mm {site.full_mm:g} must be below empty_mm {site.empty_mm:g}: "
                "the fuller the bin, the shorter the distance"
            )
    if site.rain_mm_per_tip is not None:
        _between(site, "rain_mm_per_tip", site.rain_mm_per_tip, 0.01, 10)


def check_device(device: Device) -> None:
    """Raise RegistryError when a device cannot be."""
    if device.kind not in KINDS:
        raise RegistryError(f"kind of {device.dev_eui}: {device.kind!r}; allowed: {', '.join(KINDS)}")
    if device.transport not in TRANSPORTS:
        raise RegistryError(
            f"transport of {device.dev_eui}: {device.transport!r}; allowed: {', '.join(TRANSPORTS)}"
        )
    if device.profile and not _PROFILE.fullmatch(device.profile):
        raise RegistryError(f"profile of {device.dev_eui}: {device.profile[:60]!r}; give a-z, 0-9 and -")
    if device.alias is not None and (not _ALIAS.fullmatch(device.alias) or _EUI.fullmatch(device.alias)):
        raise RegistryError(
            f"alias of {device.dev_eui}: {device.alias[:80]!r}; give 1 to 64 of A-Za-z0-9._:- and no EUI"
        )


def check_pseudonym(site_id: str, dev_eui: str, alias: str | None = None) -> None:
    """A site id is public, so it may not give the device away."""
    if alias is not None and alias.lower() in site_id.lower():
        raise RegistryError(f"site.id: {site_id!r} contains the alias; site ids are public, choose another")
    if dev_eui in re.sub(r"[^0-9a-f]", "", site_id.lower()):
        raise RegistryError(f"site.id: {site_id!r} contains the DevEUI; site ids are public, choose another")


def _swapped(longitude: float, latitude: float) -> bool:
    """Whether the two would be in Belgium, the Netherlands or Luxembourg the other way round."""
    return 49.4 <= longitude <= 53.7 and 2.3 <= latitude <= 7.3


def _between(site: Site, field: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise RegistryError(f"site.{field} of {site.id}: {value!r}; allowed: {low} to {high}")
