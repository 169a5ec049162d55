"""Open data at fixed addresses: JSON, GeoJSON and CSV.

    /api/sites.geojson            public sites
    /api/latest.json              newest observation of each site and quantity
    /api/latest.geojson           the same, as features
    /api/observations.csv         ?from= &to= &site=      everything in that time, streamed;
                                  &decimal=comma for spreadsheets that read a decimal comma,
                                  &notes=yes with a column of what hosts wrote on that time
    /api/observations.geojson     ?from= &to= &site=      at most 10,000 observations
    /api/series.json              ?site= &quantity= &from= &to= &points= &form= &value=   a series for a chart
    /api/status                   how the gateway is doing
    /healthz                      200 when the store answers

Times are RFC 3339 UTC; numbers have a decimal point; the page in three languages is elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway import exports
from gateway.model import PublicSite
from gateway.web.context import Context
from gateway.web.languages import N_
from gateway.web.notes import book_of, text_at
from gateway.web.query import DAY_MS, QueryError, choice, known, refuse_unknown, span, whole
from gateway.web.series import BUCKETS, POINTS, RAW_ROWS, raw_json, series_json

logger = logging.getLogger("meetnet.web")

GEOJSON_ROWS = 10_000
LONGEST_SERIES_MS = 100 * 366 * DAY_MS  # at most `points` come out, however long
OPEN = {"access-control-allow-origin": "*"}  # open data: any page may read it; there are no cookies


class GeoJson(JSONResponse):
    """A JSON answer with GeoJSON's own media type (RFC 7946)."""

    media_type = "application/geo+json"


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    api, kept = Api(context), context.prepared.wrap
    return [
        context.gate.route("/api/sites.geojson", kept(api.sites)),
        context.gate.route("/api/latest.json", kept(api.latest_json)),
        context.gate.route("/api/latest.geojson", kept(api.latest_geojson)),
        context.gate.route("/api/observations.csv", api.observations_csv),
        context.gate.route("/api/observations.geojson", api.observations_geojson),
        context.gate.route("/api/series.json", kept(api.series)),
        context.gate.route("/api/status", api.status),
        context.gate.route("/healthz", api.health),
    ]


