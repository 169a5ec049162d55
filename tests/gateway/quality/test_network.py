"""A large network is judged district by district, and says of every site what it would say as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.quality.network import Member, Network
from gateway.quality.review import BUDDIES, DRIFT
from gateway.quality.table import HOUR_MS


def a_region(seed: int, n: int) -> list[Member]:
    """Three towns, and gardens between them."""
    dice = np.random.default_rng(seed)
    towns = dice.uniform((4.0, 51.0), (4.8, 51.4), (3, 2))
    places = towns[dice.integers(0, 3, n)] + dice.normal(0, 0.02, (n, 2))
    lonely = dice.random(n) < 0.1
    places[lonely] = dice.uniform((3.8, 50.8), (5.0, 51.6), (int(lonely.sum()), 2))
    return [Member(f"s{at:04}", *map(float, place)) for at, place in enumerate(places)]


@pytest.mark.parametrize("seed", [1, 2])
def test_districts_say_what_the_whole_says(seed: int) -> None:
    members = a_region(seed, 900)
    dice = np.random.default_rng(seed)
    hours = 300
    air = 20 + 6 * np.sin(np.arange(hours) / 4)[:, None]
    fine = np.exp(np.log(air) + dice.normal(0, 0.1, (hours, 900)))
    fine[:, ::37] *= 1.9  # an aged laser
    warm = air + dice.normal(0, 0.5, (hours, 900))
    warm[dice.random(warm.shape) < 0.02] += 5
    warm[dice.random(warm.shape) < 0.05] = np.nan
    whole = Network(members)
    (all_of_it,) = whole.districts
    parts = Network(members, 200)
    assert len(parts.districts) > 8
    seen: list[str] = []
    found = {BUDDIES: set(), DRIFT: set()}
    expected = {
        BUDDIES: {
            one for one in whole.reviewer(all_of_it).hours("temperature", 0, warm) if one.flag == BUDDIES
        },
        DRIFT: set(whole.reviewer(all_of_it).period("pm2_5", 0, fine)),
    }
    for district in parts.districts:
        reviewer = parts.reviewer(district)
        seen += reviewer.site_ids[: district.own]
        mine = reviewer.hours("temperature", 0, warm[:, district.sites])
        found[BUDDIES] |= {one for one in mine if one.flag == BUDDIES}
        found[DRIFT] |= set(reviewer.period("pm2_5", 0, fine[:, district.sites]))
        assert len(district.sites) < 900
    assert sorted(seen) == [member.site_id for member in members]  # each once
    assert len(expected[BUDDIES]) > 1000 and len(expected[DRIFT]) > 15
    assert found == expected


def test_a_town_is_one_district() -> None:
    network = Network(a_region(3, 50))
    (district,) = network.districts
    assert district.own == 50 and district.sites.tolist() == list(range(50))
    assert Network(()).districts[0].own == 0
    found = network.reviewer(district).hours("temperature", 5 * HOUR_MS, np.full((2, 50), 11.0))
    assert found == []
