"""The event log: one line of JSON an event, in the order of virtual time, and a hash over all of it.

    {"t_us": ..., "kind": "sensor|node|radio|gateway|store|fault", "who": ..., "what": ..., ...}

Processes run beside one another, so events of one instant may come in any order: they are kept back for a
little virtual time and written sorted. The same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMA = 1
_KEEP_BACK_US = 2_000_000  # nodes run up to 0.25 s ahead of the world
KINDS = ("sensor", "node", "radio", "gateway", "store", "fault")


class EventLog:
    """Writes events.jsonl. `close()` before reading `sha256`."""

    def __init__(self, path: Path, kinds: Sequence[str] = KINDS) -> None:
        """kinds: those that are written; the others are counted."""
        self.path = path
        self._kinds = frozenset(kinds)
        self.counts: Counter[str] = Counter()
        self._file = path.open("w", encoding="utf-8")
        self._hash = hashlib.sha256()
        self._waiting: list[tuple[int, str]] = []
        self._flushed_us = 0

    def add(self, t_us: int, kind: str, who: str, what: str, **facts: Any) -> None:
        """Take one event. Facts are plain values; bytes become hex."""
        self.counts[f"{kind}.{what}"] += 1
        if kind not in self._kinds:
            return
        row: dict[str, Any] = {"t_us": t_us, "kind": kind, "who": who, "what": what}
        for name, value in facts.items():
            row[name] = value.hex() if isinstance(value, bytes) else value
        # One that comes too late would break the order: it is said where it can still stand.
        self._waiting.append((max(t_us, self._flushed_us), json.dumps(row, separators=(",", ":"))))

    def flush(self, now_us: int) -> None:
        """Write what is old enough."""
        self._write(now_us - _KEEP_BACK_US)

    def close(self) -> None:
        """Write the rest."""
        if not self._file.closed:
            self._write(1 << 62)
            self._file.close()

    @property
    def sha256(self) -> str:
        """Hash of everything written so far, 64 hex digits."""
        return self._hash.hexdigest()

    def _write(self, until_us: int) -> None:
        self._waiting.sort()
        n = 0
        for t_us, line in self._waiting:
            if t_us >= until_us:
                break
            data = line + "\n"
            self._hash.update(data.encode())
            self._file.write(data)
            n += 1
        del self._waiting[:n]
        self._flushed_us = max(self._flushed_us, until_us if until_us < 1 << 61 else 0)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the events of a log; ValueError names the line that is none."""
    found: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    found.append(json.loads(line))
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from None
    return found
