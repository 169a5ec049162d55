"""Write `gateway/publish/ts013/meetnet-ts013.js`: our payloads decoded by network servers of others.

    python -m tools.ts013           write the file
    python -m tools.ts013 --check   say whether it is what the tables give

The LoRa Alliance's payload codec API (TS013) is what ChirpStack and The Things Stack run: one file of plain
JavaScript with decodeUplink, encodeDownlink and decodeDownlink. Measurements, channel sets, states and the
status fields come from the tables of `wire`; only the reading of bits is written by hand, in ts013_code.js,
as in wire/codec/v1.py and wire/status.py. No number above 2^53 occurs; 32-bit fields are read by
multiplication, never by a shift.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, cast

from gateway.decode.records import UTC_FROM_S
from wire import backfill, commands, measurements, ports, record, status
from wire.codec import profiles, v1

TARGET = Path(__file__).resolve().parent.parent / "gateway/publish/ts013/meetnet-ts013.js"

CODE = Path(__file__).with_name("ts013_code.js")


def text() -> str:
    """Return the file."""
    return _head() + _tables() + CODE.read_text(encoding="utf-8")


def _head() -> str:
    return (
        "// Meetnet payload codec for LoRaWAN network servers (LoRa Alliance TS013).\n"
        "// SPDX-License-Identifier: Apache-2.0\n"
        "// Written by tools/ts013.py from the tables of firmware/wire: change those, not this file.\n\n"
    )


def _tables() -> str:
    rows: dict[int, dict[str, Any]] = {
        row[0]: {"name": row[1], "unit": row[2], "decimals": row[3], "min": row[4], "max": row[5]}
        for row in cast("list[tuple[Any, ...]]", [measurements.by_id(number) for number in range(256)])
        if row
    }
    flags = {
        getattr(status, name): name.removeprefix("FLAG_").lower()
        for name in sorted(dir(status))
        if name.startswith("FLAG_")
    }
    constants: list[tuple[str, Any]] = [
        ("VERSION", v1.VERSION),
        ("MAX_PAYLOAD", v1.MAX_PAYLOAD),
        ("UTC_FROM_S", UTC_FROM_S),
        ("STEP_BITS", 18),
        ("ABSENT", 15),
        ("MAX_CHANNELS", 32),
        ("FIRST_ERROR", record.FIRST_ERROR),
        ("PORT_RECORDS", ports.RECORDS),
        ("PORT_STATUS", ports.STATUS),
        ("PORT_COMMANDS", ports.COMMANDS),
        ("STATUS_VERSION", status.VERSION),
        ("STATUS_WITH_BLOCKS", status.WITH_BLOCKS),
        ("STATUS_FIXED", 28),
        ("MAX_SENSORS", status.MAX_SENSORS),
        *[
            (name, getattr(commands, name))
            for name in ("GET", "VALUES", "SET", "RESULT", "MAX_GET", "MAX_SET")
        ],
        *[
            (name, getattr(backfill, name))
            for name in ("SEND_RECORDS", "RECORDS_GONE", "NEVER_GIVEN", "MAX_RANGES")
        ],
        ("OUTCOMES", commands.OUTCOMES),
        ("KEYS", [list(row) for row in commands.KEYS]),
        ("MEASUREMENTS", rows),
        ("PROFILES", {number: list(channels) for number, channels in profiles.PROFILES}),
        ("STATES", record.STATE_NAMES),
        ("TIME_QUALITIES", {0: "estimated", 1: "drifting", 2: "network", 3: "ntp"}),
        ("RESET_CAUSES", status.RESET_CAUSES),
        ("FAILURES", status.NETWORK_FAILURES),
        ("STATUS_FLAGS", dict(sorted(flags.items()))),
    ]
    return "".join(f"var {name} = {_table(value)};\n" for name, value in constants)


def _table(value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    rows = cast("dict[Any, Any]", value).items()
    inner = ",\n".join(f"  {json.dumps(str(key))}: {json.dumps(one)}" for key, one in rows)
    return f"{{\n{inner}\n}}"


def main() -> int:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    if asked.check:
        is_same = TARGET.exists() and TARGET.read_text("utf-8") == text()
        print(
            "up to date" if is_same else f"{TARGET.name} is not what the tables give: python -m tools.ts013"
        )
        return 0 if is_same else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text(), encoding="utf-8")
    print(f"{TARGET.name}: {len(text())} characters")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
