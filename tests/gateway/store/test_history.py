"""Rolled up and sealed, a store answers as one that never was: on random records of every kind.

The reference is a store of which nothing was rolled up or sealed, and plain sums over its rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Bucket, Decoded, Observation, Reading, Uplink, judged
from gateway.shapes import Judged
from gateway.store import Outcome, SqliteStore
from gateway.store.checking import check
from gateway.store.copying import copy
from gateway.store.history import sealing
from gateway.store.history.replacing import read_span, replace
from gateway.store.history.rolling import rebuild, roll, roll_all
from gateway.store.rows import values_of
from gateway.store.store import Store

from ..house import T0_MS
from ..plain_buckets import buckets as plain_buckets

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
START_MS = T0_MS - T0_MS % DAY_MS
DAYS = 12
END_MS = START_MS + DAYS * DAY_MS
QUANTITIES = (("temperature", "Cel", 1), ("pm2_5", "ug/m3", 1), ("laeq", "dB(A)", 1), ("battery", "V", 3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = SqliteStore(tmp_path / "store.db")
    yield found
    found.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Store]:
    found = SqliteStore(tmp_path / "plain.db")
    yield found
    found.close()


def an_outcome(
    dice: random.Random, sequence: int, seq: int, at_ms: int, site: str, dev_eui: str, late_ms: int = 500
) -> Outcome:
    """One record of some quantities: absent, flagged, corrected, with many decimals, now and then."""
    observations: list[Observation] = []
    readings: list[Reading] = []
    for name, unit, decimals in QUANTITIES[: dice.choice((1, 2, 4, 4, 4))]:
        value = round(dice.gauss(40, 15), decimals) if dice.random() > 0.05 else None
        if value is not None and not unit.startswith("dB") and dice.random() < 0.02:
            value = dice.gauss(0, 1e-7) if dice.random() < 0.5 else dice.gauss(0, 1e9)
        shown = value if value is None or dice.random() < 0.5 else round(value * 0.83, 2)
        flags = ("range",) if dice.random() < 0.1 else ()
        method = ("none", 0) if shown is value else ("linear", 1)
        readings.append(Reading(name, unit, value, "ok" if value is not None else "no_answer"))
        observations.append(
            Observation(
                site, dev_eui, seq, name, unit, value, shown, readings[-1].state, flags, *method, at_ms,
                at_ms + late_ms, "network",
            )
        )  # fmt: skip
    decoded = Decoded(dev_eui, seq, at_ms, "network", at_ms + late_ms, tuple(readings))
    uplink = Uplink("lorawan", dev_eui, 1, b"\1", at_ms + late_ms, f_cnt=sequence)
    return Outcome(sequence, uplink, records=[(decoded, site, judged(observations))])


def some_records(seed: int, n: int = 700) -> list[Outcome]:
    """Records of 5 sites over DAYS days, mostly in order of time, some very late; one site has seconds."""
    dice = random.Random(seed)
    found: list[Outcome] = []
    seqs: dict[str, int] = {}
    for number in range(n):
        site = f"s{dice.randrange(4)}"
        dev_eui = f"{int(site[1:]) + (10 if dice.random() < 0.2 else 0):016x}"
        at_ms = START_MS + int(DAYS * DAY_MS * number / n) + dice.randrange(-HOUR_MS, HOUR_MS)
        if dice.random() < 0.1:
            at_ms = START_MS + dice.randrange(DAYS * DAY_MS)
        seqs[dev_eui] = seqs.get(dev_eui, 0) + 1
        found.append(an_outcome(dice, number + 1, seqs[dev_eui], at_ms, site, dev_eui, dice.randrange(5000)))
    for second in range(400):
        at_ms = START_MS + 3 * DAY_MS + second * 1000
        found.insert(
            dice.randrange(len(found)), an_outcome(dice, 0, second, at_ms, "seconds", "00000000000000ff")
        )
    for sequence, outcome in enumerate(found, 1):
        outcome.sequence = sequence
    return found


def copy_of(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [Outcome(o.sequence, o.uplink, list(o.records)) for o in outcomes]


def seal(store: Store, before_ms: int) -> int:
    return sum(sealing.seal(store, before_ms, 10_000))


def answers(store: Store) -> dict[str, Any]:
    newest = store.newest_position()
    return {
        "count": store.count(),
        "after": store.after(0, 10**6),
        "pages": pages_of(store),
        "between": store.between(START_MS + HOUR_MS, END_MS - DAY_MS, 10**6),
        "some": store.between(START_MS, END_MS, 10**6, {"s1", "seconds"}),
        "one": store.between(START_MS, END_MS, 10**6, {"s1"}),
        "down": list(store.scan(START_MS, END_MS, {"s0", "s2", "none"}, descending=True)),
        "series": store.series("s1", "pm2_5", START_MS, END_MS, 10**6),
        "newest": store.series("s1", "pm2_5", START_MS, END_MS, 7),
        "history": store.history("s2", START_MS + 2 * DAY_MS),
        "stretch": store.stretch(newest // 3, newest // 2, {"s0", "s3"}),
        "arrivals": store.arrivals(newest // 3, newest // 2),
        "at": [store.at(position) for position in range(0, newest, 997)],
        "known": [store.known(f"{1:016x}", seq) for seq in range(0, 200, 7)],
        "seqs": store.seqs(f"{1:016x}", 5, 90),
        "latest": store.latest(),
        "devices": store.devices_seen(),
    }


def pages_of(store: Store) -> list[list[int]]:
    position, found = 0, []
    while records := store.records_after(position, 37):
        found.append([record.id for record in records])
        position = (records[-1].id + 1) * 64 - 1
    return found


def test_whatever_is_rolled_up_and_sealed_in_between_every_answer_is_the_same(
    store: Store, plain: Store
) -> None:
    dice = random.Random(5)
    records = some_records(1)
    at = 0
    while at < len(records):
        part = records[at : at + dice.randrange(1, 120)]
        at += len(part)
        for one in (store, plain):
            one.commit(copy_of(part))
        if dice.random() < 0.7:
            roll(store, most=dice.randrange(1, 200))
        if dice.random() < 0.5:
            seal(store, START_MS + dice.randrange(DAYS + 1) * DAY_MS)
    assert answers(store) == answers(plain)
    roll_all(store)
    seal(store, END_MS - 2 * DAY_MS)
    assert store.database.query("SELECT COUNT(*) FROM records")[0][0] < store.count() / 2
    assert answers(store) == answers(plain)
    assert check(store) == []
    # A copy that comes again is known, also when its record is sealed.
    before = store.count()
    store.commit(copy_of(records[:200]))
    assert store.count() == before


@pytest.mark.parametrize(
    ("step_ms", "start_ms", "since_ms"),
    [
        (HOUR_MS, START_MS, 0), (6 * HOUR_MS, START_MS, START_MS + 17 * HOUR_MS + 777),
        (DAY_MS, START_MS, 0), (3 * DAY_MS, START_MS, START_MS + DAY_MS + 1), (MINUTE_MS, START_MS, 0),
        (5 * MINUTE_MS, START_MS + 3 * DAY_MS, 0), (90_000, START_MS, 0), (HOUR_MS, START_MS + 1234, 0),
        (10_000, START_MS + 3 * DAY_MS, 0),
    ],
)  # fmt: skip
def test_buckets_are_the_plain_sums_of_the_rows(
    a_rolled_store: tuple[Store, Store], step_ms: int, start_ms: int, since_ms: int
) -> None:
    store, plain = a_rolled_store
    later = [(START_MS + 2 * DAY_MS, START_MS + 2 * DAY_MS + 5 * HOUR_MS), (START_MS + 8 * DAY_MS, END_MS)]
    if step_ms == 3 * DAY_MS:
        later = [(START_MS + 90_000, START_MS + 2 * DAY_MS)]
    for site in ("s0", "seconds"):
        for quantity, unit, _ in QUANTITIES:
            for spans in ((), later):
                found = store.buckets(site, quantity, start_ms, END_MS - 17, step_ms, since_ms, spans)
                rows = plain.between(max(start_ms, since_ms), END_MS - 17, 10**6, {site})
                values = [
                    (
                        row.observed_at_ms,
                        row.value,
                        bool(row.form.flags) or any(a <= row.observed_at_ms < b for a, b in spans),
                    )
                    for row in rows
                    if row.form.quantity == quantity
                ]
                same(found, plain_buckets(values, unit, start_ms, step_ms))


def same(found: Sequence[Bucket], expected: Sequence[Bucket]) -> None:
    """Numbers and extremes as they are; means to a hundredth of a decimal, or a float's precision."""
    assert [(b.start_ms, b.n, b.flagged) for b in found] == [(b.start_ms, b.n, b.flagged) for b in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.low == pytest.approx(other.low, rel=1e-6)
        assert one.high == pytest.approx(other.high, rel=1e-6)
        assert one.mean == pytest.approx(other.mean, rel=1e-6, abs=0.006)


@pytest.fixture(scope="module")
def a_rolled_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    folder = tmp_path_factory.mktemp("rolled")
    store, plain = SqliteStore(folder / "store.db"), SqliteStore(folder / "plain.db")
    records = some_records(2)
    for at in range(0, len(records), 90):
        for one in (store, plain):
            one.commit(copy_of(records[at : at + 90]))
        roll(store)
        seal(store, START_MS + (at * DAYS // len(records) - 1) * DAY_MS)
    yield store, plain
    store.close()
    plain.close()


def test_made_again_from_the_records_rollups_are_what_they_were(a_rolled_store: tuple[Store, Store]) -> None:
    store, _ = a_rolled_store
    roll_all(store)
    read = [
        store.buckets(site, name, START_MS, END_MS, step, 0)
        for site in ("s0", "s3", "seconds")
        for name, _, _ in QUANTITIES
        for step in (HOUR_MS, DAY_MS)
    ]
    for site in ("s0", "s3", "seconds"):
        rebuild(store, site)
    again = [
        store.buckets(site, name, START_MS, END_MS, step, 0)
        for site in ("s0", "s3", "seconds")
        for name, _, _ in QUANTITIES
        for step in (HOUR_MS, DAY_MS)
    ]
    assert sum(map(len, read)) > 500
    for one, other in zip(read, again, strict=True):
        same(one, other)


def test_hourly_means_of_the_city_are_those_of_its_sites(a_rolled_store: tuple[Store, Store]) -> None:
    store, plain = a_rolled_store
    later = {"s1": [(START_MS + DAY_MS, START_MS + DAY_MS + 3 * HOUR_MS)]}
    found = store.hourly("laeq", START_MS, END_MS, ["s1", "s2", "nobody"], later)
    assert found.sites == ["nobody", "s1", "s2"]
    assert found.means.shape == (DAYS * 24, 3)
    for column, site in ((1, "s1"), (2, "s2")):
        rows = plain.between(START_MS, END_MS, 10**6, {site})
        values = [
            (row.observed_at_ms, row.value, False)
            for row in rows
            if row.form.quantity == "laeq" and not row.form.flags
            and not any(a <= row.observed_at_ms < b for a, b in later.get(site, ()))
        ]  # fmt: skip
        expected = {bucket.start_ms: bucket for bucket in plain_buckets(values, "dB(A)", START_MS, HOUR_MS)}
        for hour in range(DAYS * 24):
            bucket = expected.get(START_MS + hour * HOUR_MS)
            mean = found.means[hour, column]
            assert (bucket is None) == (mean != mean)
            if bucket is not None:
                assert mean == pytest.approx(bucket.mean, abs=0.006, rel=1e-6)
    both = found.of_all(is_level=True)
    hour = next(h for h in range(len(both)) if (found.means[h, 1:] == found.means[h, 1:]).all())
    energies = [10 ** (found.means[hour, column] / 10) for column in (1, 2)]
    assert 10 ** (both[hour] / 10) == pytest.approx(sum(energies) / 2)


def test_a_copy_carries_history_and_answers_the_same(
    a_rolled_store: tuple[Store, Store], tmp_path: Path
) -> None:
    source, _ = a_rolled_store
    target = SqliteStore(tmp_path / "copy.db")
    assert copy(source, target) == source.count()
    assert answers(target) == answers(source)
    assert target.buckets("s0", "laeq", START_MS, END_MS, DAY_MS, 0) == source.buckets(
        "s0", "laeq", START_MS, END_MS, DAY_MS, 0
    )
    assert check(target) == []
    target.close()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            "UPDATE chunks SET body = CAST(x'01' || substr(body, 2, 40) AS BLOB) WHERE id = 2",
            "chunk 2: a chunk is damaged",
        ),
        ("UPDATE chunks SET body = x'99' WHERE id = 2", "chunk layout 99"),
        ("UPDATE chunks SET n = n + 1 WHERE id = 2", "are said to be in it"),
        ("UPDATE chunks SET end_ms = start_ms + 1 WHERE id = 2", "from outside its time"),
        ("DELETE FROM chunk_order", "found by their position"),
        ("DELETE FROM chunk_devices", "found by its number"),
        ("DELETE FROM rollups WHERE step_ms = 86400000", "meetnet store rollup"),
        ("UPDATE rollups SET body = x'00' WHERE step_ms = 3600000", "a rollup is damaged"),
    ],
)
def test_damage_of_history_is_found_and_named(
    a_rolled_store: tuple[Store, Store], tmp_path: Path, damage: str, text: str
) -> None:
    copy(a_rolled_store[0], target := SqliteStore(tmp_path / "copy.db"))
    with target.database.write() as transaction:
        transaction.execute(damage)
    assert any(text in fault for fault in check(target))
    target.close()


