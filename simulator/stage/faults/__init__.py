"""Faults as scripts: one class a fault, found by the name that a scenario's row gives in `do`."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.nodeproc import SimulatorError
from simulator.stage.faults import attacks, clocks, gateway, network, platform, power, sensors, updates
from simulator.stage.faults.base import Fault

__all__ = ("KINDS", "Fault", "read")

_ALL: tuple[type[Fault], ...] = (
    power.PowerCut,
    power.Reset,
    power.BrownOut,
    power.FlashWear,
    clocks.ClockDrift,
    clocks.WrongTimeServer,
    clocks.WrongGatewayClock,
    sensors.SensorFault,
    sensors.Weather,
    network.GatewayOutage,
    network.BackhaulOutage,
    network.Interference,
    network.WifiOutage,
    network.NoNames,
    network.BrokerOutage,
    attacks.ReplayedFrames,
    attacks.ForgedFrames,
    attacks.Flood,
    gateway.KillGateway,
    gateway.KillBroker,
    gateway.DiskFull,
    gateway.DatabaseLocked,
    platform.PlatformRejects,
    updates.BadUpdate,
)
KINDS: dict[str, type[Fault]] = {str(kind.__struct_config__.tag): kind for kind in _ALL}


def read(row: dict[str, Any]) -> Fault:
    """Return the fault of a row; SimulatorError or msgspec.ValidationError say what is wrong with it."""
    name = row.get("do")
    if name not in KINDS:
        said = "is missing" if name is None else f"there is no {name!r}"
        raise SimulatorError(f"do: {said}; known are {', '.join(KINDS)}")
    return msgspec.convert(row, KINDS[str(name)])
