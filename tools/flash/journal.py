"""What has been done, on the disk before anybody acts on it: one line an event, appended and flushed.

A crash can only tear the last line; that one is cut off at the next start. Each line ends with the CRC-32 of
what stands before it, so a damaged line is noticed and named instead of believed. No key is ever in it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.flash.errors import FlashError

ASSIGNED, TESTED, REGISTERED, DONE = "assigned", "tested", "registered", "done"
FAILED = "failed"  # the board: another one may take the row
REFUSED = "refused"  # the row: no other board would fare better


@dataclass
class RowState:
    """Where a row is: its board and DevEUI once it has one, and the last event."""

    mac: str | None = None
    dev_eui: str | None = None
    event: str = ""
    reason: str = ""


class Journal:
    """An append-only file, held by one run at a time. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create, and read what was done; FlashError `journal` when it is held or damaged."""
        self.path = path
        self.rows: dict[str, RowState] = {}
        self._lock = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise FlashError("journal", f"{path}: {error.strerror}; give another --journal") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise FlashError(
                "journal", f"{path} is in use by another run: wait for it, or stop it"
            ) from error
        try:
            self._replay()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let others have it."""
        os.close(self._fd)

    def add(self, row: str, event: str, **told: Any) -> None:
        """Write an event down; it is on the disk when this returns."""
        body = json.dumps(
            {"at": round(time.time(), 3), "row": row, "event": event, **told}, separators=(",", ":")
        )
        line = f"{body} {zlib.crc32(body.encode()):08x}\n".encode()
        with self._lock:
            self._append(line)
            self._apply(row, event, told)

    def _append(self, line: bytes) -> None:
        """Write a line whole or not at all: half a line before others would make the file a damaged one."""
        before = os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)
        except OSError as error:
            os.ftruncate(self._fd, before)
            wrong = f"{self.path}: {error.strerror}; make room on the disk, then plug the board in again"
            raise FlashError("journal", wrong) from error

    def row_of(self, mac: str) -> str | None:
        """Return the row that a board was given and still has, or None."""
        return next((name for name, state in self.rows.items() if state.mac == mac), None)

    def state(self, row: str) -> RowState:
        """Return where a row is."""
        return self.rows.get(row) or RowState()

    def _replay(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # the line that a crash tore
            os.ftruncate(self._fd, whole)
            os.fsync(self._fd)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            body, _, check = line.rpartition(b" ")
            try:
                if int(check, 16) != zlib.crc32(body):
                    raise ValueError("checksum")
                told: dict[str, Any] = json.loads(body)
                self._apply(str(told["row"]), str(told["event"]), told)
            except (ValueError, KeyError, TypeError) as error:
                raise FlashError(
                    "journal",
                    f"{self.path}: line {number} is damaged: move the file away, and check what is done",
                ) from error

    def _apply(self, row: str, event: str, told: dict[str, Any]) -> None:
        state = self.rows.setdefault(row, RowState())
        state.event = event
        state.reason = str(told.get("reason", ""))
        if event == ASSIGNED:
            state.mac, state.dev_eui = str(told["mac"]), str(told["dev_eui"])
        elif event == FAILED:
            state.mac = state.dev_eui = None
