"""Devices that are not ours: by which profile they are read, and what they call themselves.

A table of its own, which older Meetnets pass by.
"""

from __future__ import annotations

import hashlib
import sqlite3

from gateway.errors import RegistryError
from gateway.registry.model import Device

TABLES = (
    """CREATE TABLE IF NOT EXISTS foreign_devices(
    dev_eui TEXT PRIMARY KEY REFERENCES devices(dev_eui), profile TEXT NOT NULL, alias TEXT UNIQUE)
    WITHOUT ROWID""",
)
DEVICES = (
    "SELECT d.dev_eui, d.kind, d.transport, d.join_eui, COALESCE(f.profile, ''), f.alias "
    "FROM devices d LEFT JOIN foreign_devices f ON f.dev_eui = d.dev_eui"
)


def put(db: sqlite3.Connection, device: Device) -> None:
    """Keep profile and alias of a device; raise RegistryError when another has that alias."""
    if not device.profile and device.alias is None:
        db.execute("DELETE FROM foreign_devices WHERE dev_eui = ?", (device.dev_eui,))
        return
    other = None if device.alias is None else named(db, device.alias)
    if other not in (None, device.dev_eui):
        raise RegistryError(f"alias {device.alias!r} is that of {other} already: give each device its own")
    db.execute(
        "INSERT INTO foreign_devices VALUES (?, ?, ?) ON CONFLICT(dev_eui) DO UPDATE SET "
        "profile = excluded.profile, alias = excluded.alias",
        (device.dev_eui, device.profile, device.alias),
    )


def profiles(db: sqlite3.Connection) -> dict[str, str]:
    """Return the profile of each device that has one."""
    return dict(db.execute("SELECT dev_eui, profile FROM foreign_devices WHERE profile <> ''").fetchall())


def named(db: sqlite3.Connection, alias: str) -> str | None:
    """Return the DevEUI of an alias, or None."""
    row = db.execute("SELECT dev_eui FROM foreign_devices WHERE alias = ?", (alias,)).fetchone()
    return None if row is None else row[0]


def eui_of(alias: str) -> str:
    """Return the DevEUI for a device that has none: from its alias, marked as locally administered."""
    found = bytearray(hashlib.sha256(b"meetnet alias " + alias.encode()).digest()[:8])
    found[0] = found[0] & 0xFC | 0x02  # IEEE 802: bit 1 local, bit 0 of a group
    return found.hex()
