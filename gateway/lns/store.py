"""Durable state of the network server: SQLite in WAL mode, synchronous FULL.

Every counter and nonce is committed before the frame that uses it leaves, so a kill at any instant
repeats none. Commits run in an executor; all that wait while one is under way share the next.
The file is readable by its owner only; session keys in it are sealed where there is a key for that
(gateway.vault).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import StoreError, StoreVersionError
from gateway.model import Reception, Uplink
from gateway.vault import Vault, leave_no_trace, open_vault

from .session import JoinState, QueuedDownlink, Session

SCHEMA_VERSION = 2
_LATER_S = 1.0

_SCHEMA = """
CREATE TABLE device (
    dev_eui TEXT PRIMARY KEY,
    dev_nonce INTEGER NOT NULL,
    join_nonce INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (
    dev_eui TEXT NOT NULL,
    join_nonce INTEGER NOT NULL,
    dev_addr INTEGER NOT NULL,
    nwk_s_key BLOB NOT NULL,
    app_s_key BLOB NOT NULL,
    rx_delay_s INTEGER NOT NULL,
    rx1_dr_offset INTEGER NOT NULL,
    rx2_dr INTEGER NOT NULL,
    channel_mask INTEGER NOT NULL,
    active INTEGER NOT NULL,
    fcnt_up INTEGER NOT NULL,
    fcnt_down INTEGER NOT NULL,
    tx_power INTEGER NOT NULL,
    PRIMARY KEY (dev_eui, join_nonce)
) WITHOUT ROWID;
CREATE TABLE undelivered (
    dev_eui TEXT NOT NULL,
    join_nonce INTEGER NOT NULL,
    f_cnt INTEGER NOT NULL,
    f_port INTEGER NOT NULL,
    payload BLOB NOT NULL,
    received_at_ms INTEGER NOT NULL,
    receptions TEXT NOT NULL,
    PRIMARY KEY (dev_eui, join_nonce, f_cnt)
) WITHOUT ROWID;
CREATE TABLE downlink (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dev_eui TEXT NOT NULL,
    f_port INTEGER NOT NULL,
    payload BLOB NOT NULL,
    confirmed INTEGER NOT NULL
);
"""
# Version 2: how often a confirmed downlink went out, receive parameters that were ordered, and the
# gateways' time on air.
_TO_VERSION_2 = """
ALTER TABLE downlink ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN rx_asked INTEGER NOT NULL DEFAULT 0;
CREATE TABLE airtime (
    gateway_id TEXT NOT NULL,
    band INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    airtime_us INTEGER NOT NULL
);
CREATE INDEX airtime_by_end ON airtime (end_ms);
"""

Statement = tuple[str, tuple[Any, ...]]
UplinkKey = tuple[str, int, int]  # DevEUI, JoinNonce of the session, counter


# "OR REPLACE": after a COMMIT whose outcome the disk left open, the same row may come again, and one
# refused statement would refuse everybody's in the same transaction.


def save_device(dev_eui: str, state: JoinState) -> Statement:
    """Save the nonces of a device."""
    return (
        "INSERT INTO device VALUES (?, ?, ?) ON CONFLICT (dev_eui) DO UPDATE"
        " SET dev_nonce = excluded.dev_nonce, join_nonce = excluded.join_nonce",
        (dev_eui, state.dev_nonce, state.join_nonce),
    )


def insert_session(session: Session, vault: Vault) -> Statement:
    """Save a session that was just made."""
    return (
        "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session.dev_eui,
            session.join_nonce,
            session.dev_addr,
            vault.seal(session.nwk_s_key, _place("nwk_s_key", session.dev_eui)),
            vault.seal(session.app_s_key, _place("app_s_key", session.dev_eui)),
            session.rx_delay_s,
            session.rx1_dr_offset,
            session.rx2_dr,
            session.channel_mask,
            session.active,
            session.fcnt_up,
            session.fcnt_down,
            session.tx_power,
            session.rx_asked,
        ),
    )


def _place(name: str, dev_eui: str) -> str:
    return f"{name} {dev_eui}"


def update_session(session: Session, fcnt_up: int, fcnt_down: int, tx_power: int) -> Statement:
    """Save the counters and receive parameters of a session, and that it is in use."""
    return (
        "UPDATE session SET active = 1, fcnt_up = ?, fcnt_down = ?, tx_power = ?, rx_delay_s = ?,"
        " rx1_dr_offset = ?, rx2_dr = ?, rx_asked = ? WHERE dev_eui = ? AND join_nonce = ?",
        (
            fcnt_up,
            fcnt_down,
            tx_power,
            session.rx_delay_s,
            session.rx1_dr_offset,
            session.rx2_dr,
            session.rx_asked,
            session.dev_eui,
            session.join_nonce,
        ),
    )


def delete_session(session: Session) -> Statement:
    """Forget a session that a newer one replaced."""
    return (
        "DELETE FROM session WHERE dev_eui = ? AND join_nonce = ?",
        (session.dev_eui, session.join_nonce),
    )


def insert_undelivered(key: UplinkKey, uplink: Uplink) -> Statement:
    """Save an uplink until the sink has it."""
    receptions = json.dumps([msgspec.structs.asdict(reception) for reception in uplink.receptions])
    return (
        "INSERT OR REPLACE INTO undelivered VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*key, uplink.f_port, uplink.payload, uplink.received_at_ms, receptions),
    )


def delete_undelivered(key: UplinkKey) -> Statement:
    """Forget an uplink that the sink has."""
    return ("DELETE FROM undelivered WHERE dev_eui = ? AND join_nonce = ? AND f_cnt = ?", key)


def insert_downlink(item: QueuedDownlink) -> Statement:
    """Save a queued downlink."""
    return (
        "INSERT OR REPLACE INTO downlink VALUES (?, ?, ?, ?, ?, ?)",
        (item.id, item.dev_eui, item.f_port, item.payload, item.confirmed, item.attempts),
    )


def update_downlink(item: QueuedDownlink) -> Statement:
    """Save how often a confirmed downlink went out."""
    return ("UPDATE downlink SET attempts = ? WHERE id = ?", (item.attempts, item.id))


def delete_downlink(item_id: int) -> Statement:
    """Forget a downlink that its gateway took."""
    return ("DELETE FROM downlink WHERE id = ?", (item_id,))


def insert_airtime(gateway_id: str, band: int, end_ms: int, airtime_us: int) -> Statement:
    """Save a transmission of a gateway."""
    return ("INSERT INTO airtime VALUES (?, ?, ?, ?)", (gateway_id, band, end_ms, airtime_us))


def delete_airtime(gateway_id: str, band: int, end_ms: int, airtime_us: int) -> Statement:
    """Forget one transmission that did not take place."""
    return (
        "DELETE FROM airtime WHERE rowid = (SELECT rowid FROM airtime WHERE gateway_id = ? AND band = ?"
        " AND end_ms = ? AND airtime_us = ? LIMIT 1)",
        (gateway_id, band, end_ms, airtime_us),
    )


def prune_airtime(before_ms: int) -> Statement:
    """Forget what is no longer in the sliding hour."""
    return ("DELETE FROM airtime WHERE end_ms <= ?", (before_ms,))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was durable at the last start."""

    devices: dict[str, JoinState]
    sessions: list[Session]
    undelivered: dict[UplinkKey, Uplink]
    downlinks: list[QueuedDownlink]
    last_downlink_id: int


class SessionStore:
    """The database file. Open it before the loop runs, or in a small file within it; close() at the end."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self.vault = open_vault(Path(path).parent)
        self._waiting: list[tuple[Sequence[Statement], asyncio.Future[None]]] = []
        self._lazy: list[Statement] = []
        self._lazy_timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        try:
            Path(path).touch(mode=0o600)
            self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the network server's database {self._path} cannot be opened ({error}):"
                " check the folder, its rights and the free space"
            ) from error

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreVersionError(
                f"{self._path} has version {version}, this Meetnet knows {SCHEMA_VERSION}: update Meetnet"
            )
        if version < SCHEMA_VERSION:
            steps = _TO_VERSION_2 if version else _SCHEMA + _TO_VERSION_2
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    def load(self) -> Snapshot:
        """Return what is durable."""
        try:
            return self._load()
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(f"the network server's database {self._path} cannot be read: {error}") from error

    def _load(self) -> Snapshot:
        run = self._connection.execute
        last_id = run("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'downlink'").fetchone()[
            0
        ]
        return Snapshot(
            devices={
                eui: JoinState(dev_nonce, join_nonce)
                for eui, dev_nonce, join_nonce in run("SELECT dev_eui, dev_nonce, join_nonce FROM device")
            },
            sessions=[
                Session(
                    *self._opened(row[:9]),
                    active=bool(row[9]),
                    fcnt_up=row[10],
                    fcnt_down=row[11],
                    tx_power=row[12],
                    rx_asked=row[13],
                )
                for row in run("SELECT * FROM session ORDER BY dev_eui, join_nonce")
            ],
            undelivered=dict(
                _undelivered(row) for row in run("SELECT * FROM undelivered ORDER BY received_at_ms")
            ),
            downlinks=[
                QueuedDownlink(*row[:4], confirmed=bool(row[4]), attempts=row[5], awaiting=row[5] > 0)
                for row in run("SELECT * FROM downlink ORDER BY id")
            ],
            last_downlink_id=last_id,
        )

    def seal_all(self, vault: Vault) -> int:
        """Keep every session key as a vault keeps it from now on; return how many sessions changed.

        Nobody else may have the file open. Raise StoreError: then nothing is changed.
        """
        run = self._connection.execute
        changed = 0
        run("BEGIN IMMEDIATE")
        try:
            rows = run("SELECT dev_eui, join_nonce, nwk_s_key, app_s_key FROM session").fetchall()
            for dev_eui, join_nonce, *keys in rows:
                if all(vault.is_current(kept) for kept in keys):
                    continue
                places = [_place("nwk_s_key", dev_eui), _place("app_s_key", dev_eui)]
                sealed = [
                    vault.seal(vault.unseal(kept, place), place)
                    for kept, place in zip(keys, places, strict=True)
                ]
                run(
                    "UPDATE session SET nwk_s_key = ?, app_s_key = ? WHERE dev_eui = ? AND join_nonce = ?",
                    (*sealed, dev_eui, join_nonce),
                )
                changed += 1
            run("COMMIT")
        except BaseException:
            run("ROLLBACK")
            raise
        leave_no_trace(self._connection)
        self.vault = vault
        return changed

    def _opened(self, row: tuple[Any, ...]) -> list[Any]:
        found = list(row)
        found[3] = self.vault.unseal(row[3], _place("nwk_s_key", row[0]))
        found[4] = self.vault.unseal(row[4], _place("app_s_key", row[0]))
        return found

    def load_airtime(self, after_ms: int) -> list[tuple[str, int, int, int]]:
        """Return the gateways' transmissions that end after a time, oldest first."""
        rows = self._connection.execute("SELECT * FROM airtime WHERE end_ms > ? ORDER BY end_ms", (after_ms,))
        return list(rows)

    async def commit(self, *statements: Statement) -> None:
        """Return when the statements are durable, all or none; StoreError when they cannot be."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((statements, done))
        self._start_writer()
        await done

    def later(self, *statements: Statement) -> None:
        """Let statements go with the next commit, or alone within a second: losing them does no harm."""
        self._lazy.extend(statements)
        if self._lazy_timer is None:
            self._lazy_timer = asyncio.get_running_loop().call_later(_LATER_S, self._start_writer)

    async def close(self) -> None:
        """Finish what waits and close the file."""
        if self._lazy or self._waiting:
            self._start_writer()
        if self._writer is not None:
            await self._writer
        self._connection.close()

    def _start_writer(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._lazy:
                batch, self._waiting = self._waiting, []
                lazy, self._lazy = self._lazy, []
                if self._lazy_timer is not None:
                    self._lazy_timer.cancel()
                    self._lazy_timer = None
                statements = [statement for group, _ in batch for statement in group] + lazy
                error = await loop.run_in_executor(None, self._write, statements)
                for _, done in batch:
                    if done.done():
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(StoreError(f"{self._path}: {error}: check space and rights"))
        finally:
            self._writer = None

    def _write(self, statements: list[Statement]) -> sqlite3.Error | None:
        """Run in the executor; one transaction."""
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            for sql, values in statements:
                run(sql, values)
            run("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            return error
        return None


def _undelivered(row: tuple[Any, ...]) -> tuple[UplinkKey, Uplink]:
    dev_eui, join_nonce, f_cnt, f_port, payload, received_at_ms, receptions = row
    uplink = Uplink(
        source="lns",
        dev_eui=dev_eui,
        f_port=f_port,
        payload=payload,
        received_at_ms=received_at_ms,
        f_cnt=f_cnt,
        receptions=tuple(Reception(**reception) for reception in json.loads(receptions)),
    )
    return (dev_eui, join_nonce, f_cnt), uplink


async def forget_dev_nonce(store: SessionStore, dev_eui: str) -> None:
    """Accept any DevNonce at a device's next join, where no server runs: for one whose memory was erased."""
    known = store.load().devices.get(dev_eui, JoinState())
    await store.commit(save_device(dev_eui, JoinState(-1, known.join_nonce)))
