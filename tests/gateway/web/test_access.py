"""Every address as every role; sign-in, sessions, tokens, forms of other origins, budgets, the log."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.errors import RegistryError
from gateway.registry.accounts import LINK_MS, SESSION_MS, Accounts, checked_email
from gateway.web.gate import COOKIE, local_path
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.people import EMAILS, Town
from tests.gateway.web.real_town import AIR, GARDEN, RealTown

ALL = ("public", "host", "technician", "staff", "operator")
SIGNED_IN = ALL[1:]
OPERATOR = ("operator",)
HOST = ("host", "operator")
STAFF = ("staff", "operator")
TECHNICIAN = ("technician", "operator")

# Who may use what. A route that stands not here fails the test: say here who may, in the same change.
TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/"): ALL,
    ("GET", "/{lang}"): ALL,
    ("GET", "/{lang}/"): ALL,
    ("GET", "/{lang}/part/sites"): ALL,
    ("GET", "/{lang}/part/site"): ALL,
    ("GET", "/{lang}/site/{site_id}"): ALL,
    ("GET", "/{lang}/site/{site_id}/origin"): ALL,
    ("POST", "/{lang}/site/{site_id}/notes"): ("host", "staff", "operator"),
    ("POST", "/{lang}/site/{site_id}/notes/remove"): ("host", "staff", "operator"),
    ("GET", "/{lang}/mine/{site_id}/siting"): HOST,
    ("POST", "/{lang}/mine/{site_id}/siting"): HOST,
    ("GET", "/{lang}/mine/{site_id}/rain-gauge"): HOST,
    ("POST", "/{lang}/mine/{site_id}/rain-gauge"): HOST,
    ("GET", "/{lang}/fleet/{site_id}/siting"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/siting"): TECHNICIAN,
    ("GET", "/{lang}/fleet/{site_id}/rain-gauge"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/rain-gauge"): TECHNICIAN,
    ("GET", "/api/notes.csv"): ALL,
    ("GET", "/api/notes.json"): ALL,
    ("GET", "/{lang}/mine/{site_id}/move"): HOST,
    ("POST", "/{lang}/mine/{site_id}/move"): HOST,
    ("GET", "/{lang}/noise-calibration"): ALL,
    ("POST", "/{lang}/noise-calibration/start"): ("technician", "operator"),
    ("GET", "/{lang}/flash"): ALL,
    ("GET", "/flash/{board}/{part}"): ALL,
    ("POST", "/{lang}/flash/identity"): TECHNICIAN,
    ("GET", "/api/sites.geojson"): ALL,
    ("GET", "/api/latest.json"): ALL,
    ("GET", "/api/latest.geojson"): ALL,
    ("GET", "/api/observations.csv"): ALL,
    ("GET", "/api/observations.geojson"): ALL,
    ("GET", "/api/series.json"): ALL,
    ("GET", "/api/status"): ALL,
    ("GET", "/healthz"): ALL,
    ("GET", "/static/{name:path}"): ALL,
    ("GET", "/sign-in/{secret}"): ALL,
    ("GET", "/{lang}/sign-in"): ALL,
    ("POST", "/{lang}/sign-in"): ALL,
    ("GET", "/{lang}/sign-in/{secret}"): ALL,
    ("POST", "/{lang}/sign-in/{secret}"): ALL,
    ("POST", "/{lang}/sign-out"): ALL,
    ("GET", "/oidc/start"): ALL,
    ("GET", "/oidc/callback"): ALL,
    ("GET", "/{lang}/me"): ALL,  # sends the public on to sign in
    ("POST", "/{lang}/me/tokens"): SIGNED_IN,
    ("POST", "/{lang}/me/revoke"): SIGNED_IN,
    ("POST", "/{lang}/me/sign-out-everywhere"): SIGNED_IN,
    ("GET", "/c/{code}"): ALL,
    ("GET", "/t/{tag}"): ALL,
    ("GET", "/{lang}/claim"): ALL,
    ("POST", "/{lang}/claim"): ALL,
    ("GET", "/{lang}/part/claim"): ALL,
    ("GET", "/{lang}/mine"): HOST,
    ("GET", "/{lang}/mine/{site_id}"): HOST,
    ("GET", "/{lang}/mine/{site_id}/postcard.svg"): HOST,
    ("GET", "/{lang}/mine/{site_id}/postcard.pdf"): HOST,
    ("GET", "/api/mine/{site_id}/observations.csv"): HOST,
    ("POST", "/{lang}/mine/{site_id}/consent"): HOST,
    ("POST", "/{lang}/mine/{site_id}/place"): HOST,
    ("POST", "/{lang}/mine/{site_id}/pause"): HOST,
    ("POST", "/{lang}/mine/{site_id}/hand-over"): HOST,
    ("POST", "/{lang}/mine/{site_id}/delete"): HOST,
    ("GET", "/{lang}/mine/{site_id}/settings"): HOST,
    ("POST", "/{lang}/mine/{site_id}/settings"): HOST,
    ("POST", "/{lang}/mine/{site_id}/settings/ask"): HOST,
    ("GET", "/{lang}/waste"): STAFF,
    ("POST", "/{lang}/waste/report"): STAFF,
    ("GET", "/api/waste/bins.json"): STAFF,
    ("GET", "/api/waste/route.geojson"): STAFF,
    ("GET", "/api/waste/route.csv"): STAFF,
    ("GET", "/api/waste/route.gpx"): STAFF,
    ("POST", "/api/waste/reports"): STAFF,
    ("GET", "/{lang}/fleet"): TECHNICIAN,
    ("GET", "/{lang}/fleet/{site_id}"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/report"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/replace"): TECHNICIAN,
    ("GET", "/{lang}/fleet/{site_id}/report/{key}"): TECHNICIAN,
    ("GET", "/api/fleet/{site_id}/report/{key}/photo.jpg"): TECHNICIAN,
    ("GET", "/{lang}/fleet/{site_id}/settings"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/settings"): TECHNICIAN,
    ("POST", "/{lang}/fleet/{site_id}/settings/ask"): TECHNICIAN,
    ("GET", "/api/fleet.json"): TECHNICIAN,
    ("GET", "/{lang}/updates"): TECHNICIAN,
    ("POST", "/{lang}/updates"): TECHNICIAN,
    ("GET", "/{lang}/updates/{rollout}"): TECHNICIAN,
    ("POST", "/{lang}/updates/{rollout}"): TECHNICIAN,
    ("GET", "/api/updates.json"): TECHNICIAN,
    ("GET", "/{lang}/bench"): TECHNICIAN,
    ("GET", "/{lang}/part/bench"): TECHNICIAN,
    ("GET", "/{lang}/commissioning"): TECHNICIAN,
    ("GET", "/api/bench.json"): TECHNICIAN,
    ("GET", "/api/bench/labels.pdf"): TECHNICIAN,
    ("GET", "/api/fleet/van.gpx"): TECHNICIAN,
    ("GET", "/{lang}/class"): ALL,
    ("GET", "/{lang}/class/worksheet"): ALL,
    ("GET", "/api/class.csv"): ALL,
    ("GET", "/{lang}/events"): ALL,
    ("POST", "/{lang}/events"): STAFF,
    ("GET", "/{lang}/events/{event_id}"): ALL,
    ("GET", "/{lang}/part/event/{event_id}"): ALL,
    ("GET", "/{lang}/events/{event_id}/report.pdf"): ALL,  # with the organiser's key
    ("GET", "/api/events/{event_id}/levels.csv"): ALL,
    ("POST", "/{lang}/events/{event_id}/end"): STAFF,
    ("POST", "/{lang}/events/{event_id}/remove"): STAFF,
    ("GET", "/{lang}/quality"): ALL,
    ("GET", "/{lang}/data"): ALL,
    ("GET", "/api/quality.json"): ALL,
    ("GET", "/api/openapi.json"): ALL,
    ("GET", "/{lang}/operator"): OPERATOR,
    ("POST", "/{lang}/operator/add"): OPERATOR,
    ("POST", "/{lang}/operator/roles"): OPERATOR,
    ("POST", "/{lang}/operator/remove"): OPERATOR,
    ("GET", "/{lang}/operator/configuration"): OPERATOR,
    ("POST", "/{lang}/operator/configuration"): OPERATOR,
    ("GET", "/{lang}/operator/outlets/{name}"): OPERATOR,
    ("POST", "/{lang}/operator/outlets/{name}"): OPERATOR,
    ("GET", "/api/operator/configuration"): OPERATOR,
    ("GET", "/api/operator/outlets"): OPERATOR,
    ("GET", "/api/operator/people"): OPERATOR,
    ("GET", "/api/operator/audit"): OPERATOR,
}
REFUSED = (401, 403)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
async def guest(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    async with town.client() as client:
        yield client


def all_routes(town: Town) -> set[tuple[str, str]]:
    """Every method and path of the application, the languages taken together."""
    found: set[tuple[str, str]] = set()
    for route in town.app.routes:
        for method in route.methods - {"HEAD"}:  # type: ignore[attr-defined]
            found.add((method, re.sub(r"^/(nl|fr|en)(?=/|$)", "/{lang}", route.path)))  # type: ignore[attr-defined]
    return found


def test_the_table_knows_every_route_and_no_other(town: Town) -> None:
    assert all_routes(town) == set(TABLE)


async def form_token(client: httpx.AsyncClient) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', (await client.get("/nl/me")).text)
    return found[1] if found else ""


@pytest.mark.parametrize("role", ALL)
async def test_every_address_as_every_role(town: Town, role: str) -> None:
    for (method, path), may in TABLE.items():
        async with town.client(role) as client:
            token = await form_token(client) if role != "public" else ""
            address = (
                path.replace("{lang}", "nl")
                .replace("{secret}", "x")
                .replace("{site_id}", "tuin-1")
                .replace("{code}", "x")
                .replace("{tag}", "x")
                .replace("{event_id}", "x")
                .replace("{key}", "report-1")
                .replace("{rollout}", "1a2b3c4d")
                .replace("{name}", "x")
                .replace("{name:path}", "meetnet.css")
            )
            address = address.replace("series.json", "series.json?site=lucht-1&quantity=pm2_5")
            fields = {"form_token": token, "email": f"{role}.new@example.org", "name": "x", "scope": "own"}
            answer = await client.request(method, address, data=fields if method == "POST" else None)
        is_sent_to_sign_in = answer.status_code == 303 and "/sign-in?next=" in answer.headers["location"]
        was_refused = answer.status_code in REFUSED or is_sent_to_sign_in
        assert answer.status_code < 500, (role, method, path)
        assert was_refused is (role not in may), (role, method, path, answer.status_code)


async def test_a_link_signs_in_once_and_goes_on_to_what_was_asked(
    town: Town, guest: httpx.AsyncClient
) -> None:
    answer = await guest.get("/nl/operator")
    assert answer.headers["location"] == "/nl/sign-in?next=%2Fnl%2Foperator"
    fields = {"email": "Operator@Example.org ", "next": "/nl/operator"}
    answer = await guest.post("/nl/sign-in", data=fields)
    assert "onderweg" in answer.text
    ((to, subject, text),) = town.mails
    assert (to, subject) == ("operator@example.org", "Je link naar Meetnet")
    link = re.search(r"http://gateway(/nl/sign-in/\S+)", text)
    assert link is not None
    assert (await guest.get(link[1])).status_code == 200  # a program that looks uses nothing up
    answer = await guest.post(link[1])
    assert answer.headers["location"] == "/nl/operator"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    page = await guest.get("/nl/operator")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    async with town.client() as thief:
        assert (await thief.post(link[1])).status_code == 410
    assert ("sign-in", "operator@example.org") in {(e.action, e.who) for e in town.accounts.audit()}


async def test_a_stranger_gets_the_same_answer_and_no_mail(town: Town, guest: httpx.AsyncClient) -> None:
    known = await guest.post("/nl/sign-in", data={"email": EMAILS["staff"]})
    unknown = await guest.post("/nl/sign-in", data={"email": "nobody@example.org"})
    assert known.text == unknown.text
    assert known.headers.items() == unknown.headers.items()
    assert [mail[0] for mail in town.mails] == [EMAILS["staff"]]


async def test_links_and_sessions_grow_old(town: Town) -> None:
    accounts, person = town.accounts, town.accounts.find(EMAILS["staff"])
    assert person is not None
    secret = accounts.make_link(person.id, NOW_MS)
    assert accounts.use_link(secret, NOW_MS + LINK_MS) is None
    assert accounts.use_link(secret, NOW_MS) is None  # looked at too late, it is used up
    session = accounts.open_session(person.id, NOW_MS)
    assert accounts.session(session, NOW_MS + SESSION_MS - 1) == person  # that is a use
    assert accounts.session(session, NOW_MS + 2 * SESSION_MS - 2) == person
    assert accounts.session(session, NOW_MS + 4 * SESSION_MS) is None


@pytest.mark.parametrize(
    ("headers", "keeps_token"),
    [
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({}, False),
    ],
)
async def test_a_form_of_another_page_changes_nothing(
    town: Town, headers: dict[str, str], keeps_token: bool
) -> None:
    async with town.client("operator") as client:
        token = await form_token(client)
        fields = {"email": "evil@example.org", "form_token": token if keeps_token else "a" * 81}
        answer = await client.post("/nl/operator/add", data=fields, headers=headers)
        assert answer.status_code == 403
        assert town.accounts.find("evil@example.org") is None
        good = {"email": "good@example.org", "form_token": token}
        answer = await client.post("/nl/operator/add", data=good, headers={"origin": "http://gateway"})
        assert answer.status_code == 303
    assert town.accounts.find("good@example.org") is not None


async def test_form_tokens_differ_each_time_and_hold_for_their_session_only(town: Town) -> None:
    async with town.client("operator") as one, town.client("operator") as other:
        first, second = await form_token(one), await form_token(one)
        assert first != second
        for token, client, status in ((first, one, 303), (second, one, 303), (first, other, 403)):
            fields = {"email": "a@example.org", "form_token": token}
            assert (await client.post("/nl/operator/add", data=fields)).status_code == status


async def test_a_token_may_what_owner_and_scope_allow(town: Town, guest: httpx.AsyncClient) -> None:
    def bearer(role: str, *scopes: str) -> dict[str, str]:
        person = town.accounts.find(EMAILS[role])
        assert person is not None
        return {"authorization": f"Bearer {town.accounts.make_token(person.id, 'x', scopes, NOW_MS, 1)[0]}"}

    good = bearer("operator", "operator")
    assert (await guest.get("/api/operator/people", headers=good)).status_code == 200
    assert (await guest.get("/api/operator/people", headers=bearer("operator", "own"))).status_code == 403
    assert (await guest.get("/api/operator/people", headers=bearer("staff", "operator"))).status_code == 403
    assert (await guest.get("/api/latest.json", headers=bearer("host", "own"))).status_code == 200
    # A token makes no tokens and needs no form token, but cannot act as a person at a browser.
    assert (await guest.post("/nl/me/tokens", data={"name": "y"}, headers=good)).status_code == 401
    town.clock.time_ms += 86_400_000
    answer = await guest.get("/api/operator/people", headers=good)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["status"] == 401


async def test_a_person_makes_and_revokes_tokens(town: Town, guest: httpx.AsyncClient) -> None:
    async with town.client("staff") as client:
        fields = {"name": "route", "scope": "waste", "form_token": await form_token(client)}
        page = (await client.post("/nl/me/tokens", data=fields)).text
        secret = re.search(r"mnt_[\w-]{43}", page)
        assert secret is not None
        assert secret[0] not in (await client.get("/nl/me")).text
        bearer = {"authorization": f"Bearer {secret[0]}"}
        assert (await guest.get("/api/latest.json", headers=bearer)).status_code == 200
        (token,) = town.accounts.tokens(town.accounts.find(EMAILS["staff"]).id)  # type: ignore[union-attr]
        fields = {"id": token.id, "form_token": await form_token(client)}
        await client.post("/nl/me/revoke", data=fields)
        assert (await guest.get("/api/latest.json", headers=bearer)).status_code == 401
        bad = {"name": "", "scope": "moon", "form_token": await form_token(client)}
        assert (await client.post("/nl/me/tokens", data=bad)).status_code == 400


def test_no_secret_is_in_the_file(town: Town, tmp_path: Path) -> None:
    person = town.accounts.find(EMAILS["staff"])
    assert person is not None
    found = [
        town.accounts.make_link(person.id, NOW_MS),
        town.accounts.open_session(person.id, NOW_MS),
        town.accounts.make_token(person.id, "x", ["own"], NOW_MS)[0],
    ]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("access.db*"))
    assert b"x" in kept
    assert [secret for secret in found if secret.encode() in kept] == []
    assert oct((tmp_path / "access.db").stat().st_mode)[-3:] == "600"


async def test_guessing_and_flooding_run_into_a_budget(town: Town, guest: httpx.AsyncClient) -> None:
    answers = [
        (await guest.post("/nl/sign-in", data={"email": f"a{i}@example.org"})).status_code for i in range(6)
    ]
    assert answers == [200] * 5 + [429]
    answers = [(await guest.post(f"/nl/sign-in/{i}")).status_code for i in range(31)]
    assert answers == [410] * 30 + [429]
    wrong = await guest.get("/api/latest.json", headers={"authorization": "Bearer mnt_guess"})
    assert wrong.status_code == 429
    assert int(wrong.headers["retry-after"]) > 0
    town.clock.time_ms += 15 * 60_000
    assert (await guest.post("/nl/sign-in/x")).status_code == 410


async def test_who_leaves_is_out_at_once(town: Town) -> None:
    async with town.client("staff") as client, town.client("operator") as operator:
        assert "staff@example.org" in (await client.get("/nl/me")).text
        person = town.accounts.find(EMAILS["staff"])
        assert person is not None
        fields = {"id": str(person.id), "form_token": await form_token(operator)}
        assert (await operator.post("/nl/operator/remove", data=fields)).status_code == 303
        assert (await client.get("/nl/me")).headers["location"] == "/nl/sign-in"
        me = town.accounts.find(EMAILS["operator"])
        assert me is not None
        fields = {"id": str(me.id), "form_token": await form_token(operator)}
        assert (await operator.post("/nl/operator/remove", data=fields)).status_code == 409
        assert (await operator.post("/nl/operator/roles", data=fields)).status_code == 409
        page = (await operator.get("/nl/operator")).text
    assert "staff@example.org" not in page  # the log names a number only
    assert f"#{person.id}" in page


async def test_sign_out_ends_one_session_and_everywhere_ends_all(town: Town) -> None:
    async with town.client("host") as phone, town.client("host") as desk:
        await phone.post("/nl/sign-out", data={"form_token": await form_token(phone)})
        assert (await phone.get("/nl/me")).status_code == 303
        assert (await desk.get("/nl/me")).status_code == 200
        stolen = desk.cookies[COOKIE]
        await desk.post("/nl/me/sign-out-everywhere", data={"form_token": await form_token(desk)})
        desk.cookies.set(COOKIE, stolen)
        assert (await desk.get("/nl/me")).status_code == 303


async def test_a_form_that_is_too_long_is_refused(town: Town, guest: httpx.AsyncClient) -> None:
    assert (await guest.post("/nl/sign-in", data={"email": "a" * 70_000})).status_code == 413
    many = {f"field{i}": "x" for i in range(300)}
    assert (await guest.post("/nl/sign-in", data=many)).status_code == 400


async def test_without_accounts_the_page_stays_public(client: httpx.AsyncClient) -> None:
    for path, status in (("/nl/", 200), ("/nl/sign-in", 404), ("/nl/me", 401), ("/nl/operator", 401)):
        assert (await client.get(path)).status_code == status
    assert "Aanmelden" not in (await client.get("/nl/")).text


@pytest.mark.parametrize(
    "text",
    ["https://evil.example", "//evil.example", "/\\evil", "javascript:1", "", "/a\nb", "/" + "a" * 3000],
)
def test_nobody_is_sent_to_another_host(text: str) -> None:
    assert local_path(text, "/nl/me") == "/nl/me"
    assert local_path("/fr/waste?x=1", "") == "/fr/waste?x=1"


@pytest.mark.parametrize(
    "email", ["", "an", "an@", "@b", "a b@c.d", "a@b..c", "<a@b.c>", "a@b.c\nBcc: x@y.z"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, email: str) -> None:
    with pytest.raises(RegistryError, match="email"):
        checked_email(email)


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    gateway, cli = Accounts(tmp_path), Accounts(tmp_path)
    person = cli.add("an@example.org", NOW_MS)
    secret = cli.make_link(person.id, NOW_MS)
    assert gateway.use_link(secret, NOW_MS) == person
    cli.set_roles(person.id, ["technician"])
    assert gateway.person(person.id).roles == {"technician"}  # type: ignore[union-attr]
    cli.close()
    gateway.close()


def test_people_of_an_older_file_keep_what_they_opened_where_they_had_come_by_mail(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    known, typed = (accounts.add(f"{name}@example.org", NOW_MS).id for name in ("known", "typed"))
    accounts.note(known, "sign-in", "", NOW_MS)
    sessions = [accounts.open_session(one, NOW_MS) for one in (known, typed)]
    accounts._db.execute("DROP TABLE unproved")
    accounts.close()
    accounts = Accounts(tmp_path)
    for one in (known, typed):
        accounts.set_roles(one, ["staff"])
    assert [accounts.session(one, NOW_MS) is not None for one in sessions] == [True, False]
    accounts.close()


async def test_no_address_of_anothers_site_is_open_to_a_host(tmp_path: Path) -> None:
    town = RealTown(tmp_path)
    town.host("bo@example.org", AIR)
    town.host("an@example.org", GARDEN)
    tried = 0
    async with town.client("bo@example.org") as bo:
        token = await form_token(bo)
        for (method, path), may in TABLE.items():
            if "{site_id}" not in path or "host" not in may or "public" in may:
                continue
            fields = {"form_token": token, "name": "x", "text": "x", "precision": "0", "recipient": "public"}
            for site_id, statuses in ((GARDEN, (403, 404)), ("nosuch-1", (403, 404))):
                address = path.replace("{lang}", "nl").replace("{site_id}", site_id)
                answer = await bo.request(method, address, data=fields if method == "POST" else None)
                assert answer.status_code in statuses, (method, path)
            tried += 1
    assert tried >= 20
    assert town.registry.site(GARDEN).name != "x"  # type: ignore[union-attr]
    town.close()
