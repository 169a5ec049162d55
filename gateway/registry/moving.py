"""A device goes to another place: a new site from a time on; what was measured before stays where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.errors import RegistryError
from gateway.registry.database import Registry
from gateway.registry.model import Site


def move_device(
    registry: Registry,
    dev_eui: str,
    new: tuple[str, str, float, float],
    from_ms: int,
    recipients: Sequence[str] = (),
) -> Site:
    """Put a device at a new site from a time on, and return that site: all or nothing.

    new: id, name, longitude, latitude. Everything else is as at the old site: kind, licence, how exactly the
    place is shown, and what belongs to the sensor itself (a gauge's factor). recipients: who gets what is
    measured there. Raise RegistryError.
    """
    known = registry.deployments(dev_eui)
    old = registry.site(known[-1].site_id) if known and known[-1].to_ms is None else None
    if old is None:
        raise RegistryError(f"{dev_eui} is at no site: deploy it instead of moving it")
    if registry.site(new[0]) is not None:
        raise RegistryError(f"site {new[0]} is there already: give another name")
    if from_ms <= known[-1].from_ms:
        raise RegistryError(f"{dev_eui} is at {old.id} since {known[-1].from_ms}: give a later time")
    site = replace(old, id=new[0], name=new[1], longitude=new[2], latitude=new[3])
    with registry.atomic():
        registry.put_site(site)
        registry.deploy(dev_eui, site.id, from_ms)
        for recipient in recipients:
            registry.consent(site.id, recipient, from_ms)
    return site
