"""The numbers under which rollups know quantities with their units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.shapes import Shape
from gateway.store.database import Database, Reading, Transaction


class Quantities:
    """The numbers of quantities with their units, and which of those are levels. Belongs to one store."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._numbers: dict[tuple[str, str], int] = {}
        self.levels = np.zeros(1, bool)

    def of(self, shape: Shape) -> list[int]:
        """Return the number of each observation of a shape, new ones made; raise StoreError."""
        wanted = [(form.quantity, form.unit) for form in shape.forms]
        if not all(one in self._numbers for one in wanted):
            self.read()
        missing = [one for one in dict.fromkeys(wanted) if one not in self._numbers]
        if missing:
            with self._db.write() as transaction:
                for key in missing:
                    if not transaction.query("SELECT 1 FROM quantities WHERE quantity = ? AND unit = ?", key):
                        transaction.execute(
                            "INSERT INTO quantities(id, quantity, unit) "
                            "SELECT COALESCE(MAX(id), 0) + 1, ?, ? FROM quantities",
                            key,
                        )
            self.read()
        return [self._numbers[one] for one in wanted]

    def named(self, quantity: str) -> dict[int, str]:
        """Return number -> unit of a quantity."""
        found = {number: unit for (name, unit), number in self._numbers.items() if name == quantity}
        if not found:
            self.read()
            found = {number: unit for (name, unit), number in self._numbers.items() if name == quantity}
        return found

    def levels_in(self, transaction: Transaction) -> NDArray[np.bool_]:
        """Return which are levels, of all that a transaction meets: others may have made some."""
        self.read(transaction)
        return self.levels

    def forget(self) -> None:
        """Drop what is known: the database may have lost numbers that it gave out last."""
        self._numbers = {}

    def read(self, db: Reading | Transaction | None = None) -> None:
        """Read what there is by now."""
        rows = (db or self._db).query("SELECT id, quantity, unit FROM quantities")
        levels = np.zeros(max([0, *(row[0] for row in rows)]) + 1, bool)
        for number, quantity, unit in rows:
            self._numbers[quantity, unit] = number
            levels[number] = unit.startswith("dB")
        self.levels = levels
