"""The built-in city: the same at every call, smooth, within what a Flemish street can show."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest

from simulator.city import CityAt, street_life, weather

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_790_000_000_000_000

# Wide limits of what has been measured in Belgium: RMI records for temperature and humidity, ETSI-free
# common sense for the others. A value outside them is a bug, not weather.
_LIMITS = {
    "pm2_5": (0.0, 200.0),
    "pm10": (0.0, 300.0),
    "temperature": (-20.0, 40.0),
    "relative_humidity": (20.0, 100.0),
    "sound_level": (30.0, 95.0),
    "distance": (100.0, 1400.0),
    "rain_rate": (0.0, 100.0),
    "battery_voltage": (3.5, 4.2),
}


def test_two_cities_of_one_seed_agree_in_any_order_of_asking() -> None:
    times = [START_US + i * 977_000_123 for i in range(200)]
    a, b = CityAt(7, "site"), CityAt(7, "site")
    forward = {t: [a(q, t) for q in _LIMITS] for t in times}
    random.Random(1).shuffle(times)
    assert {t: [b(q, t) for q in _LIMITS] for t in times} == forward


def test_another_seed_and_another_site_differ() -> None:
    t = START_US
    assert CityAt(1, "a")("temperature", t) != CityAt(2, "a")("temperature", t)
    assert CityAt(1, "a")("pm2_5", t) != CityAt(1, "b")("pm2_5", t)


@pytest.mark.parametrize("quantity", sorted(_LIMITS))
def test_a_year_stays_within_limits(quantity: str) -> None:
    city = CityAt(3, "proefstraat-01")
    low, high = _LIMITS[quantity]
    values = [city(quantity, START_US + i * 7 * HOUR_US // 2) for i in range(2500)]
    assert low <= min(values) and max(values) <= high
    if quantity != "rain_rate":
        assert statistics.pstdev(values) > 0.01


def test_summer_is_warmer_than_winter_and_afternoon_than_night() -> None:
    july, january = 1_783_728_000_000_000, 1_768_435_200_000_000  # 2026-07-11, 2026-01-15, 00:00 UTC

    def mean(first_us: int, hour: int) -> float:
        return statistics.mean(
            weather.temperature_c(s, "x", first_us + d * DAY_US + hour * HOUR_US)
            for s in range(5)
            for d in range(10)
        )

    assert mean(july, 14) > mean(january, 14) + 8
    assert mean(july, 14) > mean(july, 3) + 3


def test_rush_hour_is_louder_and_dirtier_than_the_night() -> None:
    monday = 1_789_948_800_000_000  # 2026-09-21 00:00 UTC, a Monday
    assert street_life.weekday(monday) == 0
    days = [monday + d * DAY_US for d in range(5)]
    rush = [
        street_life.sound_level_dba(1, "x", d + 7 * HOUR_US + i * 60_000_000) for d in days for i in range(30)
    ]
    night = [
        street_life.sound_level_dba(1, "x", d + 2 * HOUR_US + i * 60_000_000) for d in days for i in range(30)
    ]
    assert statistics.mean(rush) > statistics.mean(night) + 10


def test_a_bin_fills_and_is_emptied() -> None:
    values = [street_life.bin_distance_mm(1, "bin", START_US + i * HOUR_US) for i in range(24 * 14)]
    emptied = [b - a for a, b in itertools.pairwise(values) if b - a > 150]
    assert 3 <= len(emptied) <= 8  # in two weeks
    falls = [a - b for a, b in itertools.pairwise(values)]
    assert max(falls) < 150  # it fills slowly


def test_the_rain_sum_is_the_integral_of_the_rate_and_never_falls() -> None:
    city = CityAt(5, "garden", START_US)
    sums = [city("rain_mm", START_US + i * 300_000_000) for i in range(12 * 24 * 20)]
    assert all(b >= a for a, b in itertools.pairwise(sums))
    rates = [city("rain_rate", START_US + i * 60_000_000 + 30_000_000) for i in range(60 * 24 * 20 - 5)]
    assert sums[-1] == pytest.approx(sum(rates) / 60, rel=0.01)
    assert 5 < sums[-1] < 400  # twenty days


def test_sound_is_constant_within_a_second() -> None:
    second = START_US - START_US % 1_000_000
    levels = {street_life.sound_level_dba(1, "x", second + i * 99_999) for i in range(11)}
    assert len(levels) == 1


def test_an_unknown_quantity_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        CityAt(1, "x")("ozone", START_US)


def test_as_much_rain_falls_on_the_street_as_on_uccle() -> None:
    """KMI, normals 1991-2020 at Uccle: 837 mm a year."""
    steps = range(START_US, START_US + 365 * 86_400_000_000, 900_000_000)
    years = [sum(weather.rain_rate_mm_h(seed, "a", t) for t in steps) / 4 for seed in range(1, 4)]
    assert sum(years) / 3 == pytest.approx(837, rel=0.15)
