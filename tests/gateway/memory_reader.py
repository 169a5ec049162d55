"""A street in memory behind the PublicReader door, for tests of pages and publishers."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model import Bucket, PublicObservation, PublicSite

from .plain_buckets import buckets

NOW_MS = 1_763_920_800_000  # 2025-11-23T18:00:00Z
MINUTE_MS = 60_000


class MemoryReader:
    """Rows are kept in store order; reads sort and cut as the protocol says."""

    def __init__(self) -> None:
        self.registered: dict[str, PublicSite] = {}
        self.rows: list[PublicObservation] = []

    def add_site(self, site_id: str, kind: str, name: str = "", **other: object) -> None:
        fields: dict[str, object] = {
            "longitude": 3.72,
            "latitude": 51.05,
            "precision_m": 100,
            "licence": "CC-BY-4.0",
            "quantities": (),
            "last_observed_at_ms": None,
            **other,
        }
        self.registered[site_id] = PublicSite(site_id=site_id, name=name or site_id, kind=kind, **fields)  # type: ignore[arg-type]

    def add(
        self,
        site_id: str,
        quantity: str,
        unit: str,
        value: float | None,
        at_ms: int = NOW_MS,
        *,
        state: str = "ok",
        flags: tuple[str, ...] = (),
        raw: float | None = None,
        method: str = "none",
        version: int = 0,
    ) -> PublicObservation:
        row = PublicObservation(
            position=len(self.rows) + 1,
            site_id=site_id,
            quantity=quantity,
            unit=unit,
            raw_value=value if raw is None else raw,
            value=value,
            state=state,
            flags=flags,
            method=method,
            method_version=version,
            observed_at_ms=at_ms,
            received_at_ms=at_ms + 1500,
        )
        self.rows.append(row)
        return row

    def buckets(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        rows = self.series(site_id, quantity, start_ms, end_ms, 2**62)
        values = ((row.observed_at_ms, row.value, bool(row.flags)) for row in rows)
        return buckets(values, rows[-1].unit if rows else "", start_ms, step_ms)

    def sites(self) -> Sequence[PublicSite]:
        found = []
        for site in sorted(self.registered.values(), key=lambda site: site.site_id):
            mine = [row for row in self.rows if row.site_id == site.site_id]
            fields = {name: getattr(site, name) for name in PublicSite.__slots__}
            fields["quantities"] = tuple(sorted({row.quantity for row in mine}))
            fields["last_observed_at_ms"] = max((row.observed_at_ms for row in mine), default=None)
            found.append(PublicSite(**fields))
        return found

    def latest(self) -> Sequence[PublicObservation]:
        newest: dict[tuple[str, str], PublicObservation] = {}
        for row in self.rows:
            key = (row.site_id, row.quantity)
            if key not in newest or row.observed_at_ms >= newest[key].observed_at_ms:
                newest[key] = row
        return list(newest.values())

    def series(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> Sequence[PublicObservation]:
        rows = [
            row
            for row in self.rows
            if row.site_id == site_id and row.quantity == quantity and start_ms <= row.observed_at_ms < end_ms
        ]
        return sorted(rows, key=lambda row: row.observed_at_ms)[-limit:]

    def after(self, position: int, limit: int) -> Sequence[PublicObservation]:
        return [row for row in self.rows if row.position > position][:limit]

    def observations(
        self, start_ms: int, end_ms: int, site_id: str | None = None, limit: int = 100_000
    ) -> Sequence[PublicObservation]:
        rows = [
            row
            for row in self.rows
            if start_ms <= row.observed_at_ms < end_ms and site_id in (None, row.site_id)
        ]
        return sorted(rows, key=lambda row: (row.observed_at_ms, row.position))[:limit]


class FixedClock:
    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.time_ms = now_ms

    def now_ms(self) -> int:
        return self.time_ms


def street() -> MemoryReader:
    """Twelve-node street in small: every kind of site, and every grade of quality."""
    reader = MemoryReader()
    reader.add_site("lucht-1", "air", "Schoolpoort", longitude=3.7205, latitude=51.0503)
    reader.add_site("lucht-2", "air", "Bakkerij <b>Bol</b>", longitude=3.7221, latitude=51.0512)
    reader.add_site("geluid-1", "noise", "Plein", longitude=3.7208, latitude=51.0506)
    reader.add_site("bak-1", "bin", "Hoek Kaai", longitude=3.7188, latitude=51.0488)
    reader.add_site("tuin-1", "garden", "Tuin van An", longitude=3.7262, latitude=51.0487)
    reader.add_site("tuin-2", "garden", "Nieuwe tuin", longitude=3.7262, latitude=51.0487)
    for i in range(24 * 12, -1, -1):
        at = NOW_MS - i * 5 * MINUTE_MS - 30_000
        wave = (i * 37) % 50 / 10
        reader.add("lucht-1", "pm2_5", "ug/m3", 8 + wave, at, raw=11 + wave, method="koehler", version=1)
        reader.add("lucht-1", "pm10", "ug/m3", 14 + wave, at)
        reader.add("geluid-1", "laeq", "dB(A)", 48.5 + wave, at, flags=("range",) if i % 100 == 7 else ())
    reader.add("lucht-1", "temperature", "Cel", -1.25)
    reader.add("lucht-1", "relative_humidity", "%", 0.0)
    reader.add("lucht-2", "pm2_5", "ug/m3", 1234.5, flags=("range",))
    reader.add("geluid-1", "la90", "dB(A)", 41.0)
    reader.add("bak-1", "distance", "mm", 640.0, NOW_MS - 3 * 3600_000)
    reader.add("tuin-1", "temperature", "Cel", None, state="no_answer")
    reader.add("tuin-1", "relative_humidity", "%", 81.0)
    return reader
