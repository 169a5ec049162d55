"""Signing in through the identity provider of a city: for staff that an operator added, off by default.

The provider says who somebody is; what they may do is said here. Hosts keep their links by mail.
"""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.registry.accounts import SESSION_MS
from gateway.registry.people import GRANTED_ROLES, Person
from gateway.web.context import Context
from gateway.web.gate import COOKIE, RefusedError, client_address, local_path
from gateway.web.house import IdentityProvider
from gateway.web.languages import N_
from gateway.web.oidc import OidcError
from gateway.web.signing import NO_ACCOUNTS

logger = logging.getLogger("meetnet.web")
TIE = "meetnet-oidc"
NOT_SURE = N_("The sign-in did not work: what came back was not what was asked for. Try again.")
AWAY = N_("The sign-in service does not answer. Try again later, or use a link by mail.")
STRANGER = N_("You are known there, but not here. Ask the operator of the network to add you.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = OidcPages(context)
    return [
        context.gate.route("/oidc/start", pages.start),
        context.gate.route("/oidc/callback", pages.callback),
    ]


class OidcPages:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def start(self, request: Request) -> Response:
        """Send the browser to the provider."""
        provider = self._provider()
        self._context.gate.sign_in_rates.spend(f"oidc {client_address(request)}")
        onwards = local_path(request.query_params.get("next", ""), "")
        try:
            address, tie = await provider.begin(onwards)
        except OidcError as error:
            logger.warning("%s", error)
            raise RefusedError(503, AWAY) from None
        answer = RedirectResponse(address, 303, {"cache-control": "no-store"})
        answer.set_cookie(
            TIE, tie, max_age=600, httponly=True, samesite="lax", path="/oidc", secure=self._is_https()
        )
        return answer

    async def callback(self, request: Request) -> Response:
        """Take back whom the provider vouches for, and open a session."""
        context, provider, query = self._context, self._provider(), request.query_params
        context.gate.wrong_rates.refuse_if_spent(client_address(request))
        try:
            if "error" in query:
                raise OidcError(f"oidc.error: {query['error'][:80]!r}")
            identity = await provider.finish(
                query.get("state", ""),
                query.get("code", ""),
                query.get("iss"),
                request.cookies.get(TIE, ""),
            )
        except OidcError as error:
            logger.warning("%s", error)
            context.gate.wrong_rates.spend(client_address(request))
            raise RefusedError(403, NOT_SURE) from None
        accounts = context.gate.accounts
        assert accounts is not None  # there is a provider only where there are people
        now_ms = context.clock.now_ms()

        def work() -> tuple[Person, str] | None:
            person = accounts.find(identity.email)
            if person is None or not person.roles & set(GRANTED_ROLES):
                return None
            accounts.prove(person.id)
            accounts.note(person.id, "sign-in", "", now_ms, "OpenID Connect")
            return person, accounts.open_session(person.id, now_ms)

        found = await context.read(work)
        if found is None:
            raise RefusedError(403, STRANGER)
        onwards = identity.onwards or f"/{found[0].language}/me"
        answer = RedirectResponse(onwards, 303, {"cache-control": "no-store"})
        answer.set_cookie(
            COOKIE,
            found[1],
            max_age=SESSION_MS // 1000,
            httponly=True,
            samesite="lax",
            secure=self._is_https(),
        )
        answer.delete_cookie(TIE, path="/oidc")
        return answer

    def _provider(self) -> IdentityProvider:
        house = self._context.house
        if house is None or house.oidc is None:
            raise RefusedError(404, NO_ACCOUNTS)
        return house.oidc

    def _is_https(self) -> bool:
        return self._context.settings.url.startswith("https:")
