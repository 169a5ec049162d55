"""The flasher's page in a real Chromium, with the real esptool-js and ESP Web Tools, on a simulated board.

Network: loopback only. The board's flash is compared byte by byte; the Wi-Fi is given to the real firmware
that was just flashed, over Improv.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Mount, Route

from gateway.claims import ClaimBook
from gateway.provision.minting import Mint
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.web import House, WebSettings, create_app
from gateway.web.flasher import WORDS
from gateway.web.gate import COOKIE
from gateway.web.languages import tongues
from simulator import boards
from simulator.channel.ideal import IdealChannel
from simulator.net import Wifi
from simulator.node import NodeSettings
from simulator.usb import UsbBoard
from simulator.usb.console import Console, files_of
from tests.browser.board_bridge import FAKE_SERIAL, Bridge
from tests.gateway.memory_reader import NOW_MS, FixedClock, street
from tests.tools.flash.images import image
from tests.tools.flash.tray import AROUND
from tools import npm
from tools.flash import base, web

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PATIENCE_MS = 180_000  # a busy machine flashes slowly
HERE = Path(__file__).parent
CONFIG = {
    "schema": 1, "kind": "garden", "board": "sim_garden", "radio": "mqtt", "dev_eui": "70b3d57ed0000001",
    "mqtt": {"host": "gateway.local", "password": "long enough"}, "interval_s": 60,
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    web.prepare(folder, base.parse(image("esp32s3")), "sim_garden", "0.1.0", 512, CONFIG)
    return folder


@pytest.fixture(scope="module")
def blank_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `meetnet flash web` prepares them: without a configuration."""
    folder = tmp_path_factory.mktemp("blank")
    web.prepare(folder, base.parse(image("esp32s3")), "sim_garden", "0.1.0", 512)
    return folder


def wifi_node(_flash: Path) -> NodeSettings:
    hardware = boards.build("sim_garden", lambda quantity, _now_us: AROUND[quantity], IdealChannel())
    around = [("thuis", -50, True), ("buren", -77, True)]
    return NodeSettings("node", hardware, wifi=Wifi(ssid="thuis", password="geheim12", around=around))


@dataclass
class Bench:
    """A page with a board behind it."""

    url: str
    board: UsbBoard


@pytest.fixture
def bench(tmp_path: Path, images: Path) -> Iterator[Callable[..., Bench]]:
    stops: list[Callable[[], None]] = []

    def start(
        chip: str = "esp32s3",
        runs: bool = False,
        extra: Any = None,
        folder: Path | None = images,
        house: House | None = None,
    ) -> Bench:
        def console(board: UsbBoard) -> Any:
            return Console(board, wifi_node, tmp_path, runs=runs)

        board = UsbBoard(chip, bytes.fromhex("a0b1c2d30001"), application=console)
        settings = WebSettings(flasher=folder)
        page: Any = create_app(street(), lambda: {"ok": True}, FixedClock(), settings, house=house)
        application = Bridge(board).application(page)
        if extra is not None:
            application.router.routes[:0] = extra
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", ws="none", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()

        def stop() -> None:
            server.should_exit = server.force_exit = True
            thread.join(10)
            listener.close()
            board.unplug()

        stops.append(stop)
        return Bench(f"http://127.0.0.1:{listener.getsockname()[1]}", board)

    yield start
    for stop in stops:
        stop()


def said(page: Any, word: str, language: str = "nl", **places: str) -> None:
    """Wait until the page says a sentence, in its language."""
    text = tongues("Europe/Brussels")[language].gettext(WORDS[word])
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    page.wait_for_function(
        "text => document.getElementById('flasher-said').textContent === text", arg=text, timeout=PATIENCE_MS
    )


def flashed(board: UsbBoard, images: Path) -> None:
    """Everything that the manifest names is on the flash, byte by byte."""
    folder = images / "sim_garden"
    manifest = json.loads((folder / "manifest.json").read_text())
    for part in manifest["builds"][0]["parts"]:
        content = (folder / part["path"]).read_bytes()
        assert board.flash.read(part["offset"], len(content)) == content, part
    assert board.flash.not_blank == 0


