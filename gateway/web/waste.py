"""Bins: when each is full, tomorrow's list, its route for any software, what drivers say, and how it goes."""

from __future__ import annotations

import csv
import io
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway import exports
from gateway.errors import RegistryError
from gateway.insight import bins
from gateway.insight.noise import local
from gateway.insight.route import length_m, order
from gateway.registry import Site
from gateway.registry.people import STAFF
from gateway.registry.rounds import REPORTS
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import form, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.layers import BY_NAME, LEVEL_WORDS, class_of
from gateway.web.query import QueryError, choice, refuse_unknown
from gateway.web.series import DAY, HOUR
from gateway.web.site_page import CALENDAR_DAYS

ROUND_HOUR = 7
FRESH_FOR_MS = 5 * 60_000
STALE_MS = DAY
CONFIDENCE = {"good": N_("sure"), "fair": N_("fairly sure"), "poor": N_("unsure")}
REPORT_WORDS = {
    "emptied": N_("Emptied"),
    "was_empty": N_("Was empty"),
    "overflowing": N_("Overflowing"),
    "blocked": N_("Blocked"),
    "damaged": N_("Damaged"),
}
NO_BIN = N_("%(field)s: “%(value)s” is no bin of this network.")
assert set(REPORT_WORDS) == set(REPORTS)


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    waste = Waste(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (STAFF,), "waste", (method,))

    found = [
        route("/api/waste/bins.json", waste.bins_json),
        route("/api/waste/route.geojson", waste.geojson),
        route("/api/waste/route.csv", waste.csv),
        route("/api/waste/route.gpx", waste.gpx),
        route("/api/waste/reports", waste.report_json, "POST"),
    ]
    for language in LOCALES:
        found += [
            route(f"/{language}/waste", waste.show),
            route(f"/{language}/waste/report", waste.report, "POST"),
        ]
    return found


@dataclass(frozen=True, slots=True)
class BinState:
    """One bin. forecast None: nothing is known of it. due: to be emptied in the next round."""

    site: Site
    forecast: bins.Forecast | None
    due: bool
    is_old: bool
    emptyings: tuple[tuple[int, float], ...]
    full_hours: int


