"""Everything of one site: charts from an hour to all years, how values came about, noise, heat and rain."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway import exports
from gateway.buckets import Buckets
from gateway.insight import heat as heat_days
from gateway.insight.noise import CalendarDay, Parts, calendar, energy_mean, midnight_ms, weighted_energy_mean
from gateway.insight.rain import DRY_MS, Shower, showers
from gateway.model import Bucket, PublicObservation, PublicReader
from gateway.web import microphones, notes, svg
from gateway.web.context import Context
from gateway.web.gate import RefusedError, visitor_of
from gateway.web.kept import Kept
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.layers import BY_NAME, classed
from gateway.web.query import QueryError, choice, known, refuse_unknown
from gateway.web.series import DAY, HOUR, MINUTE, step_for
from gateway.web.view import SiteView, ValueView, is_doubtful, reasons_text
from gateway.web.words import FLAGS, STATES, quantity

SPANS = {
    "hour": (HOUR, N_("Hour")),
    "day": (DAY, N_("Day")),
    "week": (7 * DAY, N_("Week")),
    "month": (31 * DAY, N_("Month")),
    "year": (366 * DAY, N_("Year")),
    "years": (10 * 366 * DAY, N_("All years")),
}
FIELDS = {"quantity", "span", "with", "raw", "lang"}
RAW_SPANS = ("hour", "day", "week", "month")  # of which every single value can be drawn
MOST_COMPARED = 3
MOST_COMPARABLE = 50  # in the list to choose from
TABLE_ROWS = 26
SLOW_S = 120.0  # how long what moves slowly is kept
EXPLAINED_ROWS = 2_000  # a week of five minutes; of minutes a day and a half
CALENDAR_DAYS = 28
GONE = N_("This site is not public, or not any more.")
TOO_MANY = N_("%(field)s: compare with at most %(most)d other sites at once.")


@dataclass(frozen=True, slots=True)
class StretchRow:
    """One row of the chart's table twin."""

    start: str
    low: str
    mean: str
    high: str
    n: int
    flagged: int


@dataclass(frozen=True, slots=True)
class FlagRow:
    """How often something was said about values in the time shown."""

    words: str
    n: int
    share: str


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    page = SitePage(context)
    show = context.prepared.wrap(page.show)
    return [context.gate.route(f"/{language}/site/{{site_id}}", show) for language in LOCALES]


class SitePage:
    """The handler."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Answer the page of a site."""
        found = await self._context.read(lambda: self._found(request))
        return found if isinstance(found, Response) else self._context.html(request, "site_page.html", found)

    def _found(self, request: Request) -> dict[str, Any] | Response:
        """Read all that the page shows, in one turn beside the loop: each change of threads costs. Blocks."""
        context = self._context
        tongue = context.tongue(request)
        query = request.query_params
        refuse_unknown(query, FIELDS)
        now_ms = context.clock.now_ms()
        snapshot = context.now.snapshot()
        views = {v.site_id: v for v in snapshot.views(tongue, context.settings)}
        view = views.get(request.path_params["site_id"])
        if view is None:
            raise RefusedError(404, GONE)
        if view.headline is None:
            return RedirectResponse(f"/{tongue.language}/?site={quote(view.site_id, safe='')}", 303)
        name = known(query, "quantity", set(view.quantities)) or view.headline.quantity
        span = choice(query, "span", ("day", *(one for one in SPANS if one != "day")))
        others = _others(query, views, view, name)
        end_ms = now_ms + 1
        start_ms = max(0, end_ms - SPANS[span][0])
        values = _values(context.reader, context.kept, view, name, start_ms, end_ms, tongue)
        judgement = None
        if view.kind == "noise":
            judged = context.microphones.judgements(context.reader, now_ms, snapshot.sites)
            judgement = judged.get(view.site_id)
        visitor, book = visitor_of(request), notes.book_of(context)
        written = notes.shown(book, view.site_id, start_ms, end_ms, visitor, tongue)
        stretch = f"from={exports.iso_utc(start_ms)}&to={exports.iso_utc(end_ms)}"
        base = f"/api/series.json?quantity={quote(name)}&{stretch}"
        chosen = next(value for value in view.values if value.quantity == name)
        is_corrected = chosen.correction != "" and span in RAW_SPANS
        shows_raw = is_corrected and choice(query, "raw", ("no", "yes")) == "yes"
        form = "&form=buckets" if others and not shows_raw else ""
        raw = {
            "label": tongue.gettext(N_("as measured")),
            "url": f"{base}&site={quote(view.site_id, safe='')}&value=raw",
        }
        return {
            "site": view,
            "chosen": chosen,
            "explains": context.house is not None and context.house.explain is not None,
            "span": span,
            "spans": {key: tongue.gettext(words) for key, (_, words) in SPANS.items()},
            "from_iso": exports.iso_utc(start_ms),
            "to_iso": exports.iso_utc(end_ms),
            "url": f"{base}&site={quote(view.site_id, safe='')}{form}",
            "is_corrected": is_corrected,
            "shows_raw": shows_raw,
            "others": [
                *([raw] if shows_raw else []),
                *(
                    {"label": one.name, "url": f"{base}&site={quote(one.site_id, safe='')}{form}"}
                    for one in others
                ),
            ],
            "with": {one.site_id for one in others},
            "microphone": microphones.told(judgement, tongue) if judgement else None,
            "notes": written,
            "notes_drawn": notes.for_chart(written),
            "may_write": book is not None and notes.may_write(visitor, view.site_id),
            "note_back": f"/{tongue.language}/site/{quote(view.site_id, safe='')}?quantity={quote(name)}"
            f"&span={span}#notes",
            **notes.defaults(now_ms, tongue),
            "with_text": ",".join(one.site_id for one in others),
            "comparable": _comparable(views, view, name, others),
            "air": _air(context.reader, view, now_ms, tongue),
            "newest": _newest(chosen, now_ms, tongue),
            **values,
        }


