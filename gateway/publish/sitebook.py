"""What a platform was told about sites, kept beside the position, so that a change reaches it.

Values carry a site's name, place and licence with them, but only when there is a next one. A site that is
renamed, moved, made coarser or put under another licence is told again at once, and one whose host took the
consent back is told to be gone, where the platform keeps something that would go on being shown.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from sys import intern

import msgspec
from msgspec.structs import replace

from gateway.model import PublicSite

_AT_ONCE = 1000
_TABLE = (
    "CREATE TABLE IF NOT EXISTS told(site_id TEXT PRIMARY KEY, kind TEXT NOT NULL, mark TEXT NOT NULL, "
    "quantities TEXT NOT NULL) WITHOUT ROWID"
)


class Told(msgspec.Struct, frozen=True, gc=False):
    """A site as a platform knows it. mark: of everything but the values."""

    kind: str
    mark: str
    quantities: tuple[str, ...] = ()

    def holds(self, quantities: Iterable[str]) -> bool:
        """Say whether all of these went out already."""
        mine = self.quantities
        return all(quantity in mine for quantity in quantities)


@dataclass(frozen=True, slots=True)
class News:
    """What a platform does not know yet: sites it has that are otherwise now, and sites that are gone."""

    changed: Sequence[PublicSite]
    gone: Mapping[str, Told]

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.changed or self.gone)


class SiteBook:
    """One publisher's book, a row a site. Blocking; belongs to one follower.

    A site that is new costs one row, however many there are.
    """

    def __init__(self, path: Path) -> None:
        """path: of a SQLite file; it is made with the first site."""
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._told: dict[str, Told] | None = None
        self._sets: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._unwritten: dict[str, Told] = {}
        self._held: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()  # pairs of which one holds the other

    def news(
        self,
        all_sites: Callable[[], Iterable[PublicSite]],
        some: Callable[[Sequence[str]], Mapping[str, PublicSite]],
        *,
        has_sent: bool,
    ) -> News:
        """Return what is new; only sites that are in the book are asked for, some at a time.

        has_sent: values went out before there was a book: they told all there is.
        """
        told = self._known()
        if told is None:
            told = self._told = {site.site_id: _told(site) for site in all_sites()} if has_sent else {}
            self._write(told)
            return News((), {})
        changed: list[PublicSite] = []
        gone: dict[str, Told] = {}
        names = list(told)
        for at in range(0, len(names), _AT_ONCE):
            part = names[at : at + _AT_ONCE]
            here = some(part)
            for name in part:
                site = here.get(name)
                if site is None:
                    gone[name] = told[name]
                elif told[name].mark != mark(site):
                    changed.append(site)
        return News(changed, gone)

    def was_told(self, news: News) -> None:
        """Keep that a platform knows the news."""
        told = self._known() or {}
        changed = {
            site.site_id: replace(_told(site), quantities=told[site.site_id].quantities)
            for site in news.changed
        }
        told |= changed
        for name in news.gone:
            told.pop(name, None)
            self._unwritten.pop(name, None)
        self._told = told
        self._write(changed, gone=tuple(news.gone))

    def learned(
        self,
        sent: Iterable[tuple[str, tuple[str, ...]]],
        sites: Callable[[Sequence[str]], Mapping[str, PublicSite]],
    ) -> dict[str, Told]:
        """Return what a platform learns of sites from values that go out: what `was_sent` takes.

        sent: site and quantities. sites: asked for those that are not in the book, as they are now.
        """
        told = self._known() or {}
        more: dict[str, set[str]] = {}
        held = self._held
        for site_id, quantities in sent:
            one = told.get(site_id)
            if one is None or (one.quantities, quantities) not in held:
                if one is not None and one.holds(quantities):
                    held.add((one.quantities, quantities))
                else:
                    more.setdefault(site_id, set()).update(quantities)
        if not more:
            return {}
        new = [site_id for site_id in more if site_id not in told]
        places: Mapping[str, PublicSite] = sites(new) if new else {}
        fresh: dict[str, Told] = {}
        for site_id, quantities in more.items():
            one = told.get(site_id)
            if one is None:
                if site_id not in places:
                    continue
                one = _told(places[site_id])
            all_of_it = tuple(sorted({*one.quantities, *quantities}))
            fresh[site_id] = replace(one, quantities=self._sets.setdefault(all_of_it, all_of_it))
        return fresh

    def was_sent(self, learned: Mapping[str, Told]) -> None:
        """Keep what a platform learned; on the disk with the next `write`."""
        told = self._known()
        if told is None:
            told = self._told = {}
        told.update(learned)
        self._unwritten.update(learned)

    def write(self) -> None:
        """Make durable what was learned."""
        learned, self._unwritten = self._unwritten, {}
        if learned:
            self._write(learned)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _known(self) -> dict[str, Told] | None:
        if self._told is None and self._path.exists():
            found: dict[str, Told] = {}
            for site_id, kind, text, quantities in self._open().execute("SELECT * FROM told"):
                names = tuple(quantities.split())
                found[site_id] = Told(intern(kind), text, self._sets.setdefault(names, names))
            self._told = found
        return self._told

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is told again
            self._db.execute(_TABLE)
        return self._db

    def _write(self, told: Mapping[str, Told], gone: Sequence[str] = ()) -> None:
        db = self._open()
        with db:
            db.execute("BEGIN")
            db.executemany(
                "INSERT OR REPLACE INTO told VALUES (?,?,?,?)",
                [(name, one.kind, one.mark, " ".join(one.quantities)) for name, one in told.items()],
            )
            db.executemany("DELETE FROM told WHERE site_id = ?", [(name,) for name in gone])


def mark(site: PublicSite) -> str:
    """Return a short mark of all that a site is beside its values."""
    parts = (site.name, site.kind, site.longitude, site.latitude, site.precision_m, site.licence)
    return blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


def _told(site: PublicSite) -> Told:
    return Told(site.kind, mark(site), site.quantities)
