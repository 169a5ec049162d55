"""The side list: observations that a platform refused for good, kept with the reason.

One file of JSON lines a publisher, appended and flushed to disk before the position moves on: nothing is
lost silently, and nothing that waits here blocks what follows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from gateway.model import PublicObservation
from gateway.publish.base import Rejection


class SideList(Protocol):
    """Where rejections are kept."""

    def add(self, publisher: str, rejections: Sequence[Rejection]) -> None:
        """Keep rejections durably; blocking."""
        ...


class FileSideList:
    """Rejections under a folder, `<publisher>.rejected.jsonl` each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, publisher: str, rejections: Sequence[Rejection]) -> None:
        """Append and flush to disk."""
        if not rejections:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(publisher)
        lines = "".join(
            json.dumps({"reason": rejection.reason, "row": asdict(rejection.row)}) + "\n"
            for rejection in rejections
        )
        # A kill may have cut the last line: the next one starts on a line of its own.
        glue = "\n" if _ends_mid_line(path) else ""
        with path.open("a", encoding="utf-8") as file:
            file.write(glue + lines)
            file.flush()
            os.fsync(file.fileno())

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

    def _path(self, publisher: str) -> Path:
        return self._folder / f"{publisher}.rejected.jsonl"


def _ends_mid_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False
