"""Corrections on record: which method a device's quantity gets, from when, and what speaks for it."""

from __future__ import annotations

import json
import sqlite3

from gateway.errors import RegistryError
from gateway.registry.model import Correction

# Older Meetnets pass it by, so it needs no new schema.
TABLES = (
    """CREATE TABLE IF NOT EXISTS corrections(
    dev_eui TEXT NOT NULL REFERENCES devices(dev_eui), quantity TEXT NOT NULL, from_ms INTEGER NOT NULL,
    to_ms INTEGER, method TEXT NOT NULL, version INTEGER NOT NULL, parameters TEXT NOT NULL,
    uncertainty_percent REAL, evidence TEXT NOT NULL,
    PRIMARY KEY(dev_eui, quantity, from_ms)) WITHOUT ROWID""",
)


def put(db: sqlite3.Connection, found: Correction) -> bool:
    """Keep a correction; the one before it ends where it begins. Return False when it is on record already.

    Raise RegistryError when one that begins later is on record: history is not written anew.
    """
    later = db.execute(
        "SELECT MIN(from_ms) FROM corrections WHERE dev_eui = ? AND quantity = ? AND from_ms >= ?",
        (found.dev_eui, found.quantity, found.from_ms),
    ).fetchone()[0]
    if later is not None:
        if found in read(db, found.dev_eui):
            return False
        raise RegistryError(
            f"from: {found.dev_eui} has a correction of {found.quantity} that begins at {later} ms; "
            "give a later time, or end that one first"
        )
    db.execute(
        "UPDATE corrections SET to_ms = ? WHERE dev_eui = ? AND quantity = ? "
        "AND (to_ms IS NULL OR to_ms > ?)",
        (found.from_ms, found.dev_eui, found.quantity, found.from_ms),
    )
    db.execute(
        "INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            found.dev_eui, found.quantity, found.from_ms, found.to_ms, found.method, found.version,
            json.dumps(dict(found.parameters), sort_keys=True), found.uncertainty_percent, found.evidence,
        ),
    )  # fmt: skip
    return True


def read(db: sqlite3.Connection, dev_eui: str | None = None) -> list[Correction]:
    """Return the corrections on record, by device, quantity and time."""
    rows = db.execute(
        "SELECT dev_eui, quantity, method, version, parameters, from_ms, to_ms, evidence, "
        "uncertainty_percent FROM corrections WHERE dev_eui = ? OR ? IS NULL "
        "ORDER BY dev_eui, quantity, from_ms",
        (dev_eui, dev_eui),
    )
    return [
        Correction(
            device, quantity, method, version, json.loads(parameters), from_ms, to_ms, evidence, uncertainty
        )
        for device, quantity, method, version, parameters, from_ms, to_ms, evidence, uncertainty in rows
    ]


def end(db: sqlite3.Connection, dev_eui: str, quantity: str, at_ms: int) -> bool:
    """Let the correction of a quantity end at a time; return False when none goes on."""
    cursor = db.execute(
        "UPDATE corrections SET to_ms = ? WHERE dev_eui = ? AND quantity = ? AND to_ms IS NULL "
        "AND from_ms < ?",
        (at_ms, dev_eui, quantity, at_ms),
    )
    return cursor.rowcount > 0
