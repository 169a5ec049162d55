"""A site report as it was filed: what was checked, where, with which photo. To read, print and hand on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.commissioning import SiteReport
from gateway.commissioning.words import sentence, title
from gateway.registry.people import TECHNICIAN
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.fleet import GRADES
from gateway.web.gate import RefusedError
from gateway.web.languages import LOCALES, N_

NO_REPORT = N_("There is no such report.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = Reports(context)

    def route(path: str, handler: Any) -> Route:
        return context.gate.route(path, handler, (TECHNICIAN,), "fleet")

    found = [route("/api/fleet/{site_id}/report/{key}/photo.jpg", pages.photo)]
    return found + [
        route(f"/{language}/fleet/{{site_id}}/report/{{key}}", pages.show) for language in LOCALES
    ]


class Reports:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show a report."""
        report = await self._report(request)
        desk, tongue = desk_of(self._context), self._context.tongue(request)
        accounts = self._context.gate.accounts
        assert accounts is not None

        def read() -> dict[str, Any]:
            site = desk.registry.site(report.site_id)
            who = accounts.person(int(report.technician)) if report.technician.isdigit() else None
            return {
                "name": site.name if site else report.site_id,
                "who": (who.name or who.email) if who else report.technician,
            }

        values = {
            "report": report,
            "at": f"{tongue.day(report.at_ms)}, {tongue.moment(report.at_ms)}",
            "checks": [
                {
                    "title": title(check.name, tongue.language),
                    "words": sentence(check, tongue.language),
                    "verdict": check.verdict,
                    "grade": GRADES[check.verdict],
                }
                for check in report.checks
            ],
            **await self._context.read(read),
        }
        return self._context.html(request, "site_report.html", values)

    async def photo(self, request: Request) -> Response:
        """Answer the photo of a report."""
        report, desk = await self._report(request), desk_of(self._context)
        name = report.photo
        content = None if name is None else await self._context.read(lambda: desk.reports.photo(name))
        if content is None:
            raise RefusedError(404, NO_REPORT)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def _report(self, request: Request) -> SiteReport:
        desk, key = desk_of(self._context), request.path_params["key"]
        report = await self._context.read(lambda: desk.reports.report(key))
        if report is None or report.site_id != request.path_params["site_id"]:
            raise RefusedError(404, NO_REPORT)
        return report
