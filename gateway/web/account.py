"""Whoever signed in, about themselves: roles, sites, tokens for programs, signing out everywhere."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import RegistryError
from gateway.registry.people import ROLES, SCOPES, Person
from gateway.web.context import Context
from gateway.web.gate import COOKIE, SIGN_IN_FIRST, RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_
from gateway.web.query import QueryError

BAD_TOKEN = N_("%(field)s: “%(value)s” does not fit. Give the token a name, and at least one purpose.")
ROLE_WORDS = {
    "host": N_("host of a sensor"),
    "technician": N_("technician"),
    "staff": N_("city staff"),
    "operator": N_("operator"),
}
SCOPE_WORDS = {
    "own": N_("read my own sensors, also what is not public"),
    "fleet": N_("read the state of all nodes"),
    "waste": N_("read the list of bins and report emptying"),
    "events": N_("make events at which noise is followed"),
    "operator": N_("run the network"),
}
assert {*ROLE_WORDS, "public"} == set(ROLES)
assert set(SCOPE_WORDS) == set(SCOPES)


def routes(context: Context) -> list[Route]:
    """Return the routes. Everybody may ask; who did not sign in is sent to do so."""
    account = Account(context)
    route = context.gate.route
    found: list[Route] = []
    for language in LOCALES:
        found += [
            route(f"/{language}/me", account.show),
            route(f"/{language}/me/tokens", account.make_token, methods=("POST",)),
            route(f"/{language}/me/revoke", account.revoke, methods=("POST",)),
            route(f"/{language}/me/sign-out-everywhere", account.leave_everywhere, methods=("POST",)),
        ]
    return found


class Account:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show who is signed in."""
        if visitor_of(request).person is None and self._context.gate.accounts is not None:
            return RedirectResponse(f"/{self._context.tongue(request).language}/sign-in", 303)
        return await self._page(request, "")

    async def make_token(self, request: Request) -> Response:
        """Make a token and show its secret, this once."""
        person, accounts = self._person(request)
        fields = await form(request)
        now_ms = self._context.clock.now_ms()
        name = fields.get("name", "").strip()
        scopes = fields.get("scope", "").split()

        def work() -> str:
            secret, token = accounts.make_token(person.id, name, scopes, now_ms)
            accounts.note(person.id, "token made", token.id, now_ms, " ".join(token.scopes))
            return secret

        try:
            secret = await self._context.read(work)
        except RegistryError:
            raise QueryError("name", name, BAD_TOKEN) from None
        return await self._page(request, secret)

    async def revoke(self, request: Request) -> Response:
        """Revoke a token."""
        person, accounts = self._person(request)
        token_id = (await form(request)).get("id", "")
        now_ms = self._context.clock.now_ms()

        def work() -> None:
            if accounts.revoke(person.id, token_id):
                accounts.note(person.id, "token revoked", token_id, now_ms)

        await self._context.read(work)
        return RedirectResponse(f"/{self._context.tongue(request).language}/me", 303)

    async def leave_everywhere(self, request: Request) -> Response:
        """End all sessions."""
        person, accounts = self._person(request)
        await self._context.read(lambda: accounts.close_sessions(person.id))
        answer = RedirectResponse(f"/{self._context.tongue(request).language}/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _page(self, request: Request, secret: str) -> Response:
        person, accounts = self._person(request)
        tongue = self._context.tongue(request)
        tokens = await self._context.read(lambda: accounts.tokens(person.id))
        values = {
            "person": person,
            "roles": [tongue.gettext(ROLE_WORDS[role]) for role in ROLES if role in person.roles],
            "scopes": {scope: tongue.gettext(words) for scope, words in SCOPE_WORDS.items()},
            "tokens": [
                {
                    "id": token.id,
                    "name": token.name,
                    "scopes": ", ".join(tongue.gettext(SCOPE_WORDS[scope]) for scope in token.scopes),
                    "until": tongue.day(token.expires_ms),
                    "used": tongue.day(token.used_ms) if token.used_ms is not None else "",
                }
                for token in tokens
            ],
            "secret": secret,
        }
        return self._context.html(request, "me.html", values)

    def _person(self, request: Request) -> tuple[Person, Any]:
        visitor = visitor_of(request)
        if visitor.person is None or visitor.scopes is not None:
            raise RefusedError(401, SIGN_IN_FIRST)
        return visitor.person, self._context.gate.accounts
