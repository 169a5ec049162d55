"""Lden of 2002/49/EC: worked by hand, over a clock change, and with holes."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.counters import Counters
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.sounddays import COVERAGE, day_bounds, sound_day
from tests.gateway.memory_reader import MemoryReader

ZONE = ZoneInfo("Europe/Brussels")
MINUTE = 60_000


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


def day(date: str, day_db: float, evening_db: float, night_db: float) -> list[tuple[int, float]]:
    """A value a minute, which ends with the minute."""
    start, end = day_bounds(local(f"{date}T12:00"), ZONE)
    found = []
    for at in range(start + MINUTE, end + 1, MINUTE):
        hour = datetime.fromtimestamp((at - 1) / 1000, ZONE).hour
        level = day_db if 7 <= hour < 19 else evening_db if 19 <= hour < 23 else night_db
        found.append((at, level))
    return found


@pytest.mark.parametrize("date", ["2026-11-18", "2026-03-29", "2026-10-25"])
def test_levels_that_stand_still_give_the_formula_of_annex_i(date: str) -> None:
    # Annex I of 2002/49/EC with Lday 60, Levening 55, Lnight 50:
    # 10 lg ((12 * 10^6 + 4 * 10^6 + 8 * 10^6) / 24) = 60.0 exactly.
    found = sound_day(day(date, 60.0, 55.0, 50.0), local(f"{date}T12:00"), ZONE)
    assert found is not None
    assert (found.day_db, found.evening_db, found.night_db) == pytest.approx((60.0, 55.0, 50.0))
    assert found.den_db == pytest.approx(60.0)
    assert found.coverage == pytest.approx(1.0)
    hours = {"2026-11-18": 24, "2026-03-29": 23, "2026-10-25": 25}[date]
    assert found.end_ms - found.start_ms == hours * 3_600_000


def test_a_second_worked_example() -> None:
    # 70 / 65 / 60 in the day, then 10 lg ((12 * 10^7.0 + 4 * 10^7.0 + 8 * 10^7.0) / 24) = 70; with a night
    # of 65: 10 lg ((16 * 10^7 + 8 * 10^7.5) / 24) = 72.359...
    found = sound_day(day("2026-11-18", 70.0, 65.0, 65.0), local("2026-11-18T12:00"), ZONE)
    assert found is not None
    assert found.den_db == pytest.approx(10 * math.log10((16e7 + 8 * 10**7.5) / 24))
    assert found.den_db == pytest.approx(72.36, abs=0.01)


def test_averages_are_of_energy() -> None:
    levels = [(at, 40.0 if at // MINUTE % 2 else 60.0) for at, _ in day("2026-11-18", 0, 0, 0)]
    found = sound_day(levels, local("2026-11-18T12:00"), ZONE)
    assert found is not None
    assert found.day_db == pytest.approx(10 * math.log10((1e4 + 1e6) / 2))


def test_a_period_with_too_many_holes_has_no_level() -> None:
    whole = day("2026-11-18", 60.0, 55.0, 50.0)
    evening = (local("2026-11-18T19:00"), local("2026-11-18T23:00"))
    kept = [(at, level) for at, level in whole if not evening[0] < at <= evening[0] + 59 * MINUTE]
    found = sound_day(kept, local("2026-11-18T12:00"), ZONE)
    assert found is not None
    assert COVERAGE <= found.coverage == pytest.approx(181 / 240)
    kept = [(at, level) for at, level in whole if not evening[0] < at <= evening[0] + 61 * MINUTE]
    assert sound_day(kept, local("2026-11-18T12:00"), ZONE) is None
    assert sound_day([], local("2026-11-18T12:00"), ZONE) is None
    assert sound_day(whole[:1], local("2026-11-18T12:00"), ZONE) is None


def test_ngsi_ld_tells_each_day_once_with_the_first_value_of_the_next() -> None:
    reader = MemoryReader()
    reader.add_site("plein", "noise")
    for date in ("2026-11-17", "2026-11-18"):
        for at, level in day(date, 60.0, 55.0, 50.0):
            reader.add("plein", "laeq", "dB(A)", level, at)
    publisher = NgsiLdPublisher(NgsiLdSettings("http://b", devices=False), Counters())

    def told(rows: list[object]) -> list[tuple[str, dict[str, object]]]:
        packed = publisher.pack(rows, reader)  # type: ignore[arg-type]
        entities = [item.entity for parcel in packed.parcels for item in parcel.content.items]
        return [(one["dateObservedTo"]["value"]["@value"], one["Lden"]) for one in entities if "Lden" in one]

    found = []
    for at in range(0, len(reader.rows), 700):  # whatever the chunks
        found += told(reader.rows[at : at + 700])  # type: ignore[arg-type]
    ((moment, lden),) = found
    assert moment == "2026-11-17T23:01:00Z"  # the first value that ends in the new local day
    assert lden["value"] == 60.0
    assert lden["observedAt"] == "2026-11-17T23:00:00Z"
    assert lden["unitCode"] == "2N"
    assert lden["coverage"] == {"type": "Property", "value": 1.0}
