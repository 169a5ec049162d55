"""Where an observation came from: the device, its record's number, and the frame in the raw log."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.store.rows import POSITIONS_PER_RECORD
from gateway.store.store import Store


@dataclass(frozen=True, slots=True)
class Origin:
    """log_sequence: of the frame, in the raw log of the process that stored it; 0 for what was imported."""

    dev_eui: str
    seq: int
    log_sequence: int


def origin(store: Store, position: int) -> Origin | None:
    """Return the origin of the observation at a position, None when it is not known any more."""
    rows = store.database.query(
        "SELECT d.dev_eui, r.seq, r.log_sequence FROM records r JOIN devices d ON d.id = r.device "
        "WHERE r.id = ?",
        (position // POSITIONS_PER_RECORD,),
    )
    return Origin(*rows[0]) if rows else None


def position_of(store: Store, dev_eui: str, seq: int) -> int | None:
    """Return the lowest position of a record of a device, None when it is not there."""
    rows = store.database.query(
        "SELECT r.id FROM records r JOIN devices d ON d.id = r.device WHERE d.dev_eui = ? AND r.seq = ?",
        (dev_eui, seq),
    )
    return rows[0][0] * POSITIONS_PER_RECORD if rows else None
