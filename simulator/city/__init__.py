"""The built-in city: what a sensor at a site would meet at a time, by seed.

`CityAt(seed, site, start_us)` is a `Source` for chip models. It answers to the names that the models ask
for (`pm2_5_ug_m3`, `temperature_c`, ...) and to the plain names with fixed units:
pm1 pm2_5 pm4 pm10 (ug/m3), temperature (Cel), relative_humidity (%), sound_level (dB(A)), distance (mm),
rain_rate (mm/h), rain_mm (sum since the start), battery_voltage (V), battery_mv.
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.city import street_life, weather
from simulator.city.town import Town

__all__ = ("CityAt", "Town")

_PM_PARTS = {"pm1": 0.72, "pm2_5": 1.0, "pm4": 1.22, "pm10": 1.45}


class CityAt:
    """What there is to measure at one site. Raises KeyError for a quantity that it does not know."""

    def __init__(self, seed: int, site: str, start_us: int = 0) -> None:
        self._seed, self._site = seed, site
        self._rain = weather.RainSum(seed, site, start_us)
        plain: dict[str, Callable[[int], float]] = {
            "temperature": lambda t: weather.temperature_c(seed, site, t),
            "relative_humidity": lambda t: weather.relative_humidity_pct(seed, site, t),
            "sound_level": lambda t: street_life.sound_level_dba(seed, site, t),
            "distance": lambda t: street_life.bin_distance_mm(seed, site, t),
            "rain_rate": lambda t: weather.rain_rate_mm_h(seed, site, t),
            "rain_mm": self._rain,
            "battery_mv": lambda t: street_life.battery_mv(seed, site, t),
            "battery_voltage": lambda t: street_life.battery_mv(seed, site, t) / 1000,
        }
        # A probe in the shade of plants: the air's mean of the last hours, roughly; a bed that rain wets.
        plain["soil_temperature_c"] = lambda t: 10.0 + 0.6 * (weather.temperature_c(seed, site, t) - 10.0)
        plain["soil_moisture_pct"] = lambda t: (
            45.0 + 15.0 * weather.smooth(seed, site + "/soil", t, 5 * weather.DAY_US)
        )
        plain["tilt_deg"] = plain["motion_mg"] = lambda t: 0.0
        plain["pressure_hpa"] = lambda t: (
            1013.0 + 14.0 * weather.smooth(seed, "pressure", t, 3 * weather.DAY_US)
        )
        plain["co2_ppm"] = lambda t: 425.0 + 40.0 * street_life.traffic(t)
        for name, part in _PM_PARTS.items():
            plain[name] = lambda t, part=part: part * street_life.pm2_5_ug_m3(seed, site, t)
            plain[name + "_ug_m3"] = plain[name]
        plain["temperature_c"] = plain["temperature"]
        plain["relative_humidity_pct"] = plain["relative_humidity"]
        plain["distance_mm"] = plain["distance"]
        self._quantities = plain

    def __call__(self, quantity: str, now_us: int) -> float:
        """Return a quantity at world time."""
        return self._quantities[quantity](now_us)
