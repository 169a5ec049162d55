"""The page and its parts, in the reader's language."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.model import PublicObservation
from gateway.web.context import Context
from gateway.web.freshness import WORST_FIRST
from gateway.web.languages import LOCALES, Tongue
from gateway.web.query import DAY_MS, known, refuse_unknown
from gateway.web.view import SiteView, hour_views, site_views
from gateway.web.words import quantity

FIELDS = {"site", "quantity", "lang"}


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = Pages(context)
    found: list[Route] = [Route("/", pages.negotiate)]
    for language in LOCALES:
        found += [
            context.gate.route(f"/{language}", pages.negotiate),
            context.gate.route(f"/{language}/", pages.page),
            context.gate.route(f"/{language}/part/sites", pages.sites_part),
            context.gate.route(f"/{language}/part/site", pages.site_part),
        ]
    return found


class Pages:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def negotiate(self, request: Request) -> Response:
        """Send a reader to the page in the language that is asked for."""
        language = self._context.tongue(request).language
        rest = {name: value for name, value in request.query_params.items() if name != "lang"}
        address = f"/{language}/" + (f"?{urlencode(rest)}" if rest else "")
        return RedirectResponse(address, 307, {"vary": "Accept-Language"})

    async def page(self, request: Request) -> Response:
        """Answer the whole page."""
        wish = request.query_params.get("lang", "")
        if wish in LOCALES and wish != request.url.path.strip("/"):
            rest = {name: value for name, value in request.query_params.items() if name != "lang"}
            return RedirectResponse(f"/{wish}/" + (f"?{urlencode(rest)}" if rest else ""), 307)
        return await self._answer(request, "page.html")

    async def sites_part(self, request: Request) -> Response:
        """Answer the table of sites alone."""
        return await self._answer(request, "sites.html", may_be_gone=True)

    async def site_part(self, request: Request) -> Response:
        """Answer the panel of one site alone; of a site that is no longer public, the panel of none."""
        return await self._answer(request, "site.html", may_be_gone=True)

    async def _answer(self, request: Request, template: str, may_be_gone: bool = False) -> Response:
        context = self._context
        tongue = context.tongue(request)
        query = request.query_params
        refuse_unknown(query, FIELDS)
        now_ms = context.clock.now_ms()
        sites = await context.read(context.reader.sites)
        latest = await context.read(context.reader.latest)
        views = site_views(sites, latest, tongue, context.settings, now_ms)
        is_gone = may_be_gone and query.get("site", "") not in {"", *(view.site_id for view in views)}
        chosen = None if is_gone else _chosen(views, query)
        values: dict[str, Any] = {
            "sites": views,
            "site": chosen,
            "now": tongue.clock(now_ms),
            "now_iso": tongue.iso(now_ms),
        }
        if template != "sites.html":
            values.update(await self._site_values(chosen, query, tongue, now_ms))
        return context.html(request, template, values)

    async def _site_values(
        self, site: SiteView | None, query: Any, tongue: Tongue, now_ms: int
    ) -> dict[str, Any]:
        if site is None or site.headline is None:
            return {"chosen": None, "hours": []}
        names = {value.quantity for value in site.values}
        name = known(query, "quantity", names) or site.headline.quantity
        chosen = next(value for value in site.values if value.quantity == name)
        reader = self._context.reader
        rows: list[PublicObservation] = list(
            await self._context.read(
                lambda: reader.series(site.site_id, name, now_ms - DAY_MS, now_ms + 60_000, 20_000)
            )
        )
        decimals = quantity(name).decimals
        return {"chosen": chosen, "hours": hour_views(rows, decimals, tongue)}


def _chosen(views: list[SiteView], query: Any) -> SiteView | None:
    wish = known(query, "site", {view.site_id for view in views})
    if wish is None:
        return max(views, key=lambda view: WORST_FIRST.index(view.grade), default=None)
    return next(view for view in views if view.site_id == wish)
