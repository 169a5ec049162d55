"""Weather and particulate matter of a Flemish town, at any places and times: shape (places, times).

Climate: normals of Uccle 1991-2020 (KMI: 11 degrees in the mean of the year, 3.7 in January, 18.7 in July,
837 mm of rain). How long and how far a day differs from the next is fitted to recordings (series.py). The
heat island (up to some 3 degrees on a calm night, none by day or in a park), the share of coarse particles,
stoves, dust and fog are estimates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.city import clock
from simulator.city.fields import DAY_US, HOUR_US, curve, drifting, octaves, patches
from simulator.city.series import parameters, series
from simulator.places import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WIND_M_S = 8.0
_CELL_M = 4500.0
_STREET_M = 350.0
_DUST_DAYS = 45
_DUST_S = 36 * 3600
PM_PARTS = {"pm1": 0.72, "pm2_5": 1.0, "pm4": 1.16, "pm10": 1.28}


class Air:
    """The air over a town. Every method is a function of the seed, places and times alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    # -- of the region: shape (times,) -------------------------------------------------------

    def calm(self, times_us: Ints) -> Floats:
        """Return how still the air is: 0 stormy, 1 an inversion."""
        return 0.5 + 0.5 * np.tanh(0.9 * curve(self._seed, "calm", times_us, 1.5 * 86400))

    def unsettled(self, times_us: Ints) -> Floats:
        """Return how showery the weather is, about -2 to 2."""
        return curve(self._seed, "unsettled", times_us, 2 * 86400)

    def warmth_c(self, times_us: Ints) -> Floats:
        """Return the air temperature of the open country."""
        fitted = series("temperature")
        profile = np.array([fitted.weekday, fitted.weekend]).mean(axis=0)
        shape = (profile - profile.mean()) / (profile.max() - profile.min())
        at = np.interp(clock.hour(times_us + HOUR_US), np.arange(-1, 25) + 0.5, [shape[-1], *shape, shape[0]])
        season = clock.season(times_us)
        day_c = (
            (8.0 + 2.5 * season) * at * (0.6 + 0.8 * self.calm(times_us))
        )  # a clear day has the larger swing
        z = octaves(self._seed, "temperature", times_us, fitted.octaves)
        return 11.2 + 7.5 * season + day_c + fitted.deviation(z) * 0.9

    def dryness_c(self, times_us: Ints, warmth_c: Floats) -> Floats:
        """Return how far the dew point lies below the temperature of the open country."""
        fitted = series("dryness")
        z = octaves(self._seed, "dryness", times_us, fitted.octaves)
        level = 0.95 + 0.06 * (warmth_c - 11.0)  # Flanders is wetter than where it was recorded
        profile = fitted.profile(times_us + HOUR_US)
        middle = float(np.mean([fitted.weekday, fitted.weekend]))
        wet = 0.5 * np.maximum(0.0, self.unsettled(times_us))
        return np.exp(np.clip(level + 0.6 * (profile - middle) + fitted.deviation(z) - wet, -2.0, 3.2))

    def background_ug_m3(self, times_us: Ints) -> Floats:
        """Return PM2.5 that comes with the air: about 7 in the median, more when it is still or cold."""
        fitted = series("pm2_5")
        z = octaves(self._seed, "pm2_5", times_us, fitted.octaves)
        still = 0.5 * (self.calm(times_us) - 0.5) - 0.18 * clock.season(times_us)
        return 6.8 * np.exp(0.55 * fitted.deviation(z) + still)

    def dust_ug_m3(self, times_us: Ints) -> Floats:
        """Return PM10 of Saharan dust: a day or two, now and then, mostly February to May."""
        index = times_us // (_DUST_DAYS * DAY_US)
        chance = draws.uniform(self._seed, draws.key("dust"), index)
        begin = index * _DUST_DAYS * DAY_US + (
            draws.uniform(self._seed, draws.key("dust at"), index) * 40 * DAY_US
        )
        passed = (times_us - begin) / 1e6
        spring = np.exp(-(((times_us / DAY_US % 365.2425) - 95) ** 2) / (2 * 35**2))
        rise = np.clip(passed / 14400, 0.0, 1.0) * np.exp(-np.maximum(passed - _DUST_S, 0.0) / 20000)
        return np.where((passed > 0) & (chance < 0.15 + 0.6 * spring), 70.0 * rise, 0.0)

    # -- of places: shape (places, times) ----------------------------------------------------

    def temperature_c(self, places: Places, times_us: Ints) -> Floats:
        """Return the air temperature: the country's, and the heat that streets keep on calm nights."""
        keys = draws.keys(places.names)
        hour = clock.sun_hour(times_us)
        night = 0.5 + 0.5 * np.cos(2 * np.pi * (hour - 1.5) / 24)
        island = (0.4 + 2.6 * night * self.calm(times_us)) * (0.7 + 0.3 * clock.season(times_us))
        stone = 1.0 - np.clip(places.greenery, 0.0, 1.0)
        own = 0.2 * curve(self._seed, "air", times_us, 2400, keys)
        shade = 0.25 * draws.normal(self._seed, draws.key("shade"), keys)
        return self.warmth_c(times_us) + stone[:, None] * island + shade[:, None] + own

    def relative_humidity_pct(self, places: Places, times_us: Ints) -> Floats:
        """Return the relative humidity: the region's water in the air of the place."""
        warm = self.warmth_c(times_us)
        dew = warm - self.dryness_c(times_us, warm)
        here = self.temperature_c(places, times_us)

        def pressure(t: Floats) -> Floats:
            return np.exp(17.62 * t / (243.12 + t))

        humid = 100.0 * pressure(dew)[None, :] / pressure(here) + 6.0 * (
            self.rain_mm_h(places, times_us) > 0.2
        )
        return np.clip(humid + 2.0 * np.clip(places.greenery, 0, 1)[:, None], 12.0, 100.0)

    def rain_mm_h(self, places: Places, times_us: Ints) -> Floats:
        """Return the rain rate: cells that the wind carries over the town on unsettled days."""
        cell = drifting(self._seed, "cell", places.x_m, places.y_m, times_us, _CELL_M, _WIND_M_S)
        core = drifting(self._seed, "core", places.x_m, places.y_m, times_us, _CELL_M / 5, _WIND_M_S)
        gate = 1.9 - 0.95 * self.unsettled(times_us)
        return np.minimum(np.maximum(0.0, cell + 0.35 * core - gate[None, :]) * 2.05, 90.0)

    def fog(self, places: Places, times_us: Ints) -> NDArray[np.bool_]:
        """Tell where it is foggy: still and saturated."""
        return (self.relative_humidity_pct(places, times_us) > 97.0) & (self.calm(times_us) > 0.6)[None, :]

    def pm_ug_m3(self, part: str, places: Places, times_us: Ints) -> Floats:
        """Return PM1, PM2.5, PM4 or PM10 as a low-cost sensor sees it."""
        fine = self._fine(places, times_us)
        coarse = self.dust_ug_m3(times_us)[None, :]
        share = PM_PARTS[part]
        dust = {"pm1": 0.05, "pm2_5": 0.2, "pm4": 0.5, "pm10": 1.0}[part] * coarse
        droplets = np.where(self.fog(places, times_us), 1.0 + 0.5 * share, 1.0)  # drops count as particles
        return np.maximum(0.3, fine * share * droplets + dust)

    def _fine(self, places: Places, times_us: Ints) -> Floats:
        keys = draws.keys(places.names)
        local = clock.local_us(times_us)
        traffic = self.traffic(times_us)
        road = places.traffic[:, None] * 4.5 * traffic[None, :] * (0.6 + 0.8 * self.calm(times_us))[None, :]
        own = series("pm2_5_minutes")
        minutes = {period: share for period, share in own.octaves.items() if period < 7200}
        total = sum(minutes.values())
        gust = octaves(self._seed, "pm", times_us, {p: s / total for p, s in minutes.items()}, keys)
        here = self.background_ug_m3(times_us)[None, :] + road + self._smoke(places, times_us, local)
        washed = 1.0 - 0.35 * np.minimum(1.0, self.rain_mm_h(places, times_us) / 3.0)
        return (here + self._fireworks(places, local)) * np.exp(0.13 * gust) * washed

    def traffic(self, times_us: Ints) -> Floats:
        """Return how busy the roads are, 0 (night) to about 1 (rush hour)."""
        fitted = series("traffic")
        local = clock.local_us(times_us)
        profile = fitted.profile(local)
        low, high = min(fitted.weekend), max(fitted.weekday)
        z = octaves(self._seed, "traffic", times_us, {3600.0: 0.5, 10800.0: 0.5})
        return np.clip(np.clip((profile - low) / (high - low), 0.0, None) ** 1.3 * np.exp(0.1 * z), 0.0, 1.3)

    def _smoke(self, places: Places, times_us: Ints, local: Ints) -> Floats:
        """Return wood smoke: some streets, cold evenings, more from Friday on, held down by still air."""
        burns = np.maximum(0.0, patches(self._seed, "stoves", places.x_m, places.y_m, _STREET_M) - 0.2)
        evening = np.exp(-(((clock.hour(local) - 20.5 + 12) % 24 - 12) ** 2) / (2 * 2.2**2))
        cold = np.clip((12.0 - self.warmth_c(times_us)) / 10.0, 0.0, 1.5)
        weekend = np.where(clock.weekday(local) >= 4, 1.3, 0.9)
        return burns[:, None] * (14.0 * evening * cold * weekend * self.calm(times_us))[None, :]

    def _fireworks(self, places: Places, local: Ints) -> Floats:
        """Return what New Year's Eve adds after midnight; level, spread and rise as fitted."""
        passed = clock.since_new_year_s(local)
        if not ((passed > 0) & (passed < DAY_US / 1e6)).any():
            return np.zeros((len(places), len(local)))
        fitted = parameters()["fireworks"]
        spread = draws.normal(self._seed, draws.key("fireworks"), draws.keys(places.names))
        peak = fitted["peak_median_ug_m3"] * np.exp(fitted["log_sd"] * spread)
        rise = np.clip(passed / fitted["rise_s"], 0.0, 1.0) * np.exp(
            -np.maximum(passed - fitted["rise_s"], 0) / 5400
        )
        return peak[:, None] * np.where((passed > 0) & (passed < DAY_US / 1e6), rise, 0.0)[None, :]