class Waste:
    """The handlers. States are computed once for five minutes: they follow from hours."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._known: tuple[int, list[BinState]] | None = None

    async def show(self, request: Request) -> Response:
        """Show all bins, the fullest first."""
        context = self._context
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        refuse_unknown(request.query_params, {"lang"})
        desk = desk_of(context)
        states, reports = await context.read(
            lambda: (self._states(now_ms), desk.rounds.since(now_ms - CALENDAR_DAYS * DAY))
        )
        stops = _ordered([state for state in states if state.due])
        names = {state.site.id: state.site.name for state in states}
        places = [(state.site.longitude, state.site.latitude) for state in stops]
        return context.html(
            request,
            "waste.html",
            {
                "bins": [self._row(state, now_ms, tongue) for state in states],
                "due": len(stops),
                "kilometres": tongue.number(length_m(places, range(len(places))) / 1000, 1),
                "round": tongue.moment(_next_round(now_ms, tongue)),
                "reports": {what: tongue.gettext(words) for what, words in REPORT_WORDS.items()},
                "told": [
                    {
                        "at": tongue.moment(one.at_ms),
                        "name": names.get(one.site_id, one.site_id),
                        "words": tongue.gettext(REPORT_WORDS[one.what]),
                    }
                    for one in reports[:20]
                ],
                "figures": _figures(states, tongue),
            },
        )

    async def bins_json(self, request: Request) -> Response:
        """Answer all bins with their forecasts."""
        now_ms = self._context.clock.now_ms()
        states = await self._context.read(lambda: self._states(now_ms))
        return JSONResponse([_bin_json(state) for state in states], headers={"cache-control": "no-store"})

    async def geojson(self, request: Request) -> Response:
        """Answer tomorrow's stops in order, and the line through them."""
        stops = await self._stops()
        features: list[dict[str, Any]] = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [state.site.longitude, state.site.latitude]},
                "properties": {"stop": number, **_bin_json(state)},
            }
            for number, state in enumerate(stops, 1)
        ]
        if len(stops) > 1:
            line = [[state.site.longitude, state.site.latitude] for state in stops]
            features.append(
                {"type": "Feature", "geometry": {"type": "LineString", "coordinates": line}, "properties": {}}
            )
        body = {"type": "FeatureCollection", "features": features}
        return JSONResponse(body, media_type="application/geo+json", headers=_file("geojson"))

    async def csv(self, request: Request) -> Response:
        """Answer tomorrow's stops in order as CSV; decimal=comma for a spreadsheet."""
        refuse_unknown(request.query_params, {"decimal", "lang"})
        comma = choice(request.query_params, "decimal", ("point", "comma")) == "comma"
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";" if comma else ",", lineterminator="\r\n")
        writer.writerow(("stop", "site_id", "name", "longitude", "latitude", "fill_percent", "hours_to_full"))
        for number, state in enumerate(await self._stops(), 1):
            found = state.forecast
            numbers = [state.site.longitude, state.site.latitude, round(found.fill) if found else ""]
            numbers.append("" if found is None or found.hours_to_full is None else found.hours_to_full)
            cells = [str(one).replace(".", ",") if comma else str(one) for one in numbers]
            writer.writerow((number, state.site.id, exports.plain_text(state.site.name), *cells))
        text = ("\ufeff" if comma else "") + out.getvalue()
        return Response(text, media_type="text/csv; charset=utf-8", headers=_file("csv"))

    async def gpx(self, request: Request) -> Response:
        """Answer tomorrow's stops in order as a GPX 1.1 route."""
        points = "".join(
            f"<rtept lat={quoteattr(str(s.site.latitude))} lon={quoteattr(str(s.site.longitude))}>"
            f"<name>{escape(s.site.name)}</name></rtept>"
            for s in await self._stops()
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Meetnet" '
            f'xmlns="http://www.topografix.com/GPX/1/1"><rte>{points}</rte></gpx>\n'
        )
        return Response(text, media_type="application/gpx+xml", headers=_file("gpx"))

    async def report(self, request: Request) -> Response:
        """Keep what a driver reports at a bin."""
        await self._report(request, await form(request))
        return RedirectResponse(f"/{self._context.tongue(request).language}/waste", 303)

    async def report_json(self, request: Request) -> Response:
        """Keep a report of route software: site and what, as a form."""
        await self._report(request, await form(request))
        return JSONResponse({"kept": True}, 201)

    async def _report(self, request: Request, fields: dict[str, str]) -> None:
        desk, now_ms = desk_of(self._context), self._context.clock.now_ms()
        site_id, what = fields.get("site", ""), fields.get("what", "")
        person = visitor_of(request).person

        def work() -> None:
            site = desk.registry.site(site_id)
            if site is None or site.kind != "bin":
                raise QueryError("site", site_id, NO_BIN)
            desk.rounds.report(site_id, what, now_ms, person.id if person else None)

        try:
            await self._context.read(work)
        except RegistryError:
            choice({"what": what}, "what", REPORTS)

    async def _stops(self) -> list[BinState]:
        now_ms = self._context.clock.now_ms()
        return await self._context.read(lambda: _ordered([s for s in self._states(now_ms) if s.due]))

    def _states(self, now_ms: int) -> list[BinState]:
        """Return all bins, those that are full soonest first. Blocks."""
        with self._lock:
            known = self._known
            if known is not None and known[0] <= now_ms < known[0] + FRESH_FOR_MS:
                return known[1]
            desk = desk_of(self._context)
            sites = [site for site in desk.registry.sites() if site.kind == "bin"]
            reader = desk.reader_of_sites([site.id for site in sites])
            tongue = self._context.tongues["nl"]
            states: list[BinState] = []
            for site in sites:
                start_ms = now_ms - now_ms % HOUR - CALENDAR_DAYS * DAY
                rows = reader.buckets(site.id, "filling_level", start_ms, now_ms + 1, HOUR)
                hours = [(bucket.start_ms, bucket.mean) for bucket in rows if bucket.flagged < bucket.n]
                states.append(_state(site, hours, now_ms, tongue))
            states.sort(key=_soonest)
            self._known = (now_ms, states)
            return states

    def _row(self, state: BinState, now_ms: int, tongue: Tongue) -> dict[str, Any]:
        found, layer = state.forecast, BY_NAME["filling_level"]
        klass = class_of(layer, found.fill) if found else 0
        words = LEVEL_WORDS[layer.scale]
        return {
            "site": state.site,
            "fill": tongue.number(found.fill, 0) if found else "–",
            "share": round(found.fill) if found else 0,
            "klass": klass,
            "words": tongue.gettext(words[klass - 1]) if klass else "",
            "full_in": _full_in(found, tongue),
            "confidence": tongue.gettext(CONFIDENCE[found.confidence]) if found else "",
            "due": state.due,
            "is_old": state.is_old,
            "age": tongue.age(now_ms - found.at_ms + HOUR) if found else "",
        }


