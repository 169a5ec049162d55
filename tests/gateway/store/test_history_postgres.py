"""History in PostgreSQL: the tests of history over again, with SQLite as the store that never was sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.store import SqliteStore
from gateway.store.history.rolling import roll
from gateway.store.store import Store

from .test_history import DAY_MS, DAYS, START_MS, copy_of, seal, some_records

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'meetnet[postgres]'")

from gateway.store.postgres import PostgresStore


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    found = PostgresStore(url)
    yield found
    found.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Store]:
    found = SqliteStore(tmp_path / "plain.db")
    yield found
    found.close()


@pytest.fixture(scope="module")
def a_rolled_store(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    store = PostgresStore(new_database())
    plain = SqliteStore(tmp_path_factory.mktemp("plain") / "plain.db")
    records = some_records(2)
    for at in range(0, len(records), 90):
        for one in (store, plain):
            one.commit(copy_of(records[at : at + 90]))
        roll(store)
        seal(store, START_MS + (at * DAYS // len(records) - 1) * DAY_MS)
    yield store, plain
    store.close()
    plain.close()


from .test_history import (  # noqa: E402
    test_a_copy_carries_history_and_answers_the_same,  # noqa: F401
    test_buckets_are_the_plain_sums_of_the_rows,  # noqa: F401
    test_hourly_means_of_the_city_are_those_of_its_sites,  # noqa: F401
    test_made_again_from_the_records_rollups_are_what_they_were,  # noqa: F401
    test_whatever_is_rolled_up_and_sealed_in_between_every_answer_is_the_same,  # noqa: F401
)
