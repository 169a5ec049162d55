"""An order of stops: nearest next, then mended by turning stretches round while that shortens it (2-opt).

Straight lines, not streets: route software of a fleet knows those; this is the order to hand over or to start
from. Good within some per cent of the shortest for the tens of stops of one lorry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

METRES_PER_DEGREE = 111_320.0
MOST_FOR_MENDING = 400


def order(places: Sequence[tuple[float, float]]) -> list[int]:
    """Return the order of (longitude, latitude) to visit, beginning with the one furthest west."""
    if not places:
        return []
    scale = math.cos(math.radians(places[0][1]))
    flat = [(lon * scale * METRES_PER_DEGREE, lat * METRES_PER_DEGREE) for lon, lat in places]
    left = set(range(len(flat)))
    here = min(left, key=lambda i: flat[i])
    found = [here]
    left.remove(here)
    while left:
        here = min(left, key=lambda i: math.dist(flat[i], flat[found[-1]]))
        found.append(here)
        left.remove(here)
    if len(found) <= MOST_FOR_MENDING:
        _mend(found, flat)
    return found


def length_m(places: Sequence[tuple[float, float]], found: Sequence[int]) -> float:
    """Return the length of an order, as the crow flies."""
    scale = math.cos(math.radians(places[0][1])) if places else 1.0
    flat = [(places[i][0] * scale * METRES_PER_DEGREE, places[i][1] * METRES_PER_DEGREE) for i in found]
    return sum(math.dist(a, b) for a, b in pairwise(flat))


def _mend(found: list[int], flat: Sequence[tuple[float, float]]) -> None:
    """Turn stretches round in place. The first stop stays first; the last is free."""
    better = True
    while better:
        better = False
        for i in range(1, len(found) - 1):
            for j in range(i + 1, len(found)):
                before = math.dist(flat[found[i - 1]], flat[found[i]])
                after = math.dist(flat[found[i - 1]], flat[found[j]])
                if j + 1 < len(found):
                    before += math.dist(flat[found[j]], flat[found[j + 1]])
                    after += math.dist(flat[found[i]], flat[found[j + 1]])
                if after < before - 1e-6:
                    found[i : j + 1] = reversed(found[i : j + 1])
                    better = True
