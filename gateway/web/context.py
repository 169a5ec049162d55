"""What every handler of the page shares: the reader behind an executor, the clock, the words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from gateway.clock import Clock
from gateway.errors import ConfigError
from gateway.model import PublicReader
from gateway.web.gate import FORM_TOKEN, Gate, visitor_of
from gateway.web.house import House
from gateway.web.kept import Kept
from gateway.web.languages import DEFAULT, LANGUAGE_NAMES, LOCALES, Tongue, negotiate, tongues
from gateway.web.menu import WITHIN, menu_for
from gateway.web.microphones import MicrophoneBook
from gateway.web.now import NowBook, Version
from gateway.web.prepared import Prepared
from gateway.web.settings import HERE, WebSettings
from gateway.web.static_files import StaticFiles

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """Made once by create_app."""

    reader: PublicReader
    status: Callable[[], dict[str, Any]]
    clock: Clock
    settings: WebSettings
    static: StaticFiles
    tongues: dict[str, Tongue]
    environments: dict[str, Environment]
    executor: Executor | None
    house: House | None
    gate: Gate
    now: NowBook
    prepared: Prepared
    version: Callable[[], Version] | None
    microphones: MicrophoneBook
    kept: Kept

    async def read(self, work: Callable[[], T]) -> T:
        """Run a reading of the store beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)

    def tongue(self, request: Request) -> Tongue:
        """Return the language at work: of the path, else of ?lang=, else of Accept-Language, else Dutch."""
        first = request.url.path.strip("/").split("/")[0]
        wish = first if first in LOCALES else request.query_params.get("lang")
        return self.tongues[negotiate(wish, request.headers.get("accept-language"))]

    def html(
        self, request: Request, template: str, values: dict[str, Any], status: int = 200
    ) -> HTMLResponse:
        """Return a rendered page or part of one. What somebody who signed in sees is kept by no cache."""
        tongue = self.tongue(request)
        visitor = visitor_of(request)
        path, query = request.url.path, request.url.query
        rest = path.strip("/").partition("/")[2] + (f"?{query}" if query else "")
        place = rest.partition("?")[0].partition("/")[0]
        shared: dict[str, Any] = {
            "visitor": visitor,
            "form_token": Markup('<input type="hidden" name="{}" value="{}">').format(
                FORM_TOKEN, visitor.form_token
            ),
            "here": rest,
            "place": WITHIN.get(place, place),
            "menu": menu_for(visitor),
            "can_sign_in": self.gate.accounts is not None,
        }
        text = self.environments[tongue.language].get_template(template).render({**shared, **values})
        return HTMLResponse(
            text,
            status,
            {
                "content-language": tongue.language,
                "vary": "Accept-Language, Cookie",
                "cache-control": "no-store" if visitor.person else "no-cache",
            },
        )


def make_context(
    reader: PublicReader,
    status: Callable[[], dict[str, Any]],
    clock: Clock,
    settings: WebSettings,
    executor: Executor | None,
    house: House | None = None,
    version: Callable[[], Version] | None = None,
) -> Context:
    """Read catalogues, templates and static files."""
    static = StaticFiles(outlines=settings.outlines)
    try:
        languages = tongues(settings.time_zone)
    except (LookupError, ValueError):
        raise ConfigError(
            "web.time_zone",
            f"{settings.time_zone!r} is not known here: name one like Europe/Brussels, or install tzdata",
        ) from None

    async def read(work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    return Context(
        reader=reader,
        status=status,
        clock=clock,
        settings=settings,
        static=static,
        tongues=languages,
        environments={name: _environment(tongue, settings, static) for name, tongue in languages.items()},
        executor=executor,
        house=house,
        gate=Gate(house.accounts if house else None, clock.now_ms, read),
        now=NowBook(reader, clock, settings, version),
        prepared=Prepared(version, executor),
        version=version,
        microphones=MicrophoneBook(languages[DEFAULT].zone),
        kept=Kept(version),
    )


def json_error(status: int, field: str, message: str, tongue: Tongue) -> Response:
    """Return a problem document (RFC 9457) in the reader's language."""
    body = {"type": "about:blank", "status": status, "title": message, "field": field}
    return JSONResponse(
        body, status, {"content-language": tongue.language}, media_type="application/problem+json"
    )


def _environment(tongue: Tongue, settings: WebSettings, static: StaticFiles) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(tongue.gettext, tongue.ngettext, newstyle=True)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    values: dict[str, Any] = {
        "language": tongue.language,
        "languages": {name: LANGUAGE_NAMES[name] for name in LOCALES},
        "settings": settings,
        "static": static.url,
    }
    environment.globals.update(values)
    return environment
