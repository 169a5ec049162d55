from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store import SqlitePublicReader, snapped

from ..house import AIR, BIN, GARDEN, T0_MS, a_house, a_record, a_site, an_uplink, fill_registry

EARTH_M = 6_371_000.0


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance by the haversine formula on a sphere of 6371 km."""
    lon1, lat1, lon2, lat2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(h))


@settings(max_examples=300, deadline=None)
@given(st.floats(-179, 179), st.floats(-80, 80), st.sampled_from([50, 100, 250, 1000, 5000]))
def test_a_snapped_point_lies_within_the_cell_and_is_the_same_for_the_whole_cell(
    longitude: float, latitude: float, precision_m: int
) -> None:
    public = snapped(longitude, latitude, precision_m)
    assert metres((longitude, latitude), public) <= 0.75 * precision_m + 1
    assert snapped(*public, precision_m) == public


def test_reading_a_thousand_times_averages_nothing_out() -> None:
    points = {snapped(4.899431, 52.379189, 100) for _ in range(1000)}
    assert len(points) == 1


def test_neighbours_share_their_public_point() -> None:
    dice = random.Random(1)
    middle = snapped(4.9, 52.37, 500)
    inside = [
        (middle[0] + dice.uniform(-0.003, 0.003), middle[1] + dice.uniform(-0.002, 0.002)) for _ in range(50)
    ]
    assert {snapped(*point, 500) for point in inside} == {middle}


def test_exact_is_the_hosts_choice() -> None:
    assert snapped(4.8994312, 52.3791894, 0) == (4.899431, 52.379189)


async def some_data(house: object) -> None:
    fill_registry(house.registry)
    await house.log.accept(an_uplink(a_record(1, temperature=20.0, pm2_5=8.0)))
    await house.log.accept(an_uplink(a_record(1, distance=900.0), dev_eui=BIN))
    await house.log.accept(an_uplink(a_record(1, T0_MS + 60_000, temperature=9.0), dev_eui=GARDEN))
    await house.pipeline.drained()


@pytest.mark.parametrize("precision_m", [50, 100, 1000])
async def test_neither_the_true_position_nor_a_deveui_leaves_the_house(
    tmp_path: Path, precision_m: int
) -> None:
    async with a_house(tmp_path) as house:
        await some_data(house)
        for site in house.registry.sites():
            house.registry.put_site(a_site(site.id, site.kind, precision_m=precision_m))
        reader = SqlitePublicReader(house.store, lambda: house.registry.consenting_sites("public", T0_MS))
        everything = [
            *reader.sites(), *reader.latest(), *reader.after(0, 1000), *reader.observations(0, 2**60),
            *reader.series("plein-1", "temperature", 0, 2**60),
        ]  # fmt: skip
        assert len(everything) > 10
        for item in everything:
            text = repr(item)
            assert not any(dev_eui in text for dev_eui in (AIR, BIN, GARDEN))
            assert "4.899431" not in text
            assert "52.379189" not in text
        for site in reader.sites():
            assert 0 < metres((site.longitude, site.latitude), (4.899431, 52.379189)) < precision_m


async def test_a_site_without_consent_is_nowhere_and_consent_can_be_withdrawn(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await some_data(house)
        now = [T0_MS]
        reader = SqlitePublicReader(house.store, lambda: house.registry.consenting_sites("public", now[0]))
        assert [site.site_id for site in reader.sites()] == ["bak-7", "plein-1", "tuin-3"]
        assert house.registry.withdraw("plein-1", "public", T0_MS + 10)
        assert len(reader.sites()) == 3
        now[0] = T0_MS + 10
        rows = [*reader.latest(), *reader.after(0, 1000), *reader.observations(0, 2**60), *reader.sites()]
        assert {row.site_id for row in rows} == {"bak-7", "tuin-3"}
        assert reader.series("plein-1", "temperature", 0, 2**60) == []
        assert reader.observations(0, 2**60, "plein-1") == []


async def test_sites_tell_what_they_measure_and_when_last(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await some_data(house)
        reader = SqlitePublicReader(house.store, lambda: house.registry.consenting_sites("public", T0_MS))
        found = {
            site.site_id: (site.kind, site.quantities, site.last_observed_at_ms) for site in reader.sites()
        }
        assert found == {
            "bak-7": ("bin", ("distance", "filling_level"), T0_MS),
            "plein-1": ("air", ("pm2_5", "temperature"), T0_MS),
            "tuin-3": ("garden", ("temperature",), T0_MS + 60_000),
        }
        assert [row.value for row in reader.series("bak-7", "filling_level", 0, 2**60)] == [50.0]
