from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.model import Uplink
from gateway.store import DurableLog, SegmentLog
from gateway.store.frames import decode_uplink

from ..house import AIR, full_disk


def uplink(number: int) -> Uplink:
    return Uplink("test", AIR, 1, number.to_bytes(4, "big"), number)


async def test_what_accept_returned_for_is_on_the_disk(tmp_path: Path) -> None:
    told: list[int] = []
    log = DurableLog(SegmentLog(tmp_path, 4096), Counters(), told.append)
    await asyncio.gather(*[log.accept(uplink(number)) for number in range(500)])
    other = SegmentLog(tmp_path, 4096)  # what another process would find, without any close
    assert [decode_uplink(body).received_at_ms for _, body in other.read(0, 1000)] == list(range(500))
    other.close()
    assert told[-1] == 500
    await log.close()


async def test_those_who_wait_share_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    flushes = 0
    fdatasync = os.fdatasync

    def counted(fd: int) -> None:
        nonlocal flushes
        flushes += 1
        fdatasync(fd)

    log = DurableLog(SegmentLog(tmp_path, 1 << 20), Counters(), lambda _: None)
    monkeypatch.setattr(os, "fdatasync", counted)
    await asyncio.gather(*[log.accept(uplink(number)) for number in range(1000)])
    assert 1 <= flushes <= 3
    await log.close()


async def test_a_full_disk_acknowledges_nothing_is_counted_and_passes(tmp_path: Path) -> None:
    counters = Counters()
    log = DurableLog(SegmentLog(tmp_path, 4096), counters, lambda _: None)
    await log.accept(uplink(1))
    with full_disk(512):
        results = await asyncio.gather(*[log.accept(uplink(n)) for n in range(2, 40)], return_exceptions=True)
        assert all(isinstance(result, StoreError) for result in results)
        with pytest.raises(StoreError):
            await log.accept(uplink(99))
    assert counters.get("store.log_write_failed") >= 2
    await log.accept(uplink(100))
    found = [one.received_at_ms for _, one in await log.read(0, 100)]
    assert found == [1, 100]
    await log.close()


async def test_a_caller_that_gave_up_does_not_disturb_the_others(tmp_path: Path) -> None:
    log = DurableLog(SegmentLog(tmp_path, 4096), Counters(), lambda _: None)
    tasks = [asyncio.create_task(log.accept(uplink(number))) for number in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results].count(type(None)) == 9
    await log.close()


async def test_what_cannot_be_an_uplink_is_refused_and_closed_is_closed(tmp_path: Path) -> None:
    log = DurableLog(SegmentLog(tmp_path, 4096), Counters(), lambda _: None)
    with pytest.raises(IngestError, match="dev_eui"):
        await log.accept(Uplink("test", "nonsense", 1, b"", 0))
    await log.close()
    with pytest.raises(StoreError, match="closed"):
        await log.accept(uplink(1))
