"""Heat days and showers by KNMI's definitions: warm 20, summer 25, tropical 30; heat wave 5 x 25, 3 x 30."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway.insight.clock import clock_of
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
    hours = midnight + HOUR * np.arange(24)
    lows, highs = 10.0 + np.arange(24), 12.0 + np.arange(24)
    assert days(hours, lows, highs, ZONE) == [Day(date(2026, 7, 1), 10.0, 35.0)]
    assert days(hours[:19], lows[:19], highs[:19], ZONE) == []
    assert days(hours[:0], lows[:0], highs[:0], ZONE) == []
    two = np.concatenate([hours[3:], hours + 3 * 24 * HOUR])  # days with holes before, in and between them
    assert days(two, np.tile(lows, 2)[3:], np.tile(highs, 2)[3:], ZONE) == [
        Day(date(2026, 7, 1), 13.0, 35.0),
        Day(date(2026, 7, 4), 10.0, 35.0),
    ]


@pytest.mark.parametrize("name", ["Europe/Amsterdam", "America/Paramaribo", "Asia/Kolkata", "Pacific/Apia"])
def test_many_moments_have_the_day_and_hour_of_the_clock_that_each_has(name: str) -> None:
    zone = ZoneInfo(name)
    start = 1_774_656_000_000  # 2026-03-28T00:00Z: the night before summer time begins in Europe
    starts = start + HOUR * np.array([0, 1, 2, 23, 24, 25, 26, 27, 5000, 5089, 5090, 5091, 5092])
    local = [datetime.fromtimestamp(ms / 1000, zone) for ms in starts.tolist()]
    ordinals, hours = clock_of(starts, zone)
    assert ordinals.tolist() == [moment.toordinal() for moment in local]
    assert hours.tolist() == [moment.hour for moment in local]


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
