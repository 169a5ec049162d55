"""A CSV of a co-location: time, raw value, reference and, if there is one, humidity."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.errors import QualityError

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called. humidity: None = look for `rh`, and do without when it is absent."""

    time: str = "time"
    raw: str = "raw"
    reference: str = "reference"
    humidity: str | None = None


@dataclass(slots=True)
class Pairs:
    """Pairs of good values, in the order of time; humidity None where no row has any."""

    times_ms: list[int] = field(default_factory=list[int])
    raw: list[float] = field(default_factory=list[float])
    reference: list[float] = field(default_factory=list[float])
    humidity: list[float] | None = None
    left_out: int = 0


def read(lines: Iterable[str], columns: Columns) -> Pairs:
    """Return the pairs of a CSV as hourly means; rows with an empty cell are counted and left out.

    Times are RFC 3339, or seconds since 1970. Raise QualityError naming line and column.
    """
    reader = csv.DictReader(lines)
    names = list(reader.fieldnames or ())
    humidity = columns.humidity or ("rh" if "rh" in names else None)
    wanted = [columns.time, columns.raw, columns.reference, *([humidity] if humidity else [])]
    for name in wanted:
        if name not in names:
            raise QualityError(
                "columns", f"no column {name!r}; the file has {', '.join(names) or 'no header'}"
            )
    hours: dict[int, list[list[float]]] = {}
    left_out = 0
    for number, row in enumerate(reader, start=2):
        cells = [(row[name] or "").strip() for name in wanted]
        if "" in cells:
            left_out += 1
            continue
        at_ms = _time(cells[0], number, columns.time)
        values = [_number(cell, number, name) for cell, name in zip(cells[1:], wanted[1:], strict=True)]
        hours.setdefault(at_ms // HOUR_MS, []).append(values)
    found = Pairs(humidity=[] if humidity else None, left_out=left_out)
    for hour in sorted(hours):
        means = [sum(column) / len(column) for column in zip(*hours[hour], strict=True)]
        found.times_ms.append(hour * HOUR_MS)
        found.raw.append(means[0])
        found.reference.append(means[1])
        if found.humidity is not None:
            found.humidity.append(means[2])
    return found


def _time(cell: str, line: int, column: str) -> int:
    try:
        moment = datetime.fromtimestamp(int(cell), UTC) if cell.isdigit() else datetime.fromisoformat(cell)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise QualityError(
            f"line {line}, {column}", f"{cell!r} is no time; give RFC 3339 (2026-03-01T12:00:00Z) or seconds"
        ) from error


def _number(cell: str, line: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise QualityError(f"line {line}, {column}", f"{cell!r} is no number; use a decimal point")
    return value
