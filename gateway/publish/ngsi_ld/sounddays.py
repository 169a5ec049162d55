"""Lden and its parts in NoiseLevelObserved, once a day, with the first value of the next day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicReader
from gateway.sounddays import SoundDay, day_bounds, sound_day

QUANTITY = "laeq"
DAY_TERMS = ("Lday", "Levening", "Lnight", "Lden")
MOST = 100_000  # values of one day


def day_texts(
    rows: Sequence[PublicObservation], sites: frozenset[str], reader: PublicReader, zone: ZoneInfo
) -> dict[int, str]:
    """Return by position of a row what to add to its entity: the levels of the day that has ended.

    sites: those of noise. Only the first value of a local day ends the one before, so that each is told
    once.
    """
    first: dict[tuple[str, int], PublicObservation] = {}
    for row in rows:
        if row.quantity != QUANTITY or row.site_id not in sites:
            continue
        # The value that ends at midnight belongs to the old day.
        key = (row.site_id, day_bounds(row.observed_at_ms - 1, zone)[0])
        if key not in first or row.observed_at_ms < first[key].observed_at_ms:
            first[key] = row
    found: dict[int, str] = {}
    for (site_id, midnight_ms), row in first.items():
        if reader.series(site_id, QUANTITY, midnight_ms + 1, row.observed_at_ms, 1):
            continue  # not the first of its day
        day = _day_before(site_id, midnight_ms, reader, zone)
        if day is not None:
            found[row.position] = _text(day)
    return found


def _day_before(site_id: str, midnight_ms: int, reader: PublicReader, zone: ZoneInfo) -> SoundDay | None:
    start_ms, _ = day_bounds(midnight_ms - 1, zone)
    rows = reader.series(site_id, QUANTITY, start_ms + 1, midnight_ms + 1, MOST)
    levels = [(row.observed_at_ms, row.value) for row in rows if row.value is not None and not row.flags]
    return sound_day(levels, midnight_ms - 1, zone)


def _text(day: SoundDay) -> str:
    levels = zip(DAY_TERMS, (day.day_db, day.evening_db, day.night_db, day.den_db), strict=True)
    tail = {
        "observedAt": iso_utc(day.end_ms),
        "unitCode": "2N",
        "quality": {"type": "Property", "value": "good"},
        "method": {"type": "Property", "value": "2002/49/EC, one day"},
        "methodVersion": {"type": "Property", "value": 1},
        "coverage": {"type": "Property", "value": round(day.coverage, 3)},
    }
    return "".join(
        f',"{name}":'
        + json.dumps({"type": "Property", "value": round(level, 1), **tail}, separators=(",", ":"))
        for name, level in levels
    )
