"""Days without a platform, on the simulated world's clock."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from gateway.counters import Counters
from gateway.exports import iso_utc
from gateway.publish import FileSideList, Follower
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from simulator.loop import LoopClock, VirtualLoop, run
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from tests.gateway.publish.broker import Broker
from tests.gateway.publish.conftest import MemoryPositions

HOUR_S = 3600


def test_a_platform_away_for_three_days_delays_no_other_and_gets_everything_once(tmp_path: Path) -> None:
    async def days() -> tuple[Broker, Broker, MemoryReader, float, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = LoopClock(loop)
        reader, positions, counters = MemoryReader(), MemoryPositions(), Counters()
        reader.add_site("a", "air")
        away, near = Broker(), Broker()
        for broker in (away, near):
            await broker.start()

        def follow(name: str, broker: Broker) -> asyncio.Task[None]:
            publisher = NgsiLdPublisher(NgsiLdSettings(url=broker.url, name=name), counters)
            side = FileSideList(tmp_path)
            return asyncio.create_task(
                Follower(
                    publisher, reader, positions, side, counters, idle_s=300, dice=random.Random(5)
                ).run()
            )

        tasks = [follow("away", away), follow("near", near)]
        await asyncio.sleep(1)
        await away.kill()
        slowest_s = 0.0
        for _ in range(3 * 24):
            reader.add("a", "pm2_5", "ug/m3", 50.0 + len(reader.rows) / 10, clock.now_ms())
            written = loop.time()
            while len(near.history) < len(reader.rows):  # noqa: ASYNC110 - a broker knows nothing of events
                await asyncio.sleep(5)
            slowest_s = max(slowest_s, loop.time() - written)
            await asyncio.sleep(HOUR_S)
        failures = counters.get("publish.away.failed")
        await away.start()
        await asyncio.sleep(600)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for broker in (away, near):
            await broker.kill()
        return away, near, reader, slowest_s, failures

    away, near, reader, slowest_s, failures = run(days(), start_us=NOW_MS * 1000)
    name = "urn:ngsi-ld:AirQualityObserved:meetnet:a"
    expected = [(name, "pm25", iso_utc(row.observed_at_ms), row.value) for row in reader.rows]
    assert len(expected) == 72
    assert away.history == expected
    assert near.history == expected
    assert slowest_s <= 310
    # Full back-off is 150 to 300 s: a platform that is down is asked some hundred times a day, not thousands.
    assert 3 * 24 * HOUR_S / 300 <= failures <= 3 * 24 * HOUR_S / 150 + 20