def test_another_process_rolled_up_what_this_one_seals(tmp_path: Path) -> None:
    path, records = tmp_path / "store.db", some_records(7)
    first = SqliteStore(path)
    first.commit(copy_of(records[: len(records) // 2]))
    roll_all(first)
    second = SqliteStore(path)  # knows no quantity yet: its first step meets minutes to add up
    assert seal(second, START_MS + 6 * DAY_MS)
    first.commit(copy_of(records[len(records) // 2 :]))
    roll_all(first)
    first.close()
    third = SqliteStore(path)
    assert seal(third, END_MS) and roll_all(third) == 0
    plain = SqliteStore(tmp_path / "plain.db")
    plain.commit(copy_of(records))
    for site in ("s0", "seconds"):
        for step_ms in (MINUTE_MS, HOUR_MS, DAY_MS):
            args = (site, "laeq", START_MS, END_MS, step_ms, 0)
            same(third.buckets(*args), plain.buckets(*args))
    assert check(third) == []
    for one in (second, third, plain):
        one.close()


def test_sums_follow_results_that_took_the_place_of_others(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.commit(copy_of(some_records(6)))
    roll_all(store)
    seal(store, START_MS + 8 * DAY_MS)
    n, replaced = store.count(), 0
    for site in ("s0", "seconds"):
        for day in range(DAYS + 1):
            span = read_span(store, site, START_MS + day * DAY_MS, START_MS + (day + 1) * DAY_MS)
            assert span is not None
            results: dict[int, Judged] = {}
            for row in span.rows[::3]:
                raws, values = values_of(len(form := store.shape_of(row[6])), row[7])
                results[row[0]] = Judged(form, raws, tuple(value and value + 1 for value in values))
            replaced += replace(store, span, results)
            if day % 4 == 0:
                roll_all(store)
    assert replaced > 150
    assert store.count() == n
    for site in ("s0", "seconds"):
        rows = store.between(0, END_MS * 2, 10**6, {site})
        for step_ms in (MINUTE_MS, HOUR_MS, DAY_MS):
            for quantity, unit, _ in QUANTITIES:
                values = [
                    (row.observed_at_ms, row.value, bool(row.form.flags))
                    for row in rows
                    if row.form.quantity == quantity
                ]
                found = store.buckets(site, quantity, START_MS - DAY_MS, END_MS + DAY_MS, step_ms, 0)
                same(found, plain_buckets(values, unit, START_MS - DAY_MS, step_ms))
    roll_all(store)
    seal(store, END_MS + DAY_MS)
    assert check(store) == []
    store.close()
