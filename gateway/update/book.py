"""Roll-outs on the disk: updates.db and a file a bundle. Command line and gateway both write, row by row."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.dbfile import REMEDY, open_database
from gateway.errors import StoreError, UpdateError
from gateway.update.bundle import Bundle, read
from gateway.update.rollout import Target

RUNNING, HALTED, DONE, STOPPED = "running", "halted", "done", "stopped"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rollouts(id TEXT PRIMARY KEY, begun_ms INTEGER NOT NULL, "
    "state TEXT NOT NULL, reason TEXT NOT NULL, soak_s REAL NOT NULL, trial_min INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS targets(rollout TEXT NOT NULL, dev_eui TEXT NOT NULL, state TEXT NOT NULL, "
    "reason TEXT NOT NULL, since_ms INTEGER NOT NULL, heard_ms INTEGER NOT NULL, well INTEGER NOT NULL, "
    "next_n INTEGER NOT NULL DEFAULT 1, PRIMARY KEY(rollout, dev_eui))",
    "CREATE TABLE IF NOT EXISTS refusals(dev_eui TEXT PRIMARY KEY, since_ms INTEGER NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A bundle on its way. id: of the bundle, 8 hex digits."""

    id: str
    begun_ms: int
    state: str
    reason: str
    soak_s: float
    trial_min: int


class UpdateBook:
    """One connection; every call is one transaction. Belongs to one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Open or create in the data directory; raise StoreError."""
        self._bundles = folder / "updates"
        path = folder / "updates.db"
        try:
            self._bundles.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"updates: {error}; {REMEDY}") from error
        remedy = "move it away, roll-outs are then begun anew"
        self._db = open_database(path, 1, ";".join(_SCHEMA), remedy=remedy)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def changes(self) -> int:
        """Return a number that differs once another process has written (SQLite's data_version)."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # -- bundles

    def put_bundle(self, bundle: Bundle) -> None:
        """Keep a bundle; durable when it returns."""
        path = self._path(bundle.id)
        new = path.with_suffix(".new")
        try:
            with new.open("wb") as file:
                file.write(bundle.data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def bundle(self, bundle_id: str) -> Bundle:
        """Return a bundle; UpdateError when it is not there."""
        try:
            return read(self._path(bundle_id).read_bytes())
        except OSError as error:
            raise UpdateError(f"there is no bundle {bundle_id}: offer it again") from error

    def offered(self, bundle_id: str) -> Path | None:
        """Return the file of a bundle that is being rolled out, or None."""
        found = self.rollout(bundle_id)
        return self._path(bundle_id) if found is not None and found.state == RUNNING else None

    def _path(self, bundle_id: str) -> Path:
        return self._bundles / f"{bundle_id}.mnu"

    # -- roll-outs

    def begin(self, bundle: Bundle, devices: list[str], now_ms: int, soak_s: float, trial_min: int) -> None:
        """Begin a roll-out; UpdateError when another one is under way for one of the devices."""
        self.put_bundle(bundle)
        for other in self.rollouts():
            if other.state == RUNNING and other.id != bundle.id:
                shared = set(devices) & set(self.targets(other.id))
                if shared:
                    raise UpdateError(
                        f"{other.id} is still being rolled out to {len(shared)} of these devices: "
                        f"wait, or `meetnet update halt {other.id}`",
                        "busy",
                    )
        rows = [(bundle.id, dev_eui, "waiting", "", now_ms, 0, 1) for dev_eui in devices]
        with _transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO rollouts VALUES (?,?,?,?,?,?)",
                (bundle.id, now_ms, RUNNING, "", soak_s, trial_min),
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO targets(rollout, dev_eui, state, reason, since_ms, heard_ms, well) "
                "VALUES (?,?,?,?,?,?,?)",
                rows,
            )

    def rollouts(self) -> list[Rollout]:
        """Return all roll-outs, newest first."""
        rows = self._db.execute(
            "SELECT id, begun_ms, state, reason, soak_s, trial_min FROM rollouts ORDER BY begun_ms DESC"
        )
        return [Rollout(*row) for row in rows]

    def rollout(self, rollout_id: str) -> Rollout | None:
        """Return one, or None."""
        return next((found for found in self.rollouts() if found.id == rollout_id), None)

    def set_state(self, rollout_id: str, state: str, reason: str = "") -> None:
        """Halt, resume or end a roll-out."""
        with _transaction(self._db):
            self._db.execute(
                "UPDATE rollouts SET state = ?, reason = ? WHERE id = ?", (state, reason, rollout_id)
            )

    # -- devices

    def targets(self, rollout_id: str) -> dict[str, Target]:
        """Return how far every device of a roll-out is."""
        rows = self._db.execute(
            "SELECT dev_eui, state, reason, since_ms, heard_ms, well FROM targets WHERE rollout = ?",
            (rollout_id,),
        )
        return {row[0]: Target(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows}

    def put_target(self, rollout_id: str, target: Target) -> None:
        """Write how far a device is."""
        with _transaction(self._db):
            self._db.execute(
                "UPDATE targets SET state = ?, reason = ?, since_ms = ?, heard_ms = ?, well = ? "
                "WHERE rollout = ? AND dev_eui = ?",
                (
                    target.state,
                    target.reason,
                    target.since_ms,
                    target.heard_ms,
                    int(target.well),
                    rollout_id,
                    target.dev_eui,
                ),
            )

    def next_fragment(self, rollout_id: str, dev_eui: str) -> int:
        """Return the number of the next fragment for a device."""
        row = self._db.execute(
            "SELECT next_n FROM targets WHERE rollout = ? AND dev_eui = ?", (rollout_id, dev_eui)
        ).fetchone()
        return int(row[0]) if row else 1

    def put_next_fragment(self, rollout_id: str, dev_eui: str, n: int) -> None:
        """Remember it."""
        with _transaction(self._db):
            self._db.execute(
                "UPDATE targets SET next_n = ? WHERE rollout = ? AND dev_eui = ?", (n, rollout_id, dev_eui)
            )

    # -- what owners said

    def refuse(self, dev_eui: str, now_ms: int) -> None:
        """The owner wants no updates from afar."""
        with _transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO refusals VALUES (?, ?)", (dev_eui, now_ms))

    def allow(self, dev_eui: str) -> None:
        """The owner wants them again."""
        with _transaction(self._db):
            self._db.execute("DELETE FROM refusals WHERE dev_eui = ?", (dev_eui,))

    def refusals(self) -> dict[str, int]:
        """Return the devices whose owners want no updates, and since when (ms)."""
        return dict(self._db.execute("SELECT dev_eui, since_ms FROM refusals").fetchall())

    def state(self) -> list[dict[str, object]]:
        """Return everything for `meetnet update status --json`."""
        found: list[dict[str, object]] = []
        for rollout in self.rollouts():
            counts: dict[str, int] = {}
            for target in self.targets(rollout.id).values():
                counts[target.state] = counts.get(target.state, 0) + 1
            entry: dict[str, object] = {"id": rollout.id, "state": rollout.state, "reason": rollout.reason}
            with suppress(UpdateError):
                bundle = self.bundle(rollout.id)
                entry |= {"kind": bundle.kind, "version": bundle.version, "serial": bundle.head.serial}
            found.append(entry | {"begun_ms": rollout.begun_ms, "devices": counts})
        json.dumps(found)
        return found


class _transaction:  # noqa: N801 - used as a statement
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreError(f"updates.db: {error}") from error

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failed:
            raise StoreError(f"updates.db: {failed}") from failed
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"updates.db: {error}") from error
