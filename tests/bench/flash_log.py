"""What the record log does to its flash, as JSON: `python -m tests.bench.flash_log [--days D] [--kib K]`.

The real log of an air node on a model of NOR flash (tests/dual_scripts/nor_flash.py), D days (120), a record
every S seconds (--interval, 300) in K KiB (512). days_held is what the ring holds at the end;
write_amplification is bytes programmed over bytes of records, headers of sectors included; years until a
sector has seen 100,000 erasures, which is what makers of NOR flash promise (Winbond W25Q32JV, 1: more than
100,000 erase/program cycles).
"""

from __future__ import annotations

import argparse
import json
import random
from typing import Any

from node.log import RecordLog
from tests.dual_scripts.nor_flash import NorFlash
from tests.firmware.node.test_log import AIR, T0
from wire.measurements import MEASUREMENTS
from wire.record import OK, TIME_NETWORK, Record

ERASURES = 100_000


def measure(days: float, kib: int, interval_s: int) -> dict[str, Any]:
    """Return the figures."""
    flash = NorFlash(kib // 4, 4096)
    log = RecordLog(flash)
    chance = random.Random(1)
    ranges = {row[0]: (row[4], row[5]) for row in MEASUREMENTS}
    values = [low for _id, low in AIR]
    count = int(days * 86400 / interval_s)
    entries = 0
    put = log._program

    def counted(length: Any, body: Any) -> Any:
        nonlocal entries
        before = flash.programmed
        found = put(length, body)
        entries += flash.programmed - before
        return found

    log._program = counted
    for seq in range(count):
        for i, (ident, _start) in enumerate(AIR):
            low, high = ranges[ident]
            values[i] = min(max(values[i] + chance.randint(-9, 9), low), high)
        readings = [(ident, values[i], OK) for i, (ident, _) in enumerate(AIR)]
        log.append(Record(seq, T0 + interval_s * seq, TIME_NETWORK, readings))
    a_year = sum(flash.erased) / len(flash.erased) / days * 365
    return {
        "days": days,
        "kib": kib,
        "interval_s": interval_s,
        "bytes_a_record": round(flash.programmed / count, 2),
        "write_amplification": round(flash.programmed / entries, 4),
        "days_held": round((log.next_seq - log.first_seq) * interval_s / 86400, 1),
        "erasures_a_sector_a_year": round(a_year, 2),
        "most_and_least_erased": [max(flash.erased), min(flash.erased)],
        "years": round(ERASURES / a_year) if a_year else None,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=120)
    parser.add_argument("--kib", type=int, default=512)
    parser.add_argument("--interval", type=int, default=300)
    given = parser.parse_args()
    print(json.dumps(measure(given.days, given.kib, given.interval), indent=1))


if __name__ == "__main__":
    main()
