"""Looks once a minute whether everything is heard that should be, and tells people once for each cause.

Facts come from registry, store, networks and followers; causes from gateway.health; what was told to whom is
on record, so that neither a restart nor forty silent devices make forty mails. At night only what is urgent.

Of several workers each notes what is wrong with its own disk, connections and outlets; the one whose turn it
is also looks at the devices, and it alone tells people.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.health import Entry, Facts, Incident, IncidentBook, Rules, incidents
from gateway.health.words import message
from gateway.leases import Turn
from gateway.telling import Posting, Teller

logger = logging.getLogger("meetnet.health")
LOOK_S = 60.0
RESTS = 20.0  # of the length of a look: where devices are many, looking costs no more than a twentieth
KEPT_MS = 400 * 86_400_000
_WIDE = ("network", "gateway")  # of these the devices that they silence are on record
_OWN = (
    "disk",
    "disk_low",
    "certificate_ends",
    "certificate_ended",
    "platform",
    "rejected",
    *_WIDE,
)  # what a worker knows that others do not


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """quiet hours are of the time zone; from == to: none. remind_h: 0 = never again."""

    mail_to: tuple[str, ...] = ()
    webhook_url: str = ""
    language: str = "nl"
    time_zone: str = "Europe/Brussels"
    quiet_from_h: int = 22
    quiet_to_h: int = 7
    remind_h: int = 24
    rules: Rules = field(default_factory=Rules)


class Alerting:
    """Belongs to one loop; what blocks runs in a thread of its own."""

    def __init__(
        self,
        facts: Callable[[], Facts],
        book: IncidentBook,
        mailer: Posting,
        clock: Clock,
        counters: Counters,
        settings: AlertSettings,
        names: Callable[[Sequence[str]], Sequence[str]],
        turn: Turn | None = None,
    ) -> None:
        """names: the names of the sites at which devices are. turn: among workers; None: we are alone."""
        self._turn = turn
        self._facts = facts
        self._book = book
        self._teller = Teller(mailer, settings.mail_to, settings.webhook_url)
        self._clock = clock
        self._counters = counters
        self._settings = settings
        self._names = names
        self._zone = ZoneInfo(settings.time_zone)

    async def run(self) -> None:
        """Look each minute, more seldom where a look takes long, until cancelled."""
        loop = asyncio.get_running_loop()
        took_s = 0.0
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-health") as executor:
            while True:
                await asyncio.sleep(max(LOOK_S, RESTS * took_s))
                begin_s = loop.time()
                try:
                    await loop.run_in_executor(executor, lambda: self.look(self._facts()))
                except StoreError as error:
                    self._counters.count("health.failed", str(error))
                except Exception as error:  # whatever it is, the next look is in a minute
                    logger.exception("health")
                    self._counters.count("health.failed", repr(error))
                took_s = loop.time() - begin_s

    def look(self, facts: Facts) -> None:
        """Conclude, keep, and tell."""
        found = incidents(facts, self._settings.rules)
        if self._turn is not None and not self._turn.is_ours:
            self._book.update(facts.now_ms, [one for one in found if one.cause in _OWN])
            return
        if self._turn is not None:
            found = self._not_explained(found)
        self._book.update(facts.now_ms, found)
        remind_ms = self._settings.remind_h * 3_600_000 or 2**62
        for entry in self._book.to_tell(facts.now_ms, remind_ms):
            over = entry.closed_ms is not None
            if self.is_quiet(facts.now_ms) and not (entry.incident.urgent and not over):
                continue
            if self._tell(entry, facts.now_ms):
                self._book.told(entry, facts.now_ms)
                self._counters.count("health.told", entry.incident.key)
        self._book.forget_before(facts.now_ms - KEPT_MS)

    def _not_explained(self, found: Sequence[Incident]) -> list[Incident]:
        """Leave out devices that are silent for a cause which another worker has put on record."""
        ours = {one.key for one in found}
        explained = {
            dev_eui
            for entry in self._book.open()
            if entry.incident.cause in _WIDE and entry.incident.key not in ours
            for dev_eui in entry.incident.devices
        }
        return [one for one in found if one.cause in _OWN or not explained.issuperset(one.devices)]

    def is_quiet(self, now_ms: int) -> bool:
        """Tell whether it is night where the people are."""
        start, end = self._settings.quiet_from_h, self._settings.quiet_to_h
        hour = datetime.fromtimestamp(now_ms / 1000, self._zone).hour
        return start <= hour < end if start <= end else hour >= start or hour < end

    def _tell(self, entry: Entry, now_ms: int) -> bool:
        """Send by every way that is due; return whether this is done with."""
        incident = entry.incident
        names = self._names(incident.devices)
        again, over = entry.told_ms is not None, entry.closed_ms is not None
        about = {
            "id": entry.id,
            "cause": incident.cause,
            "subject": incident.subject,
            "sites": list(names),
            "since_ms": incident.since_ms,
            "closed_ms": entry.closed_ms,
        }
        words = message(incident, names, self._settings.language, again=again, over=over)
        return self._teller.tell(self._book, self._counters, entry, now_ms, words, about)
