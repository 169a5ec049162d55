"""Bosch BME680 (or BME688) on I2C: forced mode with a heated gas sensor, in floating point.

The data sheet gives each formula in floating point too; the model searches the converter's number that gives
the wanted value, so it shares nothing with a driver's integers.
"""

from __future__ import annotations

from .base import Constants, Source
from .bme280 import search
from .registers import RegisterChip
from .sensirion import quantity

# Trimming numbers of a real chip, by their names in the data sheet (a dump in pimoroni/bme680-python #11).
PAR: dict[str, int] = {
    "t1": 26041, "t2": 26469, "t3": 3,
    "p1": 36673, "p2": -10515, "p3": 88, "p4": 7310, "p5": -129, "p6": 30, "p7": 46, "p8": -3177,
    "p9": -2379, "p10": 30,
    "h1": 676, "h2": 1029, "h3": 0, "h4": 45, "h5": 20, "h6": 120, "h7": -100,
    "g1": -30, "g2": -24754, "g3": 18,
    "heat_value": 48, "heat_range": 1, "range_error": 0,
}  # fmt: skip
_K1 = (0, 0, 0, 0, 0, -1.0, 0, -0.8, 0, 0, -0.2, -0.5, 0, -1.0, 0, 0)
_K2 = (0, 0, 0, 0, 0.1, 0.7, 0, -0.8, -0.1, 0, 0, 0, 0, 0, 0, 0)
_TPH_US = 3 * 1963 + 9 * 477 + 1000


def t_fine(adc: float) -> float:
    """Return the fine temperature, 5120 a degree."""
    a = (adc / 16384 - PAR["t1"] / 1024) * PAR["t2"]
    return a + (adc / 131072 - PAR["t1"] / 8192) ** 2 * PAR["t3"] * 16


def pressure_pa(adc: float, fine: float) -> float:
    """Return pascals."""
    a = fine / 2 - 64000
    b = a * a * PAR["p6"] / 131072 + a * PAR["p5"] * 2
    b = b / 4 + PAR["p4"] * 65536
    a = (PAR["p3"] * a * a / 16384 + PAR["p2"] * a) / 524288
    a = (1 + a / 32768) * PAR["p1"]
    p = (1048576 - adc - b / 4096) * 6250 / a
    cubic = (p / 256) ** 3 * PAR["p10"] / 131072
    return p + (PAR["p9"] * p * p / 2147483648 + p * PAR["p8"] / 32768 + cubic + PAR["p7"] * 128) / 16


def humidity_pct(adc: float, fine: float) -> float:
    """Return percent."""
    t = fine / 5120
    a = adc - (PAR["h1"] * 16 + PAR["h3"] / 2 * t)
    b = a * PAR["h2"] / 262144 * (1 + PAR["h4"] / 16384 * t + PAR["h5"] / 1048576 * t * t)
    return min(100.0, max(0.0, b + (PAR["h6"] / 16384 + PAR["h7"] / 2097152 * t) * b * b))


def gas_ohm(adc: float, span: int, high: bool) -> float:
    """Return the resistance of a converter's number in a range."""
    if high:
        return 1e6 * (262144 >> span) / (4096 + 3 * (adc - 512))
    a = (1340 + 5 * PAR["range_error"]) * (1 + _K1[span] / 100)
    return 1 / ((1 + _K2[span] / 100) * 1.25e-7 * (1 << span) * ((adc - 512) / a + 1))


def heater_c(byte: int, ambient_c: float) -> float:
    """Return the temperature that a byte of res_heat asks for."""
    a = byte / 3.4 + 25
    a *= (4 + PAR["heat_range"]) / 4 * (1 + PAR["heat_value"] * 0.002)
    a -= PAR["g3"] / 1024 * ambient_c
    return (a / (PAR["g1"] / 16 + 49) - 1) / (PAR["g2"] / 32768 * 0.0005 + 0.00235)


def _off(found: float, wanted: float) -> float:
    return abs(found - wanted) / wanted


