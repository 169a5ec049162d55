"""Network checks against independent implementations, whose answers are written here with their names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from gateway.quality import neighbours


def a_field(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thirty sites about Antwerp with four errors in them, the same on every machine."""
    i = np.arange(30)
    values = 12 + 0.8 * np.sin(i * 0.9 + seed) + 0.5 * np.cos(i * 3.1)
    values[[4, 17, 23, 11]] += (9, -7, 3.4, 4.2)
    return 4.40 + 0.02 * np.sin(i * 1.7 + seed), 51.20 + 0.015 * np.cos(i * 2.3 + seed), values


@pytest.mark.parametrize(
    ("seed", "radius_m", "found"),
    [  # titanlib 0.4.0: buddy_check(points, values, radius, 4, 3.1, 200, 0.0, 1.0, 2)
        (0, 10_000, [4, 11, 17, 23]), (0, 1200, [4, 17, 23]), (1, 10_000, [4, 17]), (1, 1200, [4, 17, 23]),
        (2, 10_000, [4, 17]), (2, 1200, [4, 17]), (3, 10_000, [4, 11, 17]), (3, 1200, [4, 11, 17]),
    ],
)  # fmt: skip
def test_buddies_are_those_of_titanlib(seed: int, radius_m: float, found: list[int]) -> None:
    longitudes, latitudes, values = a_field(seed)
    buddies = neighbours.nearest(longitudes, latitudes, radius_m, 40)
    out = neighbours.buddy_outliers(values[None, :], buddies, 4, 3.1, 1.0)
    assert np.flatnonzero(out[0]).tolist() == found


