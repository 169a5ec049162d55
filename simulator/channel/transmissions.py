"""Frames on the air as columns, and which of them overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from simulator.channel.frame import Frame

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NOISE = 0
"""The `sf` of what is no LoRa frame: interference that only disturbs."""
_SAVED_SYMBOLS = (
    5  # of the preamble must be heard whole: LoRaSim's measurement (Bor et al. 2016, section 4.3)
)


@dataclass(frozen=True)
class Transmissions:
    """Columns of shape (n,). critical_us: an overlap that ends before it leaves enough of the preamble.

    sf 7 to 12, or NOISE. sender: index in the senders of the `Listening`.
    """

    start_us: Ints
    critical_us: Ints
    end_us: Ints
    freq_hz: Ints
    sf: Ints
    bw_khz: Ints
    power_dbm: Floats
    inverted: Bools
    sender: Ints

    def __len__(self) -> int:
        return len(self.start_us)

    def take(self, chosen: NDArray[np.generic]) -> Transmissions:
        """Return the rows of an index or a mask."""
        return Transmissions(*(getattr(self, f.name)[chosen] for f in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Transmissions]) -> Transmissions:
        """Return the rows of all parts, one after another."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    @classmethod
    def none(cls) -> Transmissions:
        """Return no rows."""
        ints, floats = np.zeros(0, np.int64), np.zeros(0)
        return cls(ints, ints, ints, ints, ints, ints, floats, np.zeros(0, np.bool_), ints)

    @classmethod
    def of(
        cls,
        start_us: Ints,
        air_us: Ints,
        freq_hz: Ints,
        sf: Ints,
        power_dbm: Floats,
        sender: Ints,
        *,
        bw_khz: int = 125,
        preamble: int = 8,
        inverted: bool = False,
    ) -> Transmissions:
        """Return columns of LoRa frames of one bandwidth, sorted by start."""
        order = np.argsort(start_us, kind="stable")
        start_us, air_us, sf = start_us[order], air_us[order], sf[order]
        sender = sender[order]
        symbol_us = (1 << sf) * 1000 // bw_khz
        n = len(order)
        return cls(
            start_us,
            start_us + (preamble - _SAVED_SYMBOLS) * symbol_us,
            start_us + air_us,
            freq_hz[order],
            sf,
            np.full(n, bw_khz, np.int64),
            power_dbm[order],
            np.full(n, inverted, np.bool_),
            sender,
        )

    @classmethod
    def of_frames(cls, frames: Sequence[Frame], senders: Sequence[int]) -> Transmissions:
        """Return columns of frames in their order; senders: an index each."""
        saved = [(max(f.preamble - _SAVED_SYMBOLS, 0)) * f.symbol_us for f in frames]

        def ints(values: Sequence[int]) -> Ints:
            return np.array(values, dtype=np.int64)

        start_us = ints([f.start_us for f in frames])
        return cls(
            start_us,
            start_us + ints(saved),
            ints([f.end_us for f in frames]),
            ints([f.freq_hz for f in frames]),
            ints([f.sf for f in frames]),
            ints([f.bw_khz for f in frames]),
            np.array([f.power_dbm for f in frames], dtype=np.float64),
            np.array([bool(f.inverted) for f in frames], dtype=np.bool_),
            ints(senders),
        )

    def sorted(self) -> Transmissions:
        """Return the rows by start."""
        return self.take(np.argsort(self.start_us, kind="stable"))


def overlaps(air: Transmissions) -> tuple[Ints, Ints]:
    """Return (wanted, other): each pair of rows where the other disturbs what the wanted frame cannot spare.

    air is sorted by start. Frequencies are compared by the caller's own rule (see `same_channel`).
    """
    n = len(air)
    reach = np.searchsorted(air.start_us, air.end_us, side="left")
    counts = np.maximum(reach - np.arange(1, n + 1), 0)
    first = np.repeat(np.arange(n, dtype=np.int64), counts)
    begins = np.repeat(np.cumsum(counts) - counts, counts)
    second = first + 1 + (np.arange(len(first), dtype=np.int64) - begins)
    near = same_channel(air, first, second) & (air.sender[first] != air.sender[second])
    first, second = first[near], second[near]
    hurt = air.end_us[first] > air.critical_us[second]  # the one before reaches into what the later one needs
    also = air.end_us[second] > air.critical_us[first]
    return np.concatenate([second[hurt], first[also]]), np.concatenate([first[hurt], second[also]])


def same_channel(air: Transmissions, a: Ints, b: Ints) -> Bools:
    """Tell of pairs whether they share spectrum.

    LoRa frames: carriers within 30, 60 or 120 kHz at 125, 250, 500 kHz of the wider one (LoRaSim, measured).
    Interference: any overlap of the bands.
    """
    apart_hz = np.abs(air.freq_hz[a] - air.freq_hz[b])
    wider = np.maximum(air.bw_khz[a], air.bw_khz[b])
    lora = (air.sf[a] != NOISE) & (air.sf[b] != NOISE)
    limit_hz = np.where(lora, wider * 240, (air.bw_khz[a] + air.bw_khz[b]) * 500)
    return apart_hz <= limit_hz