def _air(reader: PublicReader, view: SiteView, now_ms: int, tongue: Tongue) -> dict[str, Any] | None:
    """Return what the air of the last hour is called in Europe's index, as on the map; None without it."""
    layer = BY_NAME["eaqi"]
    start_ms = now_ms - now_ms % MINUTE - HOUR
    means: dict[str, float] = {}
    for name in set(layer.quantities) & set(view.quantities):
        for hour in Buckets.of(reader.buckets(view.site_id, name, start_ms, start_ms + HOUR, HOUR)).good:
            means[name] = hour.mean
    found = classed(layer, means, start_ms, tongue) if means else None
    return (
        {"label": tongue.gettext(layer.label), "class": found.klass, "words": found.words} if found else None
    )


def _newest(chosen: ValueView, now_ms: int, tongue: Tongue) -> dict[str, str] | None:
    """Return the day of the newest value, and the least span that shows it; None without a value."""
    if chosen.value is None:
        return None
    at_ms = int(datetime.fromisoformat(chosen.iso).timestamp() * 1000)
    span = next((key for key, (length_ms, _) in SPANS.items() if now_ms - at_ms < length_ms), "years")
    return {"day": tongue.day(at_ms), "span": span}


def _others(query: Any, views: dict[str, SiteView], view: SiteView, name: str) -> list[SiteView]:
    """Return the sites to compare with: `with` may be repeated, or hold ids with commas between."""
    wishes = [part for text in query.getlist("with") for part in text.split(",") if part]
    found: list[SiteView] = []
    for wish in wishes:
        known({"with": wish}, "with", {one for one, v in views.items() if name in v.quantities})
        if views[wish] is not view and views[wish] not in found:
            found.append(views[wish])
    if len(found) > MOST_COMPARED:
        raise QueryError("with", ",".join(wishes), TOO_MANY, most=MOST_COMPARED)
    return found


def _comparable(
    views: dict[str, SiteView], view: SiteView, name: str, others: list[SiteView]
) -> list[SiteView]:
    """Return the nearest sites with the same quantity, by name, and those that are compared with already."""
    with_it = [one for one in views.values() if name in one.quantities and one is not view]
    near = with_it
    if len(with_it) > MOST_COMPARABLE:
        x, y, wide = view.longitude, view.latitude, math.cos(math.radians(view.latitude)) ** 2
        apart = [(one.latitude - y) ** 2 + wide * (one.longitude - x) ** 2 for one in with_it]
        nearest = heapq.nsmallest(MOST_COMPARABLE, range(len(apart)), apart.__getitem__)
        near = [with_it[n] for n in nearest]
    return sorted([*near, *(one for one in others if one not in near)], key=lambda one: one.name)


