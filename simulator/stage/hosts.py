"""What hosts do with the Wi-Fi of their nodes: some switch the router off for the night, all have a bad hour.

When, is the town's to say (`simulator.city.streets.Streets.router_on`). What they do with the node itself,
taking it indoors for a week, is in what it measures there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from simulator.city import Town
from simulator.node import SimNode
from simulator.places import Places
from simulator.plan import PlannedNode

LOOK_US = 15 * 60_000_000
Told = Callable[[str, bool], None]


class Hosts:
    """Hosts of the nodes on Wi-Fi. `run()` until cancelled."""

    def __init__(
        self, town: Town, planned: Sequence[PlannedNode], nodes: dict[str, SimNode], told: Told
    ) -> None:
        """told: of a site, and whether its router is on now."""
        self._town = town
        self._nodes = [nodes[one.site_id] for one in planned if one.transport == "mqtt"]
        self._places = Places.of([one.place for one in planned if one.transport == "mqtt"])
        self._told = told

    def look(self, now_us: int) -> None:
        """Switch the routers as they are to be now."""
        times_us = np.array([now_us], dtype=np.int64)
        on = self._town.streets.router_on(self._places, times_us)[:, 0].tolist()
        for node, is_on in zip(self._nodes, on, strict=True):
            if node.settings.router.on != is_on:
                node.settings.router.on = is_on
                self._told(node.name, is_on)

    async def run(self, now_us: Callable[[], int]) -> None:
        """Look each quarter of an hour."""
        while self._nodes:
            self.look(now_us())
            await asyncio.sleep((LOOK_US - now_us() % LOOK_US) / 1e6)
