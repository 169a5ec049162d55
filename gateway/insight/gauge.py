"""What a measured volume says of a rain gauge: how much rain one tip of its bucket stands for.

A factory's factor is not enough for cheap gauges, one of its own is (Geoscientific Instrumentation 13, 163,
2024, of 66 gauges). Poured fast, a bucket loses what falls while it tips, so a pour takes its time.
"""

from __future__ import annotations

from dataclasses import dataclass

WRAP = 65536  # of the counter (wire.measurements: rain_tips)
NOMINAL_MM = 0.2794  # of the usual gauge, 0.011 inch a tip
LEAST_TIPS = 50  # a tip more or less is then 2 %
VOLUME_ML = (50.0, 2000.0)
AREA_CM2 = (10.0, 1000.0)
OFF = (0.6, 1.67)  # times the nominal factor: what no gauge of this kind is
SLOW_MM_H = 50.0  # at most, while pouring
FEW_TIPS, TOO_FAR = "few_tips", "too_far"


@dataclass(frozen=True, slots=True)
class Poured:
    """A pour. fault: FEW_TIPS or TOO_FAR, "" when the factor can be used. uncertainty: of one tip, in %."""

    tips: int
    rain_mm: float
    mm_per_tip: float
    uncertainty_percent: float
    fault: str = ""


def poured(
    volume_ml: float, area_cm2: float, before: int, after: int, nominal_mm: float = NOMINAL_MM
) -> Poured:
    """Return what a pour of a volume into a funnel of an area says; before, after: counts of tips."""
    tips = (after - before) % WRAP
    rain_mm = 10 * volume_ml / area_cm2
    factor = rain_mm / tips if tips else 0.0
    fault = ""
    if tips < LEAST_TIPS:
        fault = FEW_TIPS
    elif not OFF[0] <= factor / nominal_mm <= OFF[1]:
        fault = TOO_FAR
    return Poured(tips, rain_mm, factor, 100 / tips if tips else 100.0, fault)


def needed_ml(area_cm2: float, nominal_mm: float = NOMINAL_MM) -> float:
    """Return the volume that makes enough tips, with a tenth more."""
    return 1.1 * LEAST_TIPS * nominal_mm * area_cm2 / 10


def minutes(volume_ml: float, area_cm2: float) -> float:
    """Return how long to take for a pour at least."""
    return 60 * 10 * volume_ml / area_cm2 / SLOW_MM_H
