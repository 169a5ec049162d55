"""Forecasts of bins: known patterns come out, and simulated weeks are better than fixed rounds."""

from __future__ import annotations

import json
import random
from zoneinfo import ZoneInfo

import pytest

from gateway.insight.bins import HORIZON_H, emptyings, forecast, is_due, learn
from gateway.insight.noise import HOUR_MS, local
from gateway.insight.route import length_m, order
from tests.bench import waste

ZONE = ZoneInfo("Europe/Amsterdam")
START = waste.START_MS  # midnight


def steady(days: int, per_hour: float = 1.0, noise: float = 0.0) -> list[tuple[int, float]]:
    """A bin that fills evenly and is emptied at seven when above 60."""
    rng, fill = random.Random(1), 0.0
    found: list[tuple[int, float]] = []
    for hour in range(days * 24):
        at = START + hour * HOUR_MS
        if local(at, ZONE).hour == 7 and fill > 60:
            fill = 0.0
        fill = min(100.0, fill + per_hour)
        found.append((at, fill + rng.gauss(0, noise) if noise else fill))
    return found


def test_an_even_bin_is_full_when_arithmetic_says_so() -> None:
    hours = steady(28)
    found = forecast(hours, ZONE)
    assert found is not None
    assert found.hours_to_full == pytest.approx(90 - hours[-1][1], abs=3)
    assert found.early_h is not None
    assert found.late_h is not None
    assert found.early_h <= found.hours_to_full <= found.late_h
    assert found.confidence in ("good", "fair")


def test_few_days_are_called_unsure_and_a_full_bin_is_full_now() -> None:
    few = forecast(steady(2), ZONE)
    assert few is not None
    assert few.confidence == "poor"
    full = forecast([(START, 95.0)], ZONE)
    assert full is not None
    assert full.hours_to_full == 0.0
    assert is_due(full, full.at_ms)
    assert forecast([], ZONE) is None


def test_a_bin_that_takes_nothing_is_not_due_within_a_week() -> None:
    still = [(START + h * HOUR_MS, 20.0) for h in range(28 * 24)]
    found = forecast(still, ZONE)
    assert found is not None
    assert found.hours_to_full is None
    assert found.risk(found.at_ms + HORIZON_H * HOUR_MS) < 0.2


def test_risk_grows_with_time() -> None:
    found = forecast(steady(28, noise=2.0), ZONE)
    assert found is not None
    risks = [found.risk(found.at_ms + h * HOUR_MS) for h in range(0, HORIZON_H, 6)]
    assert risks == sorted(risks)


def test_a_market_day_is_learnt() -> None:
    hours: list[tuple[int, float]] = []
    fill = 0.0
    for hour in range(28 * 24):
        at = START + hour * HOUR_MS
        moment = local(at, ZONE)
        fill = 0.0 if moment.hour == 7 else fill + (3.0 if moment.weekday() == 2 else 1.0)
        hours.append((at, fill))
    pattern = learn(hours, ZONE)
    wednesday = pattern.by_weekday[2]
    assert wednesday == max(pattern.by_weekday)
    assert wednesday > 1.7 * pattern.by_weekday[0]


def test_emptyings_are_falls_of_forty_points_and_no_hole_invents_one() -> None:
    hours = steady(14)
    found = emptyings(hours)
    assert all(before > 60 for _, before in found)
    assert all(local(at, ZONE).hour == 7 for at, _ in found)
    assert emptyings([(START, 50.0), (START + HOUR_MS, 15.0)]) == []
    assert len(emptyings([(START, 90.0), (START + HOUR_MS, 40.0), (START + 2 * HOUR_MS, 5.0)])) == 1


def test_a_simulated_quarter_has_fewer_stops_and_fewer_overflows_than_rounds_every_second_day() -> None:
    found = json.loads(json.dumps(waste.measure(12, 60, 2, waste.RISK)))
    told, rounds = found["forecast"], found["fixed"]["2"]
    assert told["pick_ups"] < rounds["pick_ups"]
    assert told["overflows"] < rounds["overflows"]


def test_a_route_visits_all_and_is_no_longer_than_as_given() -> None:
    rng = random.Random(3)
    places = [(4.9 + rng.random() / 50, 52.37 + rng.random() / 50) for _ in range(40)]
    found = order(places)
    assert sorted(found) == list(range(40))
    assert length_m(places, found) < 0.5 * length_m(places, range(40))
    ring = [(4.9, 52.0), (4.91, 52.0), (4.92, 52.0), (4.93, 52.0)]
    assert order(ring) == [0, 1, 2, 3]
    assert order([]) == []
