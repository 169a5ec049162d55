"""Power and what stores it: cuts, sags, resets, worn flash."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from simulator.stage.faults.base import NodeFault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage

_LOG = "partition-log.bin"


class PowerCut(NodeFault, tag="power_cut"):
    """Power goes wherever the program is (kill -9 of the node's process), and comes back."""

    DOES: ClassVar[str] = "power goes in the middle of whatever the node does, and comes back"
    LASTS: ClassVar[str] = "30s"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Cut it."""
        struck = self.chosen(stage, rng)
        for node in struck:
            node.power_off()
        stage.struck[self.token] = [node.name for node in struck]
        return ", ".join(node.name for node in struck)

    @property
    def token(self) -> int:
        """What this row keeps its victims under."""
        return id(self)

    async def end(self, stage: Stage) -> None:
        """Give it back."""
        for name in stage.struck.pop(self.token, []):
            node = stage.street.nodes[name]
            if node.state == "off":
                node.power_on()


class Reset(NodeFault, tag="reset"):
    """Somebody presses the button."""

    DOES: ClassVar[str] = "the reset button is pressed"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Press it."""
        struck = self.chosen(stage, rng)
        for node in struck:
            node.reset_button()
        return ", ".join(node.name for node in struck)


class BrownOut(NodeFault, tag="brown_out"):
    """The cell sags; where it falls below what the chip needs it restarts, again and again."""

    DOES: ClassVar[str] = "the battery sags to `battery_mv` and the chip restarts in the middle of it"
    LASTS: ClassVar[str] = "1h"

    battery_mv: Annotated[int, Meta(ge=0, le=5000, description="voltage of the cell, 0 to 5000 mV")] = 3050

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Let it sag, and the brown-out detector bite once."""
        struck = self.chosen(stage, rng)
        for node in struck:
            stage.overlays[node.name].now["battery_mv"] = float(self.battery_mv)
            stage.overlays[node.name].now["battery_voltage"] = self.battery_mv / 1000
            node.reset_button()
        stage.struck[id(self)] = [node.name for node in struck]
        return f"{self.battery_mv} mV: " + ", ".join(node.name for node in struck)

    async def end(self, stage: Stage) -> None:
        """Charge it."""
        for name in stage.struck.pop(id(self), []):
            for quantity in ("battery_mv", "battery_voltage"):
                stage.overlays[name].now.pop(quantity, None)


class FlashWear(NodeFault, tag="flash_wear"):
    """Cells of the record log lose their charge: single bits of it change by themselves."""

    DOES: ClassVar[str] = "`bits` single bits of the record log change by themselves while the node is off"

    bits: Annotated[int, Meta(ge=1, le=1000, description="how many bits, 1 to 1000")] = 1

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Change them between a power cut and the next start."""
        told: list[str] = []
        for node in self.chosen(stage, rng):
            path = node.folder / _LOG
            if not path.exists():
                continue
            node.power_off()
            data = bytearray(path.read_bytes())
            written = [at for at, byte in enumerate(data) if byte != 0xFF] or [0]
            for _ in range(self.bits):
                data[rng.choice(written)] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            stage.worn.add(node.name)
            node.power_on()
            told.append(node.name)
        return ", ".join(told)
