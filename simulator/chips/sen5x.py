"""Sensirion SEN55 (and SEN54): particulate matter, humidity, temperature, VOC and NOx index on I2C."""

from __future__ import annotations

from .base import Constants, Nak, Source
from .sensirion import CommandChip, quantity, text_words
from .sps30 import MEASURING, SECOND_US, Engine

UNKNOWN_U, UNKNOWN_S = 0xFFFF, 0x7FFF
_GAS_UNKNOWN_US = 10_500_000  # first NOx index after power-up
_GAS_FAIL, _RHT_FAIL = 1 << 7, 1 << 6


def word(value: float) -> int:
    """Return a signed number as the chip's word, ended at its scale."""
    return round(max(-32768.0, min(32766.0, value))) & 0xFFFF


class SEN5x(Engine, CommandChip):
    """Quantities: those of the particle engine, temperature_c, relative_humidity_pct, voc_index, nox_index.

    Faults: those of the engine (stuck, worn_fan, dead_fan, old_laser, drift), gas_fail, rht_fail, nak,
    brown_out, bad_crc, slow. name: what the chip says it is; a SEN54 has no NOx.
    """

    address = 0x69
    takes_us = {0x0021: 50_000, 0x0037: 50_000, 0x0104: 200_000, 0xD304: 100_000}  # noqa: RUF012
    read_code = 0x03C4
    fault_bits: tuple[tuple[str, int], ...] = (
        ("worn_fan", 1 << 21),
        ("gas_fail", _GAS_FAIL),
        ("rht_fail", _RHT_FAIL),
        ("old_laser", 1 << 5),
        ("dead_fan", 1 << 4),
    )

    def __init__(self, source: Source | None = None, name: str = "SEN55") -> None:
        CommandChip.__init__(self)
        Engine.__init__(
            self, source or Constants(pm2_5_ug_m3=10.0, temperature_c=20.0, relative_humidity_pct=50.0)
        )
        self.name = name
        self._words: list[int] = []
        self._powered_us: int | None = None

    def power_off(self) -> None:
        """Forget what is volatile."""
        super().power_off()
        self._powered_us = None

    def write(self, data: bytes, now_us: int) -> None:
        """Take a command."""
        if self._powered_us is None:
            self._powered_us = now_us
        super().write(data, now_us)

    def run(self, code: int, words: list[int], now_us: int) -> None:
        """Do what the command asks."""
        if code in (0x0021, 0x0037):
            if self.state != MEASURING:
                self.start(0, now_us)
        elif code == 0x0104:
            self.stop(now_us)
        elif code == 0x5607:
            self.clean(now_us)
        elif code == 0xD304:
            self.power_off()
        elif code == 0x8004 and len(words) == 2:
            self.auto_clean_s = words[0] << 16 | words[1]
        elif code not in (0x0202, self.read_code, 0x0413, 0x8004, 0xD014, 0xD033, 0xD100, 0xD206, 0xD210):
            raise Nak("unknown command")

    def answer(self, code: int, now_us: int) -> list[int]:
        """Return the words at the pointer."""
        if code == 0x0202:
            return [int(self.ready(now_us))]
        if code == self.read_code:
            values = self._newest(now_us)
            return self.measured(values, now_us)
        if code == 0x0413:
            values = self._newest(now_us)
            return self._particles(values)
        if code == 0xD014:
            return text_words(self.name.encode(), 16)
        if code == 0xD033:
            return text_words(self.serial, 16)
        if code == 0xD100:
            return [0x0200, 0x0004, 0x0001, 0x0000]
        if code in (0xD206, 0xD210):
            return [self.status() >> 16, self.status() & 0xFFFF]
        if code == 0x8004:
            return [self.auto_clean_s >> 16, self.auto_clean_s & 0xFFFF]
        raise Nak("no data")

    def status(self) -> int:
        """Return the device status register."""
        if self.state != MEASURING:
            return 0
        return sum(bit for fault, bit in self.fault_bits if fault in self.faults)

    def measured(self, values: list[float], now_us: int) -> list[int]:
        """Return the words of a read: PM1/2.5/4/10 x10, RH x100, T x200, VOC x10, NOx x10."""
        if not values:
            return [UNKNOWN_U] * 4 + [UNKNOWN_S] * 4
        return [min(0xFFFE, round(10 * v)) for v in values[:4]] + self._climate(now_us)

    def _newest(self, now_us: int) -> list[float]:
        """Return the engine's newest values, nothing before the first."""
        values = self.values(now_us)
        return values if self._values_index else []

    def _climate(self, now_us: int) -> list[int]:
        at_us = self._start_us + self._values_index * SECOND_US
        assert self._powered_us is not None
        voc = nox = humidity = temperature = UNKNOWN_S
        if "rht_fail" not in self.faults:
            humidity = word(100 * quantity(self.source, "relative_humidity_pct", at_us, 50.0))
            temperature = word(200 * quantity(self.source, "temperature_c", at_us, 20.0))
        if "gas_fail" not in self.faults:
            voc = word(10 * quantity(self.source, "voc_index", at_us, 100.0))
            if now_us - self._powered_us > _GAS_UNKNOWN_US and self.name != "SEN54":
                nox = word(10 * quantity(self.source, "nox_index", at_us, 1.0))
        return [humidity, temperature, voc, nox]

    def _particles(self, values: list[float]) -> list[int]:
        if not values:
            return [UNKNOWN_U] * 10
        return [min(0xFFFE, round(10 * v)) for v in values[:9]] + [round(1000 * values[9])]
