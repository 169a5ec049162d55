"""How far each publisher, and each worker's pipeline, has come."""

from __future__ import annotations

from gateway.errors import StoreError
from gateway.store.database import Database, Reading, Transaction
from gateway.store.rows import POSITIONS_PER_RECORD

PIPELINE = "pipeline"
_PUBLISHER = "publisher:"
_RECORDS = "records"


def position(db: Database | Reading | Transaction, name: str) -> int:
    """Return a position, 0 where there is none."""
    rows = db.query("SELECT position FROM positions WHERE name = ?", (name,))
    return rows[0][0] if rows else 0


def put_position(transaction: Transaction, name: str, found: int) -> None:
    """Note a position."""
    transaction.execute(
        "INSERT INTO positions(name, position) VALUES (?, ?) "
        "ON CONFLICT(name) DO UPDATE SET position = excluded.position",
        (name, found),
    )


class Positions:
    """The positions of one database. It is the PositionStore of the publishers."""

    def __init__(self, database: Database) -> None:
        """database: opened."""
        self._db = database
        self._loaded_in: dict[str, int] = {}  # publisher -> epoch of the database

    def load(self, publisher: str) -> int:
        """Return the last confirmed position of a publisher, 0 if there is none."""
        epoch = self._db.epoch  # before reading
        found = self.position(_PUBLISHER + publisher)
        self._loaded_in[publisher] = epoch
        return found

    def is_current(self, publisher: str) -> bool:
        """Tell whether what a publisher counted on from `load` still holds: no connection was lost since."""
        return self._loaded_in.get(publisher, self._db.epoch) == self._db.epoch

    def save(self, publisher: str, position: int) -> None:
        """Make a publisher's position durable; raise StoreError."""
        with self._db.write() as transaction:
            if not self.is_current(publisher):
                raise StoreError(f"{self._db.name}: was lost meanwhile: {publisher} reads its position again")
            put_position(transaction, _PUBLISHER + publisher, position)

    def publisher_positions(self) -> dict[str, int]:
        """Return the position of every publisher that ever saved one."""
        rows = self._db.query("SELECT name, position FROM positions ORDER BY name")
        return {
            name.removeprefix(_PUBLISHER): position for name, position in rows if name.startswith(_PUBLISHER)
        }

    def position(self, name: str = PIPELINE) -> int:
        """Return a position by its full name; the default is the pipeline's in the segment log."""
        return position(self._db, name)

    def newest_position(self) -> int:
        """Return the highest position that an observation can have by now."""
        following = self.position(_RECORDS)
        return following * POSITIONS_PER_RECORD - 1 if following > 1 else 0
