"""Numbers of the radio model, each with its source. Rows and columns of matrices: SF7 to SF12.

A rejection matrix says for a wanted SF (row) and an interfering one (column) by how many decibels the
wanted frame must be above the other to survive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _row(*values: float) -> Array:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


# Semtech SX1261/2 datasheet table 6-1 and SX1276 table 13: demodulation limit.
SNR_LIMIT_DB = _row(-7.5, -10.0, -12.5, -15.0, -17.5, -20.0)

# At 125 kHz: ns-3's lorawan module after the SX1301 and SX1272 datasheets; FLoRa has the node's for both.
GATEWAY_SENSITIVITY_DBM = _row(-130.0, -132.5, -135.0, -137.5, -140.0, -142.5)
NODE_SENSITIVITY_DBM = _row(-124.0, -127.0, -130.0, -133.0, -135.0, -137.0)
# Measured by LoRaSim's authors (Bor et al., MSWiM 2016, table 3), 125 kHz.
LORASIM_SENSITIVITY_DBM = _row(-126.5, -127.25, -131.25, -132.75, -134.5, -133.25)

# C. Goursaud, J.-M. Gorce: Dedicated networks for IoT, EAI Endorsed Trans. IoT 2015, as ns-3 has it.
GOURSAUD_DB = np.array(
    [
        [6, -16, -18, -19, -19, -20],
        [-24, 6, -20, -22, -22, -22],
        [-27, -27, 6, -23, -25, -25],
        [-30, -30, -30, 6, -26, -28],
        [-33, -33, -33, -33, 6, -29],
        [-36, -36, -36, -36, -36, 6],
    ],
    dtype=np.float64,
)
# D. Croce et al.: Impact of LoRa imperfect orthogonality, IEEE Comm. Letters 2018, as FLoRa has it.
CROCE_DB = np.array(
    [
        [1, -8, -9, -9, -9, -9],
        [-11, 1, -11, -12, -13, -13],
        [-15, -13, 1, -13, -14, -15],
        [-19, -18, -17, 1, -17, -18],
        [-22, -22, -21, -20, 1, -20],
        [-25, -25, -25, -24, -23, 1],
    ],
    dtype=np.float64,
)
# LoRaSim: spreading factors do not disturb each other; of one, 6 dB decide.
ORTHOGONAL_DB = np.where(np.eye(6) > 0, 6.0, -np.inf)
# Nothing survives a frame of the same spreading factor: pure ALOHA.
ALOHA_DB = np.where(np.eye(6) > 0, np.inf, -np.inf)


@dataclass(frozen=True)
class PathLossTable:
    """Log-distance path loss: pl0_db at d0_m, then 10 n dB a decade; sigma_db: shadowing of a link."""

    d0_m: float
    pl0_db: float
    exponent: float
    sigma_db: float
    antenna_gain_db: float = 0.0


PATH_LOSS = {
    # J. Petajajarvi et al. 2015, car in Oulu, 868 MHz, as FLoRa's LoRaPathLossOulu.
    "oulu": PathLossTable(1000.0, 128.95, 2.32, 7.8, 2.0),
    # Bor et al. 2016. Their code takes the natural logarithm in 10 gamma ln(d/d0): 2.08 ln(10) = 4.79.
    "lorasim": PathLossTable(40.0, 127.41, 2.08 * float(np.log(10.0)), 0.0),
    # FLoRa takes the same numbers with log10.
    "flora_urban": PathLossTable(40.0, 127.41, 2.08, 3.57),
    # ns-3's lorawan examples.
    "ns3": PathLossTable(1.0, 7.7, 3.76, 0.0),
    # Between Oulu and Joerke et al. 2017 (Dortmund, n 2.65, sigma 7.1, 132.25 dB at 1 km): a Flemish town.
    "town": PathLossTable(1000.0, 130.6, 2.5, 7.5),
}
