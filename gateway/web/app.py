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
from gateway.web import api, calibration, pages
from gateway.web.context import Context, json_error, make_context
from gateway.web.languages import N_
from gateway.web.query import QueryError
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
) -> Starlette:
    """Return the page over a reader of public data.

    reader: called in `executor` (None: the loop's own), never in the loop's thread.
    status: returns what /api/status shows; called in the loop's thread, so it must be quick.
    clock: what "now" is for ages and for the last day.
    """
    settings = settings or WebSettings()
    context = make_context(reader, status, clock or SystemClock(), settings, executor)
    return Starlette(
        routes=[
            *pages.routes(context),
            *calibration.routes(context),
            *api.routes(context),
            Route("/static/{name:path}", context.static.answer),
            *[Route(path, _document(*document)) for path, document in settings.documents.items()],
            # Not Mount: the path itself must answer, without a redirect to one with a slash.
            *[
                Route(path + rest, application)
                for path, application in settings.applications.items()
                for rest in ("", "/{rest:path}")
            ],
        ],
        middleware=[
            Middleware(SecurityHeaders, tiles_origin=settings.tiles_origin),
            Middleware(GZipMiddleware, minimum_size=500),
        ],
        exception_handlers=_errors(context),
    )


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
        return context.html(tongue, "error.html", {"status": status, "sentence": sentence}, status)

    async def bad_query(request: Request, error: Exception) -> Response:
        assert isinstance(error, QueryError)
        return refuse(request, 400, error.field, error.message, error.places)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = NO_METHOD if error.status_code == 405 else NOT_FOUND
        return refuse(request, error.status_code, "", message, {})

    async def broken(request: Request, error: Exception) -> Response:
        return refuse(request, 500, "", BROKEN, {})

    return {QueryError: bad_query, HTTPException: http_error, 500: broken}
