"""Nothing goes to a recipient without its own consent, and nothing more once that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.model import PublicObservation, PublicReader
from gateway.outlets import outlets
from gateway.publish import FileSideList, Follower, Outcome, Packed, Parcel
from gateway.store import SqlitePublicReader
from tests.gateway.house import T0_MS, House, SetClock, a_house, a_record, an_uplink, fill_registry


class Recorder:
    """A publisher whose platform takes everything."""

    name = "recorder"

    def __init__(self) -> None:
        self.taken: list[PublicObservation] = []

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        return Packed([Parcel(tuple(rows), None)])

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        self.taken += parcel.rows
        return Outcome()

    async def close(self) -> None:
        return None


def follower(house: House, clock: SetClock, recorder: Recorder, path: Path) -> Follower:
    reader = SqlitePublicReader(
        house.store,
        lambda: house.registry.consenting_sites("sensor.community", clock.now_ms()),
        lambda: house.registry.consented_since("sensor.community", clock.now_ms()),
    )
    side, newest = FileSideList(path / "side"), house.store.newest_position
    return Follower(recorder, reader, house.store, side, house.counters, newest=newest)


async def measure(house: House, seq: int, clock: SetClock) -> None:
    before = house.store.newest_position()
    await house.log.accept(an_uplink(a_record(seq, clock.now_ms(), pm2_5=10.0 + seq), f_cnt=seq))
    await asyncio.wait_for(house.changes.wait_after(before), 30)


async def test_a_recipient_gets_what_was_observed_while_its_own_consent_held_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)  # consents to "public" only
        clock, recorder = SetClock(T0_MS), Recorder()
        one = follower(house, clock, recorder, tmp_path)

        async def hour(seq: int) -> list[float | None]:
            clock.ms = T0_MS + seq * 3_600_000
            await measure(house, seq, clock)
            recorder.taken.clear()
            while await one.step():
                pass
            return [row.value for row in recorder.taken]

        assert await hour(1) == []
        house.registry.consent("plein-1", "sensor.community", clock.now_ms() + 1)
        assert await hour(2) == [12.0]
        house.registry.withdraw("plein-1", "sensor.community", clock.now_ms() + 1)
        assert await hour(3) == []
        house.registry.consent("plein-1", "sensor.community", clock.now_ms() + 1)
        assert await hour(4) == [14.0]
        # A publisher that starts from nothing gets the time of the newest consent only, not the gap before.
        house.store.save("recorder", 0)
        again = Recorder()
        other = follower(house, clock, again, tmp_path)
        while await other.step():
            pass
        assert [row.value for row in again.taken] == [14.0]


def test_an_outlet_reads_for_a_recipient_of_its_own_or_the_public() -> None:
    broker = {"url": "http://127.0.0.1:1026"}
    (found,) = outlets(Config(publish={"ngsi_ld": broker}))
    assert found.recipient == "public"
    (found,) = outlets(Config(publish={"city": {"type": "ngsi_ld", "recipient": "city hall", **broker}}))
    assert found.recipient == "city hall"
    with pytest.raises(ConfigError, match=r"publish\.city\.recipient"):
        outlets(Config(publish={"city": {"type": "ngsi_ld", "recipient": 3, **broker}}))
