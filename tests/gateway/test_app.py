"""The whole gateway on free ports: from a node's MQTT message to page, files and status."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import Gateway
from gateway.config import Config
from gateway.errors import ConfigError, GatewayError, StoreError, StoreVersionError
from gateway.model import Uplink
from gateway.registry import Device

from .house import (
    AIR,
    BIN,
    T0_MS,
    SetClock,
    a_directory_for_all,
    a_record,
    an_uplink,
    fill_registry,
    full_disk,
    read_only_directory,
)
from .mqtt_client import Client

FREE_PORTS = {"web.port": 0, "broker.port": 0, "semtech_udp.port": 0}
PASSWORD = "a password of the bin"


def a_config(path: Path, **changes: Any) -> Config:
    return Config({"data.directory": str(path), "data.segment_mib": 1, **FREE_PORTS, **changes})


@contextlib.asynccontextmanager
async def running(path: Path, clock: SetClock | None = None, **changes: Any) -> AsyncIterator[Gateway]:
    gateway = Gateway(a_config(path, **changes), clock or SetClock())
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def get(gateway: Gateway, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=None) as client:
        return await client.get(f"http://127.0.0.1:{gateway.ports['web']}{path}")


async def operator_status(gateway: Gateway) -> dict[str, Any]:
    found = gateway.directory.read_control()
    assert found is not None
    port, token = found
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        return (await client.get(f"http://127.0.0.1:{port}/status")).json()


async def test_a_message_of_a_node_reaches_the_reader_the_page_and_the_status(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        fill_registry(gateway.registry)
        gateway.registry.put_device(Device(BIN, "bin", "mqtt"), mqtt_password=PASSWORD)
        node = Client("node", BIN, PASSWORD)
        assert await node.connect(gateway.ports["broker"]) == "Success"
        payload = an_uplink(a_record(1, T0_MS, distance=600.0)).payload
        await node.acknowledgement(await node.publish(f"meetnet/v1/{BIN}/1", payload))
        await node.close()
        await asyncio.wait_for(gateway.changes.wait_after(0), 30)
        latest = {row.quantity: row.value for row in gateway.reader.latest()}
        assert latest == {"distance": 600.0, "filling_level": 75.0}
        assert (await get(gateway, "/")).status_code == 200
        status = await operator_status(gateway)
        (device,) = [device for device in status["devices"] if device["dev_eui"] == BIN]
        assert (device["site"], device["seen"]["uplinks"], device["seen"]["source"]) == ("bak-7", 1, "mqtt")
        assert status["counters"]["ingest.mqtt_uplinks"]["count"] == 1


async def test_no_public_answer_names_a_device_or_the_true_position(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        fill_registry(gateway.registry)
        await gateway.log.accept(an_uplink(a_record(1, temperature=20.0)))
        await gateway.log.accept(an_uplink(a_record(2, temperature=20.0), dev_eui="00000000000000ff"))
        await gateway.drained()
        day = "from=2026-11-18T00:00:00Z&to=2026-11-19T00:00:00Z"
        pages = [
            "/nl/", "/nl/part/sites", "/nl/part/site?site=plein-1", "/api/sites.geojson", "/api/latest.json",
            "/api/latest.geojson", f"/api/observations.csv?{day}", f"/api/observations.geojson?{day}",
            "/api/series.json?site=plein-1&quantity=temperature", "/api/status", "/healthz",
        ]  # fmt: skip
        for path in pages:
            answer = await get(gateway, path)
            assert answer.status_code == 200, (path, answer.text)
            for secret in (AIR, "00000000000000ff", "4.899431", "52.379189"):
                assert secret not in answer.text, path
        assert "plein-1" in (await get(gateway, "/api/sites.geojson")).text


async def test_the_operators_status_needs_the_token(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        found = gateway.directory.read_control()
        assert found is not None
        assert gateway.directory.control.stat().st_mode & 0o077 == 0
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
                answer = await client.get(f"http://127.0.0.1:{found[0]}/status")
            assert answer.status_code == 401
    assert not gateway.directory.control.exists()


async def test_what_was_acknowledged_is_stored_at_the_end_and_there_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        fill_registry(gateway.registry)
        await asyncio.gather(
            *[
                gateway.log.accept(an_uplink(a_record(n, T0_MS + n * 60_000, temperature=n / 10)))
                for n in range(300)
            ]
        )
    async with running(tmp_path) as gateway:
        rows = gateway.reader.series("plein-1", "temperature", 0, 2**60)
        assert [row.value for row in rows] == [n / 10 for n in range(300)]


async def test_one_data_directory_has_one_gateway(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(StoreError, match="in use by a running gateway"):
            await Gateway(a_config(tmp_path)).start()
    async with running(tmp_path):
        pass


@pytest.mark.parametrize("key", ["web.port", "broker.port", "semtech_udp.port"])
async def test_a_port_in_use_names_the_key_and_leaves_nothing_running(tmp_path: Path, key: str) -> None:
    kind = socket.SOCK_DGRAM if key == "semtech_udp.port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        before = asyncio.all_tasks()
        with pytest.raises(ConfigError, match="choose another port") as caught:
            await Gateway(a_config(tmp_path, **{key: taken.getsockname()[1]})).start()
    assert caught.value.key == key
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == before
    async with running(tmp_path):
        pass


async def test_parts_can_be_left_out(tmp_path: Path) -> None:
    off = {"web.enabled": False, "broker.enabled": False, "semtech_udp.enabled": False}
    async with running(tmp_path, **off) as gateway:
        assert gateway.ports == {}
        assert (await operator_status(gateway))["gateways"] == []


async def test_it_starts_within_two_seconds(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        fill_registry(gateway.registry)
        await asyncio.gather(
            *[gateway.log.accept(an_uplink(a_record(n, T0_MS + n, temperature=1))) for n in range(2000)]
        )
    start = time.perf_counter()
    async with running(tmp_path):
        assert time.perf_counter() - start < 2


@pytest.mark.parametrize("name", ["store.db", "registry.db", "secrets.db", "lns.db"])
async def test_a_database_that_is_none_stops_the_start_with_a_reason(tmp_path: Path, name: str) -> None:
    async with running(tmp_path):
        pass
    for suffix in ("-wal", "-shm"):
        Path(tmp_path, name + suffix).unlink(missing_ok=True)  # noqa: ASYNC240 - a test may wait for its disk
    Path(tmp_path, name).write_bytes(b"this is no database" * 500)  # noqa: ASYNC240
    with pytest.raises(StoreError, match=name):
        await Gateway(a_config(tmp_path)).start()


@pytest.mark.parametrize("name", ["store.db", "registry.db", "lns.db"])
async def test_a_database_of_a_newer_meetnet_stops_the_start_with_the_remedy(
    tmp_path: Path, name: str
) -> None:
    import sqlite3

    async with running(tmp_path):
        pass
    db = sqlite3.connect(tmp_path / name)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreVersionError):
        await Gateway(a_config(tmp_path)).start()


async def test_a_publisher_is_told_of_news_and_goes_on_where_it_was(tmp_path: Path) -> None:
    from gateway.publish import Outcome, Packed, Parcel

    class Platform:
        name = "platform"

        def __init__(self) -> None:
            self.got: list[int] = []
            self.news = asyncio.Event()

        def pack(self, rows: Any, reader: Any) -> Packed:
            return Packed([Parcel(tuple(rows), None)])

        async def send(self, parcel: Parcel, attempt: int) -> Outcome:
            self.got += [row.observed_at_ms for row in parcel.rows]
            self.news.set()
            return Outcome()

        async def close(self) -> None: ...

    for run in range(2):
        platform = Platform()
        gateway = Gateway(a_config(tmp_path), SetClock(), [platform])
        await gateway.start()
        fill_registry(gateway.registry)
        await gateway.log.accept(an_uplink(a_record(run, T0_MS + run * 1000, temperature=1.0)))
        await asyncio.wait_for(platform.news.wait(), 30)
        while gateway.store.load("platform") == 0:  # noqa: ASYNC110 - the follower tells nobody
            await asyncio.sleep(0.01)
        await gateway.stop()
        assert platform.got == [T0_MS + run * 1000]


async def test_old_segments_go_once_they_are_stored(tmp_path: Path) -> None:
    clock = SetClock()
    async with running(tmp_path, clock) as gateway:
        fill_registry(gateway.registry)
        big = Uplink("lorawan", AIR, 99, bytes(60_000), T0_MS)  # of no port of ours: nothing to compute
        await asyncio.gather(*[gateway.log.accept(big) for _ in range(60)])
        await gateway.drained()
    before = len(list(gateway.directory.segments.glob("*.seg")))
    clock.ms += 40 * 86_400_000
    async with running(tmp_path, clock) as gateway:
        await asyncio.sleep(0.2)
        assert 1 <= len(list(gateway.directory.segments.glob("*.seg"))) < before
        assert gateway.counters.get("store.segments_dropped") == before - 1


def test_it_runs_in_a_simulated_worlds_time(tmp_path: Path) -> None:
    loops = pytest.importorskip("simulator.loop")
    loop = loops.VirtualLoop()

    class WorldClock:
        def now_ms(self) -> int:
            return T0_MS + round(loop.time() * 1000)

    async def a_day() -> int:
        async with running(tmp_path, WorldClock()) as gateway:
            fill_registry(gateway.registry)
            for n in range(96):
                await asyncio.sleep(900)
                await gateway.log.accept(an_uplink(a_record(n, gateway.clock.now_ms(), temperature=n / 10)))
            await gateway.drained()
            assert (await get(gateway, "/")).status_code == 200
            return gateway.store.count()

    asyncio.set_event_loop(loop)
    try:
        start = time.perf_counter()
        assert loop.run_until_complete(a_day()) == 96
        assert time.perf_counter() - start < 20
        assert loop.time() >= 86_400
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def test_every_refusal_of_ours_is_of_one_family() -> None:
    assert issubclass(ConfigError, GatewayError)
    assert issubclass(StoreVersionError, StoreError)


async def test_a_full_disk_is_shown_in_the_status_and_disturbs_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        fill_registry(gateway.registry)
        await gateway.log.accept(an_uplink(a_record(1, temperature=20.0)))
        await gateway.drained()
        with full_disk(256):
            with pytest.raises(StoreError):
                await gateway.log.accept(an_uplink(a_record(2, T0_MS + 1000, temperature=21.0)))
            assert (await get(gateway, "/api/latest.json")).status_code == 200
            assert (await operator_status(gateway))["counters"]["store.log_write_failed"]["count"] == 1
        await gateway.log.accept(an_uplink(a_record(2, T0_MS + 1000, temperature=21.0)))
        await gateway.drained()
        assert [row.value for row in gateway.reader.series("plein-1", "temperature", 0, 2**60)] == [
            20.0,
            21.0,
        ]


async def test_a_data_directory_that_cannot_be_written_is_one_sentence_with_the_remedy() -> None:
    remedy = "correct its mode or owner"
    with a_directory_for_all() as path, read_only_directory(path), pytest.raises(StoreError, match=remedy):
        await Gateway(a_config(path)).start()
