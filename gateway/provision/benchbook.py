"""What happens at the bench where boards are flashed, for a page to show: bench.db in the data directory.

`meetnet flash` writes, the page reads. It is a view: who has which row is decided by the journal of the run,
and losing this file loses no device. No key and no claim code is in it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gateway.dbfile import open_database
from gateway.errors import StoreError

_SCHEMA = """CREATE TABLE IF NOT EXISTS runs(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, ended_ms INTEGER);
CREATE TABLE IF NOT EXISTS boards(
    run INTEGER NOT NULL, port TEXT NOT NULL, at_ms INTEGER NOT NULL, step TEXT NOT NULL, row TEXT NOT NULL,
    mac TEXT NOT NULL, dev_eui TEXT NOT NULL, share REAL NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
    tested TEXT NOT NULL, PRIMARY KEY(run, port)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tries(
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, port TEXT NOT NULL, at_ms INTEGER NOT NULL,
    step TEXT NOT NULL, row TEXT NOT NULL, mac TEXT NOT NULL, dev_eui TEXT NOT NULL,
    share REAL NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, tested TEXT NOT NULL)"""
ENDS = ("green", "red", "already")
WRITING = "writing"
OFTEN_S = 0.5  # how far the writing of a board is, is told at most this often
KEPT_RUNS = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One run. done: rows that were done before it or in it. ended_ms None: it goes on, or was cut off."""

    id: int
    name: str
    total: int
    done: int
    begun_ms: int
    seen_ms: int
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Board:
    """A board at a port, or (in tries) how one ended. step: as `meetnet flash --json` names it.

    share: how much of the step is done, 0 to 1. reason: with red, for the person there. tested: names of the
    parts that passed the self-test.
    """

    port: str
    at_ms: int
    step: str
    row: str
    mac: str
    dev_eui: str
    share: float
    code: str
    reason: str
    tested: tuple[str, ...]


class BenchBook:
    """Safe to call from several threads and processes."""

    def __init__(self, directory: Path) -> None:
        """Open or create bench.db; raise StoreError."""
        self._lock = threading.Lock()
        self._told_s: dict[str, float] = {}
        remedy = "move it away: only the page of the bench forgets what it showed"
        self._db = open_database(directory / "bench.db", 1, _SCHEMA, remedy=remedy, synchronous="NORMAL")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- the bench writes

    def begin(self, name: str, total: int, done: int, now_ms: int) -> int:
        """Begin a run of `total` rows, of which `done` are done already; return its id."""
        values = (name, total, done, now_ms, now_ms)
        with self._lock:
            try:
                run = self._db.execute(
                    "INSERT INTO runs(name, total, done, begun_ms, seen_ms) VALUES (?,?,?,?,?)", values
                ).lastrowid
                for table in ("boards", "tries"):
                    self._db.execute(f"DELETE FROM {table} WHERE run <= ?", ((run or 0) - KEPT_RUNS,))  # noqa: S608
                self._db.execute("DELETE FROM runs WHERE id <= ?", ((run or 0) - KEPT_RUNS,))
            except sqlite3.Error as error:
                raise StoreError(f"bench.db: {error}") from error
        return int(run or 0)

    def event(self, run: int, told: Mapping[str, object], now_ms: int) -> None:
        """Write down what happens at a port: an event of the bench, as it tells it in JSON."""
        port, step = str(told["port"]), str(told["step"])
        if step == WRITING:
            last_s = self._told_s.get(port, -OFTEN_S)
            now_s = time.monotonic()
            if now_s - last_s < OFTEN_S:
                return
            self._told_s[port] = now_s
        share = told.get("share", 0.0)
        tested = cast("Sequence[str]", told.get("tested", ()))
        row = (
            run, port, now_ms, step, *(str(told.get(name, "")) for name in ("row", "mac", "dev_eui")),
            float(share) if isinstance(share, int | float) else 0.0,
            *(str(told.get(name, "")) for name in ("code", "reason")),
            "\n".join(tested),
        )  # fmt: skip
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO boards VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
                if step in ENDS:
                    self._db.execute(
                        "INSERT INTO tries(run, port, at_ms, step, row, mac, dev_eui, share, code, reason, "
                        "tested) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                        row,
                    )
                self._db.execute(
                    "UPDATE runs SET seen_ms = ?, done = done + ? WHERE id = ?",
                    (now_ms, step == "green", run),
                )
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise StoreError(f"bench.db: {error}") from error

    def end(self, run: int, now_ms: int) -> None:
        """End a run."""
        with self._lock:
            try:
                self._db.execute(
                    "UPDATE runs SET ended_ms = ?, seen_ms = ? WHERE id = ?", (now_ms, now_ms, run)
                )
            except sqlite3.Error as error:
                raise StoreError(f"bench.db: {error}") from error

    # -- the page reads

    def runs(self) -> list[Run]:
        """Return the runs that are kept, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, name, total, done, begun_ms, seen_ms, ended_ms FROM runs ORDER BY id DESC"
            ).fetchall()
        return [Run(*row) for row in rows]

    def boards(self, run: int) -> list[Board]:
        """Return what is at each port."""
        return self._read("boards", run, "port")

    def tries(self, run: int) -> list[Board]:
        """Return how boards ended, newest first."""
        return self._read("tries", run, "id DESC")

    def _read(self, table: str, run: int, order: str) -> list[Board]:
        with self._lock:
            rows = self._db.execute(
                f"SELECT port, at_ms, step, row, mac, dev_eui, share, code, reason, tested FROM {table} "  # noqa: S608
                f"WHERE run = ? ORDER BY {order}",
                (run,),
            ).fetchall()
        return [Board(*row[:9], tested=tuple(row[9].splitlines())) for row in rows]
