"""What a scenario puts together: a city, the air, and nodes of one of two fidelities.

    city   = ...                                  # a City: any quantity at any place and time
    radio  = RadioChannel(...)                    # an Air: who hears what; simulator.channel.frame.Channel
    nodes  = Street(...) | FleetStreet(...)       # a Population: real firmware, or many at once

    async with nodes:
        await nodes.run(until_us, progress)
    nodes.tally()                                 # counted where the sensors stand, and on the air

Both populations write the same provisioning file, tell the same observer, and send the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from simulator.chips.base import Source
from simulator.places import Place, Places

Observer = Callable[[int, str, str, str], None]
"""Is told (time in microseconds UTC, node, kind of event, text) of whatever happens to a node."""


class City(Protocol):
    """What there is to measure. A function of (seed, place, time) alone: asked in any order, the same."""

    def sample(self, quantity: str, places: Places, times_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return values of shape (places, times); KeyError for a quantity that the city does not know."""
        ...

    def source(self, place: Place, start_us: int) -> Source:
        """Return what a chip model at a place asks, by the names that the models use."""
        ...


@dataclass(slots=True)
class Tally:
    """What a population did, counted apart from whoever receives it."""

    nodes: int = 0
    records: int = 0  # measured, at the sensor
    joins: int = 0  # JoinRequests on the air
    frames: int = 0  # data frames on the air, repetitions included
    air_us: int = 0
    downlinks: int = 0  # heard by the nodes

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Population(Protocol):
    """Nodes that live: real firmware (`street.Street`) or a fleet (`fleet.FleetStreet`)."""

    @property
    def provisioning(self) -> Path:
        """The file for `meetnet device add --from`."""
        ...

    async def __aenter__(self) -> Self:
        """Switch everything on."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Switch everything off."""
        ...

    async def run(self, until_us: int, progress: Callable[[float], None] | None = None) -> None:
        """Let it live until a time (microseconds UTC); progress is told the part done, 0 to 1."""
        ...

    def tally(self) -> Tally:
        """Return what has been done so far."""
        ...
