"""What another network server must know of a device."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from gateway.errors import RegistryError
from gateway.registry import Registry


@dataclass(frozen=True, slots=True)
class Moving:
    """A LoRaWAN 1.0.4 device with its root key. repr shows no key."""

    dev_eui: str
    join_eui: str
    name: str
    kind: str
    app_key: bytes = field(repr=False)


def devices_to_move(registry: Registry, now_ms: int, only: Collection[str] = ()) -> list[Moving]:
    """Return the LoRaWAN devices with their keys, by DevEUI; RegistryError when one of `only` is none."""
    found: list[Moving] = []
    for device in registry.devices():
        keys = registry.device_keys(device.dev_eui)
        if keys is None or (only and device.dev_eui not in only):
            continue
        site = registry.site_of(device.dev_eui, now_ms)
        name = site.name if site else device.dev_eui
        found.append(Moving(device.dev_eui, keys.join_eui, name, device.kind, keys.app_key))
    missing = sorted(set(only) - {device.dev_eui for device in found})
    if missing:
        raise RegistryError(f"{', '.join(missing)}: not a LoRaWAN device that is registered with a key")
    return found
