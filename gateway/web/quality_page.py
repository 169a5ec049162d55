"""How good the data are: how much of the time was measured, how much was doubted, how old the newest is.

And the register: for each sensor what it measures, by whom, why, under which licence, whether it is about
people, and where to complain. Both are for everybody, from public data alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.web import download
from gateway.web.context import Context
from gateway.web.hours import HOUR_MS, Hours
from gateway.web.house import Calibrated
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.openapi import document
from gateway.web.query import refuse_unknown
from gateway.web.view import SiteView
from gateway.web.words import quantity

WEEK_H = 7 * 24
# Directive 2008/50/EC annex I, by the words of gateway.quality.colocation.
OBJECTIVES = {
    "indicative measurement": N_("within the objective for indicative measurement (%(percent)s %%)"),
    "objective estimation": N_("within the objective for objective estimation (%(percent)s %%)"),
    "none": N_("outside of the objective for objective estimation (%(percent)s %%)"),
}
WEEK_KEPT_S = 60.0  # a week moves slowly
LEGAL_CAPTURE = 90.0  # per cent of the hours that Directive 2008/50/EC annex I asks of a measurement
PURPOSES = {
    "air": N_("To follow how clean the air of the neighbourhood is."),
    "noise": N_("To follow how loud the neighbourhood is. Levels only: no sound leaves the sensor."),
    "bin": N_("To empty bins when they are full, not before and not after."),
    "garden": N_("To follow heat and rain in gardens."),
}


@dataclass(frozen=True, slots=True)
class Capture:
    """The last week of one site's main quantity. hours: in which something was measured without doubt."""

    hours: int
    values: int
    flagged: int

    @property
    def percent(self) -> float:
        """Return the share of hours."""
        return 100 * self.hours / WEEK_H

    @property
    def doubted_percent(self) -> float:
        """Return the share of values that a check doubted."""
        return 100 * self.flagged / self.values if self.values else 0.0


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = QualityPages(context)
    route, kept = context.gate.route, context.prepared.wrap
    found = [
        route("/api/quality.json", kept(pages.json, WEEK_KEPT_S)),
        route("/api/openapi.json", pages.openapi),
    ]
    for language in LOCALES:
        found += [
            route(f"/{language}/quality", kept(pages.show, WEEK_KEPT_S)),
            route(f"/{language}/data", kept(pages.data)),
        ]
    return found


class QualityPages:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hours = Hours(context.reader)

    async def show(self, request: Request) -> Response:
        """Show capture, doubts and ages of all sites."""
        refuse_unknown(request.query_params, {"lang"})
        context, tongue = self._context, self._context.tongue(request)
        views, captures = await self._read(tongue)
        rows = [_row(view, captures.get(view.site_id), tongue) for view in views]
        known = list(captures.values())
        whole = Capture(
            sum(one.hours for one in known),
            sum(one.values for one in known),
            sum(one.flagged for one in known),
        )
        house = context.house
        records = await context.read(house.calibrated) if house else ()
        by_id = {view.site_id: view for view in views}
        values = {
            "calibrated": [
                _calibrated(one, by_id[one.site_id], tongue) for one in records if one.site_id in by_id
            ],
            "rows": rows,
            "sites": len(views),
            "capture": tongue.number(whole.percent / max(1, len(known)), 1),
            "doubted": tongue.number(whole.doubted_percent, 2),
            "enough": sum(one.percent >= LEGAL_CAPTURE for one in known),
        }
        return context.html(request, "quality.html", values)

    async def json(self, request: Request) -> Response:
        """Answer the same for programs."""
        refuse_unknown(request.query_params, {"lang"})
        views, captures = await self._read(self._context.tongues["en"])
        return JSONResponse(
            [
                {
                    "site_id": view.site_id,
                    "quantity": view.headline.quantity if view.headline else None,
                    "hours": one.hours if one else 0,
                    "of_hours": WEEK_H,
                    "values": one.values if one else 0,
                    "flagged": one.flagged if one else 0,
                }
                for view in views
                for one in [captures.get(view.site_id)]
            ],
            headers={"access-control-allow-origin": "*"},
        )

    async def data(self, request: Request) -> Response:
        """Show the register of sensors and how to get the data; lead to the file that was chosen."""
        query = request.query_params
        refuse_unknown(query, {"lang"} | download.FIELDS)
        context, tongue = self._context, self._context.tongue(request)
        views = await context.read(lambda: context.now.views(tongue))
        now_ms = context.clock.now_ms()
        if download.FIELDS & set(query):
            sites = {view.site_id for view in views}
            return RedirectResponse(download.file_of(query, sites, now_ms, tongue), 303)
        base = context.settings.url.rstrip("/")
        values = {
            "cards": [
                {"site": view, "purpose": tongue.gettext(PURPOSES.get(view.kind, ""))} for view in views
            ],
            "base": base,
            "paths": document(base, context.settings.title)["paths"],
            "served": sorted(context.settings.applications),
            **download.days(now_ms, tongue),
        }
        return context.html(request, "data.html", values)

    async def openapi(self, request: Request) -> Response:
        """Answer the description of the open addresses (OpenAPI 3.1)."""
        settings = self._context.settings
        found = document(settings.url.rstrip("/"), settings.title)
        return JSONResponse(found, headers={"access-control-allow-origin": "*"})

    async def _read(self, tongue: Tongue) -> tuple[list[SiteView], Mapping[str, Capture]]:
        context, now_ms = self._context, self._context.clock.now_ms()

        def read() -> tuple[list[SiteView], dict[str, Capture]]:
            views = context.now.views(tongue)
            end_ms = now_ms - now_ms % HOUR_MS
            captures: dict[str, Capture] = {}
            for view in views:
                if view.headline is not None:
                    name = view.headline.quantity
                    rows = self._hours.stretch(view.site_id, name, end_ms - WEEK_H * HOUR_MS, end_ms)
                    captures[view.site_id] = Capture(
                        sum(bucket.flagged < bucket.n for bucket in rows),
                        sum(bucket.n for bucket in rows),
                        sum(bucket.flagged for bucket in rows),
                    )
            return views, captures

        return await context.read(read)


def _calibrated(one: Calibrated, view: SiteView, tongue: Tongue) -> dict[str, str]:
    percent = one.uncertainty_percent
    verdict = ""
    if one.objective:
        words = OBJECTIVES.get(one.objective, one.objective)
        verdict = tongue.gettext(words) % {"percent": tongue.number(one.objective_percent, 0)}
    return {
        "name": view.name,
        "site_id": view.site_id,
        "label": tongue.gettext(quantity(one.quantity).label),
        "method": one.method,
        "since": tongue.day(one.at_ms),
        "evidence": one.evidence,
        "uncertainty": f"± {tongue.number(percent, 0)} %" if percent is not None else "",
        "verdict": verdict,
    }


def _row(view: SiteView, capture: Capture | None, tongue: Tongue) -> dict[str, Any]:
    percent = capture.percent if capture else 0.0
    return {
        "site": view,
        "percent": tongue.number(percent, 0),
        "share": round(percent),
        "is_enough": percent >= LEGAL_CAPTURE,
        "count": tongue.number(capture.values if capture else 0, 0),
        "doubted": tongue.number(capture.doubted_percent if capture else 0.0, 1),
    }
