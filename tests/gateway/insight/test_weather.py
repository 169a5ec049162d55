"""Heat days and showers by KNMI's definitions: warm 20, summer 25, tropical 30; heat wave 5 x 25, 3 x 30."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.insight.heat import Day, days, heat
from gateway.insight.rain import showers

ZONE = ZoneInfo("Europe/Amsterdam")
MINUTE, HOUR = 60_000, 3_600_000
T0 = 1_780_000_000_000


def summer(*highs: float, low: float = 15.0, start: date = date(2026, 7, 1)) -> list[Day]:
    return [Day(start + timedelta(days=i), low, high) for i, high in enumerate(highs)]


def test_days_at_their_bounds() -> None:
    found = heat(summer(19.9, 20.0, 24.9, 25.0, 29.9, 30.0))
    assert (found.days, found.warm, found.summer, found.tropical) == (6, 5, 3, 1)
    assert heat(summer(26.0, low=20.0)).tropical_nights == 1
    assert heat(summer(26.0, low=19.9)).tropical_nights == 0


@pytest.mark.parametrize(
    ("highs", "waves"),
    [
        ((30, 30, 30, 25, 25), 1),
        ((30, 30, 30, 25), 0),
        ((30, 30, 29.9, 25, 25), 0),
        ((30, 30, 24.9, 30, 25, 25, 25), 0),
        ((31, 31, 31, 31, 31, 20, 31, 31, 31, 31, 31), 2),
    ],
)
def test_heat_waves(highs: tuple[float, ...], waves: int) -> None:
    assert len(heat(summer(*highs)).waves) == waves


def test_a_missing_day_breaks_a_heat_wave() -> None:
    first = summer(31, 31, 31)
    assert heat([*first, *summer(31, 31, start=date(2026, 7, 5))]).waves == ()


def test_a_day_counts_with_twenty_of_its_hours() -> None:
    midnight = 1_782_856_800_000  # 2026-07-01T00:00 in Amsterdam
    hours = [(midnight + h * HOUR, 10.0 + h, 12.0 + h) for h in range(24)]
    assert days(hours, ZONE) == [Day(date(2026, 7, 1), 10.0, 35.0)]
    assert days(hours[:19], ZONE) == []


def test_showers_are_parted_by_two_dry_hours() -> None:
    rain = [(T0 + i * 5 * MINUTE, 1.0 if i in (1, 2, 20, 60) else 0.0) for i in range(80)]
    first, second = showers(rain)
    assert (first.start_ms, first.end_ms, first.total_mm) == (T0, T0 + 100 * MINUTE, 3.0)
    assert (second.total_mm, second.start_ms) == (1.0, T0 + 59 * 5 * MINUTE)
    assert first.peak_mm_h == pytest.approx(12.0)  # 1 mm in 5 minutes
    assert not first.is_cloudburst


def test_a_cloudburst_and_what_is_no_rain() -> None:
    (found,) = showers([(T0, 0.0), (T0 + 5 * MINUTE, 10.0)])
    assert found.is_cloudburst
    assert found.peak_mm_h == pytest.approx(120.0)
    assert showers([(T0, 0.0), (T0 + MINUTE, 0.2794)]) == []  # one tip is no shower
    assert showers([]) == []
