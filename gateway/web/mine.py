"""My sensor: how it is doing, what my place is like, who gets the data, and what a host may do with it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway import exports
from gateway.claims import ClaimError, grouped
from gateway.commissioning.rules import distance_m
from gateway.erasures import pseudonym
from gateway.health import Incident
from gateway.health.table import CAUSES
from gateway.health.words import HOST as FOR_HOST
from gateway.health.words import told
from gateway.insight.compare import Difference, difference
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.registry import Site
from gateway.registry.people import HOST, Person
from gateway.web import notes, svg
from gateway.web.claiming import REFUSALS, owner_name
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import NOT_YOURS, RefusedError, form, visitor_of
from gateway.web.house import Desk
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.postcard import postcard
from gateway.web.query import QueryError, place_name
from gateway.web.series import DAY, HOUR
from gateway.web.site_page import heat_of, rain_of
from gateway.web.view import SiteView, site_views
from gateway.web.words import quantity

NEAR_M = 1000.0
PRECISIONS_M = (0, 50, 100, 250, 500, 1000)
COMPARED = ("temperature", "relative_humidity", "laeq", "pm2_5")
BAD_CHOICE = N_("%(field)s: “%(value)s” is not one of the choices.")
NOWHERE = Incident("never_heard", "never_heard", "", 0)  # a site without a device
NOT_SURE = N_("Type the name of the sensor to delete it: that cannot be undone.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    mine = Mine(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (HOST,), "own", (method,))

    found = [route("/api/mine/{site_id}/observations.csv", mine.export)]
    for language in LOCALES:
        base = f"/{language}/mine/{{site_id}}"
        found += [
            route(f"/{language}/mine", mine.list),
            route(base, mine.show),
            route(f"{base}/postcard.svg", mine.postcard),
            route(f"{base}/postcard.pdf", mine.postcard),
            route(f"{base}/consent", mine.consent, "POST"),
            route(f"{base}/place", mine.place, "POST"),
            route(f"{base}/pause", mine.pause, "POST"),
            route(f"{base}/hand-over", mine.hand_over, "POST"),
            route(f"{base}/delete", mine.delete, "POST"),
        ]
    return found


@dataclass(frozen=True, slots=True)
class Own:
    """A site as its host sees it: with its true place."""

    site: Site
    dev_eui: str | None


class Mine:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, request: Request) -> Response:
        """Show my sensors; with one, go to it."""
        person = _person(request)
        language = self._context.tongue(request).language
        if len(person.sites) == 1:
            return RedirectResponse(f"/{language}/mine/{person.sites[0]}", 303)
        views = await self._views(request, person.sites)
        return self._context.html(request, "mine_list.html", {"sites": views})

    async def show(self, request: Request) -> Response:
        """Show one of my sensors."""
        return await self._page(request, "")

    async def postcard(self, request: Request) -> Response:
        """Answer the postcard of a month, to print or to send on."""
        own, context = await own_of(self._context, request), self._context
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        reader = desk_of(context).reader_of_sites([own.site.id])
        (view,) = await self._views(request, [own.site.id])
        month = request.query_params.get("month", "")
        drawn = await context.read(
            lambda: postcard(reader, view, month, now_ms, tongue, context.settings.title)
        )
        headers = {"cache-control": "no-store", "content-language": tongue.language}
        if request.url.path.endswith(".pdf"):
            headers["content-disposition"] = f'attachment; filename="meetnet-{own.site.id}.pdf"'
            return Response(await context.read(drawn.pdf), media_type="application/pdf", headers=headers)
        return Response(drawn.svg(), media_type="image/svg+xml; charset=utf-8", headers=headers)

    async def consent(self, request: Request) -> Response:
        """Give or withdraw consent for one recipient."""
        own, desk, fields = await own_of(self._context, request), desk_of(self._context), await form(request)
        recipient, now_ms = fields.get("recipient", ""), self._context.clock.now_ms()
        if recipient not in desk.recipients:
            raise QueryError("recipient", recipient, BAD_CHOICE)
        gives = fields.get("gives") == "yes"

        def work() -> None:
            if gives:
                desk.registry.consent(own.site.id, recipient, now_ms)
            else:
                desk.registry.withdraw(own.site.id, recipient, now_ms)

        await self._do(request, work, "consent given" if gives else "consent withdrawn", own, recipient)
        return self._back(request, own)

    async def place(self, request: Request) -> Response:
        """Choose the name and how exactly the place is shown."""
        own, desk, fields = await own_of(self._context, request), desk_of(self._context), await form(request)
        text, name = fields.get("precision", ""), place_name(fields)
        if text not in {str(one) for one in PRECISIONS_M}:
            raise QueryError("precision", text, BAD_CHOICE)
        changed = replace(own.site, name=name, precision_m=int(text))
        await self._do(request, lambda: desk.registry.put_site(changed), "place set", own, f"{text} m")
        return self._back(request, own)

    async def pause(self, request: Request) -> Response:
        """Withdraw every consent at once; what is measured stays mine."""
        own, desk, now_ms = (
            await own_of(self._context, request),
            desk_of(self._context),
            self._context.clock.now_ms(),
        )

        def work() -> None:
            for consent in desk.registry.consents(own.site.id):
                if consent.to_ms is None:
                    desk.registry.withdraw(own.site.id, consent.recipient, now_ms)

        await self._do(request, work, "paused", own)
        return self._back(request, own)

    async def hand_over(self, request: Request) -> Response:
        """End my ownership and show the code of a new card, for whoever comes next."""
        own, desk, person = await own_of(self._context, request), desk_of(self._context), _person(request)
        now_ms, dev_eui = self._context.clock.now_ms(), own.dev_eui
        accounts = self._context.gate.accounts
        assert accounts is not None
        if dev_eui is None:
            raise RefusedError(409, REFUSALS["device"])

        def work() -> str:
            desk.claims.release(dev_eui, owner_name(person), now_ms)
            code = desk.claims.issue(dev_eui, now_ms)
            accounts.leave(person.id, own.site.id)
            return grouped(code)

        try:
            code = await self._do(request, work, "handed over", own)
        except ClaimError as error:
            raise RefusedError(409, REFUSALS[error.code]) from None
        values = {
            "site": own.site,
            "code": code,
            "address": f"{self._context.settings.url.rstrip('/')}/c/{code}",
        }
        return self._context.html(request, "handed_over.html", values)

    async def delete(self, request: Request) -> Response:
        """Delete everything of a site: values, place, consents, and my name on it."""
        own, desk, person = await own_of(self._context, request), desk_of(self._context), _person(request)
        now_ms = self._context.clock.now_ms()
        accounts = self._context.gate.accounts
        assert accounts is not None
        if (await form(request)).get("name", "").strip() != own.site.name:
            raise RefusedError(409, NOT_SURE)

        def work() -> None:
            for consent in desk.registry.consents(own.site.id):
                desk.registry.withdraw(own.site.id, consent.recipient, now_ms)
            desk.reports.forget_site(own.site.id)
            if own.dev_eui is not None:
                desk.registry.undeploy(own.dev_eui, now_ms)
            desk.erase(own.site.id)
            for host in accounts.hosts_of(own.site.id):
                accounts.leave(host.id, own.site.id)
            if own.dev_eui is not None:
                with contextlib.suppress(ClaimError):  # an operator may delete what is not theirs
                    desk.claims.release(own.dev_eui, owner_name(person), now_ms)

        await self._do(request, work, "site deleted", own, subject=pseudonym(own.site.id))
        return self._context.html(request, "deleted.html", {})

    async def export(self, request: Request) -> Response:
        """Answer everything ever measured at my site, as CSV."""
        own = await own_of(self._context, request)
        reader = desk_of(self._context).reader_of_sites([own.site.id])
        sites = {site.site_id: site for site in await self._context.read(reader.sites)}
        rows = exports.pages(reader, 0, self._context.clock.now_ms() + 60_000, own.site.id, 5_000)
        headers = {
            "content-disposition": f'attachment; filename="meetnet-{own.site.id}.csv"',
            "cache-control": "no-store",
        }
        book = notes.book_of(self._context)
        written = await self._context.read(lambda: book.of([own.site.id], public_only=False)) if book else []
        return StreamingResponse(
            self._csv(rows, sites, written), media_type="text/csv; charset=utf-8", headers=headers
        )

    async def _csv(
        self,
        pages: Iterator[Sequence[PublicObservation]],
        sites: dict[str, PublicSite],
        written: Sequence[notes.Note],
    ) -> AsyncIterator[str]:
        """Yield the file; a column of notes where there are any, also those that are not for everybody."""
        told = partial(notes.text_at, written) if written else None
        yield exports.csv_header(notes=told is not None)
        while True:
            rows = await self._context.read(lambda: next(pages, None))
            if rows is None:
                return
            yield exports.csv_lines(rows, sites, False, told)

    # -- within

    async def _page(self, request: Request, notice: str) -> Response:
        own, context = await own_of(self._context, request), self._context
        desk, tongue, now_ms = desk_of(context), context.tongue(request), context.clock.now_ms()
        (view,) = await self._views(request, [own.site.id])
        reader = desk.reader_of_sites([own.site.id])
        end_ms = now_ms + 1

        def read() -> dict[str, Any]:
            found = (own.dev_eui and desk.health(own.dev_eui, now_ms)) or NOWHERE
            what, step = told(found, tongue.language, FOR_HOST)
            about = str((found.figures or {}).get("quantities", ""))
            consents = {c.recipient for c in desk.registry.consents(own.site.id) if c.to_ms is None}
            has = set(view.quantities)
            line = view.headline
            name = line.quantity if line else "temperature"
            hours = reader.buckets(view.site_id, name, end_ms - DAY, end_ms, HOUR)
            means = {bucket.start_ms: bucket.mean for bucket in hours}
            label = tongue.gettext(N_("The last 24 hours"))
            first_ms = end_ms - DAY
            return {
                "cause": found.cause,
                "grade": CAUSES[found.cause].grade,
                "what": what,
                "step": step,
                "about": ", ".join(
                    tongue.gettext(quantity(name).label) for name in about.split(", ") if name
                ),
                "spark": svg.sparkline([means.get(first_ms + h * HOUR) for h in range(24)], label),
                "differences": self._differences(reader, own, view, tongue, now_ms),
                "heat": heat_of(reader, view, end_ms, tongue) if "temperature" in has else None,
                "rain": rain_of(reader, view, end_ms, tongue) if "precipitation" in has else None,
                "recipients": [
                    {"name": name, "terms": terms, "gives": name in consents}
                    for name, terms in desk.recipients.items()
                ],
                "is_paused": not consents,
                "notes": notes.shown(
                    notes.book_of(context), own.site.id, 0, now_ms + DAY, visitor_of(request), tongue
                ),
            }

        values = await context.read(read)
        return context.html(
            request,
            "mine.html",
            {
                "site": view,
                "own": own.site,
                "has_device": own.dev_eui is not None,
                "precisions": PRECISIONS_M,
                "notice": notice,
                "month": tongue.iso(now_ms)[:7],
                "may_write": notes.book_of(context) is not None,
                "note_back": f"/{tongue.language}/mine/{own.site.id}#notes",
                **notes.defaults(now_ms, tongue),
                **values,
            },
        )

    def _differences(
        self, reader: PublicReader, own: Own, view: SiteView, tongue: Tongue, now_ms: int
    ) -> list[dict[str, str]]:
        """Say how my place differs from public sites within a kilometre, where that is sure."""
        public = self._context.reader
        near = [
            site
            for site in public.sites()
            if site.site_id != own.site.id
            and distance_m(site.longitude, site.latitude, own.site.longitude, own.site.latitude) <= NEAR_M
        ]
        end_ms = now_ms - now_ms % HOUR
        found: list[dict[str, str]] = []
        for name in COMPARED:
            around = [site for site in near if name in site.quantities and site.kind == own.site.kind]
            if name not in view.quantities or not around:
                continue
            mine = _hours(reader, own.site.id, name, end_ms)
            told = difference(
                name, mine, [_hours(public, site.site_id, name, end_ms) for site in around[:50]]
            )
            if told is not None and told.is_said:
                value = next(value for value in view.values if value.quantity == name)
                found.append(_said(name, told, value.symbol, tongue))
        return found

    async def _views(self, request: Request, site_ids: Sequence[str]) -> Sequence[SiteView]:
        context = self._context
        reader = desk_of(context).reader_of_sites(site_ids)
        sites, latest = await context.read(lambda: (reader.sites(), reader.latest()))
        tongue = context.tongue(request)
        return site_views(sites, latest, tongue, context.settings, context.clock.now_ms())

    async def _do(
        self, request: Request, work: Any, action: str, own: Own, detail: str = "", subject: str = ""
    ) -> Any:
        """Do something and write it down; subject: what stands there instead of the site."""
        accounts, person = self._context.gate.accounts, _person(request)
        assert accounts is not None
        now_ms = self._context.clock.now_ms()

        def both() -> Any:
            done = work()
            accounts.note(person.id, action, subject or own.site.id, now_ms, detail)
            return done

        return await self._context.read(both)

    def _back(self, request: Request, own: Own) -> Response:
        return RedirectResponse(f"/{self._context.tongue(request).language}/mine/{own.site.id}", 303)


async def own_of(context: Context, request: Request) -> Own:
    """Return the site of the address; only its hosts and operators get further."""
    site_id, desk = request.path_params["site_id"], desk_of(context)
    if not visitor_of(request).hosts(site_id):
        raise RefusedError(403, NOT_YOURS)
    now_ms = context.clock.now_ms()

    def work() -> Own | None:
        site = desk.registry.site(site_id)
        return None if site is None else Own(site, device_at(desk, site_id, now_ms))

    own = await context.read(work)
    if own is None:
        raise RefusedError(404, NOT_YOURS)
    return own


def device_at(desk: Desk, site_id: str, now_ms: int) -> str | None:
    """Return the device that is at a site, or None."""
    return next(
        (
            device.dev_eui
            for device in desk.registry.devices()
            if (at := desk.registry.site_of(device.dev_eui, now_ms)) is not None and at.id == site_id
        ),
        None,
    )


def _person(request: Request) -> Person:
    person = visitor_of(request).person
    assert person is not None  # the gate lets nobody else through
    return person


def _hours(reader: PublicReader, site_id: str, name: str, end_ms: int) -> Mapping[int, float]:
    rows = reader.buckets(site_id, name, end_ms - DAY, end_ms, HOUR)
    return {bucket.start_ms: bucket.mean for bucket in rows if bucket.flagged < bucket.n}


def _said(name: str, told: Difference, symbol: str, tongue: Tongue) -> dict[str, str]:
    decimals = max(1, quantity(name).decimals)
    return {
        "label": tongue.gettext(quantity(name).label),
        "is_more": "yes" if told.value > 0 else "",
        "number": tongue.number(abs(told.value), decimals),
        "symbol": symbol,
        "uncertainty": tongue.number(told.uncertainty, decimals),
        "sites": str(told.sites),
    }
