"""What the templates show: sites and values as words, in one language, at one moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model import PublicObservation, PublicSite
from gateway.units import unit
from gateway.web.freshness import DOUBTFUL_STATES, FRESH, MISSING, STALE, SUSPECT, Worth, judge
from gateway.web.languages import N_, NO_VALUE, Tongue
from gateway.web.settings import WebSettings
from gateway.web.words import FLAGS, KINDS, STATES, quantity

GRADES = {
    FRESH: N_("recent"),
    STALE: N_("old"),
    SUSPECT: N_("doubtful"),
    MISSING: N_("no value"),
}


@dataclass(frozen=True, slots=True)
class ValueView:
    """One newest value, in words."""

    quantity: str
    label: str
    value: float | None
    number: str
    symbol: str
    age: str
    iso: str
    moment: str
    grade: str
    grade_label: str
    reasons: str
    correction: str


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site with its values; `headline` is the one that the map and the table show.

    quantities: what the site measures, the main quantity first; those of the values.
    """

    site_id: str
    name: str
    kind: str
    kind_label: str
    longitude: float
    latitude: float
    precision_m: int
    licence: str
    values: tuple[ValueView, ...]
    quantities: tuple[str, ...]

    @property
    def headline(self) -> ValueView | None:
        """Return the value of the site's main quantity."""
        return self.values[0] if self.values else None

    @property
    def grade(self) -> str:
        """Return the verdict of the headline."""
        return self.values[0].grade if self.values else MISSING


@dataclass(frozen=True, slots=True)
class HourView:
    """One hour of a series: the table twin of the chart."""

    hour: str
    lowest: str
    highest: str
    count: int
    doubtful: int


def site_views(
    sites: Sequence[PublicSite],
    latest: Sequence[PublicObservation],
    tongue: Tongue,
    settings: WebSettings,
    now_ms: int,
) -> list[SiteView]:
    """Return the sites by kind, then name, with their newest values by rank."""
    by_site: dict[str, list[PublicObservation]] = {}
    for row in latest:
        by_site.setdefault(row.site_id, []).append(row)
    views = [_site_view(site, by_site.get(site.site_id, []), tongue, settings, now_ms) for site in sites]
    order = list(KINDS)
    views.sort(
        key=lambda view: (
            order.index(view.kind) if view.kind in order else len(order),
            _natural(view.name),
            view.site_id,
        )
    )
    return views


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that puts number 5 before number 12."""
    parts = re.split(r"([0-9]+)", name[:200])
    return [(int(part), "") if part.isdigit() else (0, part.casefold()) for part in parts]


def value_view(row: PublicObservation, worth: Worth, tongue: Tongue, now_ms: int) -> ValueView:
    """Return one value in words."""
    shown = quantity(row.quantity)
    gettext = tongue.gettext
    correction = ""
    if row.method != "none" and row.raw_value is None:
        correction = gettext("computed by %(method)s, version %(version)d") % {
            "method": row.method,
            "version": row.method_version,
        }
    elif row.method != "none":
        raw = f"{tongue.number(row.raw_value, shown.decimals)} {unit(row.unit).symbol}".strip()
        correction = gettext("measured %(raw)s, corrected by %(method)s, version %(version)d") % {
            "raw": raw,
            "method": row.method,
            "version": row.method_version,
        }
    return ValueView(
        quantity=row.quantity,
        label=gettext(shown.label),
        value=row.value,
        number=tongue.number(row.value, shown.decimals),
        symbol=unit(row.unit).symbol if row.value is not None else "",
        age=tongue.age(now_ms - row.observed_at_ms),
        iso=tongue.iso(row.observed_at_ms),
        moment=tongue.moment(row.observed_at_ms),
        grade=worth.grade,
        grade_label=gettext(GRADES[worth.grade]),
        reasons=reasons_text(worth.reasons, tongue),
        correction=correction,
    )


def reasons_text(reasons: Sequence[str], tongue: Tongue) -> str:
    """Return why a value is not simply good, as one line."""
    words: list[str] = []
    for reason in reasons:
        known = FLAGS.get(reason) or STATES.get(reason)
        text = tongue.gettext(known) if known else reason
        if text not in words:
            words.append(text)
    return ", ".join(words)


def hour_views(rows: Sequence[PublicObservation], decimals: int, tongue: Tongue) -> list[HourView]:
    """Return the hours of a series, newest first. Lowest and highest are of values without doubt.

    No mean is given: levels in decibels may not be averaged as numbers, and extremes hide nothing.
    """
    hours: dict[int, list[PublicObservation]] = {}
    for row in rows:
        hours.setdefault(row.observed_at_ms // 3_600_000, []).append(row)
    views: list[HourView] = []
    for hour in sorted(hours, reverse=True):
        good = [row.value for row in hours[hour] if row.value is not None and not is_doubtful(row)]
        views.append(
            HourView(
                hour=tongue.hour(hour * 3_600_000),
                lowest=tongue.number(min(good), decimals) if good else NO_VALUE,
                highest=tongue.number(max(good), decimals) if good else NO_VALUE,
                count=sum(row.value is not None for row in hours[hour]),
                doubtful=sum(is_doubtful(row) for row in hours[hour]),
            )
        )
    return views


def is_doubtful(row: PublicObservation) -> bool:
    """Say whether a past value was in doubt when it came (age plays no part)."""
    return row.value is not None and (bool(row.flags) or row.state in DOUBTFUL_STATES)


def _site_view(
    site: PublicSite,
    latest: Sequence[PublicObservation],
    tongue: Tongue,
    settings: WebSettings,
    now_ms: int,
) -> SiteView:
    rows = sorted(latest, key=lambda row: (quantity(row.quantity).rank, row.quantity))
    stale_ms = settings.stale_ms(site.kind)
    return SiteView(
        site_id=site.site_id,
        name=site.name,
        kind=site.kind,
        kind_label=tongue.gettext(KINDS[site.kind]) if site.kind in KINDS else site.kind,
        longitude=site.longitude,
        latitude=site.latitude,
        precision_m=site.precision_m,
        licence=site.licence,
        values=tuple(value_view(row, judge(row, now_ms, stale_ms), tongue, now_ms) for row in rows),
        quantities=tuple(row.quantity for row in rows),
    )
