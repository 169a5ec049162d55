"""A real store with chosen records, behind the public door, for what reads it by position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.model import Decoded, Observation, Uplink, judged
from gateway.registry import Site
from gateway.store import Outcome, SqlitePublicReader, SqliteStore
from tests.gateway.house import a_site
from tests.gateway.memory_reader import NOW_MS

PM = (("pm1", "ug/m3"), ("pm2_5", "ug/m3"), ("pm10", "ug/m3"))


class AStore:
    def __init__(self, folder: Path, sites: Sequence[Site] | None = None) -> None:
        self.store = SqliteStore(folder / "store.db")
        self.public = list(
            sites
            or [a_site(name, "air", longitude=3.7211, latitude=51.0512) for name in ("plein-1", "kaai-2")]
        )
        self.reader = SqlitePublicReader(self.store, lambda: self.public)
        self._seq = 0
        self._sequence = 0

    def outcome(
        self,
        site_id: str,
        observed_at_ms: int,
        received_at_ms: int | None = None,
        value: float | None = 8.2,
        flags: tuple[str, ...] = (),
        quantities: Sequence[tuple[str, str]] = PM,
        method: str = "none",
    ) -> Outcome:
        self._seq += 1
        self._sequence += 1
        received = observed_at_ms + 1500 if received_at_ms is None else received_at_ms
        dev_eui = f"70b3d57ed{abs(hash(site_id)) % 16**7:07x}"
        decoded = Decoded(dev_eui, self._seq, observed_at_ms, "network", received, ())
        observations = [
            Observation(
                site_id, dev_eui, self._seq, name, unit, value, value, "ok", flags, method,
                0 if method == "none" else 1, observed_at_ms, received, "network",
            )
            for name, unit in quantities
        ]  # fmt: skip
        uplink = Uplink("lorawan", dev_eui, 1, b"", received)
        return Outcome(self._sequence, uplink, [(decoded, site_id, judged(observations))])

    def add(self, site_id: str, observed_at_ms: int = NOW_MS, *args: object, **rest: object) -> None:
        self.store.commit([self.outcome(site_id, observed_at_ms, *args, **rest)])  # type: ignore[arg-type]

    def fill(self, records: int, start_ms: int = NOW_MS, step_ms: int = 60_000, batch: int = 500) -> None:
        """Records of all sites in turn, in time order."""
        waiting: list[Outcome] = []
        for number in range(records):
            site = self.public[number % len(self.public)].id
            waiting.append(self.outcome(site, start_ms + number * step_ms, value=number % 97 + 0.5))
            if len(waiting) == batch:
                self.store.commit(waiting)
                waiting = []
        self.store.commit(waiting)
