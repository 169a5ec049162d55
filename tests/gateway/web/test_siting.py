"""Pages of the place and of the rain gauge, over a real registry and store."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import Decoded, Observation, Readings, judged
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, RealTown, token_in

AN = "an@example.org"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    made = RealTown(tmp_path, days=0.3)
    made.host(AN, GARDEN)
    yield made
    made.close()


async def test_answers_are_kept_and_make_the_score(town: RealTown) -> None:
    async with town.client(AN) as an, town.staff("technician") as technician:
        page = (await an.get(f"/nl/mine/{GARDEN}/siting")).text
        assert 'data-grade="stale"' in page
        fields = {"form_token": await token_in(an), "shade": "no", "wall": "yes", "height": "maybe"}
        answer = await an.post(f"/nl/mine/{GARDEN}/siting", data=fields)
        assert answer.headers["location"] == f"/nl/mine/{GARDEN}/siting"
        for client, page in ((an, "mine"), (technician, "fleet")):
            text = (await client.get(f"/nl/{page}/{GARDEN}/siting")).text
            assert re.search(r"75 <span class=.unit.>/ 100", text)
            assert "Hang hem aan de noordkant" in text
            assert 'name="shade" value="no" checked' in text
        assert (await an.get(f"/nl/mine/{AIR}/siting")).status_code == 403
    assert town.siting.answers(GARDEN) == {"shade": "no", "wall": "yes"}


def tell_tips(town: RealTown, count: int, rain_mm: float | None, at_ms: int) -> None:
    """Store what a garden node's gauge counted, and what the gateway made of it."""
    dev_eui = town.device(GARDEN)
    common = ("ok", (), "none", 0, at_ms, at_ms + 1500, "network")
    seq = at_ms // 1000
    rows = [Observation(GARDEN, dev_eui, seq, "rain_tips", "1", count, count, *common)]
    if rain_mm is not None:
        rows.append(Observation(GARDEN, dev_eui, seq, "precipitation", "mm", None, rain_mm, *common))
    decoded = Decoded(dev_eui, seq, at_ms, "network", at_ms + 1500, Readings.of(()))
    town.store.put_imported([(decoded, GARDEN, judged(rows))])


async def test_a_poured_volume_sets_the_factor_and_counts_as_no_rain(town: RealTown) -> None:
    tell_tips(town, 65_500, None, NOW_MS - 600_000)
    async with town.client(AN) as an, town.staff("technician") as technician:
        token = await token_in(an)
        path = f"/nl/mine/{GARDEN}/rain-gauge"
        began = await an.post(path, data={"form_token": token, "act": "begin"})
        address = began.headers["location"]
        since = address.rpartition("=")[2]
        assert int(since) == NOW_MS // 1000
        assert "zond nog niets" in (await an.get(address)).text
        pour = {"form_token": token, "act": "poured", "since": since, "volume": "200", "area": "55"}
        early = await an.post(path, data=pour)  # before the node has told of it
        assert early.status_code == 409
        assert "maar 0 kantelingen" in early.text
        town.clock.time_ms += 1_800_000
        tell_tips(town, 94, 36.3, NOW_MS + 1_700_000)  # 130 tips: the counter wrapped
        assert 'id="counted">Kantelingen geteld sinds je begon: 130' in (await an.get(address)).text
        for fields, words in (
            ({"volume": "veel"}, "Gegoten, ml: “veel”"),
            ({"area": "1"}, "× diameter): “1”"),
        ):
            answer = await an.post(path, data=pour | fields)
            assert answer.status_code == 400
            assert words in answer.text
        assert "zo'n meter bestaat niet" in html.unescape(
            (await an.post(path, data=pour | {"volume": "900"})).text
        )
        done = await an.post(path, data=pour)
        assert "één kanteling is nu 0,2797 mm" in (await an.get(done.headers["location"])).text
        assert "0,2797 mm" in (await technician.get(f"/nl/fleet/{GARDEN}/rain-gauge")).text
        # Its own host does not see it as rain either.
        text = (await an.get(f"/api/mine/{GARDEN}/observations.csv")).text
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        (water,) = [row for row in rows if row["quantity"] == "precipitation" and row["value"] == "36.3"]
        assert water["flags"] == "maintenance"
    assert town.registry.site(GARDEN).rain_mm_per_tip == 0.2797  # type: ignore[union-attr]
    assert "rain gauge calibrated" in {entry.action for entry in town.accounts.audit()}


async def test_a_site_without_a_gauge_says_so(town: RealTown) -> None:
    async with town.staff("technician") as technician:
        assert "geen regenmeter" in (await technician.get(f"/nl/fleet/{AIR}/rain-gauge")).text
        fields = {"form_token": await token_in(technician), "act": "begin"}
        assert (await technician.post(f"/nl/fleet/{AIR}/rain-gauge", data=fields)).status_code == 409
