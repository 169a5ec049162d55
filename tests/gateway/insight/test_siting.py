"""The place of a sensor from values and answers; what a poured volume says of a rain gauge."""

from __future__ import annotations

import math
import random
from zoneinfo import ZoneInfo

import pytest

from gateway.insight import gauge
from gateway.insight.siting import QUESTIONS, SIGNS, score

ZONE = ZoneInfo("Europe/Brussels")
HOUR = 3_600_000
START_MS = 1_782_860_400_000 // HOUR * HOUR  # around 1 July 2026
DAYS = 14


def garden(seed: int, site: int = 0) -> dict[int, float]:
    """Two weeks of July: 14 to 26 degrees, some days dull, sites 0.4 K apart."""
    weather, own = random.Random(seed), random.Random(1000 * seed + site)
    found: dict[int, float] = {}
    offset = own.gauss(0, 0.4)
    for day in range(DAYS):
        swing = weather.choice((3.0, 5.0, 6.0, 7.0))
        for hour in range(24):
            at = START_MS + (day * 24 + hour) * HOUR
            local = (at // HOUR + 2) % 24
            level = 20 - swing * math.cos(2 * math.pi * (local - 3) / 24)
            found[at] = level + offset + own.gauss(0, 0.3)
    return found


def sunny(values: dict[int, float], hour: int, kelvin: float) -> dict[int, float]:
    """Sun on the sensor at one hour of two days in three."""
    return {
        at: value + (kelvin if (at // HOUR + 2) % 24 == hour and (at // HOUR // 24) % 3 else 0.0)
        for at, value in values.items()
    }


def test_good_gardens_show_no_sign() -> None:
    wrong = 0
    for seed in range(100):
        around = [garden(seed, n) for n in (1, 2, 3)]
        wrong += bool(score("garden", {}, garden(seed), around, ZONE).found)
        wrong += bool(score("garden", {}, garden(seed), [], ZONE).found)
    assert wrong <= 2


@pytest.mark.parametrize("neighbours", [0, 3])
@pytest.mark.parametrize("hour", [9, 16])
def test_a_spike_at_the_same_hour_of_clear_days_is_too_much_sun(neighbours: int, hour: int) -> None:
    for seed in range(20):
        around = [garden(seed, n + 1) for n in range(neighbours)]
        found = score("garden", {}, sunny(garden(seed), hour, 6.0), around, ZONE)
        assert found.found == ("sun",)
        assert abs(found.figures["hour"] - hour) <= 1
        assert found.points == 100 - SIGNS["sun"]


def test_warm_nights_and_a_day_that_hardly_moves_are_told_by_the_neighbours() -> None:
    around = [garden(5, n) for n in (1, 2, 3)]
    warm = {at: value + 2.5 for at, value in garden(5).items()}
    assert score("garden", {}, warm, around, ZONE).found == ("warm_wall",)
    inside = {at: 21 + 0.15 * (value - 20) for at, value in garden(5).items()}
    found = score("garden", {}, inside, around, ZONE)
    assert found.found == ("indoors",)
    assert found.grade == "poor"


def test_answers_take_points_and_nothing_known_is_said_so() -> None:
    assert score("noise", {}, {}, [], ZONE).grade == "unknown"
    for kind, questions in QUESTIONS.items():
        answers = {one.name: "no" for one in questions}
        if answers:
            assert score(kind, dict.fromkeys(answers, "yes"), {}, [], ZONE).points == 100
            worst = score(kind, answers, {}, [], ZONE)
            assert worst.points == 100 - sum(one.points for one in questions)
            assert worst.found == tuple(answers)
    few = {at: value for at, value in garden(1).items() if at < START_MS + 3 * 24 * HOUR}
    assert score("garden", {}, few, [], ZONE).points is None


@pytest.mark.parametrize("true_mm", [0.2, 0.2794, 0.33])
@pytest.mark.parametrize("area", [55.0, 214.0])
@pytest.mark.parametrize("before", [0, 65_500])
def test_a_pour_gives_the_factor_within_two_per_cent(true_mm: float, area: float, before: int) -> None:
    """A bucket that tips at its own volume; what was in it at the start is unknown."""
    rng = random.Random(3)
    bucket_ml = true_mm * area / 10
    for _ in range(200):
        volume = max(gauge.needed_ml(area), 55 * bucket_ml) * rng.uniform(1.0, 1.5)
        tips = math.floor((volume + rng.uniform(0, bucket_ml)) / bucket_ml)
        found = gauge.poured(volume, area, before, (before + tips) % 65_536)
        assert found.fault == ""
        assert found.mm_per_tip == pytest.approx(true_mm, rel=0.02)
        assert found.uncertainty_percent <= 2


def test_a_pour_that_says_nothing_is_told_apart() -> None:
    assert gauge.poured(100, 55, 10, 10).fault == gauge.FEW_TIPS
    assert gauge.poured(100, 55, 10, 59).fault == gauge.FEW_TIPS
    # Half of it beside the funnel, or the wrong area.
    assert gauge.poured(300, 55, 0, 60).fault == gauge.TOO_FAR
    assert gauge.poured(200, 55, 0, 130).mm_per_tip == pytest.approx(0.2797, abs=1e-4)
    assert gauge.minutes(100, 55) == pytest.approx(21.8, abs=0.1)  # 18.2 mm at 50 mm/h
