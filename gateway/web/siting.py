"""The place and the gauge, for hosts and technicians: how good a place is, what one tip of a gauge is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.commissioning.rules import distance_m
from gateway.insight import gauge
from gateway.insight import siting as place
from gateway.model import PublicReader
from gateway.registry import Site
from gateway.registry.people import HOST, TECHNICIAN
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import NOT_YOURS, RefusedError, form, visitor_of
from gateway.web.house import Desk
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.mine import NEAR_M
from gateway.web.query import QueryError, whole
from gateway.web.series import DAY, HOUR

NO_GAUGE = N_("No rain gauge is at this site, or its node was not heard yet.")
BAD_VOLUME = N_("%(field)s: “%(value)s” is no volume from 50 to 2000 ml.")
BAD_AREA = N_("%(field)s: “%(value)s” is no area from 10 to 1000 cm².")
FAULTS = {
    gauge.FEW_TIPS: N_(
        "Only %(tips)s tips were counted, %(needed)s are needed: pour more, or wait for the node's next "
        "message."
    ),
    gauge.TOO_FAR: N_(
        "%(tips)s tips would make %(factor)s mm a tip, which no such gauge has. Was all of it poured into "
        "the funnel, and is the area right?"
    ),
}
QUESTIONS = {
    "shade": (
        N_("Does the sensor hang in a screen or in the shade all day?"),
        N_("Hang it at the north side, or into a screen of white plates."),
    ),
    "wall": (
        N_("Is it at least 1 m from walls, roofs and paving?"),
        N_("Away from the wall: stone keeps the heat."),
    ),
    "height": (N_("Does it hang between 1.25 and 2 m high?"), N_("Hang it between 1.25 and 2 m high.")),
    "open_sky": (
        N_("Is the rain gauge level, and twice as far from trees and walls as these are high?"),
        N_("Put the gauge level, away from what keeps rain off or drips."),
    ),
    "inlet": (N_("Is the inlet between 1.5 and 4 m high?"), N_("Hang it between 1.5 and 4 m high.")),
    "free_air": (
        N_("Can air come freely from at least three sides?"),
        N_("Not in a corner and not under a balcony: half a metre from the wall at least."),
    ),
    "no_source": (
        N_("Is nothing that smokes or blows within 5 m: chimney, barbecue, exhaust?"),
        N_("Away from what smokes: else you measure that alone."),
    ),
    "facade": (
        N_("Is the microphone at least 2 m from walls?"),
        N_("Walls throw sound back: at the facade it reads up to 3 dB, flat on it 6 dB more."),
    ),
    "open_view": (
        N_("Can it see the street or the square that it is for?"),
        N_("Hang it where it hears what it is for."),
    ),
    "no_hum": (
        N_("Is nothing that hums or drips close by: heat pump, fan, gutter?"),
        N_("Away from the heat pump, the fan and the gutter."),
    ),
}
SIGNS = {
    "sun": N_(
        "Too much sun: around %(hour)s h it jumps by %(kelvin)s °C. Shade it against the sun of that hour."
    ),
    "warm_wall": N_(
        "Its nights are %(night)s °C warmer than those of the neighbours: is it close to a warm wall?"
    ),
    "indoors": N_("Day and night hardly differ: it seems to hang indoors."),
}
GRADES = {
    "good": (N_("a good place"), "fresh"),
    "fair": (N_("a fair place"), "suspect"),
    "poor": (N_("a poor place"), "missing"),
    "unknown": (N_("not judged yet: answer the questions, or wait five days"), "stale"),
}


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    found: list[Route] = []
    for role, scope, page in ((TECHNICIAN, "fleet", "fleet"), (HOST, "own", "mine")):
        siting, rain = Siting(context, page), RainGauge(context, page)
        for language in LOCALES:
            base = f"/{language}/{page}/{{site_id}}"
            found += [
                context.gate.route(f"{base}/siting", siting.show, (role,), scope),
                context.gate.route(f"{base}/siting", siting.save, (role,), scope, ("POST",)),
                context.gate.route(f"{base}/rain-gauge", rain.show, (role,), scope),
                context.gate.route(f"{base}/rain-gauge", rain.save, (role,), scope, ("POST",)),
            ]
    return found


class _Pages:
    """What both share: the site of the address, for its host or a technician."""

    def __init__(self, context: Context, page: str) -> None:
        self._context, self._page = context, page

    async def _site(self, request: Request) -> Site:
        site_id, desk = request.path_params["site_id"], desk_of(self._context)
        if self._page == "mine" and not visitor_of(request).hosts(site_id):
            raise RefusedError(403, NOT_YOURS)
        site = await self._context.read(lambda: desk.registry.site(site_id))
        if site is None:
            raise RefusedError(404, NOT_YOURS)
        return site

    def _base(self, request: Request, site: Site) -> str:
        return f"/{self._context.tongue(request).language}/{self._page}/{quote(site.id)}"

    def _note(self, request: Request, what: str, site: Site, detail: str = "") -> None:
        person, accounts = visitor_of(request).person, self._context.gate.accounts
        assert person is not None
        assert accounts is not None
        accounts.note(person.id, what, site.id, self._context.clock.now_ms(), detail)


class Siting(_Pages):
    """How good a place is."""

    async def show(self, request: Request) -> Response:
        """Show questions and score."""
        site, context = await self._site(request), self._context
        desk, tongue, now_ms = desk_of(context), context.tongue(request), context.clock.now_ms()

        def read() -> dict[str, Any]:
            answers = desk.siting.answers(site.id)
            return {
                "score": told(score_of(desk, context.reader, site, tongue, now_ms), tongue),
                "questions": [
                    {
                        "name": one.name,
                        "text": tongue.gettext(QUESTIONS[one.name][0]),
                        "answer": answers.get(one.name, ""),
                    }
                    for one in place.QUESTIONS.get(site.kind, ())
                ],
            }

        values = {"own": site, "base": self._base(request, site), **await context.read(read)}
        return context.html(request, "siting.html", values)

    async def save(self, request: Request) -> Response:
        """Keep the answers."""
        site, desk, fields = await self._site(request), desk_of(self._context), await form(request)
        known = {one.name for one in place.QUESTIONS.get(site.kind, ())}
        answers = {name: fields[name] for name in known if fields.get(name) in (place.YES, place.NO)}
        now_ms = self._context.clock.now_ms()

        def work() -> None:
            desk.siting.answer(site.id, answers, now_ms)
            self._note(request, "place described", site)

        await self._context.read(work)
        return RedirectResponse(f"{self._base(request, site)}/siting", 303)


def score_of(desk: Desk, public: PublicReader, site: Site, tongue: Tongue, now_ms: int) -> place.Score:
    """Return the score of a site. Blocks."""
    answers = desk.siting.answers(site.id)
    own: Mapping[int, float] = {}
    around: list[Mapping[int, float]] = []
    if site.kind in ("garden", "air"):
        own = _hours(desk.reader_of_sites([site.id]), site.id, now_ms)
        near = [
            one.site_id
            for one in public.sites()
            if one.kind == site.kind
            and one.site_id != site.id
            and "temperature" in one.quantities
            and distance_m(one.longitude, one.latitude, site.longitude, site.latitude) <= NEAR_M
        ]
        around = [_hours(public, one, now_ms) for one in near[:12]]
    return place.score(site.kind, answers, own, around, tongue.zone)


def told(found: place.Score, tongue: Tongue) -> dict[str, Any]:
    """Return a score in words."""
    words, grade = GRADES[found.grade]
    figures = {
        name: tongue.number(value, 0 if name == "hour" else 1) for name, value in found.figures.items()
    }
    return {
        "points": found.points,
        "words": tongue.gettext(words),
        "grade": grade,
        "advice": [
            tongue.gettext(SIGNS[name]) % figures if name in SIGNS else tongue.gettext(QUESTIONS[name][1])
            for name in found.found
        ],
    }


def _hours(reader: PublicReader, site_id: str, now_ms: int) -> dict[int, float]:
    end_ms = now_ms - now_ms % HOUR
    rows = reader.buckets(site_id, "temperature", end_ms - place.LOOK_MS, end_ms, HOUR)
    return {row.start_ms: row.mean for row in rows if row.flagged < row.n}


@dataclass(frozen=True, slots=True)
class _Count:
    tips: int
    at_ms: int


class RainGauge(_Pages):
    """Level, clean, pour, count: the factor of a gauge."""

    async def show(self, request: Request) -> Response:
        """Show the steps; once begun, how many tips were counted since."""
        return await self._show(request, await self._site(request))

    async def save(self, request: Request) -> Response:
        """Begin; or take what was poured."""
        site, fields, context = await self._site(request), await form(request), self._context
        now_ms = context.clock.now_ms()
        if fields.get("act") != "poured":
            newest = await context.read(lambda: self._newest(site, now_ms))
            if newest is None:
                raise RefusedError(409, NO_GAUGE)
            return RedirectResponse(f"{self._base(request, site)}/rain-gauge?since={now_ms // 1000}", 303)
        since_ms = 1000 * whole(fields, "since", 0, 0, 10**9 * 9)
        volume_ml = _number(fields, "volume", gauge.VOLUME_ML, BAD_VOLUME)
        area_cm2 = _number(fields, "area", gauge.AREA_CM2, BAD_AREA)
        before, newest = await context.read(lambda: (self._at(site, since_ms), self._newest(site, now_ms)))
        if before is None or newest is None:
            raise RefusedError(409, NO_GAUGE)
        nominal = site.rain_mm_per_tip or gauge.NOMINAL_MM
        found = gauge.poured(volume_ml, area_cm2, before.tips, newest.tips, gauge.NOMINAL_MM)
        if found.fault:
            return await self._show(request, site, found, 409)
        desk = desk_of(context)

        def work() -> None:
            desk.registry.put_site(replace(site, rain_mm_per_tip=round(found.mm_per_tip, 4)))
            # What was poured is no rain: it is flagged from the count before to the one after.
            desk.siting.maintained(site.id, before.at_ms + 1, newest.at_ms + 1)
            told = f"{nominal:.4f} -> {found.mm_per_tip:.4f} mm, {found.tips} tips"
            self._note(request, "rain gauge calibrated", site, told)

        await context.read(work)
        return RedirectResponse(f"{self._base(request, site)}/rain-gauge?done=1", 303)

    async def _show(
        self, request: Request, site: Site, refused: gauge.Poured | None = None, status: int = 200
    ) -> Response:
        context, tongue = self._context, self._context.tongue(request)
        query, now_ms = request.query_params, self._context.clock.now_ms()
        fields = await form(request) if request.method == "POST" else query
        since_ms = 1000 * whole(fields, "since", 0, 0, 10**9 * 9)
        newest = await context.read(lambda: self._newest(site, now_ms))
        before = await context.read(lambda: self._at(site, since_ms)) if since_ms else None
        factor = site.rain_mm_per_tip or gauge.NOMINAL_MM
        counted = (newest.tips - before.tips) % gauge.WRAP if newest and before else 0
        area = 55.0
        fault = ""
        if refused is not None:
            fault = tongue.gettext(FAULTS[refused.fault]) % {
                "tips": refused.tips,
                "needed": gauge.LEAST_TIPS,
                "factor": tongue.number(refused.mm_per_tip, 3),
            }
        volume = 50 * -(-gauge.needed_ml(area) // 50)
        values = {
            "own": site,
            "base": self._base(request, site),
            "has_gauge": newest is not None,
            "since": since_ms // 1000,
            "counted": counted,
            "is_heard": bool(newest and since_ms and newest.at_ms > since_ms),
            "heard": tongue.age(now_ms - newest.at_ms) if newest else "–",
            "factor": tongue.number(factor, 4),
            "volume": fields.get("volume", "") or f"{volume:.0f}",
            "area": fields.get("area", "") or f"{area:.0f}",
            "minutes": tongue.number(gauge.minutes(volume, area), 0),
            "needed": gauge.LEAST_TIPS,
            "done": query.get("done") == "1",
            "fault": fault,
        }
        return context.html(request, "rain_gauge.html", values, status)

    def _newest(self, site: Site, now_ms: int) -> _Count | None:
        return self._at(site, now_ms)

    def _at(self, site: Site, at_ms: int) -> _Count | None:
        """Return the newest count up to a moment. Blocks."""
        reader = desk_of(self._context).reader_of_sites([site.id])
        rows = reader.series(site.id, "rain_tips", at_ms - 3 * DAY, at_ms + 1, 20)
        good = [row for row in rows if row.raw_value is not None]
        return _Count(int(good[-1].raw_value or 0), good[-1].observed_at_ms) if good else None


def _number(fields: Mapping[str, str], name: str, bounds: tuple[float, float], message: str) -> float:
    text = fields.get(name, "").strip().replace(",", ".")
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not bounds[0] <= found <= bounds[1]:
        raise QueryError(name, text, message)
    return found