class BME680(RegisterChip):
    """Quantities: temperature_c, relative_humidity_pct, pressure_hpa, gas_ohm. high: a BME688.

    `heated_to_c`: what the last forced measurement asked of the heater.
    Faults: nak, brown_out, bad_crc, slow (converts three times longer), stuck, condensation (100 %),
    gas_fail (the heater stays cold), drift (a third of the resistance).
    """

    def __init__(self, source: Source | None = None, address: int = 0x76, high: bool = False) -> None:
        self.source: Source = source or Constants(temperature_c=20.0)
        self.high = high
        self.heated_to_c = 0.0
        self._busy_until_us = 0
        self._heat_us = 0
        self._pending = False
        super().__init__(address)

    def power_on(self) -> None:
        """Set identity, calibration and the values of skipped measurements."""
        r, p = self.registers, PAR
        r[:] = bytes(256)
        r[0xD0], r[0xF0] = 0x61, int(self.high)

        def word(at: int, name: str) -> None:
            r[at : at + 2] = (p[name] & 0xFFFF).to_bytes(2, "little")

        for at, name in ((0xE9, "t1"), (0x8A, "t2"), (0x8E, "p1"), (0x90, "p2"), (0x94, "p4"), (0x96, "p5")):
            word(at, name)
        for at, name in ((0x9C, "p8"), (0x9E, "p9"), (0xEB, "g2")):
            word(at, name)
        for at, name in (
            (0x8C, "t3"), (0x92, "p3"), (0x99, "p6"), (0x98, "p7"), (0xA0, "p10"), (0xE4, "h3"), (0xE5, "h4"),
            (0xE6, "h5"), (0xE7, "h6"), (0xE8, "h7"), (0xED, "g1"), (0xEE, "g3"), (0x00, "heat_value"),
        ):  # fmt: skip
            r[at] = p[name] & 0xFF
        r[0xE1], r[0xE3] = p["h2"] >> 4, p["h1"] >> 4
        r[0xE2] = (p["h2"] & 15) << 4 | p["h1"] & 15
        r[0x02] = p["heat_range"] << 4
        r[0x04] = (p["range_error"] & 15) << 4
        r[0x1F:0x27] = bytes((0x80, 0, 0, 0x80, 0, 0, 0x80, 0))
        self._pending = False

    def write(self, data: bytes, now_us: int) -> None:
        """Take a write: pairs of register and value, as its I2C interface has it; no counting up."""
        self._powered()
        super().write(data[:2], now_us)
        for i in range(2, len(data) - 1, 2):
            self.wrote(data[i], data[i + 1], now_us)

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take a register; ctrl_meas starts a forced measurement."""
        if register == 0xE0 and value == 0xB6:
            self.power_on()
            return
        if not (0x50 <= register <= 0x75):
            return
        self.registers[register] = value
        if register == 0x74 and value & 3 == 1 and not self._pending:
            wait = self.registers[0x64 + (self.registers[0x71] & 15)]
            heat_us = (wait & 63) * 4 ** (wait >> 6) * 1000 if self._gas_on else 0
            self._busy_until_us = now_us + (_TPH_US + heat_us) * (3 if "slow" in self.faults else 1)
            self._heat_us = heat_us
            self._pending = True
            self.registers[0x1D] = 0

    @property
    def _gas_on(self) -> bool:
        run = self.registers[0x71] >> 4 & 3
        return run == (2 if self.high else 1) and not self.registers[0x70] & 8

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Finish a measurement whose time has come."""
        if self._pending and now_us >= self._busy_until_us:
            self._pending = False
            self.registers[0x74] &= 0xFC
            if "stuck" not in self.faults:
                self._convert(self._busy_until_us)
            self.registers[0x1D] = 0x80
        elif self._pending:
            self.registers[0x1D] = 0x20 | (0x40 if self._gas_on else 0)

    def _convert(self, at_us: int) -> None:
        r = self.registers
        temperature = self.source("temperature_c", at_us)
        humidity = quantity(self.source, "relative_humidity_pct", at_us, 50.0)
        if "condensation" in self.faults:
            humidity = 100.0
        pressure = 100.0 * quantity(self.source, "pressure_hpa", at_us, 1013.2)
        osrs = r[0x74]
        adc_t = search(lambda adc: t_fine(adc) / 5120, temperature, 0xFFFFF) if osrs >> 5 else 0x80000
        fine = t_fine(adc_t)
        adc_p = search(lambda adc: pressure_pa(adc, fine), pressure, 0xFFFFF) if osrs >> 2 & 7 else 0x80000
        adc_h = search(lambda adc: humidity_pct(adc, fine), humidity, 0xFFFF) if r[0x72] & 7 else 0x8000
        r[0x1F:0x25] = (adc_p << 4).to_bytes(3, "big") + (adc_t << 4).to_bytes(3, "big")
        r[0x25:0x27] = adc_h.to_bytes(2, "big")
        at = 0x2C if self.high else 0x2A
        r[0x2A:0x2E] = bytes(4)
        if not self._gas_on:
            return
        self.heated_to_c = heater_c(r[0x5A + (r[0x71] & 15)], temperature)
        ohm = quantity(self.source, "gas_ohm", at_us, 50_000.0) / (3 if "drift" in self.faults else 1)
        # The range in which the converter is nearest to its middle, as its gain control does.
        rows = [(search(lambda adc, s=s: gas_ohm(adc, s, self.high), ohm, 1023), s) for s in range(16)]
        adc, span = min(
            rows, key=lambda row: (max(0.02, _off(gas_ohm(*row, self.high), ohm)), abs(row[0] - 512))
        )
        hot = "gas_fail" not in self.faults and self._heat_us >= 30_000 and 200 <= self.heated_to_c <= 400
        r[at] = adc >> 2
        r[at + 1] = (adc & 3) << 6 | 0x20 | (0x10 if hot else 0) | span
