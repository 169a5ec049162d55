"""Latency of SensorThings reads against the store's size: `python -m tests.bench.sensorthings [records ...]`.

Each record holds five observations of one of twelve sites. Requests go through the ASGI application in this
process (no network), 200 times each. Prints JSON: p50 and p99 in milliseconds by number of observations.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from gateway.model import Decoded, Form, Judged, Readings
from gateway.publish.sensorthings_server import SensorThingsServer, SensorThingsServerSettings
from gateway.shapes import shape
from gateway.store import SqlitePublicReader, SqliteStore
from tests.gateway.house import SetClock, a_site

SITES = 12
T0_MS = 1_700_000_000_000
QUANTITIES = (
    ("pm2_5", "ug/m3"),
    ("pm10", "ug/m3"),
    ("temperature", "Cel"),
    ("relative_humidity", "%"),
    ("pm1", "ug/m3"),
)


def fill(store: SqliteStore, path: Path, records: int) -> int:
    """Store records in large batches; return the newest observed time."""
    forms = tuple(Form(quantity, unit, "ok", (), "none", 0) for quantity, unit in QUANTITIES)
    found = Judged(shape("network", forms, len(forms)), (10.5,) * len(forms), (10.5,) * len(forms))
    for first in range(0, records, 5000):
        store.put_imported(
            [
                (
                    Decoded(
                        f"{n % SITES:016x}", n, T0_MS + n * 5000, "network", T0_MS + n * 5000, Readings.of(())
                    ),
                    f"s{n % SITES}",
                    found,
                )
                for n in range(first, min(records, first + 5000))
            ]
        )
    return T0_MS + records * 5000


async def measure(records: int) -> dict[str, Any]:
    """Return percentiles of each request on a store of so many records."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.db"
        store = SqliteStore(path)
        clock = SetClock(fill(store, path, records))
        sites = [a_site(f"s{number}", "air") for number in range(SITES)]
        server = SensorThingsServer(
            SqlitePublicReader(store, lambda: sites), clock, SensorThingsServerSettings(), Path(name)
        )
        found: dict[str, Any] = {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server)) as client:
            base = "http://x/sta/v1.1"
            streams = (await client.get(f"{base}/Datastreams?$top=1000")).json()["value"]
            one = f"{base}/Datastreams({streams[7]['@iot.id']})/Observations"
            middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((T0_MS + records * 2500) / 1000))
            asked = {
                "newest of a series": f"{one}?$orderby=phenomenonTime desc&$top=1",
                "100 from the middle": f"{one}?$filter=phenomenonTime ge {middle}&$top=100",
                "things with newest values": f"{base}/Things?$expand=Datastreams($expand=Observations("
                "$orderby=phenomenonTime desc;$top=1))",
            }
            for what, address in asked.items():
                times: list[float] = []
                for _ in range(200 if what[0] != "t" else 40):
                    clock.ms += 100
                    begin = time.perf_counter()
                    answer = await client.get(address)
                    times.append((time.perf_counter() - begin) * 1000)
                    assert answer.status_code == 200, answer.text
                times.sort()
                found[what] = {"p50_ms": round(times[len(times) // 2], 2), "p99_ms": round(times[-2], 2)}
        server.close()
        store.close()
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="*", default=[20_000, 200_000])
    result = {str(records * 5): asyncio.run(measure(records)) for records in parser.parse_args().records}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
