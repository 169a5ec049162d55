"""How a microphone is doing, judged from four weeks of hours: what no single record can show.

The floor of a night is the quietest hour (LAeq) from 1 to 5 h, local time: a street falls to the same floor
each night, give or take the weather, which its neighbours feel as well. So a floor that creeps away from its
own past, with that of the neighbours taken off, is the microphone (humidity kills MEMS microphones outdoors:
hbitter/DNMS#36 and #58); a level that hardly moves between day and night is no street
(esp32-i2s-slm#16: "stuck at 51 to 53 dB"); and a spectrum that rises by 3 dB an octave is white, so electric.
Limits are proposals of our own, tried on simulated streets for false alarms (tests/gateway/insight).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from statistics import median

from gateway.insight.noise import HOUR_MS, local

DAY_MS = 24 * HOUR_MS
LOOK_MS = 29 * DAY_MS
NEAR_M = 1500.0
NIGHT_HOURS = range(1, 5)
LEAST_HOURS = 3  # of a night
LEAST_RECENT, LEAST_BEFORE = 4, 7  # nights
FLAT_DB, FLAT_HOURS = 3.0, 96
DRIFT_DB, BROKEN_DB = 3.0, 6.0  # with neighbours to compare with; without, the next pair
ALONE_DB, ALONE_BROKEN_DB = 6.0, 10.0
LEAST_AROUND = 2
LOUD_DB, LOUD_AROUND = 12.0, 3
SELF_NOISE_DBA = 29.0  # ICS-43434 datasheet: 65 dBA below 94 dB
# Self-noise adds 1 dB to a level that is 5.87 dB above it: 10 lg(1 + 10^-0.587) = 1.
QUIET_DBA = SELF_NOISE_DBA + 5.87
WHITE_FROM_DB, WHITE_REST_DB = 1.5, 2.5  # dB an octave, and how far bands may lie from that line
WHITE_FROM_HZ, WHITE_TO_HZ = 125.0, 8000.0

GOOD, DOUBT, BAD, UNKNOWN = "good", "doubt", "bad", "unknown"
_ORDER = (BAD, DOUBT, UNKNOWN, GOOD)
# code -> what it means for the verdict; "" says nothing against the microphone
FINDINGS = {
    "few_nights": UNKNOWN,
    "doubted": BAD,
    "flat": BAD,
    "drift": DOUBT,
    "broken": BAD,
    "loud": DOUBT,
    "white": DOUBT,
    "self_noise": "",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; figures: what the sentence about it names, in dB or numbers of nights."""

    code: str
    figures: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of a microphone. verdict: the worst of the findings. floor: of the last nights, dBA."""

    verdict: str
    findings: tuple[Finding, ...]
    floor: float | None
    nights: int


@dataclass(frozen=True, slots=True)
class Floors:
    """The floors of a site: of the last seven nights, and of the three weeks before."""

    recent: tuple[float, ...]
    before: tuple[float, ...]

    @property
    def level(self) -> float | None:
        """Return the floor of the last nights; None of too few."""
        return median(self.recent) if len(self.recent) >= LEAST_RECENT else None

    @property
    def change(self) -> float | None:
        """Return how far the floor moved; None where too few nights were measured."""
        if self.level is None or len(self.before) < LEAST_BEFORE:
            return None
        return self.level - median(self.before)


Hours = Sequence[tuple[int, float]]  # (start in ms, LAeq) of hours without doubt


def floors(hours: Hours, now_ms: int, zone: tzinfo) -> Floors:
    """Return the floors of the nights."""
    nights: dict[str, list[float]] = {}
    last: dict[str, int] = {}
    for start_ms, level in hours:
        moment = local(start_ms, zone)
        if moment.hour in NIGHT_HOURS:
            date = moment.date().isoformat()
            nights.setdefault(date, []).append(level)
            last[date] = start_ms
    whole = {date: min(levels) for date, levels in nights.items() if len(levels) >= LEAST_HOURS}
    recent = tuple(floor for date, floor in whole.items() if last[date] >= now_ms - 7 * DAY_MS)
    before = tuple(
        floor for date, floor in whole.items() if now_ms - LOOK_MS <= last[date] < now_ms - 7 * DAY_MS
    )
    return Floors(recent, before)


def judge(
    hours: Hours,
    around: Iterable[Floors],
    now_ms: int,
    zone: tzinfo,
    spectrum: Mapping[float, float] | None = None,
    is_doubted: bool = False,
) -> Judgement:
    """Judge a microphone. around: the floors of sites nearby. spectrum: band levels by centre in Hz.

    is_doubted: checks flagged most of what was measured in the last days.
    """
    own, near = floors(hours, now_ms, zone), list(around)
    found: list[Finding] = []
    if is_doubted:
        found.append(Finding("doubted"))
    elif own.level is None:
        found.append(Finding("few_nights", {"nights": len(own.recent), "needed": LEAST_RECENT}))
    found += [
        one
        for one in (_flat(hours, now_ms), _drift(own, near), _loud(own, near), _white(spectrum or {}))
        if one is not None
    ]
    if own.level is not None and own.level < QUIET_DBA:
        found.append(Finding("self_noise", {"level": QUIET_DBA}))
    verdict = next((one for one in _ORDER if any(FINDINGS[f.code] == one for f in found)), GOOD)
    return Judgement(verdict, tuple(found), own.level, len(own.recent))


def _flat(hours: Hours, now_ms: int) -> Finding | None:
    levels = sorted(level for start_ms, level in hours if start_ms >= now_ms - 7 * DAY_MS)
    if len(levels) < FLAT_HOURS:
        return None
    spread = levels[round(0.95 * (len(levels) - 1))] - levels[round(0.05 * (len(levels) - 1))]
    return Finding("flat", {"spread": spread}) if spread < FLAT_DB else None


def _drift(own: Floors, near: Sequence[Floors]) -> Finding | None:
    if own.change is None:
        return None
    changes = [one.change for one in near if one.change is not None]
    shared = len(changes) >= LEAST_AROUND
    change = own.change - (median(changes) if shared else 0.0)
    limits = (DRIFT_DB, BROKEN_DB) if shared else (ALONE_DB, ALONE_BROKEN_DB)
    if abs(change) < limits[0]:
        return None
    figures = {"change": change, "around": float(len(changes) if shared else 0)}
    return Finding("broken" if abs(change) >= limits[1] else "drift", figures)


def _loud(own: Floors, near: Sequence[Floors]) -> Finding | None:
    levels = [one.level for one in near if one.level is not None]
    if own.level is None or len(levels) < LOUD_AROUND:
        return None
    above = own.level - median(levels)
    return Finding("loud", {"above": above, "around": float(len(levels))}) if above >= LOUD_DB else None


def _white(spectrum: Mapping[float, float]) -> Finding | None:
    """Tell a spectrum that rises as white noise does in bands of constant ratio: 3 dB an octave."""
    bands = [(math.log2(hz), level) for hz, level in spectrum.items() if WHITE_FROM_HZ <= hz <= WHITE_TO_HZ]
    if len(bands) < 5:
        return None
    x0 = sum(x for x, _ in bands) / len(bands)
    y0 = sum(y for _, y in bands) / len(bands)
    slope = sum((x - x0) * (y - y0) for x, y in bands) / sum((x - x0) ** 2 for x, _ in bands)
    rest = math.sqrt(sum((y - y0 - slope * (x - x0)) ** 2 for x, y in bands) / len(bands))
    if slope < WHITE_FROM_DB or rest > WHITE_REST_DB:
        return None
    return Finding("white", {"slope": slope})
