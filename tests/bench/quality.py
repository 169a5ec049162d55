"""A city with known faults before the checks: found and falsely accused. `python -m tests.bench.quality`.

--sites N (60)  --days N (24)  --seed N (1)

Truth: weather and season of a town, microclimates of each place, particulate matter with rush hours, local
stoves and a foggy night; three tenths of the sites have one fault for the second half of the time. Sensors
report each 10 minutes. An hour of a faulty series counts as found when any check flagged it or the month it
is in; an hour of a healthy series that was flagged is a false alarm. Fog says something of the air, not of
the sensor, and is counted by itself: `unfounded` where no humidity of the hour reached 95 %. Sizes of faults
and microclimates are estimates, named in FAULTS and Town.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.model import Decoded, Reading
from gateway.quality import Judge
from gateway.quality.network import Member, Network

Floats = NDArray[np.float64]
STEP_MS = 600_000
HOUR_MS = 3_600_000
START_MS = 1_760_000_400_000 // HOUR_MS * HOUR_MS
PER_HOUR = 6


@dataclass
class Town:
    """Temperature (Cel), humidity (%) and PM2.5 (µg/m³) at all sites: (times x sites)."""

    temperature: Floats
    humidity: Floats
    pm2_5: Floats
    longitudes: Floats
    latitudes: Floats
    damp: NDArray[np.bool_]  # (hours x sites): a humidity of the hour reached 95 %


def town(sites: int, days: int, rng: np.random.Generator) -> Town:
    """Make a town without faults. Microclimate: sd 0.6 K, evening heat island up to 2 K, PM sd 15 %."""
    n = days * 24 * PER_HOUR
    hours = np.arange(n) / PER_HOUR
    hour = hours % 24
    slow = np.cumsum(rng.normal(0, 0.05, n))
    slow -= np.linspace(0, slow[-1], n)
    daily = -4 * np.cos((hour - 3) * 2 * math.pi / 24)
    island = rng.uniform(0, 2, sites)
    own = rng.normal(0, 0.6, sites)
    evening = np.exp(-(((hour - 23 + 12) % 24 - 12) ** 2) / 18)
    temperature = (
        12
        + slow[:, None]
        + daily[:, None]
        + own
        + island * evening[:, None]
        + rng.normal(0, 0.15, (n, sites))
    )
    day = (hours // 24).astype(int)
    foggy = np.isin(day, rng.choice(days, max(1, days // 6), replace=False)) & ((hour < 8) | (hour > 22))
    humidity = (
        78
        - 3.2 * (temperature - temperature.mean())
        + rng.normal(0, 2, sites)
        + rng.normal(0, 0.7, (n, sites))
    )
    humidity = np.where(foggy[:, None], 97.5 + rng.normal(0, 0.6, (n, sites)), humidity)
    humidity = np.clip(humidity, 20, 99.9)
    background = np.exp(
        2.2 + 0.5 * np.convolve(rng.normal(0, 1, n + 287), np.ones(288) / math.sqrt(288), "valid")
    )
    rush = 1 + 0.5 * (np.exp(-((hour - 8) ** 2) / 2) + np.exp(-((hour - 18) ** 2) / 4))
    gain = np.exp(rng.normal(0, 0.15, sites))
    pm = background[:, None] * rush[:, None] * gain * np.exp(rng.normal(0, 0.08, (n, sites)))
    stove = rng.random(sites) < 0.1  # a neighbour's wood stove, some evenings: true, local, not a fault
    burns = stove[None, :] & (rng.random((days, sites)) < 0.3)[day] & ((hour > 19) & (hour < 22))[:, None]
    pm = np.where(burns, pm * 1.8, pm)
    pm *= 1 + 0.22 / 1.65 * np.clip(humidity, 0, 97) / (100 - np.clip(humidity, 0, 97))  # swollen in damp air
    return Town(
        temperature,
        humidity,
        pm,
        4.35 + rng.uniform(0, 0.1, sites),
        51.03 + rng.uniform(0, 0.06, sites),
        (np.round(humidity, 1) >= 95).reshape(-1, PER_HOUR, sites).any(axis=1),
    )


Fault = Callable[[Town, int, slice, np.random.Generator], str]


def _stuck(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.temperature[when, site] = round(float(t.temperature[when.start, site]), 2)
    return "temperature"


def _sun(t: Town, site: int, when: slice, rng: np.random.Generator) -> str:
    """Hang in the sun: up to 7 K at noon. Only the hours of sun count."""
    hour = (np.arange(len(t.temperature)) / PER_HOUR % 24)[when]
    t.temperature[when, site] += 7 * np.exp(-((hour - 13) ** 2) / 5) * rng.uniform(0.8, 1.0)
    return "temperature@sun"


def _indoors(t: Town, site: int, when: slice, rng: np.random.Generator) -> str:
    n = len(t.temperature[when])
    t.temperature[when, site] = 20.5 + np.cumsum(rng.normal(0, 0.01, n)) + rng.normal(0, 0.1, n)
    return "temperature"


def _wet(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.humidity[when, site] = 99.9
    return "relative_humidity"


def _offset(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.temperature[when, site] += 4
    return "temperature"


def _spider(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.pm2_5[when, site] = t.pm2_5[when, site] * 12 + 20
    return "pm2_5"


def _fan(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.pm2_5[when, site] *= 0.15
    return "pm2_5"


def _aged(t: Town, site: int, when: slice, _: np.random.Generator) -> str:
    t.pm2_5[when, site] *= 1.9
    return "pm2_5"


FAULTS: dict[str, Fault] = {
    "stuck temperature": _stuck,
    "sun on the housing, 7 K": _sun,
    "moved indoors": _indoors,
    "humidity stuck at 99.9 %": _wet,
    "temperature 4 K off": _offset,
    "spider in the inlet, x12": _spider,
    "dead fan, x0.15": _fan,
    "aged laser, x1.9": _aged,
}


@dataclass
class Score:
    """Hours by fault: there were, found at all, found by which flag; and the false alarms of healthy ones."""

    hours: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    by_flag: dict[str, dict[str, int]] = field(default_factory=dict)
    healthy: dict[str, int] = field(default_factory=dict)
    alarms: dict[str, int] = field(default_factory=dict)
    fog_hours: int = 0
    fog_flagged: int = 0
    fog_elsewhere: int = 0


def run(sites: int, days: int, seed: int) -> Score:
    """Judge a town and count."""
    rng = np.random.default_rng(seed)
    t = town(sites, days, rng)
    n = len(t.temperature)
    half = slice(n // 2, n)
    broken = rng.permutation(sites)[: int(sites * 0.3) // len(FAULTS) * len(FAULTS) or len(FAULTS)]
    kinds = list(FAULTS)
    faults = {int(site): kinds[number % len(kinds)] for number, site in enumerate(broken)}
    touched = {site: FAULTS[kind](t, site, half, rng) for site, kind in faults.items()}
    flags = _flags(t)
    score = Score()
    for site in range(sites):
        _count(score, t, site, faults.get(site), touched.get(site, ""), flags, n // 2 // PER_HOUR)
    return score


Flags = dict[tuple[str, int], list[set[str]]]  # (quantity, site) -> flags of each hour


def _flags(t: Town) -> Flags:
    n, sites = t.temperature.shape
    hours = n // PER_HOUR
    names = ("temperature", "relative_humidity", "pm2_5")
    found: Flags = {(name, site): [set() for _ in range(hours)] for name in names for site in range(sites)}
    means = {name: np.full((hours, sites), np.nan) for name in names}
    for site in range(sites):
        judge = Judge(lambda _: ())
        place = _Place(f"s{site}")
        kept: dict[str, list[list[float]]] = {name: [[] for _ in range(hours)] for name in names}
        for step in range(n):
            values = (t.temperature[step, site], t.humidity[step, site], t.pm2_5[step, site])
            digits = (2, 1, 1)
            readings = tuple(
                Reading(name, "?", round(float(value), digit), "ok")
                for name, value, digit in zip(names, values, digits, strict=True)
            )
            at = START_MS + step * STEP_MS
            for one in judge.observations(Decoded("e", step, at, "network", at, readings), place):
                found[one.quantity, site][step // PER_HOUR].update(one.flags)
                if not one.flags and one.value is not None:
                    kept[one.quantity][step // PER_HOUR].append(one.value)
        for name in names:
            means[name][:, site] = [float(np.mean(hour)) if hour else np.nan for hour in kept[name]]
    network = Network([Member(f"s{i}", float(t.longitudes[i]), float(t.latitudes[i])) for i in range(sites)])
    reviewer = network.reviewer(network.districts[0])
    for name in names:
        # The month is judged at the end, over the second half: what a daily look would say by then.
        later = hours // 2
        looks = reviewer.hours(name, START_MS, means[name])
        looks += reviewer.period(name, START_MS + later * HOUR_MS, means[name][later:])
        for one in looks:
            first, last = (one.from_ms - START_MS) // HOUR_MS, (one.to_ms - START_MS) // HOUR_MS
            for hour in range(first, min(last, hours)):
                found[name, int(one.site_id[1:])][hour].add(one.flag)
    return found


@dataclass
class _Place:
    id: str
    empty_mm: float | None = None
    full_mm: float | None = None
    rain_mm_per_tip: float | None = None


def _count(
    score: Score, t: Town, site: int, fault: str | None, touched: str, flags: Flags, from_hour: int
) -> None:
    wrong, _, only_sun = touched.partition("@")
    for quantity in ("temperature", "relative_humidity", "pm2_5"):
        for hour, raised in enumerate(flags[quantity, site]):
            if quantity == "pm2_5" and touched != "relative_humidity":
                damp = bool(t.damp[hour, site])
                score.fog_hours += damp
                score.fog_flagged += damp and "fog" in raised
                score.fog_elsewhere += not damp and "fog" in raised
            told = raised - {"fog"}
            if fault and quantity == wrong and hour >= from_hour:
                if only_sun and not 12 <= hour % 24 <= 14:
                    continue
                score.hours[fault] = score.hours.get(fault, 0) + 1
                score.found[fault] = score.found.get(fault, 0) + bool(told)
                for flag in told:
                    by = score.by_flag.setdefault(fault, {})
                    by[flag] = by.get(flag, 0) + 1
            elif fault is None:
                score.healthy[quantity] = score.healthy.get(quantity, 0) + 1
                score.alarms[quantity] = score.alarms.get(quantity, 0) + bool(told)


def main() -> None:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=60)
    parser.add_argument("--days", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    score = run(args.sites, args.days, args.seed)
    faults = {
        fault: {
            "hours": score.hours[fault],
            "found_percent": round(100 * score.found[fault] / score.hours[fault], 1),
            "by": dict(sorted(score.by_flag.get(fault, {}).items(), key=lambda item: -item[1])),
        }
        for fault in score.hours
    }
    healthy = {
        quantity: {"hours": hours, "false_alarms_percent": round(100 * score.alarms[quantity] / hours, 2)}
        for quantity, hours in score.healthy.items()
    }
    fog = {"hours": score.fog_hours, "flagged": score.fog_flagged, "unfounded": score.fog_elsewhere}
    print(json.dumps({"faults": faults, "healthy": healthy, "fog": fog}, indent=1))


if __name__ == "__main__":
    main()
