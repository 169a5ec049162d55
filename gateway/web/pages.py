"""The map and its parts, in the reader's language."""

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
from gateway.web.layers import ALL, BY_NAME, LAYERS, Layer, legend
from gateway.web.map_rows import WEEK_HOURS
from gateway.web.map_table import MapTable
from gateway.web.query import DAY_MS, choice, known, refuse_unknown, whole
from gateway.web.view import SiteView, hour_views
from gateway.web.words import quantity

FIELDS = {"site", "quantity", "lang", "layer", "back"}


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = Pages(context)
    route, kept = context.gate.route, context.prepared.wrap
    found: list[Route] = [route("/", pages.negotiate)]
    for language in LOCALES:
        found += [
            route(f"/{language}", pages.negotiate),
            route(f"/{language}/", kept(pages.page)),
            route(f"/{language}/part/sites", kept(pages.sites_part)),
            route(f"/{language}/part/site", kept(pages.site_part)),
        ]
    return found


class Pages:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._table = MapTable(context)

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
        layer = BY_NAME[choice(query, "layer", tuple(BY_NAME))]
        back = whole(query, "back", 0, 0, WEEK_HOURS)
        snapshot = await context.read(context.now.snapshot)
        views = await context.read(lambda: snapshot.views(tongue, context.settings))
        now_ms = snapshot.now_ms
        is_gone = may_be_gone and query.get("site", "") not in {"", *(view.site_id for view in views)}
        chosen = None if is_gone else _chosen(views, query, layer)
        values: dict[str, Any] = {
            "site": chosen,
            "now": tongue.clock(now_ms),
            "now_iso": tongue.iso(now_ms),
            "layer": layer,
            "back": back,
            "week_hours": WEEK_HOURS,
        }
        if template != "site.html":
            table = await self._table.rows(snapshot, layer, back, tongue)
            measured = snapshot.measured
            values |= {
                # Of many sites the table is the same for all who look; the panel says whose it is.
                "rows": table.html(chosen.site_id if chosen and table.is_short else ""),
                "few": table.is_short,
                "has_parts": table.has_parts,
                "moment": self._table.moment(back, tongue, now_ms),
                "layers": [one for one in LAYERS if one is ALL or measured & set(one.quantities)],
                "legend": legend(layer, tongue),
            }
        if template != "sites.html":
            values.update(await self._site_values(chosen, query, tongue, now_ms, layer))
        return context.html(request, template, values)

    async def _site_values(
        self, site: SiteView | None, query: Any, tongue: Tongue, now_ms: int, layer: Layer
    ) -> dict[str, Any]:
        if site is None or site.headline is None:
            return {"chosen": None, "hours": []}
        names = set(site.quantities)
        wish = next((name for name in layer.quantities if name in names), site.headline.quantity)
        name = known(query, "quantity", names) or wish
        chosen = next(value for value in site.values if value.quantity == name)
        reader = self._context.reader
        rows: list[PublicObservation] = list(
            await self._context.read(
                lambda: reader.series(site.site_id, name, now_ms - DAY_MS, now_ms + 60_000, 20_000)
            )
        )
        decimals = quantity(name).decimals
        return {"chosen": chosen, "hours": hour_views(rows, decimals, tongue)}


def _chosen(views: list[SiteView], query: Any, layer: Layer) -> SiteView | None:
    wish = known(query, "site", {view.site_id for view in views})
    if wish is None:
        wanted = set(layer.quantities)
        fitting = [view for view in views if not wanted or wanted & set(view.quantities)]
        return max(fitting or views, key=lambda view: WORST_FIRST.index(view.grade), default=None)
    return next(view for view in views if view.site_id == wish)
