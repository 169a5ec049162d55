"""Means of an hour for many sites, remembered for a moment: what the map asks for again and again.

Only what the reader gave is remembered, and it is shown only for sites that are public at the time of asking.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from gateway.model import Bucket, PublicReader

HOUR_MS = 3_600_000
MOST = 20_000
NEW_FOR_S, OLD_FOR_S = 20.0, 600.0


class Hours:
    """Reads buckets of one hour. Safe to call from several threads."""

    def __init__(self, reader: PublicReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, int], tuple[float, Bucket | None]] = OrderedDict()
        self._stretches: OrderedDict[tuple[str, str, int, int], tuple[float, tuple[Bucket, ...]]] = (
            OrderedDict()
        )

    def hour(self, sites: Iterable[str], name: str, start_ms: int, now_ms: int) -> dict[str, Bucket]:
        """Return the bucket of an hour for each site that has one."""
        found: dict[str, Bucket] = {}
        keeps_s = OLD_FOR_S if start_ms + 2 * HOUR_MS < now_ms else NEW_FOR_S
        for site_id in sites:
            bucket = self._one(site_id, name, start_ms, keeps_s)
            if bucket is not None:
                found[site_id] = bucket
        return found

    def stretch(self, site_id: str, name: str, start_ms: int, end_ms: int) -> tuple[Bucket, ...]:
        """Return the hours in [start_ms, end_ms) of a site, as they were at most twenty seconds ago."""
        key, now_s = (site_id, name, start_ms, end_ms), time.monotonic()
        with self._lock:
            known = self._stretches.get(key)
        if known is not None and known[0] > now_s:
            return known[1]
        found = tuple(self._reader.buckets(site_id, name, start_ms, end_ms, HOUR_MS))
        with self._lock:
            self._stretches[key] = (now_s + NEW_FOR_S, found)
            while len(self._stretches) > MOST // 10:
                self._stretches.popitem(last=False)
        return found

    def _one(self, site_id: str, name: str, start_ms: int, keeps_s: float) -> Bucket | None:
        key, now_s = (site_id, name, start_ms), time.monotonic()
        with self._lock:
            known = self._known.get(key)
        if known is not None and known[0] > now_s:
            return known[1]
        rows = self._reader.buckets(site_id, name, start_ms, start_ms + HOUR_MS, HOUR_MS)
        bucket = rows[0] if rows else None
        with self._lock:
            self._known[key] = (now_s + keeps_s, bucket)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return bucket
