"""Calibrating noise nodes from the page: the same command that `meetnet noise calibrate` queues."""

from __future__ import annotations

import secrets
from typing import cast

from gateway.downlinks import Downlinks
from gateway.errors import RegistryError
from gateway.registry import Registry
from gateway.registry.model import Calibration
from wire import ports, sound
from wire.errors import WireError

LISTENS_S = 5


class NoiseBench:
    """gateway.web.house.NoiseBench over the registry and the queue of downlinks."""

    def __init__(self, registry: Registry, downlinks: Downlinks) -> None:
        self._registry = registry
        self._downlinks = downlinks

    async def calibrate(self, dev_eui: str, level_db: float, instrument: str) -> None:
        """Queue the command; RegistryError or DownlinkError where it cannot be."""
        device = self._registry.device(dev_eui)
        if device is None or device.kind != "noise":
            raise RegistryError(f"device {dev_eui} is no noise node that is registered here")
        token = secrets.randbelow(256)
        try:
            payload = cast("bytes", sound.pack_calibrate(token, round(level_db * 100), LISTENS_S, instrument))
        except WireError as error:
            raise RegistryError(str(error)) from error
        await self._downlinks.enqueue(dev_eui, ports.COMMANDS, payload)

    def calibrations(self, dev_eui: str) -> list[Calibration]:
        """Return what came of calibrations, newest last."""
        return list(self._registry.calibrations(dev_eui))
