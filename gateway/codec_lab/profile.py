"""A profile as a file, and the bytes of its table (wire.codec.v2_tables)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gateway.codec_lab.features import Plan
from gateway.codec_lab.first import First
from gateway.codec_lab.recordings import Column, RecordingError
from gateway.codec_lab.train import Weights, integers
from wire.codec import v2_tables

_ORDER = ("bias_hidden", "bias_out", "place", "to_hidden", "skip", "to_out")
_WORDS = ("bias_hidden", "bias_out", "place")


def network_bytes(weights: Weights) -> bytes:
    """Return a network as the chip has it."""
    found = integers(weights)
    out = bytes([found["to_hidden"].shape[0], found["place"].shape[1]])
    for name in _ORDER:
        flat: NDArray[np.int64] = found[name].reshape(-1)
        out += (
            (flat + 32768).astype(">u2").tobytes()
            if name in _WORDS
            else (flat + 128).astype(np.uint8).tobytes()
        )
    return out


def channel_bytes(network: int, plan: Plan, first: First) -> bytes:
    """Return a channel's row of the table."""
    out = bytes([network, plan.base, len(plan.crosses), *plan.crosses])
    out += plan.inverse_q8.to_bytes(2, "big") + plan.scale_q4.to_bytes(2, "big")
    out += bytes([len(first.parents)])
    for parent, weight in first.parents:
        out += bytes([parent]) + (weight + 32768).to_bytes(2, "big")
    out += bytes([len(first.edges)])
    for edge in first.edges:
        out += (edge + (1 << 23)).to_bytes(3, "big")
    return out + bytes(first.masses)


def table_bytes(
    interval_s: int, first_bits: float, later_bits: float, networks: list[bytes], channels: list[bytes]
) -> bytes:
    """Return a whole table; the usual bits of a first and a later record tell how many a frame will hold."""
    head = interval_s.to_bytes(3, "big")
    head += round(first_bits).to_bytes(2, "big") + round(16 * later_bits).to_bytes(2, "big")
    head += bytes([len(networks), len(channels)])
    return head + b"".join(networks) + b"".join(channels)


@dataclass(frozen=True, slots=True)
class Profile:
    """A trained profile with the columns that it is for."""

    name: str
    columns: tuple[Column, ...]
    interval_s: int
    table: bytes
    trained_on: str = ""

    def parse(self) -> Any:
        """Return the wire.codec Table."""
        ranges = [(column.raw_min, column.raw_max) for column in self.columns]
        return cast("Any", v2_tables.parse(self.table, ranges))

    def save(self, path: Path) -> None:
        """Write the profile as JSON."""
        row = asdict(self)
        row["table"] = self.table.hex()
        path.write_text(json.dumps(row, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read a profile; RecordingError when it is none."""
        try:
            row = json.loads(path.read_text())
            columns = tuple(Column(**column) for column in row["columns"])
            profile = cls(
                row["name"], columns, row["interval_s"], bytes.fromhex(row["table"]), row["trained_on"]
            )
            profile.parse()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{path}: no profile ({error}); `meetnet codec train` makes one") from error
        return profile
