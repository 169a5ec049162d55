"""What a platform was told about sites, kept beside the position, so that a change reaches it.

Values carry a site's name, place and licence with them, but only when there is a next one. A site that is
renamed, moved, made coarser or put under another licence is told again at once, and one whose host took the
consent back is told to be gone, where the platform keeps something that would go on being shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gateway.model import PublicObservation, PublicSite


@dataclass(frozen=True, slots=True)
class Told:
    """A site as a platform knows it. mark: of everything but the values."""

    kind: str
    mark: str
    quantities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class News:
    """What a platform does not know yet: sites it has that are otherwise now, and sites that are gone."""

    changed: Sequence[PublicSite]
    gone: Mapping[str, Told]

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.changed or self.gone)


class SiteBook:
    """One publisher's book in a file. Blocking; belongs to one follower."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, Told] | None = None

    def news(self, sites: Sequence[PublicSite], *, has_sent: bool) -> News:
        """Return what is new. has_sent: values went out before there was a book: they told all there is."""
        told = self._known()
        if told is None:
            told = self._told = {site.site_id: _told(site) for site in sites} if has_sent else {}
            self._write()
        here = {site.site_id: site for site in sites}
        changed = [site for name, site in here.items() if name in told and told[name].mark != mark(site)]
        return News(changed, {name: one for name, one in told.items() if name not in here})

    def was_told(self, news: News) -> None:
        """Keep that a platform knows the news."""
        told = self._known() or {}
        for site in news.changed:
            told[site.site_id] = replace(_told(site), quantities=told[site.site_id].quantities)
        for name in news.gone:
            told.pop(name, None)
        self._told = told
        self._write()

    def was_sent(self, rows: Iterable[PublicObservation], sites: Mapping[str, PublicSite]) -> None:
        """Keep that values went out, which tell of their sites."""
        told = self._known() or {}
        is_new = False
        for site_id, quantity in {(row.site_id, row.quantity) for row in rows}:
            if site_id not in sites:
                continue
            one = told.get(site_id) or _told(sites[site_id])
            if site_id not in told or quantity not in one.quantities:
                told[site_id] = replace(one, quantities=tuple(sorted({*one.quantities, quantity})))
                is_new = True
        if is_new:
            self._told = told
            self._write()

    def _known(self) -> dict[str, Told] | None:
        if self._told is None:
            try:
                found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
                self._told = {
                    name: Told(one["kind"], one["mark"], tuple(one["quantities"]))
                    for name, one in found.items()
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return None
        return self._told

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({name: asdict(one) for name, one in (self._told or {}).items()}, file, indent=0)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def mark(site: PublicSite) -> str:
    """Return a short mark of all that a site is beside its values."""
    parts = (site.name, site.kind, site.longitude, site.latitude, site.precision_m, site.licence)
    return blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


def _told(site: PublicSite) -> Told:
    return Told(site.kind, mark(site), site.quantities)
