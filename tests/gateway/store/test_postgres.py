"""The store in PostgreSQL: the tests of the store over again, and what several workers at once must keep.

The server is that of conftest.py; where there is none, these tests are skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.model import Decoded, Observation, Reading, Uplink, judged
from gateway.store import DeadLetter, Outcome
from gateway.store.store import Store

from ..house import AIR, T0_MS
from ..postgres_server import Server
from .test_sqlite import outcome

Commit = Callable[[threading.Event, threading.Event], None]  # (numbers are taken, go on and commit)

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'meetnet[postgres]'")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    from gateway.store.postgres import PostgresStore

    found = PostgresStore(url)
    yield found
    found.close()


# The very same tests as of SQLite, on this store.
from .test_sqlite import (  # noqa: E402
    test_a_record_that_is_there_already_is_left_alone,  # noqa: F401
    test_a_series_is_in_the_order_of_time_and_keeps_the_newest,  # noqa: F401
    test_an_error_has_no_number_and_comes_back_without_one,  # noqa: F401
    test_between_is_half_open_and_knows_its_sites,  # noqa: F401
    test_dead_letters_keep_cause_and_payload_and_do_not_double,  # noqa: F401
    test_gaps_in_the_frame_counter_are_counted_and_a_new_session_is_none,  # noqa: F401
    test_many_threads_may_read_while_one_writes,  # noqa: F401
    test_positions_rise_with_commits_and_following_them_finds_everything_once,  # noqa: F401
    test_publishers_keep_their_positions_apart,  # noqa: F401
    test_rows_and_the_pipelines_position_appear_together,  # noqa: F401
    test_the_fingerprint_tells_a_copy_from_another_record,  # noqa: F401
    test_the_newest_by_observed_time_is_the_latest_whatever_comes_last,  # noqa: F401
)


def test_a_large_batch_goes_by_copy_and_is_the_same(store: Store, tmp_path: Path) -> None:
    from gateway.store import SqliteStore

    other = SqliteStore(tmp_path / "store.db")
    batches = [
        [
            outcome(
                1000 * b + n, n, T0_MS + 1000 * n + b, None if n % 50 == 3 else n / 10, f"s{n % 90}",
                f"{0x70B3D57ED0000000 + 200 * b + n % 170:016x}",
            )
            for n in range(400)
        ]
        for b in range(3)
    ]  # fmt: skip
    for kept in (store, other):
        for batch in batches:
            kept.commit([Outcome(o.sequence, o.uplink, list(o.records)) for o in batch])
    for read in (
        lambda one: one.after(0, 10_000), lambda one: one.latest(), lambda one: one.devices_seen(),
        lambda one: list(one.scan(0, 2**60, {f"s{n}" for n in range(9)}, descending=True)),
        lambda one: one.buckets("s3", "temperature", T0_MS, T0_MS + 10**7, 60_000, 0),
        lambda one: one.newest_of(["s1", "s2", "none"]),
    ):  # fmt: skip
        assert read(store) == read(other)
    other.close()


def test_a_follower_never_passes_a_gap_that_workers_fill_later(url: str) -> None:
    """Four writers commit at once; who reads on from the last position sees every record once."""
    from gateway.store.postgres import PostgresStore

    done, faults = threading.Event(), []

    def write(worker: int) -> None:
        mine = PostgresStore(url)
        try:
            for n in range(25):
                mine.commit([
                    outcome(n * 10 + k, n * 10 + k, T0_MS + n, float(k), f"w{worker}", f"{worker:016x}")
                    for k in range(1 + (n + worker) % 4)
                ])  # fmt: skip
        except Exception as error:
            faults.append(error)
        finally:
            mine.close()

    reader = PostgresStore(url)
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for one in writers:
        one.start()
    seen: list[int] = []

    def follow() -> None:
        position = 0
        while True:
            is_last = done.is_set()
            rows = reader.after(position, 7)
            seen.extend(row.position for row in rows)
            if rows:
                position = rows[-1].position
            elif is_last:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    for one in writers:
        one.join()
    done.set()
    follower.join()
    assert not faults
    assert seen == sorted(set(seen))
    assert len(seen) == reader.count() == sum(1 + (n + worker) % 4 for worker in range(4) for n in range(25))
    reader.close()


def test_two_workers_hear_the_same_record_and_it_is_there_once(url: str) -> None:
    from gateway.store.postgres import PostgresStore

    one, two = PostgresStore(url), PostgresStore(url)
    one.commit([outcome(1, 5, T0_MS, 1.0)])
    two.commit([outcome(9, 5, T0_MS, 1.0), outcome(10, 6, T0_MS + 1, 2.0)])
    one.commit([outcome(2, 6, T0_MS + 1, 2.0), outcome(3, 7, T0_MS + 2, 3.0)])
    assert [row.value for row in two.after(0, 9)] == [1.0, 2.0, 3.0]
    assert [row.value for row in one.latest()] == [3.0]
    one.close()
    two.close()


def test_a_server_that_is_killed_is_a_store_error_and_what_was_committed_is_there(
    server: Server, url: str
) -> None:
    from gateway.store.postgres import PostgresStore

    store = PostgresStore(url)
    store.commit([outcome(1, 1, T0_MS)])
    assert store.count() == 1
    server.kill()
    with pytest.raises(StoreError, match="PostgreSQL"):
        store.commit([outcome(2, 2, T0_MS + 1)])
    with pytest.raises(StoreError, match="PostgreSQL"):
        store.latest()
    server.start()
    store.commit([outcome(2, 2, T0_MS + 1)])
    assert (store.count(), store.position()) == (2, 2)
    store.close()


def test_an_address_that_nobody_answers_is_a_store_error_without_the_password() -> None:
    from gateway.store.postgres import PostgresStore

    with pytest.raises(StoreError) as caught:
        PostgresStore("postgresql://u:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


__all__ = ("AIR", "DeadLetter", "Decoded", "Observation", "Reading", "Uplink", "judged")


def _follow_while_two_commit(read: Callable[[int], list[int]], first: Commit, second: Commit) -> list[int]:
    """Return what a follower sees: `first` takes its numbers first and commits last, if it can."""
    seen: list[int] = []
    position = 0
    begun, may_end = threading.Event(), threading.Event()
    slow = threading.Thread(target=first, args=(begun, may_end))
    slow.start()
    begun.wait(20)
    quick = threading.Thread(target=second, args=(threading.Event(), threading.Event()))
    quick.start()
    quick.join(1.0)  # it may have to wait for the first
    for _ in range(2):
        found = read(position)
        seen += found
        position = max([position, *found])
        may_end.set()
        slow.join()
        quick.join()
    return seen + read(position)


def test_numbers_of_concurrent_commits_become_visible_in_order_as_a_sequence_does_not(url: str) -> None:
    """The naive design, numbers from a sequence, is followed the same way: it shows what is at stake."""
    import psycopg

    from gateway.store.postgres import PostgresStore

    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE naive(id BIGSERIAL PRIMARY KEY)")

    def naive(count: int) -> Commit:
        def commit(begun: threading.Event, may_end: threading.Event) -> None:
            with psycopg.connect(url) as db:
                for _ in range(count):
                    db.execute("INSERT INTO naive DEFAULT VALUES")
                begun.set()
                if count > 1:
                    may_end.wait(20)

        return commit

    def naive_read(position: int) -> list[int]:
        with psycopg.connect(url) as db:
            rows = db.execute("SELECT id FROM naive WHERE id > %s ORDER BY id", (position,)).fetchall()
            return [row[0] for row in rows]

    assert _follow_while_two_commit(naive_read, naive(2), naive(1)) == [3]  # 1 and 2 are never seen

    def ours(count: int, dev_eui: str) -> Commit:
        def commit(begun: threading.Event, may_end: threading.Event) -> None:
            store = PostgresStore(url)
            with store.batch() as (batch, _):
                batch.put(
                    [outcome(n, n, T0_MS + n, 1.0, dev_eui, dev_eui) for n in range(count)], {}, dev_eui
                )
                begun.set()
                if count > 1:
                    may_end.wait(20)
            store.close()

        return commit

    reader = PostgresStore(url)

    def our_read(position: int) -> list[int]:
        return [record.id for record in reader.records_after(64 * position + 63 if position else 0, 100)]

    assert _follow_while_two_commit(our_read, ours(2, "a" * 16), ours(1, "b" * 16)) == [1, 2, 3]
    reader.close()
