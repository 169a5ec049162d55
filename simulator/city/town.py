"""A whole town as `simulator.interfaces.City`: weather, air, noise, bins, hosts, by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.city.air import PM_PARTS, Air
from simulator.city.fields import curve
from simulator.city.streets import Streets
from simulator.places import Place, Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Sampler = Callable[[Places, Ints], Floats]

_INSIDE_C, _INSIDE_PCT = 21.0, 42.0
_ALIASES = {
    "temperature_c": "temperature",
    "relative_humidity_pct": "relative_humidity",
    "distance_mm": "distance",
    "rain_rate_mm_h": "rain_rate",
    **{f"{part}_ug_m3": part for part in PM_PARTS},
}
_BLOCK = 64
_OF_THE_SECOND = frozenset({"sound_level", "music_dba", "siren_dba"})
_RAIN_STEP_US = 60_000_000


class Town:
    """Any quantity at any place and time.

    Names as in simulator.city: temperature, relative_humidity, rain_rate, pm1 pm2_5 pm4 pm10, sound_level,
    distance, battery_mv, pressure_hpa, co2_ppm, soil_temperature_c, soil_moisture_pct, tilt_deg, motion_mg;
    router_on, indoors, fog as 0 and 1.
    """

    def __init__(self, seed: int, start_us: int = 0) -> None:
        self.seed = seed
        self.air = Air(seed)
        self.streets = Streets(seed, self.air)
        air, streets = self.air, self.streets
        self._quantities: dict[str, Sampler] = {
            "temperature": self._temperature,
            "relative_humidity": self._humidity,
            "rain_rate": self._rain,
            "sound_level": streets.sound_level_dba,
            "music_dba": streets.music_dba,
            "siren_dba": streets.siren_dba,
            "distance": streets.bin_distance_mm,
            "battery_mv": streets.battery_mv,
            "battery_voltage": lambda p, t: streets.battery_mv(p, t) / 1000.0,
            "pressure_hpa": lambda p, t: self._all(p, 1013.0 + 7.5 * curve(seed, "pressure", t, 3 * 86400)),
            "co2_ppm": lambda p, t: 425.0 + 50.0 * places_traffic(p) * air.traffic(t)[None, :],
            "soil_temperature_c": lambda p, t: self._all(p, 10.0 + 0.6 * (air.warmth_c(t) - 10.0)),
            "soil_moisture_pct": lambda p, t: (
                45.0 + 9.0 * curve(seed, "soil", t, 5 * 86400, draws.keys(p.names))
            ),
            "tilt_deg": lambda p, t: np.zeros((len(p), len(t))),
            "motion_mg": lambda p, t: np.zeros((len(p), len(t))),
            "router_on": lambda p, t: streets.router_on(p, t).astype(np.float64),
            "indoors": lambda p, t: streets.indoors(p, t).astype(np.float64),
            "fog": lambda p, t: air.fog(p, t).astype(np.float64),
        }
        for part in PM_PARTS:
            self._quantities[part] = self._pm(part)

    def sample(self, quantity: str, places: Places, times_us: Ints) -> Floats:
        """Return values of shape (places, times); KeyError for a quantity that the town does not know."""
        return self._quantities[_ALIASES.get(quantity, quantity)](places, times_us)

    def source(self, place: Place, start_us: int) -> TownAt:
        """Return what chip models at a place meet."""
        return TownAt(self, place, start_us)

    @staticmethod
    def _all(places: Places, values: Floats) -> Floats:
        return np.broadcast_to(values[None, :], (len(places), len(values))).copy()

    def _temperature(self, places: Places, times_us: Ints) -> Floats:
        inside = self.streets.indoors(places, times_us)
        return np.where(inside, _INSIDE_C, self.air.temperature_c(places, times_us))

    def _rain(self, places: Places, times_us: Ints) -> Floats:
        inside = self.streets.indoors(places, times_us)
        return np.where(inside, 0.0, self.air.rain_mm_h(places, times_us))

    def _humidity(self, places: Places, times_us: Ints) -> Floats:
        inside = self.streets.indoors(places, times_us)
        return np.where(inside, _INSIDE_PCT, self.air.relative_humidity_pct(places, times_us))

    def _pm(self, part: str) -> Sampler:
        return lambda places, times_us: self.air.pm_ug_m3(part, places, times_us)


def places_traffic(places: Places) -> Floats:
    """Return the places' share of traffic as a column."""
    return places.traffic[:, None]


class TownAt:
    """A `Source` for chip models at one place.

    Values are computed for a stretch of time at once and stand on a grid (a second for sound, ten for the
    rest), straight in between: whole multiples of it are exactly the town's.
    """

    def __init__(self, town: Town, place: Place, start_us: int) -> None:
        self._town = town
        self._places = Places.of([place])
        self._blocks: dict[str, tuple[int, Floats]] = {}
        self._rain_us = start_us // _RAIN_STEP_US * _RAIN_STEP_US
        self._rain_mm = 0.0

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return a quantity at world time; KeyError for one that the town does not know."""
        if quantity == "rain_mm":
            return self._rained(now_us)
        step_us = 1_000_000 if quantity in _OF_THE_SECOND else 10_000_000
        index = now_us // step_us
        first, values = self._blocks.get(quantity, (0, np.zeros(0)))
        if not first <= index < first + _BLOCK:
            first = index // _BLOCK * _BLOCK
            times = np.arange(first, first + _BLOCK + 1, dtype=np.int64) * step_us
            values = self._town.sample(quantity, self._places, times)[0]
            self._blocks[quantity] = first, values
        k = index - first
        if quantity in _OF_THE_SECOND:
            return float(values[k])
        part = (now_us - index * step_us) / step_us
        return float(values[k] + (values[k + 1] - values[k]) * part)

    def _rained(self, now_us: int) -> float:
        n = (now_us - self._rain_us) // _RAIN_STEP_US
        if n > 0:
            times = self._rain_us + _RAIN_STEP_US // 2 + np.arange(n, dtype=np.int64) * _RAIN_STEP_US
            self._rain_mm += float(self._town.sample("rain_rate", self._places, times)[0].sum()) / 60.0
            self._rain_us += n * _RAIN_STEP_US
        return self._rain_mm
