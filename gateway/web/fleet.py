"""For technicians: what is wrong by cause, what to take along, and the visit at the pole.

One gateway that is down is one task here, however many nodes it silences.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.claims import ClaimError
from gateway.commissioning import Position, Scene, SiteReport, replace_device
from gateway.commissioning.photo import PhotoError
from gateway.commissioning.reports import ReportError
from gateway.commissioning.words import sentence, title
from gateway.errors import RegistryError
from gateway.health import Entry
from gateway.health.words import told
from gateway.insight.route import order
from gateway.registry import Site
from gateway.registry.people import TECHNICIAN
from gateway.web.claiming import REFUSALS
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import RefusedError, files, form, visitor_of
from gateway.web.house import Desk, Seen
from gateway.web.languages import DEFAULT, LOCALES, N_, Tongue
from gateway.web.microphones import VERDICTS, MicrophoneBook
from gateway.web.microphones import told as told_microphone
from gateway.web.mine import device_at
from gateway.web.query import QueryError

# What to put into the van for a cause of gateway.health; causes that no visit mends are not here.
PARTS = {
    "gateway": (N_("spare radio gateway"), N_("network cable"), N_("antenna")),
    "battery_empty": (N_("battery"),),
    "battery_low": (N_("battery"),),
    "battery_fading": (N_("battery"),),
    "link_lost": (N_("spare node"), N_("antenna")),
    "weak_link": (N_("antenna"),),
    "never_heard": (N_("spare node"),),
    "wifi_or_power": (N_("power supply"),),
    "silent": (N_("spare node"), N_("battery")),
    "sensor_dead": (N_("spare sensor"), N_("brush")),
    "dirty": (N_("brush"),),
    "safe_mode": (N_("spare node"),),
    "log_fault": (N_("spare node"),),
    "radio_fault": (N_("spare node"),),
}
GRADES = {"green": "fresh", "amber": "suspect", "red": "missing", "waiting": "stale"}
NO_DEVICE = N_(
    "%(field)s: “%(value)s” is no device here. Scan its label, or copy the 16 digits of its DevEUI."
)
NO_SITE = N_("There is no such site.")
CANNOT_REPLACE = N_(
    "%(field)s: “%(value)s” cannot take this place: it must be registered, of the same kind, and free."
)
BAD_PHOTO = N_("%(field)s: this is no photo that we can take. Take one as JPEG, PNG or WebP, at most 25 MB.")
NO_NOTE = N_("%(field)s: say in a few words why the site is left although it did not pass.")
BAD_POSITION = N_("%(field)s: “%(value)s” is no position. Let the phone send it, or write 51.05 and 3.72.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    fleet = Fleet(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (TECHNICIAN,), "fleet", (method,))

    found = [route("/api/fleet.json", fleet.json), route("/api/fleet/van.gpx", fleet.gpx)]
    for language in LOCALES:
        base = f"/{language}/fleet"
        found += [
            route(base, fleet.show),
            route(f"{base}/{{site_id}}", fleet.pole),
            route(f"{base}/{{site_id}}/report", fleet.report, "POST"),
            route(f"{base}/{{site_id}}/replace", fleet.replace, "POST"),
        ]
    return found


class Fleet:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._microphones = MicrophoneBook(context.tongues[DEFAULT].zone)  # of all sites, public or not

    async def show(self, request: Request) -> Response:
        """Show tasks by cause, the van list, and all nodes."""
        context, desk = self._context, desk_of(self._context)
        tongue, now_ms = context.tongue(request), context.clock.now_ms()

        def read() -> dict[str, Any]:
            entries = desk.incidents()
            nodes = _nodes(desk, now_ms)
            names = {node["dev_eui"]: node["site"].name for node in nodes if node["site"]}
            troubled = {dev_eui for entry in entries for dev_eui in entry.incident.devices}
            return {
                "tasks": [_task(entry, names, tongue) for entry in entries],
                "parts": _parts(entries, tongue),
                "stops": [site.name for site in _van(desk, entries, now_ms)],
                "microphones": self._judged(desk, tongue, now_ms),
                "nodes": [_node(node, node["dev_eui"] in troubled, tongue, now_ms) for node in nodes],
            }

        return context.html(request, "fleet.html", await context.read(read))

    def _judged(self, desk: Desk, tongue: Tongue, now_ms: int) -> list[dict[str, Any]]:
        """Return the microphones, the worst first. Blocks."""
        sites = {site.id: site for site in desk.registry.sites() if site.kind == "noise"}
        if not sites:
            return []
        found = self._microphones.judgements(desk.reader_of_sites(list(sites)), now_ms)
        rows = [{"site": sites[site_id], **told_microphone(one, tongue)} for site_id, one in found.items()]
        return sorted(rows, key=lambda row: (list(VERDICTS).index(row["verdict"]), row["site"].name))

    async def json(self, request: Request) -> Response:
        """Answer incidents and nodes for programs."""
        desk, now_ms = desk_of(self._context), self._context.clock.now_ms()

        def read() -> dict[str, Any]:
            return {
                "incidents": [
                    {
                        "cause": e.incident.cause,
                        "subject": e.incident.subject,
                        "since_ms": e.incident.since_ms,
                        "devices": e.incident.devices,
                    }
                    for e in desk.incidents()
                ],
                "nodes": [
                    {
                        "dev_eui": node["dev_eui"],
                        "kind": node["kind"],
                        "site_id": node["site"].id if node["site"] else None,
                        "heard_ms": node["seen"].received_at_ms if node["seen"] else None,
                        "snr_db": node["seen"].snr_db if node["seen"] else None,
                    }
                    for node in _nodes(desk, now_ms)
                ],
            }

        return JSONResponse(await self._context.read(read), headers={"cache-control": "no-store"})

    async def gpx(self, request: Request) -> Response:
        """Answer the stops of the van in order as a GPX 1.1 route."""
        desk, now_ms = desk_of(self._context), self._context.clock.now_ms()
        stops = await self._context.read(lambda: _van(desk, desk.incidents(), now_ms))
        points = "".join(
            f"<rtept lat={quoteattr(str(site.latitude))} lon={quoteattr(str(site.longitude))}>"
            f"<name>{escape(site.name)}</name></rtept>"
            for site in stops
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Meetnet" '
            f'xmlns="http://www.topografix.com/GPX/1/1"><rte>{points}</rte></gpx>\n'
        )
        headers = {
            "content-disposition": 'attachment; filename="meetnet-van.gpx"',
            "cache-control": "no-store",
        }
        return Response(text, media_type="application/gpx+xml", headers=headers)

    async def pole(self, request: Request) -> Response:
        """Show what all checks say of a site while the technician stands there."""
        context, desk = self._context, desk_of(self._context)
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        query = request.query_params
        since_ms = _whole(query.get("since", ""), now_ms)
        position = _position(query)
        site = await self._site(request)

        def read() -> dict[str, Any]:
            dev_eui = device_at(desk, site.id, now_ms)
            checks: list[dict[str, str]] = []
            if dev_eui is not None:
                scene = Scene(dev_eui, site.id, since_ms, position)
                checks = [
                    {
                        "title": title(check.name, tongue.language),
                        "words": sentence(check, tongue.language),
                        "verdict": check.verdict,
                        "grade": GRADES[check.verdict],
                    }
                    for check in desk.inspector.inspect(scene, now_ms).checks
                ]
            reports = desk.reports.reports_of(site.id)
            return {
                "dev_eui": dev_eui,
                "checks": checks,
                "reports": [
                    {
                        "key": one.key,
                        "at": tongue.moment(one.at_ms),
                        "passed": one.passed,
                        "note": one.note,
                        "photo": one.photo,
                    }
                    for one in reports
                ],
            }

        values = {
            "site": site,
            "since": since_ms,
            "position": position,
            "key": secrets.token_urlsafe(16),
            **await context.read(read),
        }
        return context.html(request, "pole.html", values)

    async def report(self, request: Request) -> Response:
        """File what the checks say, with the photo drawn anew."""
        context, desk = self._context, desk_of(self._context)
        site, fields, now_ms = await self._site(request), await form(request), context.clock.now_ms()
        person, accounts = visitor_of(request).person, context.gate.accounts
        assert person is not None
        assert accounts is not None
        content = files(request).get("photo", b"")
        position = _position(fields)

        def work() -> None:
            dev_eui = device_at(desk, site.id, now_ms)
            if dev_eui is None:
                raise RefusedError(409, NO_SITE)
            scene = Scene(dev_eui, site.id, _whole(fields.get("since", ""), now_ms), position, bool(content))
            found = desk.inspector.inspect(scene, now_ms)
            key = fields.get("key", "")[:64] or secrets.token_urlsafe(16)
            report = SiteReport(
                key, dev_eui, site.id, str(person.id), now_ms, found.passed, found.checks, position,
                fields.get("note", "")[:500],
            )  # fmt: skip
            desk.reports.file(report, content or None)
            accounts.note(person.id, "site report", site.id, now_ms, found.verdict)

        try:
            await context.read(work)
        except PhotoError:
            raise QueryError("photo", "", BAD_PHOTO) from None
        except ReportError:
            raise QueryError("note", fields.get("note", ""), NO_NOTE) from None
        return self._back(request, site)

    async def replace(self, request: Request) -> Response:
        """Put another device in the place of this one; the series of the site goes on."""
        context, desk = self._context, desk_of(self._context)
        site, fields, now_ms = await self._site(request), await form(request), context.clock.now_ms()
        person, accounts = visitor_of(request).person, context.gate.accounts
        assert person is not None
        assert accounts is not None
        text = fields.get("device", "").strip()

        def work() -> None:
            new = desk.claims.device_of_tag(text) or text.lower().replace(" ", "")
            old = device_at(desk, site.id, now_ms)
            if desk.registry.device(new) is None or old is None:
                raise QueryError("device", text, NO_DEVICE)
            replace_device(desk.registry, desk.claims, old, new, now_ms, "gauge" in fields)
            accounts.note(person.id, "device replaced", site.id, now_ms)

        try:
            await context.read(work)
        except ClaimError as error:
            raise RefusedError(409, REFUSALS[error.code]) from None
        except RegistryError:
            raise QueryError("device", text, CANNOT_REPLACE) from None
        return self._back(request, site)

    async def _site(self, request: Request) -> Site:
        desk, site_id = desk_of(self._context), request.path_params["site_id"]
        site = await self._context.read(lambda: desk.registry.site(site_id))
        if site is None:
            raise RefusedError(404, NO_SITE)
        return site

    def _back(self, request: Request, site: Site) -> Response:
        return RedirectResponse(f"/{self._context.tongue(request).language}/fleet/{site.id}", 303)


def _task(entry: Entry, names: dict[str, str], tongue: Tongue) -> dict[str, Any]:
    incident = entry.incident
    what, step = told(incident, tongue.language)
    sites = [names.get(dev_eui, dev_eui) for dev_eui in incident.devices]
    return {
        "what": what,
        "step": step,
        "since": tongue.moment(incident.since_ms),
        "sites": sites[:12],
        "more": max(0, len(sites) - 12),
        "n": len(sites),
        "urgent": incident.urgent,
    }


def _parts(entries: Sequence[Entry], tongue: Tongue) -> list[tuple[str, int]]:
    """Return what to take along and how many of each."""
    counts: dict[str, int] = {}
    for entry in entries:
        for part in PARTS.get(entry.incident.cause, ()):
            wide = entry.incident.cause == "gateway"
            counts[part] = counts.get(part, 0) + (1 if wide else max(1, len(entry.incident.devices)))
    return [(tongue.gettext(part), n) for part, n in counts.items()]


def _van(desk: Desk, entries: Sequence[Entry], now_ms: int) -> list[Site]:
    """Return the sites to visit, in order. A gateway that is down silences sites that need no visit."""
    wanted: dict[str, Site] = {}
    for entry in entries:
        if entry.incident.cause in PARTS and entry.incident.cause != "gateway":
            for dev_eui in entry.incident.devices:
                site = desk.registry.site_of(dev_eui, now_ms)
                if site is not None:
                    wanted[site.id] = site
    sites = list(wanted.values())
    return [sites[i] for i in order([(site.longitude, site.latitude) for site in sites])]


def _nodes(desk: Desk, now_ms: int) -> list[dict[str, Any]]:
    seen = {one.dev_eui: one for one in desk.seen()}
    return [
        {
            "dev_eui": device.dev_eui,
            "kind": device.kind,
            "transport": device.transport,
            "site": desk.registry.site_of(device.dev_eui, now_ms),
            "seen": seen.get(device.dev_eui),
        }
        for device in desk.registry.devices()
    ]


def _node(node: dict[str, Any], is_troubled: bool, tongue: Tongue, now_ms: int) -> dict[str, Any]:
    seen: Seen | None = node["seen"]
    status = seen.status or {} if seen else {}
    total = seen.uplinks + seen.missed if seen else 0
    return {
        **node,
        "is_troubled": is_troubled,
        "heard": tongue.age(now_ms - seen.received_at_ms) if seen else "–",
        "missed": tongue.number(100 * seen.missed / total, 1) if seen and total else "–",
        "snr": tongue.number(seen.snr_db, 1) if seen else "–",
        "battery": str(status.get("battery_mv", "–")),
        "firmware": str(status.get("firmware", "–")),
    }


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else default


def _position(fields: Any) -> Position | None:
    """Return where the phone is; None when it did not say. Raise QueryError."""
    texts = [fields.get(name, "").strip().replace(",", ".") for name in ("longitude", "latitude", "accuracy")]
    if not texts[0] and not texts[1]:
        return None
    try:
        numbers = [float(text or "10") for text in texts]
    except ValueError:
        raise QueryError("latitude", texts[1], BAD_POSITION) from None
    if not (abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90 and 0 <= numbers[2] < 1e6):
        raise QueryError("latitude", texts[1], BAD_POSITION)
    return Position(*numbers)
