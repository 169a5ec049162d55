"""What a fleet's sensors read: the city's values through NumPy twins of chip and driver.

A row of raw integers a node, in the order of the record's measurement ids. The twins are those of
firmware/drivers and simulator/chips: words of 16 bits of an SHT4x, tenths of an SPS30, whole millimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.interfaces import City
from simulator.places import Places
from simulator.plan import MM_PER_TIP, PlannedNode
from wire import measurements as m

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Sample = Callable[[str], Floats]

_NOISE_IDS = (
    m.LAEQ, m.LAFMAX, m.LAFMIN, m.LA10, m.LA50, m.LA90, m.LCEQ, m.LCPEAK, m.LA1, m.LA95, m.LA99, m.LASMAX,
    m.LZEQ, m.SOUND_NOTES,
)  # fmt: skip
# Tenths of a decibel above LAeq of one second of steady street noise, as a simulated noise node reads it.
_NOISE_ABOVE = np.array([0, 2, -2, 1, 0, -1, 41, 164, 2, -1, -2, 0, 43], dtype=np.int64)
IDS = {
    "air": (m.PM1, m.PM2_5, m.PM4, m.PM10, m.TEMPERATURE, m.RELATIVE_HUMIDITY),
    "noise": _NOISE_IDS,
    "bin": (m.DISTANCE, m.BATTERY),
    "garden": (m.TEMPERATURE, m.RELATIVE_HUMIDITY, m.RAIN_TIPS, m.BATTERY, m.DEW_POINT),
}
LEAD_MS = {"air": 30_200, "noise": 1_500, "bin": 3_300, "garden": 210}
"""How long before its time stamp an acquisition begins."""
_CHUNK = 32
_RAIN_STEP_US = 60_000_000
_DEW_FIRST, _DEW_LAST = -70, 80

# WMO-No. 8, annex 4.B, in hundredths of a pascal at whole degrees.
_DEGREES = np.arange(_DEW_FIRST, _DEW_LAST + 1, dtype=np.float64)
_PRESSURES = np.floor(61120.0 * np.exp(17.62 * _DEGREES / (243.12 + _DEGREES)) + 0.5).astype(np.int64)


def sht4x(temperature_c: Floats, humidity_pct: Floats) -> tuple[Ints, Ints]:
    """Return (hundredths of a degree, tenths of a percent) by an SHT4x's words and the driver."""
    t = np.clip(np.rint((temperature_c + 45.0) / 175.0 * 65535.0), 0, 65535).astype(np.int64)
    h = np.clip(np.rint((humidity_pct + 6.0) / 125.0 * 65535.0), 0, 65535).astype(np.int64)
    return (3500 * t + 6553) // 13107 - 4500, np.clip((250 * h + 6553) // 13107 - 60, 0, 1000)


