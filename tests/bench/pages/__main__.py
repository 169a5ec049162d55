"""Pages over a large store: bytes, requests, latency. `python -m tests.bench.pages [--json]`.

--sites N (1000)  --days N (2)  --step-min N (30)  --visitors N (200)  --requests N (1000)
--observations N: instead of the town, N observations as `tests.bench.store` writes them (1e8)

Fills a store with a made-up town (tools.town), and one site with a year of values every ten minutes; rolls it
up, as a gateway does a few minutes after records came; runs the gateway as a process of its own; asks for
each page alone and with many visitors at once. Times are of a
machine that may be busy: compare runs on the same one. `cpu_ms` is the gateway's processor time a request of
many. Nothing comes in meanwhile: what is kept is made anew after 5 s, in a living network after 2 s.
`cpu_ms` of series_year_cold is the server time of a chart of a year that nobody asked for before.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psutil

from gateway.registry import Registry
from gateway.store import SqliteStore
from gateway.store.history.rolling import roll_all
from gateway.store.history.rollups import DAY_MS
from tests.bench import store as bench
from tests.bench.gateway.parts import a_gateway, free_port
from tests.gateway.house import a_site
from tools.town import fill

YEAR_SITE = "proefstraat-01-air"
PAGES = {
    "map": "/nl/",
    "map_index": "/nl/?layer=belaqi",
    "map_part": "/nl/part/sites?layer=pm2_5",
    "site": "/nl/site/{year_site}",
    "site_year": "/nl/site/{year_site}?span=year",
    "quality": "/nl/quality",
    "register": "/nl/data",
    "series_day": "/api/series.json?site={year_site}&quantity=pm2_5&points=800",
    "series_year": "/api/series.json?site={year_site}&quantity=pm2_5&points=800&from={year}",
    # Each time another width of the chart: nothing was made before.
    "series_year_cold": "/api/series.json?site={year_site}&quantity=pm2_5&points={points}&from={year}",
    "latest": "/api/latest.json",
    # Each visitor another site: what is kept for one is of no use to the next.
    "map_sites": "/nl/?site={site}",
    "site_sites": "/nl/site/{site}",
    "series_sites": "/api/series.json?site={site}&quantity=temperature&points=800",
}
TEMPERATE = ("air", "garden")


def weigh(client: httpx.Client, path: str) -> dict[str, int]:
    """Return bytes on the wire and requests of a page with what its HTML asks for, as a browser loads it."""
    page = client.get(path)
    page.raise_for_status()
    found = {"bytes": len(gzip.compress(page.content, 6)), "requests": 1}
    for address in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))):
        found["bytes"] += len(gzip.compress(client.get(address.replace("&amp;", "&")).content, 9))
        found["requests"] += 1
    return found


async def ask(port: int, paths: list[str], visitors: int, requests: int) -> list[float]:
    """Return the milliseconds of each request, asked by so many visitors at once; paths come in turn.

    A page asks again after ten seconds, the gateway closes after five: each time a connection of its own.
    Bytes are read and left packed: unpacking is the visitor's own work, as is a client library's.
    """
    times: list[float] = []
    left = iter(range(requests))

    async def visit(path: str) -> float:
        begin = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readline()
        while await reader.read(1 << 16):
            pass
        writer.close()
        assert b" 200 " in status, f"{path}: {status!r}"
        return 1000 * (time.perf_counter() - begin)

    async def visitor() -> None:
        for n in left:
            times.append(await visit(paths[n % len(paths)]))

    await visit(paths[-1])  # what is remembered is remembered for all that come after
    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return times


def spread(times: list[float]) -> dict[str, float]:
    cuts = quantiles(times, n=100) if len(times) > 1 else times * 99
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1)}


def history(directory: Path, observations: int, sites: int) -> tuple[int, str]:
    """Fill a store as `tests.bench.store` does, up to midnight; return the number, and who has a year."""
    bench.END_MS = int(time.time() * 1000) // DAY_MS * DAY_MS
    registry, store = Registry(directory), SqliteStore(directory / "store.db")
    with registry.atomic():
        for number in range(1, sites + 2):
            site_id = f"site-{number:05d}"
            at = {"longitude": 3.7 + number % 40 / 400, "latitude": 51.0 + number // 40 / 400}
            registry.put_site(a_site(site_id, "air", **at))
            registry.consent(site_id)
    n = bench.fill(store, observations, sites, lambda text: print(text, file=sys.stderr, flush=True))
    store.close()
    registry.close()
    return n, f"site-{sites + 1:05d}"


def measure(
    sites: int, days: float, step_min: int, visitors: int, requests: int, observations: int
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end_ms = int(time.time() * 1000) // 60_000 * 60_000
        if observations:
            n, year_site = history(folder / "data", observations, sites)
        else:
            n, year_site = fill(folder / "data", sites, days, step_min, 1, end_ms), YEAR_SITE
            n += fill(folder / "data", 1, 366, 10, 1, end_ms)
            store = SqliteStore(folder / "data" / "store.db")
            roll_all(store)
            store.close()
        port = free_port()
        config = folder / "meetnet.toml"
        config.write_text(
            f'[data]\ndirectory = "data"\n[semtech_udp]\nenabled = false\n[broker]\nenabled = false\n'
            f"[web]\nport = {port}\n[alerts]\nenabled = false\n"
        )
        with a_gateway(config) as (process, _):
            return {
                "sites": sites,
                "observations": n,
                "pages": _pages(process.pid, port, visitors, requests, year_site),
            }


def _pages(pid: int, port: int, visitors: int, requests: int, year_site: str) -> dict[str, Any]:
    base = f"http://127.0.0.1:{port}"
    year = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 366 * 86400))
    gateway = psutil.Process(pid)
    found: dict[str, Any] = {}
    alone = httpx.Limits(max_keepalive_connections=0)  # it waits longer than the gateway keeps a connection
    with httpx.Client(base_url=base, timeout=120, limits=alone, trust_env=False) as client:
        features = client.get("/api/sites.geojson").json()["features"]
        sites = [f["properties"]["site_id"] for f in features if f["properties"]["kind"] in TEMPERATE]
        for name, path in PAGES.items():
            each = sites if "{site}" in path else [year_site]
            widths = range(760, 760 + requests) if "{points}" in path else [800]
            addresses = [
                path.format(year=year, site=site, points=n, year_site=year_site)
                for site in each
                for n in widths
            ]
            row: dict[str, Any] = weigh(client, addresses[0])
            row["alone"] = spread(asyncio.run(ask(port, addresses, 1, 20)))
            before, begin = sum(gateway.cpu_times()[:2]), time.perf_counter()
            row["many"] = spread(asyncio.run(ask(port, addresses, visitors, requests)))
            row["cpu_ms"] = round(1000 * (sum(gateway.cpu_times()[:2]) - before) / requests, 1)
            row["per_s"] = round(requests / (time.perf_counter() - begin), 1)
            found[name] = row
            print(f"{name:12} {json.dumps(row)}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--days", type=float, default=2)
    parser.add_argument("--step-min", type=int, default=30)
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--observations", type=float, default=0, help="as tests.bench.store fills it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(
        options.sites, options.days, options.step_min, options.visitors, options.requests,
        int(options.observations),
    )  # fmt: skip
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
