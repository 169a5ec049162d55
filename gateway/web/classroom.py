"""For a class: think first, then look, then compare. No accounts, nothing kept: a guess lives in the address.

Two places, one quantity, one day of 23 to 25 hours. The worksheet is for paper; the table for a spreadsheet
has at most fifty rows.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.insight.noise import HOUR_MS, local, midnight_ms, weighted_energy_mean
from gateway.model import Bucket, PublicReader
from gateway.web import svg
from gateway.web.context import Context
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError, known, refuse_unknown
from gateway.web.view import SiteView
from gateway.web.words import quantity

FIELDS = {"site", "with", "quantity", "day", "when", "top", "where", "lang"}
QUANTITIES = ("temperature", "relative_humidity", "laeq", "pm2_5", "pm10", "soil_moisture", "filling_level")
OLDEST_DAYS = 3660
HERE, THERE, SAME = "here", "there", "same"
# Means closer than this are "about the same": what two such sensors differ side by side.
ALIKE = {"temperature": 0.5, "relative_humidity": 4.0, "laeq": 1.5, "pm2_5": 3.0, "pm10": 5.0}
BAD_DAY = N_("%(field)s: “%(value)s” is no day that can be shown. Write 2026-11-23.")
BAD_GUESS = N_("%(field)s: “%(value)s” is no number. Write for example 21,5.")
THINK = {
    "temperature": N_("Sun or shade? Stone, grass or trees? Is the night as different as the day?"),
    "relative_humidity": N_("What happens to the air when it gets warmer? And when it rains?"),
    "laeq": N_(
        "Who makes the sound: cars, birds, children? When is it quietest? How would twice as many cars sound?"
    ),
    "pm2_5": N_(
        "Where does the dust come from: traffic, stoves, fields? What does wind do? What does mist do?"
    ),
    "pm10": N_(
        "Where does the dust come from: traffic, stoves, fields? What does wind do? What does mist do?"
    ),
    "soil_moisture": N_("When did it rain? How fast does the soil dry? What drinks from it?"),
    "filling_level": N_("When do people throw most away? When was the bin emptied?"),
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a class looks at."""

    here: SiteView
    there: SiteView | None
    name: str
    day: date
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """The hours of both places without doubt: level of each hour by its start."""

    here: Mapping[int, Bucket]
    there: Mapping[int, Bucket]


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages, kept = Classroom(context), context.prepared.wrap
    route = context.gate.route
    found = [route("/api/class.csv", pages.csv)]
    for language in LOCALES:
        found += [
            route(f"/{language}/class", kept(pages.show)),
            route(f"/{language}/class/worksheet", kept(pages.worksheet)),
        ]
    return found


