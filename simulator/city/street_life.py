"""What people do in a street: traffic and its noise, particulate matter, bins that fill and are emptied.

Smooth functions of (seed, site, time) like the weather. Levels and shapes are estimates: a quiet
residential street at 40 dB(A) by night and 62 by day, PM2.5 around 8 ug/m3 with rush hours.
"""

from __future__ import annotations

import math

from simulator.city.weather import DAY_US, HOUR_US, lattice, local_hour, rain_rate_mm_h, season, smooth

_EVENT_US = 20_000_000
_BIN_DEPTH_MM = 1200
_SENSOR_GAP_MM = 150


def weekday(now_us: int) -> int:
    """Return 0 for Monday to 6 for Sunday, in Central European Time."""
    return int((now_us + HOUR_US) // DAY_US + 3) % 7


def traffic(now_us: int) -> float:
    """Return how busy the street is, 0 (night) to 1 (rush hour)."""
    hour = local_hour(now_us)

    def peak(at: float, width: float) -> float:
        return math.exp(-(((hour - at + 12) % 24 - 12) ** 2) / (2 * width**2))

    if weekday(now_us) >= 5:
        return 0.04 + 0.55 * peak(15, 3.5)
    return min(1.0, 0.04 + 0.85 * peak(8.2, 1.0) + 0.45 * peak(12.5, 3.0) + 0.9 * peak(17.3, 1.5))


def pm2_5_ug_m3(seed: int, site: str, now_us: int) -> float:
    """Return PM2.5 in ug/m3: regional background, traffic, stoves on winter evenings, cleaning rain."""
    background = 7.5 * math.exp(0.7 * smooth(seed, "background", now_us, 2 * DAY_US))
    stoves = (
        max(0.0, -season(now_us)) * 8.0 * math.exp(-(((local_hour(now_us) - 21 + 12) % 24 - 12) ** 2) / 8)
    )
    local = 4.0 * traffic(now_us - HOUR_US // 3) * (1 + 0.3 * lattice(seed, site + "/kerb", 0)) + stoves
    gust = 1 + 0.18 * smooth(seed, site + "/pm", now_us, HOUR_US // 6)
    washed = 1 - 0.35 * min(1.0, rain_rate_mm_h(seed, site, now_us) / 3)
    return max(0.5, (background + local) * gust * washed)


def sound_level_dba(seed: int, site: str, now_us: int) -> float:
    """Return the sound level in dB(A), constant within each second."""
    now_us -= now_us % 1_000_000
    level = 40.0 + 3.0 * lattice(seed, site + "/quiet", 0) + 21.0 * traffic(now_us) ** 0.6
    level += 2.5 * smooth(seed, site + "/hum", now_us, 600_000_000)
    index = now_us // _EVENT_US  # a car, a moped, a door: some of the twenty-second slots have one
    if lattice(seed, site + "/event", index) > 0.9 - 1.2 * traffic(now_us):
        at = _EVENT_US * (0.5 + 0.3 * lattice(seed, site + "/when", index))
        distance_s = (now_us % _EVENT_US - at) / 1e6
        level += (9 + 5 * lattice(seed, site + "/loud", index)) * math.exp(-(distance_s**2) / 12)
    return round(level, 1)


def bin_distance_mm(seed: int, site: str, now_us: int) -> float:
    """Return the distance from lid to waste; the bin is emptied every second or third day at 6:30."""
    day = int((now_us + HOUR_US - 6.5 * HOUR_US) // DAY_US)
    rhythm = 2 + (lattice(seed, site + "/rhythm", 0) > 0)
    phase = (day + int(8 * (1 + lattice(seed, site + "/phase", 0)))) % rhythm
    emptied_us = (day - phase) * DAY_US + int(5.5 * HOUR_US)
    hours = (now_us - emptied_us) / HOUR_US
    speed = 9.0 * (1 + 0.5 * lattice(seed, site + "/speed", day - phase))
    waves = hours + 4.0 * math.sin(
        2 * math.pi * (local_hour(now_us) - 15) / 24
    )  # little is thrown in at night
    filled = min(_BIN_DEPTH_MM - 60, max(0.0, speed * waves))
    wobble = 4.0 * smooth(seed, site + "/lid", now_us, HOUR_US // 4)
    return _SENSOR_GAP_MM + _BIN_DEPTH_MM - filled + wobble


def battery_mv(seed: int, site: str, now_us: int) -> float:
    """Return the voltage of a lithium cell under a small solar panel, in millivolts."""
    sun = math.sin(2 * math.pi * (local_hour(now_us) - 9) / 24)
    return 3900 + 90 * season(now_us) + 60 * sun + 15 * smooth(seed, site + "/cell", now_us, DAY_US)
