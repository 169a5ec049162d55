"""What a record of particulate matter costs and what it is worth: `python -m tests.bench.air [--json]`.

Fixed numbers of samples beside the firmware's own choice (node/air.py: until the standard error of PM2.5 is
below 0.5 ug/m3 or 5 %). Streets are made: a slow level, gusts of traffic (20 s, up to 25 % of the level), an
SPS30's own noise (0.7 ug/m3 and 3 % a sample: estimates). Charge: SPS30 data sheet, 55 mA at 5 V, from a cell
of 3.7 V through a converter of 85 %; 30 s of settling come on top and are the same for all.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from node.air import PmSampler
from wire import measurements as m
from wire.record import OK

SETTLE_S = 30
ACTIVE_MA = 55.0
CELL_FACTOR = 5.0 / 3.7 / 0.85
RECORDS_DAY = 96
FIXED = (1, 3, 5, 10, 20, 60)


class _Clock:
    def __init__(self) -> None:
        self.ms = 0

    def ticks_ms(self) -> int:
        return self.ms

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b

    def sleep_ms(self, ms: int) -> None:
        self.ms += ms


class _Pm:
    """A sensor that gives prepared tenths of ug/m3, one a second."""

    MEASURES = (m.PM2_5,)
    settle_ms = 0

    def __init__(self, tenths: Any) -> None:
        self.tenths = tenths
        self.taken = 0

    def fetch(self) -> list[tuple[int, int, int]]:
        self.taken += 1
        return [(m.PM2_5, int(self.tenths[self.taken - 1]), OK)]


def street(rng: np.random.Generator, level: float, gusts: float) -> tuple[Any, Any]:
    """Return a quarter of an hour of PM2.5 in ug/m3, and what the sensor says of it."""
    n = 900
    walk = np.zeros(n)
    for i in range(1, n):  # an Ornstein-Uhlenbeck process
        walk[i] = walk[i - 1] * (1 - 1 / 20) + rng.normal() * np.sqrt(2 / 20)
    true = np.clip(level * (1 + gusts * walk), 0, None)
    said = np.clip(true + rng.normal(0, 0.7, n) + 0.03 * true * rng.normal(size=n), 0, None)
    return true, said


def measure(records: int = 400, seed: int = 1) -> list[dict[str, Any]]:
    """Return a row for each way of sampling; errors are root mean squares in ug/m3."""
    rng = np.random.default_rng(seed)
    levels = rng.lognormal(2.3, 0.7, records)
    gusts = rng.choice([0.02, 0.1, 0.25], records)
    streets = [street(rng, level, g) for level, g in zip(levels, gusts, strict=True)]
    rows: list[dict[str, Any]] = []
    for most in (*FIXED, "variance"):
        errors: list[tuple[float, float]] = []
        taken = 0
        for true, said in streets:
            window = said[-60:]
            if most == "variance":
                pm = _Pm(np.round(10 * window))
                mean = next(r[1] for r in PmSampler(pm, _Clock(), 20).fetch() if r[0] == m.PM2_5) / 10
                n = pm.taken
            else:
                n = int(most)
                mean = float(np.mean(window[:n]))
            taken += n
            errors.append((mean - float(np.mean(true[-60 : -60 + n or None])), mean - float(np.mean(true))))
        average = taken / records
        air, quarter = (float(np.sqrt(np.mean(np.square(column)))) for column in zip(*errors, strict=True))
        charge = ACTIVE_MA * CELL_FACTOR * average
        rows.append(
            {
                "samples": most,
                "taken": round(average, 1),
                "mC_a_record": round(charge),
                "mAh_a_day": round(RECORDS_DAY * charge / 3600, 2),
                "of_all_pct": round(100 * average / (average + SETTLE_S)),
                "error_of_the_moment": round(air, 2),
                "error_of_the_quarter": round(quarter, 2),
            }
        )
    return rows


def main(arguments: list[str]) -> int:
    """Print the table."""
    rows = measure()
    if "--json" in arguments:
        print(json.dumps(rows, indent=1))
        return 0
    print(
        f"{'SAMPLES':<10}{'TAKEN':>7}{'mC':>7}{'mAh/DAY':>9}{'OF ALL':>8}{'ERROR NOW':>11}{'OF 15 MIN':>11}"
    )
    for r in rows:
        cost = f"{r['taken']:>7}{r['mC_a_record']:>7}{r['mAh_a_day']:>9}{r['of_all_pct']:>6} %"
        print(f"{r['samples']!s:<10}{cost}{r['error_of_the_moment']:>11}{r['error_of_the_quarter']:>11}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
