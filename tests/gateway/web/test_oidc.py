"""ID tokens that are not what they should be are refused. Forged by hand, with `cryptography` alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.web.oidc import OidcClient, OidcError, OidcSettings

ISSUER, CLIENT, NOW_S = "https://login.example.org", "meetnet", 1_800_000_000
KEY = rsa.generate_private_key(65537, 2048)


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    head = {"alg": "RS256", "kid": "a", **(header or {})}
    text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
    numbers = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    match head["alg"]:
        case "none":
            return text + "."
        case "HS256":  # signed with what everybody knows: the public key
            return text + "." + b64(hmac.new(numbers, text.encode(), hashlib.sha256).digest())
        case _:
            return text + "." + b64(KEY.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


class Provider:
    """A provider in memory: what it tells of itself, and the token that it will give."""

    def __init__(self) -> None:
        numbers = KEY.public_key().public_numbers()
        n, e = (one.to_bytes((one.bit_length() + 7) // 8, "big") for one in (numbers.n, numbers.e))
        self.keys = {"keys": [{"kty": "RSA", "kid": "a", "use": "sig", "n": b64(n), "e": b64(e)}]}
        self.about: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": ISSUER + "/auth",
            "token_endpoint": ISSUER + "/token",
            "jwks_uri": ISSUER + "/keys",
            "userinfo_endpoint": ISSUER + "/me",
        }
        self.token: Any = None
        self.told: dict[str, Any] = {}
        self.asked: list[str] = []
        self.forms: list[dict[str, list[str]]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        match request.url.path:
            case "/token":
                self.forms.append(parse_qs(request.content.decode()))
                return httpx.Response(200, json={"id_token": self.token, "access_token": "t"})
            case "/keys":
                return httpx.Response(200, json=self.keys)
            case "/me":
                return httpx.Response(200, json=self.told)
            case _:
                return httpx.Response(200, json=self.about)


def client(provider: Provider, issuer: str = ISSUER) -> OidcClient:
    settings = OidcSettings(issuer, CLIENT, "secret", "", "https://meet.example.org/oidc/callback")
    return OidcClient(settings, lambda: float(NOW_S), httpx.MockTransport(provider.answer))


def claims(fresh: str, **other: Any) -> dict[str, Any]:
    found = {
        "iss": ISSUER, "aud": CLIENT, "sub": "1", "exp": NOW_S + 300, "iat": NOW_S, "nonce": fresh,
        "email": "an@example.org", "email_verified": True, **other,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


async def come_back(provider: Provider, other: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    own = client(provider)
    address, cookie = await own.begin("/nl/waste")
    query = parse_qs(urlsplit(address).query)
    provider.token = signed(claims(query["nonce"][0], **other), header)
    identity = await own.finish(query["state"][0], "code", None, cookie)
    # RFC 7636: the challenge was the SHA-256 of what the token endpoint got.
    verifier = provider.forms[-1]["code_verifier"][0]
    assert query["code_challenge"] == [b64(hashlib.sha256(verifier.encode()).digest())]
    assert query["code_challenge_method"] == ["S256"]
    assert identity.onwards == "/nl/waste"
    return identity.email


@pytest.mark.parametrize(
    "other", [{}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"], "azp": CLIENT}, {"exp": NOW_S - 30}]
)
async def test_a_sound_token_is_taken(other: dict[str, Any]) -> None:
    assert await come_back(Provider(), other) == "an@example.org"


@pytest.mark.parametrize(
    ("other", "header"),
    [
        ({"nonce": "another"}, {}), ({"nonce": None}, {}), ({"iss": "https://evil.example"}, {}),
        ({"aud": "another"}, {}), ({"aud": [CLIENT, "x"]}, {}), ({"azp": "another"}, {}),
        ({"exp": NOW_S - 120}, {}), ({"exp": None}, {}), ({"iat": NOW_S + 600}, {}), ({"sub": None}, {}),
        ({}, {"alg": "none"}), ({}, {"alg": "HS256"}), ({}, {"kid": "b"}),
        ({"email_verified": False}, {}), ({"email_verified": None}, {}),
    ],
)  # fmt: skip
async def test_a_token_that_is_not_sound_is_refused(other: dict[str, Any], header: dict[str, Any]) -> None:
    with pytest.raises(OidcError):
        await come_back(Provider(), other, header)


async def test_a_token_without_address_asks_for_it_and_only_of_the_same_person() -> None:
    provider = Provider()
    provider.told = {"sub": "1", "email": "bo@example.org", "email_verified": True}
    assert await come_back(provider, {"email": None}) == "bo@example.org"
    provider.told["sub"] = "2"
    with pytest.raises(OidcError, match="somebody else"):
        await come_back(provider, {"email": None})


async def test_a_broken_signature_asks_for_keys_once_not_at_each_try() -> None:
    provider = Provider()
    own = client(provider)
    for _ in range(5):
        address, cookie = await own.begin("")
        query = parse_qs(urlsplit(address).query)
        provider.token = signed(claims(query["nonce"][0]))[:-4] + "AAAA"
        with pytest.raises(OidcError):
            await own.finish(query["state"][0], "code", None, cookie)
    assert provider.asked.count("/keys") == 1


async def test_the_provider_must_be_the_one_that_was_named() -> None:
    provider = Provider()
    provider.about["issuer"] = "https://evil.example"
    with pytest.raises(OidcError, match="calls itself"):
        await client(provider).begin("")
    with pytest.raises(OidcError, match="https"):
        await client(Provider(), "http://login.example.org").begin("")
    provider = Provider()
    provider.about["token_endpoint"] = "http://login.example.org/token"
    with pytest.raises(OidcError, match="https"):
        await client(provider).begin("")


async def test_the_answer_of_another_provider_is_refused() -> None:
    provider = Provider()
    own = client(provider)
    address, cookie = await own.begin("")
    state = parse_qs(urlsplit(address).query)["state"][0]
    with pytest.raises(OidcError, match="another provider"):
        await own.finish(state, "code", "https://evil.example", cookie)
    with pytest.raises(OidcError, match="too old"):
        await own.finish(state, "code", None, cookie)
