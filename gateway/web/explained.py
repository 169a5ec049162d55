"""Where a number came from: the page behind each newest value, as `meetnet explain` tells it.

Everybody sees when it was measured, how it came in, what checked it and what was done to it. The device, its
frame, who heard it and to whom it went are for the site's own hosts and for staff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import GatewayError
from gateway.model import PublicObservation, PublicReader
from gateway.registry.people import STAFF, TECHNICIAN
from gateway.units import unit
from gateway.web.context import Context
from gateway.web.gate import RefusedError, Visitor, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import known, moment, refuse_unknown
from gateway.web.view import reasons_text
from gateway.web.words import quantity

NOT_THERE = N_("There is no such value, or it is not public.")
AROUND_MS = 86_400_000  # the value nearest to a moment is looked for so far from it
MOST = 10_000
WAYS = {
    "lns": N_("over LoRaWAN"), "chirpstack": N_("over LoRaWAN"), "ttn": N_("over LoRaWAN"),
    "mqtt": N_("over Wi-Fi"), "push": N_("over the internet"), "serial": N_("over a cable"),
}  # fmt: skip


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    page = Explained(context)
    return [context.gate.route(f"/{lang}/site/{{site_id}}/origin", page.show) for lang in LOCALES]


def sees_all(visitor: Visitor, site_id: str) -> bool:
    """Tell whether somebody may know the device behind a value: hosts of the site, technicians and staff."""
    return visitor.hosts(site_id) or visitor.has(TECHNICIAN, STAFF)


class Explained:
    """The handler."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Tell of the newest value of a quantity of a site, or of that nearest to a moment."""
        context = self._context
        tongue, query = context.tongue(request), request.query_params
        refuse_unknown(query, {"quantity", "at", "lang"})
        site_id, house = request.path_params["site_id"], context.house
        visitor = visitor_of(request)
        if house is None or house.explain is None:
            raise RefusedError(404, NOT_THERE)
        is_whole = sees_all(visitor, site_id)
        reader = context.reader
        if is_whole and house.desk is not None:
            reader = house.desk.reader_of_sites([site_id])
        name, at_ms = query.get("quantity", ""), moment(query, "at", -1)
        rows = await context.read(lambda: _rows(reader, site_id, name, at_ms))
        site = await context.read(lambda: next((s for s in reader.sites() if s.site_id == site_id), None))
        if not rows or site is None:
            raise RefusedError(404, NOT_THERE)
        row = min(rows, key=lambda one: abs(one.observed_at_ms - at_ms)) if at_ms >= 0 else rows[0]
        try:
            found = await house.explain(str(row.position))
        except GatewayError:
            raise RefusedError(404, NOT_THERE) from None
        values = {
            "site": site,
            "label": tongue.gettext(quantity(row.quantity).label),
            "number": _number(row, row.value, tongue),
            "steps": steps_of(row, found, tongue),
            "whole": found if is_whole else None,
        }
        return context.html(request, "explained.html", values)


def _rows(reader: PublicReader, site_id: str, name: str, at_ms: int) -> Sequence[PublicObservation]:
    if at_ms >= 0:
        return reader.series(site_id, name, max(0, at_ms - AROUND_MS), at_ms + AROUND_MS, MOST)
    newest = [row for row in reader.latest() if row.site_id == site_id]
    wanted = known({"quantity": name}, "quantity", {row.quantity for row in newest}) if newest else None
    return [row for row in newest if wanted in (None, row.quantity)]


def _number(row: PublicObservation, value: float | None, tongue: Tongue) -> str:
    return f"{tongue.number(value, quantity(row.quantity).decimals)} {unit(row.unit).symbol}".strip()


def steps_of(row: PublicObservation, found: Mapping[str, Any], tongue: Tongue) -> list[tuple[str, str]]:
    """Return what happened, as (heading, sentence), without a word that names a device or a place."""
    say = tongue.gettext
    came, judged = found["came_from"], found["judged"]
    taken = tongue.moment(row.observed_at_ms)
    if row.raw_value is None:
        measured = say(N_("computed from what the sensor measured at %(moment)s"))
    else:
        measured = say(N_("%(number)s at %(moment)s"))
    steps = [
        (
            say(N_("Measured")),
            measured % {"number": _number(row, row.raw_value, tongue), "moment": taken},
        )
    ]
    way = WAYS.get(str(came.get("network", "")))
    heard = len(came.get("heard_by", ()))
    arrived = say(N_("at %(moment)s")) % {"moment": tongue.moment(row.received_at_ms)}
    if way is not None:
        arrived = f"{arrived}, {say(way)}"
    if heard:
        words = tongue.ngettext("heard by %(num)d gateway", "heard by %(num)d gateways", heard)
        arrived = f"{arrived}, {words % {'num': heard}}"
    steps.append((say(N_("Came in")), arrived))
    names = list(dict.fromkeys(check["check"] for check in judged["checks"]))
    if names:
        n = len(names)
        words = tongue.ngettext("%(num)d check, for: %(names)s", "%(num)d checks, for: %(names)s", n)
        steps.append((say(N_("Checked")), words % {"num": n, "names": reasons_text(names, tongue)}))
    doubts = [one for one in (row.state, *row.flags) if one != "ok"]
    steps.append(
        (say(N_("Found")), reasons_text(doubts, tongue) if doubts else say(N_("nothing against it")))
    )
    if row.method == "none":
        steps.append((say(N_("Corrected")), say(N_("not: it is shown as it was measured"))))
    else:
        told = say(N_("by %(method)s, version %(version)d: shown is %(number)s")) % {
            "method": row.method,
            "version": row.method_version,
            "number": _number(row, row.value, tongue),
        }
        steps.append((say(N_("Corrected")), told))
    return steps
