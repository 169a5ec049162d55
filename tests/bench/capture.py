"""How much of an interval a noise node does not hear, as JSON: with duty cycle as before, and all the time.

    python -m tests.bench.capture

A house with one node in the simulator, uplinks confirmed, so that both windows of each are opened. Seconds
are counted by the simulated bus: what the program did not read of what the microphone sent. Takes a minute.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware")]

from tests.system.listening import live  # noqa: E402

RUNS: dict[str, dict[str, Any]] = {
    "lorawan, every 60 s": {"interval_s": 60, "settle_s": 150, "listens_s": 50},
    "lorawan at SF12, every 300 s": {"interval_s": 300, "settle_s": 900, "listens_s": 285, "sf": 12},
    "wifi, every 60 s": {"interval_s": 60, "settle_s": 150, "listens_s": 50, "transport": "mqtt"},
}


def report() -> dict[str, Any]:
    """Return the seconds of each interval that are not heard, and how far windows moved."""
    out: dict[str, Any] = {}
    for name, run in RUNS.items():
        how = {key: value for key, value in run.items() if key != "listens_s"}
        row: dict[str, Any] = {}
        openings: list[set[int]] = []
        for key, noise_s in (("for_part_of_it", run["listens_s"]), ("all_the_time", 0)):
            with tempfile.TemporaryDirectory() as folder:
                heard = live(Path(folder), noise_s=noise_s, intervals=3, **how)
            row[key] = {
                "not_heard_s_of_an_interval": heard.unheard_s,
                "dropped_by_the_i2s_buffer_s": round(heard.dropped_s, 3),
            }
            openings.append(set(heard.openings_us))
        if openings[0]:
            row["rx1_opens_us_after_the_uplink"] = {
                "for_part_of_it": sorted(openings[0]),
                "all_the_time": sorted(openings[1]),
            }
        out[name] = row
    return out


def main() -> int:
    """Print the report."""
    sys.stdout.write(json.dumps(report(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
