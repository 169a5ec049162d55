"""What makes pages quick gives the same as reading everything: rain by its wet hours, parts that are kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.insight.rain import showers
from gateway.web.kept import Kept
from gateway.web.languages import tongues
from gateway.web.series import DAY, HOUR, series_json
from gateway.web.settings import WebSettings
from gateway.web.site_page import EXPLAINED_ROWS, rain_of
from gateway.web.view import SiteView, is_doubtful, site_views
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, MemoryReader
from tests.gateway.web.real_town import AIR, RealTown

TONGUE = tongues("Europe/Brussels")["nl"]


def a_wet_month(seed: int, step_ms: int) -> MemoryReader:
    """Rain in spells, some values doubted, some missing."""
    rng, reader = random.Random(seed), MemoryReader()
    reader.add_site("tuin", "garden")
    wet_until = 0
    for at_ms in range(NOW_MS - 31 * DAY - 5 * HOUR, NOW_MS, step_ms):
        if rng.random() < step_ms / DAY:
            wet_until = at_ms + rng.randrange(4 * HOUR)
        mm = rng.choice((0.0, 0.2794, 0.5588, 2.7)) if at_ms < wet_until else 0.0
        flags = ("counter_reset",) if rng.random() < 0.02 else ()
        state = "gap" if rng.random() < 0.02 else "ok"
        value = None if rng.random() < 0.02 else mm
        reader.add("tuin", "precipitation", "mm", value, at_ms, flags=flags, state=state)
    return reader


def view_of(reader: MemoryReader) -> SiteView:
    (view,) = site_views(reader.sites(), reader.latest(), TONGUE, WebSettings(), NOW_MS)
    return view


@pytest.mark.parametrize("step_min", [5, 20, 60, 90])
def test_showers_found_by_wet_hours_are_those_of_all_values(step_min: int) -> None:
    for seed in range(4):
        reader = a_wet_month(seed, step_min * MINUTE_MS)
        rows = reader.series("tuin", "precipitation", NOW_MS - 31 * DAY, NOW_MS, 10**6)
        good = [row for row in rows if row.value is not None and not is_doubtful(row)]
        whole = showers((row.observed_at_ms, row.value or 0.0) for row in good)
        found = rain_of(reader, view_of(reader), NOW_MS, TONGUE)
        assert found["total"] == TONGUE.number(sum(one.total_mm for one in whole), 1)
        assert [one["start"] for one in found["showers"]] == [
            TONGUE.moment(one.start_ms) for one in whole[-12:][::-1]
        ]
        assert [one["peak"] for one in found["showers"]] == [
            TONGUE.number(one.peak_mm_h, 1) for one in whole[-12:][::-1]
        ]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    made = RealTown(tmp_path_factory.mktemp("town"), sites=1, days=40)
    yield made
    made.close()


@pytest.mark.parametrize("days", [1, 15, 39, 400])
@pytest.mark.parametrize("points", [16, 100, 4000])
def test_a_series_is_whole_where_it_fits_and_columns_where_not(
    town: RealTown, days: int, points: int
) -> None:
    start_ms = NOW_MS + 1 - days * DAY
    rows = town.reader.series(AIR, "pm2_5", start_ms, NOW_MS + 1, 10**6)
    found = series_json(town.reader, AIR, "pm2_5", start_ms, NOW_MS + 1, points)
    assert len(found["t"]) <= points + 1
    if len(rows) <= points:
        assert (found["step_s"], found["count"]) == (0, len(rows))
        assert [v if v is not None else d for v, d in zip(found["v"], found["d"], strict=True)] == [
            row.value for row in rows
        ]
    else:
        assert found["step_s"] > 0
        assert len(rows) <= found["count"] <= len(rows) + found["step_s"] / 1800 + 1  # one each half hour


def test_what_second_looks_said_stands_behind_the_flags_of_their_sites_alone(town: RealTown) -> None:
    before = town.reader.series(AIR, "pm2_5", 0, NOW_MS + 1, 3)
    assert len(before) == 3
    from gateway.store import SqlitePublicReader

    for sites, more in ((frozenset({AIR}), ("buddy",)), (frozenset({"elsewhere"}), ())):
        reader = SqlitePublicReader(
            town.store,
            lambda: town.registry.consenting_sites("public", NOW_MS),
            assessed=lambda _site, _quantity, _at: ("buddy",),
            assessed_sites=lambda sites=sites: sites,
        )
        for row, plain in zip(reader.series(AIR, "pm2_5", 0, NOW_MS + 1, 3), before, strict=True):
            assert row.flags == plain.flags + more


async def test_a_dense_series_is_explained_from_its_newest_values_and_the_page_says_since_when(
    tmp_path: Path,
) -> None:
    from tests.gateway.web.people import Town

    reader = MemoryReader()
    reader.add_site("plein", "air")
    for n in range(EXPLAINED_ROWS + 100):
        flags = ("range",) if n >= EXPLAINED_ROWS else ()
        reader.add("plein", "pm2_5", "ug/m3", 5.0, NOW_MS - n * MINUTE_MS, flags=flags)
    made = Town(tmp_path, reader)
    async with made.client() as client:
        page = (await client.get("/nl/site/plein?span=week")).text
    since = TONGUE.moment(NOW_MS - (EXPLAINED_ROWS - 1) * MINUTE_MS)
    assert f"twijfelde sinds {since}" in page


def test_parts_are_kept_for_a_while_and_not_beyond_a_change_of_the_register() -> None:
    register = ["a"]
    kept, made = Kept(lambda: (register[0], 0), most=2), list[int]()

    def make() -> int:
        made.append(len(made))
        return made[-1]

    assert [kept.get("x", 60, make) for _ in range(3)] == [0, 0, 0]
    assert kept.get("y", 0, make) == 1
    assert kept.get("y", 60, make) == 2
    register[0] = "b"
    assert kept.get("x", 60, make) == 3
    assert kept.get("z", 60, make) == 4  # of two that are kept the oldest goes
    assert kept.get("y", 60, make) == 5
    assert [Kept(None).get("x", 60, make) for _ in range(2)] == [6, 7]
