"""When the second look happens: each hour, once late records had their time, and each day.

What it finds is kept in review.db and stands among the flags of every reader from then on. Records that come
later still are looked at when `meetnet quality review` is run over their time. A network of many sites is
looked at district by district, with a pause after each, so that measuring hardly notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.model import Assessment
from gateway.quality.neighbours import Floats
from gateway.quality.network import MOST_SITES, Member, Network
from gateway.quality.review import MONTH_MS, NETWORK_CHECKS, QUANTITIES, Reviewer
from gateway.quality.table import HOUR_MS
from gateway.store.assessments import Assessments
from gateway.store.history.reading import Hourly
from gateway.store.rows import Row

logger = logging.getLogger("meetnet.review")
LATE_MS = 10 * 60_000  # how long after its end an hour is looked at
AGAIN_HOURS = 3  # hours that are looked at again for what came late
DAY_MS = 24 * HOUR_MS
PAUSES = 3.0  # of the length of a step
_HOURLY, _MONTHLY = "hours", "month"
_Means = tuple[dict[str, Floats], int]  # by quantity: hours x sites; and of how many values


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

    def has_any(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether anything was observed in a time."""
        ...


@dataclass(slots=True)
class Look:
    """What a look over a time found, by quantity, and how many values it saw."""

    start_ms: int
    end_ms: int
    seen: int = 0
    found: dict[str, list[Assessment]] = field(default_factory=dict[str, list[Assessment]])


