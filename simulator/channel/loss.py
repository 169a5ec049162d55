"""How much of a frame's power arrives: log-distance path loss, shadowing of the link, fading of the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.channel.tables import PATH_LOSS, PathLossTable
from simulator.places import Places

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PathLoss:
    """Path loss between places.

    fading_db: standard deviation from frame to frame, beside the shadowing that stays with a link. Suggested
    by reference measurements at fixed places: 1 to 2 dB.
    """

    table: PathLossTable = PATH_LOSS["town"]
    seed: int = 1
    fading_db: float = 1.5

    def links_db(self, senders: Places, receivers: Places) -> Floats:
        """Return the loss of each link, shadowing included, shape (senders, receivers); both ways alike."""
        table = self.table
        dx = senders.x_m[:, None] - receivers.x_m[None, :]
        dy = senders.y_m[:, None] - receivers.y_m[None, :]
        dz = senders.height_m[:, None] - receivers.height_m[None, :]
        distance_m = np.maximum(np.sqrt(dx * dx + dy * dy + dz * dz), 1.0)
        loss = table.pl0_db + 10.0 * table.exponent * np.log10(distance_m / table.d0_m)
        if table.sigma_db:
            loss = loss + table.sigma_db * self._shadow(senders.names, receivers.names)
        return loss - table.antenna_gain_db

    def _shadow(self, senders: tuple[str, ...], receivers: tuple[str, ...]) -> Floats:
        a, b = draws.keys(senders)[:, None], draws.keys(receivers)[None, :]
        low, high = np.minimum(a, b), np.maximum(a, b)  # the way back is shadowed by the same houses
        return draws.normal(self.seed, low, high)

    def faded_db(
        self, senders: NDArray[np.uint64], start_us: NDArray[np.int64], receivers: NDArray[np.uint64]
    ) -> Floats:
        """Return the fading of frames (senders by key, starts: (n,)) at receivers by key (m,)."""
        if not self.fading_db:
            return np.zeros((len(senders), len(receivers)))
        return self.fading_db * draws.normal(
            self.seed, 7, senders[:, None], start_us[:, None], receivers[None, :]
        )
