"""Every row and key gets into a statement once, and there are few different ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.statements import pieces, runs
from gateway.store.database import SqliteDatabase


@pytest.mark.parametrize("width", [1, 9, 11, 400])
def test_rows_are_cut_without_loss(width: int) -> None:
    sizes: set[int] = set()
    for n in range(1, 1300):
        rows = [(k, *[0] * (width - 1)) for k in range(n)]
        found: list[int] = []
        for part, more in runs(rows):
            found += [row[0] for row in part]
            sizes.add(len(part) + more)
            assert 0 <= more <= max(1, len(part) // 2)
        assert found == list(range(n))
    assert len(sizes) <= 17 and max(sizes) * width <= 32_766


def test_keys_are_cut_without_loss() -> None:
    sizes: set[int] = set()
    for n in range(1300):
        found: list[int] = []
        for part in pieces(range(n)):
            found += list(dict.fromkeys(part))
            sizes.add(len(part))
        assert found == list(range(n))
    assert len(sizes) <= 17 and max(sizes) <= 500


def test_rows_of_nothing_leave_nothing(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    conflict = "(name) DO UPDATE SET position = positions.position + excluded.position"
    for n in (1, 5, 7, 130, 450, 1111):
        with database.write() as transaction:
            transaction.execute("DELETE FROM positions")
            for _ in range(3):  # new, then twice over what is there
                rows = [(f"n{k}", k) for k in range(n)]
                transaction.insert("positions", "name, position", rows, conflict)
        found = dict(database.query("SELECT name, position FROM positions"))
        assert found == {f"n{k}": 3 * k for k in range(n)}
    database.close()
