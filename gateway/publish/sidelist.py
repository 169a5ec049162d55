"""The side list: observations that a platform refused for good, kept with the reason.

One file of JSON lines a publisher, appended and flushed to disk before the position moves on: nothing is
lost silently, and nothing that waits here blocks what follows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gateway.model import PublicObservation
from gateway.publish.base import Rejection

SUFFIX = ".rejected.jsonl"


class SideList(Protocol):
    """Where rejections are kept."""

    def add(self, publisher: str, rejections: Sequence[Rejection]) -> None:
        """Keep rejections durably; blocking."""
        ...


class FileSideList:
    """Rejections under a folder, `<publisher>.rejected.jsonl` each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted: dict[str, tuple[tuple[int, int], int]] = {}  # by publisher: of which file, its lines

    def add(self, publisher: str, rejections: Sequence[Rejection]) -> None:
        """Append and flush to disk."""
        if not rejections:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(publisher)
        lines = "".join(map(_line, rejections))
        with self._locked(publisher):
            # A kill may have cut the last line: the next one starts on a line of its own.
            glue = "\n" if _ends_mid_line(path) else ""
            with path.open("a", encoding="utf-8") as file:
                file.write(glue + lines)
                file.flush()
                os.fsync(file.fileno())

    def remove(self, publisher: str, gone: Callable[[Rejection], bool]) -> int:
        """Take rejections off the list, durably and all at once; return how many. A gateway may be adding."""
        path = self._path(publisher)
        if not path.exists():
            return 0
        with self._locked(publisher):
            found = list(self.read(publisher))
            kept = [rejection for rejection in found if not gone(rejection)]
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            with fresh.open("w", encoding="utf-8") as file:
                file.writelines(_line(rejection) for rejection in kept)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        return len(found) - len(kept)

    def forget_site(self, site_id: str) -> int:
        """Take all of a site off every list: a host's right to be forgotten. Return how many rows went."""
        names = [path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}")]
        return sum(self.remove(name, lambda one: one.row.site_id == site_id) for name in names)

    @contextlib.contextmanager
    def _locked(self, publisher: str) -> Generator[None]:
        """Keep another process out: `meetnet publish` may work on the list of a running gateway."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{publisher}.lock").open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self, publisher: str) -> Iterator[Rejection]:
        """Yield what is kept; a line that a kill cut is passed over (its rows come again)."""
        path = self._path(publisher)
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    found: dict[str, Any] = json.loads(line)
                    fields: dict[str, Any] = {**found["row"], "flags": tuple(found["row"]["flags"])}
                    yield Rejection(PublicObservation(**fields), found["reason"])
                except (ValueError, KeyError, TypeError):
                    continue

    def waiting(self, publisher: str) -> int:
        """Return how many are on the list now, whoever put them there or took them off. Quick."""
        path = self._path(publisher)
        try:
            with path.open("rb") as file:
                about = os.fstat(file.fileno())
                mark = about.st_mtime_ns, about.st_size
                known = self._counted.get(publisher)
                if known is None or known[0] != mark:
                    lines = sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))
                    known = self._counted[publisher] = mark, lines
        except OSError:
            return 0
        return known[1]

    def _path(self, publisher: str) -> Path:
        return self._folder / f"{publisher}{SUFFIX}"


def mended(old: Rejection, value: float) -> Rejection:
    """Return an item with another value, marked as mended by hand; it says what it was refused for."""
    row = msgspec.structs.replace(
        old.row, value=value, flags=(*old.row.flags, "mended"), method="mended", method_version=1
    )
    return Rejection(row, f"mended, was: {old.reason}")


def _line(rejection: Rejection) -> str:
    return json.dumps({"reason": rejection.reason, "row": msgspec.structs.asdict(rejection.row)}) + "\n"


def _ends_mid_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False
