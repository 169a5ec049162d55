"""Noise at events: one honest number for enforcer, organiser and neighbour.

Neighbours see the level of each limit, its colour and what was above it. Who holds the organiser's link also
sees the newest values, how much room is left, and the report. City staff make events and see everything.
Only sites that are public take part: an event opens no door to others.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway import exports
from gateway.errors import RegistryError
from gateway.insight.events import CLOSE, OVER, UNDER, UNKNOWN
from gateway.insight.permits import NAMES, OWN
from gateway.registry.events import Event, EventBook, OwnLimit
from gateway.registry.people import STAFF
from gateway.web import event_report, svg
from gateway.web.context import Context
from gateway.web.event_sound import (
    DUTIES,
    REGIME_WORDS,
    WORST_FIRST,
    Sound,
    exceedance_rows,
    is_mean,
    limit_words,
    regime_of,
    sounds,
)
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError, refuse_unknown
from gateway.web.signing import NO_ACCOUNTS

GRADES = {OVER: "missing", CLOSE: "suspect", UNDER: "fresh", UNKNOWN: "stale"}
STATE_WORDS = {
    OVER: N_("above the limit"),
    CLOSE: N_("close to the limit"),
    UNDER: N_("below the limit"),
    UNKNOWN: N_("not known now"),
}
NO_EVENT = N_("There is no such event, or it is not for everybody.")
BAD_EVENT = N_("%(field)s: “%(value)s” does not fit. %(why)s")
WHY = {
    "name": N_("Write 1 to 80 signs."),
    "from": N_("Choose a day and a time."),
    "to": N_("It must lie after the beginning, at most 31 days."),
    "sites": N_("Choose one to twelve sites that measure noise."),
    "regime": N_("Choose one of the limits in the list."),
    "own": N_("Write at least one level from 20 to 140 dB."),
}
OWN_FIELDS = (("laeq", 15), ("lceq", 15), ("lafmax", -1))


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = Events(context)
    route = context.gate.route
    found = [route("/api/events/{event_id}/levels.csv", pages.csv)]
    for language in LOCALES:
        base = f"/{language}/events"
        found += [
            route(base, pages.list),
            route(f"{base}/{{event_id}}", pages.show),
            route(f"/{language}/part/event/{{event_id}}", pages.part),
            route(f"{base}/{{event_id}}/report.pdf", pages.report),
            route(base, pages.add, (STAFF,), "events", ("POST",)),
            route(f"{base}/{{event_id}}/end", pages.end, (STAFF,), "events", ("POST",)),
            route(f"{base}/{{event_id}}/remove", pages.remove, (STAFF,), "events", ("POST",)),
        ]
    return found


@dataclass(frozen=True, slots=True)
class View:
    """Who looks: staff, who holds the organiser's key, or a neighbour."""

    is_staff: bool
    key: str

    @property
    def is_inner(self) -> bool:
        """Tell whether the inner numbers may be seen."""
        return self.is_staff or bool(self.key)


