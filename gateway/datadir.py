"""The data directory: where things are, and that only one gateway uses it.

meetnet-data/
  registry.db    sites, devices, deployments, consents
  secrets.db     keys and password hashes, mode 0600
  claims.db      who owns which device, and tags of labels
  commissioning.db, photos/   site reports, for those who run the network
  segments/      the raw log: the point of acknowledgement
  store.db       observations and everything else that follows from the log
  review.db      what second looks found, computed again when it is lost
  health.db      incidents: what was silent, why, and who was told
  lns.db         sessions and counters of the network server, mode 0600
  gaps.db        which records of which device did not arrive
  commands.json, cable-commands.json   what waits for nodes on Wi-Fi, and on cables
  updates.db, updates/   roll-outs, and the bundles that they are of
  windows.db     frames whose parity may bring lost ones back
  profiles/      how devices write that are not ours, a TOML file each
  side/          what a platform refused for good, a file each
  erasures.json, backups.json   which sites were erased (by a hash), and where backups went
  control.json   port and token of the running gateway, mode 0600 (`meetnet status` reads it)
  lock           held while a gateway runs
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from gateway.errors import StoreError


class DataDirectory:
    """Paths within a data directory, and the lock on it."""

    def __init__(self, path: Path) -> None:
        """Create the directory with mode 0700 where it is missing; raise StoreError."""
        self.path = path
        self._lock: int | None = None
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(
                f"data directory {path}: {error.strerror}; give another, or correct its mode"
            ) from error
        self.segments = path / "segments"
        self.store = path / "store.db"
        self.lns = path / "lns.db"
        self.review = path / "review.db"
        self.health = path / "health.db"
        self.gaps = path / "gaps.db"
        self.commands = path / "commands.json"
        self.cable_commands = path / "cable-commands.json"
        self.windows = path / "windows.db"
        self.side = path / "side"
        self.profiles = path / "profiles"
        self.control = path / "control.json"

    def health_of(self, registry: Path | None) -> Path:
        """Return where incidents are: with the register that workers share, else here."""
        return self.health if registry is None else registry / self.health.name

    def lock(self) -> None:
        """Keep others out until `unlock`; raise StoreError when a gateway is already running here."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"data directory {self.path} cannot be written: {error.strerror}; correct its mode or owner, "
                "or give another"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise StoreError(
                f"data directory {self.path} is in use by a running gateway: stop that one, or give another"
            ) from error
        self._lock = fd

    def unlock(self) -> None:
        """Let others in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_control(self, port: int, token: str) -> None:
        """Say where the running gateway answers; only the owner can read it."""
        self.control.unlink(missing_ok=True)
        fd = os.open(self.control, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({"port": port, "token": token}, file)

    def read_control(self) -> tuple[int, str] | None:
        """Return (port, token) of a running gateway, or None."""
        try:
            found = json.loads(self.control.read_text(encoding="utf-8"))
            return int(found["port"]), str(found["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
