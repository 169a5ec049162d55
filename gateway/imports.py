"""Our own CSV read back: what `meetnet export` and the page write, to the same observations.

A row names its site, so a file also says which sites there are. Rows of one site and moment become one
record; its number follows from the moment, so importing a file again, or one that overlaps, adds nothing. A
row that cannot be read is refused with its line and the remedy, and the others go on.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TextIO

from gateway.errors import RegistryError
from gateway.exports import CSV_COLUMNS
from gateway.model import Decoded, Observation, Readings

MOST_IN_A_RECORD = 64
NOTHING = Readings.of(())  # what a device said is not in the file, only what was made of it


@dataclass(frozen=True, slots=True)
class ImportedSite:
    """A site as a row tells of it: its position is the middle of the published grid cell."""

    site_id: str
    name: str
    kind: str
    longitude: float
    latitude: float
    precision_m: int
    licence: str


@dataclass(slots=True)
class ImportReport:
    """What became of a file."""

    rows: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


@dataclass(frozen=True, slots=True)
class _Row:
    site: ImportedSite
    observation: Observation


def read_csv(
    source: TextIO, report: ImportReport
) -> Iterator[tuple[ImportedSite, Decoded, list[Observation]]]:
    """Yield (site, record, observations) of a file opened with newline=""; raise RegistryError.

    Rows stand in the order of observed time, as they are exported: what shares site and moment is one record.
    """
    reader = csv.DictReader(source)
    names = [name.lstrip("\ufeff") for name in reader.fieldnames or ()]
    if len(names) == 1 and ";" in names[0]:
        raise RegistryError("this is the form for spreadsheets (decimal comma): export without decimal=comma")
    missing = set(CSV_COLUMNS) - set(names)
    if missing:
        raise RegistryError(
            f"column {', '.join(sorted(missing))} is missing: give a file of `meetnet export`"
        )
    reader.fieldnames = names
    waiting: dict[str, list[_Row]] = {}
    moment_ms: int | None = None
    for cells in reader:
        report.rows += 1
        try:
            row = _row(cells)
        except ValueError as error:
            report.refused.append((reader.line_num, str(error)))
            continue
        if row.observation.observed_at_ms != moment_ms:
            yield from _records(waiting)
            waiting, moment_ms = {}, row.observation.observed_at_ms
        waiting.setdefault(row.site.site_id, []).append(row)
    yield from _records(waiting)


def _records(
    waiting: dict[str, list[_Row]],
) -> Iterator[tuple[ImportedSite, Decoded, list[Observation]]]:
    """Cut the rows of one moment into records: a quantity once, one time of reception, at most 64."""
    for rows in waiting.values():
        layers: list[list[_Row]] = []
        for row in rows:
            for layer in layers:
                if (
                    len(layer) < MOST_IN_A_RECORD
                    and layer[0].observation.received_at_ms == row.observation.received_at_ms
                    and all(one.observation.quantity != row.observation.quantity for one in layer)
                ):
                    layer.append(row)
                    break
            else:
                layers.append([row])
        for number, layer in enumerate(layers):
            first = layer[0].observation
            seq = first.observed_at_ms * 256 + number
            observations = [_numbered(row.observation, seq) for row in layer]
            decoded = Decoded(
                first.dev_eui, seq, first.observed_at_ms, first.time_quality, first.received_at_ms, NOTHING
            )
            yield layer[0].site, decoded, observations


def _numbered(found: Observation, seq: int) -> Observation:
    return Observation(
        found.site_id, found.dev_eui, seq, found.quantity, found.unit, found.raw_value, found.value,
        found.state, found.flags, found.method, found.method_version, found.observed_at_ms,
        found.received_at_ms, found.time_quality,
    )  # fmt: skip


def _row(cells: dict[Any, Any]) -> _Row:
    if None in cells or None in cells.values():  # DictReader's signs of a field too many or too few
        raise ValueError("the row has not as many fields as the header")
    site = ImportedSite(
        site_id=_needed(cells, "site_id"),
        name=_name(cells["site_name"]),
        kind=_needed(cells, "kind"),
        longitude=_number(cells, "longitude", -180, 180),
        latitude=_number(cells, "latitude", -90, 90),
        precision_m=_whole(cells, "precision_m"),
        licence=_needed(cells, "licence"),
    )
    observation = Observation(
        site_id=site.site_id,
        dev_eui=f"import:{site.site_id}",  # no device is known, and none is claimed
        seq=0,
        quantity=_needed(cells, "quantity"),
        unit=cells["unit"],
        raw_value=_value(cells, "raw_value"),
        value=_value(cells, "value"),
        state=_needed(cells, "state"),
        flags=tuple(cells["flags"].split()),
        method=_needed(cells, "method"),
        method_version=_whole(cells, "method_version"),
        observed_at_ms=_moment(cells, "observed_at"),
        received_at_ms=_moment(cells, "received_at"),
        time_quality="imported",
    )
    return _Row(site, observation)


def _needed(cells: dict[str, str], name: str) -> str:
    if not cells[name]:
        raise ValueError(f"{name}: is empty; give it")
    return cells[name]


def _name(text: str) -> str:
    """Undo what keeps a name from being a formula."""
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") else text


def _number(cells: dict[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        raise ValueError(f"{name}: {cells[name][:40]!r} is not a number; use a point for decimals") from None
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} is outside of {low} to {high}")
    return value


def _value(cells: dict[str, str], name: str) -> float | None:
    if cells[name] == "":
        return None
    value = _number(cells, name, -math.inf, math.inf)
    if not math.isfinite(value):
        raise ValueError(f"{name}: {cells[name]} is not a finite number; leave it empty")
    return value


def _whole(cells: dict[str, str], name: str) -> int:
    text = cells[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name}: {text[:40]!r} is not a whole number from 0")
    return int(text)


def _moment(cells: dict[str, str], name: str) -> int:
    try:
        moment = datetime.fromisoformat(cells[name])
        if moment.tzinfo is None:
            raise ValueError
        found = round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: {cells[name][:40]!r} is no time; write 2026-11-23T18:00:00Z") from None
    if not 0 <= found < 1 << 47:
        raise ValueError(f"{name}: {cells[name]} is before 1970 or too far ahead")
    return found
