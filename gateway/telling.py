"""The ways to the people who are told of incidents: a mail to each address, and a webhook.

Each way has its own fate on record. Whoever took a message is not sent it again because another did not, and
a wrong address does not keep the others from hearing of the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

import httpx

from gateway.counters import Counters
from gateway.health import Entry, IncidentBook
from gateway.health.book import Way
from gateway.publish.posting import web_page

WEBHOOK = "webhook"
WEBHOOK_TIMEOUT_S = 10.0
FIRST_MS, MOST_MS = 60_000, 30 * 60_000  # between tries of one way: doubled, at most
TRIES = 8  # some hours; then the others need not wait for this one any more


class Posting(Protocol):
    """A way to people (gateway.mail.Mailer is one). fault: why the last one was not taken."""

    fault: str

    def send(self, to: str, subject: str, text: str) -> bool:
        """Return whether it was taken."""
        ...


class Teller:
    """Calls block: run them beside the loop."""

    def __init__(self, mailer: Posting, mail_to: tuple[str, ...], webhook_url: str) -> None:
        self._mailer, self._mail_to, self._webhook_url = mailer, mail_to, webhook_url

    def ways(
        self, subject: str, text: str, about: Mapping[str, Any]
    ) -> Iterator[tuple[str, str, Callable[[], str]]]:
        """Yield who is to be told: its name on record, the address, and what sends (returns "" or why not).

        The name says nothing of the address: health.db is for more eyes than the settings. about: what the
        webhook gets beside title and text.
        """

        def mail(to: str) -> str:
            taken = self._mailer.send(to, f"Meetnet: {subject}", text)
            return "" if taken else self._mailer.fault or "the mail was not taken"

        for to in self._mail_to:
            yield f"mail {sha256(to.encode()).hexdigest()[:16]}", to, partial(mail, to)
        if self._webhook_url:
            body = {**about, "title": subject, "text": text}
            yield WEBHOOK, self._webhook_url, partial(self._post, body)

    def tell(
        self,
        book: IncidentBook,
        counters: Counters,
        entry: Entry,
        now_ms: int,
        message: tuple[str, str],
        about: Mapping[str, Any],
    ) -> bool:
        """Tell what there is to tell of an incident by every way that is due; return whether it is done with.

        It is when every way took it or was tried long enough, and one took it. With no way at all, the page
        tells.
        """
        known = book.ways(entry)
        here = known.pop(entry.occasion, {})
        asked = waiting = taken = 0
        for name, _, send in self.ways(*message, about):
            before = [ways[name] for ways in known.values() if name in ways]
            was_deaf = bool(before) and all(way.next_ms is not None for way in before)
            if was_deaf and entry.closed_ms is not None:
                continue  # was never told that it began
            asked += 1
            way = here.get(name, Way(TRIES - 1 if was_deaf else 0, now_ms))
            if way.next_ms is not None and way.next_ms <= now_ms:
                why = send()
                pause_ms = min(MOST_MS, FIRST_MS << min(way.tries, 10))
                way = Way(way.tries + 1, now_ms + pause_ms if why else None)
                book.tried(entry, name, way)
                if why:
                    counters.count("health.not_told", f"{entry.incident.key}: {why}")
            taken += way.next_ms is None
            waiting += way.next_ms is not None and way.tries < TRIES
        return not waiting and (taken > 0 or not asked)

    def _post(self, body: Mapping[str, Any]) -> str:
        try:
            answer = httpx.post(self._webhook_url, json=body, timeout=WEBHOOK_TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:  # also a strange proxy
            return f"alerts.webhook_url: cannot be reached ({type(error).__name__})"
        if answer.is_success and not web_page(answer):
            return ""
        what = "a web page" if answer.is_success else f"HTTP {answer.status_code}"
        return f"alerts.webhook_url: answers with {what}; give the address that takes a POST"
