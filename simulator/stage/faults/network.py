"""What lies between nodes and gateway: air, Wi-Fi, names, the broker's port."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class _Turned(Fault):
    """Attributes of the world that are other while it lasts."""

    SAYS: ClassVar[str] = ""

    def turns(self, stage: Stage) -> list[tuple[Any, str, Any, Any]]:
        """Return (object, attribute, value while it lasts, value otherwise) of each."""
        raise NotImplementedError

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Turn them."""
        for thing, name, during, _ in self.turns(stage):
            setattr(thing, name, during)
        return self.SAYS

    async def end(self, stage: Stage) -> None:
        """Turn them back."""
        for thing, name, _, otherwise in self.turns(stage):
            setattr(thing, name, otherwise)


class GatewayOutage(Fault, tag="gateway_outage"):
    """The LoRa gateway on the roof has no power: nobody hears, nobody answers."""

    DOES: ClassVar[str] = "the LoRa gateway on the roof is off: nothing is heard, nothing answered"
    LASTS: ClassVar[str] = "2h"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Switch it off."""
        stage.air.deaf += 1  # it may be off for two reasons at once
        return "the LoRa gateway is off"

    async def end(self, stage: Stage) -> None:
        """Switch it on."""
        stage.air.deaf -= 1


class BackhaulOutage(_Turned, tag="backhaul_outage"):
    """The LoRa gateway hears, but its line to the server is cut."""

    DOES: ClassVar[str] = "the line between LoRa gateway and server is cut; what is heard is lost there"
    LASTS: ClassVar[str] = "1h"
    SAYS: ClassVar[str] = "no line to the server"

    def turns(self, stage: Stage) -> list[tuple[Any, str, Any, Any]]:
        """Return the line of each."""
        return [(forwarder, "cut", True, False) for forwarder in stage.forwarders]


class Interference(_Turned, tag="interference"):
    """Somebody else is on the band."""

    DOES: ClassVar[str] = "`loss_percent` of all frames, either way, are not heard"
    LASTS: ClassVar[str] = "1h"
    SAYS: ClassVar[str] = "the band is disturbed"

    loss_percent: Annotated[float, Meta(gt=0, le=100, description="share of frames, above 0 to 100")] = 30.0

    def turns(self, stage: Stage) -> list[tuple[Any, str, Any, Any]]:
        """Return the noise."""
        return [(stage.air, "jam_percent", self.loss_percent, 0.0)]


class WifiOutage(_Turned, tag="wifi_outage"):
    """The host's router is off."""

    DOES: ClassVar[str] = "the Wi-Fi is away"
    LASTS: ClassVar[str] = "1h"
    SAYS: ClassVar[str] = "the access point is off"

    def turns(self, stage: Stage) -> list[tuple[Any, str, Any, Any]]:
        """Return the access point."""
        return [(stage.street.wifi, "up", False, True)]


class NoNames(_Turned, tag="no_names"):
    """Nobody answers questions for names."""

    DOES: ClassVar[str] = "the name server is silent"
    LASTS: ClassVar[str] = "1h"
    SAYS: ClassVar[str] = "no DNS"

    def turns(self, stage: Stage) -> list[tuple[Any, str, Any, Any]]:
        """Return the name server."""
        return [(stage.street.wifi, "dns", False, True)]


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
