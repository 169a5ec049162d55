"""Bosch BME280 on I2C: registers, forced mode, and readings made by turning the data sheet's formulas round.

The data sheet gives the way from the converter's number to the unit in floating point too; the model
searches the number that gives the wanted value, so it shares nothing with a driver's integers.
"""

from __future__ import annotations

from collections.abc import Callable

from .base import Constants, Source
from .registers import RegisterChip
from .sensirion import quantity

_T = (27504, 26435, -1000)  # the worked example of the BMP280 data sheet
_P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
_H = (75, 362, 0, 315, 50, 30)  # typical of a BME280
_MEASURE_US = 9_300


def t_fine(adc: float) -> float:
    """Return the data sheet's t_fine of a temperature reading, in floating point."""
    a = (adc / 16384.0 - _T[0] / 1024.0) * _T[1]
    b = (adc / 131072.0 - _T[0] / 8192.0) ** 2 * _T[2]
    return a + b


def pressure_pa(adc: float, fine: float) -> float:
    """Return pascals of a pressure reading, in floating point."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = _P
    a = fine / 2.0 - 64000.0
    b = a * a * p6 / 32768.0 + a * p5 * 2.0
    b = b / 4.0 + p4 * 65536.0
    a = (p3 * a * a / 524288.0 + p2 * a) / 524288.0
    a = (1.0 + a / 32768.0) * p1
    p = (1048576.0 - adc - b / 4096.0) * 6250.0 / a
    return p + (p9 * p * p / 2147483648.0 + p * p8 / 32768.0 + p7) / 16.0


def humidity_pct(adc: float, fine: float) -> float:
    """Return percent of a humidity reading, in floating point."""
    h1, h2, h3, h4, h5, h6 = _H
    v = fine - 76800.0
    v = (adc - (h4 * 64.0 + h5 / 16384.0 * v)) * (
        h2 / 65536.0 * (1.0 + h6 / 67108864.0 * v * (1.0 + h3 / 67108864.0 * v))
    )
    return min(100.0, max(0.0, v * (1.0 - h1 * v / 524288.0)))


def search(value_of: Callable[[float], float], wanted: float, top: int) -> int:
    """Return the reading 0..top whose value is nearest to the wanted one; value_of is monotonic."""
    low, high = 0, top
    rising = value_of(top) > value_of(0)
    while high - low > 1:
        middle = (low + high) // 2
        if (value_of(middle) < wanted) == rising:
            low = middle
        else:
            high = middle
    return min((low, high), key=lambda adc: abs(value_of(adc) - wanted))


class BME280(RegisterChip):
    """Quantities: temperature_c, relative_humidity_pct, pressure_hpa. chip_id 0x58 makes it a BMP280.

    Faults: nak, brown_out, bad_crc, slow (converts ten times longer), stuck, condensation (100 %),
    drift (1.5 hPa too high).
    """

    def __init__(self, source: Source | None = None, address: int = 0x76, chip_id: int = 0x60) -> None:
        self.source: Source = source or Constants(temperature_c=20.0)
        self.chip_id = chip_id
        self._busy_until_us = 0
        self._pending = False
        self._humidity_on = False
        super().__init__(address)

    def power_on(self) -> None:
        """Set identity, calibration and the values of skipped measurements."""
        r = self.registers
        r[:] = bytes(256)
        r[0xD0] = self.chip_id
        for i, value in enumerate((*_T, *_P)):
            r[0x88 + 2 * i : 0x8A + 2 * i] = (value & 0xFFFF).to_bytes(2, "little")
        h1, h2, h3, h4, h5, h6 = _H
        r[0xA1] = h1
        r[0xE1:0xE8] = bytes(
            (
                h2 & 0xFF,
                h2 >> 8 & 0xFF,
                h3,
                h4 >> 4 & 0xFF,
                h4 & 15 | (h5 & 15) << 4,
                h5 >> 4 & 0xFF,
                h6 & 0xFF,
            )
        )
        r[0xF7:0xFF] = bytes((0x80, 0, 0, 0x80, 0, 0, 0x80, 0))
        self._pending = False
        self._humidity_on = False

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take a register; ctrl_meas starts a forced measurement and makes ctrl_hum effective."""
        if register == 0xE0:
            if value == 0xB6:
                self.power_on()
            return
        if register not in (0xF2, 0xF4, 0xF5):
            return
        self.registers[register] = value
        if register == 0xF4:
            self._humidity_on = bool(self.registers[0xF2] & 7)
            if value & 3 in (1, 2):
                self._pending = True
                self._busy_until_us = now_us + _MEASURE_US * (10 if "slow" in self.faults else 1)

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Finish a measurement whose time has come."""
        if self._pending and now_us >= self._busy_until_us:
            self._pending = False
            self.registers[0xF4] &= 0xFC
            if "stuck" not in self.faults:
                self._convert(self._busy_until_us)
        self.registers[0xF3] = 0x08 if self._pending else 0

    def _convert(self, at_us: int) -> None:
        temperature = self.source("temperature_c", at_us)
        pressure = 100.0 * quantity(self.source, "pressure_hpa", at_us, 1013.2)
        pressure += 150.0 if "drift" in self.faults else 0.0
        humidity = quantity(self.source, "relative_humidity_pct", at_us, 50.0)
        if "condensation" in self.faults:
            humidity = 100.0
        adc_t = search(lambda adc: t_fine(adc) / 5120.0, temperature, 0xFFFFF)
        fine = t_fine(adc_t)
        adc_p = search(lambda adc: pressure_pa(adc, fine), pressure, 0xFFFFF)
        adc_h = search(lambda adc: humidity_pct(adc, fine), humidity, 0xFFFF)
        if not self._humidity_on or self.chip_id != 0x60:
            adc_h = 0x8000
        self.registers[0xF7:0xFF] = (
            (adc_p << 4).to_bytes(3, "big") + (adc_t << 4).to_bytes(3, "big") + adc_h.to_bytes(2, "big")
        )
