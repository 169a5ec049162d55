"""Clocks: crystals that are off, time servers and gateways that are wrong."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from simulator.stage.faults.base import Fault, NodeFault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class ClockDrift(NodeFault, tag="clock_drift"):
    """A crystal that is off by more than its data sheet says: 40 ppm is 3.5 s a day."""

    DOES: ClassVar[str] = "the crystal runs `ppm` fast (negative: slow) from the next start of the node"

    ppm: Annotated[int, Meta(ge=-5000, le=5000, description="how much it is fast, -5000 to 5000 ppm")] = 40

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Change the crystal; a running node gets it with a new start."""
        struck = self.chosen(stage, rng)
        for node in struck:
            node.settings.ticks_ppm = self.ppm
            if node.state not in ("off", "booting"):
                node.power_off()
                node.power_on()
        return f"{self.ppm} ppm: " + ", ".join(node.name for node in struck)


class WrongTimeServer(Fault, tag="wrong_time_server"):
    """The time server in the Wi-Fi lies."""

    DOES: ClassVar[str] = "SNTP answers are `off_s` seconds wrong"
    LASTS: ClassVar[str] = "1h"

    off_s: Annotated[int, Meta(description="by how many seconds it is ahead; negative: behind")] = 3600

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Set the server's clock."""
        stage.street.wifi.ntp_off_us = self.off_s * 1_000_000
        return f"{self.off_s} s"

    async def end(self, stage: Stage) -> None:
        """Set it right."""
        stage.street.wifi.ntp_off_us = 0


class WrongGatewayClock(Fault, tag="wrong_gateway_clock"):
    """The gateway's computer has a wrong time, as one without battery has before its first NTP answer."""

    DOES: ClassVar[str] = "the gateway's clock is `off_s` seconds wrong"
    LASTS: ClassVar[str] = "1h"

    off_s: Annotated[int, Meta(description="by how many seconds it is ahead; negative: behind")] = -86400

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Set it."""
        await stage.ask_house("set_clock", self.off_s * 1000)
        return f"{self.off_s} s"

    async def end(self, stage: Stage) -> None:
        """Set it right."""
        await stage.ask_house("set_clock", 0)
