"""Signing in without a password: a link by mail that works once, within 15 minutes.

The answer is the same whether an address is known or not, so nobody learns here who takes part. The link
opens a page with a button: programs that look into mails follow links, but press no buttons.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import RegistryError
from gateway.registry.accounts import SESSION_MS, checked_email
from gateway.registry.people import Person
from gateway.web.context import Context
from gateway.web.gate import COOKIE, RefusedError, client_address, form, local_path, visitor_of
from gateway.web.languages import LOCALES, N_
from gateway.web.query import QueryError

NO_ACCOUNTS = N_("This page knows no people: it shows what is public, and that is all.")
BAD_EMAIL = N_("%(field)s: “%(value)s” is no mail address. Write it like an@example.org.")
SUBJECT = N_("Your link to %(title)s")
TEXT = N_(
    "Hello,\n\nWith this link you sign in at %(title)s. It works once, within 15 minutes:\n\n%(link)s\n\n"
    "Did you not ask for it? Then do nothing: without the link nobody gets in."
)


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    signing = Signing(context)
    route = context.gate.route
    found = [route("/sign-in/{secret}", signing.from_mail)]
    for language in LOCALES:
        found += [
            route(f"/{language}/sign-in", signing.ask),
            route(f"/{language}/sign-in", signing.send, methods=("POST",)),
            route(f"/{language}/sign-in/{{secret}}", signing.confirm),
            route(f"/{language}/sign-in/{{secret}}", signing.enter, methods=("POST",)),
            route(f"/{language}/sign-out", signing.leave, methods=("POST",)),
        ]
    return found


class Signing:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: set[asyncio.Task[Any]] = set()

    async def from_mail(self, request: Request) -> Response:
        """Send the bearer of a link on to the page in their language."""
        language = self._context.tongue(request).language
        return RedirectResponse(f"/{language}/sign-in/{request.path_params['secret']}", 303)

    async def ask(self, request: Request) -> Response:
        """Show the form that asks for an address."""
        self._needs_accounts()
        onwards = local_path(request.query_params.get("next", ""), "")
        values = {
            "onwards": onwards,
            "sent": False,
            "can_mail": self._can_mail(),
            "provider": self._provider(),
        }
        return self._context.html(request, "sign_in.html", values)

    async def send(self, request: Request) -> Response:
        """Mail a link when the address is known; the answer does not tell."""
        accounts = self._needs_accounts()
        fields = await form(request)
        gate = self._context.gate
        try:
            email = checked_email(fields.get("email", ""))
        except RegistryError:
            raise QueryError("email", fields.get("email", ""), BAD_EMAIL) from None
        gate.sign_in_rates.spend(f"from {client_address(request)}")
        gate.sign_in_rates.spend(f"to {email}")
        now_ms = self._context.clock.now_ms()
        onwards = local_path(fields.get("next", ""), "")

        def work() -> None:
            person = accounts.find(email)
            if person is not None:
                self.mail(person, accounts.make_link(person.id, now_ms))

        values = {"onwards": onwards, "sent": True, "can_mail": self._can_mail(), "provider": ""}
        answer = self._context.html(request, "sign_in.html", values)
        answer.background = BackgroundTask(self._context.read, work)  # also takes as long for a stranger
        if onwards:
            answer.set_cookie("meetnet-next", onwards, max_age=900, httponly=True, samesite="lax")
        return answer

    async def confirm(self, request: Request) -> Response:
        """Show the button that uses a link up."""
        self._needs_accounts()
        return self._context.html(request, "sign_in_now.html", {"failed": False})

    async def enter(self, request: Request) -> Response:
        """Use a link up and open a session."""
        context = self._context
        accounts = self._needs_accounts()
        context.gate.wrong_rates.refuse_if_spent(client_address(request))
        now_ms = context.clock.now_ms()
        language = context.tongue(request).language
        secret = request.path_params["secret"]

        def work() -> tuple[Person, str] | None:
            person = accounts.use_link(secret, now_ms)
            if person is None:
                return None
            accounts.note(person.id, "sign-in", "", now_ms)
            return person, accounts.open_session(person.id, now_ms)

        found = await context.read(work)
        if found is None:
            context.gate.wrong_rates.spend(client_address(request))
            return context.html(request, "sign_in_now.html", {"failed": True}, 410)
        onwards = local_path(request.cookies.get("meetnet-next", ""), f"/{language}/me")
        answer = RedirectResponse(onwards, 303, {"cache-control": "no-store"})
        answer.set_cookie(
            COOKIE,
            found[1],
            max_age=SESSION_MS // 1000,
            httponly=True,
            samesite="lax",
            secure=context.settings.url.startswith("https:"),
        )
        answer.delete_cookie("meetnet-next")
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session."""
        visitor = visitor_of(request)
        accounts = self._needs_accounts()
        if visitor.session:
            await self._context.read(lambda: accounts.close_session(visitor.session))
        answer = RedirectResponse(f"/{self._context.tongue(request).language}/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    def _needs_accounts(self) -> Any:
        accounts = self._context.gate.accounts
        if accounts is None:
            raise RefusedError(404, NO_ACCOUNTS)
        return accounts

    def _provider(self) -> str:
        """Return the name of the identity provider, "" without one."""
        house = self._context.house
        return house.oidc.name if house is not None and house.oidc is not None else ""

    def _can_mail(self) -> bool:
        house = self._context.house
        return house is not None and house.can_mail

    def mail(self, person: Person, secret: str) -> None:
        """Mail a link. Blocks."""
        context = self._context
        assert context.house is not None
        gettext = context.tongues[person.language].gettext
        places = {
            "title": context.settings.title,
            "link": f"{context.settings.url.rstrip('/')}/{person.language}/sign-in/{secret}",
        }
        context.house.send_mail(person.email, gettext(SUBJECT) % places, gettext(TEXT) % places)
