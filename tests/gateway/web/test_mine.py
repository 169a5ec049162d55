"""From the card to one's own page: claim, see, share, pause, hand over, delete."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest

from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, NOISE, RealTown, token_in

AN = "an@example.org"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    found = RealTown(tmp_path)
    yield found
    found.close()


async def test_a_card_shows_the_own_value_before_any_account_and_makes_an_owner(town: RealTown) -> None:
    code = town.claims.issue(town.device(GARDEN), NOW_MS)
    town.hear(GARDEN)
    async with town.client() as phone:
        scanned = await phone.get(f"/c/{code}", headers={"accept-language": "fr"})
        assert scanned.headers["location"] == f"/fr/claim?code={code}"
        page = (await phone.get(f"/nl/claim?code={code}")).text
        assert "Hij leeft!" in page
        assert re.search(r'class="figure">−?\d+,\d', page)
        answer = await phone.post("/nl/claim", data={"code": code, "email": AN})
        assert answer.headers["location"] == "/nl/mine"
        assert (await phone.get("/nl/mine")).headers["location"] == f"/nl/mine/{GARDEN}"
        mine = (await phone.get(f"/nl/mine/{GARDEN}")).text
        assert "Met je sensor gaat het goed." in mine
        again = (await phone.get(f"/nl/claim?code={code}")).text
        assert "Naar mijn sensor" in again
    async with town.client() as other:
        assert "heeft al een eigenaar" in (await other.get(f"/nl/claim?code={code}")).text
        answer = await other.post("/nl/claim", data={"code": code, "email": "b@example.org"})
        assert answer.status_code == 409
        assert "Iemand anders bezit deze sensor" in answer.text


@pytest.mark.parametrize("proof", ["role", "link"])
async def test_who_typed_the_address_of_another_is_nobody_once_it_is_theirs(
    town: RealTown, proof: str
) -> None:
    """Pre-hijacking: Sudhodanan and Paverd, USENIX Security 2022, section 4.2 (unexpired session)."""
    code = town.claims.issue(town.device(GARDEN), NOW_MS)
    colleague = "colleague@city.example"
    async with town.client() as thief:
        await thief.post("/nl/claim", data={"code": code, "email": colleague})
        token = re.search(r'name="form_token" value="([^"]+)"', (await thief.get("/nl/me")).text)
        assert token is not None
        fields = {"name": "later", "scope": "own fleet operator", "form_token": token[1]}
        secret = re.search(r"mnt_[\w-]+", (await thief.post("/nl/me/tokens", data=fields)).text)
        assert secret is not None
        person = town.accounts.find(colleague)
        assert person is not None
        if proof == "role":
            town.accounts.set_roles(person.id, ["operator"])
        else:
            assert town.accounts.use_link(town.accounts.make_link(person.id, NOW_MS), NOW_MS) is not None
        assert (await thief.get("/api/operator/people")).status_code == 401
        assert (await thief.get(f"/nl/mine/{GARDEN}")).status_code == 303
        thief.cookies.clear()
        bearer = {"authorization": f"Bearer {secret[0]}"}
        assert (await thief.get("/api/operator/people", headers=bearer)).status_code == 401
    # Whoever proved the address is signed out by no later role, and keeps what they made themselves.
    session = town.accounts.open_session(person.id, NOW_MS)
    mine, _ = town.accounts.make_token(person.id, "mine", ["own"], NOW_MS)
    town.accounts.set_roles(person.id, ["technician"])
    assert town.accounts.use_link(town.accounts.make_link(person.id, NOW_MS), NOW_MS) is not None
    assert town.accounts.session(session, NOW_MS) is not None
    assert town.accounts.token(mine, NOW_MS) is not None


async def test_a_known_address_must_be_shown_by_mail(town: RealTown) -> None:
    town.accounts.add(AN, NOW_MS)
    code = town.claims.issue(town.device(GARDEN), NOW_MS)
    async with town.client() as phone:
        answer = await phone.post("/nl/claim", data={"code": code, "email": AN})
        assert "Kijk in je mailbox" in answer.text
        assert town.claims.claim_of(town.device(GARDEN)) is None
        ((_, _, text),) = town.mails
        link = re.search(r"/nl/sign-in/\S+", text)
        assert link is not None
        entered = await phone.post(link[0])
        assert entered.headers["location"] == f"/nl/claim?code={code}"
        page = (await phone.get(entered.headers["location"])).text
        token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert token is not None
        done = await phone.post("/nl/claim", data={"code": code, "form_token": token[1]})
        assert done.headers["location"] == "/nl/mine"


@pytest.mark.parametrize("code", ["", "0000-0000-0000-0001", "nonsense"])
async def test_a_wrong_code_is_said_and_guessing_ends(town: RealTown, code: str) -> None:
    async with town.client() as client:
        page = await client.get(f"/nl/claim?code={code}")
        assert page.status_code == 200
        assert ('role="alert"' in page.text) is bool(code)
        assert (await client.get(f"/nl/part/claim?code={code}")).status_code == 200
        if code:
            answers = [(await client.get(f"/nl/claim?code={code}")).status_code for _ in range(31)]
            assert answers[-1] == 429


async def test_a_label_leads_to_the_public_page_and_a_withdrawn_site_nowhere(town: RealTown) -> None:
    tag = town.claims.tag_of(town.device(AIR))
    async with town.client() as client:
        assert (await client.get(f"/t/{tag}")).headers["location"] == f"/nl/site/{AIR}"
        assert (await client.get("/t/ABCDEFGH")).status_code == 404
        town.registry.withdraw(AIR, "public", NOW_MS)
        assert (await client.get(f"/t/{tag}")).headers["location"] == "/nl/claim"


async def test_only_the_host_sees_and_changes_a_site(town: RealTown) -> None:
    town.host(AN, GARDEN)
    town.host("bo@example.org", AIR)
    async with town.client("bo@example.org") as bo:
        token = await token_in(bo)
        for path in ("", "/postcard.svg"):
            assert (await bo.get(f"/nl/mine/{GARDEN}{path}")).status_code == 403
        assert (await bo.get(f"/api/mine/{GARDEN}/observations.csv")).status_code == 403
        for act in ("consent", "place", "pause", "hand-over", "delete"):
            answer = await bo.post(f"/nl/mine/{GARDEN}/{act}", data={"form_token": token})
            assert answer.status_code == 403, act
    assert len(town.registry.consenting_sites("public", NOW_MS)) == 12


async def test_consent_per_recipient_and_a_pause(town: RealTown) -> None:
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        token = await token_in(an)
        page = (await an.get(f"/nl/mine/{GARDEN}")).text
        assert "Iedereen: kaart en open data" in page
        await an.post(f"/nl/mine/{GARDEN}/pause", data={"form_token": token})
        assert "Gepauzeerd" in (await an.get(f"/nl/mine/{GARDEN}")).text
        assert (await an.get(f"/nl/site/{GARDEN}")).status_code == 404
        town.clock.time_ms += 1000
        fields = {"form_token": token, "recipient": "public", "gives": "yes"}
        await an.post(f"/nl/mine/{GARDEN}/consent", data=fields)
        assert len(town.registry.consenting_sites("public", NOW_MS + 1000)) == 12
        # What was measured before this new word stays out of public answers, and in the host's own.
        assert GARDEN not in {row.site_id for row in town.reader.latest()}
        own = (await an.get(f"/api/mine/{GARDEN}/observations.csv")).text
        assert len(list(csv.DictReader(io.StringIO(own, newline="")))) > 100
        bad = {"form_token": token, "recipient": "moon", "gives": "yes"}
        assert (await an.post(f"/nl/mine/{GARDEN}/consent", data=bad)).status_code == 400
    assert {e.action for e in town.accounts.audit()} >= {"paused", "consent given"}


async def test_the_place_is_shown_as_the_host_chooses(town: RealTown) -> None:
    town.host(AN, GARDEN)
    exact = town.registry.site(GARDEN)
    assert exact is not None
    async with town.client(AN) as an:
        token = await token_in(an)
        fields = {"form_token": token, "name": "Tuin van An", "precision": "1000"}
        assert (await an.post(f"/nl/mine/{GARDEN}/place", data=fields)).status_code == 303
        bad = {**fields, "precision": "7"}
        assert (await an.post(f"/nl/mine/{GARDEN}/place", data=bad)).status_code == 400
        page = (await an.get(f"/nl/site/{GARDEN}")).text
    assert "Tuin van An" in page
    assert "1000 m" in page
    (site,) = [one for one in town.reader.sites() if one.site_id == GARDEN]
    assert (site.longitude, site.latitude) != (exact.longitude, exact.latitude)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 81, "achter\u202estevoren"])
async def test_a_name_that_does_not_fit_is_told_in_words_that_help(town: RealTown, name: str) -> None:
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        fields = {"form_token": await token_in(an), "name": name, "precision": "100"}
        answer = await an.post(f"/nl/mine/{GARDEN}/place", data=fields)
    assert answer.status_code == 400
    assert "Een plek heeft een naam nodig van 1 tot 80 letters op één regel." in answer.text


async def test_a_family_of_emoji_is_a_name(town: RealTown) -> None:
    family = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL} tuin"
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        fields = {"form_token": await token_in(an), "name": family, "precision": "100"}
        assert (await an.post(f"/nl/mine/{GARDEN}/place", data=fields)).status_code == 303
        assert family in (await an.get(f"/nl/site/{GARDEN}")).text


async def test_handing_over_ends_one_owner_and_welcomes_the_next(town: RealTown) -> None:
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        page = (await an.post(f"/nl/mine/{GARDEN}/hand-over", data={"form_token": await token_in(an)})).text
        code = re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", page)
        assert code is not None
        assert (await an.get(f"/nl/mine/{GARDEN}")).status_code == 403  # no host any more
    async with town.client() as bo:
        answer = await bo.post("/nl/claim", data={"code": code[0], "email": "bo@example.org"})
        assert answer.headers["location"] == "/nl/mine"


async def test_deleting_takes_everything_and_leaves_others_alone(town: RealTown) -> None:
    town.host(AN, GARDEN)
    before = town.store.count()
    async with town.client(AN) as an:
        token = await token_in(an)
        name = town.registry.site(GARDEN).name  # type: ignore[union-attr]
        answer = await an.post(f"/nl/mine/{GARDEN}/delete", data={"form_token": token, "name": "nee"})
        assert answer.status_code == 409
        assert town.store.count() == before
        answer = await an.post(f"/nl/mine/{GARDEN}/delete", data={"form_token": token, "name": name})
        assert answer.status_code == 200
    assert town.registry.site(GARDEN) is None
    assert town.registry.consents(GARDEN) == []
    assert town.desk.reader_of_sites([GARDEN]).observations(0, 2**62) == []
    assert GARDEN not in {row.site_id for row in town.store.latest()}
    assert before - before / 10 < town.store.count() < before
    assert name.encode() not in (town.path / "registry.db").read_bytes()


async def test_the_postcard_has_the_numbers_of_the_api(town: RealTown) -> None:
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        card = await an.get(f"/nl/mine/{GARDEN}/postcard.svg?month=2025-11")
        assert card.headers["content-type"].startswith("image/svg+xml")
        texts = [node.text for node in ElementTree.fromstring(card.text).iter() if node.text]
        address = "/api/series.json?quantity=temperature&from=2025-11-01&to=2025-12-01&points=4000"
        series = (await an.get(f"{address}&site={GARDEN}")).json()
        values = [value for value in series["v"] if value is not None]
        expected = [
            f"{value:.1f}".replace(".", ",").replace("-", "−") for value in (min(values), max(values))
        ]
        assert {f"{number}\N{NO-BREAK SPACE}°C" for number in expected} <= set(texts)
        assert "november 2025" in texts
        printed = await an.get(f"/nl/mine/{GARDEN}/postcard.pdf?month=2025-11")
        (page,) = pypdfium2.PdfDocument(printed.content)
        words = page.get_textpage().get_text_range().replace("\N{NO-BREAK SPACE}", " ")
        # The same words on paper, on a page of A6 lying: 148 x 105 mm.
        for text in re.findall(r"<text[^>]*>([^<]+)</text>", card.text):
            assert html.unescape(text).replace("\N{NO-BREAK SPACE}", " ") in words
        assert [round(side / 72 * 25.4) for side in page.get_size()] == [148, 105]
        french = (await an.get(f"/fr/mine/{GARDEN}/postcard.svg?month=2025-11")).text
        assert "novembre 2025" in french
        assert (await an.get(f"/nl/mine/{GARDEN}/postcard.svg?month=11")).status_code == 400
        empty = (await an.get(f"/nl/mine/{GARDEN}/postcard.svg?month=2024-02")).text
        assert "niets gemeten" in empty


async def test_a_silent_sensor_is_told_with_one_next_step(town: RealTown) -> None:
    town.host(AN, NOISE)
    town.clock.time_ms += 6 * 3_600_000
    async with town.client(AN) as an:
        page = (await an.get(f"/nl/mine/{NOISE}")).text
    assert 'data-cause="wifi_or_power"' in page
    assert "Je sensor bereikt het internet niet meer." in page
    assert page.count("Wat je kunt doen:") == 1


async def test_the_neighbourhood_is_named_only_where_it_is_sure(town: RealTown) -> None:
    town.host(AN, AIR)
    async with town.client(AN) as an:
        page = (await an.get(f"/nl/mine/{AIR}")).text
    assert "Geen verschil dat groter is" in page
