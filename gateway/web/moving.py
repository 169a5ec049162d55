"""My sensor hangs elsewhere now: a new place from a time on, with everything else as it was."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import RegistryError
from gateway.registry import Consent
from gateway.registry.moving import move_device
from gateway.registry.notes import MOST_LETTERS
from gateway.registry.people import HOST
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_
from gateway.web.mine import Own, own_of
from gateway.web.minting import slug
from gateway.web.notes import BAD_TEXT, book_of, moment
from gateway.web.query import QueryError, place_name

NO_DEVICE = N_("No device is at this site: there is nothing to move.")
BAD_PLACE = N_("%(field)s: “%(value)s” is no place. Let the phone send it, or write 51.05 and 3.72.")
BAD_TIME = N_(
    "%(field)s: “%(value)s” cannot be: choose a time after the sensor came to the old place, and not later "
    "than now."
)
ELSEWHERE = N_("the sensor hung elsewhere already")
LATE_MS = 300_000  # the clock of a phone


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    moving = Moving(context)
    found: list[Route] = []
    for language in LOCALES:
        base = f"/{language}/mine/{{site_id}}/move"
        found += [
            context.gate.route(base, moving.show, (HOST,), "own"),
            context.gate.route(base, moving.move, (HOST,), "own", ("POST",)),
        ]
    return found


class Moving:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show the form."""
        own, context = await self._own(request), self._context
        tongue, desk = context.tongue(request), desk_of(context)
        recipients = await context.read(lambda: _recipients(desk.registry.consents(own.site.id)))
        values = {
            "own": own.site,
            "at": tongue.field(context.clock.now_ms()),
            "name": own.site.name,
            "recipients": [
                tongue.gettext(N_("everybody")) if name == "public" else name for name in recipients
            ],
        }
        return context.html(request, "move.html", values)

    async def move(self, request: Request) -> Response:
        """Put the sensor at its new place."""
        own, context, fields = await self._own(request), self._context, await form(request)
        desk, tongue, now_ms = desk_of(context), context.tongue(request), context.clock.now_ms()
        person, accounts, book = visitor_of(request).person, context.gate.accounts, book_of(context)
        assert person is not None
        assert accounts is not None
        assert own.dev_eui is not None
        dev_eui = own.dev_eui
        at_ms = moment(fields, "at", tongue)
        if at_ms > now_ms + LATE_MS:
            raise QueryError("at", fields.get("at", ""), BAD_TIME)
        name, why = place_name(fields), fields.get("why", "").strip()
        if len(why) > MOST_LETTERS or not why.isprintable():
            raise QueryError("why", why, BAD_TEXT, most=MOST_LETTERS)
        place = _degrees(fields, "longitude", 180), _degrees(fields, "latitude", 90)
        site_id = f"{slug(name)}-{secrets.token_hex(3)}"
        is_public = fields.get("public") == "yes"

        def work() -> None:
            recipients: list[str] = []
            if fields.get("consents") == "yes":
                recipients = _recipients(desk.registry.consents(own.site.id))
            move_device(desk.registry, dev_eui, (site_id, name, *place), at_ms, recipients)
            for host in accounts.hosts_of(own.site.id):
                accounts.host(host.id, site_id, now_ms)
            if book is not None and (why or at_ms < now_ms - LATE_MS):
                # What was stored at the old place since then stays there: a note says of it what it is.
                text = why or tongue.gettext(ELSEWHERE)
                book.add(own.site.id, at_ms, max(at_ms, now_ms), text, is_public, person.id, now_ms)
            if book is not None and why:
                book.add(site_id, at_ms, at_ms, why, is_public, person.id, now_ms)
            accounts.note(person.id, "sensor moved", own.site.id, now_ms)

        try:
            await context.read(work)
        except RegistryError:
            raise QueryError("at", fields.get("at", ""), BAD_TIME) from None
        return RedirectResponse(f"/{tongue.language}/mine/{quote(site_id)}", 303)

    async def _own(self, request: Request) -> Own:
        own = await own_of(self._context, request)
        if own.dev_eui is None:
            raise RefusedError(409, NO_DEVICE)
        return own


def _recipients(consents: list[Consent]) -> list[str]:
    return sorted({one.recipient for one in consents if one.to_ms is None})


def _degrees(fields: dict[str, str], name: str, most: float) -> float:
    text = fields.get(name, "").strip().replace(",", ".")
    try:
        found = float(text)
    except ValueError:
        found = most + 1
    if not abs(found) <= most:
        raise QueryError(name, text, BAD_PLACE)
    return round(found, 7)
