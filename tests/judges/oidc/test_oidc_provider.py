"""Signing in through a certified identity provider (npm `oidc-provider`), run beside the test."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from gateway.web.oidc import OidcClient, OidcSettings
from tests.bench.gateway.parts import free_port
from tests.conftest import ROOT
from tests.gateway.memory_reader import FixedClock
from tests.gateway.web.people import Town
from tools import npm

HERE = Path(__file__).parent
REDIRECT = "http://gateway/oidc/callback"
SECRET = "only-for-tests-only-for-tests-only"
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Start a provider (again, with other keys) on one port; return its issuer."""
    try:
        work = ROOT / "build" / "oidc-provider"
        if not (work / "node_modules" / "oidc-provider").exists():
            npm.install(HERE, work, print)
        node, environment = npm.node_command()
    except (npm.NpmError, OSError) as error:
        pytest.skip(f"no oidc-provider: {error}")
    (work / "op.mjs").write_text((HERE / "op.mjs").read_text())
    port = free_port()
    running: list[subprocess.Popen[str]] = []

    def stop() -> None:
        while running:
            one = running.pop()
            one.terminate()
            one.communicate(timeout=20)

    def start(**options: object) -> str:
        stop()
        told = {"client": "meetnet", "secret": SECRET, "redirect": REDIRECT, "kid": "one", "conform": True}
        told |= {"method": "client_secret_basic", **options}
        process = subprocess.Popen(
            [*node, "op.mjs", str(port), json.dumps(told)],
            cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        return f"http://127.0.0.1:{port}"

    yield start
    stop()


def place(path: Path, issuer: str, now_s: Callable[[], float] | None = None) -> Town:
    """Pages whose staff signs in at an issuer."""
    settings = OidcSettings(issuer, "meetnet", SECRET, "Stad", REDIRECT)
    return Town(path, clock=FixedClock(), oidc=OidcClient(settings, now_s or time.time))


async def log_in(begin: str, login: str) -> str:
    """Do what somebody at a browser does at the provider; return the address that leads back."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer, address = await browser.get(begin), begin
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(address, answer.headers["location"])
                if address.startswith(REDIRECT):
                    return address
                answer = await browser.get(address)
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None
            fields = {"prompt": prompt[1]}
            if prompt[1] == "login":
                fields |= {"login": login, "password": "x"}
            address = urljoin(address, action[1])
            answer = await browser.post(address, data=fields)
    raise AssertionError("the provider never led back")


async def sign_in(town: Town, client: httpx.AsyncClient, login: str) -> httpx.Response:
    begun = await client.get("/oidc/start?next=/nl/waste")
    assert begun.status_code == 303, begun.text
    back = await log_in(begun.headers["location"], login)
    return await client.get(back.removeprefix("http://gateway"))


@pytest.mark.parametrize(
    ("method", "conform"), [("client_secret_basic", True), ("client_secret_post", False)]
)
async def test_staff_signs_in_at_the_provider_of_the_city(
    serve: Serve, tmp_path: Path, method: str, conform: bool
) -> None:
    # conform: the ID token holds no mail address, it is asked for; as strict providers do.
    town = place(tmp_path, await asyncio.to_thread(serve, method=method, conform=conform))
    async with town.client() as client:
        assert "/oidc/start" in (await client.get("/nl/sign-in")).text
        answer = await sign_in(town, client, "staff@example.org")
        assert (answer.status_code, answer.headers["location"]) == (303, "/nl/waste"), answer.text
        assert "staff@example.org" in (await client.get("/nl/me")).text
    assert town.accounts.audit(1)[0].detail == "OpenID Connect"


async def test_who_is_no_staff_here_gets_no_session(serve: Serve, tmp_path: Path) -> None:
    town = place(tmp_path, await asyncio.to_thread(serve))
    for login, status in (
        ("somebody@example.org", 403),  # unknown here
        ("host@example.org", 403),  # hosts have links by mail
        ("unsure.staff@example.org", 403),  # the provider does not vouch for the address
    ):
        async with town.client() as client:
            answer = await sign_in(town, client, login)
            assert answer.status_code == status, login
            assert "meetnet-session" not in client.cookies


async def test_keys_may_change_at_any_time(serve: Serve, tmp_path: Path) -> None:
    ahead = [0.0]
    issuer = await asyncio.to_thread(serve, kid="one")
    town = place(tmp_path, issuer, lambda: time.time() + ahead[0])
    async with town.client() as client:
        assert (await sign_in(town, client, "staff@example.org")).status_code == 303
    await asyncio.to_thread(serve, kid="two")
    ahead[0] = 61.0
    async with town.client() as client:
        assert (await sign_in(town, client, "operator@example.org")).status_code == 303


async def test_a_code_and_a_state_count_once_and_for_one_browser(serve: Serve, tmp_path: Path) -> None:
    town = place(tmp_path, await asyncio.to_thread(serve))
    async with town.client() as client, town.client() as thief:
        begun = await client.get("/oidc/start")
        back = (await log_in(begun.headers["location"], "staff@example.org")).removeprefix("http://gateway")
        assert (await thief.get(back)).status_code == 403  # has not the cookie; and the state is used up
        assert (await client.get(back)).status_code == 403
        begun = await client.get("/oidc/start")
        back = (await log_in(begun.headers["location"], "staff@example.org")).removeprefix("http://gateway")
        assert (await client.get(re.sub(r"code=[^&]+", "code=made-up", back))).status_code == 403
        answer = await client.get("/oidc/callback?error=access_denied&state=x")
        assert answer.status_code == 403
        assert (await client.get("/oidc/callback")).status_code == 403
