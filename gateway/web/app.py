"""The page as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.clock import Clock, SystemClock
from gateway.model import PublicReader
from gateway.rates import SpentError
from gateway.web import (
    account,
    api,
    bench_page,
    calibration,
    claiming,
    classroom,
    events,
    explained,
    flasher,
    fleet,
    mine,
    minting,
    moving,
    node_settings,
    notes,
    office_pages,
    oidc_pages,
    operator,
    pages,
    quality_page,
    rollouts,
    signing,
    site_page,
    site_reports,
    siting,
    waste,
)
from gateway.web.context import Context, json_error, make_context
from gateway.web.gate import TOO_OFTEN, RefusedError
from gateway.web.house import House
from gateway.web.languages import N_
from gateway.web.now import Version
from gateway.web.query import LABELS, QueryError
from gateway.web.security import SecurityHeaders
from gateway.web.settings import WebSettings

NOT_FOUND = N_("There is no such page here. Start at the map.")
NO_METHOD = N_("This address is for reading only.")
BROKEN = N_("Something went wrong on our side. Try again in a minute.")


def create_app(
    reader: PublicReader,
    status: Callable[[], dict[str, Any]] = dict,
    clock: Clock | None = None,
    settings: WebSettings | None = None,
    executor: Executor | None = None,
    house: House | None = None,
    version: Callable[[], Version] | None = None,
) -> Starlette:
    """Return the page over a reader of public data.

    reader: called in `executor` (None: the loop's own), never in the loop's thread.
    status: returns what /api/status shows; called in the loop's thread, so it must be quick.
    house: what people with a role may reach; None: everything public, and nobody can sign in.
    version: what public answers depend on, as (register, newest position); quick. While it holds, they are
        kept for a moment (now.py). None: each is made anew.
    clock: what "now" is for ages and for the last day.
    """
    settings = settings or WebSettings()
    context = make_context(reader, status, clock or SystemClock(), settings, executor, house, version)
    app = Starlette(
        routes=[
            *pages.routes(context),
            *site_page.routes(context),
            *explained.routes(context),
            *notes.routes(context),
            *calibration.routes(context),
            *flasher.routes(context),
            *minting.routes(context),
            *api.routes(context),
            *signing.routes(context),
            *account.routes(context),
            *operator.routes(context),
            *office_pages.routes(context),
            *oidc_pages.routes(context),
            *claiming.routes(context),
            *mine.routes(context),
            *moving.routes(context),
            *quality_page.routes(context),
            *waste.routes(context),
            *fleet.routes(context),
            *site_reports.routes(context),
            *siting.routes(context),
            *node_settings.routes(context),
            *rollouts.routes(context),
            *bench_page.routes(context),
            *events.routes(context),
            *classroom.routes(context),
            context.gate.route("/static/{name:path}", context.static.answer, is_same_for_all=True),
            *[
                context.gate.route(path, _document(*document), is_same_for_all=True)
                for path, document in settings.documents.items()
            ],
            # Not Mount: the path itself must answer, without a redirect to one with a slash.
            *[
                Route(path + rest, application)
                for path, application in settings.applications.items()
                for rest in ("", "/{rest:path}")
            ],
        ],
        middleware=[
            Middleware(
                SecurityHeaders,
                tiles_origin=settings.tiles_origin,
                is_https=settings.url.startswith("https:"),
            ),
            Middleware(GZipMiddleware, minimum_size=500),
        ],
        exception_handlers=_errors(context),
    )
    app.state.rules = context.gate.rules
    return app


def _document(media_type: str, content: bytes) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=api.OPEN)

    return answer


def _errors(context: Context) -> dict[Any, Any]:
    def refuse(request: Request, status: int, field: str, message: str, places: dict[str, Any]) -> Response:
        tongue = context.tongue(request)
        sentence = tongue.gettext(message) % places
        if request.url.path.startswith(("/api/", "/healthz", "/static/")):
            return json_error(status, field, sentence, tongue)
        return context.html(request, "error.html", {"status": status, "sentence": sentence}, status)

    async def bad_query(request: Request, error: Exception) -> Response:
        assert isinstance(error, QueryError)
        places, label = error.places, LABELS.get(error.field)
        if label and not request.url.path.startswith("/api/"):
            places = {**places, "field": context.tongue(request).gettext(label)}
        return refuse(request, 400, error.field, error.message, places)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = NO_METHOD if error.status_code == 405 else NOT_FOUND
        return refuse(request, error.status_code, "", message, {})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        answer = refuse(request, error.status, "", error.message, {})
        if error.status == 401:
            answer.headers["www-authenticate"] = "Bearer"
        return answer

    async def spent(request: Request, error: Exception) -> Response:
        assert isinstance(error, SpentError)
        answer = refuse(request, 429, "", TOO_OFTEN, {})
        answer.headers["retry-after"] = str(error.retry_s)
        return answer

    async def broken(request: Request, error: Exception) -> Response:
        return refuse(request, 500, "", BROKEN, {})

    return {
        QueryError: bad_query,
        RefusedError: refused,
        SpentError: spent,
        HTTPException: http_error,
        500: broken,
    }
