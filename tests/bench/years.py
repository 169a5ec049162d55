"""Years of one node of each kind: `python -m tests.bench.years [--kinds bin,air] [--years 10] [--json]`.

Plays `ten-years` (simulator/scenarios) group by group: real firmware, radio or Wi-Fi, gateway, store.

acquired, kept, stored   acquisitions at the sensor, records that its flash ever held, rows in the store
lost, twice, invented    kept and not stored (the newest two aside), stored twice, never measured then
days_per_cpu_s           virtual days for a second of processor time, everything counted
wraps                    what was crossed, and at how many of them no record of the interval is missing
frames                   frames on the air; at 65,536 of a session the 16 bits in the air begin anew
flash                    erases of the most worn sector of record log and NVS, and their share of 100,000

Small commits come by the thousand: a folder in memory (--data /dev/shm) saves the wait for the disk.
"""

from __future__ import annotations

import argparse
import bisect
import datetime
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.simulated import House
from simulator.stage.scenario import Nodes, Scenario, find, load
from simulator.stage.stage import Result, play
from simulator.wear import RATED_ERASES

DAY_S = 86_400
_TICKS_S = (1 << 30) / 1000
_INSTANTS = (
    ("2^30 s since 2000: small ints of the chip end", 946_684_800 + (1 << 30)),
    ("NTP's first era ends", (1 << 32) - 2_208_988_800),
    ("2^31 s since 1970", 1 << 31),
)
_ZONE = ZoneInfo("Europe/Brussels")


@dataclass(frozen=True)
class Wrap:
    """An instant at which something begins anew."""

    what: str
    at_s: float


