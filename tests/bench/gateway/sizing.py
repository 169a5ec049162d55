"""What a network of a size needs: `python -m tests.bench.gateway.sizing [--devices 1000] [--interval-s 900]`.

Runs a gateway with that many registered devices: first at the rate of every day (at least one message a
second, so that there is something to measure), over two looks of the alerts; then with as many messages as it
takes, as after an outage. Disk is measured in what a hundred devices leave behind in two days: raw frames,
observations as they come in, and the same packed, as they are after `data.seal_days`. Prints JSON and the row
of the table in gateway/deploy/README.md.

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

from gateway.store import open_store
from gateway.store.history import rolling, sealing
from tests.bench.gateway.__main__ import measure
from tests.bench.gateway.messages import fill_registry

DAY_S = 86_400
SEAL_DAYS, RAW_DAYS = 8, 30  # the defaults of data.seal_days and data.raw_days
EVERY_DAY_S = 130.0
BURST, WINDOW = 20_000, 4000
FEW = 100  # devices of which the disk is measured: two days of each, as packing has them
SLOWER = 4.0  # a core of a Raspberry Pi 4
MACHINES = (  # share of one core here, MB of memory: what is more is for the next one
    (0.5 / SLOWER, 350, "Raspberry Pi 4 or 5 with 1 GB, SSD"),
    (1.0 / SLOWER, 700, "Raspberry Pi 4 or 5 with 2 GB, SSD"),
    (0.7, 1500, "2 cores, 4 GB, SSD"),
)
MORE = "workers and PostgreSQL"


def bytes_of(folder: Path) -> int:
    """Return what a folder, or a file with its journal, takes."""
    paths = folder.rglob("*") if folder.is_dir() else folder.parent.glob(f"{folder.name}*")
    return sum(path.stat().st_size for path in paths if path.is_file())


def disk(data: Path, messages: int) -> dict[str, float]:
    """Return bytes a message of each kind, of a data directory that a run left; its store is packed."""
    used = sum(path.stat().st_blocks * 512 for path in (data / "segments").glob("*.seg"))
    store = open_store(data / "store.db", "")
    hot = int(store.database.query("SELECT SUM(LENGTH(body)) + 60 * COUNT(*) FROM records")[0][0])
    rolling.roll_all(store)
    for _ in sealing.seal(store, 2**52, 1 << 30):
        pass
    tables = {"chunks": "body", "rollups": "body", "chunk_order": "body"}
    packed = sum(
        int(store.database.query(f"SELECT COALESCE(SUM(LENGTH({column}) + 20), 0) FROM {table}")[0][0])
        for table, column in tables.items()
    )
    store.close()
    return {"raw": used / messages, "as_it_comes": hot / messages, "packed": packed / messages}


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