class Events:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, request: Request) -> Response:
        """Show what runs, comes and was; staff can add one."""
        refuse_unknown(request.query_params, {"lang"})
        context, book = self._context, self._book()
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        is_staff = visitor_of(request).has(STAFF)
        events, views = await context.read(lambda: (book.events(), context.now.views(tongue)))
        values = {
            "events": [
                {"event": one, "when": _when(one, tongue), "is_on": one.from_ms <= now_ms < one.to_ms}
                for one in events
                if one.is_open or is_staff
            ],
            "is_staff": is_staff,
            "regimes": {name: tongue.gettext(REGIME_WORDS[name]) for name in NAMES},
            "sites": [view for view in views if "laeq" in view.quantities],
            "from": tongue.iso(now_ms)[:16],
            "to": tongue.iso(now_ms + 6 * 3_600_000)[:16],
        }
        return context.html(request, "events.html", values)

    async def show(self, request: Request) -> Response:
        """Show an event as it goes."""
        return await self._answer(request, "event.html")

    async def part(self, request: Request) -> Response:
        """Answer the levels alone."""
        return await self._answer(request, "event_levels.html")

    async def add(self, request: Request) -> Response:
        """Make an event; show the organiser's link once."""
        context, book = self._context, self._book()
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        fields = await form(request)
        wanted = await context.read(lambda: _wanted(fields, context, tongue))

        def work() -> tuple[Event, str]:
            event, key = book.add(*wanted)
            self._note(request, "event made", event, now_ms)
            return event, key

        try:
            event, key = await context.read(work)
        except RegistryError as error:
            field = str(error).partition(":")[0]
            raise _bad(field, fields.get(field, ""), tongue) from None
        base = context.settings.url.rstrip("/")
        values = {
            "event": event,
            "when": _when(event, tongue),
            "open_link": f"{base}/{tongue.language}/events/{event.id}",
            "key_link": f"{base}/{tongue.language}/events/{event.id}?key={key}",
        }
        return context.html(request, "event_made.html", values)

    async def end(self, request: Request) -> Response:
        """Let an event end now."""
        return await self._change(request, "event ended", _end)

    async def remove(self, request: Request) -> Response:
        """Forget an event."""
        return await self._change(request, "event removed", _remove)

    async def report(self, request: Request) -> Response:
        """Answer the report as PDF."""
        context, (event, view) = self._context, await self._event(request)
        if not view.is_inner:
            raise RefusedError(403, NO_EVENT)
        tongue, now_ms = context.tongue(request), context.clock.now_ms()

        def work() -> bytes:
            names = {one.site_id: one.name for one in context.now.views(tongue)}
            found = sounds(context.reader, event, now_ms, tongue)
            return event_report.pdf(event, found, names, now_ms, tongue, context.settings.title)

        headers = {
            "content-disposition": f'attachment; filename="meetnet-{event.id}.pdf"',
            "cache-control": "no-store",
        }
        return Response(await context.read(work), media_type="application/pdf", headers=headers)

    async def csv(self, request: Request) -> Response:
        """Answer every level of an event, as it is to be kept."""
        context, (event, view) = self._context, await self._event(request)
        if not view.is_inner:
            raise RefusedError(403, NO_EVENT)
        tongue, now_ms = context.tongue(request), context.clock.now_ms()

        def work() -> str:
            out = io.StringIO()
            writer = csv.writer(out, lineterminator="\r\n")
            writer.writerow(("site_id", "quantity", "window_min", "until", "level_db", "limit_db", "over"))
            for sound in sounds(context.reader, event, now_ms, tongue):
                for one in sound.levels:
                    writer.writerow(
                        (
                            sound.site_id, sound.limit.quantity, max(0, sound.limit.window_min),
                            exports.iso_utc(one.at_ms), f"{one.level_db:.1f}", one.upper_db, int(one.is_over),
                        )
                    )  # fmt: skip
            return out.getvalue()

        headers = {
            "content-disposition": f'attachment; filename="meetnet-{event.id}.csv"',
            "cache-control": "no-store",
        }
        return Response(await context.read(work), media_type="text/csv; charset=utf-8", headers=headers)

    # -- within

    async def _answer(self, request: Request, template: str) -> Response:
        context, (event, view) = self._context, await self._event(request)
        tongue, now_ms = context.tongue(request), context.clock.now_ms()
        regime = regime_of(event)

        def work() -> dict[str, Any]:
            names = {one.site_id: one.name for one in context.now.views(tongue)}
            found = sounds(context.reader, event, now_ms, tongue)
            return {
                "rows": [_row(one, names, view, event, tongue) for one in found],
                "grade": GRADES[min((one.state for one in found), key=WORST_FIRST.index, default=UNKNOWN)],
            }

        shown = await context.read(work)
        is_on = event.from_ms <= now_ms < event.to_ms
        values = {
            "event": event,
            "view": view,
            "when": _when(event, tongue),
            "is_on": is_on,
            "is_coming": now_ms < event.from_ms,
            "renews": now_ms < event.to_ms + 3_600_000,
            "regime": tongue.gettext(REGIME_WORDS[regime.name]),
            "source": regime.source,
            "limits": [limit_words(one, tongue) for one in regime.limits],
            "duties": [tongue.gettext(DUTIES[one]) for one in regime.duties],
            "now": tongue.clock(now_ms),
            "now_iso": tongue.iso(now_ms),
            "here_key": f"?key={view.key}" if view.key else "",
            **shown,
        }
        answer = context.html(request, template, values)
        if view.key:
            answer.headers["cache-control"] = "no-store"
        return answer

    async def _event(self, request: Request) -> tuple[Event, View]:
        """Return the event of the address and who looks; refuse one that is not for them."""
        refuse_unknown(request.query_params, {"lang", "key"})
        book, event_id = self._book(), request.path_params["event_id"]
        key = request.query_params.get("key", "")
        event, is_theirs = await self._context.read(
            lambda: (book.event(event_id), bool(key) and book.accepts(event_id, key))
        )
        view = View(visitor_of(request).has(STAFF), key if is_theirs else "")
        if event is None or not (event.is_open or view.is_inner):
            raise RefusedError(404, NO_EVENT)
        return event, view

    async def _change(
        self, request: Request, action: str, work: Callable[[EventBook, Event, int], bool]
    ) -> Response:
        book, now_ms = self._book(), self._context.clock.now_ms()
        event, _ = await self._event(request)

        def do() -> None:
            if work(book, event, now_ms):
                self._note(request, action, event, now_ms)

        await self._context.read(do)
        return RedirectResponse(f"/{self._context.tongue(request).language}/events", 303)

    def _note(self, request: Request, action: str, event: Event, now_ms: int) -> None:
        accounts, person = self._context.gate.accounts, visitor_of(request).person
        if accounts is not None and person is not None:
            accounts.note(person.id, action, event.name, now_ms, event.id)

    def _book(self) -> EventBook:
        house = self._context.house
        if house is None or house.events is None:
            raise RefusedError(404, NO_ACCOUNTS)
        return house.events


