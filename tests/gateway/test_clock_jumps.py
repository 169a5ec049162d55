"""The clock jumps by hours, both ways, while messages come: each reading is stored once, in its own time."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path

from gateway.ingest.chirpstack import ChirpStackIngest
from gateway.ingest.mqtt import MqttSettings
from gateway.ingest.mqtt.packets import Message
from gateway.publish import FileSideList, Follower
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.store import SqlitePublicReader
from tests.gateway.publish.broker import Broker
from tests.gateway.publish.conftest import until

from .house import AIR, T0_MS, SetClock, a_house, a_record, an_uplink, fill_registry

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
TOPIC = f"application/7a1f0c52-6c1b-4a37-9d47-3f5d1a7e9b10/device/{AIR}/event/up".encode()


def a_message(n: int) -> Message:
    """Without any time of the network's: only the gateway's clock can tell when it came."""
    frame = an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=(n % 300) / 10)).payload
    body = {
        "deviceInfo": {"devEui": AIR}, "fCnt": n, "fPort": 1, "data": base64.b64encode(frame).decode(),
        "rxInfo": [], "txInfo": {},
    }  # fmt: skip
    return Message(TOPIC, json.dumps(body).encode(), n.to_bytes(2, "big"))


async def test_a_clock_that_jumps_by_hours_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice, clock = random.Random(12), SetClock(T0_MS)
    platform = Broker()
    await platform.start()
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        reader = SqlitePublicReader(
            house.store, lambda: house.registry.consenting_sites("public", clock.now_ms())
        )
        publisher = NgsiLdPublisher(NgsiLdSettings(url=platform.url), house.counters)
        follower = Follower(
            publisher, reader, house.store, FileSideList(tmp_path / "side"), house.counters, idle_s=0.05,
            newest=house.store.newest_position,
        )  # fmt: skip
        task = asyncio.create_task(follower.run())
        ingest = ChirpStackIngest(house.log, house.registry.knows, clock, house.counters, MqttSettings())
        for start in range(0, 400, 8):
            clock.ms = (
                T0_MS + start * MINUTE_MS + dice.choice((0, 0, -1, 1)) * dice.randrange(1, 30) * HOUR_MS
            )
            assert await ingest.take([a_message(n) for n in range(start, start + 8)])
        await house.pipeline.drained()
        rows = house.store.series("plein-1", "temperature", 0, 2**60, 10_000)
        assert [(row.observed_at_ms - T0_MS) // MINUTE_MS for row in rows] == list(range(400))
        assert [row.value for row in rows] == [(n % 300) / 10 for n in range(400)]
        assert house.store.dead_letters() == []
        assert house.counters.get("pipeline.records") == 400
        await until(
            lambda: len({moment for _, name, moment, _ in platform.history if name == "temperature"}) == 400
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await platform.kill()


async def test_a_restart_with_the_clock_of_yesterday_goes_on_where_it_was(tmp_path: Path) -> None:
    for number, jump_h in enumerate((0, -24, 24, -5)):
        clock = SetClock(T0_MS + jump_h * HOUR_MS)
        async with a_house(tmp_path) as house:
            fill_registry(house.registry)
            ingest = ChirpStackIngest(house.log, house.registry.knows, clock, house.counters, MqttSettings())
            assert await ingest.take([a_message(n) for n in range(number * 20, number * 20 + 20)])
            await house.pipeline.drained()
            assert house.counters.get("pipeline.records") == 20
    async with a_house(tmp_path) as house:
        assert house.store.count() == 80