class Classroom:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show the question, or what came of the guess."""
        return await self._page(request, "class.html")

    async def worksheet(self, request: Request) -> Response:
        """Show the sheet for paper."""
        return await self._page(request, "worksheet.html")

    async def csv(self, request: Request) -> Response:
        """Answer the hours as a small table: as a spreadsheet of the reader's language opens it."""
        lesson, found = await self._read(request)
        tongue = self._context.tongue(request)
        if lesson is None:
            raise QueryError("day", request.query_params.get("day", ""), BAD_DAY)
        is_english = tongue.language == "en"
        out = io.StringIO()
        writer = csv.writer(out, delimiter="," if is_english else ";", lineterminator="\r\n")
        places = [lesson.here, *([lesson.there] if lesson.there else [])]
        writer.writerow([tongue.gettext(N_("Hour")), *(one.name for one in places)])
        decimals = quantity(lesson.name).decimals
        for hour in _hours(lesson):
            levels = [found.here.get(hour), found.there.get(hour)][: len(places)]
            cells = [f"{one.mean:.{decimals}f}" if one else "" for one in levels]
            writer.writerow(
                [tongue.hour(hour), *(cell if is_english else cell.replace(".", ",") for cell in cells)]
            )
        headers = {
            "content-disposition": f'attachment; filename="meetnet-{lesson.name}-{lesson.day}.csv"',
            "content-language": tongue.language,
        }
        # The mark at the start tells a spreadsheet that this is UTF-8.
        return Response("\N{BYTE ORDER MARK}" + out.getvalue(), media_type="text/csv", headers=headers)

    async def _page(self, request: Request, template: str) -> Response:
        context, tongue = self._context, self._context.tongue(request)
        lesson, found = await self._read(request)
        if lesson is None:
            return context.html(request, "class.html", {"lesson": None, "step": 1})
        views = await context.read(lambda: context.now.views(tongue))
        query = request.query_params
        guess = _guess(query)
        fields = {"site": lesson.here.site_id, "quantity": lesson.name, "day": lesson.day.isoformat()}
        if lesson.there:
            fields["with"] = lesson.there.site_id
        value = next(value for value in lesson.here.values if value.quantity == lesson.name)
        hours = _hours(lesson)
        series = [found.here, *([found.there] if lesson.there else [])]
        label = tongue.gettext(N_("The hours of the day; the table below holds the same"))
        lines = [[one[hour].mean if hour in one else None for hour in hours] for one in series]
        names = [lesson.here.name, *([lesson.there.name] if lesson.there else [])]
        draw = partial(svg.hours, tongue=tongue, decimals=quantity(lesson.name).decimals)
        marks = [tongue.clock(hour)[:2].lstrip("0") or "0" for hour in hours]
        return context.html(
            request,
            template,
            {
                "lesson": lesson,
                "has_guess": bool(guess),
                "label": value.label,
                "symbol": value.symbol,
                "day": tongue.day(lesson.start_ms),
                "fields": fields,
                "query": urlencode(fields),
                "sites": [one for one in views if set(one.quantities) & set(QUANTITIES)],
                "quantities": {
                    name: tongue.gettext(quantity(name).label)
                    for name in QUANTITIES
                    if name in lesson.here.quantities
                },
                "think": tongue.gettext(THINK[lesson.name]),
                "rows": [
                    {
                        "hour": tongue.hour(hour),
                        "levels": [_number(one.get(hour), lesson, tongue) for one in series],
                    }
                    for hour in hours
                ],
                "names": names,
                "drawing": draw(lines, names, marks, label) if any(series) else "",
                "empty": draw([[None] * len(hours)], [""], marks, tongue.gettext(N_("Draw here"))),
                "told": _told(guess, lesson, found, tongue),
                "measured": len(found.here),
            },
        )

    async def _read(self, request: Request) -> tuple[Lesson | None, Found]:
        refuse_unknown(request.query_params, FIELDS)
        context, tongue = self._context, self._context.tongue(request)
        views = await context.read(lambda: context.now.views(tongue))
        now_ms = context.clock.now_ms()
        lesson = _lesson(views, request.query_params, now_ms, tongue)
        if lesson is None:
            return None, Found({}, {})
        reader = context.reader

        def work() -> Found:
            there = _good(reader, lesson.there.site_id, lesson) if lesson.there else {}
            return Found(_good(reader, lesson.here.site_id, lesson), there)

        return lesson, await context.read(work)


def _lesson(views: Sequence[SiteView], query: Any, now_ms: int, tongue: Tongue) -> Lesson | None:
    """Return what the address asks for; by default yesterday, at the first place that measures something."""
    fitting = [one for one in views if set(one.quantities) & set(QUANTITIES)]
    by_id = {one.site_id: one for one in fitting}
    day = _day(query.get("day", "").strip(), now_ms, tongue)
    if not fitting:
        return None
    wish = known(query, "site", set(by_id))
    here = (
        by_id[wish] if wish else next((one for one in fitting if "temperature" in one.quantities), fitting[0])
    )
    own = [name for name in QUANTITIES if name in here.quantities]
    name = known(query, "quantity", set(own)) or own[0]
    others = {one.site_id for one in fitting if name in one.quantities and one is not here}
    if "with" in query and not query.get("with", "").strip():
        other = None
    else:
        wish = query.get("with", "").strip()
        # A place that does not measure this quantity falls away when the quantity is changed.
        other = wish if wish in others else (next((o.site_id for o in fitting if o.site_id in others), None))
        known({"with": wish}, "with", set(by_id))
    start_ms = round(datetime(day.year, day.month, day.day, tzinfo=tongue.zone).timestamp() * 1000)
    end_ms = midnight_ms(start_ms, tongue.zone, 1)
    return Lesson(here, by_id[other] if other else None, name, day, start_ms, end_ms)


