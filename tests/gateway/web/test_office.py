"""Configuration and outlets on the operator's page: checked as on the command line, nothing secret shown."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from gateway.config import load
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.office import CHANGEABLE, MASK, Office, Stopped
from gateway.outlets import Surroundings
from gateway.publish import FileSideList, Rejection
from gateway.settings import BY_KEY, SETTINGS
from tests.gateway.memory_reader import street
from tests.gateway.web.people import Town
from tests.gateway.web.real_town import token_in

TEXT = """# our network
[web]
title = "Straat"  # on every page
refresh_s = 10
[data]
postgres = "postgresql://meetnet:geheim@db/meetnet"
[publish.webhook]
url = "http://127.0.0.1:{port}/"
secret = "{secret}"
"""
SECRET = "whsec_" + base64.b64encode(b"32 bytes that nobody may ever see").decode()


@pytest.fixture
def platform() -> Iterator[tuple[int, list[bytes], list[int]]]:
    """A platform: what it was sent, and what it answers next (200 when nothing is said)."""
    bodies: list[bytes] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, bodies, answers
    server.shutdown()
    thread.join()
    server.server_close()


class Place:
    def __init__(self, path: Path, port: int) -> None:
        self.file = path / "meetnet.toml"
        self.file.write_text(TEXT.format(port=port, secret=SECRET))
        self.side = FileSideList(path / "side")
        self.reader = street()
        self.office = Office(
            Stopped(load(self.file)), self.side, lambda recipient: self.reader, Surroundings(Counters(), path)
        )
        self.town = Town(path, self.reader, office=self.office)

    def refuse(self, value: float) -> Rejection:
        row = self.reader.add("lucht-1", "pm2_5", "ug/m3", value)
        rejection = Rejection(row, "too much for us")
        self.side.add("webhook", [rejection])
        return rejection


@pytest.fixture
def place(tmp_path: Path, platform: tuple[int, list[bytes], list[int]]) -> Place:
    return Place(tmp_path, platform[0])


@pytest.fixture
async def operator(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    async with place.town.client("operator") as client:
        yield client


async def test_every_setting_is_shown_and_no_secret(place: Place, operator: httpx.AsyncClient) -> None:
    page = (await operator.get("/nl/operator/configuration")).text
    api = await operator.get("/api/operator/configuration")
    for setting in SETTINGS:
        assert f'id="{setting.key}"' in page
    assert {row["key"] for row in api.json()} == set(BY_KEY)
    outlet = (await operator.get("/nl/operator/outlets/webhook")).text
    outlets = (await operator.get("/api/operator/outlets")).text
    for text in (page, api.text, outlet, outlets):
        assert "geheim" not in text
        assert SECRET not in text
    assert f"postgresql://{MASK}@db/meetnet" in page
    assert MASK in outlet


async def change(client: httpx.AsyncClient, key: str, value: str) -> httpx.Response:
    fields = {"form_token": await token_in(client), "key": key, "value": value}
    return await client.post("/nl/operator/configuration", data=fields)


async def test_a_change_is_checked_written_and_noted(place: Place, operator: httpx.AsyncClient) -> None:
    assert (await change(operator, "web.refresh_s", "30")).status_code == 303
    assert (await change(operator, "alerts.quiet_from_h", "21")).status_code == 303
    text = place.file.read_text()
    assert "# our network" in text
    assert "# on every page" in text
    found = load(place.file)
    assert (found.whole("web.refresh_s"), found.whole("alerts.quiet_from_h")) == (30, 21)
    page = (await operator.get("/nl/operator/configuration")).text
    row = page.split('id="web.refresh_s"')[1].split("</tr>")[0]
    assert "<code>10</code>" in row  # what runs
    assert re.search(r"in het bestand, nog niet van kracht:</b> <code>30</code>", row)
    entry = place.town.accounts.audit(1)[0]
    assert (entry.action, entry.who) == ("setting changed", "operator@example.org")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("web.refresh_s", "0", "1 to 3600"),
        ("web.refresh_s", "vaak", "a whole number"),
        ("alerts.language", "de", "&#34;nl&#34; or"),
        ("web.title", "", "1 to 80"),
        ("web.port", "81", "at the machine itself"),
        ("data.directory", "/etc", "at the machine itself"),
        ("mail.host", "evil.example", "at the machine itself"),
        ("nergens.x", "1", "at the machine itself"),
    ],
)
async def test_what_does_not_fit_is_refused_and_the_file_stays(
    place: Place, operator: httpx.AsyncClient, key: str, value: str, why: str
) -> None:
    before = place.file.read_bytes()
    answer = await change(operator, key, value)
    assert answer.status_code == 400
    assert key in answer.text
    assert why in answer.text
    assert place.file.read_bytes() == before


def test_nothing_that_opens_a_door_can_be_changed_from_the_page(place: Place) -> None:
    assert set(BY_KEY) >= CHANGEABLE
    doors = re.compile(r"host|port|url|file|path|directory|tls|token|password|mail\.|postgres|sender")
    assert [key for key in CHANGEABLE if doors.search(key)] == []
    assert [key for key in CHANGEABLE if BY_KEY[key].kind == "path"] == []


async def test_a_broken_file_is_told_before_the_next_start(place: Place, operator: httpx.AsyncClient) -> None:
    place.file.write_text("[web]\nrefresh_s = 0\n")
    page = (await operator.get("/nl/operator/configuration")).text
    assert "zou er niet mee starten" in page
    assert "web.refresh_s" in page
    with pytest.raises(ConfigError):
        place.office.change("web.title", "x")


async def test_refused_values_are_sent_again_mended_or_dropped(
    place: Place, operator: httpx.AsyncClient, platform: tuple[int, list[bytes], list[int]]
) -> None:
    _, bodies, answers = platform
    for value in (900.0, 901.0, 902.0):
        place.refuse(value)

    async def act(act: str, *at: int, value: str = "") -> httpx.Response:
        page = (await operator.get("/nl/operator/outlets/webhook")).text
        ids = re.findall(r'name="item" value="([0-9a-f]+)"', page)
        token = await token_in(operator)
        fields = {"form_token": token, "act": act, "value": value, "item": [ids[i] for i in at]}
        return await operator.post("/nl/operator/outlets/webhook", data=fields)

    assert "too much for us" in (await operator.get("/nl/operator/outlets/webhook")).text
    assert (await act("drop")).status_code == 400
    assert "1 regel weggegooid" in (await act("drop", 1)).text
    assert [one.row.value for one in place.side.read("webhook")] == [900.0, 902.0]
    assert "1 regel hersteld" in (await act("mend", 0, value="90,5")).text
    assert (await act("mend", 0, value="veel")).status_code == 400
    (other, mine) = place.side.read("webhook")
    assert (mine.row.value, mine.row.method) == (90.5, "mended")
    answers.append(400)
    assert "0 aangenomen, 1 geweigerd" in (await act("retry", 0)).text
    assert len(list(place.side.read("webhook"))) == 2
    assert "2 aangenomen, 0 geweigerd" in (await act("retry", 0, 1)).text
    assert list(place.side.read("webhook")) == []
    assert b"90.5" in bodies[-1]
    actions = {entry.action for entry in place.town.accounts.audit(20)}
    assert {"side list dropped", "side list mended", "side list sent again"} <= actions
    assert other.row.value == 902.0


async def test_an_unknown_outlet_and_a_page_without_office(place: Place, tmp_path: Path) -> None:
    async with place.town.client("operator") as client:
        assert (await client.get("/nl/operator/outlets/weg")).status_code == 404
    (tmp_path / "other").mkdir()
    async with Town(tmp_path / "other").client("operator") as client:
        assert (await client.get("/nl/operator/configuration")).status_code == 404
        assert "configuration" not in (await client.get("/nl/operator")).text
