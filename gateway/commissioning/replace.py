"""A new device in the place of a broken one: the site and its series go on, the old device is out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.claims import ClaimBook
from gateway.errors import RegistryError
from gateway.registry import Registry

NOMINAL_RAIN_MM_PER_TIP = 0.2794  # of the usual gauge, 0.011 inch; a gauge's own factor stays with that gauge


@dataclass(frozen=True, slots=True)
class Replacement:
    """What was done. recalibrate: what the new device has no calibration of its own for, yet."""

    site_id: str
    old_eui: str
    new_eui: str
    at_ms: int
    owner: str | None
    recalibrate: tuple[str, ...]


def replace_device(
    registry: Registry,
    claims: ClaimBook,
    old_eui: str,
    new_eui: str,
    at_ms: int,
    keep_rain_gauge: bool = False,
) -> Replacement:
    """Put new_eui where old_eui is, from at_ms on. Cut off anywhere, doing it again finishes it.

    The old device's deployment ends and its key and password are deleted: what it still sends is refused.
    Calibrations belong to devices, so the new one starts without; a rain gauge's factor goes back to the
    nominal one, unless the gauge stays. Raises RegistryError, ClaimError.
    """
    old, new = registry.device(old_eui), registry.device(new_eui)
    if old is None or new is None:
        raise RegistryError(f"{old_eui if old is None else new_eui} is not registered: add it first")
    if old_eui == new_eui:
        raise RegistryError(f"{new_eui} cannot replace itself: scan the new device")
    if old.kind != new.kind:
        raise RegistryError(f"{new_eui} measures {new.kind}, {old_eui} {old.kind}: take one of that kind")
    here = registry.deployments(old_eui)
    if not here:
        raise RegistryError(f"{old_eui} is at no site: deploy {new_eui} instead of replacing")
    site_id = here[-1].site_id
    there = registry.deployments(new_eui)
    busy = there[-1] if there and there[-1].to_ms is None else None
    if busy is not None and busy.site_id != site_id:
        raise RegistryError(
            f"{new_eui} is at site {busy.site_id}: take it away there first (meetnet device remove --spare)"
        )
    if here[-1].to_ms is not None and busy is None:
        raise RegistryError(f"{old_eui} is at no site any more: deploy {new_eui} instead of replacing")
    if new.transport == "lorawan" and registry.device_keys(new_eui) is None:
        raise RegistryError(f"{new_eui} has no key: register it with its key first")
    site = registry.site(site_id)
    assert site is not None
    resets = site.rain_mm_per_tip is not None and not keep_rain_gauge
    with registry.atomic():
        registry.undeploy(old_eui, at_ms)
        registry.deploy(new_eui, site_id, at_ms)
        registry.revoke(old_eui)
        if resets and busy is None:
            registry.put_site(replace(site, rain_mm_per_tip=NOMINAL_RAIN_MM_PER_TIP))
    claim = claims.move(old_eui, new_eui, at_ms)
    again = (("rain_gauge",) if resets else ()) + (("microphone",) if new.kind == "noise" else ())
    from_ms = registry.deployments(new_eui)[-1].from_ms
    return Replacement(site_id, old_eui, new_eui, from_ms, claim.owner if claim else None, again)
