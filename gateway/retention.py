"""How long each class of data is kept: rules with dates, carried out in small steps by the running gateway.

A rule is a number of days, 0 for ever; a rule that is to change has the date behind it: "3650" or
"3650, 2028-01-01: 1825". What LDES, DCAT and the record of processing declare comes from the same rules: see
`declared`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from gateway.config import Config
from gateway.errors import ConfigError, StoreError
from gateway.store import Store
from gateway.store.history.erasing import drop_records, drop_rollups, old_rollups, older

DAY_MS = 86_400_000
MOST_DAYS = 36500
RAW_FRAMES, NOISE_SECONDS, OBSERVATIONS, ROLLUPS = "raw_frames", "noise_seconds", "observations", "rollups"
VISITS, INCIDENTS, AUDIT, LINKS, ACCOUNTS = "visits", "incidents", "audit", "sign_in", "accounts"
SECONDS = ("laeq_1s",)  # quantities of a second

# Of each class but raw frames: what it is. Its rule is the setting retention.<class>.
CLASSES: Mapping[str, str] = {
    NOISE_SECONDS: "sound levels of single seconds; their minutes, hours and days stay with the rollups",
    OBSERVATIONS: "single observations, raw and corrected",
    ROLLUPS: "what minutes, hours and days amount to",
    VISITS: "reports and photos of visits to sites, and reports of drivers",
    INCIDENTS: "incidents that are over, and who was told",
    AUDIT: "who did what",
    LINKS: "sign-in links that were mailed, and sessions that nobody used",
    ACCOUNTS: "accounts that host no site, have no role, and were not used",
}


@dataclass(frozen=True, slots=True)
class Change:
    """From a day on, what is older than so many days goes; 0: nothing does."""

    since: date
    days: int


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a class, with its changes in order of time."""

    changes: tuple[Change, ...]

    def days(self, now_ms: int) -> int:
        """Return how many days data are kept as of a moment; 0: for ever."""
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        return [change.days for change in self.changes if change.since <= today][-1]

    def before_ms(self, now_ms: int) -> int | None:
        """Return what data must be older than to go; None: none do."""
        days = self.days(now_ms)
        return now_ms - days * DAY_MS if days else None


def parse(key: str, text: str) -> Rule:
    """Return the rule of a setting; raise ConfigError, which names the key and the remedy."""
    changes: list[Change] = []
    for number, part in enumerate(text.split(",")):
        day, _, count = part.rpartition(":")
        try:
            since = date.fromisoformat(day.strip()) if number else date.min
            days = int(count)
            if (not number and day) or not 0 <= days <= MOST_DAYS or (changes and since <= changes[-1].since):
                raise ValueError
        except ValueError as error:
            raise ConfigError(
                key,
                f"{text!r} is no rule: give days (0 to {MOST_DAYS}, 0: for ever), and from which day on they "
                'are others, in order of time, as in "3650, 2028-01-01: 1825"',
            ) from error
        changes.append(Change(since, days))
    return Rule(tuple(changes))


def rules(config: Config) -> dict[str, Rule]:
    """Return the rule of each class; raise ConfigError."""
    found = {name: parse(f"retention.{name}", config.text(f"retention.{name}")) for name in CLASSES}
    return {RAW_FRAMES: Rule((Change(date.min, config.whole("data.raw_days")),)), **found}


def declared(config: Config, now_ms: int) -> dict[str, int]:
    """Return how many days each class is kept as of now, 0 for ever: what publications must say, too."""
    return {name: rule.days(now_ms) for name, rule in rules(config).items()}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a table beside the store that go by age."""

    name: str
    file: str
    table: str
    where: str  # with :before


_ROWS: tuple[_Rows, ...] = (
    _Rows(VISITS, "commissioning.db", "reports", "at_ms < :before"),
    _Rows(VISITS, "waste.db", "reports", "at_ms < :before"),
    _Rows(INCIDENTS, "health.db", "incidents", "closed_ms IS NOT NULL AND closed_ms < :before"),
    _Rows(AUDIT, "access.db", "audit", "at_ms < :before"),
    _Rows(LINKS, "access.db", "links", "expires_ms < :before"),
    _Rows(LINKS, "access.db", "sessions", "seen_ms < :before"),
    _Rows(
        ACCOUNTS, "access.db", "people",
        "created_ms < :before AND id NOT IN (SELECT person FROM hosts) "
        "AND id NOT IN (SELECT person FROM roles) "
        "AND id NOT IN (SELECT person FROM sessions WHERE seen_ms >= :before) "
        "AND id NOT IN (SELECT person FROM tokens WHERE COALESCE(used_ms, created_ms) >= :before)",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule would delete now: how many records or rows, of what."""

    name: str
    days: int
    n: int


