"""Capacitive soil moisture probe: its output voltage falls from the dry to the wet point."""

from __future__ import annotations

from .base import Constants, Source


class SoilMoisture:
    """Quantity: soil_moisture_pct (0: in air, 100: in water).

    Faults: nak (not powered: no voltage), stuck, drift (10 % of the span too wet, as an old coating does).
    """

    def __init__(self, source: Source | None = None, dry_v: float = 2.79, wet_v: float = 1.31) -> None:
        self.source: Source = source or Constants(soil_moisture_pct=30.0)
        self.dry_v = dry_v
        self.wet_v = wet_v
        self.faults: set[str] = set()
        self._last_uv = 0

    def read_uv(self, now_us: int) -> int:
        """Return microvolts at the pin."""
        if "nak" in self.faults:
            return 0
        if "stuck" not in self.faults:
            wet = self.source("soil_moisture_pct", now_us) / 100.0 + (0.1 if "drift" in self.faults else 0.0)
            self._last_uv = round(1e6 * (self.dry_v - (self.dry_v - self.wet_v) * wet))
        return self._last_uv
