"""What the sensor register must hear of: sensors that are planned, changed or gone since the last report.

What was reported last is kept in reported.json of the data directory, by site.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.errors import StoreError
from gateway.publish.catalog.register import REPORT_BEFORE_MS, changes, report_is_late

NEW, CHANGED, GONE = "new", "changed", "gone"


@dataclass(frozen=True, slots=True)
class Due:
    """One report that is to be made. fields: what changed. by_ms: until when; is_late: that is over."""

    site_id: str
    what: str
    fields: tuple[str, ...] = ()
    by_ms: int | None = None
    is_late: bool = False


def due(
    reported: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Mapping[str, Any]],
    placed_ms: Mapping[str, int],
    now_ms: int,
) -> list[Due]:
    """Return what must be reported, by site. placed_ms: since or from when a sensor is at a site."""
    found: list[Due] = []
    for site_id in sorted(reported.keys() | now.keys()):
        before, after = reported.get(site_id), now.get(site_id)
        if after is None:
            found.append(Due(site_id, GONE))
        elif before is None:
            planned_ms = placed_ms.get(site_id)
            by_ms = None if planned_ms is None else planned_ms - REPORT_BEFORE_MS
            late = planned_ms is not None and report_is_late(planned_ms, now_ms)
            found.append(Due(site_id, NEW, (), by_ms, late))
        elif fields := changes(before, after):
            found.append(Due(site_id, CHANGED, tuple(fields)))
    return found


class ReportBook:
    """What was reported last, in a file that only ever appears whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, dict[str, Any]]:
        """Return the records as they were reported, by site; StoreError for a file that is none."""
        try:
            found: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._path}: {error}; restore it, or move it away and report anew") from error
        return cast("dict[str, dict[str, Any]]", found) if isinstance(found, dict) else {}

    def save(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep what was reported; StoreError when the disk refuses it."""
        waiting = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with waiting.open("w", encoding="utf-8") as file:
                json.dump(records, file, ensure_ascii=False, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(self._path)
        except OSError as error:
            waiting.unlink(missing_ok=True)
            raise StoreError(f"{self._path} cannot be written ({error.strerror}): make room") from error
