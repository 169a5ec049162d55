"""The town: the same in any order, plausible for Flanders by figures not its own, and its special days."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from simulator.city import Town
from simulator.city.clock import hour, local_us
from simulator.city.fields import correlation, curve
from simulator.places import Place, Places

YEAR_US = round(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
HOURLY = YEAR_US + np.arange(365 * 24, dtype=np.int64) * 3_600_000_000
STREET = Place("street", 0.0, 0.0, greenery=0.05, traffic=1.0)
PARK = Place("park", 700.0, 300.0, greenery=0.95, traffic=0.05)
PLACES = Places.of([STREET, PARK])
QUANTITIES = (
    "temperature", "relative_humidity", "rain_rate", "pm1", "pm2_5", "pm4", "pm10", "sound_level", "distance",
    "battery_mv",
    "pressure_hpa", "co2_ppm", "soil_temperature_c", "soil_moisture_pct", "router_on", "indoors", "fog",
)  # fmt: skip


@pytest.fixture(scope="module")
def town() -> Town:
    return Town(1)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_any_order_any_company_the_same(town: Town, quantity: str) -> None:
    times = HOURLY[:50] + 123_456_789
    together = town.sample(quantity, PLACES, times)
    assert together.shape == (2, 50) and np.isfinite(together).all()
    alone = Town(1).sample(quantity, Places.of([PARK]), times[::-1][:7])
    assert np.array_equal(alone[0], together[1, ::-1][:7])


def test_a_source_says_what_the_town_says(town: Town) -> None:
    at = town.source(STREET, YEAR_US)
    for quantity, name in (
        ("temperature_c", "temperature"),
        ("pm2_5_ug_m3", "pm2_5"),
        ("sound_level", "sound_level"),
    ):
        for now_us in (YEAR_US, YEAR_US + 3_600_000_000, YEAR_US + 640_000_000):
            assert at(quantity, now_us) == pytest.approx(
                town.sample(name, Places.of([STREET]), np.array([now_us]))[0, 0]
            )
    assert at("rain_mm", YEAR_US + 86_400_000_000) >= 0.0
    with pytest.raises(KeyError):
        at("luck", YEAR_US)


def test_the_climate_is_that_of_uccle(town: Town) -> None:
    """KMI, normals 1991-2020 at Uccle: 11.0 in the year, 3.7 in January, 18.7 in July, 837 mm."""
    months = HOURLY.astype("datetime64[us]").astype("datetime64[M]").astype(int) % 12
    country = np.array(
        [Town(seed).sample("temperature", Places.of([PARK]), HOURLY)[0] for seed in range(1, 5)]
    )
    assert country.mean() == pytest.approx(11.0, abs=1.0)
    assert country[:, months == 0].mean() == pytest.approx(3.7, abs=1.7)
    assert country[:, months == 6].mean() == pytest.approx(18.7, abs=1.7)
    steps = YEAR_US + np.arange(365 * 288, dtype=np.int64) * 300_000_000
    rain_mm = np.mean(
        [Town(seed).sample("rain_rate", Places.of([PARK]), steps)[0].sum() / 12 for seed in range(1, 4)]
    )
    assert rain_mm == pytest.approx(837, rel=0.25)


def test_streets_keep_heat_on_calm_nights(town: Town) -> None:
    t = town.sample("temperature", PLACES, HOURLY)
    island = t[0] - t[1]
    night = (HOURLY // 3_600_000_000 % 24 >= 23) | (HOURLY // 3_600_000_000 % 24 < 4)
    assert island[night].mean() > island[~night].mean() + 0.4
    assert 1.5 < np.quantile(island[night], 0.95) < 5.0


def test_traffic_makes_noise_and_dust_on_weekday_mornings(town: Town) -> None:
    local = local_us(HOURLY)
    day, clock = (local // 86_400_000_000 + 3) % 7, hour(local)
    rush, night = (day < 5) & (clock >= 8) & (clock < 9), (clock >= 3) & (clock < 4)
    sound = town.sample("sound_level", PLACES, HOURLY)
    assert np.median(sound[0, rush]) > np.median(sound[0, night]) + 3
    assert np.median(sound[0]) > np.median(sound[1]) + 5
    pm = town.sample("pm2_5", PLACES, HOURLY)
    assert 6 < np.median(pm) < 14  # IRCEL: Flanders around 10 ug/m3 in the mean of a year
    assert np.median(pm[0, rush]) > np.median(pm[1, rush]) + 1


def test_new_years_eve_dust_and_stoves(town: Town) -> None:
    midnight = (
        round(dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC).timestamp()) * 1_000_000
    )  # local midnight
    around = midnight + np.arange(-60, 360, 5, dtype=np.int64) * 60_000_000
    pm = town.sample("pm2_5", PLACES, around)[0]
    assert pm[around > midnight].max() > 4 * pm[around < midnight].max()
    assert np.argmax(pm) * 5 - 60 <= 30
    dusty = [Town(seed).air.dust_ug_m3(HOURLY) for seed in range(1, 7)]
    days = [int((d.reshape(-1, 24).max(axis=1) > 20).sum()) for d in dusty]
    assert 1 <= np.mean(days) <= 15
    grid = Places.of([Place(f"s{i}", 210.0 * (i % 12), 210.0 * (i // 12), traffic=0.0) for i in range(120)])
    evening = YEAR_US + 20 * 3_600_000_000 - 3_600_000_000 + np.arange(40, dtype=np.int64) * 86_400_000_000
    noon = evening - 8 * 3_600_000_000
    smoke = town.sample("pm2_5", grid, evening).mean(axis=1) - town.sample("pm2_5", grid, noon).mean(axis=1)
    assert np.quantile(smoke, 0.9) > np.quantile(smoke, 0.1) + 2  # some streets burn, others do not


def test_music_on_saturday_night_and_sirens_now_and_then(town: Town) -> None:
    grid = Places.of([Place(f"p{i}", 150.0 * (i % 20), 150.0 * (i // 20), traffic=0.6) for i in range(400)])
    saturday = round(dt.datetime(2026, 6, 6, 20, 30, tzinfo=dt.UTC).timestamp()) * 1_000_000
    tuesday = saturday + 3 * 86_400_000_000
    loud = town.streets.music_dba(grid, np.array([saturday, tuesday]))
    assert loud[:, 0].max() > 62 and loud[:, 1].max() < 0
    day = tuesday + np.arange(0, 86_400, 5, dtype=np.int64) * 1_000_000
    siren = town.streets.siren_dba(grid.take(np.arange(40)), day)
    assert siren.max() > 85
    assert 0 < (siren > 60).mean() < 0.01


def test_bins_fill_and_are_emptied(town: Town) -> None:
    bins = Places.of([Place(f"bin{i}", 211.0 * i, 97.0 * i) for i in range(30)])
    quarter = YEAR_US + np.arange(14 * 96, dtype=np.int64) * 900_000_000
    mm = town.sample("distance", bins, quarter)
    jumps = np.diff(mm, axis=1)
    emptied = (jumps > 150).sum(axis=1)
    assert emptied.min() >= 3 and emptied.max() <= 14
    assert np.quantile(jumps[jumps < 0], 0.5) > -40
    assert mm.max() < 1375 and mm.min() > 50


def test_hosts_switch_off_and_take_inside(town: Town) -> None:
    hosts = Places.of([Place(f"h{i}", greenery=0.7) for i in range(300)])
    week = YEAR_US + np.arange(168, dtype=np.int64) * 3_600_000_000
    on = town.sample("router_on", hosts, week)
    assert 0.93 < on.mean() < 0.995
    year = HOURLY[:: 24 * 7]
    inside = town.sample("indoors", hosts, year)
    assert 0.002 < inside.mean() < 0.02
    k, i = np.argwhere(inside > 0)[0]
    assert town.sample("temperature", hosts, year)[k, i] == 21.0


def test_summer_time_as_the_law_has_it() -> None:
    """Directive 2000/84/EC: 01:00 UTC on the last Sunday of March and of October."""
    moments = [
        (2026, 3, 29, 0, 59, 1),
        (2026, 3, 29, 1, 0, 3),
        (2026, 10, 25, 0, 59, 2),
        (2026, 10, 25, 1, 0, 2),
    ]
    for year, month, day, h, minute, local_hour in moments:
        utc = round(dt.datetime(year, month, day, h, minute, tzinfo=dt.UTC).timestamp()) * 1_000_000
        assert int(hour(local_us(np.array([utc])))[0]) == local_hour, (month, h)


def test_a_curve_has_the_autocorrelation_that_is_fitted_with() -> None:
    times = np.arange(400_000, dtype=np.int64) * 1_000_000
    x = curve(1, "x", times, 100.0)
    assert x.std() == pytest.approx(1.0, abs=0.05)
    for lag in (10, 50, 100, 150):
        found = float(np.mean(x[:-lag] * x[lag:]) / np.mean(x * x))
        assert found == pytest.approx(float(correlation(np.array(lag / 100))), abs=0.05)
