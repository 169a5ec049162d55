"""The one radio model: which of the frames on the air a receiver gets, and why not.

Columns in, columns out, for one frame or a million: fleets and real firmware ask the same functions.

    weak       below the sensitivity of the spreading factor
    deaf       the receiver was sending (a gateway is half duplex)
    collided   others on the channel were too strong, by the rejection matrix
    jammed     noise from outside left too little signal
    busy       all demodulators had a frame already
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulator.channel import tables
from simulator.channel.loss import PathLoss
from simulator.channel.transmissions import NOISE, Transmissions, overlaps

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]

_COLUMNS = 13  # SF7..12 of the wanted polarity, SF7..12 of the other, noise
_THERMAL_DBM = -174.0  # in one hertz


class Outcome(IntEnum):
    """What became of a frame at a receiver."""

    RECEIVED = 0
    WEAK = 1
    DEAF = 2
    COLLIDED = 3
    JAMMED = 4
    BUSY = 5


def formula_sensitivity_dbm(noise_figure_db: float) -> Floats:
    """Return the sensitivity by SF at 125 kHz: thermal noise, noise figure, SNR limit."""
    return noise_dbm(125.0, noise_figure_db) + tables.SNR_LIMIT_DB


def noise_dbm(bw_khz: float, noise_figure_db: float) -> float:
    """Return the noise floor."""
    return _THERMAL_DBM + 10.0 * float(np.log10(bw_khz * 1000.0)) + noise_figure_db


@dataclass(frozen=True)
class RadioModel:
    """Rules of the air. The defaults are Meetnet's; `lorasim()` and `flora()` are those of the peers.

    additive: powers of interferers of one spreading factor add up; else the strongest counts alone.
    demodulators: 8 for an SX1301, 16 for an SX1302; 0 for no limit.
    """

    path_loss: PathLoss = field(default_factory=PathLoss)
    gateway_noise_figure_db: float = 3.0
    node_noise_figure_db: float = 6.0
    rejection_db: Floats = field(default_factory=lambda: tables.GOURSAUD_DB)
    additive: bool = True
    demodulators: int = 8
    gateway_sensitivity_dbm: Floats = field(default_factory=lambda: formula_sensitivity_dbm(3.0))
    node_sensitivity_dbm: Floats = field(default_factory=lambda: formula_sensitivity_dbm(6.0))

    @classmethod
    def lorasim(cls) -> RadioModel:
        """LoRaSim's air (Bor et al. 2016): no fading, spreading factors orthogonal, 6 dB capture."""
        return cls(
            path_loss=PathLoss(tables.PATH_LOSS["lorasim"], fading_db=0.0),
            rejection_db=tables.ORTHOGONAL_DB,
            additive=False,
            gateway_sensitivity_dbm=tables.LORASIM_SENSITIVITY_DBM,
        )

    @classmethod
    def flora(cls, path_loss: str = "oulu", seed: int = 1) -> RadioModel:
        """FLoRa's air (Slabicki et al. 2018): Croce's matrix, node sensitivities at the gateway too."""
        return cls(
            path_loss=PathLoss(tables.PATH_LOSS[path_loss], seed, fading_db=0.0),
            rejection_db=tables.CROCE_DB,
            additive=False,
            demodulators=0,
            gateway_sensitivity_dbm=tables.NODE_SENSITIVITY_DBM,
        )

    @classmethod
    def aloha(cls) -> RadioModel:
        """Nobody too far, nobody captured: what the ALOHA formula describes."""
        return cls(
            path_loss=PathLoss(tables.PathLossTable(1.0, 60.0, 0.0, 0.0), fading_db=0.0),
            rejection_db=tables.ALOHA_DB,
            additive=False,
            demodulators=0,
        )

    def sensitivity_dbm(self, air: Transmissions, *, node: bool) -> Floats:
        """Return the sensitivity for each frame, shape (n,); +inf for what is no frame."""
        table = self.node_sensitivity_dbm if node else self.gateway_sensitivity_dbm
        lora = air.sf != NOISE
        at_125 = table[np.where(lora, air.sf - 7, 0)]
        return np.where(lora, at_125 + 10.0 * np.log10(air.bw_khz / 125.0), np.inf)

    def snr_db(self, rssi_dbm: Floats, bw_khz: NDArray[np.int64], *, node: bool) -> Floats:
        """Return the signal above thermal noise as a receiver reports it: no more than some 12 dB."""
        figure = self.node_noise_figure_db if node else self.gateway_noise_figure_db
        floor = _THERMAL_DBM + 10.0 * np.log10(bw_khz * 1000.0) + figure
        return np.clip(rssi_dbm - (floor[:, None] if rssi_dbm.ndim == 2 else floor), -30.0, 12.0)

    def heard(self, air: Transmissions, rssi_dbm: Floats, *, node: bool = False) -> Codes:
        """Return WEAK, COLLIDED, JAMMED or RECEIVED for each frame and receiver, shape (n, m).

        air: sorted by start, with everything that overlaps the frames of interest. rssi_dbm: (n, m).
        """
        n, receivers = rssi_dbm.shape
        out = np.zeros((n, receivers), dtype=np.uint8)
        out[rssi_dbm < self.sensitivity_dbm(air, node=node)[:, None]] = Outcome.WEAK
        wanted, other = overlaps(air)
        lora = air.sf[wanted] != NOISE
        wanted, other = wanted[lora], other[lora]
        if len(wanted):
            column = self._column(air, wanted, other)
            slot = wanted * _COLUMNS + column
            needed = self._needed_db(air)
            for k in range(receivers):
                self._disturbed(air, rssi_dbm[:, k], slot, other, needed, out[:, k], node=node)
        return out

    @staticmethod
    def _column(air: Transmissions, wanted: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        across = (air.inverted[wanted] != air.inverted[other]) * 6
        return np.where(air.sf[other] == NOISE, 12, air.sf[other] - 7 + across)

    def _needed_db(self, air: Transmissions) -> Floats:
        """Return by how much each frame must be above each kind of disturbance, shape (n, 13).

        A frame of the other polarity disturbs like one of the spreading factor that disturbs least... most
        among the others: inverted chirps are as good as orthogonal.
        """
        rows = np.where(air.sf == NOISE, 7, air.sf) - 7
        same = self.rejection_db[rows]
        others = np.where(np.eye(6) > 0, -np.inf, self.rejection_db).max(axis=1)
        across = np.repeat(others[rows][:, None], 6, axis=1)
        noise = tables.SNR_LIMIT_DB[rows][:, None]
        return np.concatenate([same, across, noise], axis=1)

    def _disturbed(
        self,
        air: Transmissions,
        rssi_dbm: Floats,
        slot: NDArray[np.int64],
        other: NDArray[np.int64],
        needed_db: Floats,
        out: Codes,
        *,
        node: bool,
    ) -> None:
        """Mark in `out` what others, or noise, make unreadable at one receiver."""
        n = len(rssi_dbm)
        milliwatts = 10.0 ** (rssi_dbm[other] / 10.0)
        if self.additive:
            power = np.bincount(slot, weights=milliwatts, minlength=n * _COLUMNS)
        else:
            power = np.zeros(n * _COLUMNS)
            np.maximum.at(power, slot, milliwatts)
        power = power.reshape(n, _COLUMNS)
        touched = power > 0.0
        with np.errstate(divide="ignore"):
            ratio = rssi_dbm[:, None] - 10.0 * np.log10(power)
        lost = touched & (ratio < needed_db)
        out[lost[:, :12].any(axis=1) & (out == Outcome.RECEIVED)] = Outcome.COLLIDED
        jam = touched[:, 12]
        if jam.any():
            figure = self.node_noise_figure_db if node else self.gateway_noise_figure_db
            floor = 10.0 ** ((_THERMAL_DBM + 10.0 * np.log10(air.bw_khz * 1000.0) + figure) / 10.0)
            snr = rssi_dbm - 10.0 * np.log10(floor + power[:, 12])
            out[jam & (snr < needed_db[:, 12]) & (out == Outcome.RECEIVED)] = Outcome.JAMMED
