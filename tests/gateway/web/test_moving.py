"""My sensor hangs elsewhere: a new place from a time on; old values, precision, recipients, hosts stay."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.registry.moving import move_device
from tests.gateway.house import T0_MS, a_house, a_record, an_uplink, fill_registry
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import GARDEN, RealTown, token_in
from tests.gateway.web.test_notes import local

AN = "an@example.org"
HOUR_MS = 3_600_000


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    made = RealTown(tmp_path, days=0.2)
    made.host(AN, GARDEN)
    yield made
    made.close()


async def move(client: httpx.AsyncClient, **fields: str) -> Any:
    wanted = {"at": local(NOW_MS - HOUR_MS), "name": "Achtertuin", "latitude": "51,06", "longitude": "3.73"}
    token = await token_in(client)
    return await client.post(f"/nl/mine/{GARDEN}/move", data={"form_token": token, **wanted, **fields})


async def test_a_host_moves_and_keeps_what_was_chosen(town: RealTown) -> None:
    old = town.registry.site(GARDEN)
    assert old is not None
    dev_eui = town.device(GARDEN)
    cea = town.accounts.add("cea@example.org", NOW_MS)
    town.accounts.host(cea.id, GARDEN, NOW_MS)
    async with town.client(AN) as an:
        page = (await an.get(f"/nl/mine/{GARDEN}/move")).text
        assert f"een vak van {old.precision_m} m" in page
        answer = await move(an, consents="yes", why="naar de schaduw", public="yes")
        new_id = answer.headers["location"].removeprefix("/nl/mine/")
        assert new_id.startswith("achtertuin-")
        assert (await an.get(answer.headers["location"])).status_code == 200
        assert (await an.get(f"/nl/mine/{GARDEN}")).status_code == 200  # the old values stay theirs
    new = town.registry.site(new_id)
    assert new is not None
    assert (new.precision_m, new.licence, new.kind, new.rain_mm_per_tip) == (
        old.precision_m, old.licence, old.kind, old.rain_mm_per_tip,
    )  # fmt: skip
    assert (new.latitude, new.longitude) == (51.06, 3.73)
    minute = NOW_MS // 60_000 * 60_000 - HOUR_MS
    assert [(one.site_id, one.to_ms) for one in town.registry.deployments(dev_eui)] == [
        (GARDEN, minute), (new_id, None),
    ]  # fmt: skip
    assert {one.recipient for one in town.registry.consents(new_id)} == {
        one.recipient for one in town.registry.consents(GARDEN) if one.to_ms is None
    }
    assert len(town.accounts.hosts_of(new_id)) == 2
    assert town.claims.claim_of(dev_eui) is not None
    assert {note.site_id for note in town.notes.of([GARDEN, new_id])} == {GARDEN, new_id}


async def test_without_a_word_nobody_gets_what_is_measured_at_the_new_place(town: RealTown) -> None:
    async with town.client(AN) as an:
        new_id = (await move(an)).headers["location"].removeprefix("/nl/mine/")
    assert town.registry.consents(new_id) == []
    (note,) = town.notes.of([GARDEN], public_only=False)
    assert (note.text, note.is_public) == ("de sensor hing al ergens anders", False)


async def test_what_cannot_be_is_refused_with_a_sentence_and_nothing_is_changed(town: RealTown) -> None:
    dev_eui = town.device(GARDEN)
    async with town.client(AN) as an:
        for fields, words in (
            ({"at": local(NOW_MS + HOUR_MS)}, "Sinds wanneer: “"),
            ({"at": "gisteren"}, "Sinds wanneer: “gisteren” is geen dag en uur"),
            ({"name": ""}, "Een plek heeft een naam nodig"),
            ({"latitude": "91"}, "Breedtegraad: “91” is geen plaats"),
            ({"longitude": "oost"}, "Lengtegraad: “oost” is geen plaats"),
            ({"why": "x" * 201}, "mag leeg blijven): schrijf 1 tot 200"),
        ):
            answer = await move(an, **fields)
            assert answer.status_code == 400, fields
            assert words in html.unescape(answer.text)
        assert len(town.registry.sites()) == 12
        await move(an)
        assert (await move(an)).status_code == 409  # no device is there any more
    assert len(town.registry.deployments(dev_eui)) == 2


def test_values_go_where_the_sensor_was_when_it_measured_them(tmp_path: Path) -> None:
    """Also those that come in late, of before the move and of after it."""

    async def main() -> None:
        async with a_house(tmp_path) as house:
            fill_registry(house.registry)
            first = an_uplink(a_record(0, T0_MS, temperature=20.0), received_at_ms=T0_MS)
            dev_eui = first.dev_eui
            old = house.registry.site_of(dev_eui, T0_MS)
            assert old is not None
            await house.log.accept(first)
            await house.pipeline.drained()
            move_device(house.registry, dev_eui, ("nieuw", "Nieuw", 3.0, 51.0), T0_MS + 10 * 60_000)
            for n, minutes in ((1, 5), (2, 15)):
                record = a_record(n, T0_MS + minutes * 60_000, temperature=20.0 + n)
                await house.log.accept(an_uplink(record, received_at_ms=T0_MS + HOUR_MS, f_cnt=n))
            await house.pipeline.drained()
            values = {
                site: [row.raw for row in house.store.history(site, 0) if row.form.quantity == "temperature"]
                for site in (old.id, "nieuw")
            }
            assert values == {old.id: [20.0, 21.0], "nieuw": [22.0]}

    asyncio.run(main())
