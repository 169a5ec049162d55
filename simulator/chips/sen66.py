"""Sensirion SEN66: as the SEN55, with CO2, at another address."""

from __future__ import annotations

from .base import Nak, Source
from .sen5x import UNKNOWN_S, UNKNOWN_U, SEN5x
from .sensirion import quantity
from .sps30 import IDLE

_CO2_UNKNOWN_US = 5_500_000


class SEN66(SEN5x):
    """Quantities: those of the SEN5x and co2_ppm. More faults: co2_fail."""

    address = 0x6B
    takes_us = {0x0021: 50_000, 0x0104: 1_000_000, 0x5607: 10_000_000, 0xD304: 1_200_000}  # noqa: RUF012
    read_code = 0x0300
    fault_bits = (
        ("worn_fan", 1 << 21),
        ("old_laser", 1 << 11),
        ("co2_fail", 1 << 9),
        ("gas_fail", 1 << 7),
        ("rht_fail", 1 << 6),
        ("dead_fan", 1 << 4),
    )

    def __init__(self, source: Source | None = None) -> None:
        super().__init__(source, "SEN66")

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks; cleaning is for idle mode here."""
        if code == 0x0316:
            return
        if code == 0x5607:
            if self.state != IDLE:
                raise Nak("only while idle")
            self.cleanings += 1
            return
        if code in (0x0037, 0x0413, 0x8004):
            raise Nak("unknown command")
        super().run(code, words, now_us)

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words at the pointer."""
        if code == 0x0316:
            values = self._newest(now_us)
            return [min(0xFFFE, round(10 * v)) for v in values[4:9]] if values else [UNKNOWN_U] * 5
        return super().answer(code, now_us)

    def measured(self, values: list[float], now_us: int) -> list[int]:
        """Return the words of a read: those of the SEN5x and CO2 in ppm."""
        if not values:
            return [UNKNOWN_U] * 4 + [UNKNOWN_S] * 4 + [UNKNOWN_U]
        co2 = UNKNOWN_U
        if now_us - self._start_us > _CO2_UNKNOWN_US and "co2_fail" not in self.faults:
            co2 = round(quantity(self.source, "co2_ppm", now_us, 420.0))
        return [*super().measured(values, now_us), co2]
