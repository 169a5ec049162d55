"""Microphones that are well and such that are not, over streets of made-up weather; false alarms are counted.

A street: 60 dBA by day, down to its own floor at night; wind and rain move all of a street alike each day
(standard deviation 2.5 dB), and each hour of a site moves by itself (1 dB).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from gateway.insight.microphone import (
    BAD,
    DAY_MS,
    DOUBT,
    GOOD,
    HOUR_MS,
    QUIET_DBA,
    SELF_NOISE_DBA,
    UNKNOWN,
    Judgement,
    floors,
    judge,
)

ZONE = ZoneInfo("Europe/Brussels")
NOW_MS = 1_774_900_000_000 // DAY_MS * DAY_MS  # 31 March 2026, in whose 29 days the clock is put forward
HOURS = 29 * 24
Change = Callable[[int, float], float]  # (hours ago, level) -> what a broken microphone makes of it


def street(seed: int, sites: int, spread_db: float = 1.0) -> list[list[tuple[int, float]]]:
    """Return the hours of the sites of a street."""
    rng = random.Random(seed)
    weather = [rng.gauss(0, 2.5) for _ in range(31)]
    floor = [rng.uniform(36, 46) for _ in range(sites)]
    found: list[list[tuple[int, float]]] = [[] for _ in range(sites)]
    for n in range(HOURS):
        start_ms = NOW_MS - (HOURS - n) * HOUR_MS
        hour = (start_ms // HOUR_MS + 2) % 24
        shape = 0.5 - 0.5 * math.cos(2 * math.pi * ((hour - 3) % 24) / 24)  # 0 at 3 h, 1 at 15 h
        for site in range(sites):
            level = floor[site] + (60 - floor[site]) * shape + weather[n // 24] + rng.gauss(0, spread_db)
            found[site].append((start_ms, level))
    return found


def look(hours: list[list[tuple[int, float]]], change: Change | None = None, around: int = 3) -> Judgement:
    """Judge the first site of a street beside the next ones."""
    own = hours[0]
    if change is not None:
        own = [(at, change((NOW_MS - at) // HOUR_MS, level)) for at, level in own]
    return judge(own, [floors(one, NOW_MS, ZONE) for one in hours[1 : 1 + around]], NOW_MS, ZONE)


def codes(found: Judgement) -> list[str]:
    return [one.code for one in found.findings]


def test_streets_that_are_well_are_called_so() -> None:
    streets = [street(seed, 4) for seed in range(100)]
    wrong = [seed for seed, one in enumerate(streets) if look(one).verdict != GOOD]
    alone = [seed for seed, one in enumerate(streets) if look(one, around=0).verdict != GOOD]
    assert len(wrong) <= 1, wrong
    assert len(alone) <= 1, alone


def test_a_microphone_that_drifts_beside_its_neighbours_is_found() -> None:
    def fades(hours_ago: int, level: float) -> float:
        return level - 5.0 if hours_ago < 8 * 24 else level

    def dies(hours_ago: int, level: float) -> float:
        return level - 9.0 if hours_ago < 8 * 24 else level

    streets = [street(seed, 4) for seed in range(40)]
    found = [look(one, fades) for one in streets]
    assert sum(one.verdict in (DOUBT, BAD) for one in found) >= 38
    assert all(one.findings[0].figures["change"] < 0 for one in found if one.findings)
    assert sum(look(one, dies).verdict == BAD for one in streets) >= 38
    # Without neighbours the weather is not known: only the large one is sure.
    assert sum(look(one, dies, 0).verdict == DOUBT for one in streets) >= 28


def test_weather_that_all_feel_is_no_drift() -> None:
    hours = [
        [(at, level + (6.0 if at > NOW_MS - 7 * DAY_MS else 0)) for at, level in one] for one in street(5, 4)
    ]
    assert look(hours).verdict == GOOD


@pytest.mark.parametrize(("low", "high"), [(51.0, 53.0), (33.0, 35.5)])
def test_a_level_that_hardly_moves_is_no_street(low: float, high: float) -> None:
    """esp32-i2s-slm#16: stuck at 51 to 53 dB."""
    rng = random.Random(1)
    found = look(street(1, 4), lambda _ago, _level: rng.uniform(low, high))
    assert found.verdict == BAD
    assert "flat" in codes(found)


def test_nights_far_above_those_around_are_doubted() -> None:
    found = look(street(3, 5), lambda _ago, level: max(level, 58.0), 4)
    assert "loud" in codes(found)
    # A level place near a motorway, 5 dB above its neighbours, is not.
    assert "loud" not in codes(look(street(3, 5), lambda _ago, level: level + 5.0, 4))


def test_too_few_nights_are_not_judged_and_doubted_values_are_told() -> None:
    hours = street(2, 1)[0]
    short = judge(hours[-3 * 24 :], [], NOW_MS, ZONE)
    assert (short.verdict, codes(short), short.floor) == (UNKNOWN, ["few_nights"], None)
    assert judge([], [], NOW_MS, ZONE).verdict == UNKNOWN
    assert judge([], [], NOW_MS, ZONE, is_doubted=True).verdict == BAD


THIRDS = [round(1000 * 10 ** (n / 10)) for n in range(-9, 10)]  # IEC 61260-1, base 10


@pytest.mark.parametrize(
    ("slope", "is_white"),
    [(3.0, True), (0.0, False), (-3.0, False)],  # white, pink (IEC: equal in each band), as traffic falls
)
def test_a_spectrum_as_of_white_noise_is_electric(slope: float, is_white: bool) -> None:
    rng = random.Random(4)
    bands = {float(hz): 40 + slope * math.log2(hz / 1000) + rng.gauss(0, 0.5) for hz in THIRDS}
    found = judge(street(9, 1)[0], [], NOW_MS, ZONE, bands)
    assert ("white" in codes(found)) is is_white


def test_the_quiet_limit_is_where_self_noise_adds_a_decibel() -> None:
    added = 10 * math.log10(10 ** (QUIET_DBA / 10) + 10 ** (SELF_NOISE_DBA / 10)) - QUIET_DBA
    assert added == pytest.approx(1.0, abs=0.01)
    quiet = judge([(at, level - 12) for at, level in street(8, 1)[0]], [], NOW_MS, ZONE)
    assert (quiet.verdict, codes(quiet)) == (GOOD, ["self_noise"])  # it says nothing against the microphone


def test_nights_are_those_of_the_clock_on_the_wall_also_when_it_is_put_forward() -> None:
    # On 29 March 2026 the hour from 2 to 3 does not exist: three hours of that night remain, and count.
    hours = [(NOW_MS - (HOURS - n) * HOUR_MS, 40.0) for n in range(HOURS)]
    found = floors(hours, NOW_MS, ZONE)
    assert len(found.recent) == 7
    assert len(found.before) in (21, 22)
