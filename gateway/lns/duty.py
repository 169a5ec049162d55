"""What each gateway may still send: the duty cycle of each sub-band over a sliding hour (ETSI EN 300 220-2).

An entry is durable before its frame leaves, so that a restart begins with the hour that was spent, not
with an empty one. Times are wall-clock milliseconds, because loop time does not outlive the process.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from gateway.clock import Clock
from wire.lorawan import eu868

from . import store

HOUR_MS = 3_600_000
_PRUNE_EVERY = 500


@dataclass(frozen=True, slots=True)
class Spent:
    """Time on air of one gateway in one sub-band."""

    gateway_id: str
    band: int
    end_ms: int
    airtime_us: int


@dataclass(slots=True)
class _Hour:
    """The last hour of one gateway and sub-band, and its sum."""

    rows: deque[Spent] = field(default_factory=deque[Spent])
    airtime_us: int = 0

    def keep(self, entry: Spent) -> None:
        self.rows.append(entry)
        self.airtime_us += entry.airtime_us

    def drop(self, entry: Spent) -> None:
        if entry in self.rows:
            self.rows.remove(entry)
            self.airtime_us -= entry.airtime_us

    def forget_before(self, end_ms: int) -> None:
        while self.rows and self.rows[0].end_ms <= end_ms:
            self.airtime_us -= self.rows.popleft().airtime_us


class DutyLedger:
    """Time on air of each gateway and sub-band in the last hour."""

    def __init__(self, session_store: store.SessionStore, clock: Clock) -> None:
        self._store = session_store
        self._clock = clock
        self._spent: defaultdict[tuple[str, int], _Hour] = defaultdict(_Hour)
        self._since_prune = 0
        for row in session_store.load_airtime(clock.now_ms() - HOUR_MS):
            self._keep(Spent(*row))

    def allows(self, gateway_id: str, frequency_hz: int, airtime_us: int) -> bool:
        """Tell whether the sub-band still has room for this long; never outside the sub-bands."""
        band = eu868.sub_band(frequency_hz)
        if band is None:
            return False
        spent = self._spent[gateway_id, band]
        spent.forget_before(self._clock.now_ms() - HOUR_MS)
        return spent.airtime_us + airtime_us <= HOUR_MS * eu868.SUB_BANDS[band][2]

    async def book(self, gateway_id: str, frequency_hz: int, airtime_us: int, in_s: float) -> Spent:
        """Book a transmission that ends in `in_s` seconds; durable on return, else StoreError."""
        entry = self._entry(gateway_id, frequency_hz, airtime_us, in_s)
        self._keep(entry)
        try:
            await self._store.commit(store.insert_airtime(*_row(entry)))
        except BaseException:
            self._drop(entry)
            raise
        self._since_prune += 1
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self._store.later(store.prune_airtime(self._clock.now_ms() - HOUR_MS))
        return entry

    def book_now(self, gateway_id: str, frequency_hz: int, airtime_us: int) -> None:
        """Book a transmission that a gateway reports after the fact; durable within a second."""
        entry = self._entry(gateway_id, frequency_hz, airtime_us, 0.0)
        self._keep(entry)
        self._store.later(store.insert_airtime(*_row(entry)))

    def give_back(self, entry: Spent) -> None:
        """Undo a booking of a frame that the gateway refused."""
        self._drop(entry)
        self._store.later(store.delete_airtime(*_row(entry)))

    def spent_us(self, gateway_id: str) -> dict[str, int]:
        """Return what a gateway spent of the last hour, by the name of the sub-band."""
        oldest_ms = self._clock.now_ms() - HOUR_MS
        return {
            eu868.SUB_BAND_NAMES[band]: sum(e.airtime_us for e in spent.rows if e.end_ms > oldest_ms)
            for (name, band), spent in sorted(self._spent.items())
            if name == gateway_id and spent.rows
        }

    def _entry(self, gateway_id: str, frequency_hz: int, airtime_us: int, in_s: float) -> Spent:
        band = eu868.sub_band(frequency_hz)
        assert band is not None  # `allows` was asked first
        return Spent(gateway_id, band, self._clock.now_ms() + round(in_s * 1000), airtime_us)

    def _keep(self, entry: Spent) -> None:
        self._spent[entry.gateway_id, entry.band].keep(entry)

    def _drop(self, entry: Spent) -> None:
        self._spent[entry.gateway_id, entry.band].drop(entry)


def _row(entry: Spent) -> tuple[str, int, int, int]:
    return entry.gateway_id, entry.band, entry.end_ms, entry.airtime_us
