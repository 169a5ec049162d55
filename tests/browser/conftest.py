"""A street behind a real HTTP server, and a real Chromium that looks at it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.web import WebSettings, create_app
from tests.gateway.memory_reader import FixedClock, MemoryReader, street
from tests.gateway.web.people import Town
from tools import assets, chromium
from tools.npm import NpmError

RESULTS = Path(__file__).resolve().parents[2] / "test-results"
SIZES = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 900}}


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    try:
        assets.build(say=print)
        found = chromium.find(print)
    except (NpmError, OSError) as error:
        pytest.skip(f"no Chromium: {error}")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(
            executable_path=str(found.path), args=list(found.flags), env=dict(found.environment)
        )
        yield started
        started.close()


@dataclass
class Served:
    """A running page: its address, and the street behind it to change while the page is open."""

    url: str
    reader: MemoryReader
    clock: FixedClock
    town: Town | None = None


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    stops: list[Callable[[], None]] = []

    def start(
        reader: MemoryReader | None = None, has_people: bool = False, app: Any = None, **settings: Any
    ) -> Served:
        reader, clock = reader or street(), FixedClock()
        town = Town(tmp_path, reader, clock=clock) if has_people else None
        app = app or create_app(
            reader,
            lambda: {"ok": True},
            clock,
            WebSettings(**{"refresh_s": 1, **settings}),
            house=town.house if town else None,
        )
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()

        def stop() -> None:
            server.should_exit = server.force_exit = True
            thread.join(10)
            listener.close()

        stops.append(stop)
        return Served(f"http://127.0.0.1:{listener.getsockname()[1]}", reader, clock, town)

    yield start
    for stop in stops:
        stop()


@dataclass
class Visit:
    """A page, and everything that it asked for or complained of."""

    page: Any
    hosts: set[str] = field(default_factory=set)
    bytes: int = 0
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    contexts: list[Any] = []

    def open_page(size: str = "desk", **options: Any) -> Visit:
        # Without a locale Chromium reports a language that uPlot cannot read.
        context = browser.new_context(
            viewport=SIZES[size], **{"locale": "nl-BE", "timezone_id": "Europe/Brussels", **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        found = Visit(page)
        page.on("request", lambda asked: found.hosts.add(asked.url.split("/")[2]))
        page.on("requestfinished", lambda done: _add_size(found, done))
        page.on(
            "console",
            lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("requestfailed", lambda failed: _add_failure(found, failed))
        return found

    yield open_page
    for context in contexts:
        context.close()


def _add_size(visit: Visit, request: Any) -> None:
    sizes = request.sizes()
    visit.bytes += sizes["responseBodySize"] + sizes["responseHeadersSize"]


def _add_failure(visit: Visit, request: Any) -> None:
    if request.failure != "net::ERR_ABORTED":  # the reader went on while an answer was under way
        visit.complaints.append(f"failed: {request.url} {request.failure}")


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Any, str], bytes]:
    """Keep a picture of a page under test-results/ and return it."""

    def take(page: Any, name: str) -> bytes:
        RESULTS.mkdir(exist_ok=True)
        return page.screenshot(path=str(RESULTS / f"{name}.png"), full_page=True)

    return take
