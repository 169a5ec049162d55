"""Fill a data directory with a made-up town: sites, devices and weeks of values, without running any node.

`python -m tools.town DIRECTORY [--sites 12] [--days 30] [--step-min 10] [--seed 1]`

For pictures, benches and trying pages out. The values are those of the simulated city (simulator.city), so
they rise and fall as values do; they went through no node, no radio and no quality control, except that one
site in twelve has a broken sensor and one has gone silent. Twelve sites are the demo street.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from gateway.model import Decoded, Judged, Observation, Readings, judged
from gateway.registry import Device, Registry, Site
from gateway.store import SqliteStore
from simulator.city import street_life, weather
from simulator.plan import plan

Values = list[tuple[str, str, float]]
MINUTE_MS = 60_000
BATCH = 2_000


def values(kind: str, seed: int, site: str, at_ms: int) -> Values:
    """Return what a site measures at a moment: (quantity, unit, value)."""
    at_us = at_ms * 1000
    temperature = weather.temperature_c(seed, site, at_us)
    humidity = weather.relative_humidity_pct(seed, site, at_us)
    battery: Values = [("battery", "mV", round(street_life.battery_mv(seed, site, at_us)))]
    if kind == "air":
        fine = street_life.pm2_5_ug_m3(seed, site, at_us)
        found: Values = [("pm2_5", "ug/m3", fine), ("pm10", "ug/m3", 1.45 * fine + 2)]
        return [*found, ("temperature", "Cel", temperature), ("relative_humidity", "%", humidity)]
    if kind == "noise":
        levels = [street_life.sound_level_dba(seed, site, at_us + s * 1_000_000) for s in range(0, 600, 40)]
        mean = 10 * math.log10(sum(10 ** (level / 10) for level in levels) / len(levels))
        levels.sort()
        return [
            ("laeq", "dB(A)", mean), ("lafmax", "dB(A)", levels[-1] + 3), ("la10", "dB(A)", levels[-2]),
            ("la50", "dB(A)", levels[len(levels) // 2]), ("la90", "dB(A)", levels[1]), *battery,
        ]  # fmt: skip
    if kind == "bin":
        distance = street_life.bin_distance_mm(seed, site, at_us)
        fill = min(100.0, max(0.0, 100 * (1350 - distance) / 1100))
        return [("distance", "mm", distance), ("filling_level", "%", fill), *battery]
    rain = weather.rain_rate_mm_h(seed, site, at_us) / 6
    return [
        ("temperature", "Cel", temperature), ("relative_humidity", "%", humidity),
        ("precipitation", "mm", rain), *battery,
    ]  # fmt: skip


def fill(directory: Path, sites: int, days: float, step_min: int, seed: int, end_ms: int) -> int:
    """Make the town; return the number of observations. The last value is of end_ms."""
    nodes = plan(sites, seed)
    registry, store = Registry(directory), SqliteStore(directory / "store.db")
    try:
        with registry.atomic():
            for node in nodes:
                registry.put_site(
                    Site(
                        node.site_id, "city", node.site_name, node.kind, node.longitude, node.latitude, 50,
                        "CC-BY-4.0", *((1350.0, 250.0) if node.kind == "bin" else ()),
                    )
                )  # fmt: skip
                registry.put_device(Device(node.dev_eui, node.kind, "mqtt"))
                registry.deploy(node.dev_eui, node.site_id, None)
                registry.consent(node.site_id)
        steps = int(days * 1440 / step_min)
        n = 0
        for first in range(0, steps, max(1, BATCH // sites)):
            moments = [
                end_ms - (steps - 1 - step) * step_min * MINUTE_MS
                for step in range(first, min(steps, first + max(1, BATCH // sites)))
            ]
            records = [(number, node, at_ms) for at_ms in moments for number, node in enumerate(nodes)]
            batch = [
                _record(node.site_id, node.dev_eui, node.kind, seed, at_ms, number % 12 == 8, end_ms)
                for number, node, at_ms in records
                if number % 12 != 9 or at_ms < end_ms - 3 * 3_600_000  # one has gone silent
            ]
            store.put_imported(batch)
            n += sum(len(found.raws) for _, _, found in batch)
        return n
    finally:
        store.close()
        registry.close()


def _record(
    site_id: str, dev_eui: str, kind: str, seed: int, at_ms: int, is_broken: bool, end_ms: int
) -> tuple[Decoded, str, Judged]:
    seq = at_ms // MINUTE_MS
    broken = is_broken and at_ms > end_ms - 7_200_000
    observations = [
        Observation(
            site_id, dev_eui, seq, quantity, unit, round(value, 2), round(value, 2), "ok",
            ("stuck",) if broken and quantity == "pm2_5" else (), "none", 0, at_ms, at_ms + 1500, "network",
        )
        for quantity, unit, value in values(kind, seed, site_id, at_ms)
    ]  # fmt: skip
    readings = Readings.of(())
    return Decoded(dev_eui, seq, at_ms, "network", at_ms + 1500, readings), site_id, judged(observations)


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sites", type=int, default=12)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--step-min", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    end_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    n = fill(options.directory, options.sites, options.days, options.step_min, options.seed, end_ms)
    print(f"town: {options.sites} sites, {n} observations in {options.directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