class Review:
    """Looks, and keeps what it finds."""

    def __init__(
        self,
        store: Scanning,
        places: Callable[[], Sequence[tuple[str, float, float]]],
        assessments: Assessments,
        clock: Clock,
        counters: Counters,
        is_wanted: Callable[[], bool] = lambda: True,
        most_sites: int = MOST_SITES,
    ) -> None:
        """places: id, longitude and latitude of each site. is_wanted: whether anybody reads what is found.

        most_sites: how many are judged as one network; of more, no list is kept between two looks.
        """
        self._is_wanted = is_wanted
        self._store = store
        self._places = places
        self._assessments = assessments
        self._clock = clock
        self._counters = counters
        self._most_sites = most_sites
        self._members: list[Member] = []
        self._kept = Network(())

    async def run(self) -> None:
        """Look whenever an hour or a day has passed, until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-review") as executor:
            while True:
                now_ms = self._clock.now_ms()
                try:
                    steps = self.steps(now_ms) if self._is_wanted() else iter(())
                    started_s = loop.time()
                    while await loop.run_in_executor(executor, next, steps, False):
                        await asyncio.sleep(PAUSES * (loop.time() - started_s))
                        started_s = loop.time()
                except StoreError as error:
                    self._counters.count("review.failed", str(error))
                except Exception as error:  # a look that fails must not end all those after it
                    logger.exception("review")
                    self._counters.count("review.failed", repr(error))
                await asyncio.sleep(
                    max(1.0, (_next_look(self._clock.now_ms()) - self._clock.now_ms()) / 1000)
                )

    def catch_up(self, now_ms: int) -> None:
        """Take all steps at once."""
        for _ in self.steps(now_ms):
            pass

    def steps(self, now_ms: int) -> Iterator[bool]:
        """Look at the hours that ended since the last look (at most a day), and at the month once a day.

        Yield True after each district.
        """
        end_ms = (now_ms - LATE_MS) // HOUR_MS * HOUR_MS
        done_ms = self._assessments.reviewed_until(_HOURLY)
        if done_ms < end_ms:
            start_ms = max(end_ms - DAY_MS, min(done_ms, end_ms) - AGAIN_HOURS * HOUR_MS)
            look = yield from self._look(start_ms, end_ms, self._hours_of)
            self.keep(look, period=False)
        day_ms = end_ms // DAY_MS * DAY_MS
        if self._assessments.reviewed_until(_MONTHLY) < day_ms:
            look = yield from self._look(day_ms - MONTH_MS, day_ms, self._month_of)
            self.keep(_of_last_day(look), period=True)

    def hours(self, start_ms: int, end_ms: int) -> Look:
        """Look at whole hours; nothing is kept."""
        return _ended(self._look(start_ms, end_ms, self._hours_of))

    def month(self, end_ms: int) -> Look:
        """Look at the 30 days before a time; what is found holds for the day before it."""
        return _of_last_day(_ended(self._look(end_ms - MONTH_MS, end_ms, self._month_of)))

    def _look(
        self,
        start_ms: int,
        end_ms: int,
        judge: Callable[[Reviewer, int, int, bool], tuple[Mapping[str, Sequence[Assessment]], int]],
    ) -> Generator[bool, None, Look]:
        """Look at all districts, one after the other."""
        look = Look(start_ms, end_ms)
        if self._store.has_any(start_ms, end_ms):
            network = self._network()
            is_one = len(network.districts) == 1
            for district in network.districts:
                found, seen = judge(network.reviewer(district), start_ms, end_ms, is_one)
                look.seen += seen
                for quantity, rows in found.items():
                    look.found.setdefault(quantity, []).extend(rows)
                yield True
        return look

    def _hours_of(
        self, reviewer: Reviewer, start_ms: int, end_ms: int, is_one: bool
    ) -> tuple[Mapping[str, Sequence[Assessment]], int]:
        if is_one:
            means, seen = self._hourly_means(reviewer.site_ids, start_ms, end_ms)
        else:
            means, seen = self._rolled_means(reviewer.site_ids, start_ms, end_ms, reviewer.judged)
        return {
            quantity: reviewer.hours(quantity, start_ms, matrix) for quantity, matrix in means.items()
        }, seen

    def _month_of(
        self, reviewer: Reviewer, start_ms: int, end_ms: int, _is_one: bool
    ) -> tuple[Mapping[str, Sequence[Assessment]], int]:
        found: dict[str, Sequence[Assessment]] = {}
        seen = 0
        for quantity in QUANTITIES:
            means, n = self._rolled_mean(reviewer.site_ids, quantity, start_ms, end_ms, reviewer.judged)
            seen += n
            if n:
                found[quantity] = reviewer.period(quantity, start_ms, means)
        return found, seen

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

    def _network(self) -> Network:
        members = [Member(*place) for place in self._places()]
        if members != self._members or not members:
            network = Network(members, self._most_sites)
            if len(network.districts) > 1:
                return network
            self._members, self._kept = members, network
        return self._kept

    def _hourly_means(self, site_ids: Sequence[str], start_ms: int, end_ms: int) -> _Means:
        """Return hourly means of the shown values that no check flagged."""
        column = {site_id: number for number, site_id in enumerate(site_ids)}
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

    def _rolled_means(self, site_ids: Sequence[str], start_ms: int, end_ms: int, judged: int) -> _Means:
        """Return the same out of rollups: what warms up, or is degraded, counts with the rest of its hour.

        judged: only the values of so many sites are counted.
        """
        found: dict[str, Floats] = {}
        seen = 0
        for quantity in QUANTITIES:
            found[quantity], n = self._rolled_mean(site_ids, quantity, start_ms, end_ms, judged)
            seen += n
        return (found, seen) if seen else ({}, 0)

    def _rolled_mean(
        self, site_ids: Sequence[str], quantity: str, start_ms: int, end_ms: int, judged: int
    ) -> tuple[Floats, int]:
        hourly = self._store.hourly(quantity, start_ms, end_ms, site_ids)
        column = {site_id: at for at, site_id in enumerate(hourly.sites)}
        order = [column[site_id] for site_id in site_ids]
        return hourly.means[:, order], int(hourly.n[:, order[:judged]].sum())


def _ended(steps: Generator[bool, None, Look]) -> Look:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _of_last_day(look: Look) -> Look:
    """Return what was found of a month as of its last day."""
    start_ms = look.end_ms - DAY_MS
    found = {
        quantity: [
            Assessment(one.site_id, quantity, start_ms, look.end_ms, one.flag, one.version, one.detail)
            for one in rows
        ]
        for quantity, rows in look.found.items()
    }
    return Look(start_ms, look.end_ms, look.seen, found)


def _next_look(now_ms: int) -> int:
    return (now_ms - LATE_MS) // HOUR_MS * HOUR_MS + HOUR_MS + LATE_MS