def _state(site: Site, hours: Sequence[tuple[int, float]], now_ms: int, tongue: Tongue) -> BinState:
    found = bins.forecast(hours, tongue.zone)
    is_old = found is None or now_ms - found.at_ms > STALE_MS
    round_ms = _next_round(now_ms, tongue)
    due = found is not None and not is_old and bins.is_due(found, round_ms + DAY)
    full_hours = sum(fill >= 95 for _, fill in hours)
    return BinState(site, found, due, is_old, tuple(bins.emptyings(hours)), full_hours)


def _next_round(now_ms: int, tongue: Tongue) -> int:
    """Return the coming morning at seven, local time."""
    now = local(now_ms, tongue.zone)
    day = now if now.hour < ROUND_HOUR else now + timedelta(days=1)
    return int(day.replace(hour=ROUND_HOUR, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _soonest(state: BinState) -> tuple[float, float, str]:
    found = state.forecast
    if found is None:
        return (math.inf, 0.0, state.site.name)
    return (math.inf if found.hours_to_full is None else found.hours_to_full, -found.fill, state.site.name)


def _ordered(states: Sequence[BinState]) -> list[BinState]:
    return [states[i] for i in order([(state.site.longitude, state.site.latitude) for state in states])]


def _full_in(found: bins.Forecast | None, tongue: Tongue) -> str:
    if found is None:
        return ""
    if found.fill >= bins.FULL:
        return tongue.gettext(N_("full now"))
    if found.hours_to_full is None:
        return tongue.gettext(N_("not within a week"))
    late = found.late_h if found.late_h is not None else bins.HORIZON_H
    return tongue.gettext(N_("%(hours)d h (between %(early)d and %(late)d h)")) % {
        "hours": found.hours_to_full,
        "early": found.early_h or 0,
        "late": late,
    }


def _bin_json(state: BinState) -> dict[str, Any]:
    found = state.forecast
    return {
        "site_id": state.site.id,
        "name": state.site.name,
        "fill_percent": None if found is None else round(found.fill, 1),
        "hours_to_full": found.hours_to_full if found else None,
        "early_h": found.early_h if found else None,
        "late_h": found.late_h if found else None,
        "confidence": found.confidence if found else None,
        "due": state.due,
        "is_old": state.is_old,
        "as_of": exports.iso_utc(found.at_ms) if found else None,
    }


def _figures(states: Sequence[BinState], tongue: Tongue) -> dict[str, str] | None:
    """Return what the last four weeks amounted to, and what rounds every second day would have been."""
    stops = [fill for state in states for _, fill in state.emptyings]
    if not states:
        return None
    return {
        "stops": tongue.number(len(stops), 0),
        "fixed": tongue.number(len(states) * CALENDAR_DAYS / 2, 0),
        "fill": tongue.number(sum(stops) / len(stops), 0) if stops else "–",
        "early": tongue.number(sum(fill < 50 for fill in stops), 0),
        "full_hours": tongue.number(sum(state.full_hours for state in states), 0),
    }


def _file(kind: str) -> dict[str, str]:
    return {
        "content-disposition": f'attachment; filename="meetnet-route.{kind}"',
        "cache-control": "no-store",
    }
