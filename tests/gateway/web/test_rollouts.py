"""Pages of roll-outs and of the bench: what a technician begins, sees and stops there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.update import UpdateBook
from gateway.update.rollout import Target, order
from gateway.web.bench_words import REMEDIES
from tests.conftest import ROOT
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import GARDEN, RealTown, token_in
from tests.gateway.web.rollouts import bench_of, bundle, updates_of
from tools.flash import esp


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    made = RealTown(tmp_path, days=0.1)
    bench = bench_of(tmp_path, made.device(GARDEN))
    made.open(updates=updates_of(made, tmp_path), bench=bench)
    yield made
    bench.close()
    made.close()


async def test_a_technician_rolls_out_watches_pauses_and_stops(town: RealTown, tmp_path: Path) -> None:
    book = UpdateBook(tmp_path)
    devices = [one.dev_eui for one in town.registry.devices()]
    book.refuse(devices[0], NOW_MS)
    async with town.staff("technician") as client:
        token = await token_in(client)
        fields = {
            "form_token": token,
            "soak": "12,5",
            "trial": "60",
            "kind": ["air", "garden", "noise", "bin"],
        }
        sent = {"bundle": ("x.mnu", bundle().data)}
        answer = await client.post("/nl/updates", data=fields, files=sent)
        where = answer.headers["location"]
        assert where == f"/nl/updates/{bundle().id}"
        targets = book.targets(bundle().id)
        assert set(targets) == set(devices[1:])
        first, second = order(bundle().id, targets)[:2]
        page = (await client.get(where)).text
        assert "instellingen 1.2.3" in page
        assert page.count('data-hold="next"') == 2  # in the list of who is behind, and of all
        book.put_target(bundle().id, Target(first, "reverted", "crashed", NOW_MS, NOW_MS))
        page = (await client.get(where)).text
        assert re.search(rf'data-hold="back".*{first}.*keerde terug.*hij liep vast', page)
        assert re.search(r'id="touched">1 .*/ 11 · 9,1 %', page)
        for act, state in (
            ("pause", "halted"),
            ("resume", "running"),
            ("pause", "halted"),
            ("stop", "stopped"),
        ):
            answer = await client.post(where, data={"form_token": token, "act": act})
            assert answer.status_code == 303
            assert book.rollout(bundle().id).state == state  # type: ignore[union-attr]
        assert (await client.post(where, data={"form_token": token, "act": "resume"})).status_code == 409
        assert (await client.post(where, data={"form_token": token, "act": "dance"})).status_code == 400
        assert (await client.get("/nl/updates/00000000")).status_code == 404
        (told,) = (await client.get("/api/updates.json")).json()
        assert (told["state"], told["touched"], told["kept"]) == ("stopped", 1, 0)
        assert {one["dev_eui"]: one["hold"] for one in told["devices"]}[second] == "paused"
    acts = [(entry.action, entry.subject) for entry in town.accounts.audit()]
    assert ("update begun", bundle().id) in acts
    assert ("update stop", bundle().id) in acts
    book.close()


async def test_a_bundle_that_nodes_would_refuse_is_refused_here_with_a_sentence(town: RealTown) -> None:
    async with town.staff("technician") as client:
        fields = {"form_token": await token_in(client), "soak": "24", "trial": "720", "kind": "garden"}
        for data, wrong, words in (
            (b"no bundle", {}, "Ondertekende bundel: dit bestand is geen bundel"),
            (bundle().data, {"soak": "soon"}, "soak: “soon” is geen aantal uren"),
            (bundle().data, {"trial": "4"}, "trial: “4” is geen aantal minuten"),
            (bundle().data[:-1], {}, "Ondertekende bundel: deze bundel is afgebroken"),
            (bundle().data, {"kind": ""}, "Ondertekende bundel: geen toestel van de soorten die u koos"),
        ):
            answer = await client.post("/nl/updates", data=fields | wrong, files={"bundle": ("x", data)})
            assert answer.status_code == 400
            assert words in answer.text
        assert "Er werd nog niets uitgerold" in (await client.get("/nl/updates")).text


async def test_the_bench_shows_pass_and_fail_and_prints_labels_of_what_is_done(town: RealTown) -> None:
    async with town.staff("technician") as client:
        page = (await client.get("/nl/part/bench")).text
        assert re.findall(r'data-step="(\w+)"', page) == ["writing", "red", "green"]
        assert '<span lang="en">sht4x: no answer at 0x44</span>' in page  # as the board told it
        assert "Een sensor, de radio of de configuratie doorstaat de test niet." in page
        assert "1 van 3 klaar" in page
        assert 'hx-trigger="every 2s"' in page
        labels = await client.get("/api/bench/labels.pdf")
        assert labels.content.startswith(b"%PDF")
        assert len(re.findall(rb"/Type /Page\b", labels.content)) == 1
        assert (await client.get("/api/bench/labels.pdf?device=ffffffffffffffff")).status_code == 404
        told = (await client.get("/api/bench.json")).json()
        assert told["run"]["done"] == 1
        assert [one["step"] for one in told["tries"]] == ["green", "red"]
        assert (await client.get("/nl/bench?run=9")).status_code == 200  # a run that is no longer kept
        town.clock.time_ms += 3_600_000  # nothing was heard since: nothing is asked again and again
        page = (await client.get("/nl/bench")).text
        assert "hx-trigger" not in page
        assert "tien minuten niets gehoord" in page


def test_every_way_a_board_fails_has_a_remedy_in_the_language_of_the_page() -> None:
    """The codes are those of the bench's own code, but for a list, which is refused before any board."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tools" / "flash").glob("*.py"))
    raised = set(re.findall(r'FlashError\(\s*"(\w+)"|code="(\w+)"', code))
    causes = {cause[1] for cause in esp.CAUSES}
    found = {one or other for one, other in raised} | causes
    assert found - {"rows", "board", "out", "checksum"} == set(REMEDIES)


async def test_the_journal_of_visits_names_who_was_where_and_what_failed(town: RealTown) -> None:
    async with town.staff("technician") as client:
        token = await token_in(client)
        fields = {"form_token": token, "key": "visit-0001", "note": "ladder te kort"}
        assert (await client.post(f"/nl/fleet/{GARDEN}/report", data=fields)).status_code == 303
        page = (await client.get("/nl/commissioning")).text
    assert "ladder te kort" in page
    assert re.search(r"missing.>niet goedgekeurd<", page)
    assert f"/nl/fleet/{GARDEN}/report/visit-0001" in page
    assert "technician@example.org" in page
