"""Records from memory are those of the database, and nothing that is committed is ever passed over."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from gateway.store import SqliteStore
from gateway.store.recent import RecentRecords

from ..house import T0_MS
from .test_sqlite import outcome


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    found = SqliteStore(tmp_path / "store.db")
    yield found
    found.close()


def fill(store: SqliteStore, first: int, end: int) -> None:
    for number in range(first, end):
        store.commit([outcome(number + 1, number, T0_MS + number * 1000, float(number), f"s{number % 3}")])


def plain(records: object) -> list[tuple[object, ...]]:
    return [(r.id, r.site_id, r.observed_at_ms, r.received_at_ms, r.shape, r.raws, r.values) for r in records]


def test_memory_and_database_say_the_same_from_any_position(store: SqliteStore, tmp_path: Path) -> None:
    fill(store, 0, 40)
    beside = SqliteStore(tmp_path / "store.db")
    dice = random.Random(5)
    for _ in range(300):
        position, limit = dice.randrange(0, store.newest_position() + 3), dice.randrange(1, 60)
        assert plain(store.records_after(position, limit)) == plain(beside.records_after(position, limit))
    beside.close()


def test_what_is_committed_but_not_yet_in_memory_is_read_from_the_database(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 0, 5)
    (*_, last) = store.records_after(0, 100)
    position = last.id * 64 + len(last.raws) - 1
    # As a publisher sees it between the commit and the moment at which memory has it.
    monkeypatch.setattr(RecentRecords, "add", lambda self, records: None)
    fill(store, 5, 7)
    assert store.newest_position() > position
    assert [record.values[0] for record in store.records_after(position, 100)] == [5.0, 6.0]


def test_a_follower_that_trusts_the_newest_position_skips_nothing_under_writing(store: SqliteStore) -> None:
    """As gateway.publish.follower does it: what was committed before an empty answer counts as seen."""
    done = threading.Event()

    def write() -> None:
        fill(store, 0, 300)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[float] = []
    position = 0
    while True:
        is_done = done.is_set()
        newest = store.newest_position()
        records = store.records_after(position, 7)
        seen += [record.values[0] for record in records]
        position = records[-1].id * 64 if records else max(position, newest)
        if is_done and not records:
            break
    writer.join()
    assert seen == [float(number) for number in range(300)]


def test_another_writer_empties_the_memory(store: SqliteStore, tmp_path: Path) -> None:
    fill(store, 0, 3)
    other = SqliteStore(tmp_path / "store.db")
    fill(other, 3, 5)
    other.close()
    fill(store, 5, 6)
    assert [record.values[0] for record in store.records_after(0, 100)] == [float(n) for n in range(6)]


def test_a_batch_that_fails_leaves_nothing_behind(store: SqliteStore) -> None:
    fill(store, 0, 3)

    class BoomError(Exception):
        pass

    with pytest.raises(BoomError), store.batch() as (batch, _):
        batch.put([outcome(9, 9, T0_MS + 9000)], {})
        raise BoomError
    fill(store, 3, 4)
    assert [record.values[0] for record in store.records_after(0, 100)] == [0.0, 1.0, 2.0, 3.0]


def test_several_records_of_a_new_site_in_one_batch(store: SqliteStore) -> None:
    store.commit([outcome(1, 1, T0_MS, 1.0), outcome(2, 2, T0_MS - 1000, 2.0), outcome(3, 3, T0_MS + 1, 3.0)])
    assert [record.is_late for record in store.records_after(0, 10)] == [False, True, False]
    assert [row.value for row in store.latest()] == [3.0]
