"""How good the place of a sensor is: from what its host answers, and from what two weeks of values give away.

Answers follow WMO-No. 8 (2018, volume I, chapter 1, annex 1.D, siting of land stations), Directive 2008/50/EC
annex III C (inlets 1.5 to 4 m high, free of obstacles) and ISO 1996-2:2017 (microphones away from
facades). From the values: sun on the sensor makes a peak at the same hours of clear days; a warm wall makes
nights warmer than those of the neighbours; indoors the day hardly moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from statistics import median

from gateway.insight.noise import HOUR_MS, local

LOOK_MS = 14 * 24 * HOUR_MS
LEAST_DAYS, LEAST_AROUND = 5, 2
SPIKE_K = 3.0  # above the neighbours, or above the mean of two hours before and after
SPIKE_SHARE = 0.3  # of the days
WARM_NIGHT_K = 1.5
INDOORS = 0.4  # of the neighbours' range of a day
YES, NO = "yes", "no"
FULL = 100


@dataclass(frozen=True, slots=True)
class Question:
    """What a host is asked; a "no" takes points away."""

    name: str
    points: int


QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "garden": (Question("shade", 25), Question("wall", 15), Question("height", 10), Question("open_sky", 20)),
    "air": (Question("inlet", 25), Question("free_air", 20), Question("no_source", 25)),
    "noise": (Question("facade", 20), Question("open_view", 15), Question("no_hum", 25)),
    "bin": (),
}
# What values give away, and how many points it takes.
SIGNS = {"sun": 30, "warm_wall": 15, "indoors": 60}
GOOD, FAIR = 80, 50  # points


@dataclass(frozen=True, slots=True)
class Score:
    """points None: nothing is known yet. found: names of questions answered with no, and of SIGNS."""

    points: int | None
    found: tuple[str, ...]
    figures: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def grade(self) -> str:
        """Return good, fair, poor or unknown."""
        if self.points is None:
            return "unknown"
        return "good" if self.points >= GOOD else "fair" if self.points >= FAIR else "poor"


Hours = Mapping[int, float]  # mean by start of the hour, ms


def score(
    kind: str,
    answers: Mapping[str, str],
    own: Hours,
    around: Sequence[Hours],
    zone: tzinfo,
) -> Score:
    """Return the score. own, around: temperatures here and at sites of the same kind nearby; may be empty."""
    found = [one for one in QUESTIONS.get(kind, ()) if answers.get(one.name) == NO]
    lost = sum(one.points for one in found)
    signs, figures = _signs(own, around, zone) if own else ((), {})
    is_known = bool(answers) or len({local(at, zone).date() for at in own}) >= LEAST_DAYS
    lost += sum(SIGNS[name] for name in signs)
    names = (*(one.name for one in found), *signs)
    return Score(max(0, FULL - lost) if is_known else None, names, figures)


def _signs(own: Hours, around: Sequence[Hours], zone: tzinfo) -> tuple[tuple[str, ...], dict[str, float]]:
    days: dict[str, list[tuple[int, int, float]]] = {}  # date -> (hour, start, temperature)
    for at, value in sorted(own.items()):
        moment = local(at, zone)
        days.setdefault(moment.date().isoformat(), []).append((moment.hour, at, value))
    whole = [day for day in days.values() if len(day) >= 20]
    if len(whole) < LEAST_DAYS:
        return (), {}
    middle = _middle(around)
    found: list[str] = []
    figures: dict[str, float] = {}
    spikes = [spike for day in whole if (spike := _spike(day, own, middle)) is not None]
    if len(spikes) >= SPIKE_SHARE * len(whole):
        found.append("sun")
        figures |= {
            "hour": float(median(hour for hour, _ in spikes)),
            "kelvin": median(size for _, size in spikes),
        }
    if middle:
        nights = [value - middle[at] for day in whole for hour, at, value in day if hour < 5 and at in middle]
        if nights and median(nights) >= WARM_NIGHT_K:
            found.append("warm_wall")
            figures["night"] = median(nights)
        both = [day for day in whole if all(at in middle for _, at, _ in day)]
        here = [_range(value for _, _, value in day) for day in both]
        there = [_range(middle[at] for _, at, _ in day) for day in both]
        if len(both) >= LEAST_DAYS and median(here) < INDOORS * median(there):
            found = ["indoors"]  # says it all
    return tuple(found), figures


def _middle(around: Sequence[Hours]) -> dict[int, float]:
    """Return the median of the neighbours of each hour with enough of them."""
    values: dict[int, list[float]] = {}
    for other in around:
        for at, value in other.items():
            values.setdefault(at, []).append(value)
    return {at: median(found) for at, found in values.items() if len(found) >= LEAST_AROUND}


def _spike(
    day: Sequence[tuple[int, int, float]], own: Hours, middle: Mapping[int, float]
) -> tuple[int, float] | None:
    """Return (hour, kelvin) of what sun put on top of a day, None for nothing."""
    by_hour = [row for row in day if 7 <= row[0] < 21]
    if middle:
        night = [value - middle[at] for hour, at, value in day if hour < 6 and at in middle]
        base = median(night) if night else 0.0
        sizes = [(hour, value - middle[at] - base) for hour, at, value in by_hour if at in middle]
    else:
        sizes = [
            (hour, value - (own[at - 2 * HOUR_MS] + own[at + 2 * HOUR_MS]) / 2)
            for hour, at, value in by_hour
            if at - 2 * HOUR_MS in own and at + 2 * HOUR_MS in own
        ]
    best = max(sizes, key=lambda row: row[1], default=(0, 0.0))
    return best if best[1] >= SPIKE_K else None


def _range(values: Iterable[float]) -> float:
    found = list(values)
    return max(found) - min(found)
