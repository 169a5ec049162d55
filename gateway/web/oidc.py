"""OpenID Connect: who somebody is, by the identity provider of a city. Authorization code flow with PKCE.

OpenID Connect Core 1.0 (section 3.1), Discovery 1.0, RFC 7636 (PKCE, S256), RFC 9207 (issuer in the answer).
Signatures and claims are checked by joserfc. Keys are read again when a token names one that is not known, so
a provider may change them at any time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.errors import GatewayError
from gateway.web.house import Identity

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
FLOW_S = 600.0  # from the button to the answer
MOST_FLOWS = 2_000
KEYS_EVERY_S = 60.0  # a token with a made-up key may not make us ask more often
LEEWAY_S = 60
TIMEOUT_S = 10.0


class OidcError(GatewayError):
    """The provider, or what came back in its name, is not to be trusted or cannot be reached."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """issuer: "" is off. redirect_uri: our address that the provider sends people back to."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    name: str = ""
    redirect_uri: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in under way. browser: hash of the cookie of the browser that began it."""

    nonce: str
    verifier: str
    browser: bytes
    onwards: str
    until_s: float


class OidcClient:
    """Talks with one provider. Belongs to one event loop."""

    def __init__(
        self,
        settings: OidcSettings,
        now_s: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings, self._now_s = settings, now_s
        self.name = settings.name or (urlsplit(settings.issuer).hostname or "")
        self._transport = transport
        self._flows: OrderedDict[str, Flow] = OrderedDict()
        self._about: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_at_s = -1e18
        self._lock = asyncio.Lock()

    async def begin(self, onwards: str) -> tuple[str, str]:
        """Return where to send the browser, and the value of a cookie that ties the answer to it."""
        about = await self._discover()
        state, nonce, verifier, cookie = (secrets.token_urlsafe(32) for _ in range(4))
        until_s = self._now_s() + FLOW_S
        self._flows[state] = Flow(nonce, verifier, _digest(cookie), onwards, until_s)
        while len(self._flows) > MOST_FLOWS:
            self._flows.popitem(last=False)
        challenge = base64.urlsafe_b64encode(_digest(verifier)).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "scope": "openid email",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = about["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", cookie

    async def finish(self, state: str, code: str, issuer: str | None, cookie: str) -> Identity:
        """Return who came back. Raise OidcError for whatever is not exactly as it was begun."""
        flow = self._flows.pop(state, None)  # an answer counts once
        if flow is None or flow.until_s < self._now_s():
            raise OidcError("oidc.state: unknown or too old; sign in again")
        if not secrets.compare_digest(flow.browser, _digest(cookie)):
            raise OidcError("oidc.state: another browser began this; sign in again")
        about = await self._discover()
        if issuer is not None and issuer != about["issuer"]:
            raise OidcError("oidc.iss: the answer came in the name of another provider")
        tokens = await self._tokens(about, code, flow)
        claims = await self._checked(about, tokens.get("id_token"), flow)
        email, verified = claims.get("email"), claims.get("email_verified")
        if not email:
            told = await self._userinfo(about, tokens)
            if told.get("sub") != claims["sub"]:
                raise OidcError("oidc.userinfo: speaks of somebody else")
            email, verified = told.get("email"), told.get("email_verified")
        if not isinstance(email, str) or not email or verified not in (True, "true"):
            raise OidcError("oidc.email: the provider vouches for no mail address")
        return Identity(str(claims["sub"]), email, flow.onwards)

    # -- within

    async def _discover(self) -> dict[str, Any]:
        async with self._lock:
            if self._about is None:
                issuer = self._settings.issuer
                found = await self._get(issuer.rstrip("/") + "/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    raise OidcError(f"oidc.issuer: the provider calls itself {found.get('issuer')!r}")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    _check_address(name, found.get(name))
                self._about = found
            return self._about

    async def _tokens(self, about: dict[str, Any], code: str, flow: Flow) -> dict[str, Any]:
        own = self._settings
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": own.redirect_uri,
            "code_verifier": flow.verifier,
        }
        ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = httpx.Auth()  # none
        if own.client_secret and "client_secret_basic" in ways:
            auth = httpx.BasicAuth(own.client_id, own.client_secret)
        else:
            body["client_id"] = own.client_id
            if own.client_secret:
                body["client_secret"] = own.client_secret
        async with self._client() as client:
            try:
                answer = await client.post(about["token_endpoint"], data=body, auth=auth)
            except httpx.HTTPError as error:
                raise OidcError(f"oidc.token: {type(error).__name__}; is the provider away?") from error
        if answer.status_code != 200:
            raise OidcError(f"oidc.token: answered {answer.status_code}")
        return _object(answer, "oidc.token")

    async def _checked(self, about: dict[str, Any], token: object, flow: Flow) -> dict[str, Any]:
        """Return the claims of an ID token that is signed, ours, fresh, and an answer to this flow."""
        if not isinstance(token, str):
            raise OidcError("oidc.token: no ID token came")
        try:
            decoded = jwt.decode(token, await self._keys_of(about), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            try:  # with a key that we have not seen yet?
                decoded = jwt.decode(token, await self._keys_of(about, anew=True), algorithms=ALGORITHMS)
            except (JoseError, ValueError) as error:
                raise OidcError(f"oidc.token: {type(error).__name__}") from error
        registry = jwt.JWTClaimsRegistry(
            now=int(self._now_s()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": about["issuer"]},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": flow.nonce},
        )
        try:
            registry.validate(decoded.claims)
        except JoseError as error:
            raise OidcError(f"oidc.token: {error}") from error
        audience, party = decoded.claims["aud"], decoded.claims.get("azp")
        if (isinstance(audience, list) and len(cast("list[Any]", audience)) > 1 and party is None) or (
            party is not None and party != self._settings.client_id
        ):
            raise OidcError("oidc.token: was made for another client")
        return decoded.claims

    async def _keys_of(self, about: dict[str, Any], anew: bool = False) -> KeySet:
        async with self._lock:
            is_due = self._now_s() - self._keys_at_s >= KEYS_EVERY_S
            if self._keys is None or (anew and is_due):
                self._keys_at_s = self._now_s()
                self._keys = KeySet.import_key_set(cast("Any", await self._get(about["jwks_uri"])))
            return self._keys

    async def _userinfo(self, about: dict[str, Any], tokens: dict[str, Any]) -> dict[str, Any]:
        address = about.get("userinfo_endpoint")
        if not address or not tokens.get("access_token"):
            return {}
        _check_address("userinfo_endpoint", address)
        return await self._get(address, {"authorization": f"Bearer {tokens['access_token']}"})

    async def _get(self, address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        _check_address("issuer", address)
        async with self._client() as client:
            try:
                answer = await client.get(address, headers=headers)
            except httpx.HTTPError as error:
                raise OidcError(f"oidc: {type(error).__name__} at {urlsplit(address).hostname}") from error
        if answer.status_code != 200:
            raise OidcError(f"oidc: {urlsplit(address).hostname} answered {answer.status_code}")
        return _object(answer, "oidc")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT_S, transport=self._transport)


def _object(answer: httpx.Response, what: str) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError as error:
        raise OidcError(f"{what}: the answer is no JSON") from error
    if not isinstance(found, dict):
        raise OidcError(f"{what}: the answer is no object")
    return cast("dict[str, Any]", found)


def _check_address(name: str, address: object) -> None:
    """Refuse an address that is not https; plain http on this machine only."""
    parts = urlsplit(str(address))
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        return
    raise OidcError(f"oidc.{name}: must be an https address")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
