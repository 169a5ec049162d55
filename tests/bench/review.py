"""The second look over a region: how long an hour and a month take, and how much memory.

    python -m tests.bench.review                         5,000 sites: the most that are judged as one network
    python -m tests.bench.review --sites 100000 --days 3

Each site has hourly sums of temperature, humidity, PM2.5 and PM10, written as rolling up would have, and the
records of the last hours, at random places in three towns and between them. One site in a hundred is 6 K too
warm: found_share is of those, by `neighbours` and `often_out`. with_pauses_s: until it is done in a gateway.
Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gateway.clock import SystemClock
from gateway.counters import Counters
from gateway.quality.review import BUDDIES, OFTEN_OUT, QUANTITIES
from gateway.reviewing import AGAIN_HOURS, PAUSES, Review
from gateway.shapes import Form, packed, shape
from gateway.store import SqliteStore
from gateway.store.assessments import Assessments
from gateway.store.history.rolling import block_of, write_blocks
from gateway.store.history.rollups import DAY_MS, HOUR_MS, Entries
from gateway.store.rows import shape_text

END_MS = 1_795_000_000_000 // DAY_MS * DAY_MS
UNITS = {"temperature": "Cel", "relative_humidity": "%"}
MIDDLES = {"temperature": (15.0, 0.5), "relative_humidity": (70.0, 3.0)}
WARM_EVERY, WARM_K = 100, 6.0
HOURS = AGAIN_HOURS + 1
_AT_ONCE = 2000
_RECORD = "id, device, seq, site, observed_at_ms, received_at_ms, log_sequence, shape, body"


def region(sites: int) -> list[tuple[str, float, float]]:
    """Return id and place of each site: nine in ten in or about a town."""
    dice = np.random.default_rng(1)
    towns = dice.uniform((3.2, 50.9), (5.2, 51.9), (3, 2))
    places = towns[dice.integers(0, 3, sites)] + dice.normal(0, 0.06, (sites, 2))
    between = dice.random(sites) < 0.1
    places[between] = dice.uniform((3.0, 50.8), (5.4, 52.0), (int(between.sum()), 2))
    return [(f"site-{at:06}", float(lon), float(lat)) for at, (lon, lat) in enumerate(places)]


def fill(store: SqliteStore, places: list[tuple[str, float, float]], days: int) -> None:
    """Write days of hourly sums of every site."""
    dice = np.random.default_rng(2)
    form = shape("network", tuple(Form(q, UNITS.get(q, "ug/m3"), "ok", (), "none", 0) for q in QUANTITIES), 4)
    with store.database.write() as transaction:
        transaction.insert("shapes", "id, shape", [(1, shape_text(form))])
        transaction.insert(
            "sites",
            "id, site_id, observed_at_ms, last, memory",
            [(at, name, END_MS - HOUR_MS, b"", None) for at, (name, _, _) in enumerate(places, 1)],
        )
        n = len(places) * HOURS
        transaction.execute(f"INSERT INTO positions VALUES ('rolled', {n + 1}), ('records', {n + 1})")
    numbers = store.quantities.of(form)
    hours = np.arange(24)
    for day_ms in range(END_MS - days * DAY_MS, END_MS, DAY_MS):
        for at in range(0, len(places), _AT_ONCE):
            mine = np.arange(at, min(at + _AT_ONCE, len(places)))
            parts = []
            for quantity, number in zip(QUANTITIES, numbers, strict=True):
                middle, spread = MIDDLES.get(quantity, (12.0, 1.0))
                day = np.sin(hours * np.pi / 12 + len(quantity))
                values = middle + middle / 4 * day + dice.normal(0, spread, (len(mine), 24))
                if quantity == "temperature":
                    values[mine % WARM_EVERY == 0] += WARM_K
                parts.append((np.full(values.size, 2 * number), values.round(2).ravel()))
            block = np.tile(np.repeat(block_of(mine + 1, day_ms, HOUR_MS), 24), len(parts))
            key = np.concatenate([part[0] for part in parts])
            slot = np.tile(hours, len(mine) * len(parts))
            mean = np.concatenate([part[1] for part in parts])
            order = np.lexsort((slot, key, block))
            mean = mean[order]
            entries = Entries(
                block[order], key[order], slot[order], np.full(len(mean), 4), mean, mean - 0.5, mean + 0.5
            )
            with store.database.write() as transaction:
                write_blocks(transaction, HOUR_MS, entries)
                if day_ms == END_MS - DAY_MS:
                    lasts = np.stack([part[1].reshape(len(mine), 24) for part in parts], axis=2)[:, -HOURS:]
                    transaction.insert("records", _RECORD, list(_records(mine, lasts)))


def _records(sites: np.ndarray, values: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Yield the records of which the last hours were added up: sites x hours x quantities."""
    for hour in range(HOURS):
        at_ms = END_MS - (HOURS - hour) * HOUR_MS + HOUR_MS // 2
        for site, mine in zip(sites.tolist(), values[:, hour].tolist(), strict=True):
            number = site * HOURS + hour + 1
            yield number, site + 1, hour, site + 1, at_ms, at_ms, number, 1, packed(mine)


def measure(folder: Path, sites: int, days: int) -> dict[str, object]:
    places = region(sites)
    store = SqliteStore(folder / "store.db")
    assessments = Assessments(folder / "review.db")
    try:
        fill(store, places, days)
        review = Review(store, lambda: places, assessments, SystemClock(), Counters())
        result: dict[str, object] = {"sites": sites, "days": days, "before_mb": _peak_mb()}
        warm = {name for at, (name, _, _) in enumerate(places) if at % WARM_EVERY == 0}
        for name, steps in (
            ("hours", lambda: review.hours(END_MS - HOURS * HOUR_MS, END_MS)),
            ("month", lambda: review.month(END_MS)),
        ):
            started_s, cpu_s = time.perf_counter(), time.process_time()
            look = steps()
            found = look.found.get("temperature", ())
            flagged = {one.site_id for one in found if one.flag in (BUDDIES, OFTEN_OUT)}
            result[name] = {
                "cpu_s": round(time.process_time() - cpu_s, 1),
                "with_pauses_s": round((1 + PAUSES) * (time.perf_counter() - started_s), 1),
                "values": look.seen,
                "found_share": round(len(flagged & warm) / len(warm), 3),
                "falsely": round(len(flagged - warm) / (sites - len(warm)), 4),
                "peak_mb": _peak_mb(),
            }
        return result
    finally:
        store.close()
        assessments.close()


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, default=5000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--data", type=Path, help="where the store goes while it runs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meetnet-bench-", dir=asked.data) as name:
        print(json.dumps(measure(Path(name), asked.sites, asked.days), indent=2))


if __name__ == "__main__":
    main()
