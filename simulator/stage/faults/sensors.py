"""Sensors that break, and a world beyond what they were made for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from simulator.chips.known_faults import FAULTS
from simulator.nodeproc import SimulatorError
from simulator.stage.faults.base import NodeFault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


def set_fault(chip: Any, fault: str, on: bool) -> None:
    """Break a chip model, or mend it. A microphone has one fault at a time, the others any number."""
    if hasattr(chip, "fault"):
        chip.fault = fault if on else None
    elif on:
        chip.faults.add(fault)
    else:
        chip.faults.discard(fault)


class SensorFault(NodeFault, tag="sensor_fault"):
    """A sensor that lies, hangs or is gone."""

    DOES: ClassVar[str] = "the sensors named `chip` (* for all that can) have the `fault`"
    LASTS: ClassVar[str] = "1h"

    chip: Annotated[str, Meta(description="name of the driver, such as sht4x, or *")] = "*"
    fault: Annotated[str, Meta(description="a fault of its model, such as nak, bad_crc, stuck, drift")] = (
        "nak"
    )

    def check(self, whole_us: int) -> None:
        """Also that there is such a chip with such a fault."""
        super().check(whole_us)
        if self.chip != "*" and self.chip not in FAULTS:
            raise SimulatorError(f"chip: there is no {self.chip}; known are {', '.join(sorted(FAULTS))}")
        known = (
            FAULTS[self.chip]
            if self.chip != "*"
            else sorted({fault for faults in FAULTS.values() for fault in faults})
        )
        if self.fault not in known:
            raise SimulatorError(f"fault: {self.chip} has no {self.fault}; known are {', '.join(known)}")

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Break them."""
        broken: list[str] = []
        for node in self.chosen(stage, rng):
            for name, chip in node.board.chips.items():
                if self.chip in ("*", name) and self.fault in FAULTS.get(name, ()):
                    set_fault(chip, self.fault, True)
                    broken.append(f"{node.name}/{name}")
        stage.struck[id(self)] = broken
        return f"{self.fault}: " + ", ".join(broken)

    async def end(self, stage: Stage) -> None:
        """Mend them."""
        for path in stage.struck.pop(id(self), []):
            site, _, name = path.partition("/")
            set_fault(stage.street.nodes[site].board.chips[name], self.fault, False)


class Weather(NodeFault, tag="weather", kw_only=True):
    """What there is to measure is out of all bounds."""

    DOES: ClassVar[str] = "around the nodes `quantity` is `value`, whatever the city says"
    LASTS: ClassVar[str] = "1h"

    quantity: Annotated[str, Meta(description="as chip models ask for it, such as temperature_c")]
    value: Annotated[float, Meta(description="its value")]

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Make it so."""
        struck = self.chosen(stage, rng)
        for node in struck:
            stage.overlays[node.name].now[self.quantity] = self.value
        stage.struck[id(self)] = [node.name for node in struck]
        return f"{self.quantity} {self.value:g}: " + ", ".join(node.name for node in struck)

    async def end(self, stage: Stage) -> None:
        """Let the city speak again."""
        for name in stage.struck.pop(id(self), []):
            stage.overlays[name].now.pop(self.quantity, None)
