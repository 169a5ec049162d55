"""Whole records and single observations make the same entities, and a follower that reads records the same
progress: against the way row by row, whose entities test_ngsi_ld_models.py holds against the schemas."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.counters import Counters
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.publish.ngsi_ld.contexts import own_terms
from gateway.publish.ngsi_ld.models import MODELS
from gateway.registry import Site
from gateway.store import SqlitePublicReader

from ..house import BIN, T0_MS, a_house, a_record, an_uplink, fill_registry

MINUTE_MS = 60_000


def entities(packed: Any) -> list[tuple[bool, str]]:
    return [
        (parcel.content.is_late, item.text)
        for parcel in packed.parcels
        if parcel.rows
        for item in parcel.content.items
    ]


@pytest.mark.parametrize(("provider", "twins"), [("", True), ('Stad "X" 100 %', False)])
async def test_records_and_rows_make_the_same_entities(tmp_path: Path, provider: str, twins: bool) -> None:
    dice = random.Random(4)
    settings = NgsiLdSettings(url="http://b", provider=provider, raw_twin=twins)
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        site = house.registry.site("plein-1")
        assert site is not None
        house.registry.put_site(
            Site(**{f: getattr(site, f) for f in site.__slots__} | {"name": 'Ple"in 1111.0625'})
        )
        for n in range(120):
            seq = n + 1
            values: dict[str, float] = {
                "temperature": dice.uniform(-5, 30), "relative_humidity": dice.uniform(30, 100),
                "pm2_5": dice.uniform(0, 99), "pm10": dice.uniform(0, 99), "battery": 3300,
            }  # fmt: skip
            for name in dice.sample(sorted(values), dice.choice((0, 0, 1, 4))):
                del values[name]
            at_ms = T0_MS + n * MINUTE_MS - dice.choice((0, 0, 0, 1_830_000))
            state = dice.choice((0, 0, 0, 1, 8))
            await house.log.accept(an_uplink(a_record(seq, at_ms, state=state, **values)))
            if n % 3 == 0:
                await house.log.accept(
                    an_uplink(a_record(seq, at_ms, distance=dice.uniform(100, 4000)), dev_eui=BIN)
                )
        await house.pipeline.drained()
        reader = SqlitePublicReader(house.store, lambda: house.registry.consenting_sites("public", T0_MS))
        from_memory = reader.records_after(0, 1000)
        assert {record.is_late for record in from_memory} == {False, True}
        house.store._recent.clear()
        from_disk = reader.records_after(0, 1000)
        assert {record.is_late for record in from_disk} == {None}
        packed = [
            NgsiLdPublisher(settings, Counters()).pack_records(records, reader)
            for records in (from_memory, from_disk)
        ]
        assert entities(packed[0]) == entities(packed[1])
        whole = NgsiLdPublisher(settings, Counters()).pack_records(reader.records_after(0, 1000), reader)
        single = NgsiLdPublisher(settings, Counters()).pack(reader.after(0, 100_000), reader)
    assert sorted(entities(whole)) == sorted(entities(single))
    await _assert_every_term_is_known(settings, whole)
    assert any(late for late, _ in entities(whole))
    rows = sorted(row.position for parcel in whole.parcels for row in parcel.rows)
    assert rows == sorted(row.position for parcel in single.parcels for row in parcel.rows)


async def _assert_every_term_is_known(settings: NgsiLdSettings, packed: Any) -> None:
    """Each entity that goes out has a context with all of our own terms that it uses, and few others."""
    bodies: list[list[dict[str, Any]]] = []

    def taken(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(204)

    publisher = NgsiLdPublisher(settings, Counters(), httpx.MockTransport(taken))
    parcels = [parcel for parcel in packed.parcels if not parcel.content.is_late]
    for parcel in parcels:
        assert (await publisher.send(parcel, 0)).remaining is None
    await publisher.close()
    assert [len(body) for body in bodies] == [len(parcel.content.items) for parcel in parcels]
    lengths: set[int] = set()
    for parcel, body in zip(parcels, bodies, strict=True):
        ours = set(own_terms(parcel.content.items[0].model))
        for item, entity in zip(parcel.content.items, body, strict=True):
            _, terms, _ = entity.pop("@context")
            assert entity == json.loads(item.text)
            used = {*entity, *(key for value in entity.values() if isinstance(value, dict) for key in value)}
            assert used & ours <= set(terms)
            lengths.add(len(terms))
    assert min(lengths) < len(own_terms(MODELS["air"]))
