"""Levels of events. Wanted values: brute force over the definition of Leq (ISO 1996-1), and by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.insight import events
from gateway.insight.events import CLOSE, OVER, UNDER, UNKNOWN
from gateway.insight.permits import MAXIMUM, PART, REGIMES, Limit, regime_at

ZONE = ZoneInfo("Europe/Brussels")
MINUTE = 60_000
# 2026-07-18 20:00 in Brussels (UTC+2): evening, night from 23:00.
START = 1_784_397_600_000


def minutes(levels: list[float], start_ms: int = START) -> list[tuple[int, float]]:
    """Levels of a minute each, told at their end."""
    return [(start_ms + (i + 1) * MINUTE, level) for i, level in enumerate(levels)]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(20, 120), st.booleans()), min_size=1, max_size=90), st.sampled_from([15, 60])
)
def test_a_sliding_mean_is_the_mean_of_energy_over_its_window(
    rows: list[tuple[float, bool]], window: int
) -> None:
    values = [
        row
        for row, (_, is_there) in zip(minutes([level for level, _ in rows]), rows, strict=True)
        if is_there
    ]
    found = {one.at_ms: one for one in events.levels(values, Limit("laeq", window, 95.0), ZONE, START)}
    step = events.step_ms(values)
    for at_ms, _ in values:
        inside = [level for at, level in values if at_ms - window * MINUTE < at <= at_ms]
        if len(inside) < 0.75 * max(1, round(window * MINUTE / step)):
            assert at_ms not in found
        else:
            wanted = 10 * math.log10(sum(10 ** (level / 10) for level in inside) / len(inside))
            assert found[at_ms].level_db == pytest.approx(wanted, abs=1e-6)


def test_one_loud_minute_weighs_as_its_energy() -> None:
    # One minute of 100 dB and fourteen of 60 dB: 10 lg((10^10 + 14 * 10^6) / 15) = 88.245 dB, not the 62.7
    # that averaging the numbers would give.
    found = events.levels(minutes([60.0] * 14 + [100.0]), Limit("laeq", 15, 85.0), ZONE, START)
    assert found[-1].level_db == pytest.approx(88.245, abs=0.001)
    assert found[-1].is_over


def test_the_colour_changes_with_the_minute_that_passes_the_limit() -> None:
    limit = Limit("laeq", 15, 95.0)
    values = minutes([90.0] * 30 + [97.0] * 30)
    found = events.levels(values, limit, ZONE, START)
    # By hand: n of 15 minutes at 97, the rest at 90. 10 lg(n/15 10^9.7 + (15-n)/15 10^9) = 94.98 for n = 8,
    # 95.35 for n = 9.
    crossing = next(one for one in found if one.is_over)
    assert crossing.at_ms == START + 39 * MINUTE
    before = [one for one in found if one.at_ms < crossing.at_ms]
    assert events.state(before, before[-1].at_ms, MINUTE) == CLOSE
    assert events.state([*before, crossing], crossing.at_ms + MINUTE, MINUTE) == OVER
    assert events.state(found[:5], found[4].at_ms, MINUTE) == UNDER
    assert events.state(found, found[-1].at_ms + 4 * MINUTE, MINUTE) == UNKNOWN
    (stretch,) = events.exceedances(found, MINUTE)
    assert (stretch.from_ms, stretch.to_ms) == (crossing.at_ms, found[-1].at_ms)
    assert stretch.highest_db == pytest.approx(97.0)


def test_a_level_on_the_limit_is_not_above_it() -> None:
    limit = Limit("lafmax", MAXIMUM, 70.0)
    found = events.levels(minutes([70.0, 70.04, 70.06]), limit, ZONE, START)
    assert [one.is_over for one in found] == [False, False, True]


def test_facade_limits_follow_the_part_of_the_day() -> None:
    regime = regime_at("nl_facade", START)
    assert regime is not None
    values = minutes([45.0] * 180 + [45.0] * 60)
    by_part = {
        limit.parts: events.levels(values, limit, ZONE, START)
        for limit in regime.limits
        if limit.window_min == PART
    }
    evening, night = by_part["evening",], by_part["night",]
    assert by_part["day",] == []
    assert (evening[0].at_ms, evening[-1].at_ms) == (START + MINUTE, START + 180 * MINUTE)
    assert not any(one.is_over for one in evening)
    assert all(one.is_over for one in night)
    assert night[0].at_ms == START + 181 * MINUTE


def test_the_mean_of_a_part_begins_with_the_event() -> None:
    limit = Limit("laeq", PART, 45.0)
    before = minutes([80.0] * 60, START - 60 * MINUTE)
    found = events.levels(before + minutes([40.0] * 10), limit, ZONE, START)
    assert [round(one.level_db, 3) for one in found] == [40.0] * 10


def test_how_loud_the_next_minutes_may_be() -> None:
    limit = Limit("laeq", 15, 95.0)
    now_ms = START + 15 * MINUTE
    room = events.room_db(minutes([90.0] * 15), limit, now_ms)
    assert room is not None
    # Ten minutes of 90 and five of the room make 95 exactly.
    assert 10 * math.log10((10 * 10**9.0 + 5 * 10 ** (room / 10)) / 15) == pytest.approx(95.0)
    assert events.room_db(minutes([99.0] * 15), limit, now_ms) == -math.inf
    assert events.room_db(minutes([90.0] * 5), limit, now_ms) is None
    assert events.room_db(minutes([90.0] * 15), Limit("lafmax", MAXIMUM, 102.0), now_ms) is None


def test_stretches_with_a_hole_between_are_told_apart() -> None:
    limit = Limit("laeq", 15, 95.0)
    values = minutes([99.0] * 20) + minutes([99.0] * 20, START + 60 * MINUTE)
    found = events.levels(values, limit, ZONE, START)
    assert len(events.exceedances(found, MINUTE)) == 2


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        # VLAREM II chapter 6.7 as municipalities publish it (glabbeek.be, boechout.be, ronse.be).
        ("vlarem1", {("laeq", 15): 85}),
        ("vlarem2", {("laeq", 15): 95}),
        ("vlarem2_slow", {("lasmax", MAXIMUM): 102}),
        ("vlarem3", {("laeq", 60): 100}),
        ("vlarem3_15", {("laeq", 15): 102}),
    ],
)
def test_flemish_limits(name: str, levels: dict[tuple[str, int], float]) -> None:
    regime = regime_at(name, START)
    assert regime is not None
    assert {(one.quantity, one.window_min): one.upper_db for one in regime.limits} == levels
    assert ("record" in regime.duties) is name.startswith("vlarem3")
    assert regime_at(name, 1_325_376_000_000) is None  # 2012: not yet in force


def test_versions_of_a_regime_do_not_overlap() -> None:
    for name in {regime.name for regime in REGIMES}:
        spans = sorted((one.from_ms, one.to_ms) for one in REGIMES if one.name == name)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
    # Table 2.17a of the Activiteitenbesluit (infomil.nl): 50/45/40 and 70/65/60 dB(A).
    old = regime_at("nl_facade", 1_672_531_200_000)
    assert old is not None
    assert {(one.parts[0], one.quantity): one.upper_db for one in old.limits} == {
        ("day", "laeq"): 50, ("evening", "laeq"): 45, ("night", "laeq"): 40,
        ("day", "lafmax"): 70, ("evening", "lafmax"): 65, ("night", "lafmax"): 60,
    }  # fmt: skip
    assert "2.17" in old.source
