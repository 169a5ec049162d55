"""Observations as openSenseMap takes them: a JSON array of {sensor, value, createdAt} a box.

One bad row refuses all of a request, so a refused one is halved until the row stands alone. createdAt ends in
Z and has at most three fractional digits; nothing may lie more than a minute in the future: that waits.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.opensensemap.settings import Box, OpenSenseMapSettings
from gateway.publish.posting import HttpClient, Verdict, judge, reason, retry_after_s

FUTURE_MS = 55_000


@dataclass(frozen=True, slots=True)
class _Load:
    site_id: str


class OpenSenseMapPublisher:
    """Publisher for openSenseMap."""

    def __init__(
        self,
        settings: OpenSenseMapSettings,
        counters: Counters,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock
        headers = {"content-type": "application/json"}
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        self._free_at_s = 0.0

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make arrays a box, in time order, a moment of a sensor once."""
        boxes: dict[str, dict[tuple[int, str], PublicObservation]] = {}
        for row in rows:
            box = self._settings.boxes.get(row.site_id)
            if box is None or row.quantity not in box.sensors:
                self._counters.count(f"publish.{self.name}.not_mapped")
            elif row.value is not None and math.isfinite(row.value):
                boxes.setdefault(row.site_id, {}).setdefault((row.observed_at_ms, row.quantity), row)
        most = self._settings.max_rows
        parcels: list[Parcel] = []
        for site_id, found in boxes.items():
            ordered = [found[key] for key in sorted(found)]
            parcels += [
                Parcel(tuple(ordered[at : at + most]), _Load(site_id)) for at in range(0, len(ordered), most)
            ]
        return Packed(parcels)

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one array."""
        load: _Load = parcel.content
        limit_ms = self._clock.now_ms() + FUTURE_MS
        due = [row for row in parcel.rows if row.observed_at_ms <= limit_ms]
        early = [row for row in parcel.rows if row.observed_at_ms > limit_ms]
        outcome = await self._send(due, self._settings.boxes[load.site_id], load)
        if not early:
            return outcome
        wait_s = (early[0].observed_at_ms - limit_ms) / 1000
        left = (*(outcome.remaining.rows if outcome.remaining else ()), *early)
        why = outcome.reason or "observed in the future: waits"
        return Outcome(outcome.rejections, Parcel(left, load), why, max(wait_s, outcome.after_s or 0.0))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, rows: Sequence[PublicObservation], box: Box, load: _Load) -> Outcome:
        if not rows:
            return Outcome()
        content = [
            {
                "sensor": box.sensors[row.quantity],
                "value": row.value,
                "createdAt": iso_utc(row.observed_at_ms),
            }
            for row in rows
        ]
        await self._rest()
        headers = {"authorization": box.token} if box.token else None
        body = json.dumps(content, allow_nan=False).encode()
        answer = await self._client.request("POST", f"/boxes/{box.id}/data", body, headers)
        if isinstance(answer, str):
            return Outcome((), Parcel(tuple(rows), load), answer)
        verdict = judge(answer)
        if verdict is Verdict.TAKEN:
            return Outcome()
        if verdict is Verdict.RETRY:
            return Outcome((), Parcel(tuple(rows), load), reason(answer), retry_after_s(answer))
        if len(rows) == 1:
            return Outcome([Rejection(rows[0], reason(answer))])
        half = len(rows) // 2
        first = await self._send(rows[:half], box, load)
        second = await self._send(rows[half:], box, load)
        left = [row for part in (first, second) if part.remaining for row in part.remaining.rows]
        return Outcome(
            [*first.rejections, *second.rejections],
            Parcel(tuple(left), load) if left else None,
            first.reason or second.reason,
            first.after_s or second.after_s,
        )

    async def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._free_at_s:
            await asyncio.sleep(self._free_at_s - loop.time())
        self._free_at_s = loop.time() + self._settings.min_interval_s
