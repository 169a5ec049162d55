"""Energy arithmetic against the vectors of Directive 2002/49/EC's formula, and days of 23 and 25 hours."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.insight.noise import HOUR_MS, calendar, energy_mean, lden, midnight_ms, part_of_day, parts

ZONE = ZoneInfo("Europe/Brussels")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_lden_of_known_levels() -> None:
    assert lden(60, 60, 60) == pytest.approx(66.4, abs=0.05)
    assert lden(60, 55, 50) == pytest.approx(60.0, abs=0.05)


def test_forty_and_eighty_are_seventy_seven() -> None:
    assert energy_mean([40, 80]) == pytest.approx(77.0, abs=0.05)
    assert energy_mean([]) is None


@given(st.lists(st.floats(20, 120), min_size=2, max_size=50), st.integers(1, 49))
def test_the_mean_of_means_is_the_mean_of_all(levels: list[float], cut: int) -> None:
    cut = min(cut, len(levels) - 1)
    first, rest = levels[:cut], levels[cut:]
    whole = energy_mean([energy_mean(first)] * len(first) + [energy_mean(rest)] * len(rest))  # type: ignore[list-item]
    assert whole == pytest.approx(energy_mean(levels), abs=1e-9)


def test_parts_of_the_day() -> None:
    assert [part_of_day(hour) for hour in (6, 7, 18, 19, 22, 23, 0)] == [
        "night", "day", "day", "evening", "evening", "night", "night",
    ]  # fmt: skip
    start = at("2026-06-01T00:00:00+02:00")
    levels = {"day": 60.0, "evening": 55.0, "night": 50.0}
    hours = [(start + h * HOUR_MS, levels[part_of_day(h)]) for h in range(24)]
    found = parts(hours, ZONE)
    assert (found.day, found.evening, found.night) == pytest.approx((60, 55, 50))
    assert found.lden == pytest.approx(60.0, abs=0.05)
    few = parts(hours[7:12], ZONE)  # five hours of the day are too few to speak for twelve
    assert (few.day, few.lden, few.hours) == (None, None, 5)


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-06-01", 24)])
def test_a_calendar_day_has_the_hours_that_it_had(day: str, hours: int) -> None:
    start = midnight_ms(at(f"{day}T12:00:00+01:00"), ZONE)
    end = midnight_ms(start, ZONE, 1)
    assert (end - start) // HOUR_MS == hours
    (found,) = calendar(start + HOUR_MS * np.arange(hours), np.full(hours, 50.0), ZONE)
    assert found.date == day
    assert found.parts.hours == hours
    assert found.parts.lden == pytest.approx(56.4, abs=0.05)  # 50 dB all day: +6.4
    assert set(found.hours) == set(range(24)) - ({2} if hours == 23 else set())
