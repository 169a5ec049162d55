"""Who asks, and may they: one rule a route, checked before its handler runs.

Nobody gets a page without a rule: routes are made by `Gate.route`, which takes the roles that may. An
operator may everything. A program with a token (`Authorization: Bearer mnt_...`) may what its owner may, on
routes whose scope its token has. Whatever changes something needs the session's form token (cross-site
requests carry the cookie, never this token) and comes from our own origin.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.rates import Rates, network_of
from gateway.registry.accounts import Accounts
from gateway.registry.people import OPERATOR, PUBLIC_ROLE, Person
from gateway.web.languages import LOCALES, N_

COOKIE = "meetnet-session"
SAFE = frozenset({"GET", "HEAD"})
FORM_BYTES = 65_536
UPLOAD_BYTES = 26_000_000  # a photo and its fields
BODY_S = 120.0  # for the slowest upload
FORM_TOKEN = "form_token"  # noqa: S105 - name of a field

ANYBODY = (PUBLIC_ROLE,)
Handler = Callable[[Request], Awaitable[Response]]

SIGN_IN_FIRST = N_("Sign in first: this is not for everybody.")
NOT_YOURS = N_("This is not for your role. Ask the operator of the network.")
FORM_TOO_OLD = N_("This form is too old, or came from elsewhere. Go back, load the page again and retry.")
TOO_OFTEN = N_("That was too often. Wait a few minutes and try again.")
TOO_LONG = N_("That is more than fits in a form.")
TOO_SLOW = N_("That took too long to arrive. Try again where the connection is better.")


class RefusedError(Exception):
    """A request that may not go on: status, and a message id."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. scopes None: a person at a browser; otherwise a program with a token."""

    person: Person | None = None
    scopes: frozenset[str] | None = None
    session: str = field(default="", repr=False)

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles; everybody is public too."""
        return frozenset({PUBLIC_ROLE}) | (self.person.roles if self.person else frozenset[str]())

    @property
    def form_token(self) -> str:
        """Return what forms of this session carry: another one each time, as pages are sent compressed."""
        return _form_token(self.session, secrets.token_hex(8)) if self.session else ""

    def accepts(self, form_token: str) -> bool:
        """Tell whether a form was made for this session."""
        wanted = _form_token(self.session, form_token.partition(".")[0])
        return bool(self.session) and hmac.compare_digest(form_token.encode(), wanted.encode())

    def has(self, *roles: str) -> bool:
        """Tell whether one of the roles is held; an operator holds all."""
        return OPERATOR in self.roles or bool(self.roles & set(roles))

    def hosts(self, site_id: str) -> bool:
        """Tell whether the visitor hosts a site, or runs the network."""
        return self.person is not None and (site_id in self.person.sites or OPERATOR in self.roles)


NOBODY = Visitor()


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route. scope: what a token needs for it; "" = tokens are for nothing here."""

    roles: frozenset[str]
    scope: str


class Gate:
    """Makes routes and guards them. accounts None: nobody can sign in, everything public stays."""

    def __init__(
        self,
        accounts: Accounts | None,
        now_ms: Callable[[], int],
        read: Callable[[Callable[[], Visitor]], Awaitable[Visitor]],
    ) -> None:
        self.accounts = accounts
        self.rules: dict[tuple[str, str], Rule] = {}
        self._now_ms = now_ms
        self._read = read
        self.sign_in_rates = Rates(now_ms, 5, 15 * 60_000)
        self.wrong_rates = Rates(now_ms, 30, 15 * 60_000)

    def route(
        self,
        path: str,
        handler: Handler,
        roles: Iterable[str] = ANYBODY,
        scope: str = "",
        methods: tuple[str, ...] = ("GET",),
        is_same_for_all: bool = False,
    ) -> Route:
        """Return a route that only these roles (and operators) reach.

        is_same_for_all: the answer does not depend on who asks, so nobody is looked up.
        """
        rule = Rule(frozenset(roles), scope)
        for method in methods:
            assert (path, method) not in self.rules, f"two rules for {method} {path}"
            self.rules[path, method] = rule

        async def guarded(request: Request) -> Response:
            visitor = NOBODY if is_same_for_all else await self.visitor(request)
            request.state.visitor = visitor
            if not visitor.has(*rule.roles):
                return self._turn_away(request, visitor)
            if (
                visitor.scopes is not None
                and PUBLIC_ROLE not in rule.roles
                and rule.scope not in visitor.scopes
            ):
                raise RefusedError(403, NOT_YOURS)
            if request.method not in SAFE:
                await self._check_origin(request, visitor)
            return await handler(request)

        return Route(path, guarded, methods=list(methods))

    async def visitor(self, request: Request) -> Visitor:
        """Return who asks. A wrong token is refused, not taken for nobody."""
        accounts = self.accounts
        bearer = request.headers.get("authorization", "")
        cookie = request.cookies.get(COOKIE, "")
        if accounts is None or not (bearer or cookie):
            return NOBODY
        now_ms = self._now_ms()
        if bearer:
            address = client_address(request)
            self.wrong_rates.refuse_if_spent(address)
            kind, _, secret = bearer.partition(" ")

            def by_token() -> Visitor:
                found = accounts.token(secret.strip(), now_ms) if kind.lower() == "bearer" else None
                return Visitor(found[0], found[1]) if found else NOBODY

            visitor = await self._read(by_token)
            if visitor is NOBODY:
                self.wrong_rates.spend(address)
                raise RefusedError(401, SIGN_IN_FIRST)
            return visitor

        def by_session() -> Visitor:
            person = accounts.session(cookie, now_ms)
            return Visitor(person, None, cookie) if person else NOBODY

        return await self._read(by_session)

    def _turn_away(self, request: Request, visitor: Visitor) -> Response:
        if visitor.person is not None:
            raise RefusedError(403, NOT_YOURS)
        first = request.url.path.split("/")[1]
        if request.method == "GET" and first in LOCALES and self.accounts is not None:
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/{first}/sign-in?next={quote(asked, safe='')}", 303)
        raise RefusedError(401, SIGN_IN_FIRST)

    async def _check_origin(self, request: Request, visitor: Visitor) -> None:
        """Refuse what another page made this browser send."""
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
            raise RefusedError(403, FORM_TOO_OLD)
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RefusedError(403, FORM_TOO_OLD)
        if visitor.scopes is not None or visitor.person is None:
            return  # a token is no cookie; and without a session there is none to ride on
        given = request.headers.get("x-form-token") or (await form(request)).get(FORM_TOKEN, "")
        if not visitor.accepts(given):
            raise RefusedError(403, FORM_TOO_OLD)


