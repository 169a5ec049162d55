"""What lies between nodes and gateway: air, Wi-Fi, names, the broker's port."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class GatewayOutage(Fault, tag="gateway_outage"):
    """The LoRa gateway on the roof has no power: nobody hears, nobody answers."""

    DOES: ClassVar[str] = "the LoRa gateway on the roof is off: nothing is heard, nothing answered"
    LASTS: ClassVar[str] = "2h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Switch it off."""
        stage.air.deaf += 1
        return "the LoRa gateway is off"

    async def end(self, stage: Stage) -> None:
        """Switch it on."""
        stage.air.deaf -= 1


class BackhaulOutage(Fault, tag="backhaul_outage"):
    """The LoRa gateway hears, but its line to the server is cut."""

    DOES: ClassVar[str] = "the line between LoRa gateway and server is cut; what is heard is lost there"
    LASTS: ClassVar[str] = "1h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Cut it."""
        for forwarder in stage.forwarders:
            forwarder.cut = True
        return "no line to the server"

    async def end(self, stage: Stage) -> None:
        """Mend it."""
        for forwarder in stage.forwarders:
            forwarder.cut = False


class Interference(Fault, tag="interference"):
    """Somebody else is on the band."""

    DOES: ClassVar[str] = "`loss_percent` of all frames, either way, are not heard"
    LASTS: ClassVar[str] = "1h"

    loss_percent: Annotated[float, Meta(gt=0, le=100, description="share of frames, above 0 to 100")] = 30.0

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Make noise."""
        stage.air.jam_percent = self.loss_percent
        return f"{self.loss_percent:g} % of frames"

    async def end(self, stage: Stage) -> None:
        """Be quiet."""
        stage.air.jam_percent = 0.0


class WifiOutage(Fault, tag="wifi_outage"):
    """The host's router is off."""

    DOES: ClassVar[str] = "the Wi-Fi is away"
    LASTS: ClassVar[str] = "1h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Switch it off."""
        stage.street.wifi.up = False
        return "the access point is off"

    async def end(self, stage: Stage) -> None:
        """Switch it on."""
        stage.street.wifi.up = True


class NoNames(Fault, tag="no_names"):
    """Nobody answers questions for names."""

    DOES: ClassVar[str] = "the name server is silent"
    LASTS: ClassVar[str] = "1h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Silence it."""
        stage.street.wifi.dns = False
        return "no DNS"

    async def end(self, stage: Stage) -> None:
        """Let it speak."""
        stage.street.wifi.dns = True


class BrokerOutage(Fault, tag="broker_outage"):
    """The broker's port refuses, and connections that stand are cut."""

    DOES: ClassVar[str] = "the MQTT broker refuses connections and drops those that stand"
    LASTS: ClassVar[str] = "1h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Take it away."""
        stage.broker_away(True)
        return "the broker refuses"

    async def end(self, stage: Stage) -> None:
        """Bring it back."""
        stage.broker_away(False)
