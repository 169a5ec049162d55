"""The page of settings over a gateway that runs: what takes effect at once, and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from gateway.app import Gateway
from gateway.config import load
from gateway.registry.accounts import Accounts
from gateway.web.gate import COOKIE
from tests.gateway.house import SetClock
from tests.gateway.web.real_town import token_in

PAGE = "/nl/operator/configuration"
BASE = """[data]
directory = "data"
[web]
port = 0
[broker]
port = 0
[semtech_udp]
port = 0
"""


@asynccontextmanager
async def a_gateway(path: Path) -> AsyncIterator[tuple[Gateway, str]]:
    """Yield a gateway on a file, and the session of an operator."""
    (path / "meetnet.toml").write_text(BASE)
    gateway = Gateway(load(path / "meetnet.toml"), SetClock())
    gateway.reread = lambda: load(path / "meetnet.toml")
    await gateway.start()
    try:
        accounts = Accounts(path / "data")
        person = accounts.add("operator@example.org", gateway.clock.now_ms())
        accounts.set_roles(person.id, ["operator"])
        session = accounts.open_session(person.id, gateway.clock.now_ms())
        accounts.close()
        yield gateway, session
    finally:
        await gateway.stop()


def client(gateway: Gateway, session: str) -> httpx.AsyncClient:
    base = f"http://127.0.0.1:{gateway.ports['web']}"
    return httpx.AsyncClient(base_url=base, cookies={COOKIE: session}, trust_env=False)


async def change(http: httpx.AsyncClient, key: str, value: str) -> httpx.Response:
    fields = {"form_token": await token_in(http), "key": key, "value": value}
    return await http.post(PAGE, data=fields, headers={"origin": str(http.base_url).rstrip("/")})


def row(page: str, key: str) -> str:
    return page.split(f'id="{key}"')[1].split("</tr>")[0]


async def test_alerts_change_at_once(tmp_path: Path) -> None:
    async with a_gateway(tmp_path) as (gateway, session), client(gateway, session) as http:
        page = (await http.get(PAGE)).text
        assert "geldt meteen<" in row(page, "alerts.quiet_from_h")
        assert (await change(http, "alerts.quiet_from_h", "21")).status_code == 303
        assert gateway.config.whole("alerts.quiet_from_h") == 21
        found = row((await http.get(PAGE)).text, "alerts.quiet_from_h")
        assert "<code>21</code>" in found
        assert "nog niet van kracht" not in found


async def test_what_needs_a_restart_says_so_and_waits(tmp_path: Path) -> None:
    async with a_gateway(tmp_path) as (gateway, session), client(gateway, session) as http:
        assert "volgende start van de gateway" in row((await http.get(PAGE)).text, "lns.adr_margin_db")
        assert (await change(http, "lns.adr_margin_db", "12")).status_code == 303
        assert gateway.config.number("lns.adr_margin_db") == 10
        assert "nog niet van kracht" in row((await http.get(PAGE)).text, "lns.adr_margin_db")


async def test_the_pages_start_again_after_they_have_answered(tmp_path: Path) -> None:
    async with a_gateway(tmp_path) as (gateway, session):
        async with client(gateway, session) as http:
            answer = await change(http, "web.title", "Meten in de wijk")
        assert answer.status_code == 200
        assert "De pagina's starten opnieuw" in answer.text
        assert answer.headers["refresh"].endswith(PAGE)
        async with asyncio.timeout(20):
            while not gateway.counters.get("config.reloaded"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        async with client(gateway, session) as http:  # still signed in
            page = (await http.get(PAGE)).text
        assert "Meten in de wijk" in page
        assert "nog niet van kracht" not in page


async def test_what_the_gateway_cannot_run_with_is_put_back(tmp_path: Path) -> None:
    """The file was changed at the machine meanwhile, in another place, so that a part cannot start."""
    async with a_gateway(tmp_path) as (gateway, session), client(gateway, session) as http:
        file = tmp_path / "meetnet.toml"
        broken = BASE + '[mqtt]\nenabled = true\npassword_file = "not-there"\n'
        file.write_text(broken)
        answer = await change(http, "alerts.quiet_from_h", "21")
        assert answer.status_code == 400
        assert "mqtt.password_file" in answer.text
        assert load(file).whole("alerts.quiet_from_h") == 22
        assert gateway.config.whole("alerts.quiet_from_h") == 22
