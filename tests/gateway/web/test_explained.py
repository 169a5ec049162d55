"""Where a number came from: everybody gets the steps, its hosts and staff the device, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC

import pytest
from msgspec import structs

from gateway.exports import iso_utc
from gateway.model import Reception, Uplink
from gateway.store.rows import POSITIONS_PER_RECORD
from gateway.web.explained import steps_of
from gateway.web.languages import Tongue
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, NOISE, RealTown

FRAME = bytes.fromhex("01deadbeef")
HEARD = "a84041ffff1e2d3c"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    found = RealTown(tmp_path_factory.mktemp("town"), sites=4, days=0.2)
    row = next(one for one in found.reader.latest() if (one.site_id, one.quantity) == (AIR, "pm2_5"))
    with found.store.database.write() as transaction:  # the street was imported: let a frame have brought it
        number = row.position // POSITIONS_PER_RECORD
        assert transaction.execute("UPDATE records SET log_sequence = 7 WHERE id = ?", (number,)) == 1
    found.frames[7] = Uplink(
        "lns", found.device(AIR), 1, FRAME, NOW_MS, f_cnt=77, receptions=(Reception(HEARD, -97.0, 5.5),)
    )
    yield found
    found.close()


def address(site: str = AIR, quantity: str = "pm2_5", language: str = "nl", more: str = "") -> str:
    return f"/{language}/site/{site}/origin?quantity={quantity}{more}"


async def test_everybody_sees_the_steps_and_no_device(town: RealTown) -> None:
    row = next(one for one in town.reader.latest() if (one.site_id, one.quantity) == (AIR, "pm2_5"))
    async with town.client() as visitor:
        page = (await visitor.get(address())).text
        site = (await visitor.get(f"/nl/site/{AIR}?quantity=pm2_5")).text
    assert f'href="/nl/site/{AIR}/origin?quantity=pm2_5"' in site
    steps = re.search(r'<dl id="steps">(.*?)</dl>', page, re.S)
    assert steps is not None
    for text in (
        "Gemeten",
        "Binnengekomen",
        "via LoRaWAN",
        "gehoord door 1 gateway",
        "Nagekeken",
        "Gecorrigeerd",
    ):
        assert text in steps[1], text
    assert row.method == "none"
    assert "niet: getoond wordt wat gemeten is" in steps[1]
    true = town.registry.site(AIR)
    assert true is not None
    for secret in (town.device(AIR), FRAME.hex(), HEARD, "77", f"{true.latitude}", f"{true.longitude}"):
        assert secret not in page.split("<main")[1].split("</main>")[0], secret


async def test_corrected_and_computed_values_name_their_method(town: RealTown) -> None:
    row = next(one for one in town.reader.latest() if (one.site_id, one.quantity) == (AIR, "pm2_5"))
    found = await town.explain(str(row.position))
    tongue = Tongue("en", UTC)
    corrected = structs.replace(row, raw_value=12.0, value=7.3, method="kappa_koehler", method_version=2)
    steps = dict(steps_of(corrected, found, tongue))
    assert steps["Corrected"] == "by kappa_koehler, version 2: shown is 7.3 µg/m³"
    assert steps["Measured"].startswith("12.0 µg/m³ at ")
    assert steps["Found"] == "nothing against it"
    computed = structs.replace(corrected, raw_value=None, flags=("fog",))
    steps = dict(steps_of(computed, found, tongue))
    assert steps["Measured"].startswith("computed from what the sensor measured at ")
    assert steps["Found"] != "nothing against it"


@pytest.mark.parametrize("who", ["host", "technician", "staff", "operator"])
async def test_its_host_and_staff_see_the_whole_chain(town: RealTown, who: str) -> None:
    if who == "host":
        town.host("gast@example.org", AIR)
    async with town.client("gast@example.org") if who == "host" else town.staff(who) as client:
        page = (await client.get(address(language="en"))).text
    for text in (town.device(AIR), FRAME.hex(), HEARD, "page and open data"):
        assert text in page, text


async def test_the_host_of_another_site_is_one_of_everybody(town: RealTown) -> None:
    town.host("buur@example.org", NOISE)
    async with town.client("buur@example.org") as client:
        page = (await client.get(address())).text
    assert town.device(AIR) not in page


async def test_a_site_that_is_not_public_is_shown_to_its_host_only(town: RealTown) -> None:
    town.registry.withdraw(GARDEN, "public", NOW_MS)
    town.host("tuin@example.org", GARDEN)
    async with town.client() as visitor, town.client("tuin@example.org") as host:
        assert (await visitor.get(address(GARDEN, "temperature"))).status_code == 404
        assert (await host.get(address(GARDEN, "temperature"))).status_code == 200


async def test_of_any_moment_and_of_none_that_there_is(town: RealTown) -> None:
    rows = town.reader.series(AIR, "pm10", 0, NOW_MS)
    moment = iso_utc(rows[3].observed_at_ms)
    async with town.staff("staff") as client:
        page = (await client.get(address(quantity="pm10", more=f"&at={moment}"))).text
        assert str(rows[3].position) in page
        for path in (
            address("weg"),
            address(more="&at=1999-01-01"),
            address(quantity="geur", more="&at=2026-11-29"),
        ):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.get(address(quantity="geur"))).status_code == 400
