"""Renew the pictures of all pages: `python -m tools.page_pictures [OUT]` (default gateway/web/pictures).

Fills a made-up town, runs the gateway on a free port, signs in as who may see each page, and takes every page
at phone and desk size, with few colours so that the files stay small.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image
from playwright.sync_api import sync_playwright

from gateway.app import Gateway
from gateway.commissioning import Inspector, Scene, SiteReport, SiteReports
from gateway.config import Config
from gateway.health import Incident
from gateway.provision.benchbook import BenchBook
from gateway.publish import FileSideList, Rejection
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook, OwnLimit
from gateway.registry.notes import NoteBook
from gateway.registry.siting import SitingBook
from gateway.update import UpdateBook, build_config
from gateway.update.bundle import Release
from gateway.update.rollout import Target, order
from gateway.web.gate import COOKIE
from tools.chromium import find
from tools.town import fill

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
GARDEN, NOISE = "proefstraat-04-garden", "proefstraat-02-noise"
# name -> (address, role, what must be there first)
PAGES = {
    "map": ("/nl/?layer=belaqi", "", ".mark .number"),
    "site": (f"/nl/site/{NOISE}?span=month", "", "#chart canvas"),
    "quality": ("/nl/quality", "", "h1"),
    "class": (f"/nl/class?site={GARDEN}&when=15&top=9&where=here", "", "#reveal"),
    "event": ("/nl/events/{event}", "staff", "#levels .drawing"),
    "events": ("/nl/events", "staff", "#regime"),
    "configuration": ("/nl/operator/configuration", "operator", "h1"),
    "data": ("/nl/data", "", "h1"),
    "sign-in": ("/nl/sign-in", "", "h1"),
    "mine": (f"/nl/mine/{GARDEN}", "host", "h1"),
    "waste": ("/nl/waste", "staff", "h1"),
    "fleet": ("/nl/fleet", "technician", "h1"),
    "pole": (f"/nl/fleet/{GARDEN}", "technician", "h1"),
    "visit": (f"/nl/fleet/{GARDEN}/report/visit-0001", "technician", "h1"),
    "node-settings": (f"/nl/fleet/{GARDEN}/settings", "technician", "h1"),
    "updates": ("/nl/updates/{rollout}", "technician", "#touched"),
    "bench": ("/nl/bench", "technician", "[data-step]"),
    "notes": (f"/nl/site/{GARDEN}", "host", ".uplot[data-notes]"),
    "move": (f"/nl/mine/{GARDEN}/move", "host", "h1"),
    "siting": (f"/nl/mine/{GARDEN}/siting", "host", "#score"),
    "rain-gauge": (f"/nl/mine/{GARDEN}/rain-gauge", "host", "h1"),
    "outlet": ("/nl/operator/outlets/webhook", "operator", "h1"),
    "operator": ("/nl/operator", "operator", "h1"),
}
COLOURS = 32


class House:
    """A running gateway over a made-up town, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._gateway = Gateway(
            Config(
                {
                    "data.directory": str(folder), "semtech_udp.enabled": False, "broker.enabled": False,
                    "web.port": 0, "web.title": "Proefstraat", "web.time_zone": "Europe/Brussels",
                    "web.url": "https://proefstraat.example", "alerts.enabled": False,
                    "web.outlines": str(ROOT / "gateway/web/static/outlines.geojson"),
                },
                {"webhook": {"url": "http://127.0.0.1:9/", "secret": "s" * 32}},
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Gateway:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._gateway.start(), self._loop).result(60)
        return self._gateway

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._gateway.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def cookies(folder: Path) -> dict[str, str]:
    """Make somebody for each role and return their sessions."""
    accounts, now_ms = Accounts(folder), int(time.time() * 1000)
    found: dict[str, str] = {}
    for role in ("host", "staff", "technician", "operator"):
        person = accounts.add(f"{role}@example.org", now_ms)
        if role == "host":
            accounts.host(person.id, GARDEN, now_ms)
        else:
            accounts.set_roles(person.id, [role])
        found[role] = accounts.open_session(person.id, now_ms)
    accounts.close()
    return found


def furnish(gateway: Gateway, now_ms: int) -> str:
    """Let there be something on the pages of technicians and operators; return the id of a roll-out."""
    folder, registry = gateway.directory.path, gateway.registry
    devices = {registry.site_of(one.dev_eui, now_ms).id: one for one in registry.devices()}  # type: ignore[union-attr]
    garden, reader = devices[GARDEN].dev_eui, gateway.reader
    silent = tuple(device.dev_eui for device in registry.devices()[:4])
    gateway.incidents.update(
        now_ms, [Incident("gateway:x", "gateway", "aa555a0000000000", now_ms - 3_600_000, silent)]
    )
    reports = SiteReports(folder)
    checks = Inspector(registry, gateway.store.latest, gateway.recent).inspect(
        Scene(garden, GARDEN, now_ms), now_ms
    )
    reports.file(
        SiteReport("visit-0001", garden, GARDEN, "An", now_ms, False, checks.checks, note="ladder te kort")
    )
    reports.close()
    rows = [row for row in reader.latest() if row.quantity in ("temperature", "pm2_5")][:4]
    FileSideList(gateway.directory.side).add(
        "webhook", [Rejection(row, "HTTP 422: out of range") for row in rows]
    )
    notes = NoteBook(folder)
    notes.add(GARDEN, now_ms - 9 * 3_600_000, now_ms - 7 * 3_600_000, "buurman stookt hout", True, 1, now_ms)
    notes.close()
    siting = SitingBook(folder, lambda _site, _from, _to: None)
    siting.answer(GARDEN, {"shade": "no", "wall": "yes", "height": "yes", "open_sky": "yes"}, now_ms)
    siting.close()
    bench = BenchBook(folder)
    run = bench.begin("rijen.csv", 12, 3, now_ms - 300_000)
    for port, told in enumerate(
        (
            {"step": "green", "row": "r4", "dev_eui": garden, "tested": ("sht4x", "rain", "radio")},
            {"step": "writing", "row": "r5", "dev_eui": silent[0], "share": 0.6},
            {"step": "red", "row": "r6", "dev_eui": silent[1], "reason": "sht4x: no answer at 0x44"},
        )
    ):
        bench.event(run, {"port": f"/dev/ttyUSB{port}", **told}, now_ms)
    bench.close()
    key = ec.derive_private_key(77, ec.SECP256R1())
    bundle = build_config({"interval_s": 300}, Release((1, 4, 2), 9), key)
    book, ours = UpdateBook(folder), [one.dev_eui for one in registry.devices()]
    book.begin(bundle, ours, now_ms - 50 * 3_600_000, 86_400, 720)
    states = [("kept", 30), ("kept", 28), ("kept", 4), ("trial", 1), ("loading", 1)]
    for dev_eui, (state, hours) in zip(order(bundle.id, ours), states, strict=False):
        book.put_target(bundle.id, Target(dev_eui, state, "", now_ms - hours * 3_600_000, now_ms))
    book.close()
    return bundle.id


def take(browser: Any, base: str, sessions: dict[str, str], ids: dict[str, str], out: Path) -> None:
    """Take every page at every size."""
    for size, (width, height) in SIZES.items():
        for name, (address, role, wait) in PAGES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, locale="nl-BE", timezone_id="Europe/Brussels"
            )
            if role:
                context.add_cookies([{"name": COOKIE, "value": sessions[role], "url": base}])
            page = context.new_page()
            page.goto(base + address.format(**ids))
            page.wait_for_selector(wait, timeout=30_000)
            page.wait_for_timeout(700)
            path = out / f"{name}-{size}.png"
            page.screenshot(path=str(path))
            context.close()
            with Image.open(path) as picture:
                small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
                small.save(path, optimize=True)
            print(f"pictures: {path.name}, {path.stat().st_size // 1024} kB", flush=True)


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    out = Path(arguments[0]) if arguments else ROOT / "gateway" / "web" / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        now_ms = int(time.time() * 1000) // 60_000 * 60_000
        fill(folder, 12, 30, 10, 1, now_ms)
        sessions = cookies(folder)
        book = EventBook(folder)
        hours = (now_ms - 5 * 3_600_000, now_ms + 3_600_000)
        event, _ = book.add("Straatfeest", *hours, "own", [OwnLimit("laeq", 15, 58.0)], [NOISE], True)
        book.close()
        chromium = find(lambda line: print(f"chromium: {line}", flush=True))
        with House(folder) as gateway, sync_playwright() as playwright:
            ids = {"event": event.id, "rollout": furnish(gateway, now_ms)}
            browser = playwright.chromium.launch(
                executable_path=str(chromium.path), args=list(chromium.flags), env={**chromium.environment}
            )
            take(browser, f"http://localhost:{gateway.ports['web']}", sessions, ids, out)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
