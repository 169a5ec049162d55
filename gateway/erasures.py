"""Which sites were erased, by a hash of their id, so that a backup from before does not bring them back.

The list is in the data directory (erasures.json) and, copied at every erasure, beside every backup that the
index (backups.json) knows of and that is still there. It names no site to whoever does not know its id
already.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.errors import StoreError

ERASURES, BACKUPS = "erasures.json", "backups.json"
BESIDE = "meetnet-erasures.json"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written."""

    file: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """A site that was erased. site: `pseudonym` of its id."""

    site: str
    at_ms: int


def pseudonym(site_id: str) -> str:
    """Return what stands for a site that was erased, in lists that must go on telling that something was."""
    return "erased-" + hashlib.blake2b(site_id.encode(), digest_size=12, person=b"meetnet-erased").hexdigest()


def note_backup(directory: Path, file: Path, at_ms: int) -> None:
    """Put a backup into the index; raise StoreError."""
    found = [one for one in backups(directory) if one.file != str(file.resolve())]
    _write(directory / BACKUPS, [*found, Backup(str(file.resolve()), at_ms)])


def backups(directory: Path) -> list[Backup]:
    """Return the backups in the index that are still there."""
    return [Backup(**row) for row in _read(directory / BACKUPS) if Path(row["file"]).exists()]


def note_erasure(directory: Path, site_id: str, at_ms: int) -> list[Backup]:
    """Put a site on the list, here and beside each backup; return the backups that still hold it."""
    found = [*erasures(directory / ERASURES), Erasure(pseudonym(site_id), at_ms)]
    _write(directory / ERASURES, found)
    holding = [one for one in backups(directory) if one.at_ms <= at_ms]
    for folder in {Path(one.file).parent for one in holding}:
        known = {*erasures(folder / BESIDE), *found}
        with contextlib.suppress(StoreError):  # a disk that is away: the list here goes with the next backup
            _write(folder / BESIDE, sorted(known, key=lambda one: (one.at_ms, one.site)))
    return holding


def erasures(path: Path) -> list[Erasure]:
    """Return the erasures on a list; none where there is no list."""
    return [Erasure(**row) for row in _read(path)]


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.name} in {path.parent}: {error}; restore it from a backup") from error


def _write(path: Path, rows: list[Backup] | list[Erasure]) -> None:
    partial = path.with_name(path.name + ".new")
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path.name} in {path.parent}: {error.strerror}; check owner, mode and space"
        ) from error