def _day(text: str, now_ms: int, tongue: Tongue) -> date:
    today = local(now_ms, tongue.zone).date()
    if not text:
        return local(midnight_ms(now_ms, tongue.zone, -1), tongue.zone).date()
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise QueryError("day", text, BAD_DAY) from None
    if not 0 <= (today - found).days <= OLDEST_DAYS:
        raise QueryError("day", text, BAD_DAY)
    return found


def _good(reader: PublicReader, site_id: str, lesson: Lesson) -> dict[int, Bucket]:
    rows = reader.buckets(site_id, lesson.name, lesson.start_ms, lesson.end_ms, HOUR_MS)
    return {bucket.start_ms: bucket for bucket in rows if bucket.flagged < bucket.n}


def _hours(lesson: Lesson) -> list[int]:
    return list(range(lesson.start_ms, lesson.end_ms, HOUR_MS))


def _number(bucket: Bucket | None, lesson: Lesson, tongue: Tongue) -> str:
    return tongue.number(bucket.mean if bucket else None, quantity(lesson.name).decimals)


def _guess(query: Any) -> dict[str, float | str]:
    """Return what was guessed: hour of the highest, the highest, and where it is more. Raise QueryError."""
    found: dict[str, float | str] = {}
    for name in ("when", "top"):
        text = query.get(name, "").strip().replace(",", ".").replace("\N{MINUS SIGN}", "-")
        if text:
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value) or abs(value) > 100_000:
                raise QueryError(name, text, BAD_GUESS)
            found[name] = value
    if query.get("where", "") in (HERE, THERE, SAME):
        found["where"] = query["where"]
    return found


def _told(
    guess: dict[str, float | str], lesson: Lesson, found: Found, tongue: Tongue
) -> list[dict[str, str]]:
    """Return each guess beside what was measured."""
    if not guess or not found.here:
        return []
    decimals = quantity(lesson.name).decimals
    top = max(found.here.values(), key=lambda bucket: bucket.mean)
    hour = local(top.start_ms, tongue.zone).hour
    rows: list[dict[str, str]] = []
    if "when" in guess:
        off = abs(int(guess["when"]) - hour)
        off = min(off, 24 - off) if off <= 24 else off
        rows.append(
            {
                "question": tongue.gettext(N_("The hour of the highest")),
                "guess": tongue.gettext(N_("%(hour)s h")) % {"hour": str(int(guess["when"]))},
                "found": tongue.gettext(N_("%(hour)s h")) % {"hour": str(hour)},
                "off": tongue.ngettext("%(num)d hour off", "%(num)d hours off", off) % {"num": off}
                if off
                else tongue.gettext(N_("exactly")),
            }
        )
    if "top" in guess:
        rows.append(
            {
                "question": tongue.gettext(N_("The highest mean of an hour")),
                "guess": tongue.number(float(guess["top"]), decimals),
                "found": tongue.number(top.mean, decimals),
                "off": tongue.gettext(N_("%(number)s off"))
                % {"number": tongue.number(abs(float(guess["top"]) - top.mean), decimals)},
            }
        )
    if "where" in guess and lesson.there is not None:
        both = sorted(found.here.keys() & found.there.keys())
        if both:
            here, there = (_mean([one[hour] for hour in both], lesson) for one in (found.here, found.there))
            more = (
                SAME if abs(here - there) < ALIKE.get(lesson.name, 1.0) else HERE if here > there else THERE
            )
            words = {
                HERE: lesson.here.name,
                THERE: lesson.there.name,
                SAME: tongue.gettext(N_("about the same")),
            }
            numbers = f"{tongue.number(here, decimals)} / {tongue.number(there, decimals)}"
            rows.append(
                {
                    "question": tongue.gettext(N_("Where it was more, over the day")),
                    "guess": words[str(guess["where"])],
                    "found": f"{words[more]} ({numbers})",
                    "off": tongue.gettext(N_("exactly") if more == guess["where"] else N_("otherwise")),
                }
            )
    return rows


def _mean(buckets: Sequence[Bucket], lesson: Lesson) -> float:
    """Return the mean over the same hours of both places; of levels, the mean of energy."""
    if lesson.name == "laeq":
        found = weighted_energy_mean((one.mean, 1.0) for one in buckets)
        assert found is not None  # there is at least one hour
        return found
    return sum(one.mean for one in buckets) / len(buckets)
