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
