"""A difference is said when it is larger than its uncertainty, and never otherwise."""

from __future__ import annotations

import random

from gateway.insight.compare import difference


def street(offset: float, noise: float = 0.2, sites: int = 6, hours: int = 24, seed: int = 1) -> object:
    rng = random.Random(seed)
    base = [12 + 6 * (h % 24) / 24 for h in range(hours)]
    own = {h: base[h] + offset + rng.gauss(0, noise) for h in range(hours)}
    others = [{h: base[h] + rng.gauss(0, noise) for h in range(hours)} for _ in range(sites)]
    return difference("temperature", own, others)


def test_a_garden_that_is_two_degrees_cooler_is_said_to_be() -> None:
    found = street(-2.1)
    assert found is not None
    assert found.is_said
    assert -2.4 < found.value < -1.8
    assert 0.7 < found.uncertainty < 1.2  # 2 x sqrt(0.4^2 + 0.4^2/6 + ...)
    assert (found.sites, found.hours) == (6, 24)


def test_what_sensors_differ_by_is_not_said_however_long_it_lasts() -> None:
    for seed in range(20):
        found = street(0.5, hours=500, seed=seed)
        assert found is not None
        assert not found.is_said


def test_too_few_neighbours_or_hours_say_nothing() -> None:
    assert street(-5, sites=2) is None
    assert street(-5, hours=5) is None
    assert difference("battery", dict.fromkeys(range(9), 1.0), [dict.fromkeys(range(9), 9.0)] * 5) is None


def test_one_broken_neighbour_moves_nothing() -> None:
    own = dict.fromkeys(range(24), 15.0)
    others = [dict.fromkeys(range(24), 15.0) for _ in range(5)] + [dict.fromkeys(range(24), 99.0)]
    found = difference("temperature", own, others)
    assert found is not None
    assert (found.value, found.is_said) == (0.0, False)
