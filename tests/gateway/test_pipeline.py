from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway.decode import Decoder
from gateway.errors import StoreError
from gateway.model import Uplink
from wire.record import TIME_NEVER_SET

from .house import AIR, BIN, T0_MS, a_house, a_record, an_uplink, fill_registry, full_disk

MINUTE_MS = 60_000


def temperatures(house: object, site: str = "plein-1") -> list[tuple[int, float | None]]:
    rows = house.store.series(site, "temperature", 0, 2**60, 100_000)
    return [((row.observed_at_ms - T0_MS) // MINUTE_MS, row.value) for row in rows]


async def test_every_reading_arrives_once_in_order_with_its_own_time(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        for start in range(0, 200, 4):
            records = [
                a_record(n, T0_MS + n * MINUTE_MS, temperature=n / 10) for n in range(start, start + 4)
            ]
            await house.log.accept(an_uplink(*records))
        await house.pipeline.drained()
        assert temperatures(house) == [(n, n / 10) for n in range(200)]


async def test_duplicates_and_disorder_change_nothing(tmp_path: Path) -> None:
    dice = random.Random(11)
    frames = [
        an_uplink(*[a_record(n, T0_MS + n * MINUTE_MS, temperature=n / 10) for n in range(start, start + 3)])
        for start in range(0, 150, 3)
    ]
    sent = frames + dice.sample(frames, 30)
    dice.shuffle(sent)
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await asyncio.gather(*[house.log.accept(frame) for frame in sent])
        await house.pipeline.drained()
        assert temperatures(house) == [(n, n / 10) for n in range(150)]
        assert house.counters.get("pipeline.duplicate") == 90
        assert house.counters.get("pipeline.records") == 150


async def test_work_goes_on_where_it_was_left(tmp_path: Path) -> None:
    for run in range(3):
        async with a_house(tmp_path) as house:
            fill_registry(house.registry)
            for n in range(run * 10, run * 10 + 10):
                await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=n)))
    async with a_house(tmp_path) as house:
        await asyncio.sleep(0.05)
        assert temperatures(house) == [(n, n) for n in range(30)]
        assert house.counters.get("pipeline.records") == 0  # nothing was left to do


async def test_a_lost_database_is_computed_again_from_the_log(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        for n in range(20):
            await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=20 + n / 10)))
        await house.pipeline.drained()
        before = house.store.after(0, 1000)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        Path(tmp_path, name).unlink(missing_ok=True)  # noqa: ASYNC240 - a test may wait for its disk
    async with a_house(tmp_path) as house:
        house.pipeline.wake(20)
        await house.pipeline.drained()
        assert house.store.after(0, 1000) == before


BAD = {
    "decode.port_unknown": Uplink("lorawan", AIR, 77, b"\x01\x02", T0_MS),
    "decode.codec_unknown": Uplink("lorawan", AIR, 1, b"\xee" + bytes(20), T0_MS),
    "decode.truncated": Uplink(
        "lorawan", AIR, 1, an_uplink(a_record(1, temperature=1.0)).payload[:-2], T0_MS
    ),
    "pipeline.not_deployed": an_uplink(a_record(1, temperature=1.0), dev_eui="00000000000000ff"),
}


@pytest.mark.parametrize("cause", BAD)
async def test_a_frame_that_cannot_be_used_is_a_dead_letter_and_holds_up_nothing(
    tmp_path: Path, cause: str
) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(BAD[cause])
        await house.log.accept(an_uplink(a_record(2, temperature=2.0)))
        await house.pipeline.drained()
        assert temperatures(house) == [(0, 2.0)]
        (letter,) = house.store.dead_letters()
        assert letter["cause"] == cause
        assert bytes.fromhex(letter["payload"]) == BAD[cause].payload
        assert house.counters.get(cause) == 1


