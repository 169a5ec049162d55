"""Pages over a real registry, store and book of claims: the demo street with a day of values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from gateway.claims import ClaimBook
from gateway.commissioning import RecentUplinks, SiteReports
from gateway.config import Config
from gateway.config_bench import ConfigBench
from gateway.decode import Profiles
from gateway.desk import make_desk
from gateway.explaining import Sources, explain
from gateway.health import IncidentBook
from gateway.healthfacts import Collector
from gateway.model import Uplink
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.registry.notes import NoteBook
from gateway.registry.people import Person
from gateway.registry.rounds import Rounds
from gateway.registry.siting import SitingBook
from gateway.store import Outcome, SqlitePublicReader, SqliteStore
from gateway.store.assessments import Assessments
from gateway.web import House, WebSettings, create_app
from gateway.web.gate import COOKIE
from tests.gateway.memory_reader import NOW_MS, FixedClock
from tests.gateway.web.conftest import visitor
from tools.town import fill

GARDEN, AIR, NOISE, BIN = (f"proefstraat-{n}" for n in ("04-garden", "01-air", "02-noise", "03-bin"))


class RealTown:
    """Close it when done. The street's values end at NOW_MS."""

    def __init__(self, path: Path, sites: int = 12, days: float = 1.2) -> None:
        fill(path, sites, days, 30, 1, NOW_MS)
        self.path = path
        self.clock = FixedClock()
        self.registry, self.store = Registry(path), SqliteStore(path / "store.db")
        self.claims, self.accounts = ClaimBook(path / "claims.db"), Accounts(path)
        self.reports, self.recent = SiteReports(path), RecentUplinks()
        self.rounds, self.incidents = Rounds(path), IncidentBook(path / "health.db")
        self.events, self.notes = EventBook(path), NoteBook(path)
        self.assessments = Assessments(path / "review.db")
        self.siting = SitingBook(
            path,
            lambda site, from_ms, to_ms: self.assessments.mark(
                site, "precipitation", from_ms, to_ms, "maintenance", "poured"
            ),
        )
        self.config = config = Config(
            {"data.directory": str(path)}, {"webhook": {"url": "http://127.0.0.1:9/", "secret": "s" * 32}}
        )
        self.desk = make_desk(
            config,
            self.registry,
            self.claims,
            self.store,
            self.recent,
            self.reports,
            self.rounds,
            lambda work: 0,  # there is no raw log
            self.clock.now_ms,
            self.incidents,
            Collector(self.registry, self.store, self.recent, dict, dict, lambda: (0, ""), 0),
            self.siting,
            self.assessments,
        )
        self.reader = SqlitePublicReader(
            self.store,
            lambda: self.registry.consenting_sites("public", self.clock.now_ms()),
            lambda: self.registry.consented_since("public", self.clock.now_ms()),
        )
        self.mails: list[tuple[str, str, str]] = []
        self.frames: dict[int, Uplink] = {}  # of a raw log, by sequence
        self.open()

    def open(self, settings: ConfigBench | None = None, **more: Any) -> None:
        """Open the pages, with a way to the nodes or without."""
        self.house = House(
            self.accounts, True, self._send, desk=self.desk, settings=settings, events=self.events,
            **{"notes": self.notes, "explain": self.explain, **more},
        )  # fmt: skip
        self.app = create_app(
            self.reader, dict, self.clock, WebSettings(url="http://gateway"), house=self.house
        )

    async def explain(self, reading: str) -> dict[str, Any]:
        profiles = Profiles(self.path / "profiles")
        return explain(
            Sources(
                self.config, self.registry, self.store, self.assessments, profiles, self.path / "side",
                self.frames.get,
            ),
            reading,
        )  # fmt: skip

    def _send(self, to: str, subject: str, text: str) -> bool:
        self.mails.append((to, subject, text))
        return True

    def device(self, site_id: str) -> str:
        return next(
            one.dev_eui
            for one in self.registry.devices()
            if self.registry.site_of(one.dev_eui, NOW_MS).id == site_id  # type: ignore[union-attr]
        )

    def host(self, email: str, site_id: str) -> Person:
        """Make somebody the host of a site, as a claim does."""
        person = self.accounts.add(email, NOW_MS)
        dev_eui = self.device(site_id)
        self.claims.claim(self.claims.issue(dev_eui, NOW_MS), f"person:{person.id}", NOW_MS)
        self.accounts.host(person.id, site_id, NOW_MS)
        return person

    def hear(self, site_id: str) -> None:
        """Let the network hear the device of a site now."""
        uplink = Uplink("mqtt", self.device(site_id), 2, b"", self.clock.now_ms())
        self.store.commit([Outcome(1, uplink)])

    def client(self, email: str = "") -> httpx.AsyncClient:
        client = visitor(self.app)
        person = self.accounts.find(email)
        if person is not None:
            client.cookies.set(COOKIE, self.accounts.open_session(person.id, self.clock.now_ms()))
        return client

    def staff(self, role: str) -> httpx.AsyncClient:
        person = self.accounts.add(f"{role}@example.org", NOW_MS)
        self.accounts.set_roles(person.id, [role])
        return self.client(person.email)

    def close(self) -> None:
        parts = (self.store, self.registry, self.claims, self.accounts)
        for part in (*parts, self.reports, self.rounds, self.incidents, self.events, self.notes,
                     self.siting, self.assessments):  # fmt: skip
            part.close()


async def token_in(client: httpx.AsyncClient, path: str = "/nl/me") -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', (await client.get(path)).text)
    return found[1] if found else ""
