"""The postcard of a month: a page of A6 to print or to send on. Its numbers are those of the API."""

from __future__ import annotations

import re
from datetime import datetime

from gateway.buckets import Buckets
from gateway.insight import heat as heat_days
from gateway.insight.noise import local, weighted_energy_mean
from gateway.insight.rain import showers
from gateway.model import PublicReader
from gateway.web.card import Box, Card, Rule, Shape, Words
from gateway.web.languages import N_, Tongue
from gateway.web.query import QueryError
from gateway.web.series import HOUR
from gateway.web.view import SiteView, is_doubtful
from gateway.web.words import quantity

BAD_MONTH = N_("%(field)s: “%(value)s” is no month. Write 2026-11.")
WIDE, HIGH = 592, 420  # A6 lying: 148 x 105 mm, four units a millimetre
LEFT, RIGHT, FOOT, TALL = 36, 556, 300, 110


def postcard(
    reader: PublicReader, view: SiteView, month: str, now_ms: int, tongue: Tongue, title: str
) -> Card:
    """Return the card of a month ("2026-11"; "" is the running one). Blocks. Raise QueryError."""
    start_ms, end_ms = _month(month or tongue.iso(now_ms)[:7], tongue)
    name = view.headline.quantity if view.headline else "temperature"
    symbol = view.headline.symbol if view.headline else ""
    hours = [b for b in reader.buckets(view.site_id, name, start_ms, end_ms, HOUR) if b.flagged < b.n]
    by_day: dict[int, list[tuple[float, float, float, int]]] = {}
    for b in hours:
        by_day.setdefault(local(b.start_ms, tongue.zone).day, []).append(
            (b.low, b.mean, b.high, b.n - b.flagged)
        )
    is_level = symbol.startswith("dB")
    decimals = quantity(name).decimals
    facts: list[tuple[str, str]] = []
    if hours:
        weighted = [(b.mean, b.n - b.flagged) for b in hours]
        plain = sum(m * n for m, n in weighted) / sum(n for _, n in weighted)
        mean = weighted_energy_mean(weighted) if is_level else plain
        unit = f"\N{NO-BREAK SPACE}{symbol}"
        facts = [
            (tongue.gettext("Mean"), tongue.number(mean, decimals) + unit),
            (tongue.gettext("Lowest"), tongue.number(min(b.low for b in hours), decimals) + unit),
            (tongue.gettext("Highest"), tongue.number(max(b.high for b in hours), decimals) + unit),
        ]
    facts += _weather(reader, view, start_ms, end_ms, tongue)
    days = local(end_ms - 1, tongue.zone).day
    shapes: list[Shape] = [
        Box(0, 0, WIDE, HIGH, "#ffffff"),
        Box(0, 0, WIDE, 76, "#0b5d66"),
        Words(LEFT, 34, 22, view.name, "#ffffff", bold=True),
        Words(LEFT, 58, 14, tongue.month(start_ms), "#ffffff"),
        Words(RIGHT, 58, 12, title, "#ffffff", anchor="end"),
        Words(LEFT, FOOT - TALL - 14, 12, tongue.gettext(quantity(name).label), "#14242a", bold=True),
        *_days(by_day, days, decimals, tongue),
    ]
    for i, (label, number) in enumerate(facts[:4]):
        x = LEFT + i * 134
        shapes += [Words(x, 106, 11, label, "#4a5a60"), Words(x, 132, 22, number, "#14242a", bold=True)]
    if not hours:
        nothing = tongue.gettext(N_("Nothing was measured in this month."))
        shapes.append(Words(LEFT, 132, 16, nothing, "#14242a"))
    credit = tongue.gettext(N_("Measured by a low-cost sensor; licence %(licence)s")) % {
        "licence": view.licence
    }
    shapes.append(Words(LEFT, HIGH - 24, 10, credit, "#4a5a60"))
    return Card(WIDE, HIGH, f"{view.name}, {tongue.month(start_ms)}", tongue.language, shapes)


def _month(text: str, tongue: Tongue) -> tuple[int, int]:
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text)
    if not found:
        raise QueryError("month", text, BAD_MONTH)
    year, month = int(found[1]), int(found[2])
    ends = (year, month), (year + month // 12, month % 12 + 1)
    start, end = (int(datetime(y, m, 1, tzinfo=tongue.zone).timestamp() * 1000) for y, m in ends)
    return start, end


def _weather(
    reader: PublicReader, view: SiteView, start_ms: int, end_ms: int, tongue: Tongue
) -> list[tuple[str, str]]:
    """Return rain, or summer days where they are worth a word."""
    if "precipitation" in view.quantities:
        rows = reader.series(view.site_id, "precipitation", start_ms, end_ms, 50_000)
        found = showers(
            (r.observed_at_ms, r.value) for r in rows if r.value is not None and not is_doubtful(r)
        )
        total = tongue.number(sum(shower.total_mm for shower in found), 0)
        return [(tongue.gettext(N_("Rain")), f"{total}\N{NO-BREAK SPACE}mm")]
    if "temperature" in view.quantities:
        hours = Buckets.of(reader.buckets(view.site_id, "temperature", start_ms, end_ms, HOUR)).good
        days = heat_days.days(hours.start_ms, hours.low, hours.high, tongue.zone)
        return [(tongue.gettext(N_("Summer days")), str(heat_days.heat(days).summer))]
    return []


def _days(
    by_day: dict[int, list[tuple[float, float, float, int]]], days: int, decimals: int, tongue: Tongue
) -> list[Shape]:
    """Draw a bar from the lowest to the highest value of each day."""
    if not by_day:
        return []
    ranges = {day: (min(r[0] for r in rows), max(r[2] for r in rows)) for day, rows in by_day.items()}
    low, high = min(r[0] for r in ranges.values()), max(r[1] for r in ranges.values())
    span, wide = (high - low) or 1.0, (RIGHT - LEFT) / days
    shapes: list[Shape] = [
        Words(LEFT - 4, FOOT + 4, 9, tongue.number(low, decimals), "#4a5a60", anchor="end"),
        Words(LEFT - 4, FOOT - TALL + 9, 9, tongue.number(high, decimals), "#4a5a60", anchor="end"),
        Rule(LEFT, RIGHT, FOOT, "#d3dcde"),
    ]
    for day in range(1, days + 1):
        x = LEFT + (day - 1) * wide
        if day in ranges:
            bottom, top = ((value - low) / span * TALL for value in ranges[day])
            shapes.append(Box(x + 1.5, FOOT - top, wide - 3, max(1.5, top - bottom), "#0b6b75", 3))
        if day % 5 == 0 or day == 1:
            shapes.append(Words(x + wide / 2, FOOT + 16, 9, str(day), "#4a5a60", anchor="middle"))
    return shapes