async def test_a_wiped_node_that_counts_from_the_start_again_is_told_and_not_mixed_up(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(an_uplink(a_record(1, temperature=20.0)))
        await house.log.accept(an_uplink(a_record(1, T0_MS + MINUTE_MS, temperature=25.0)))
        await house.pipeline.drained()
        assert temperatures(house) == [(0, 20.0)]
        assert house.store.dead_letters()[0]["cause"] == "pipeline.seq_reused"


async def test_a_node_that_never_knew_the_time_is_dated_by_reception_and_says_so(tmp_path: Path) -> None:
    records = [a_record(n, (1000 + n * 60) * 1000, quality=TIME_NEVER_SET, temperature=n) for n in range(3)]
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(an_uplink(*records, received_at_ms=T0_MS))
        await house.pipeline.drained()
        assert temperatures(house) == [(-2, 0.0), (-1, 1.0), (0, 2.0)]
        assert all("time_unset" in row.form.flags for row in house.store.after(0, 10))


async def test_a_device_that_moved_is_at_the_site_of_the_time_of_measuring(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        house.registry.deploy(AIR, "tuin-3", T0_MS + 10 * MINUTE_MS)
        late = [a_record(n, T0_MS + n * MINUTE_MS, temperature=n) for n in (12, 9, 10, 3)]
        for record in late:
            await house.log.accept(an_uplink(record))
        await house.pipeline.drained()
        assert temperatures(house) == [(3, 3.0), (9, 9.0)]
        assert temperatures(house, "tuin-3") == [(10, 10.0), (12, 12.0)]


async def test_a_device_that_is_added_while_running_is_known_at_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, a_house(tmp_path / "unused"):
        await house.log.accept(an_uplink(a_record(1, temperature=1.0)))
        await house.pipeline.drained()
        from gateway.registry import Registry

        beside = Registry(tmp_path)  # as `meetnet device add` does in a process of its own
        fill_registry(beside)
        beside.close()
        await house.log.accept(an_uplink(a_record(2, temperature=2.0)))
        await house.pipeline.drained()
        assert temperatures(house) == [(0, 2.0)]


async def test_a_full_disk_stops_acknowledgements_and_not_the_service(tmp_path: Path) -> None:
    async with a_house(tmp_path, 4096) as house:
        fill_registry(house.registry)
        acknowledged: set[int] = set()

        async def send(n: int) -> None:
            try:
                await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=n / 10)))
            except StoreError:
                return
            acknowledged.add(n)

        for n in range(20):
            await send(n)
        await house.pipeline.drained()
        with full_disk(1024):
            for n in range(20, 40):
                await send(n)
            await asyncio.sleep(0.05)
        assert acknowledged == set(range(20))
        for n in range(20, 60):
            await send(n)
        await house.pipeline.drained()
        assert temperatures(house) == [(n, n / 10) for n in range(60)]
        assert house.counters.get("store.log_write_failed") > 0


async def test_a_database_that_refuses_is_tried_again_while_the_log_goes_on_acknowledging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        house.store._db._writer.execute(
            "PRAGMA max_page_count = 1"
        )  # SQLITE_FULL, as SQLite says on a full disk
        for n in range(400):
            await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=n / 10)))
        await asyncio.sleep(0.3)
        assert house.counters.get("pipeline.commit_failed") > 0
        house.store._db._writer.execute("PRAGMA max_page_count = 1073741823")
        await house.pipeline.drained()
        assert temperatures(house) == [(n, n / 10) for n in range(400)]


async def test_a_fault_of_ours_with_one_frame_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Decoder.decode

    def wrong(self: Decoder, uplink: Uplink) -> object:
        if uplink.dev_eui == BIN:
            raise ZeroDivisionError("a fault of ours")
        return right(self, uplink)

    monkeypatch.setattr(Decoder, "decode", wrong)
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(an_uplink(a_record(1, distance=500), dev_eui=BIN))
        await house.log.accept(an_uplink(a_record(1, temperature=1.0)))
        await house.pipeline.drained()
        assert temperatures(house) == [(0, 1.0)]
        assert house.store.dead_letters()[0]["cause"] == "pipeline.internal_error"


async def test_a_fault_of_ours_with_a_whole_batch_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        right, faults = house.store.batch, [ZeroDivisionError("a fault of ours"), MemoryError()]

        def wrong() -> object:
            if faults:
                raise faults.pop()
            return right()

        monkeypatch.setattr(house.store, "batch", wrong)
        await house.log.accept(an_uplink(a_record(1, temperature=1.0)))
        await asyncio.wait_for(house.pipeline.drained(), 30)
        assert temperatures(house) == [(0, 1.0)]
        assert house.counters.get("pipeline.internal_error") == 2


async def test_it_stops_at_once_even_while_the_database_refuses(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        house.store._db._writer.execute("PRAGMA query_only = ON")
        await house.log.accept(an_uplink(a_record(1, temperature=1.0)))
        await asyncio.sleep(1.0)
        assert house.counters.get("pipeline.commit_failed") >= 2
        begin = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begin < 1
    async with a_house(tmp_path) as house:
        house.pipeline.wake(1)
        await house.pipeline.drained()
        assert temperatures(house) == [(0, 1.0)]