def dew_point_centi(temperature_centi: Ints, humidity_tenths: Ints) -> Ints:
    """Return hundredths of a degree; the twin of kernels.dewpoint for air that has a dew point."""
    i = np.clip((temperature_centi - 100 * _DEW_FIRST) // 100, 0, len(_PRESSURES) - 2)
    part = temperature_centi - 100 * (i + _DEW_FIRST)
    pressure = _PRESSURES[i] + (_PRESSURES[i + 1] - _PRESSURES[i]) * part // 100
    wanted = pressure * np.minimum(humidity_tenths, 1000) // 1000
    low = np.clip(np.searchsorted(_PRESSURES, wanted, side="right") - 1, 0, len(_PRESSURES) - 2)
    span = _PRESSURES[low + 1] - _PRESSURES[low]
    return 100 * (low + _DEW_FIRST) + (100 * (wanted - _PRESSURES[low]) + span // 2) // span


class KindSensors:
    """The sensors of all nodes of one kind. Times must not fall: a rain gauge only counts on."""

    def __init__(self, kind: str, nodes: Sequence[PlannedNode], city: City, start_us: int) -> None:
        self.kind = kind
        self.ids = IDS[kind]
        self._city = city
        self._places = Places.of([node.place for node in nodes])
        n = len(nodes)
        self._bucket_mm = np.zeros(n)
        self._tips = np.zeros(n, dtype=np.int64)
        self._rain_us = np.full(n, start_us, dtype=np.int64)
        self._reads: dict[str, Callable[[Sample, Places, Ints, int], Ints]] = {
            "garden": self._garden,
            "bin": self._bin,
            "air": self._air,
            "noise": self._noise,
        }

    def measure_each(self, rows: Ints, at_us: Ints) -> Ints:
        """Return raw values of rows, each at a time of its own (gauges do not count yet): shape (rows, ids).

        A few at once cost little more than one, so they are made in chunks.
        """
        found: list[Ints] = []
        for first in range(0, len(rows), _CHUNK):
            chosen, times = rows[first : first + _CHUNK], at_us[first : first + _CHUNK]
            places = self._places.take(chosen)

            def sample(quantity: str, places: Places = places, times: Ints = times) -> Floats:
                return np.diagonal(self._city.sample(quantity, places, times)).copy()

            found.append(self._reads[self.kind](sample, places, chosen, 0))
        return np.concatenate(found)

    def measure(self, at_us: int, rows: NDArray[np.int64] | None = None) -> Ints:
        """Return raw values of shape (nodes, ids) at a time, of all nodes or of some rows."""
        chosen = np.arange(len(self._places)) if rows is None else rows
        places = self._places.take(chosen)
        times = np.array([at_us], dtype=np.int64)

        def sample(quantity: str) -> Floats:
            return self._city.sample(quantity, places, times)[:, 0]

        return self._reads[self.kind](sample, places, chosen, at_us)

    def _garden(self, sample: Sample, places: Places, rows: Ints, at_us: int) -> Ints:
        t, h = sht4x(sample("temperature"), sample("relative_humidity"))
        tips = self._rained(places, rows, at_us)
        return np.stack([t, h, tips, _battery(sample("battery_mv")), dew_point_centi(t, h)], axis=1)

    def _bin(self, sample: Sample, places: Places, rows: Ints, at_us: int) -> Ints:
        distance = np.rint(np.clip(sample("distance"), 30.0, 4500.0)).astype(np.int64)
        return np.stack([distance, _battery(sample("battery_mv"))], axis=1)

    def _air(self, sample: Sample, places: Places, rows: Ints, at_us: int) -> Ints:
        pm = [
            np.clip(np.rint(10.0 * sample(name)), 0, 10000).astype(np.int64)
            for name in ("pm1", "pm2_5", "pm4", "pm10")
        ]
        t, h = sht4x(sample("temperature"), sample("relative_humidity"))
        return np.stack([*pm, t, h], axis=1)

    def _noise(self, sample: Sample, places: Places, rows: Ints, at_us: int) -> Ints:
        laeq = np.clip(np.rint(10.0 * sample("sound_level")), 0, 1300).astype(np.int64)
        levels = laeq[:, None] + _NOISE_ABOVE[None, :]
        return np.concatenate([levels, np.zeros((len(rows), 1), dtype=np.int64)], axis=1)

    def _rained(self, places: Places, rows: Ints, at_us: int) -> Ints:
        """Let it rain into the gauges until now; return their counters, 0 before they start."""
        if at_us <= 0:
            return np.zeros(len(rows), dtype=np.int64)
        since = self._rain_us[rows]
        first = int(since.min()) if len(rows) else at_us
        steps = np.arange(first + _RAIN_STEP_US // 2, max(at_us, first + 1), _RAIN_STEP_US, dtype=np.int64)
        if len(steps):
            rate = self._city.sample("rain_rate", places, steps)
            fell = np.where(steps[None, :] >= since[:, None], rate, 0.0).sum(axis=1) / 60.0
            self._rain_us[rows] = steps[-1] + _RAIN_STEP_US // 2
            total = self._bucket_mm[rows] + fell
            tips = np.floor(total / MM_PER_TIP + 1e-9)
            self._bucket_mm[rows] = total - tips * MM_PER_TIP
            self._tips[rows] += tips.astype(np.int64)
        return self._tips[rows] & 0xFFFF


def _battery(millivolts: Floats) -> Ints:
    """Return millivolts through two equal resistors and the ADC's microvolts."""
    pin_uv = np.minimum(np.rint(millivolts * 500.0), 3_300_000).astype(np.int64)
    return (4 * pin_uv + 1000) // 2000