def _end(book: EventBook, event: Event, now_ms: int) -> bool:
    return book.end(event.id, now_ms)


def _remove(book: EventBook, event: Event, now_ms: int) -> bool:
    return book.remove(event.id)


def _wanted(fields: dict[str, str], context: Context, tongue: Tongue) -> tuple[Any, ...]:
    """Return the arguments of EventBook.add from a form. Raise QueryError."""
    regime = fields.get("regime", "")
    if regime not in NAMES:
        raise _bad("regime", regime, tongue)
    own: list[OwnLimit] = []
    if regime == OWN:
        for name, window in OWN_FIELDS:
            text = fields.get(f"own_{name}", "").strip().replace(",", ".")
            if not text:
                continue
            try:
                level = float(text)
            except ValueError:
                level = math.nan
            if not 20 <= level <= 140:
                raise _bad("own", text, tongue)
            own.append(OwnLimit(name, window, level))
        if not own:
            raise _bad("own", "", tongue)
    sites = fields.get("site", "").split()
    known = {view.site_id for view in context.now.views(tongue) if "laeq" in view.quantities}
    if not sites or not set(sites) <= known:
        raise _bad("sites", " ".join(sites), tongue)
    times = [_moment(fields.get(name, ""), name, tongue) for name in ("from", "to")]
    return fields.get("name", "").strip(), *times, regime, own, sites, fields.get("open") == "yes"


def _moment(text: str, field: str, tongue: Tongue) -> int:
    """Return a local time of a form ("2026-07-18T20:00") in ms."""
    try:
        return tongue.local_ms(text)
    except ValueError:
        raise _bad(field, text, tongue) from None


def _bad(field: str, value: str, tongue: Tongue) -> QueryError:
    return QueryError(field, value, BAD_EVENT, why=tongue.gettext(WHY.get(field, "")))


def _when(event: Event, tongue: Tongue) -> str:
    return f"{tongue.moment(event.from_ms)} – {tongue.moment(event.to_ms)}"


def _row(sound: Sound, names: dict[str, str], view: View, event: Event, tongue: Tongue) -> dict[str, Any]:
    last, highest = sound.last, sound.highest
    name = names.get(sound.site_id, sound.site_id)
    words = limit_words(sound.limit, tongue)
    found: dict[str, Any] = {
        "id": f"{sound.site_id}-{sound.limit.quantity}-{sound.limit.parts[0]}",
        "site_id": sound.site_id,
        "name": name,
        "limit": words,
        "is_mean": is_mean(sound.limit),
        "grade": GRADES[sound.state],
        "state": sound.state,
        "words": tongue.gettext(STATE_WORDS[sound.state]),
        "level": tongue.number(last.level_db, 1) if last else tongue.number(None, 1),
        "at": tongue.clock(last.at_ms)[:5] if last else "",
        "highest": tongue.number(highest.level_db, 1) if highest else "",
        "highest_at": tongue.moment(highest.at_ms) if highest else "",
        "drawing": svg.levels(sound.levels, event.from_ms, event.to_ms, tongue, f"{name}: {words}"),
        "exceedances": exceedance_rows(sound, tongue),
        "room": None,
        "newest": [],
    }
    if view.is_inner:
        room = sound.room_db
        found["doubtful"] = sound.doubtful
        found["values"] = sound.values
        found["newest"] = [
            (tongue.clock(at)[:5], tongue.number(level, 1)) for at, level in reversed(sound.newest)
        ]
        if room is not None:
            found["room"] = tongue.number(room, 1) if math.isfinite(room) else ""
    return found