class Api:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def sites(self, request: Request) -> Response:
        """Answer the public sites."""
        refuse_unknown(request.query_params, {"lang"})
        reader = self._context.reader
        return GeoJson(await self._context.read(lambda: exports.sites_geojson(reader)), headers=OPEN)

    async def latest_json(self, request: Request) -> Response:
        """Answer the newest observations."""
        refuse_unknown(request.query_params, {"lang"})
        rows = await self._context.read(self._context.reader.latest)
        return JSONResponse(
            {
                "generated_at": exports.iso_utc(self._context.clock.now_ms()),
                "observations": [exports.observation_json(row) for row in rows],
            },
            headers=OPEN,
        )

    async def latest_geojson(self, request: Request) -> Response:
        """Answer the newest observations as features."""
        refuse_unknown(request.query_params, {"lang"})
        reader = self._context.reader
        return GeoJson(await self._context.read(lambda: exports.latest_geojson(reader)), headers=OPEN)

    async def observations_csv(self, request: Request) -> Response:
        """Answer all observations of a time, as a stream."""
        start, end, site_id, sites = await self._filters(request, {"decimal", "notes"})
        notes = await self._notes(request, start, end, site_id, sites)
        comma = choice(request.query_params, "decimal", ("point", "comma")) == "comma"
        name = f"meetnet-{exports.iso_utc(start)[:10]}-{exports.iso_utc(end - 1)[:10]}.csv"
        return StreamingResponse(
            self._csv(start, end, site_id, sites, comma, notes),
            media_type="text/csv; charset=utf-8; header=present",
            headers={**OPEN, "content-disposition": f'attachment; filename="{name}"'},
        )

    async def observations_geojson(self, request: Request) -> Response:
        """Answer the observations of a time as features; too many are refused, never cut."""
        start, end, site_id, sites = await self._filters(request)
        reader = self._context.reader
        rows = await self._context.read(lambda: reader.observations(start, end, site_id, GEOJSON_ROWS + 1))
        if len(rows) > GEOJSON_ROWS:
            raise QueryError(
                "from",
                request.query_params.get("from", ""),
                N_("%(field)s: more than %(most)d observations. Ask for a shorter time, or take the CSV."),
                most=GEOJSON_ROWS,
            )
        return GeoJson(exports.observations_geojson(rows, sites), headers=OPEN)

    async def series(self, request: Request) -> Response:
        """Answer one series with at most `points` points, extremes kept."""
        query = request.query_params
        refuse_unknown(query, {"site", "quantity", "from", "to", "points", "form", "value", "lang"})
        now_ms = self._context.clock.now_ms()
        start, end = span(query, now_ms, LONGEST_SERIES_MS)
        form = choice(query, "form", ("fitting", POINTS, BUCKETS))
        points = whole(query, "points", 800, 16, 4000)
        reader = self._context.reader
        sites = {site.site_id: site for site in (await self._context.read(self._context.now.snapshot)).sites}
        site_id = _needed(query, "site", set(sites))
        name = _needed(query, "quantity", set(sites[site_id].quantities))
        if choice(query, "value", ("shown", "raw")) == "raw":
            raw = await self._context.read(lambda: raw_json(reader, site_id, name, start, end, points))
            if raw is None:
                message = N_("%(field)s: more than %(most)d observations. Ask for a shorter time.")
                raise QueryError("from", query.get("from", ""), message, most=RAW_ROWS)
            return JSONResponse(raw, headers={**OPEN, "cache-control": "no-cache"})
        found = await self._context.read(
            lambda: series_json(reader, site_id, name, start, end, points, "" if form == "fitting" else form)
        )
        return JSONResponse(found, headers={**OPEN, "cache-control": "no-cache"})

    async def status(self, request: Request) -> Response:
        """Answer how the gateway is doing."""
        return JSONResponse(self._context.status(), headers={"cache-control": "no-store"})

    async def health(self, request: Request) -> Response:
        """Answer whether the store can be read."""
        try:
            await self._context.read(self._context.reader.sites)
        except Exception as error:
            logger.warning("health check: %s", error)
            return PlainTextResponse("store does not answer\n", 503)
        return PlainTextResponse("ok\n")

    async def _filters(
        self, request: Request, others: set[str] | None = None
    ) -> tuple[int, int, str | None, dict[str, PublicSite]]:
        query = request.query_params
        refuse_unknown(query, {"from", "to", "site", "lang"} | (others or set()))
        start, end = span(query, self._context.clock.now_ms())
        sites = {site.site_id: site for site in (await self._context.read(self._context.now.snapshot)).sites}
        return start, end, known(query, "site", set(sites)), sites

    async def _notes(
        self, request: Request, start: int, end: int, site_id: str | None, sites: dict[str, PublicSite]
    ) -> exports.Notes | None:
        """Return what public notes say of a moment, where the file was asked for with them."""
        book = book_of(self._context)
        if choice(request.query_params, "notes", ("no", "yes")) == "no":
            return None
        if book is None:
            return lambda _site_id, _at_ms: ""
        found = await self._context.read(
            lambda: book.of([site_id] if site_id else sorted(sites), start, end - 1)
        )
        return lambda site_id, at_ms: text_at(found, site_id, at_ms)

    async def _csv(
        self,
        start: int,
        end: int,
        site_id: str | None,
        sites: dict[str, PublicSite],
        comma: bool,
        notes: exports.Notes | None,
    ) -> AsyncIterator[str]:
        yield exports.csv_header(comma, notes is not None)
        pages: Iterator[Any] = exports.pages(self._context.reader, start, end, site_id, 5_000)
        while True:
            text = await self._context.read(lambda: _next_lines(pages, sites, comma, notes))
            if text is None:
                return
            yield text


def _next_lines(
    pages: Iterator[Any], sites: dict[str, PublicSite], comma: bool, notes: exports.Notes | None
) -> str | None:
    rows = next(pages, None)
    return None if rows is None else exports.csv_lines(rows, sites, comma, notes)


def _needed(query: Any, field: str, allowed: set[str]) -> str:
    value = known(query, field, allowed)
    if value is None:
        raise QueryError(field, "", N_("%(field)s: is needed here. Look up the names at /api/sites.geojson."))
    return value
