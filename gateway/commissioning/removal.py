"""A device that measures no more: lost, worn out, or a spare. Its site and series stay."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.claims import ClaimBook
from gateway.errors import RegistryError
from gateway.registry import Registry


@dataclass(frozen=True, slots=True)
class Removal:
    """What was done. site_id: where it was last, None for nowhere. owner: who hosted it, None for nobody."""

    dev_eui: str
    site_id: str | None
    at_ms: int
    owner: str | None
    is_spare: bool


def remove_device(
    registry: Registry, claims: ClaimBook, dev_eui: str, at_ms: int, is_spare: bool = False
) -> Removal:
    """Take a device out of service from at_ms on. Cut off anywhere, doing it again finishes it.

    Its deployment ends, so nobody is told that it is silent; whoever claimed it need not own it any more. Key
    and password are deleted, so what it still sends is refused; a spare keeps them and may hang elsewhere.
    Raises RegistryError, ClaimError.
    """
    if registry.device(dev_eui) is None:
        raise RegistryError(f"{dev_eui} is not registered: see meetnet device list")
    with registry.atomic():
        registry.undeploy(dev_eui, at_ms)
        if not is_spare:
            registry.revoke(dev_eui)
    claim = claims.claim_of(dev_eui)
    if claim is not None:
        claims.release(dev_eui, claim.owner, at_ms)
    there = registry.deployments(dev_eui)
    last = there[-1] if there else None
    ended_ms = at_ms if last is None or last.to_ms is None else last.to_ms
    owner = claim.owner if claim else None
    return Removal(dev_eui, last.site_id if last else None, ended_ms, owner, is_spare)
