"""Traffic for the radio model: nodes in a disc around one gateway that send at random times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.channel.listening import Ended, Listening
from simulator.channel.model import RadioModel
from simulator.channel.transmissions import Transmissions
from simulator.places import Place, Places
from wire.lorawan.airtime import time_on_air_us

GATEWAY = Places.of([Place("gateway", height_m=2.0)])
SLOW = 4  # coding rate 4/8 of LoRaSim's experiment 0
LORAWAN = 1


@dataclass(frozen=True)
class Traffic:
    """Poisson traffic as LoRaSim and FLoRa have it: 20 bytes every 1,000 s on one channel."""

    nodes: int
    seconds: float
    sf: int = 12
    coding_rate: int = LORAWAN
    length: int = 20
    every_s: float = 1000.0
    radius_m: float = 100.0
    power_dbm: float = 14.0
    channels: int = 1
    seed: int = 1

    @property
    def air_us(self) -> int:
        """Time on air of one frame."""
        return time_on_air_us(self.sf, 125, self.length, coding_rate=self.coding_rate)

    def places(self) -> Places:
        """Return the nodes, uniform in a disc."""
        rng = np.random.default_rng(self.seed)
        r = self.radius_m * np.sqrt(rng.random(self.nodes))
        a = 2 * np.pi * rng.random(self.nodes)
        return Places.of(
            [
                Place(f"n{i}", float(r[i] * np.cos(a[i])), float(r[i] * np.sin(a[i])))
                for i in range(self.nodes)
            ]
        )

    def air(self) -> Transmissions:
        """Return the frames."""
        rng = np.random.default_rng(self.seed + 1000)
        n = int(rng.poisson(self.seconds / self.every_s * self.nodes))
        return Transmissions.of(
            np.sort(rng.integers(0, round(self.seconds * 1e6), n)),
            np.full(n, self.air_us),
            868_100_000 + 200_000 * rng.integers(0, self.channels, n),
            np.full(n, self.sf),
            np.full(n, self.power_dbm),
            rng.integers(0, self.nodes, n),
        )

    def run(self, model: RadioModel) -> Ended:
        """Return what the gateway made of all of it."""
        listening = Listening(model, GATEWAY, self.places())
        listening.add(self.air())
        return listening.ended()

    def extracted(self, model: RadioModel) -> float:
        """Return the data extraction rate: frames received of frames sent."""
        return float(self.run(model).received.mean())

    def aloha(self) -> float:
        """Return what the ALOHA formula gives: exp(-2 N T lambda), of which the first 3 symbols of a preamble
        may be spoiled without harm, and nobody collides with himself.
        """
        symbol_us = (1 << self.sf) * 8
        vulnerable_s = (2 * self.air_us - 3 * symbol_us) / 1e6
        others = (self.nodes - 1) / self.every_s / self.channels
        return float(np.exp(-others * vulnerable_s))
