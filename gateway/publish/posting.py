"""What publishers over HTTP share: one connection pool, faults as text, and what a status code means.

Any 2xx is success, unless it is a web page: sign-in pages, proxies and firewalls answer 200 to all, and
have kept nothing. 408, 425, 429 and 5xx pass; 401, 403, 404 and the like are faults of the settings, which
somebody will mend: both are waits. Only what the content itself causes (400, 409, 413, 422) is for good.
"""

from __future__ import annotations

import html
import re
from email.utils import parsedate_to_datetime
from enum import Enum
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from gateway.errors import ConfigError
from gateway.publish.http1 import Http1

HINTS = {
    401: "it wants a (better) token or password",
    403: "these credentials may not write here",
    404: "there is nothing at this address: check `url`",
    405: "this address takes no such request: check `url`",
}

_PAGE = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.I | re.S
)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.I | re.S)
_OF_TLS = re.compile(rb"\b(?:https|ssl|tls)\b", re.I)
_HEAD = 4096  # where a page says that it is one


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
    hint = sends_elsewhere(answer) if answer.is_redirect else HINTS.get(answer.status_code, "")
    parts = (f"HTTP {answer.status_code}", hint, " ".join(answer.text.split())[:300])
    return ": ".join(part for part in parts if part)


def sends_elsewhere(answer: httpx.Response) -> str:
    """Return the hint for a redirect: nothing is posted to where it points, which may be a sign-in page."""
    to = urlsplit(str(answer.headers.get("location", "")))
    where = f" to {to.scheme}://{to.netloc.rpartition('@')[2]}{to.path}"[:200] if to.netloc else ""
    return f"it sends elsewhere{where}: set `url` to the final address, or a token if that is a sign-in page"


def web_page(answer: httpx.Response) -> str:
    """Return in one line that a web page came where the platform should have answered; "" when it did not.

    Judged by what it begins with: the small servers of webhooks call "ok" text/html. A page with 400 counts
    when it speaks of TLS (plain HTTP at a port for TLS, no client certificate): that is a proxy's, and no
    word on what was sent. Any other may be the platform's own refusal of a value.
    """
    status = answer.status_code
    if not (200 <= status < 300 or status == 400) or not _PAGE.match(head := answer.content[:_HEAD]):
        return ""
    if status == 400 and not _OF_TLS.search(head):
        return ""
    found = _TITLE.search(head)
    title = " ".join(html.unescape(found[1].decode("utf-8", "replace")).split())[:80] if found else ""
    named = f' "{title}"' if title else ""
    return (
        f"HTTP {status} with a web page{named} instead of an answer of the platform: a sign-in page, proxy "
        "or firewall stands before it, or `url` is not the address of its interface"
    )


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
                answer = await self._http1.request(method, address, content, self._headers | (headers or {}))
            else:
                answer = await self._by_httpx().request(method, address, content=content, headers=headers)
            return web_page(answer) or answer
        except httpx.TimeoutException:
            return f"no answer within {self._timeout_s:g} s{self._by_proxy(address)}"
        except httpx.ConnectError as error:
            return f"cannot be reached at {self._url}{self._by_proxy(address)}: {error}{_tls_hint(error)}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = self._by_proxy(address)
            if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError) and address.startswith(
                "http://"
            ):
                hint += "; does `url` have to begin with https://?"
            return f"{type(error).__name__}: {error}{hint}"
        except (ImportError, ValueError) as error:  # a kind of proxy that httpx does not speak here
            return f"the proxy that http_proxy, https_proxy or all_proxy names cannot be used: {error}"

    async def close(self) -> None:
        """Close the connections."""
        if self._http1 is not None:
            await self._http1.close()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _by_proxy(self, address: str) -> str:
        """Say by which proxy a request went, without its password; "" where it went straight."""
        parts = urlsplit(address)
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all", "")
        if self._http1 is not None or not proxy or proxy_bypass(parts.hostname or ""):
            return ""
        return f" (by the proxy {proxy.rpartition('@')[2].rpartition('//')[2]} of the environment)"

    def _by_httpx(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=self._headers, timeout=self._timeout_s, transport=self._transport
            )
        return self._client


def _tls_hint(error: Exception) -> str:
    """Return what to look at for a fault of TLS, after a semicolon."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "; renew it, or add who signed it to the PEM file that SSL_CERT_FILE of the environment names"
    return "; does `url` have to begin with http://?" if "WRONG_VERSION_NUMBER" in text else ""


def is_address(value: str) -> bool:
    """Tell whether a text is an HTTP address: also its port, and IPv6 in brackets (RFC 3986, 3.2.2)."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def check_address(key: str, value: str, example: str) -> None:
    """Raise ConfigError unless a setting is an HTTP address without a password in it."""
    parts = urlsplit(value) if is_address(value) else None
    if parts is None:
        raise ConfigError(key, f"must be an address like {example}")
    if parts.username or parts.password:
        raise ConfigError(key, "holds a password: use the setting for it instead")


def check_between(key: str, value: float, low: float, high: float, example: str) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(key, f"must be {low:g} to {high:g}, for example {example}")
