"""What people do in a town: its noise, its bins, its hosts. Shape (places, times)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.city import clock
from simulator.city.air import Air
from simulator.city.fields import DAY_US, HOUR_US, octaves, patches
from simulator.city.series import parameters, series
from simulator.places import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_BIN_DEPTH_MM, _SENSOR_GAP_MM = 1100, 250  # full at 250 mm, empty at 1350: simulator.plan
_SQUARE_M = 900.0
_SIREN_S, _SIREN_SLOT_S = 40.0, 5400.0
MARKET_DAY = 4  # Friday, as in Ghent
_WEEK_US = 7 * DAY_US


class Streets:
    """Noise, bins and hosts of a town."""

    def __init__(self, seed: int, air: Air) -> None:
        self._seed, self._air = seed, air

    # -- noise -------------------------------------------------------------------------------

    def sound_level_dba(self, places: Places, times_us: Ints) -> Floats:
        """Return LAeq of the second: the cycle of the recording, a place's own level, cars, music, sirens."""
        level = 10.0 ** (self._steady(places, times_us) / 10.0)
        level += 10.0 ** (self.music_dba(places, times_us) / 10.0)
        level += 10.0 ** (self.siren_dba(places, times_us) / 10.0)
        rain = 6.0 * np.log2(1.0 + self._air.rain_mm_h(places, times_us))
        return np.clip(10.0 * np.log10(level + 10.0 ** ((30.0 + rain) / 10.0)), 28.0, 118.0)

    def _steady(self, places: Places, times_us: Ints) -> Floats:
        slow, fast = series("sound_minutes"), series("sound_seconds")
        keys = draws.keys(places.names)
        second_us = times_us - times_us % 1_000_000
        local = clock.local_us(second_us)
        profile = slow.profile(local)
        minutes = slow.deviation(octaves(self._seed, "sound minutes", second_us, slow.octaves, keys))
        short = {period: share for period, share in fast.octaves.items() if period <= 60}
        total = sum(short.values())
        z = octaves(self._seed, "sound seconds", second_us, {p: s / total for p, s in short.items()}, keys)
        road = 11.0 * (places.traffic - 0.5) + 2.0 * draws.normal(self._seed, draws.key("loud"), keys)
        return profile[None, :] + road[:, None] + minutes + np.sqrt(total) * fast.deviation(z)

    def music_dba(self, places: Places, times_us: Ints) -> Floats:
        """Return music from squares on Friday and Saturday nights, 20:00 to 1:00 local time."""
        local = clock.local_us(times_us)
        hour, day = clock.hour(local), clock.weekday(local)
        plays = ((day == 4) | (day == 5)) & (hour >= 20) | ((day == 5) | (day == 6)) & (hour < 1)
        square = patches(self._seed, "squares", places.x_m, places.y_m, _SQUARE_M)
        beat = 2.0 * octaves(self._seed, "music", times_us, {180.0: 1.0})
        near = 56.0 + 14.0 * np.clip(square - 0.8, -4.0, 1.6)
        return np.where(plays[None, :], near[:, None] + beat[None, :], -20.0)

    def siren_dba(self, places: Places, times_us: Ints) -> Floats:
        """Return sirens that drive by: in some slots of an hour and a half, near some places."""
        keys = draws.keys(places.names)
        slot_us = round(_SIREN_SLOT_S * 1e6)
        index = times_us // slot_us
        comes = draws.uniform(self._seed, draws.key("siren"), keys[:, None], index[None, :])
        at = draws.uniform(self._seed, draws.key("siren at"), keys[:, None], index[None, :])
        passed_s = (times_us % slot_us)[None, :] / 1e6 - at * _SIREN_SLOT_S
        loud = 92.0 - 0.02 * (passed_s * 4.0) ** 2
        near = (comes < 0.06 * places.traffic[:, None]) & (np.abs(passed_s) < _SIREN_S)
        return np.where(near, np.maximum(loud, 20.0), -20.0)

    # -- bins --------------------------------------------------------------------------------

    def bin_distance_mm(self, places: Places, times_us: Ints) -> Floats:
        """Return the distance from lid to waste.

        Rates, their spread and weekdays are fitted; the market, the hours of the day, and the rounds (at
        6:30, every second day, daily where it is busy) are not.
        """
        fitted = parameters()["bins"]
        keys = draws.keys(places.names)
        rate = fitted["median_pct_day"] * np.exp(
            fitted["log_sd"] * draws.normal(self._seed, draws.key("bin"), keys)
        )
        market = np.where(patches(self._seed, "market", places.x_m, places.y_m, 600.0) > 1.0, 2.5, 1.0)
        rhythm = np.where(rate > 60, 1, 2)
        local = clock.local_us(times_us)
        day = (local - int(6.5 * HOUR_US)) // DAY_US
        phase = draws.mixed(self._seed, draws.key("round"), keys).astype(np.int64) & 1
        emptied = day[None, :] - (day[None, :] + phase[:, None]) % rhythm[:, None]
        fill = np.zeros((len(places), len(times_us)))
        for back in range(3):
            whole = emptied + back
            begin = whole * DAY_US + int(6.5 * HOUR_US)
            part = np.clip((local[None, :] - begin) / HOUR_US, 0.0, 24.0)
            weekday = (whole + 3) % 7
            factor = np.array(fitted["weekday"])[weekday]
            factor = factor * np.where(weekday == MARKET_DAY, market[:, None], 1.0)
            own = np.exp(0.25 * draws.normal(self._seed, draws.key("day"), keys[:, None], whole))
            fill += rate[:, None] * factor * own * _thrown_by(part)
        filled = np.minimum(fill, 110.0) / 100.0 * _BIN_DEPTH_MM
        lid = 3.0 * octaves(self._seed, "lid", times_us, {900.0: 1.0}, keys)
        return np.maximum(_SENSOR_GAP_MM + _BIN_DEPTH_MM - filled + lid, 60.0)

    # -- hosts -------------------------------------------------------------------------------

    def router_on(self, places: Places, times_us: Ints) -> Bools:
        """Tell whether a host's Wi-Fi works: some switch it off at night, all have a bad hour at times."""
        keys = draws.keys(places.names)
        local = clock.local_us(times_us)
        hour = clock.hour(local)
        saves = draws.uniform(self._seed, draws.key("saves"), keys) < 0.12
        night = (hour < 6.5) | (hour > 23.5)
        hours = times_us // HOUR_US
        bad = draws.uniform(self._seed, draws.key("router"), keys[:, None], hours[None, :]) < 0.002
        away = (
            draws.uniform(self._seed, draws.key("holiday"), keys[:, None], (times_us // _WEEK_US)[None, :])
            < 0.01
        )
        return ~((saves[:, None] & night[None, :]) | bad | away)

    def indoors(self, places: Places, times_us: Ints) -> Bools:
        """Tell where a garden node has been taken inside: a week now and then, more in winter."""
        keys = draws.keys(places.names)
        week = times_us // _WEEK_US
        chance = draws.uniform(self._seed, draws.key("indoors"), keys[:, None], week[None, :])
        garden = (places.greenery >= 0.5)[:, None]
        return garden & (chance < 0.006 - 0.004 * clock.season(times_us)[None, :])

    def battery_mv(self, places: Places, times_us: Ints) -> Floats:
        """Return the voltage of a lithium cell under a small solar panel."""
        keys = draws.keys(places.names)
        sun = np.sin(2 * np.pi * (clock.sun_hour(times_us) - 9) / 24)
        cell = 20.0 * draws.normal(self._seed, draws.key("cell"), keys)[:, None]
        return 3900 + cell + (90 * clock.season(times_us) + 60 * sun)[None, :]


def _thrown_by(hours: Floats) -> Floats:
    """Return the share of a day's waste that is there so many hours after 6:30."""
    return np.interp(hours, [0, 2, 5, 8, 12, 15, 18, 24], [0.0, 0.06, 0.25, 0.55, 0.86, 0.96, 0.99, 1.0])