def test_a_host_flashes_a_board_and_gives_it_wifi_in_dutch(
    bench: Callable[..., Bench], visit: Callable[..., Any], images: Path, picture: Callable[[Any, str], bytes]
) -> None:
    there = bench(runs=True)
    there.board.flash.program(0x9000, b"DevNonce")
    seen = visit("phone")
    page = seen.page
    page.add_init_script(FAKE_SERIAL)
    page.goto(f"{there.url}/nl/flash")
    said(page, "ready")
    picture(page, "flasher")
    page.click("#flasher-start")
    said(page, "wifi_ask")
    page.wait_for_selector("#flasher-wifi", timeout=PATIENCE_MS)
    flashed(there.board, images)
    assert there.board.flash.read(0x9000, 8) == b"DevNonce"
    assert json.loads(files_of(there.board.flash)["config.json"]) == CONFIG
    names = page.eval_on_selector_all("#flasher-names option", "all => all.map(one => one.value)")
    assert set(names) == {"thuis", "buren"}
    page.fill("#flasher-ssid", "thuis")
    page.fill("#flasher-password", "geheim13")
    page.press("#flasher-password", "Enter")
    said(page, "wifi_wrong_password")
    page.fill("#flasher-password", "geheim12")
    page.press("#flasher-password", "Enter")
    said(page, "done_wifi")
    assert page.input_value("#flasher-password") == ""
    text = page.inner_text("main")
    for english in (*WORDS.values(), "Put firmware", "Choose the port", "Only set up", "Which sensor"):
        assert english not in text
    assert seen.hosts == {there.url.removeprefix("http://")}
    assert seen.complaints == []


def test_a_technician_makes_a_device_of_a_blank_board(
    bench: Callable[..., Bench],
    visit: Callable[..., Any],
    tmp_path: Path,
    blank_images: Path,
    picture: Callable[[Any, str], bytes],
) -> None:
    registry, claims = Registry(tmp_path), ClaimBook(tmp_path / "claims.db")
    accounts = Accounts(tmp_path)
    person = accounts.add("tech@example.org", NOW_MS)
    accounts.set_roles(person.id, ["technician"])
    mint = Mint(registry, claims, lambda _transport: {"update_key": "0f" * 64}, lambda: NOW_MS)
    there = bench(runs=True, folder=blank_images, house=House(accounts, mint=mint))
    seen = visit("phone")
    page = seen.page
    page.add_init_script(FAKE_SERIAL)
    page.goto(f"{there.url}/nl/flash")
    assert page.locator("#flasher-mint").count() == 0  # not for everybody
    session = accounts.open_session(person.id, NOW_MS)
    page.context.add_cookies([{"name": COOKIE, "value": session, "url": there.url}])
    page.goto(f"{there.url}/nl/flash")
    page.fill("#mint-name", "Tuin aan het Plein")
    page.fill("#mint-latitude", "51,05")
    page.fill("#mint-longitude", "3.72")
    page.check("#flasher-mint [value=mqtt]")
    page.click("#flasher-start")
    page.wait_for_selector("#flasher-card:not([hidden])", timeout=PATIENCE_MS)
    code = page.inner_text("#flasher-code")
    assert claims.look(code, NOW_MS).dev_eui == "a0b1c2fffed30001"
    assert page.evaluate("document.getElementById('flasher-card-image').naturalWidth") > 0
    said(page, "wifi_ask")  # it has started again, with its keys
    page.fill("#flasher-ssid", "thuis")
    page.fill("#flasher-password", "geheim12")
    page.press("#flasher-password", "Enter")
    said(page, "done_wifi")
    picture(page, "flasher-card")
    (written,) = [
        config for path in tmp_path.glob("boot-*/**/config.json")
        if (config := json.loads(path.read_text())).get("wifi")
    ]  # fmt: skip
    assert (written["dev_eui"], written["radio"], written["kind"]) == ("a0b1c2fffed30001", "mqtt", "garden")
    assert written["update_key"] == "0f" * 64
    assert registry.check_password(written["dev_eui"], written["mqtt"]["password"])
    (site,) = registry.sites()
    assert (site.name, site.latitude) == ("Tuin aan het Plein", 51.05)
    told = (tmp_path / "accounts.db").read_bytes() if (tmp_path / "accounts.db").exists() else b""
    assert written["mqtt"]["password"].encode() not in told
    # Once more, from a page that was loaded anew: the board is somebody and stays it.
    page.goto(f"{there.url}/nl/flash")
    page.fill("#mint-name", "Elders")
    page.click("#flasher-only-wifi")
    page.wait_for_selector("#flasher[data-state=done]", timeout=PATIENCE_MS)
    assert len(list(registry.devices())) == 1
    for part in (registry, claims, accounts):
        part.close()


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("delete Navigator.prototype.serial;", "browser"),
        ("Object.defineProperty(window, 'isSecureContext', {value: false});", "https"),
    ],
)
def test_a_browser_that_cannot_is_told_at_once(
    bench: Callable[..., Bench], visit: Callable[..., Any], script: str, word: str
) -> None:
    there = bench()
    page = visit().page
    page.add_init_script(script)
    for language in ("nl", "fr", "en"):
        page.goto(f"{there.url}/{language}/flash")
        said(page, word, language)
        assert page.is_disabled("#flasher-start")


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ("fakeSerial.refuse = 'NotFoundError'", "no_port"),
        ("fakeSerial.refuse = 'SecurityError'", "permission"),
        ("fakeSerial.busy = true", "busy"),
    ],
)
def test_what_stands_in_the_way_is_said_in_one_sentence(
    bench: Callable[..., Bench], visit: Callable[..., Any], wish: str, word: str
) -> None:
    there = bench()
    page = visit().page
    page.add_init_script(FAKE_SERIAL)
    page.goto(f"{there.url}/fr/flash")
    page.evaluate(wish)
    page.click("#flasher-start")
    said(page, word, "fr")
    assert page.is_enabled("#flasher-start")  # and it can be tried again


