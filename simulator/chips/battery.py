"""A battery behind a resistor divider, as an ADC pin sees it."""

from __future__ import annotations

from .base import Constants, Source


class Battery:
    """Quantity: battery_mv. ratio: the battery has pin voltage * ratio[0] / ratio[1].

    Faults: nak (divider open: the pin sits near 0), stuck, drift (reads 5 % low, an uncalibrated ADC).
    The pin cannot show more than 3.3 V.
    """

    def __init__(self, source: Source | None = None, ratio: tuple[int, int] = (2, 1)) -> None:
        self.source: Source = source or Constants(battery_mv=3900.0)
        self.ratio = ratio
        self.faults: set[str] = set()
        self._last_uv = 0

    def read_uv(self, now_us: int) -> int:
        """Return microvolts at the pin."""
        if "nak" in self.faults:
            return 3_000
        if "stuck" not in self.faults:
            over, under = self.ratio
            uv = self.source("battery_mv", now_us) * 1000.0 * under / over
            self._last_uv = min(3_300_000, round(uv * (0.95 if "drift" in self.faults else 1.0)))
        return self._last_uv
