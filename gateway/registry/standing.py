"""Who stands where, of all devices, row by row: whoever looks at a whole city keeps none of it in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

_AT_ONCE = 1000
_SQL = """
SELECT d.dev_eui, d.kind, d.transport, s.id, s.name, MAX(p.from_ms), v.value * COALESCE(b.value, 1), p.to_ms
FROM deployments p JOIN devices d ON d.dev_eui = p.dev_eui JOIN sites s ON s.id = p.site_id
LEFT JOIN node_values v ON v.dev_eui = p.dev_eui AND v.key = 'interval_s'
LEFT JOIN node_values b ON b.dev_eui = p.dev_eui AND b.key = 'batch'
WHERE p.from_ms <= ? GROUP BY p.dev_eui ORDER BY p.dev_eui
"""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A device at a site. speaks_s: from frame to frame, as it told itself; None: it told nothing."""

    dev_eui: str
    kind: str
    transport: str
    site_id: str
    site_name: str
    since_ms: int
    speaks_s: int | None


def standing(path: Path, at_ms: int) -> Iterator[list[Standing]]:
    """Yield the devices that are at a site at a time, by DevEUI, some at a time. path: of registry.db."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA busy_timeout=5000")
        cursor = db.execute(_SQL, (at_ms,))  # of each device the newest deployment that has begun
        while rows := cursor.fetchmany(_AT_ONCE):
            yield [Standing(*row[:-1]) for row in rows if row[-1] is None or at_ms < row[-1]]
    finally:
        db.close()
