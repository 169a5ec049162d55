"""When a bin is full, how sure that is, and which bins to empty tomorrow.

A bin's own history gives what comes in by hour of the day, and how the days of the week differ (a market, a
quiet Sunday); days differ from that pattern by some factor, which is learnt too. A forecast adds what is
expected to what is there. Emptying is a fall of 40 points or more within two hours. Nothing here looks into
the future: a forecast is made of what was measured before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise

from gateway.insight.noise import HOUR_MS, local

FULL = 90.0
EMPTYING = 40.0
HORIZON_H = 7 * 24
LEAST_DAYS = 3
NOISE = 3.0  # points: what two readings of the same heap differ by
LEAST_DAY_FACTOR, USUAL_DAY_FACTOR = 0.2, 0.5  # standard deviation of a day against its pattern
PRIOR_DAYS = 4.0  # how many days the usual day factor weighs
PRIOR_WEEKS = 1.0  # how many weeks "like any other day" weighs
SURE_Z = 1.2816  # 80 % of outcomes lie between early and late


@dataclass(frozen=True, slots=True)
class Pattern:
    """What comes into a bin: points by local hour, factors of weekdays from Monday, and of single days."""

    by_hour: tuple[float, ...]
    by_weekday: tuple[float, ...]
    day_factor: float
    days: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """hours_to_full: expected; early_h, late_h: 80 % of outcomes. None: not within a week."""

    fill: float
    at_ms: int
    hours_to_full: float | None
    early_h: float | None
    late_h: float | None
    confidence: str  # good, fair, poor
    expected: tuple[tuple[float, float], ...]  # by hour from at_ms: (mean of what is added, its deviation)

    def risk(self, until_ms: int, full: float = FULL) -> float:
        """Return the probability that the bin is full at a moment, if nobody empties it."""
        hours = min(len(self.expected), max(0, math.ceil((until_ms - self.at_ms) / HOUR_MS)))
        if not hours:
            return 1.0 if self.fill >= full else 0.0
        mean, deviation = self.expected[hours - 1]
        return 0.5 * (1 + math.erf((self.fill + mean - full) / (deviation * math.sqrt(2))))


def emptyings(hours: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return (when, fill before) of each emptying in a series of (start of the hour, fill in %)."""
    found: list[tuple[int, float]] = []
    for i in range(1, len(hours)):
        at_ms, fill = hours[i]
        before = max(value for _, value in hours[max(0, i - 2) : i])
        is_new = not found or at_ms - found[-1][0] > 2 * HOUR_MS
        if before - fill >= EMPTYING and is_new:
            found.append((at_ms, before))
    return found


def learn(hours: Sequence[tuple[int, float]], zone: tzinfo) -> Pattern:
    """Return the pattern of a bin from its hours, oldest first. Few days are drawn towards a usual bin."""
    sums, counts = [0.0] * 24, [0] * 24
    per_day: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for (before_ms, before), (at_ms, fill) in pairwise(hours):
        change = fill - before
        # Holes in the series tell no hour; a full bin takes nothing more, whatever comes.
        if at_ms - before_ms != HOUR_MS or change <= -EMPTYING / 2 or before >= 98:
            continue
        at = local(before_ms, zone)
        sums[at.hour] += change
        counts[at.hour] += 1
        per_day.setdefault((at.toordinal(), at.weekday()), []).append((at.hour, change))
    total, n = sum(sums), sum(counts)
    level = max(0.05, total / n) if n else 1.0
    by_hour = tuple(max(0.0, (sums[hour] + 2 * level) / (counts[hour] + 2)) for hour in range(24))
    shares: dict[int, list[float]] = {weekday: [] for weekday in range(7)}
    for (_, weekday), rows in per_day.items():
        if len(rows) >= 12:
            expected = sum(by_hour[hour] for hour, _ in rows)
            shares[weekday].append(max(0.0, sum(change for _, change in rows)) / max(0.5, expected))
    by_weekday = tuple((sum(found) + PRIOR_WEEKS) / (len(found) + PRIOR_WEEKS) for found in shares.values())
    rest = [share / by_weekday[weekday] - 1 for weekday, found in shares.items() for share in found]
    days = len(rest)
    variance = (sum(one * one for one in rest) + PRIOR_DAYS * USUAL_DAY_FACTOR**2) / (days + PRIOR_DAYS)
    return Pattern(by_hour, by_weekday, max(LEAST_DAY_FACTOR, math.sqrt(variance)), days)


def forecast(
    hours: Sequence[tuple[int, float]], zone: tzinfo, pattern: Pattern | None = None, full: float = FULL
) -> Forecast | None:
    """Return the forecast from the newest hour on; None without any value."""
    if not hours:
        return None
    pattern = pattern or learn(hours, zone)
    at_ms, fill = hours[-1][0] + HOUR_MS, hours[-1][1]
    mean = whole_days = today = 0.0
    day = local(at_ms, zone).toordinal()
    expected: list[tuple[float, float]] = []
    crossed: list[float | None] = [None, None, None]  # early, expected, late
    for hour in range(HORIZON_H):
        at = local(at_ms + hour * HOUR_MS, zone)
        if at.toordinal() != day:
            day, whole_days, today = at.toordinal(), whole_days + (pattern.day_factor * today) ** 2, 0.0
        added = pattern.by_hour[at.hour] * pattern.by_weekday[at.weekday()]
        mean += added
        today += added
        learnt = (pattern.day_factor * mean) ** 2 / (pattern.days + PRIOR_DAYS)
        deviation = math.sqrt(whole_days + (pattern.day_factor * today) ** 2 + learnt + NOISE**2)
        expected.append((mean, deviation))
        for i, z in enumerate((SURE_Z, 0.0, -SURE_Z)):
            if crossed[i] is None and fill + mean + z * deviation >= full:
                crossed[i] = hour + 1.0
    early, middle, late = (0.0, 0.0, 0.0) if fill >= full else crossed
    return Forecast(fill, at_ms, middle, early, late, _confidence(pattern, early, late), tuple(expected))


def _confidence(pattern: Pattern, early: float | None, late: float | None) -> str:
    if pattern.days < LEAST_DAYS:
        return "poor"
    width = (late if late is not None else HORIZON_H) - (early or 0.0)
    return "good" if width <= 24 else "fair" if width <= 72 else "poor"


# A bin is on the list when the risk that it is full before the round after this one is above this. Chosen on
# simulated years (`python -m tests.bench.waste`): fewer stops than rounds every second day, and less than
# half of their overflows. Lower means fewer overflows for more stops.
RISK = 0.5


def is_due(found: Forecast, next_but_one_ms: int, risk: float = RISK) -> bool:
    """Tell whether a bin must be emptied in the coming round: it may not last until the one after."""
    return found.risk(next_but_one_ms) >= risk