def wraps(start_s: int, end_s: int) -> Iterator[Wrap]:
    """Yield what lies between two times (UTC seconds); ticks_ms as of a node that starts at the first."""
    for what, at_s in _INSTANTS:
        yield Wrap(what, at_s)
    for n in range(1, int((end_s - start_s) / _TICKS_S) + 1):
        yield Wrap("ticks_ms, 2^30 ms", start_s + n * _TICKS_S)
    before = None
    for hour_s in range(start_s // 3600 * 3600, end_s, 3600):
        offset = datetime.datetime.fromtimestamp(hour_s, _ZONE).utcoffset()
        if before is not None and offset != before:
            yield Wrap("summer time begins or ends", hour_s)
        before = offset
    first, last = (datetime.datetime.fromtimestamp(s, datetime.UTC).year for s in (start_s, end_s))
    for year in range(first, last + 1):
        try:
            leap = datetime.datetime(year, 2, 29, tzinfo=datetime.UTC)
        except ValueError:
            continue
        yield Wrap("leap day", leap.timestamp())


def crossed(times_s: list[float], start_s: int, end_s: int, interval_s: int) -> dict[str, dict[str, int]]:
    """Return by kind of wrap how many lay in the time, and at how many no interval was missed."""
    found: dict[str, dict[str, int]] = {}
    for wrap in wraps(start_s, end_s):
        if not start_s + 2 * interval_s < wrap.at_s < end_s - 4 * interval_s:
            continue
        row = found.setdefault(wrap.what, {"crossed": 0, "whole": 0})
        at = bisect.bisect_right(times_s, wrap.at_s)
        row["crossed"] += 1
        row["whole"] += 0 < at < len(times_s) and times_s[at] - times_s[at - 1] <= 1.5 * interval_s
    return found


def measure(scenario: Scenario, group: Nodes, data: str | None) -> dict[str, Any]:
    """Play the scenario with one node of a group; return the row."""
    alone = msgspec.structs.replace(
        scenario, title=f"{scenario.title}: {group.kind}", nodes=[msgspec.structs.replace(group, count=1)]
    )
    bar = _Bar(f"{group.kind} {group.transport}")
    with tempfile.TemporaryDirectory(prefix="meetnet-", dir=data) as name:
        folder, cpu_s, clock_s = Path(name), _cpu_s(), time.monotonic()
        result = play(alone, folder, progress=bar.progress)
        cpu_s, clock_s = _cpu_s() - cpu_s, time.monotonic() - clock_s
        times_s = sorted(ms / 1000 for _, _, ms, _ in House.records(folder))
    return _row(group, alone, result, times_s) | {
        "cpu_s": round(cpu_s, 1),
        "clock_s": round(clock_s, 1),
        "days_per_cpu_s": round(result.virtual_s / DAY_S / cpu_s, 2),
    }


def _row(group: Nodes, scenario: Scenario, result: Result, times_s: list[float]) -> dict[str, Any]:
    accounts = result.accounts or {}
    start_s = scenario.start_us // 1_000_000
    end_s = start_s + scenario.until_us // 1_000_000
    log = result.flash["most_erases"].get("log", 0)
    nvs = result.flash["nvs_erases_a_page"]
    return {
        "kind": group.kind,
        "transport": group.transport,
        "interval_s": group.interval_s,
        "start": scenario.start.isoformat(),
        "days": round(result.virtual_s / DAY_S, 2),
        "acquired": accounts["acquired"],
        "kept": accounts["in_flash"],
        "stored": accounts["stored"],
        "lost": accounts["lost"],
        "twice": accounts["twice"],
        "invented": accounts["invented"],
        "frames": accounts["frames_sent"],
        "restarts": sum(n for name, n in result.events.items() if name in ("node.reset", "node.crash")),
        "told_people": result.counters.get("health.told", 0),
        "wraps": crossed(times_s, start_s, end_s, group.interval_s),
        "flash": {
            "log_erases": log,
            "nvs_erases": nvs,
            "nvs_commits": result.flash["nvs_commits"],
            "worst_share_percent": round(100 * max(log, nvs) / RATED_ERASES, 3),
        },
        "counters": result.counters,
        "failures": result.failures,
    }


def _cpu_s() -> float:
    ours, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


class _Bar:
    """A line on stderr each twentieth of the way."""

    def __init__(self, title: str) -> None:
        self._title, self._told, self._began_s = title, 0, time.monotonic()

    def progress(self, done_us: int, whole_us: int, note: str) -> None:
        """Tell how far it is."""
        part = done_us * 20 // whole_us
        if part > self._told:
            self._told = part
            spent_s = time.monotonic() - self._began_s
            print(f"{self._title}: {part * 5} % after {spent_s:.0f} s, {note}", file=sys.stderr)


def main() -> None:
    """Measure and print; exit code 1 where accounts do not balance or a wrap has a gap."""
    scenario = load(find("ten-years"))
    kinds = sorted({group.kind for group in scenario.nodes})
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(kinds), help="of " + ",".join(kinds))
    parser.add_argument("--transport", choices=("lorawan", "mqtt"), help="only those")
    parser.add_argument("--years", type=float, default=10.0, help="how long, from --start")
    parser.add_argument("--start", default=scenario.start.isoformat(), help="as 2028-06-01T00:00:00Z")
    parser.add_argument("--data", help="where the folders of the runs go, such as /dev/shm")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = options.kinds.split(",")
    if unknown := set(wanted) - set(kinds):
        parser.error(f"--kinds: {', '.join(sorted(unknown))}; known are {', '.join(kinds)}")
    days = 3652 if options.years == 10 else round(options.years * 365.25)
    scenario = msgspec.structs.replace(
        scenario, start=datetime.datetime.fromisoformat(options.start), until=f"{max(days, 2)}d"
    )
    rows = [
        measure(scenario, group, options.data)
        for group in scenario.nodes
        if group.kind in wanted and options.transport in (None, group.transport)
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            _say(row)
    bad = [
        row
        for row in rows
        if row["failures"] or any(w["whole"] < w["crossed"] for w in row["wraps"].values())
    ]
    sys.exit(1 if bad else 0)


def _say(row: dict[str, Any]) -> None:
    print(f"{row['kind']} {row['transport']}, a record each {row['interval_s']} s, {row['days']:.0f} days")
    print(
        f"  {row['acquired']} acquired, {row['kept']} kept, {row['stored']} stored; lost {row['lost']}, "
        f"twice {row['twice']}, never measured {row['invented']}; people told {row['told_people']} times"
    )
    for what, found in row["wraps"].items():
        print(f"  {what}: {found['whole']} of {found['crossed']} without a gap")
    flash = row["flash"]
    print(
        f"  {row['frames']} frames; log sectors erased {flash['log_erases']} times, NVS pages "
        f"{flash['nvs_erases']} ({flash['worst_share_percent']} % of {RATED_ERASES})"
    )
    print(f"  {row['cpu_s']} s of processor time, {row['days_per_cpu_s']} virtual days a second")
    for failure in row["failures"]:
        print(f"  {failure}")


if __name__ == "__main__":
    main()
