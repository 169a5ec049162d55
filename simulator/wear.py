"""How often a node's flash was erased and written: counted where the shims stand for the chip.

Raw partitions are counted block by block. NVS is a library of ESP-IDF with its own levelling: from the
entries written follows how often its pages were erased (ESP-IDF programming guide, "Non-volatile storage
library": a page of 4,096 bytes has 126 entries of 32 bytes, and pages take turns).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

RATED_ERASES = 100_000
"""Winbond W25Q32JV data sheet, features: "min. 100,000 program-erase cycles per sector"."""
NVS_PAGES = 6  # partition table of MicroPython's ports/esp32: nvs has 0x6000 bytes
_ENTRIES = 126


@dataclass
class Wear:
    """One node's flash. erases: by partition and block."""

    erases: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    nvs_commits: int = 0
    nvs_entries: int = 0

    def erased(self, partition: str, block: int) -> None:
        """Take an erased block of 4,096 bytes."""
        self.erases.setdefault(partition, Counter())[block] += 1

    def committed(self, entries: int) -> None:
        """Take a commit of NVS with so many entries."""
        self.nvs_commits += 1
        self.nvs_entries += entries

    def as_dict(self) -> dict[str, Any]:
        """Return the most erased block of each partition, and what NVS came to."""
        return {
            "most_erases": {name: max(blocks.values()) for name, blocks in sorted(self.erases.items())},
            "nvs_commits": self.nvs_commits,
            "nvs_erases_a_page": round(self.nvs_entries / (_ENTRIES * NVS_PAGES), 1),
        }

    @property
    def worst(self) -> float:
        """Return the erases of the most erased block or page."""
        found = self.as_dict()
        return max([*found["most_erases"].values(), found["nvs_erases_a_page"]])
