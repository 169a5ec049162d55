"""A CSV of a co-location: time, raw value, reference and, if there is one, humidity."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.errors import QualityError
from gateway.sheet import Sheet

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


def read(found: Sheet, columns: Columns) -> Pairs:
    """Return the pairs of a list as hourly means; rows with an empty cell are counted and left out.

    Times are RFC 3339, or seconds since 1970. Decimal commas are taken where fields are separated otherwise.
    Raise QualityError naming line and column.
    """
    names = found.columns
    humidity = columns.humidity or ("rh" if "rh" in names else None)
    wanted = [columns.time, columns.raw, columns.reference, *([humidity] if humidity else [])]
    for name in wanted:
        if name not in names:
            raise QualityError(
                "columns", f"no column {name!r}; the file has {', '.join(names) or 'no header'}"
            )
    decimal_comma = found.separator != ","
    hours: dict[int, list[list[float]]] = {}
    left_out = 0
    for row in found.rows:
        number, cells = row.line, [row.cells.get(name, "") for name in wanted]
        if "" in cells:
            left_out += 1
            continue
        if row.fault:
            raise QualityError(f"line {number}", row.fault)
        at_ms = _time(cells[0], number, columns.time)
        plain = [cell.replace(",", ".") if decimal_comma else cell for cell in cells[1:]]
        values = [_number(cell, number, name) for cell, name in zip(plain, wanted[1:], strict=True)]
        hours.setdefault(at_ms // HOUR_MS, []).append(values)
    pairs = Pairs(humidity=[] if humidity else None, left_out=left_out)
    for hour in sorted(hours):
        means = [sum(column) / len(column) for column in zip(*hours[hour], strict=True)]
        pairs.times_ms.append(hour * HOUR_MS)
        pairs.raw.append(means[0])
        pairs.reference.append(means[1])
        if pairs.humidity is not None:
            pairs.humidity.append(means[2])
    return pairs


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
