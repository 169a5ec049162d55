"""What a network of a size needs: `python -m tests.bench.gateway.sizing [--devices 1000] [--interval-s 900]`.

Runs a gateway with that many registered devices: first at the rate of every day (at least one message a
second, so that there is something to measure), over two looks of the alerts; then with as many messages as it
takes, as after an outage. Disk: raw frames and observations as they come in, measured, and the same packed,
as they are after `data.seal_days`, as tests.bench.store has them. Prints JSON and the row of the table in
gateway/deploy/README.md.

CPU is that of one core of the computer it runs on. A core of a Raspberry Pi 4 is taken to be a quarter of it:
that is an assumption, so run this on yours.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gateway.store import SegmentLog, open_store
from tests.bench.gateway.__main__ import measure
from tests.bench.gateway.messages import QUANTITIES, fill_registry

DAY_S = 86_400
SEAL_DAYS, RAW_DAYS = 8, 30  # the defaults of data.seal_days and data.raw_days
EVERY_DAY_S = 130.0
BURST, WINDOW = 20_000, 4000
FEW = 100  # devices of which the disk is measured
FRAME_BYTES = 24  # of a record in a segment, beside its body
# An observation in chunks, with rollups and all: python -m tests.bench.store at 10^8 of them. The values that
# the load generator sends repeat, and pack better than weather does.
PACKED_BYTES = 3.2
SLOWER = 4.0  # a core of a Raspberry Pi 4
MACHINES = (  # share of one core here, MB of memory: what is more is for the next one
    (0.5 / SLOWER, 350, "Raspberry Pi 4 or 5 with 1 GB, SSD"),
    (1.0 / SLOWER, 700, "Raspberry Pi 4 or 5 with 2 GB, SSD"),
    (0.7, 1500, "2 cores, 4 GB, SSD"),
)
MORE = "workers and PostgreSQL"


def disk(data: Path, messages: int) -> dict[str, float]:
    """Return bytes a message of each kind, of a data directory that a run left."""
    log, used, position = SegmentLog(data / "segments"), 0, 0
    while records := log.read(position):  # what it fills: a segment takes its whole size from the start
        position = records[-1][0]
        used += sum(len(body) + FRAME_BYTES for _, body in records)
    log.close()
    store = open_store(data / "store.db", "")
    hot = int(store.database.query("SELECT SUM(LENGTH(body)) + 60 * COUNT(*) FROM records")[0][0])
    store.close()
    packed = PACKED_BYTES * len(QUANTITIES)
    return {"raw": used / messages, "as_it_comes": hot / messages, "packed": packed}


def row(devices: int, interval_s: float) -> dict[str, Any]:
    """Measure a network of a size."""
    rate = devices / interval_s
    with tempfile.TemporaryDirectory(prefix="meetnet-sizing-") as name:
        folder = Path(name)
        registry = folder / "registry"
        fill_registry(registry, devices)
        (folder / "day").mkdir()
        steady = max(1.0, rate)
        messages = int(EVERY_DAY_S * steady)
        day = measure(folder / "day", devices, messages, WINDOW, steady, registry)
        shutil.rmtree(folder / "day")
        (folder / "burst").mkdir()
        burst = measure(folder / "burst", devices, BURST, WINDOW, 0.0, registry, known=True)
        shutil.rmtree(folder / "burst")
        (folder / "disk").mkdir()
        measure(folder / "disk", FEW, BURST, WINDOW)
        found = disk(folder / "disk" / "data", BURST)
    cpu_us: Any = day["cpu_us_per_message"]
    share = cpu_us["gateway"] * steady / 1e6
    peak_mb = float(burst["peak_mb"])  # type: ignore[arg-type]
    a_day = {kind: each * rate * DAY_S / 1e6 for kind, each in found.items()}
    return {
        "devices": devices,
        "interval_s": interval_s,
        "msg_per_s": round(rate, 2),
        "measured_at_msg_per_s": round(steady, 2),
        "cpu_percent_of_a_core": round(100 * share, 1),
        "start_s": day["start_s"],
        "idle_mb": day["idle_mb"],
        "peak_mb": peak_mb,
        "burst_msg_per_s": burst["msg_per_s"],
        "bytes_per_message": {kind: round(each, 1) for kind, each in found.items()},
        "disk_mb_a_day": round(a_day["packed"], 2),
        "disk_gb_after_a_year": round(
            (RAW_DAYS * a_day["raw"] + SEAL_DAYS * a_day["as_it_comes"] + 365 * a_day["packed"]) / 1e3, 2
        ),
        "machine": next((machine for most, mb, machine in MACHINES if share <= most and peak_mb <= mb), MORE),
    }


def line(found: dict[str, Any]) -> str:
    """Return a row of the table."""
    return (
        f"| {found['devices']:,} | {found['msg_per_s']:g} | {found['cpu_percent_of_a_core']:g} % | "
        f"{found['idle_mb']:.0f}, {found['peak_mb']:.0f} MB | {found['disk_mb_a_day']:g} MB | "
        f"{found['disk_gb_after_a_year']:g} GB | {found['machine']} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="*", default=[1000])
    parser.add_argument("--interval-s", type=float, default=900.0, help="between messages of a device")
    asked = parser.parse_args()
    rows = [row(devices, asked.interval_s) for devices in asked.devices]
    print(json.dumps(rows, indent=2))
    for found in rows:
        print(line(found))


if __name__ == "__main__":
    main()