def visitor_of(request: Request) -> Visitor:
    """Return who asks, after the gate; nobody before it (an error page)."""
    return getattr(request.state, "visitor", NOBODY)


async def body_of(request: Request, most: int) -> bytes:
    """Return the body; RefusedError when it is longer than `most` bytes."""
    known: bytes | None = getattr(request.state, "body", None)
    if known is not None:
        return known
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                found += piece
                if len(found) > most:
                    raise RefusedError(413, TOO_LONG)
    except TimeoutError:
        raise RefusedError(408, TOO_SLOW) from None
    request.state.body = bytes(found)
    return request.state.body


async def form(request: Request) -> dict[str, str]:
    """Return the fields of an urlencoded form; of a field that comes twice, the values joined by spaces."""
    known: dict[str, str] | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    found: dict[str, str] = {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    request.state.files = {}
    if kind == "multipart/form-data":
        # Only who signed in has a photo to send: strangers may fill no memory with theirs.
        most = UPLOAD_BYTES if visitor_of(request).person is not None else FORM_BYTES
        body = await body_of(request, most)
        found, request.state.files = multipart(request.headers["content-type"], body)
    elif kind == "application/x-www-form-urlencoded":
        try:
            text = (await body_of(request, FORM_BYTES)).decode()
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=200)
        except ValueError:
            raise RefusedError(400, TOO_LONG) from None
        for name, value in pairs:
            found[name] = f"{found[name]} {value}" if name in found else value
    request.state.form = found
    return found


def files(request: Request) -> dict[str, bytes]:
    """Return the files of a form that was read before."""
    return getattr(request.state, "files", {})


def multipart(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return fields and files of a multipart form (RFC 7578). Whatever is no such part is passed over.

    Of a field that comes twice, the values are joined by spaces, as `form` does.
    """
    fields: dict[str, str] = {}
    found: dict[str, bytes] = {}
    boundary = re.search(r'boundary="?([^";,\s]{1,70})', content_type)
    if boundary is None:
        return fields, found
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1", "replace"))[1:50]:
        head, gap, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        called = re.search(rb'form-data;.*?\bname="([^"\r\n]{1,60})"', head, re.IGNORECASE)
        if not gap or called is None:
            continue
        name = called[1].decode("utf-8", "replace")
        if re.search(rb'\bfilename="', head, re.IGNORECASE):
            found[name] = content
        else:
            text = content[:FORM_BYTES].decode("utf-8", "replace")
            fields[name] = f"{fields[name]} {text}" if name in fields else text
    return fields, found


def local_path(text: str, default: str) -> str:
    """Return a path of this page to go on to; the default for anything that could lead elsewhere."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_ours and "\\" not in text and len(text) < 2000 else default


def client_address(request: Request) -> str:
    """Return where a request comes from, for counting only."""
    return network_of(request.client.host) if request.client else ""


def _form_token(session: str, salt: str) -> str:
    return f"{salt}.{hmac.new(session.encode(), salt.encode(), hashlib.sha256).hexdigest()}"
