"""Commands that wait for nodes on Wi-Fi, in a file: a restart of the gateway forgets none."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.errors import RegistryError, StoreError

MOST = 16  # for one device


@dataclass(frozen=True, slots=True)
class Command:
    """One payload for an FPort of a device."""

    id: str
    f_port: int
    payload: bytes


class WaitingCommands:
    """The file; small, and written anew with each change. A damaged one is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, list[Command]] = {}
        try:
            found = cast("dict[str, list[list[Any]]]", json.loads(path.read_text(encoding="utf-8")))
            self._rows = {
                dev_eui: [Command(str(i), int(port), bytes.fromhex(payload)) for i, port, payload in rows]
                for dev_eui, rows in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            pass

    def of(self, dev_eui: str) -> list[Command]:
        """Return what waits for a device, oldest first."""
        return list(self._rows.get(dev_eui, ()))

    def add(self, dev_eui: str, f_port: int, payload: bytes) -> Command:
        """Keep a command; RegistryError when too many wait already, StoreError when it cannot be kept."""
        if len(self._rows.get(dev_eui, ())) >= MOST:
            raise RegistryError(f"{MOST} commands already wait for {dev_eui}: let it speak first")
        command = Command(secrets.token_hex(4), f_port, payload)
        self._write({**self._rows, dev_eui: [*self.of(dev_eui), command]})
        return command

    def done(self, dev_eui: str, command: Command) -> None:
        """The device has it."""
        left = [row for row in self.of(dev_eui) if row.id != command.id]
        self._write({**self._rows, dev_eui: left})

    def _write(self, rows: dict[str, list[Command]]) -> None:
        rows = {dev_eui: commands for dev_eui, commands in rows.items() if commands}
        text = json.dumps(
            {dev_eui: [[c.id, c.f_port, c.payload.hex()] for c in found] for dev_eui, found in rows.items()}
        )
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error
        self._rows = rows
