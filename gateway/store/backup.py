"""The whole data directory in one file, while the gateway runs, and back into an empty directory.

Databases are copied by SQLite's own backup, each as it was at one moment: the store first, the raw log last,
so that the log never lacks what the store has not read yet. What the copy of the store does not know is
computed again from the log when a gateway starts on it.
"""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
import tempfile
import time
from pathlib import Path

from gateway.erasures import BESIDE, ERASURES, erasures, note_backup
from gateway.errors import StoreError

_FIRST = "store.db"
_LEFT_OUT = frozenset(("lock", "control.json"))
_FORMAT = b"meetnet backup 1\n"
_MARK = "MEETNET-BACKUP"


def backup(directory: Path, target: Path) -> int:
    """Write a backup; return the number of files in it. Raise StoreError."""
    if not (directory / "registry.db").exists():
        raise StoreError(f"{directory} is no data directory: give one with --data")
    partial = target.with_name(target.name + ".new")
    count = 0
    try:
        partial.unlink(missing_ok=True)
        with (
            # Keys are in it: nobody else has it open, and no link of somebody leads it elsewhere.
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as archive,
            tempfile.TemporaryDirectory() as name,
        ):
            mark = tarfile.TarInfo(_MARK)
            mark.size = len(_FORMAT)
            archive.addfile(mark, io.BytesIO(_FORMAT))
            for path in _files(directory):
                inside = str(path.relative_to(directory))
                if path.suffix == ".db":
                    copy = Path(name) / "copy.db"
                    _copy_database(path, copy)
                    archive.add(copy, inside)
                    copy.unlink()
                else:
                    archive.add(path, inside, recursive=False)
                count += 1
        partial.replace(target)
        note_backup(directory, target, time.time_ns() // 1_000_000)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"backup to {target}: {error}; nothing was written there") from error
    return count


def restore(source: Path, directory: Path) -> int:
    """Unpack a backup into a directory that is empty or not there; return the number of files.

    `erased_since` then says which of its sites were erased after it was made.
    """
    if directory.exists() and any(directory.iterdir()):
        raise StoreError(f"{directory} is not empty: move it away, or give another with --data")
    count = 0
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tarfile.open(source, "r:gz") as archive:
            first = archive.next()
            if first is None or first.name != _MARK:
                raise StoreError(f"{source} is no backup of `meetnet store backup`")
            for member in archive:
                member.mode = 0o600  # those of the copies of databases say nothing
                archive.extract(member, directory, filter="data")
                count += 1
    except (OSError, tarfile.TarError, EOFError) as error:
        raise StoreError(f"restore from {source}: {error}; empty {directory} and try again") from error
    return count


def erased_since(source: Path, directory: Path) -> set[str]:
    """Return the pseudonyms of sites that must not come back with a backup."""
    beside = erasures(source.parent / BESIDE)
    known = erasures(directory / ERASURES)
    return {one.site for one in beside} - {one.site for one in known}


def _files(directory: Path) -> list[Path]:
    """Return what belongs into a backup: the store first, the raw log last."""
    found = [
        path
        for path in directory.rglob("*")
        if path.is_file() and path.name not in _LEFT_OUT and not path.name.endswith(("-wal", "-shm", ".new"))
    ]
    return sorted(found, key=lambda path: (path.name != _FIRST, path.suffix == ".seg", str(path)))


def _copy_database(source: Path, target: Path) -> None:
    read = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    write = sqlite3.connect(target)
    try:
        read.backup(write)
        write.execute("PRAGMA journal_mode=DELETE")
    finally:
        read.close()
        write.close()
