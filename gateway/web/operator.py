"""Who runs the network: people and their roles, what was done by whom, how publishers are doing."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import RegistryError
from gateway.registry.people import GRANTED_ROLES, LANGUAGES, OPERATOR
from gateway.web.account import ROLE_WORDS
from gateway.web.context import Context
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_
from gateway.web.query import QueryError
from gateway.web.signing import BAD_EMAIL, NO_ACCOUNTS

YOURSELF = N_("You cannot take your own role of operator: ask another operator, or use the command line.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    operator = Operator(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (OPERATOR,), "operator", (method,))

    found = [
        route("/api/operator/people", operator.people_json),
        route("/api/operator/audit", operator.audit_json),
    ]
    for language in LOCALES:
        found += [
            route(f"/{language}/operator", operator.show),
            route(f"/{language}/operator/add", operator.add, "POST"),
            route(f"/{language}/operator/roles", operator.roles, "POST"),
            route(f"/{language}/operator/remove", operator.remove, "POST"),
        ]
    return found


class Operator:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show people, publishers and the log."""
        context, accounts = self._context, self._accounts()
        tongue = context.tongue(request)
        people, audit = await context.read(lambda: (accounts.people(), accounts.audit(100)))
        values = {
            "people": people,
            "granted": {role: tongue.gettext(ROLE_WORDS[role]) for role in GRANTED_ROLES},
            "audit": [{"at": tongue.moment(entry.at_ms), "entry": entry} for entry in audit],
            "status": context.status(),
            "has_office": context.house is not None and context.house.office is not None,
            "publishers": context.house.publishers() if context.house else {},
        }
        return context.html(request, "operator.html", values)

    async def people_json(self, request: Request) -> Response:
        """Answer the people with their roles."""
        accounts = self._accounts()
        people = await self._context.read(accounts.people)
        return JSONResponse(
            [
                {"email": one.email, "name": one.name, "roles": sorted(one.roles), "sites": one.sites}
                for one in people
            ],
            headers={"cache-control": "no-store"},
        )

    async def audit_json(self, request: Request) -> Response:
        """Answer the newest thousand acts."""
        accounts = self._accounts()
        found = await self._context.read(lambda: accounts.audit(1000))
        return JSONResponse(
            [
                {"at_ms": e.at_ms, "who": e.who, "action": e.action, "subject": e.subject, "detail": e.detail}
                for e in found
            ],
            headers={"cache-control": "no-store"},
        )

    async def add(self, request: Request) -> Response:
        """Add a person; roles come in the next step, on purpose."""
        fields = await form(request)
        accounts, me = self._accounts(), self._me(request)
        language = fields.get("language", "nl")
        now_ms = self._context.clock.now_ms()

        def work() -> None:
            person = accounts.add(
                fields.get("email", ""),
                now_ms,
                fields.get("name", "").strip(),
                language if language in LANGUAGES else "nl",
            )
            accounts.note(me, "person added", person.email, now_ms)

        try:
            await self._context.read(work)
        except RegistryError:
            raise QueryError("email", fields.get("email", ""), BAD_EMAIL) from None
        return self._back(request)

    async def roles(self, request: Request) -> Response:
        """Give a person exactly the ticked roles."""
        fields = await form(request)
        accounts, me = self._accounts(), self._me(request)
        roles = [role for role in fields.get("role", "").split() if role in GRANTED_ROLES]
        now_ms = self._context.clock.now_ms()
        person_id = _number(fields)
        if person_id == me and OPERATOR not in roles:
            raise RefusedError(409, YOURSELF)

        def work() -> None:
            person = accounts.person(person_id)
            if person is not None:
                accounts.set_roles(person_id, roles)
                accounts.note(me, "roles set", person.email, now_ms, " ".join(roles))

        await self._context.read(work)
        return self._back(request)

    async def remove(self, request: Request) -> Response:
        """Forget a person."""
        accounts, me = self._accounts(), self._me(request)
        person_id = _number(await form(request))
        now_ms = self._context.clock.now_ms()
        if person_id == me:
            raise RefusedError(409, YOURSELF)

        def work() -> None:
            if accounts.remove(person_id):
                accounts.note(me, "person removed", f"#{person_id}", now_ms)

        await self._context.read(work)
        return self._back(request)

    def _accounts(self) -> Any:
        if self._context.gate.accounts is None:
            raise RefusedError(404, NO_ACCOUNTS)
        return self._context.gate.accounts

    def _me(self, request: Request) -> int:
        person = visitor_of(request).person
        assert person is not None  # the gate lets nobody else through
        return person.id

    def _back(self, request: Request) -> Response:
        return RedirectResponse(f"/{self._context.tongue(request).language}/operator", 303)


def _number(fields: dict[str, str]) -> int:
    text = fields.get("id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
