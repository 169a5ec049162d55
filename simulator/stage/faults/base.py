"""What a fault is: a row of the scenario that says what, when, for how long; and what it does then.

A new fault is a class in a module of this folder, and its name in `faults/__init__.py`. It has effect in the
world (power, air, network, disk, clock), never in the code that is tested.
"""

from __future__ import annotations

import fnmatch
import random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from simulator.nodeproc import SimulatorError
from simulator.stage.units import duration_us

if TYPE_CHECKING:
    from simulator.node import SimNode
    from simulator.stage.stage import Stage

RANDOM = "random"


class Fault(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="do", rename={"lasts": "for"}
):
    """A fault as a row gives it; times count from the start of the scenario."""

    DOES: ClassVar[str] = ""
    LASTS: ClassVar[str] = ""  # for how long when the row does not say; empty: it is over at once

    at: Annotated[
        str, Meta(description="when it begins after the start, such as 2h; or random, which the seed decides")
    ] = RANDOM
    lasts: Annotated[str, Meta(description="how long it lasts, such as 10m")] = ""
    every: Annotated[str, Meta(description="again after so long, such as 6h")] = ""
    times: Annotated[int, Meta(ge=0, le=100000, description="how often, with every; 0: to the end")] = 0

    @property
    def name(self) -> str:
        """The name in `do`."""
        return str(type(self).__struct_config__.tag)

    @property
    def lasts_us(self) -> int:
        """How long it lasts, in microseconds; 0: over at once."""
        text = self.lasts or self.LASTS
        return duration_us(text, "for", 0) if text else 0

    def check(self, whole_us: int) -> None:
        """SimulatorError names the field that does not fit a scenario of that length."""
        self.occurrences(random.Random(0), whole_us)  # noqa: S311 - a repeatable draw
        if self.lasts and not self.LASTS:
            raise SimulatorError(f"for: {self.name} is over at once and lasts no time")

    def provisions(self, seed: int) -> dict[str, Any]:
        """Return keys of config.json that nodes need for it from the beginning."""
        return {}

    def occurrences(self, rng: random.Random, whole_us: int) -> list[tuple[int, int]]:
        """Return (begin, end) of each time in microseconds after the start; all is over by whole_us."""
        lasts_us = self.lasts_us
        every_us = duration_us(self.every, "every") if self.every else 0
        if every_us and every_us <= lasts_us:
            raise SimulatorError(f"every: {self.every} is not longer than what it lasts")
        free_us = whole_us - lasts_us
        if free_us <= 0:
            raise SimulatorError(f"for: longer than the scenario: give less than {whole_us // 1_000_000}s")
        if self.at == RANDOM:
            if not every_us:
                begins = [rng.randrange(free_us)]
            else:
                n = max(1, whole_us // every_us)
                begins = [i * every_us + rng.randrange(every_us - lasts_us) for i in range(n)]
        else:
            first_us = duration_us(self.at, "at", 0)
            if first_us >= free_us:
                raise SimulatorError(
                    f"at: {self.at} is too late: with what it lasts it must be over {whole_us // 1_000_000}s "
                    "after the start"
                )
            begins = list(range(first_us, free_us, every_us)) if every_us else [first_us]
        begins = [begin for begin in begins if begin < free_us][: self.times or None]
        return [(begin, begin + lasts_us) for begin in begins]

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Do it; return what was done, for the event log."""
        raise NotImplementedError

    async def end(self, stage: Stage) -> None:
        """Make it good again, where that is not the world's own work."""


class NodeFault(Fault):
    """A fault of some nodes."""

    nodes: Annotated[str, Meta(description="which site ids, with * for anything")] = "*"
    share_percent: Annotated[
        float, Meta(gt=0, le=100, description="how many of those, drawn by seed, in percent above 0")
    ] = 100.0

    def chosen(self, stage: Stage, rng: random.Random) -> list[SimNode]:
        """Return the nodes that it strikes this time."""
        found = [name for name in sorted(stage.street.nodes) if fnmatch.fnmatchcase(name, self.nodes)]
        if not found:
            raise SimulatorError(f"{self.name}: nodes: {self.nodes!r} is no node of this scenario")
        n = max(1, round(len(found) * self.share_percent / 100))
        return [stage.street.nodes[name] for name in sorted(rng.sample(found, n))]
