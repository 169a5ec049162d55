"""When the second look happens: each hour, once late records had their time, and each day.

What it finds is kept in review.db and stands among the flags of every reader from then on. Records that come
later still are looked at when `meetnet quality review` is run over their time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.model import Assessment
from gateway.quality.neighbours import Floats
from gateway.quality.review import MONTH_MS, NETWORK_CHECKS, QUANTITIES, Member, Reviewer
from gateway.quality.table import HOUR_MS
from gateway.store.assessments import Assessments
from gateway.store.history.reading import Hourly
from gateway.store.rows import Row

logger = logging.getLogger("meetnet.review")
LATE_MS = 10 * 60_000  # how long after its end an hour is looked at
MOST_SITES = 5000  # above it, distances and a month of hours take more than a small computer has
AGAIN_HOURS = 3  # hours that are looked at again for what came late
DAY_MS = 24 * HOUR_MS
_HOURLY, _MONTHLY = "hours", "month"


class Scanning(Protocol):
    """What is read of the store."""

    def scan(
        self, start_ms: int, end_ms: int, sites: Iterable[str], *, descending: bool = False
    ) -> Iterable[Row]:
        """Yield the observations of a time."""
        ...

    def hourly(self, quantity: str, start_ms: int, end_ms: int, sites: Iterable[str]) -> Hourly:
        """Return the means of the good values of whole hours, out of the rollups."""
        ...


class Placed(Protocol):
    """What is read of a registered site: its true position, which stays here."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def longitude(self) -> float: ...  # noqa: D102
    @property
    def latitude(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Look:
    """What a look over a time found, by quantity, and how many values it saw."""

    start_ms: int
    end_ms: int
    seen: int
    found: Mapping[str, Sequence[Assessment]]


class Review:
    """Looks, and keeps what it finds."""

    def __init__(
        self,
        store: Scanning,
        sites: Callable[[], Sequence[Placed]],
        assessments: Assessments,
        clock: Clock,
        counters: Counters,
        count: Callable[[], int] | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """count: how many sites there are, without reading them all. is_wanted: whether anybody reads it."""
        self._is_wanted = is_wanted
        self._count = count or (lambda: sum(1 for _ in sites()))
        self._store = store
        self._sites = sites
        self._assessments = assessments
        self._clock = clock
        self._counters = counters
        self._members: tuple[Member, ...] = ()
        self._reviewer = Reviewer(())

    async def run(self) -> None:
        """Look whenever an hour or a day has passed, until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-review") as executor:
            while True:
                now_ms = self._clock.now_ms()
                try:
                    if self._is_wanted():
                        await loop.run_in_executor(executor, self.catch_up, now_ms)
                except StoreError as error:
                    self._counters.count("review.failed", str(error))
                except Exception as error:  # a look that fails must not end all those after it
                    logger.exception("review")
                    self._counters.count("review.failed", repr(error))
                await asyncio.sleep(max(1.0, (_next_look(now_ms) - now_ms) / 1000))

    def catch_up(self, now_ms: int) -> None:
        """Look at the hours that ended since the last look (at most a day), and at the month once a day."""
        sites = self._count()
        if sites > MOST_SITES:
            self._counters.count("review.too_many_sites", f"{sites} sites, {MOST_SITES} are compared at most")
            return
        end_ms = (now_ms - LATE_MS) // HOUR_MS * HOUR_MS
        done_ms = self._assessments.reviewed_until(_HOURLY)
        if done_ms < end_ms:
            start_ms = max(end_ms - DAY_MS, min(done_ms, end_ms) - AGAIN_HOURS * HOUR_MS)
            self.keep(self.hours(start_ms, end_ms), period=False)
        day_ms = end_ms // DAY_MS * DAY_MS
        if self._assessments.reviewed_until(_MONTHLY) < day_ms:
            self.keep(self.month(day_ms), period=True)

    def hours(self, start_ms: int, end_ms: int) -> Look:
        """Look at whole hours; nothing is kept."""
        means, seen = self._hourly_means(start_ms, end_ms)
        reviewer = self._network()
        found = {quantity: reviewer.hours(quantity, start_ms, matrix) for quantity, matrix in means.items()}
        return Look(start_ms, end_ms, seen, found)

    def month(self, end_ms: int) -> Look:
        """Look at the 30 days before a time; what is found holds for the day before it."""
        means, seen = self._rolled_means(end_ms - MONTH_MS, end_ms)
        reviewer = self._network()
        found = {
            quantity: [
                Assessment(one.site_id, quantity, end_ms - DAY_MS, end_ms, one.flag, one.version, one.detail)
                for one in reviewer.period(quantity, end_ms - MONTH_MS, matrix)
            ]
            for quantity, matrix in means.items()
        }
        return Look(end_ms - DAY_MS, end_ms, seen, found)

    def keep(self, look: Look, *, period: bool) -> None:
        """Put what a look found in the place of what the same checks found of that time before."""
        for quantity in QUANTITIES:
            kinds = [
                (check.name, check.version)
                for check in NETWORK_CHECKS
                if check.quantity == quantity and check.period == period
            ]
            rows = look.found.get(quantity, ())
            self._assessments.replace(quantity, look.start_ms, look.end_ms, kinds, rows)
            for row in rows:
                self._counters.count(f"review.{row.flag}", f"{row.site_id} {row.quantity}: {row.detail}")
        # Only now: a look that was cut short is done again.
        name = _MONTHLY if period else _HOURLY
        self._assessments.replace("", look.start_ms, look.end_ms, (), (), name)

    def _network(self) -> Reviewer:
        members = tuple(Member(site.id, site.longitude, site.latitude) for site in self._sites())
        if members != self._members:
            self._members, self._reviewer = members, Reviewer(members)
        return self._reviewer

    def _hourly_means(self, start_ms: int, end_ms: int) -> tuple[dict[str, Floats], int]:
        """Return hourly means of the shown values that no check flagged (hours x members), by quantity."""
        column = {member.site_id: number for number, member in enumerate(self._network().members)}
        shape = ((end_ms - start_ms) // HOUR_MS, len(column))
        sums = {quantity: np.zeros(shape) for quantity in QUANTITIES}
        counts = {quantity: np.zeros(shape) for quantity in QUANTITIES}
        seen = 0
        for row in self._store.scan(start_ms, end_ms, column):
            into = sums.get(row.form.quantity)
            if into is None or row.value is None or row.form.flags or row.form.state != "ok":
                continue
            at = (row.observed_at_ms - start_ms) // HOUR_MS, column[row.site_id]
            into[at] += row.value
            counts[row.form.quantity][at] += 1
            seen += 1
        if not seen:
            return {}, 0
        with np.errstate(invalid="ignore"):
            return {quantity: sums[quantity] / counts[quantity] for quantity in QUANTITIES}, seen

    def _rolled_means(self, start_ms: int, end_ms: int) -> tuple[dict[str, Floats], int]:
        """Return the same out of rollups: what warms up, or is degraded, counts with the rest of its hour."""
        members = [member.site_id for member in self._network().members]
        found: dict[str, Floats] = {}
        seen = 0
        for quantity in QUANTITIES:
            hourly = self._store.hourly(quantity, start_ms, end_ms, members)
            column = {site_id: at for at, site_id in enumerate(hourly.sites)}
            found[quantity] = hourly.means[:, [column[site_id] for site_id in members]]
            seen += int(hourly.n.sum())
        return (found, seen) if seen else ({}, 0)


def _next_look(now_ms: int) -> int:
    return (now_ms - LATE_MS) // HOUR_MS * HOUR_MS + HOUR_MS + LATE_MS
