"""What publishers over HTTP share: one connection pool, faults as text, and what a status code means.

Any 2xx is success. 408, 425, 429 and 5xx pass; 401, 403, 404 and the like are faults of the settings, which
somebody will mend: both are waits. Only what the content itself causes (400, 409, 413, 422) is for good.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import Enum
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from gateway.errors import ConfigError
from gateway.publish.http1 import Http1

HINTS = {
    301: "it sends elsewhere: set `url` to the final address",
    302: "it sends elsewhere: set `url` to the final address",
    307: "it sends elsewhere: set `url` to the final address",
    308: "it sends elsewhere: set `url` to the final address",
    401: "it wants a (better) token or password",
    403: "these credentials may not write here",
    404: "there is nothing at this address: check `url`",
    405: "this address takes no such request: check `url`",
}


class Verdict(Enum):
    """What to do with the content of a request."""

    TAKEN = "taken"
    REFUSED = "refused"
    RETRY = "retry"


def judge(answer: httpx.Response) -> Verdict:
    """Return the verdict on an answer."""
    if 200 <= answer.status_code < 300:
        return Verdict.TAKEN
    return Verdict.REFUSED if answer.status_code in (400, 409, 413, 422) else Verdict.RETRY


def reason(answer: httpx.Response) -> str:
    """Return an answer as one line: status, hint, what the platform says."""
    parts = (
        f"HTTP {answer.status_code}",
        HINTS.get(answer.status_code, ""),
        " ".join(answer.text.split())[:300],
    )
    return ": ".join(part for part in parts if part)


def retry_after_s(answer: httpx.Response) -> float | None:
    """Return Retry-After in seconds; a date counts from the answer's own Date, as its clock is the same."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None


class HttpClient:
    """Requests to one platform. transport: for tests, as httpx takes it."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._timeout_s = url.rstrip("/"), timeout_s
        self._headers = {"user-agent": "meetnet", **headers}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        # Proxies have rules of their own (no_proxy, their own TLS and passwords), which httpx knows.
        self._http1 = None if transport is not None or set(getproxies()) - {"no"} else Http1(timeout_s)

    async def request(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response | str:
        """Return the answer, or in one line why there is none. path may be a whole address."""
        address = path if path.startswith(("http://", "https://")) else self._url + path
        try:
            if self._http1 is not None:
                return await self._http1.request(method, address, content, self._headers | (headers or {}))
            return await self._by_httpx().request(method, address, content=content, headers=headers)
        except httpx.TimeoutException:
            return f"no answer within {self._timeout_s:g} s"
        except httpx.ConnectError as error:
            return f"cannot be reached at {self._url}: {error}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"

    async def close(self) -> None:
        """Close the connections."""
        if self._http1 is not None:
            await self._http1.close()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _by_httpx(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=self._headers, timeout=self._timeout_s, transport=self._transport
            )
        return self._client


def check_address(key: str, value: str, example: str) -> None:
    """Raise ConfigError unless a setting is an HTTP address without a password in it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(key, f"must be an address like {example}")
    if parts.username or parts.password:
        raise ConfigError(key, "holds a password: use the setting for it instead")


def check_between(key: str, value: float, low: float, high: float, example: str) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(key, f"must be {low:g} to {high:g}, for example {example}")
