"""InfluxDB itself, where it is installed: every point arrives, awkward names too, and a replay adds none."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.counters import Counters
from gateway.publish import FileSideList, Follower
from gateway.publish.influx import InfluxPublisher, InfluxSettings
from tests.gateway.memory_reader import NOW_MS, street
from tests.gateway.publish.conftest import MemoryPositions

INFLUXD = shutil.which("influxd")
pytestmark = pytest.mark.skipif(INFLUXD is None, reason="influxd is not installed: apt-get install influxdb")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    config = tmp_path / "influx.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
        f'[meta]\ndir = "{tmp_path}/meta"\n[data]\ndir = "{tmp_path}/data"\nwal-dir = "{tmp_path}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n'
    )
    assert INFLUXD is not None
    process = subprocess.Popen(  # noqa: ASYNC220 - it only starts
        [INFLUXD, "-config", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(300):
            try:
                await client.get(f"{address}/ping")
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
        await client.post(f"{address}/query", data={"q": "CREATE DATABASE meetnet"})
    yield address
    process.terminate()
    process.wait(10)


async def ask(url: str, query: str) -> list[Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/query", params={"db": "meetnet", "q": query, "epoch": "ms"})
        return answer.json()["results"][0]["series"]


async def test_influxdb_has_every_point_once(url: str, tmp_path: Path) -> None:
    reader = street()
    odd = 'hoek, "x"=y'
    reader.add_site(odd, "air")
    reader.add(odd, "pm2_5", "ug/m3", 7.0, flags=("range", "st ep"))
    reader.add("lucht-1", "pm2_5", "ug/m3", 7.0, NOW_MS + 1)
    expected = sum(row.value is not None for row in reader.rows)
    settings = InfluxSettings(url, version=1, database="meetnet", max_rows=100)
    for _ in range(2):
        publisher = InfluxPublisher(settings, Counters())
        one = Follower(publisher, reader, MemoryPositions(), FileSideList(tmp_path), Counters())
        while await one.step():
            pass
        await publisher.close()
        assert one.state()["rejected"] == 0
        series = await ask(url, "SELECT COUNT(value) FROM /.*/")
        assert sum(one["values"][0][1] for one in series) == expected
    (found,) = await ask(url, "SELECT value, raw, quality, flags FROM pm2_5 WHERE flags = 'range st ep'")
    assert found["values"] == [[NOW_MS, 7, 7, "doubtful", "range st ep"]]
    (tags,) = await ask(url, "SHOW TAG VALUES FROM pm2_5 WITH KEY = site")
    assert odd in [value for _, value in tags["values"]]