def test_another_chip_and_a_dead_cable_are_told(
    bench: Callable[..., Bench], visit: Callable[..., Any]
) -> None:
    there = bench("esp32c3")
    page = visit().page
    page.add_init_script(FAKE_SERIAL)
    page.goto(f"{there.url}/en/flash")
    page.click("#flasher-start")
    said(page, "no_build", "en", chip="ESP32-C3")
    there.board.receive = lambda data: None  # type: ignore[method-assign]
    page.click("#flasher-start")
    said(page, "boot", "en")
    assert set(there.board.flash.data) == {0xFF}


def test_without_images_the_operator_is_told_the_command(
    bench: Callable[..., Bench], visit: Callable[..., Any]
) -> None:
    there = bench(folder=None)
    page = visit().page
    page.goto(f"{there.url}/en/flash")
    assert "meetnet flash web" in page.inner_text("main")
    for path in ("/flash/../../etc/passwd", "/flash/sim_garden/..%2Fmanifest.json", "/flash/x/manifest.json"):
        assert page.request.get(f"{there.url}{path}").status == 404


def test_esp_web_tools_does_its_whole_job(
    bench: Callable[..., Bench], visit: Callable[..., Any], images: Path
) -> None:
    """The most used flasher of the web, as its makers built it, with our manifest."""
    try:
        modules = npm.install(HERE / "esp_web_tools", HERE.parents[1] / "build" / "esp-web-tools", print)
    except npm.NpmError as error:
        pytest.skip(f"no ESP Web Tools: {error}")
    tools = modules / "esp-web-tools" / "dist" / "web"

    async def script(request: Any) -> FileResponse:
        return FileResponse(tools / request.path_params["name"], media_type="text/javascript")

    async def show(request: Any) -> HTMLResponse:
        return HTMLResponse(
            '<!doctype html><script type="module" src="/__ewt/install-button.js"></script>'
            '<esp-web-install-button manifest="/flash/sim_garden/manifest.json"></esp-web-install-button>'
        )

    there = bench(extra=[Route("/__ewt/{name}", script), Route("/__page", show), Mount("/__none", routes=[])])
    page = visit().page
    page.add_init_script(FAKE_SERIAL)
    page.goto(f"{there.url}/__page")
    page.locator("esp-web-install-button button").click()
    page.get_by_text(re.compile("^Install sim_garden")).click(timeout=60_000)
    page.get_by_text("Next", exact=True).click(timeout=60_000)  # what is on the board stays
    page.get_by_text("Install", exact=True).click(timeout=60_000)
    page.wait_for_function(
        "document.querySelector('ewt-install-dialog')._installState?.state === 'finished'",
        timeout=PATIENCE_MS,
    )
    flashed(there.board, images)