def due(config: Config, directory: Path, store: Store, now_ms: int) -> list[Due]:
    """Return what is due, by class; nothing is deleted. Raw frames go by whole files, not counted here."""
    found: list[Due] = []
    for name, rule in rules(config).items():
        before_ms, n = rule.before_ms(now_ms), 0
        if before_ms is not None and name != RAW_FRAMES:
            n = _count(name, directory, store, before_ms)
        found.append(Due(name, rule.days(now_ms), n))
    return found


def _count(name: str, directory: Path, store: Store, before_ms: int) -> int:
    if name == NOISE_SECONDS:
        return older(store, before_ms, SECONDS)
    if name == OBSERVATIONS:
        return older(store, before_ms)
    if name == ROLLUPS:
        return old_rollups(store, before_ms)
    return sum(_take(directory, rows, before_ms, delete=False) for rows in _ROWS if rows.name == name)


def carry_out(
    config: Config,
    directory: Path,
    store: Store,
    now_ms: int,
    told: Callable[[str, int], None] = lambda _c, _n: None,
) -> Iterator[int]:
    """Delete what is due; yield after each step how many went; raise StoreError. told(class, n): progress."""
    yield from in_store(config, store, now_ms, told)
    yield from in_directory(config, directory, now_ms, told)


def in_store(
    config: Config, store: Store, now_ms: int, told: Callable[[str, int], None] = lambda _c, _n: None
) -> Iterator[int]:
    """Delete what is due of the observations, which several workers may share; as `carry_out`."""
    for name, before_ms in _before(config, now_ms):
        for n in _steps(name, store, before_ms):
            told(name, n)
            yield n


def in_directory(
    config: Config, directory: Path, now_ms: int, told: Callable[[str, int], None] = lambda _c, _n: None
) -> Iterator[int]:
    """Delete what is due of the files of one data directory; as `carry_out`."""
    for name, before_ms in _before(config, now_ms):
        for rows in _ROWS:
            if rows.name == name and (n := _take(directory, rows, before_ms, delete=True)):
                told(name, n)
                yield n


def _before(config: Config, now_ms: int) -> Iterator[tuple[str, int]]:
    for name, rule in rules(config).items():
        before_ms = rule.before_ms(now_ms)
        if before_ms is not None and name != RAW_FRAMES:
            yield name, before_ms


def _steps(name: str, store: Store, before_ms: int) -> Iterator[int]:
    if name == NOISE_SECONDS:
        yield from drop_records(store, before_ms, SECONDS)
    elif name == OBSERVATIONS:
        yield from drop_records(store, before_ms)
    elif name == ROLLUPS and (n := drop_rollups(store, before_ms)):
        yield n


def _take(directory: Path, rows: _Rows, before_ms: int, *, delete: bool) -> int:
    """Delete the rows that are due, with their photos, or count them only."""
    path = directory / rows.file
    if not path.exists():
        return 0
    keys = {"before": before_ms}
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for pragma in ("busy_timeout=5000", "secure_delete=ON", "foreign_keys=ON"):
                db.execute(f"PRAGMA {pragma}")
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (rows.table,)).fetchone():
                return 0
            if not delete:
                sql = f"SELECT COUNT(*) FROM {rows.table} WHERE {rows.where}"  # noqa: S608
                return db.execute(sql, keys).fetchone()[0]
            photos: list[str] = []
            if rows.file == "commissioning.db":
                sql = f"SELECT photo FROM {rows.table} WHERE {rows.where} AND photo IS NOT NULL"  # noqa: S608
                photos = [row[0] for row in db.execute(sql, keys)]
            n = db.execute(f"DELETE FROM {rows.table} WHERE {rows.where}", keys).rowcount  # noqa: S608
            for photo in photos:
                if not db.execute("SELECT 1 FROM reports WHERE photo = ?", (photo,)).fetchone():
                    for file in (directory / "photos").glob(f"{photo}*"):
                        file.unlink(missing_ok=True)
            return n
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{rows.file}: {error}") from error


_DUTCH = {
    RAW_FRAMES: "ruwe berichten en radiogegevens", NOISE_SECONDS: "geluidsniveaus per seconde",
    OBSERVATIONS: "metingen", ROLLUPS: "gemiddelden per uur en dag", VISITS: "bezoekverslagen en foto's",
    INCIDENTS: "storingen", AUDIT: "logboek van handelingen", LINKS: "aanmeldlinks en sessies",
    ACCOUNTS: "ongebruikte accounts",
}  # fmt: skip


def in_dutch(kept: Mapping[str, int]) -> str:
    """Return for how long each class is kept, for the register and the record of processing."""
    found = [
        f"{name}: {f'{kept[key]} dagen' if kept[key] else 'zolang het meetnet bestaat'}"
        for key, name in _DUTCH.items()
        if key in kept
    ]
    return ("; ".join(found) + ".").capitalize() if found else ""
