"""What goes out before it is stored: once, in order, the same as the usual way; and nothing of it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway import pipeline as pipelines
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.model import Decoded, PublicObservation, PublicReader, PublicRecord, Reading
from gateway.publish import Follower
from gateway.publish.base import Chosen, Outcome, Packed, Parcel, RecordRows
from gateway.publish.early import Early
from gateway.publish.sidelist import FileSideList
from gateway.publish.waiting import Backoff
from gateway.quality import Judge
from gateway.registry import Registry
from gateway.store import DurableLog, SqlitePublicReader, SqliteStore
from gateway.store.writing import Batch

from .house import AIR, GARDEN, T0_MS, a_house, a_record, a_site, an_uplink, fill_registry

Key = tuple[str, int]


class _Platform:
    """Takes records, early or not, and remembers which; refuses for a while where it is told to."""

    name = "platform"
    chunk_records = 100

    def __init__(self) -> None:
        self.seen: list[tuple[Key, bool]] = []
        self.is_away = False
        self.is_slow = False

    def _packed(self, records: Sequence[PublicRecord], is_early: bool) -> Packed:
        return Packed([
            Parcel(RecordRows([(one, Chosen(range(len(one.forms)), tuple(f.quantity for f in one.forms)))]),
                   ((one.site_id, one.observed_at_ms), is_early))
            for one in records
        ])  # fmt: skip

    def pack_records(self, records: Sequence[PublicRecord], reader: Any) -> Packed:
        return self._packed(records, False)

    def pack_early(self, records: Sequence[PublicRecord], reader: Any) -> Packed | None:
        return self._packed(records, True)

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        raise NotImplementedError

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        await asyncio.sleep(0.003 if self.is_slow else 0)
        if self.is_away:
            return Outcome((), parcel, "away", 0.01)
        self.seen.append(parcel.content)
        return Outcome()

    async def close(self) -> None:
        pass


class _Street:
    """A house whose pipeline tells one follower what it judged; the devices count from 1."""

    def __init__(self, house: Any, folder: Path) -> None:
        self.house = house
        self.platform = _Platform()
        store, registry = house.store, house.registry
        reader = SqlitePublicReader(
            store, registry.sites, agreed=lambda ids: registry.agreed("public", ids, 1 << 50)
        )
        self.follower = Follower(
            self.platform, reader, store, FileSideList(folder / "side"), Counters(),
            newest=store.newest_position, backoff=Backoff(0.01, 0.02), idle_s=0.5,
        )  # fmt: skip
        house.pipeline.ahead = self.follower
        self.said: list[Key] = []
        self._seq = {AIR: 0, GARDEN: 0}

    async def says(self, dev_eui: str, back: int = 0) -> None:
        """Let a device send its next record, or one that it sent before."""
        self._seq[dev_eui] += 0 if back else 1
        seq = self._seq[dev_eui] - back
        record = a_record(seq, T0_MS + 300_000 * seq, temperature=20 + seq % 3)
        await self.house.log.accept(an_uplink(record, dev_eui=dev_eui))
        if not back:
            self.said.append(({AIR: "plein-1", GARDEN: "tuin-3"}[dev_eui], T0_MS + 300_000 * seq))

    async def until_told(self) -> None:
        async with asyncio.timeout(60):
            while {key for key, _ in self.platform.seen} != set(self.said):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await self.house.pipeline.drained()
            while self.follower.state()["position"] // 64 != self.house.store.newest_position() // 64:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    @property
    def sent_early(self) -> int:
        return sum(is_early for _, is_early in self.platform.seen)


@contextlib.asynccontextmanager
async def a_street(folder: Path) -> AsyncIterator[_Street]:
    registry = Registry(folder)
    fill_registry(registry)
    registry.close()
    async with a_house(folder) as house:
        street = _Street(house, folder)
        task = asyncio.create_task(street.follower.run())
        try:
            yield street
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_is_plain_goes_out_before_it_is_stored_and_once(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        dice = random.Random(5)
        for _ in range(300):
            dev_eui = dice.choice((AIR, GARDEN))
            what = dice.random()
            if what < 0.1:  # comes again
                await street.says(dev_eui, back=1) if street.said else None
            elif what < 0.2:  # all at once: the pipeline takes its usual way
                await asyncio.gather(*[street.says(dev_eui) for _ in range(90)])
            else:
                await street.says(dev_eui)
            street.platform.is_slow = dice.random() < 0.3
            if dice.random() < 0.3:
                await asyncio.sleep(dice.random() / 30)
            if dice.random() < 0.1:
                street.follower.notify()
        await street.until_told()
        keys = [key for key, _ in street.platform.seen]
        assert len(keys) == len(set(keys)) == len(street.said)
        assert street.sent_early > 0
        assert street.house.store.count() == len(street.said)
        for site in ("plein-1", "tuin-3"):  # and no moment of a site before an earlier one
            times = [at_ms for name, at_ms in keys if name == site]
            assert times == sorted(times)


async def test_all_goes_out_early_once_the_log_was_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read = DurableLog.read

    async def slow(log: DurableLog, after: int, limit: int) -> list[Any]:
        looks.append(after)
        await asyncio.sleep(0.05)  # what comes meanwhile would have to go the long way
        return await read(log, after, limit)

    monkeypatch.setattr(DurableLog, "read", slow)
    async with a_street(tmp_path) as street:
        for dev_eui in (AIR, GARDEN):
            await street.says(dev_eui)
        await street.until_told()
        await asyncio.sleep(0.2)
        before, first = len(looks), street.sent_early
        for _ in range(30):
            await street.says(AIR)
            await asyncio.sleep(0.01)
        await street.until_told()
        assert (len(looks) - before, street.sent_early - first) == (0, 30)


async def test_what_was_judged_early_is_stored_as_if_it_had_not_been(tmp_path: Path) -> None:
    found: list[Any] = []
    for name in ("early", "usual"):
        async with a_street(tmp_path / name) as street:
            if name == "usual":
                street.house.pipeline.ahead = None
            for n in range(40):
                await street.says(AIR if n % 3 else GARDEN)
                await asyncio.sleep(0.002)
                if n % 10 == 9:
                    await street.until_told()
            await street.house.pipeline.drained()
            store = street.house.store
            memories = store.database.query("SELECT site_id, memory FROM sites ORDER BY site_id")
            found.append((store.after(0, 10_000), store.latest(), store.devices_seen(), memories))
            assert (street.sent_early > 0) == (name == "early")
    assert found[0] == found[1]


async def test_what_the_platform_or_the_store_does_not_take_early_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_street(tmp_path) as street:
        for _ in range(20):
            await street.says(AIR)
            await asyncio.sleep(0.01)
        await street.until_told()
        street.platform.is_away = True
        for _ in range(20):
            await street.says(AIR)
            await asyncio.sleep(0.003)
        street.platform.is_away = False
        await street.until_told()
        put = Batch.put
        failures = [3]

        def fails(self: Batch, *args: Any) -> None:
            put(self, *args)
            if failures[0]:
                failures[0] -= 1
                raise StoreError("the disk is full")

        monkeypatch.setattr(Batch, "put", fails)
        monkeypatch.setattr(pipelines, "RETRY_S", (0.01,))
        for _ in range(20):
            await street.says(GARDEN)
            await asyncio.sleep(0.01)
        await street.until_told()
        assert failures == [0]
        assert street.house.store.count() == len(street.said) == 60
        before = street.sent_early
        async with asyncio.timeout(60):
            while street.sent_early == before:  # and after all that it goes early again
                await street.says(AIR)
                await asyncio.sleep(0.05)
        await street.until_told()


async def test_a_write_of_another_process_is_not_overlooked(tmp_path: Path) -> None:
    async with a_street(tmp_path) as street:
        for _ in range(10):
            await street.says(AIR)
            await asyncio.sleep(0.01)
        await street.until_told()
        await street.says(AIR)  # judged early, when another process stores the same record, as an import does
        at_ms = T0_MS + 300_000 * 11
        other = SqliteStore(tmp_path / "store.db")
        decoded = Decoded(AIR, 11, at_ms, "network", at_ms, (Reading("temperature", "Cel", 22.0, "ok"),))
        judge = Judge(lambda _: [])
        other.put_imported([(decoded, "plein-1", judge.judge([(decoded, a_site("plein-1", "air"))])[0])])
        other.close()
        for _ in range(3):
            await street.says(AIR)
        await street.until_told()
        assert street.house.store.count() == 14


def test_the_book_of_what_is_early_passes_over_nothing() -> None:
    """Every order of judging, storing and reading: all goes out, and what holds is never more than that."""
    for seed in range(300):
        dice = random.Random(seed)
        book, position, stored_to, judged_to = Early(), 63, 0, 0
        out: list[int] = []
        records = 0  # stored; each uplink holds one
        for _ in range(60):
            what = dice.randrange(5)
            if what == 0:  # judged early
                n = dice.randrange(1, 4)
                book.judged(judged_to + 1, judged_to + n, list(range(judged_to + 1, judged_to + n + 1)))
                judged_to += n
            elif what == 1 and judged_to > stored_to:
                n = judged_to - stored_to
                before, records = records, records + n
                stored_to = judged_to
                book.stored(stored_to, 64 * (before + 1) - 1, 64 * (records + 1) - 1)
            elif what == 2 and judged_to == stored_to:  # a batch of the usual way
                n = dice.randrange(1, 4)
                judged_to = stored_to = stored_to + n
                records += n
                book.stored(stored_to, -1, 64 * (records + 1) - 1)
            elif what == 3 and book.waits:
                last, found = book.take()
                out += found
                book.was_sent(last)
            else:
                position = book.moved(position)
                if not book.holds(position) and not book.waits:
                    out += range(position // 64 + 1, records + 1)
                    position = 64 * (records + 1) - 1
                    book.came(position)
            assert len(out) == len(set(out)), seed
            assert set(range(1, position // 64 + 1)) <= set(out), seed
