"""A page with people of every role, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.web import House, WebSettings, create_app
from gateway.web.gate import COOKIE
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader, street
from tests.gateway.web.conftest import visitor

EMAILS = {role: f"{role}@example.org" for role in ("host", "technician", "staff", "operator")}
OWN_SITE = "tuin-1"


class Town:
    """A page over the street in memory, where EMAILS can sign in; the host hosts `tuin-1`."""

    def __init__(
        self,
        path: Path,
        reader: MemoryReader | None = None,
        clock: FixedClock | None = None,
        **house: Any,
    ) -> None:
        self.reader = reader or street()
        self.clock = clock or FixedClock()
        self.accounts = Accounts(path)
        self.mails: list[tuple[str, str, str]] = []
        for role, email in EMAILS.items():
            person = self.accounts.add(email, NOW_MS)
            if role == "host":
                self.accounts.host(person.id, OWN_SITE, NOW_MS)
            else:
                self.accounts.set_roles(person.id, [role])
        self.events = EventBook(path)
        self.house = House(self.accounts, True, self._send, **{"events": self.events, **house})
        settings = WebSettings(url="http://gateway")
        self.app = create_app(self.reader, lambda: {"uptime_s": 5}, self.clock, settings, house=self.house)

    def _send(self, to: str, subject: str, text: str) -> bool:
        self.mails.append((to, subject, text))
        return True

    def client(self, role: str = "public") -> httpx.AsyncClient:
        """Return a client that is signed in as a role."""
        client = visitor(self.app)
        if role != "public":
            person = self.accounts.find(EMAILS[role])
            assert person is not None
            client.cookies.set(COOKIE, self.accounts.open_session(person.id, self.clock.now_ms()))
        return client
