"""Publishers that take whole records say of them what they say of their observations, one by one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.counters import Counters
from gateway.model import PublicObservation, PublicRecord
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.influx import InfluxPublisher, InfluxSettings
from gateway.shapes import Form
from tests.gateway.memory_reader import NOW_MS, MemoryReader

QUANTITIES = (("pm2_5", "ug/m3"), ("temperature", "Cel"), ("relative_humidity", "%"), ("precipitation", "mm"))


class Reader(MemoryReader):
    """What RecordReader has beside PublicReader, over what is in memory."""

    def places_of(self, site_ids: Sequence[str]) -> dict[str, Any]:
        return {name: self.registered[name] for name in site_ids if name in self.registered}

    def latest_of(self, site_ids: Sequence[str]) -> list[PublicObservation]:
        return [row for row in self.latest() if row.site_id in set(site_ids)]

    def quantities_of(self, site_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {}

    def newest_of(self, site_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        return {}


def a_reader(chance: random.Random) -> tuple[Reader, list[PublicRecord]]:
    """Three sites, one of which nobody may see any more; values of all sorts; shared and single forms."""
    reader, records = Reader(), list[PublicRecord]()
    for name in ("plein-1", "tuin 2", "weg-3"):
        reader.add_site(name, "air")
    shared = tuple(Form(name, unit, "ok", (), "none", 0) for name, unit in QUANTITIES)
    odd = tuple(
        Form(
            name, unit, chance.choice(["ok", "degraded"]), chance.choice([(), ("range", "step")]), "kappa", 2
        )
        for name, unit in QUANTITIES
    )
    for number in range(60):
        forms = shared if chance.random() < 0.8 else odd
        values: list[Any] = [round(chance.uniform(-20, 90), chance.choice([0, 1, 4])) for _ in forms]
        raws: list[Any] = [value if chance.random() < 0.5 else value * 2 for value in values]
        if chance.random() < 0.3:
            at = chance.randrange(len(values))
            values[at] = chance.choice([None, math.nan, math.inf, -math.inf, 0, 10**15, 1e-7])
            raws[at] = chance.choice([None, values[at], 1.5])
        at_ms = NOW_MS + 60_000 * chance.choice([number, number - 7])
        site_id = chance.choice(["plein-1", "tuin 2", "weg-3"])
        record = PublicRecord(
            len(reader.rows) + 1, site_id, at_ms, at_ms, forms, tuple(raws), tuple(values), False
        )
        records.append(record)
        reader.rows += record.rows()
    del reader.registered["weg-3"]
    return reader, records


@pytest.mark.parametrize("seed", range(20))
def test_lines_of_influx_are_the_same(seed: int) -> None:
    reader, records = a_reader(random.Random(seed))
    settings = InfluxSettings("http://x", org="o", bucket="b", max_rows=13)
    one = InfluxPublisher(settings, Counters()).pack(reader.rows, reader)
    two = InfluxPublisher(settings, Counters()).pack_records(records, reader)
    lines = [line for parcel in one.parcels for line in parcel.content]
    assert [line for parcel in two.parcels for line in parcel.content] == lines
    assert all(len(parcel.content) <= 13 for parcel in two.parcels)
    sent = [row for parcel in one.parcels for row in parcel.rows]
    assert [row for parcel in two.parcels for row in parcel.rows] == sent
    assert all(len(parcel.rows) == len(parcel.content) for parcel in two.parcels)
    refused = {(rejection.row.position, rejection.reason) for rejection in one.rejections}
    assert {(rejection.row.position, rejection.reason) for rejection in two.rejections} == refused
    assert len(two.rejections) == len(one.rejections)


@pytest.mark.parametrize("seed", range(5))
def test_messages_for_home_assistant_are_the_same(seed: int) -> None:
    reader, records = a_reader(random.Random(seed))
    one = HomeAssistantPublisher(HomeAssistantSettings(), Counters()).pack(reader.rows, reader)
    two = HomeAssistantPublisher(HomeAssistantSettings(), Counters()).pack_records(records, reader)
    told = {state.topic: (config, state) for parcel in one.parcels for config, state in parcel.content}
    assert {s.topic: (c, s) for parcel in two.parcels for c, s in parcel.content} == told
    assert len(told) == 2
    positions = sorted(row.position for parcel in one.parcels for row in parcel.rows)
    assert sorted(row.position for parcel in two.parcels for row in parcel.rows) == positions
