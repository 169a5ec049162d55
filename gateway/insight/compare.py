"""One place against its neighbourhood, said only when it is more than the sensors can be wrong.

For each hour the place's mean is taken against the median of the others. The uncertainty has what sensors of
one type differ by (it does not average out over time) and how far the neighbours differ among themselves; a
difference counts from twice that on (coverage factor 2 of the GUM, about 95 %).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_SITES, LEAST_HOURS = 3, 6
COVERAGE = 2.0
# Standard uncertainty of one sensor in its place: datasheet accuracy and, outdoors, sun and siting. Own
# proposals, on the careful side: SHT3x +-0.3 K and 2 %RH, ICS-43434 within 1 dB, rain gauges +-5 %.
SENSOR_U = {"temperature": 0.4, "relative_humidity": 3.0, "laeq": 1.5, "soil_temperature": 0.5}
SENSOR_RELATIVE_U = {"pm2_5": 0.15, "pm10": 0.2}


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference to the neighbourhood and its expanded uncertainty, in the unit of the values."""

    value: float
    uncertainty: float
    sites: int
    hours: int

    @property
    def is_said(self) -> bool:
        """Tell whether the difference is larger than its uncertainty."""
        return abs(self.value) > self.uncertainty


def difference(
    quantity: str, own: Mapping[int, float], others: Sequence[Mapping[int, float]]
) -> Difference | None:
    """Return how a place differs; None with too few sites or hours, or no known uncertainty.

    own, others: mean by hour. An hour counts when the place and LEAST_SITES others were measured in it.
    """
    found: list[tuple[float, float, int, float]] = []
    for hour, mean in own.items():
        around = [other[hour] for other in others if hour in other]
        if len(around) >= LEAST_SITES:
            middle = median(around)
            spread = 1.4826 * median(abs(value - middle) for value in around)
            found.append((mean - middle, spread, len(around), middle))
    if len(found) < LEAST_HOURS:
        return None
    n = len(found)
    level = sum(row[3] for row in found) / n
    sensor = SENSOR_U.get(quantity, SENSOR_RELATIVE_U.get(quantity, 0.0) * abs(level))
    if not sensor:
        return None
    sites = min(row[2] for row in found)
    spread = sum(row[1] for row in found) / n
    u = math.sqrt(sensor**2 + sensor**2 / sites + spread**2 / sites)
    return Difference(sum(row[0] for row in found) / n, COVERAGE * u, sites, n)