@pytest.mark.parametrize(
    ("values", "scale"),
    [  # statsmodels 0.14: robust.scale.qn_scale
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], 4.438288931970152),
        ([10.1, 10.3, 9.8, 14.0, 10.0, 10.2, 9.9], 0.4438288931970136),
        (np.round(12 + np.sin(np.arange(60) * 1.3) * 2, 3).tolist(), 1.4158141692984783),
    ],
)
def test_qn_is_that_of_statsmodels(values: list[float], scale: float) -> None:
    assert neighbours.qn(np.array(values, np.float64)) == pytest.approx(scale, rel=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.round(np.random.default_rng(3).normal(10, 3, 501), 1),
        np.random.default_rng(4).normal(-5, 1e-3, 40),
        np.zeros(7),
        np.array([5.0] * 30 + [9.0]),
        np.array([1.0, 1.0, 4.0]),
        np.array([2.0, 7.5]),
    ],
)
def test_qn_is_the_kth_of_all_differences(values: np.ndarray) -> None:
    """Rousseeuw and Croux (1993): all pairs are made here, which takes n * n."""
    n = len(values)
    apart = sorted(abs(a - b) for at, a in enumerate(values) for b in values[:at])
    expected = 2.219144465985076 * apart[math.comb(n // 2 + 1, 2) - 1]
    assert neighbours.qn(values) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("n", "longitude", "latitude", "spread"),
    [(255, 4.4, 51.2, 0.3), (1500, 4.4, 51.2, 0.05), (1500, 4.4, 51.2, 1.5), (700, 180.0, 10.0, 0.2),
     (700, 12.0, 89.6, 0.1)],
)  # fmt: skip
def test_the_nearest_are_those_of_scipy(n: int, longitude: float, latitude: float, spread: float) -> None:
    """Its k-d tree of points on the unit sphere; over the date line and about the pole, too."""
    dice = np.random.default_rng(n)
    longitudes = (longitude + dice.normal(0, spread, n) + 180) % 360 - 180
    latitudes = np.minimum(latitude + dice.normal(0, spread, n), 90.0)
    lon, lat = np.radians(longitudes), np.radians(latitudes)
    points = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    bound = 2 * np.sin(10_000 / neighbours.EARTH_M / 2)
    expected = cKDTree(points).query(points, 41, distance_upper_bound=bound)[1][:, 1:]
    found = neighbours.nearest(longitudes, latitudes, 10_000, 40)
    assert np.array_equal(found, np.where(expected == n, -1, expected))


def test_distance_of_antwerp_and_ghent() -> None:
    """Cathedral of Antwerp to the Belfry of Ghent: 50.6 km on the WGS84 ellipsoid (0.2 % for the sphere)."""
    (found,) = neighbours.distances_m(4.4025, 51.2203, np.array([3.7249]), np.array([51.0536]))
    assert found == pytest.approx(50_800, rel=0.01)


def test_a_site_without_enough_buddies_is_not_judged() -> None:
    values = np.array([[10.0, 10.1, 9.9, 10.0, 40.0]])
    far = np.array([[1, 2, 3, -1], [0, 2, 3, -1], [0, 1, 3, -1], [0, 1, 2, -1], [0, 1, 2, -1]])
    assert not neighbours.buddy_outliers(values, far, 4, 3.1, 1.0).any()
    assert neighbours.buddy_outliers(values, far, 3, 3.1, 1.0).tolist() == [[False] * 4 + [True]]


def test_the_nearest_are_kept_when_there_are_more_than_the_cap() -> None:
    longitudes = 4.0 + np.array([0.0, 0.003, 0.001, 0.002, 0.5])
    found = neighbours.nearest(longitudes, np.full(5, 51.0), 10_000, 2)
    assert found[0].tolist() == [2, 3]
    assert found[4].tolist() == [-1, -1]


def test_a_network_without_members_or_values() -> None:
    nobody = np.empty(0)
    assert neighbours.nearest(nobody, nobody, 1000, 40).shape == (0, 0)
    empty = np.full((3, 4), np.nan)
    buddies = neighbours.nearest(np.arange(4.0) / 1000, np.zeros(4), 10_000, 40)
    assert not neighbours.buddy_outliers(empty, buddies, 1, 3.1, 1.0).any()
    assert not neighbours.network_outliers(empty, -2.3, 1.6, 3).any()
    assert not neighbours.unlike_the_network(empty, 0.9, 1).any()
    assert np.isnan(neighbours.drift_ratios(empty, buddies, 1, 1)).all()


def test_the_sun_errs_one_way_only() -> None:
    """CrowdQC+ m2 takes quantiles 0.01 and 0.95: what is 2 spreads too warm is out, 2 too cold is in."""
    rng = np.random.default_rng(5)
    row = rng.normal(15, 1, 200)
    scale, middle = neighbours.qn(row), float(np.median(row))
    row[0], row[1] = middle + 2 * scale, middle - 2 * scale
    out = neighbours.network_outliers(row[None, :], -2.326, 1.645, 20)[0]
    assert out[0]
    assert not out[1]


def test_who_does_not_move_with_the_rest() -> None:
    hours = np.arange(400)
    outside = 12 + 5 * np.sin(hours * 2 * np.pi / 24)
    field = np.column_stack([outside + offset for offset in (0.0, 0.4, -0.3, 0.1)] + [np.full(400, 20.0)])
    field[:, 4] += np.random.default_rng(0).normal(0, 0.2, 400)
    assert neighbours.unlike_the_network(field, 0.9, 240).tolist() == [False] * 4 + [True]
    assert not neighbours.unlike_the_network(field, 0.9, 401).any()


def test_a_drift_is_a_ratio() -> None:
    rng = np.random.default_rng(1)
    air = np.exp(rng.normal(2, 0.5, (300, 1)))
    field = air * np.array([1.0, 1.1, 0.9, 1.05, 0.95, 2.0])
    buddies = neighbours.nearest(np.arange(6.0) / 1000, np.zeros(6), 10_000, 40)
    ratios = neighbours.drift_ratios(field, buddies, 4, 240)
    assert ratios[5] == pytest.approx(2.0, rel=1e-9)  # the median of the five others is 1.0 times the air
    assert np.all((ratios[:5] > 0.8) & (ratios[:5] < 1.2))
