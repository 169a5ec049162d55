"""How long a reader of the event stream waits: p50 and p99 by kind of document, over a store of a given size.

    python -m tests.bench.ldes [--observations 100000] [--folder DIR]

The store is filled through its own commit (seven values a record, twelve sites), the application is asked
without a network between. First opening: the index of pages is computed once and kept.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from gateway.publish.ldes import LdesServer, LdesSettings
from tests.gateway.house import a_site
from tests.gateway.memory_reader import NOW_MS, FixedClock
from tests.gateway.publish.a_store import AStore

SEVEN = (
    ("pm1", "ug/m3"), ("pm2_5", "ug/m3"), ("pm4", "ug/m3"), ("pm10", "ug/m3"), ("temperature", "Cel"),
    ("relative_humidity", "%"), ("battery", "mV"),
)  # fmt: skip


def filled(folder: Path, observations: int) -> AStore:
    place = AStore(folder, [a_site(f"lucht-{number}", "air") for number in range(12)])
    have = place.store.count()
    for start in range(have, observations // 7, 5000):
        place._seq = place._sequence = start
        place.store.commit([
            place.outcome(place.public[n % 12].id, NOW_MS + n * 5000, value=n % 97 + 0.5, quantities=SEVEN)
            for n in range(start, min(start + 5000, observations // 7))
        ])  # fmt: skip
    return place


async def ask(client: httpx.AsyncClient, paths: list[str], **headers: str) -> list[float]:
    found: list[float] = []
    for path in paths:
        started = time.perf_counter()
        answer = await client.get(path, headers=headers)
        found.append(1000 * (time.perf_counter() - started))
        assert answer.status_code in (200, 304), (path, answer.status_code)
    return sorted(found)


async def measure(folder: Path, observations: int) -> None:
    started = time.perf_counter()
    place = filled(folder, observations)
    print(f"{place.store.count() * 7} observations, filled in {time.perf_counter() - started:.1f} s")
    server = LdesServer(place.reader, FixedClock(), LdesSettings(), folder)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://x")  # type: ignore[arg-type]
    started = time.perf_counter()
    await client.get("/ldes")
    print(f"first opening {1000 * (time.perf_counter() - started):.1f} ms")
    pages = place.store.newest_position() // LdesSettings().page_positions
    newest = place.store.count()
    dice = random.Random(1)
    some = [f"/ldes/page/{dice.randrange(max(pages, 1))}" for _ in range(200)]
    tag = (await client.get("/ldes/page/0")).headers["etag"]
    members = [f"/ldes/observation/{64 * dice.randrange(1, newest)}" for _ in range(200)]
    rows: list[tuple[str, list[float]]] = [
        ("root", await ask(client, ["/ldes"] * 200)),
        ("closed page, Turtle", await ask(client, some)),
        ("closed page, JSON-LD", await ask(client, some, accept="application/ld+json")),
        ("closed page, 304", await ask(client, ["/ldes/page/0"] * 200, **{"if-none-match": tag})),
        ("open page", await ask(client, [f"/ldes/page/{pages}"] * 200)),
        ("one member", await ask(client, members)),
    ]  # fmt: skip
    for name, times in rows:
        print(f"{name:22} p50 {times[100]:7.1f} ms   p99 {times[197]:7.1f} ms")
    size: Any = len((await client.get("/ldes")).content)
    print(f"root {size} bytes, a page {len((await client.get('/ldes/page/0')).content)} bytes")
    server.close()
    place.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the store here and go on with it next time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.folder:
            asked.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(measure(asked.folder or Path(folder), asked.observations))


if __name__ == "__main__":
    main()
