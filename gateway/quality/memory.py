"""What the checks remember of each site: enough to see steps, flat lines and rain, and nothing else.

One row of numbers a site, in one array, so that a batch is judged at once and 100,000 sites take 25 MB. A
row is written down with the record that changed it (`dump`) and read again after a restart (`load`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.quality import table

Floats = NDArray[np.float64]

# Fields of a series: the newest value, and the run of values that did not move before it.
NEWEST_MS, NEWEST, RUN_FROM_MS, RUN_RECORDS, RUN_LOW, RUN_HIGH = range(6)
FIELDS = 6

# Quantities of which something is remembered, in the order of the columns; then the counter of rain.
SERIES: tuple[str, ...] = tuple(
    sorted({check.quantity for check in table.CHECKS if check.name in (table.STUCK, table.STEP)})
)
COLUMN = {quantity: at for at, quantity in enumerate(SERIES)}
TIPS = len(SERIES)
_COLUMNS = len(SERIES) + 1

# Written before every row: one of other quantities, or another order, is not read but made again.
_LAYOUT = struct.pack("<I", zlib.crc32(repr((FIELDS, SERIES)).encode()))
_ITEM = struct.Struct(f"<B{FIELDS}d")
_pack = _ITEM.pack
FEW = 12
_ITEMS = np.dtype([("column", "u1"), ("fields", "<f8", FIELDS)])


class Memory:
    """The rows of all sites met so far. Belongs to one thread."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self.series: Floats = np.full((0, _COLUMNS, FIELDS), np.nan)

    def __contains__(self, site_id: str) -> bool:
        return site_id in self._rows

    def row(self, site_id: str) -> int:
        """Return the row of a site; a new one remembers nothing."""
        found = self._rows.get(site_id)
        if found is None:
            found = self._rows[site_id] = len(self._rows)
            n = len(self.series)
            if found >= n:
                # In place: a city's array is never there twice. Nobody holds a part of it between two calls.
                self.series.resize((n + max(64, n // 8), _COLUMNS, FIELDS), refcheck=False)
                self.series[n:] = np.nan
        return found

    def forget(self) -> None:
        """Drop everything."""
        self.__init__()

    def load(self, site_id: str, text: bytes) -> bool:
        """Take what `dump` gave; return False, and nothing is taken, when it is of another layout."""
        if text[:4] != _LAYOUT or (len(text) - 4) % _ITEM.size:
            return False
        number = self.row(site_id)  # may make the array longer
        row = self.series[number]
        row[:] = np.nan
        for column, *fields in _ITEM.iter_unpack(text[4:]):
            if column >= _COLUMNS:
                return False
            row[column] = fields
        return True

    def dump(self, row: int) -> bytes:
        """Return a row as bytes: the columns that remember anything."""
        return self.dumps([row])[0]

    def dumps(self, rows: Sequence[int]) -> list[bytes]:
        """Return rows as bytes, as `dump` does."""
        if len(rows) <= FEW:
            return [self._dump_one(self.series[row].tolist()) for row in rows]
        block = self.series[np.array(rows, np.int64)]
        is_there = ~np.isnan(block[:, :, NEWEST_MS])
        items = np.empty(is_there.shape, _ITEMS)
        items["column"], items["fields"] = np.arange(_COLUMNS), block
        data = items[is_there].tobytes()
        ends = (np.cumsum(is_there.sum(axis=1)) * _ITEM.size).tolist()
        return [_LAYOUT + data[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    @staticmethod
    def _dump_one(row: list[list[float]]) -> bytes:
        items = [_pack(at, *fields) for at, fields in enumerate(row) if fields[0] == fields[0]]
        return _LAYOUT + b"".join(items)

    def push(self, row: int, history: Sequence[tuple[str, int, float | None]]) -> None:
        """Remember (quantity, observed_at_ms, raw value) of a site, by observed time."""
        for quantity, at_ms, value in history:
            if value is None:
                continue
            if quantity == "rain_tips":
                tips = self.series[row, TIPS]
                if not at_ms <= tips[NEWEST_MS]:
                    tips[NEWEST_MS], tips[NEWEST] = at_ms, value
            column = COLUMN.get(quantity)
            if column is not None:
                one = np.array([[value]])
                push(self.series, np.array([row]), np.array([column]), one, np.array([float(at_ms)]))


TOLERANCE: Floats = np.zeros(_COLUMNS)
for _check in table.CHECKS:
    if _check.name == table.STUCK:
        _at = COLUMN[_check.quantity]
        TOLERANCE[_at] = max(TOLERANCE[_at], _check.parameters["tolerance"])


def push(
    series: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], values: Floats, at_ms: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Remember values (record, column) of different sites; NaN is no value.

    Return the fields before and after, and where a value was remembered: only those in the order of time are.
    """
    where = (rows[:, None], columns[None, :])
    before = series[where]
    moment = at_ms[:, None]
    newest_ms = before[..., NEWEST_MS]
    is_first = np.isnan(newest_ms)
    taken = (is_first | (moment > newest_ms)) & ~np.isnan(values)
    low = np.fmin(before[..., RUN_LOW], values)
    high = np.fmax(before[..., RUN_HIGH], values)
    moved = is_first | (high - low > TOLERANCE[columns] + 1e-9)
    after = np.empty_like(before)
    after[..., NEWEST_MS] = moment
    after[..., NEWEST] = values
    after[..., RUN_FROM_MS] = np.where(moved, moment, before[..., RUN_FROM_MS])
    after[..., RUN_RECORDS] = np.where(moved, 1, before[..., RUN_RECORDS] + 1)
    after[..., RUN_LOW] = np.where(moved, values, low)
    after[..., RUN_HIGH] = np.where(moved, values, high)
    after = np.where(taken[..., None], after, before)
    series[where] = after
    return before, after, taken