def _values(
    reader: PublicReader, kept: Kept, view: SiteView, name: str, start_ms: int, end_ms: int, tongue: Tongue
) -> dict[str, Any]:
    """Read what the parts of the page show. Blocks."""
    decimals = quantity(name).decimals
    step_ms = step_for(end_ms - start_ms, TABLE_ROWS)
    first_ms = start_ms - start_ms % step_ms
    buckets = reader.buckets(view.site_id, name, first_ms, end_ms, step_ms)
    about = (view.site_id, tongue.language)

    def explained() -> dict[str, Any]:
        first_ms = max(start_ms, end_ms - 7 * DAY)
        rows = reader.series(view.site_id, name, first_ms, end_ms, EXPLAINED_ROWS)
        if len(rows) == EXPLAINED_ROWS:
            first_ms = rows[0].observed_at_ms
        return {
            "unit": rows[-1].unit if rows else "",
            "is_explained": bool(rows),
            "flags": _flags(rows, tongue),
            "explained_since": tongue.moment(first_ms) if first_ms > end_ms - 7 * DAY else "",
            "corrections": _corrections(rows, tongue),
        }

    def slow(part: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return kept.get((part, *about), SLOW_S, make)

    words = kept.get(("explained", name, start_ms // HOUR, *about), SLOW_S, explained)
    return {
        **words,
        "stretches": [_stretch(bucket, step_ms, decimals, tongue) for bucket in reversed(buckets)],
        "summary": _summary(buckets, words["unit"], decimals, tongue),
        "noise": slow("noise", lambda: _noise(reader, view, end_ms, tongue))
        if "laeq" in view.quantities
        else None,
        "heat": slow("heat", lambda: heat_of(reader, view, end_ms, tongue))
        if view.kind in ("garden", "air") and "temperature" in view.quantities
        else None,
        "rain": slow("rain", lambda: rain_of(reader, view, end_ms, tongue))
        if "precipitation" in view.quantities
        else None,
    }


def _stretch(bucket: Bucket, step_ms: int, decimals: int, tongue: Tongue) -> StretchRow:
    start = tongue.day(bucket.start_ms) if step_ms >= DAY else tongue.hour(bucket.start_ms)
    if step_ms < 60_000:
        start = tongue.clock(bucket.start_ms)
    low, mean, high = (tongue.number(v, decimals) for v in (bucket.low, bucket.mean, bucket.high))
    return StretchRow(start, low, mean, high, bucket.n, bucket.flagged)


def _summary(buckets: Sequence[Bucket], unit: str, decimals: int, tongue: Tongue) -> dict[str, str] | None:
    good = [bucket for bucket in buckets if bucket.flagged < bucket.n]
    if not good:
        return None
    weights = [bucket.n - bucket.flagged for bucket in good]
    if unit.startswith("dB"):
        mean = weighted_energy_mean((b.mean, n) for b, n in zip(good, weights, strict=True))
    else:
        mean = sum(b.mean * n for b, n in zip(good, weights, strict=True)) / sum(weights)
    return {
        "low": tongue.number(min(bucket.low for bucket in good), decimals),
        "mean": tongue.number(mean, decimals),
        "high": tongue.number(max(bucket.high for bucket in good), decimals),
        "n": tongue.number(sum(bucket.n for bucket in buckets), 0),
        "flagged": tongue.number(sum(bucket.flagged for bucket in buckets), 0),
    }


def _flags(rows: Sequence[PublicObservation], tongue: Tongue) -> list[FlagRow]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update({row.state, *row.flags} - {"ok"})
    return [
        FlagRow(
            reasons_text((name,), tongue),
            n,
            tongue.number(100 * n / len(rows), 1) + "\N{NO-BREAK SPACE}%",
        )
        for name, n in counts.most_common()
        if name in FLAGS or name in STATES or name
    ]


def _corrections(rows: Sequence[PublicObservation], tongue: Tongue) -> list[dict[str, str]]:
    """Return each method in the time shown with what it did to a value on average."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        if row.method != "none" and row.value is not None and not is_doubtful(row):
            change = row.value - row.raw_value if row.raw_value is not None else 0.0
            found.setdefault((row.method, row.method_version), []).append(change)
    return [
        {
            "method": method,
            "version": str(version),
            "n": tongue.number(len(changes), 0),
            "change": tongue.number(sum(changes) / len(changes), 1),
        }
        for (method, version), changes in sorted(found.items())
    ]


def _noise(reader: PublicReader, view: SiteView, end_ms: int, tongue: Tongue) -> dict[str, Any]:
    """Return calendar and levels of the last four weeks, and the spectrum of the newest record."""
    start_ms = midnight_ms(end_ms, tongue.zone, 1 - CALENDAR_DAYS)
    hours = Buckets.of(reader.buckets(view.site_id, "laeq", start_ms, end_ms, HOUR)).good
    found = calendar(hours.start_ms, hours.mean, tongue.zone)
    label = tongue.gettext(N_("Noise calendar: LAeq of each hour of the last four weeks"))
    spectrum = [
        (value.quantity.removeprefix("lzeq_").removesuffix("hz").replace("_", ","), value.value)
        for value in view.values
        if value.quantity.startswith("lzeq_") and value.value is not None
    ]
    spectrum.sort(key=lambda row: float(row[0].replace(",", ".")))
    bars = svg.bars(spectrum, 20, 90, tongue.gettext(N_("Spectrum of the newest record"))) if spectrum else ""
    nights = [day.parts.night for day in found if day.parts.night is not None]
    ldens = [day.parts.lden for day in found if day.parts.lden is not None]
    return {
        "calendar": svg.noise_calendar(found, tongue, label),
        "days": [_noise_day(day, tongue) for day in reversed(found)],
        "lden": tongue.number(energy_mean(ldens), 1),
        "lnight": tongue.number(energy_mean(nights), 1),
        "spectrum": bars,
    }


def _noise_day(day: CalendarDay, tongue: Tongue) -> dict[str, str]:
    parts: Parts = day.parts
    levels = {"day": parts.day, "evening": parts.evening, "night": parts.night, "lden": parts.lden}
    return {
        "date": tongue.weekday(day.start_ms),
        "hours": str(parts.hours),
        **{name: tongue.number(level, 1) for name, level in levels.items()},
    }


def heat_of(reader: PublicReader, view: SiteView, end_ms: int, tongue: Tongue) -> dict[str, Any]:
    """Return the heat days of the running year."""
    start_ms = midnight_ms(end_ms, tongue.zone)
    start_ms = midnight_ms(start_ms, tongue.zone, 1 - tongue.day_of_year(start_ms))
    hours = Buckets.of(reader.buckets(view.site_id, "temperature", start_ms, end_ms, HOUR)).good
    found = heat_days.heat(heat_days.days(hours.start_ms, hours.low, hours.high, tongue.zone))
    return {"found": found, "highest": tongue.number(found.highest.high, 1) if found.highest else ""}


def rain_of(reader: PublicReader, view: SiteView, end_ms: int, tongue: Tongue) -> dict[str, Any]:
    """Return the showers of the last 31 days, newest first."""
    rows = [
        row
        for first_ms, last_ms in _wet(reader, view.site_id, end_ms - 31 * DAY, end_ms)
        for row in reader.series(view.site_id, "precipitation", first_ms, last_ms, 50_000)
    ]
    found = showers((r.observed_at_ms, r.value) for r in rows if r.value is not None and not is_doubtful(r))
    total = sum(shower.total_mm for shower in found)
    return {
        "total": tongue.number(total, 1),
        "showers": [_shower(one, tongue) for one in reversed(found[-12:])],
    }


def _wet(reader: PublicReader, site_id: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Return the stretches in which rain fell, with the dry spell before that tells when it began.

    A month of minutes is 45,000 values; the hours, which are kept added up, say which few of them matter.
    """
    first_ms = start_ms - start_ms % HOUR
    found: list[tuple[int, int]] = []
    for hour in reader.buckets(site_id, "precipitation", first_ms, end_ms, HOUR):
        if hour.high > 0 and hour.flagged < hour.n:
            low = max(start_ms, hour.start_ms - DRY_MS)
            if found and low <= found[-1][1]:
                low = found.pop()[0]
            found.append((low, min(end_ms, hour.start_ms + HOUR)))
    return found


def _shower(shower: Shower, tongue: Tongue) -> dict[str, Any]:
    return {
        "start": tongue.moment(shower.start_ms),
        "minutes": tongue.number((shower.end_ms - shower.start_ms) / 60_000, 0),
        "total": tongue.number(shower.total_mm, 1),
        "peak": tongue.number(shower.peak_mm_h, 1),
        "is_cloudburst": shower.is_cloudburst,
    }
