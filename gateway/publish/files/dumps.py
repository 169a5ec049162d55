"""A file a day: CSV with its metadata, JSON, and Parquet where it can be written.

A day is written once it is over (UTC), and again whenever something of it comes late. Which days wait is in
`pending.json` beside the files, so that a kill forgets none. Files appear whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigError
from gateway.exports import iso_utc, write_csv
from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Packed, Parcel
from gateway.publish.files.csvw import csv_metadata
from gateway.publish.files.forms import citation, has_parquet, write_json, write_parquet

DAY_MS = 86_400_000
FORMS = ("csv", "json", "parquet")


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """Settings of daily dumps.

    folder: where the files go, relative to the working directory.
    forms: which of csv, json, parquet (parquet needs pyarrow).
    title, publisher, address: for the citation.
    """

    folder: str
    name: str = "files"
    forms: tuple[str, ...] = ("csv", "json")
    title: str = "Meetnet"
    publisher: str = ""
    address: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        if not self.folder:
            raise ConfigError(f"{key}.folder", "give the folder for the files, for example dumps")
        for form in self.forms:
            if form not in FORMS:
                raise ConfigError(f"{key}.forms", f"{form!r} is none of {', '.join(FORMS)}")
        if not self.forms:
            raise ConfigError(f"{key}.forms", 'give at least one, for example ["csv"]')
        if "parquet" in self.forms and not has_parquet():
            raise ConfigError(f"{key}.forms", "parquet needs pyarrow: pip install pyarrow, or leave it out")


class FilesPublisher:
    """Publisher of daily dumps: it follows the store to learn which days changed."""

    def __init__(self, settings: FilesSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._folder = Path(settings.folder)

    @property
    def name(self) -> str:
        """Return the name under which the position is kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make one parcel: the days that changed."""
        return Packed([Parcel(tuple(rows), reader)])

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Write the days that are over; a disk that refuses is tried again."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._write, parcel)
        except OSError as error:
            return Outcome((), parcel, f"cannot write to {self._folder}: {error.strerror}")
        return Outcome()

    def _write(self, parcel: Parcel) -> None:
        days = _pending(self._folder) | {row.observed_at_ms // DAY_MS for row in parcel.rows}
        today = self._clock.now_ms() // DAY_MS
        _keep_pending(self._folder, days)
        for day in sorted(day for day in days if day < today):
            write_day(parcel.content, day, self._folder, self._settings)
            days.discard(day)
            _keep_pending(self._folder, days)

    async def close(self) -> None:
        """Nothing is open."""


def write_day(reader: PublicReader, day: int, folder: Path, settings: FilesSettings) -> list[Path]:
    """Write the files of a day (days since 1970, UTC); return them. An OSError leaves older ones alone."""
    folder.mkdir(parents=True, exist_ok=True)
    start_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
    base = f"meetnet-{date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()}"
    cite = citation(settings.title, settings.publisher, start_ms, end_ms, settings.address)
    written: list[Path] = []

    def whole(name: str, write: Callable[[Path], object]) -> None:
        path, partial = folder / name, folder / f".{name}.new"
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        written.append(path)

    def as_csv(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as out:
            write_csv(reader, start_ms, end_ms, out)

    def as_metadata(path: Path) -> None:
        licences = tuple(sorted({site.licence for site in reader.sites()}))
        found = csv_metadata(
            f"{base}.csv", f"{settings.title} {base[8:]}", settings.publisher, licences, cite
        )
        found["dc:date"] = iso_utc(start_ms)[:10]
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def as_json(path: Path) -> None:
        with path.open("w", encoding="utf-8") as out:
            write_json(reader, start_ms, end_ms, out, cite=cite)

    if "csv" in settings.forms:
        whole(f"{base}.csv", as_csv)
        whole(f"{base}.csv-metadata.json", as_metadata)
    if "json" in settings.forms:
        whole(f"{base}.json", as_json)
    if "parquet" in settings.forms:
        whole(f"{base}.parquet", lambda path: write_parquet(reader, start_ms, end_ms, path, cite=cite))
    return written


def _pending(folder: Path) -> set[int]:
    try:
        found = json.loads((folder / "pending.json").read_text(encoding="utf-8"))
        return {day for day in found if isinstance(day, int)}
    except (OSError, ValueError, TypeError):
        return set()


def _keep_pending(folder: Path, days: set[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".pending.new"
    partial.write_text(json.dumps(sorted(days)), encoding="utf-8")
    partial.replace(folder / "pending.json")
