"""From the card in the box to one's own first value: no account needed to see, an address to own.

Whoever shows the code of the card first owns the sensor. An address that is new here is taken as it is, and
its bearer is signed in at once; for one that is known a mail must show that it is theirs. What was opened
with an address that nobody proved ends when it turns out to be somebody's (Accounts.add): who types that of a
future colleague does not become one with them. The code on the label (`/t/...`) is for everybody and leads to
the public page of the site.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.claims import ClaimError, Progress
from gateway.errors import RegistryError
from gateway.registry.accounts import SESSION_MS, checked_email
from gateway.registry.people import Person
from gateway.units import unit
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import COOKIE, RefusedError, Visitor, client_address, form, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError
from gateway.web.signing import BAD_EMAIL, Signing
from gateway.web.words import quantity

REFUSALS = {
    "typo": N_("This code cannot be right: compare it with the card, letter by letter."),
    "unknown": N_("Nobody gave out this code: take the card that came in the box of this sensor."),
    "expired": N_("This code is too old: ask whoever gave you the sensor for a new card."),
    "replaced": N_("A newer card was made for this sensor: use that one."),
    "taken": N_("Somebody else owns this sensor: ask them to hand it over, or the city for a new card."),
    "owner": N_("Write your mail address, so that you can come back."),
    "not_owner": N_("Only the owner of this sensor can do that."),
    "device": N_("This sensor is not registered: ask whoever gave it to you."),
}
NO_TAG = N_("No sensor has this label. Compare it letter by letter.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    claiming = Claiming(context)
    route = context.gate.route
    found = [route("/c/{code}", claiming.card), route("/t/{tag}", claiming.label)]
    for language in LOCALES:
        found += [
            route(f"/{language}/claim", claiming.show),
            route(f"/{language}/claim", claiming.claim, methods=("POST",)),
            route(f"/{language}/part/claim", claiming.part),
        ]
    return found


def owner_name(person: Person) -> str:
    """Return how the book of claims knows a person: by a number, so it holds no addresses."""
    return f"person:{person.id}"


class Claiming:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._signing = Signing(context)

    async def card(self, request: Request) -> Response:
        """Take a scanned card to the page in the reader's language."""
        language = self._context.tongue(request).language
        return RedirectResponse(f"/{language}/claim?code={quote(request.path_params['code'], safe='')}", 303)

    async def label(self, request: Request) -> Response:
        """Take a scanned label to the page of its site, when that is public."""
        context, desk = self._context, desk_of(self._context)
        now_ms = context.clock.now_ms()
        language = context.tongue(request).language

        def find() -> str | None:
            dev_eui = desk.claims.device_of_tag(request.path_params["tag"])
            site = desk.registry.site_of(dev_eui, now_ms) if dev_eui else None
            public = {one.site_id for one in context.reader.sites()}
            if dev_eui is None:
                raise RefusedError(404, NO_TAG)
            return site.id if site is not None and site.id in public else None

        site_id = await context.read(find)
        if site_id is None:
            return RedirectResponse(f"/{language}/claim", 303)
        return RedirectResponse(f"/{language}/site/{quote(site_id, safe='')}", 303)

    async def show(self, request: Request) -> Response:
        """Show the form for a code, or how far the sensor of a code is."""
        return self._context.html(request, "claim.html", await self._values(request))

    async def part(self, request: Request) -> Response:
        """Answer how far the sensor is, alone: the page asks again every few seconds."""
        values = await self._values(request)
        if not values["code"]:
            wrong = REFUSALS["typo"]
            values["refusal"] = self._context.tongue(request).gettext(wrong)
        return self._context.html(request, "claim_progress.html", values)

    async def claim(self, request: Request) -> Response:
        """Make an owner of whoever shows the code."""
        context, desk = self._context, desk_of(self._context)
        fields = await form(request)
        code, now_ms = fields.get("code", ""), context.clock.now_ms()
        visitor = visitor_of(request)
        language = context.tongue(request).language
        accounts = context.gate.accounts
        assert accounts is not None  # desk_of asked
        address = client_address(request)
        context.gate.wrong_rates.refuse_if_spent(address)
        if visitor.person is None:
            try:
                email = checked_email(fields.get("email", ""))
            except RegistryError:
                raise QueryError("email", fields.get("email", ""), BAD_EMAIL) from None
        else:
            email = visitor.person.email

        def work() -> tuple[Person, str | None]:
            """Return the person, and the new session of somebody who is new here (None: a mail is needed)."""
            desk.claims.look(code, now_ms)
            known = accounts.find(email)
            if known is not None and visitor.person is None:
                return known, None
            person = known or accounts.add(email, now_ms, language=language, is_proved=False)
            claim = desk.claims.claim(code, owner_name(person), now_ms)
            site = desk.registry.site_of(claim.dev_eui, now_ms)
            if site is not None:
                accounts.host(person.id, site.id, now_ms)
            accounts.note(person.id, "sensor claimed", site.id if site else "", now_ms)
            return person, accounts.open_session(person.id, now_ms) if visitor.person is None else ""

        try:
            person, session = await context.read(work)
        except ClaimError as error:
            context.gate.wrong_rates.spend(address)
            raise RefusedError(409, REFUSALS[error.code]) from None
        if session is None:
            context.gate.sign_in_rates.spend(f"to {email}")
            await context.read(lambda: self._signing.mail(person, accounts.make_link(person.id, now_ms)))
            can_mail = bool(context.house and context.house.can_mail)
            values = {"onwards": "", "sent": True, "can_mail": can_mail, "provider": ""}
            answer: Response = context.html(request, "sign_in.html", values)
            onwards = f"/{language}/claim?code={quote(code, safe='')}"
            answer.set_cookie("meetnet-next", onwards, max_age=900, httponly=True, samesite="lax")
            return answer
        answer = RedirectResponse(f"/{language}/mine", 303, {"cache-control": "no-store"})
        if session:
            answer.set_cookie(
                COOKIE,
                session,
                max_age=SESSION_MS // 1000,
                httponly=True,
                samesite="lax",
                secure=context.settings.url.startswith("https:"),
            )
        return answer

    async def _values(self, request: Request) -> dict[str, Any]:
        context = self._context
        desk = desk_of(context)
        tongue = context.tongue(request)
        code, now_ms = request.query_params.get("code", ""), context.clock.now_ms()
        values: dict[str, Any] = {"code": code, "refusal": "", "progress": None, "owned": ""}
        if not code:
            return values
        context.gate.wrong_rates.refuse_if_spent(client_address(request))
        try:
            progress, owner = await context.read(
                lambda: (desk.welcome.by_token(code, now_ms), desk.claims.look(code, now_ms).owner)
            )
        except ClaimError as error:
            context.gate.wrong_rates.spend(client_address(request))
            return {**values, "refusal": tongue.gettext(REFUSALS[error.code])}
        return {**values, "progress": _shown(progress, tongue), "owned": _whose(owner, visitor_of(request))}


def _whose(owner: str | None, visitor: Visitor) -> str:
    if owner is None:
        return ""
    return "mine" if visitor.person is not None and owner == owner_name(visitor.person) else "other"


def _shown(progress: Progress, tongue: Tongue) -> dict[str, str]:
    if progress.stage != "value" or progress.quantity is None or progress.observed_at_ms is None:
        return {"stage": progress.stage}
    words = quantity(progress.quantity)
    return {
        "stage": "value",
        "label": tongue.gettext(words.label),
        "number": tongue.number(progress.value, words.decimals),
        "symbol": unit(progress.unit or "").symbol,
        "moment": tongue.clock(progress.observed_at_ms),
    }
