"""The keeper of a running gateway rolls up, packs and deletes by itself, and outlives a fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway import keeping
from gateway.app import Gateway
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.keeping import Keeper
from gateway.store import SqliteStore
from gateway.store.checking import check
from gateway.store.history import rolling

from .house import SetClock
from .store.test_history import DAY_MS, END_MS, START_MS, copy_of, some_records


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("FIRST_S", 0.0), ("EVERY_S", 0.02), ("PAUSES", 0.0)):
        monkeypatch.setattr(keeping, name, seconds)


async def kept_until(keeper: Keeper, is_done: object) -> None:
    task = asyncio.create_task(keeper.run())
    try:
        async with asyncio.timeout(60):
            while not is_done():  # type: ignore[operator]  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_rolls_up_packs_and_deletes_what_is_due(tmp_path: Path, hurry: None) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.commit(copy_of(some_records(7, 300)))
    n, counters = store.count(), Counters()
    config = Config({"data.seal_days": 4, "retention.observations": "9"})
    keeper = Keeper(store, SetClock(END_MS), counters, lambda: config, tmp_path)
    oldest_ms = END_MS - 9 * DAY_MS

    def is_done() -> bool:
        left = store.between(0, oldest_ms, 1)
        hot = store.database.query("SELECT MIN(observed_at_ms) FROM records")[0][0]
        return not left and hot is not None and hot >= END_MS - 4 * DAY_MS

    await kept_until(keeper, is_done)
    assert counters.get("store.rolled_up") >= n
    assert counters.get("store.deleted") == n - store.count() > 20
    assert counters.get("store.packed") > 100
    assert check(store) == []
    assert store.buckets("s0", "laeq", START_MS, END_MS, DAY_MS, 0)[0].start_ms == START_MS
    store.close()


async def test_a_fault_is_counted_and_the_next_time_is_another(
    tmp_path: Path, hurry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, counters = SqliteStore(tmp_path / "store.db"), Counters()
    store.commit(copy_of(some_records(7, 50)))
    real = rolling.roll
    faults = iter([StoreError("the disk is full"), ValueError("a fault of ours")])

    def roll(*words: object) -> int:
        fault = next(faults, None)
        if fault is not None:
            raise fault
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(rolling, "roll", roll)
    keeper = Keeper(store, SetClock(END_MS), counters, Config, tmp_path)
    await kept_until(keeper, lambda: counters.get("store.rolled_up") >= store.count())
    assert counters.seen("store.rolled_up_failed") == (2, "ValueError('a fault of ours')")
    store.close()


async def test_a_running_gateway_lends_its_log_to_an_erasure(tmp_path: Path) -> None:
    ports = {"semtech_udp.port": 0, "broker.port": 0, "web.port": 0}
    gateway = Gateway(Config({"data.directory": str(tmp_path), **ports}), publishers=())
    await gateway.start()
    try:
        assert await asyncio.to_thread(gateway.in_log, lambda log: log.last_sequence) == 0
    finally:
        await gateway.stop()
