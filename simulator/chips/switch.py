"""A switch in the supply of sensors: those behind it are without power while its pin is low."""

from __future__ import annotations

from typing import Protocol


class _Powered(Protocol):
    faults: set[str]


class SupplySwitch:
    """One output pin of the node; `behind` are chip models that know the fault brown_out."""

    def __init__(self, behind: list[_Powered] | None = None) -> None:
        self.behind: list[_Powered] = []
        self.on = False
        self.switched = 0
        for chip in behind or []:
            self.add(chip)

    def add(self, chip: _Powered) -> None:
        """Put a chip behind the switch: it is off at first."""
        self.behind.append(chip)
        chip.faults.add("brown_out")

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        """Take the level of the pin."""
        if bool(value) == self.on:
            return
        self.on = bool(value)
        self.switched += 1
        for chip in self.behind:
            if self.on:
                chip.faults.discard("brown_out")
            else:
                chip.faults.add("brown_out")
