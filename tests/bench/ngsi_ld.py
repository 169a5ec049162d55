"""Observations a second of the NGSI-LD publisher, beside the floor: the same bytes by bare httpx.

    python -m tests.bench.ngsi_ld [--rows 100000] [--context] [--entities 100]

The sink is a process of its own that answers 204 to everything. One core each; figures are of the
publisher's process. Floor: the bodies that the publisher sent, sent again with the same client.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from gateway.counters import Counters
from gateway.publish import FileSideList, Follower, Publisher
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from tests.gateway.memory_reader import NOW_MS, MemoryReader

QUANTITIES = (
    ("pm1", "ug/m3"), ("pm2_5", "ug/m3"), ("pm4", "ug/m3"), ("pm10", "ug/m3"), ("temperature", "Cel"),
    ("relative_humidity", "%"),
)  # fmt: skip


class Positions:
    def load(self, publisher: str) -> int:
        return 0

    def save(self, publisher: str, position: int) -> None:
        pass


class Rows(MemoryReader):
    """Reading costs nothing here: the store has figures of its own."""

    def freeze(self) -> Rows:
        self._sites, self._latest = super().sites(), super().latest()
        return self

    def sites(self) -> Any:
        return self._sites

    def latest(self) -> Any:
        return self._latest

    def after(self, position: int, limit: int) -> Any:
        return self.rows[position : position + limit]  # positions count from 1


def a_day(rows: int, sites: int = 100) -> Rows:
    dice = random.Random(1)
    reader = Rows()
    for number in range(sites):
        reader.add_site(f"lucht-{number:03d}", "air", f"Straat {number}")
    at_ms = NOW_MS
    while len(reader.rows) < rows:
        at_ms += 60_000
        for number in range(sites):
            for name, unit in QUANTITIES:
                reader.add(f"lucht-{number:03d}", name, unit, round(dice.uniform(0, 99), 1), at_ms + number)
    return reader.freeze()


def sink(pipe: Any) -> None:
    """Answer 204 to every request; bodies are read and thrown away."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                at = head.lower().find(b"content-length:")
                size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
                await reader.readexactly(size)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Recorder(httpx.AsyncHTTPTransport):
    """Keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((str(request.url), request.content, dict(request.headers)))
        return await super().handle_async_request(request)


async def publish(publisher: Publisher, reader: Rows) -> tuple[float, float]:
    """Return seconds of the clock and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        follower = Follower(publisher, reader, Positions(), FileSideList(Path(folder)), Counters())
        started, cpu = time.perf_counter(), time.process_time()
        while await follower.step():
            pass
        elapsed = time.perf_counter() - started, time.process_time() - cpu
        assert follower.state()["delivered"] == len(reader.rows)
        await publisher.close()
        return elapsed


async def floor(requests: list[tuple[str, bytes, dict[str, str]]]) -> tuple[float, float]:
    """Return seconds of the clock and of the processor."""
    async with httpx.AsyncClient(timeout=20) as client:
        kept = ("content-type", "accept", "link")
        prepared = [
            (url, body, {name: value for name, value in headers.items() if name in kept})
            for url, body, headers in requests
        ]
        started, cpu = time.perf_counter(), time.process_time()
        for url, body, headers in prepared:
            await client.post(url, content=body, headers=headers)
        return time.perf_counter() - started, time.process_time() - cpu


async def measure(rows: int, port: int, **settings: Any) -> dict[str, float]:
    reader = a_day(rows)
    url = f"http://127.0.0.1:{port}"
    recorder = Recorder()
    await publish(NgsiLdPublisher(NgsiLdSettings(url=url, **settings), Counters(), recorder), reader)
    floors, floor_cpus, runs, cpus = [], [], [], []
    for _ in range(5):
        elapsed, cpu = await floor(recorder.requests)
        floors.append(elapsed)
        floor_cpus.append(cpu)
        elapsed, cpu = await publish(NgsiLdPublisher(NgsiLdSettings(url=url, **settings), Counters()), reader)
        runs.append(elapsed)
        cpus.append(cpu)
    n = len(reader.rows)
    size = sum(len(body) for _, body, _ in recorder.requests)
    return {
        "observations": n,
        "requests": len(recorder.requests),
        "bytes_per_observation": size / n,
        "floor_per_s": n / min(floors),
        "floor_per_core_s": n / min(floor_cpus),
        "publisher_per_s": n / min(runs),
        "publisher_per_core_s": n / min(cpus),
        "share_of_floor": min(floors) / min(runs),
        "share_of_floor_core": min(floor_cpus) / min(cpus),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--entities", type=int, default=0)
    parser.add_argument(
        "--context", action="store_true", help="contexts by address instead of in each entity"
    )
    asked = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sink, args=(theirs,), daemon=True)
    process.start()
    settings: dict[str, Any] = {"max_entities": asked.entities} if asked.entities else {}
    if asked.context:
        settings["context_url"] = "http://gateway.test/contexts"
    try:
        for name, value in asyncio.run(measure(asked.rows, ours.recv(), **settings)).items():
            print(f"{name:24} {value:12,.2f}")
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    main()
